"""``usage.*``, ``sessions.usage``: what replies cost, from this gateway's own records."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any

from ...protocol.clock import now_ms
from ...protocol.errors import InvalidRequest
from ...protocol.schema import NoParams, SessionsUsageParams, SessionsUsageResult, UsageCostParams, UsageCostResult
from ...store.api import UsageRecord
from ..connections.connection import Connection
from ..registry import method
from ..services import Services

DAYS = 30
MAX_DAYS = 3660


@method("usage.status")
async def usage_status(services: Services, caller: Connection, params: NoParams) -> dict[str, Any]:
    """Quotas are the provider's to tell, and its API for messages does not: an empty list."""
    return {"updatedAt": now_ms(), "providers": []}


@method("usage.cost")
async def usage_cost(services: Services, caller: Connection, params: UsageCostParams) -> UsageCostResult:
    """Tokens and dollars of the last ``days`` days, by day of this machine's time zone."""
    days = _days(params.days)
    first = date.today() - timedelta(days=days - 1)  # noqa: DTZ011  the day as the person at this machine counts it
    rows = await services.store.spent(since=_midnight_ms(first))
    by_day: dict[str, list[UsageRecord]] = {}
    for row in rows:
        by_day.setdefault(time.strftime("%Y-%m-%d", time.localtime(row.at / 1000)), []).append(row)
    return UsageCostResult(
        updated_at=now_ms(),
        days=days,
        totals=totals(rows),
        daily=[{"date": day, **totals(spent)} for day, spent in sorted(by_day.items())],
    )


@method("sessions.usage")
async def sessions_usage(services: Services, caller: Connection, params: SessionsUsageParams) -> SessionsUsageResult:
    """The same by session, the dearest first."""
    key = services.sessions.canonical(params.key) if params.key else None
    since = now_ms() - params.days * 86_400_000 if params.days else 0
    rows = await services.store.spent(since=since, session_key=key)
    by_session: dict[str, list[UsageRecord]] = {}
    for row in rows:
        by_session.setdefault(row.session_key or "", []).append(row)
    listed: list[dict[str, Any]] = [
        {
            "key": name,
            **totals(spent),
            "replies": len(spent),
            "models": sorted({row.model for row in spent}),
            "lastAt": spent[-1].at,
        }
        for name, spent in by_session.items()
    ]
    listed.sort(key=lambda row: (-row["totalCost"], -row["totalTokens"]))
    return SessionsUsageResult(updated_at=now_ms(), sessions=listed[: params.limit or 100], totals=totals(rows))


def totals(rows: Iterable[UsageRecord]) -> dict[str, Any]:
    """Sums in Clawdbot's form; ``missingCostEntries`` counts replies of models whose price is not known."""
    sums: dict[str, Any] = dict.fromkeys(("input", "output", "cacheRead", "cacheWrite", "totalTokens"), 0)
    sums |= {"totalCost": 0.0, "missingCostEntries": 0}
    for row in rows:
        counts = {"input": row.input, "output": row.output, "cacheRead": row.cache_read, "cacheWrite": row.cache_write}
        for name, count in counts.items():
            sums[name] += count
        sums["totalTokens"] += sum(counts.values())
        sums["totalCost"] += row.cost or 0.0
        sums["missingCostEntries"] += row.cost is None
    return sums


def _days(given: float | str | None) -> int:
    """Clawdbot takes text too. Raises ``InvalidRequest``."""
    if given is None or given == "":
        return DAYS
    try:
        return min(max(1, int(float(given))), MAX_DAYS)
    except (ValueError, OverflowError):
        raise InvalidRequest("days must be a number") from None


def _midnight_ms(day: date) -> int:
    return int(datetime(day.year, day.month, day.day).astimezone().timestamp() * 1000)
