"""The connection that holds the database for one gateway, and by which it is seen whether the server answers.

An advisory lock of its session is held while the gateway runs: alone by what uses the database by itself, which is
refused at its start while a gateway runs; together by gateways that share it. When the connection is lost the lock
goes, and is taken again with the next one; what the server still takes for the former connection is ended. Above:
``store``. Below: ``jobs``.
"""

from __future__ import annotations

from threading import Event

from ...protocol.errors import Unavailable
from .connection import PostgresConnection
from .jobs import Link
from .locks import of_tables

GATEWAY_LOCK = 0x636C_6177_6467_7477
"""Number of the advisory lock, where the tables have no schema of their own."""

_HOLDERS = """SELECT a.pid, a.application_name, coalesce(host(a.client_addr), '') FROM pg_locks AS l
    JOIN pg_stat_activity AS a ON a.pid = l.pid
    WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND l.classid = CAST((?1 >> 32) & 4294967295 AS BIGINT)::oid
    AND l.objid = CAST(?1 & 4294967295 AS BIGINT)::oid"""


class InUse(Unavailable):
    """Another gateway uses the database: ``address`` is that of its machine."""

    def __init__(self, address: str):
        text = f"another gateway uses the database (from {address})"
        super().__init__(text, reason="DATABASE_IN_USE", address=address)


class Keeper(Link):
    """The connection with the lock. ``exclusive``: no gateway may use the database, or the schema, meanwhile."""

    def __init__(self, url: str, hurry: Event, *, exclusive: bool, schema: str | None = None):
        super().__init__(url, "", hurry, schema)
        self._name = f"keeper {self.writer}"
        self._exclusive = exclusive
        self._lock = of_tables(GATEWAY_LOCK, schema)

    def _made(self, conn: PostgresConnection) -> None:
        take = "pg_try_advisory_lock" if self._exclusive else "pg_try_advisory_lock_shared"
        holders: list[tuple[int, str, str]] = []
        for _ in range(2):
            if conn.execute(f"SELECT {take}(?)", (self._lock,)).fetchone()[0]:
                return
            holders = conn.execute(_HOLDERS, (self._lock,)).fetchall()
            for pid, name, _ in holders:
                if name.endswith(self._name):  # ours, of a connection that we lost and the server has not missed yet
                    conn.execute("SELECT pg_terminate_backend(CAST(? AS INTEGER), 5000)", (pid,)).fetchone()
        raise InUse(", ".join(sorted({address for _, _, address in holders})) or "this machine")
