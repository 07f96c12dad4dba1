"""Usage: what each reply cost, one row a reply, kept when its conversation is deleted. All SQL of that noun.

Plain functions of a connection, to be called inside a transaction. Above: ``messages``, ``sqlite``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .api import UsageRecord
from .connection import Connection
from .message_fields import dollars, tokens
from .tables import Spent

_FIELDS = ("at", "session_key", "provider", "model", "input", "output", "cache_read", "cache_write", "cost")
_WIRE = ("input", "output", "cacheRead", "cacheWrite")


def record(conn: Connection, session_id: str, message: Mapping[str, Any], now: int, run_id: str | None = None) -> None:
    """Note what ``message``, or the summary that it brings (``compaction``), cost, if it says so; and for which client,
    that of the run ``run_id``."""
    paid = message.get("compaction") or message
    usage = paid.get("usage")
    if message.get("role") != "assistant" or not usage:
        return
    counts = [tokens(usage.get(name)) for name in _WIRE]
    if not any(counts):
        return
    cost = usage.get("cost") or {}
    total = None if cost.get("unknown") or cost.get("total") is None else dollars(cost["total"])
    conn.execute(
        f"""INSERT INTO usage ({", ".join(_FIELDS)}, client) VALUES
            (?, (SELECT session_key FROM transcripts WHERE session_id = ?), ?, ?, ?, ?, ?, ?, ?,
             (SELECT json_extract(options, '$.client') FROM runs WHERE run_id = ?))""",
        (now, session_id, str(paid.get("provider") or ""), str(paid.get("model") or ""), *counts, total, run_id),
    )


def add(conn: Connection, session_id: str, provider: str, model: str, spent: Mapping[str, Any], now: int) -> None:
    """Note what a request beside the conversation cost, in its transcript's sums too."""
    record(conn, session_id, {"role": "assistant", "provider": provider, "model": model, "usage": spent}, now)
    conn.execute(
        "UPDATE transcripts SET total_cost = total_cost + ? WHERE session_id = ?",
        (dollars((spent.get("cost") or {}).get("total")), session_id),
    )


def since(conn: Connection, at: int, session_key: str | None) -> Sequence[UsageRecord]:
    """Usage of the replies from ``at`` on, oldest first."""
    rows = conn.execute(
        f"""SELECT {", ".join(_FIELDS)} FROM usage
            WHERE at >= ? AND (CAST(?2 AS TEXT) IS NULL OR session_key = ?2) ORDER BY at""",
        (at, session_key),
    )
    return [UsageRecord(**dict(zip(_FIELDS, row, strict=True))) for row in rows]


def sums_since(conn: Connection, times: Sequence[int]) -> Sequence[Spent]:
    """Tokens and dollars since each of the ``times``, of which the first is the earliest."""
    tokens_of = "input + output + cache_read + cache_write"
    sums = ", ".join(
        f"""CAST(coalesce(sum(CASE WHEN at >= {int(at)} THEN {tokens_of} ELSE 0 END), 0) AS BIGINT),
            coalesce(sum(CASE WHEN at >= {int(at)} THEN cost ELSE 0 END), 0.0)"""
        for at in times
    )
    row = conn.execute(f"SELECT {sums} FROM usage WHERE at >= ?", (times[0],)).fetchone()
    return [Spent(int(row[2 * n]), float(row[2 * n + 1])) for n in range(len(times))]
