"""Records: small documents of the gateway's own (paired devices, nodes, approval rules), by kind and id. All their SQL.

What is in them is the gateway's business. Plain functions of a connection, to be called inside a transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .connection import Connection
from .found import MakeRecord, RecordChange
from .message_fields import decode, encode


def get(conn: Connection, kind: str, id_: str) -> Mapping[str, Any] | None:
    row = conn.execute("SELECT body FROM records WHERE kind = ? AND id = ?", (kind, id_)).fetchone()
    return decode(row[0]) if row else None


def list_of(conn: Connection, kind: str) -> Sequence[Mapping[str, Any]]:
    """Oldest first."""
    rows = conn.execute("SELECT body FROM records WHERE kind = ? ORDER BY created_at, id", (kind,))
    return [decode(row[0]) for row in rows]


def times(conn: Connection, kind: str) -> Sequence[tuple[str, int]]:
    """Id and time of the last write of each, the longest untouched first."""
    found = conn.execute("SELECT id, updated_at FROM records WHERE kind = ? ORDER BY updated_at, id", (kind,))
    return [(str(id_), int(at)) for id_, at in found]


def put(conn: Connection, kind: str, id_: str, body: Mapping[str, Any], now: int) -> None:
    """Write a record, in the place of one that is there."""
    conn.execute(
        """INSERT INTO records (kind, id, body, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?4)
           ON CONFLICT (kind, id) DO UPDATE SET body = ?3, updated_at = ?4""",
        (kind, id_, encode(body), now),
    )


def change(conn: Connection, kind: str, id_: str, make: MakeRecord, now: int) -> RecordChange:
    """Write what ``make`` makes of a record, or remove it."""
    before = get(conn, kind, id_)
    after = make(before)
    if after is None:
        delete(conn, kind, id_)
    elif after != before:
        put(conn, kind, id_, after, now)
    return RecordChange(before, after)


def delete(conn: Connection, kind: str, id_: str) -> None:
    """Remove a record, if it is there."""
    conn.execute("DELETE FROM records WHERE kind = ? AND id = ?", (kind, id_))
