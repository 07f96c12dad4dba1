"""Facts about the database as a whole, by name: versions of its tables, the highest epoch of a deleted session.

Plain functions of a connection, to be called inside a transaction. In PostgreSQL a fact is a number.
"""

from __future__ import annotations

from typing import Any

from .connection import Connection

READ_ONLY = "read_only"
"""The fact that the gateway which has the database open writes nothing more (1), until it says so (0)."""


def get_meta(conn: Connection, name: str) -> Any:
    """One fact; ``None`` if it was never set."""
    row = conn.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
    return row[0] if row else None


def set_meta(conn: Connection, name: str, value: int | str) -> None:
    conn.execute(
        "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (name, value),
    )


def raise_meta(conn: Connection, name: str, value: int) -> None:
    """Set a number unless it is greater already."""
    conn.execute(
        """INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE
           SET value = excluded.value WHERE excluded.value > meta.value""",
        (name, value),
    )
