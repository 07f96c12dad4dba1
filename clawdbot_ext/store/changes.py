"""Changes that the assistant made in notebooks and files, one row a batch. All SQL of that noun.

What a change says is the gateway's business (``protocol.schema.Change``, with what its undo needs). Plain functions of
a connection, to be called inside a transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .connection import Connection
from .message_fields import decode, encode

MAX_OF_SESSION = 500
"""The newest changes of a session that are kept."""

CREATE = (
    """CREATE TABLE changes (
        position INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        session_key TEXT NOT NULL,
        path TEXT NOT NULL,
        body TEXT NOT NULL
    )""",
    "CREATE INDEX changes_of_session ON changes (session_key, position)",
    "CREATE INDEX changes_of_path ON changes (path, position)",
)


def put(conn: Connection, session_key: str, body: Mapping[str, Any]) -> None:
    """Write a change, in the place of the one with its id; the oldest of its session make room."""
    conn.execute(
        """INSERT INTO changes (id, session_key, path, body) VALUES (?1, ?2, ?3, ?4)
           ON CONFLICT (id) DO UPDATE SET body = ?4""",
        (body["id"], session_key, body["path"], encode(body)),
    )
    conn.execute(
        """DELETE FROM changes WHERE session_key = ?1 AND position <= (SELECT position FROM changes
           WHERE session_key = ?1 ORDER BY position DESC LIMIT 1 OFFSET ?2)""",
        (session_key, MAX_OF_SESSION),
    )


def get(conn: Connection, id_: str) -> Mapping[str, Any] | None:
    row = conn.execute("SELECT body FROM changes WHERE id = ?", (id_,)).fetchone()
    return decode(row[0]) if row else None


def list_of(conn: Connection, session_key: str | None, path: str | None, limit: int) -> Sequence[Mapping[str, Any]]:
    """Newest first."""
    rows = conn.execute(
        """SELECT body FROM changes WHERE (CAST(?1 AS TEXT) IS NULL OR session_key = ?1)
           AND (CAST(?2 AS TEXT) IS NULL OR path = ?2) ORDER BY position DESC LIMIT ?3""",
        (session_key, path, limit),
    )
    return [decode(row[0]) for row in rows]


def purge(conn: Connection) -> None:
    """Forget the changes of sessions that are gone with their transcripts."""
    conn.execute("DELETE FROM changes WHERE session_key NOT IN (SELECT session_key FROM transcripts)")
