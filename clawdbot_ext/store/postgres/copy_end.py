"""A PostgreSQL database as one end of a copy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg

from ..address import place_of
from ..connection import Connection
from ..copying import COPYING, Refused
from . import schema
from .connection import NotUsable, PostgresConnection, connect
from .failures import explain
from .keeper import GATEWAY_LOCK
from .locks import of_tables
from .search import add_missing

SEARCHED = 500
"""Messages put into the index of words at once."""
_NUMBERS = (
    ("transcripts", "rowid"),
    ("sessions", "rowid"),
    ("messages", "rowid"),
    ("clears", "batch"),
    ("runs", "position"),
    ("usage", "rowid"),
    ("changes", "position"),
)
"""Columns that PostgreSQL counts up by itself, and whose next number must come after those that were copied."""
_ALIVE = "SELECT 1 FROM gateways WHERE ended_at IS NULL AND lease_until > clock_timestamp() LIMIT 1"


class PostgresEnd:
    """``copying.End`` on a database, or on one of its schemas, in which no gateway runs meanwhile.

    Raises ``Unavailable``, ``StoreDamaged``, ``SchemaTooNew``, and ``Refused`` where a gateway uses the database.
    """

    def __init__(self, url: str, *, schema: str | None = None):
        self._url, self._schema, self.place = url, schema, place_of(url)
        self._keeper: PostgresConnection | None = None
        self._writer: PostgresConnection | None = None

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        with self._told():
            self._hold()
            conn = connect(self._url, name="copy", schema=self._schema)
            try:
                found, _ = schema.versions(conn)
                if found != schema.SCHEMA_VERSION:
                    reason = "version" if found else "noSource"
                    raise Refused(reason, place=self.place, found=found, supported=schema.SCHEMA_VERSION)
                conn.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                conn.execute("SET LOCAL statement_timeout = 0")
                conn.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
                yield conn
            finally:
                conn.close()

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        conn = self._writer
        assert conn is not None
        with self._told():
            committed = False
            conn.execute("BEGIN")
            try:
                yield conn
                conn.execute("COMMIT")
                conn.sync()
                committed = True
            finally:
                if not committed:
                    with suppress(psycopg.Error):
                        conn.rollback()

    def columns(self, conn: Connection, table: str) -> frozenset[str]:
        rows = conn.execute(
            """SELECT CAST(attname AS TEXT) FROM pg_attribute WHERE attrelid = CAST(CAST(? AS TEXT) AS regclass)
               AND attnum > 0 AND NOT attisdropped""",
            (table,),
        )
        return frozenset(name for (name,) in rows) - {"rowid"}

    def prepare(self) -> None:
        with self._told():
            self._hold()
            self._writer = connect(self._url, name="copy", schema=self._schema)
            schema.migrate(self._writer, self.place, copying=True, schema=self._schema)

    def finish(self) -> None:
        conn = self._writer
        assert conn is not None
        more = 1
        while more:
            with self.writing():
                more = add_missing(conn, SEARCHED)
        with self.writing():
            for table, column in _NUMBERS:
                conn.execute(
                    f"""SELECT setval(pg_get_serial_sequence('{table}', '{column}'), max({column}))
                        FROM {table} HAVING max({column}) IS NOT NULL"""
                )
            conn.execute("DELETE FROM meta WHERE name = ?", (COPYING,))
        with self._told():
            conn.execute("ANALYZE")
            conn.sync()

    def close(self) -> None:
        """Close the connections; what was copied so far stays for the next try."""
        for conn in (self._writer, self._keeper):
            if conn is not None:
                conn.close()
        self._writer = self._keeper = None

    def _hold(self) -> None:
        """Keep gateways away for as long as this end is open. Raises ``Refused``: one is there."""
        if self._keeper is not None:
            return
        self._keeper = conn = connect(self._url, name="copy", schema=self._schema)
        held = conn.execute("SELECT pg_try_advisory_lock(?)", (of_tables(GATEWAY_LOCK, self._schema),)).fetchone()[0]
        if not held or (schema.versions(conn)[0] >= schema.GATEWAYS and conn.execute(_ALIVE).fetchone()):
            raise Refused("gatewayRuns", place=self.place)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Raise the wire errors for those of psycopg."""
        try:
            yield
        except (psycopg.Error, NotUsable) as error:
            raise explain(error, self.place) from None
