"""One connection to PostgreSQL that runs the SQL of the noun modules.

Statements are sent in psycopg's pipeline mode: one whose result is not looked at costs no round trip of its own, and
its failure shows at the next result that is, at the latest at ``commit``. Above: ``jobs``, ``schema``. Below: psycopg.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any

import psycopg
from psycopg import conninfo
from psycopg.rows import tuple_row
from psycopg.types.numeric import FloatBinaryDumper, Int8BinaryDumper
from psycopg.types.string import ByteaBinaryLoader, StrBinaryDumper

from ..connection import Params
from ..dialect import SearchIndex
from . import search

CONNECT_TIMEOUT_S = 5
STATEMENT_TIMEOUT_MS = 30_000
"""Longest time of one statement, waiting for a lock included."""
APPLICATION = "clawdbot"
"""Name of the connections in ``pg_stat_activity``."""
_PREPARED = 1000
"""Prepared statements of a connection: more than there are texts of SQL."""

_SCHEMA = re.compile(r"[a-z_][a-z0-9_-]{0,62}")
_VALUES = (str, int, float, bytes)
_TOKENS = re.compile(
    r"""'(?:[^']|'')*' | "[^"]*" | --[^\n]* | :: | \?(?P<number>\d+)? | :(?P<name>[A-Za-z_]\w*)
    | \sINDEXED\sBY\s\w+  # SQLite's, of an index that PostgreSQL finds by itself
    """,
    re.VERBOSE,
)


class NotUsable(Exception):
    """The database is none that the store can work with: ``detail`` says why, with nothing of the address in it."""

    def __init__(self, detail: str):
        super().__init__(detail)
        self.detail = detail


@lru_cache(maxsize=2048)
def translate(sql: str) -> tuple[str, Sequence[str] | None]:
    """SQL with ``?``, ``?1`` or ``:name`` as SQL with ``$1``; with the names of the parameters, in the order of their
    numbers, where they have any."""
    names: list[str] = []
    highest = 0

    def numbered(match: re.Match[str]) -> str:
        nonlocal highest
        token = match[0]
        if name := match["name"]:
            if name not in names:
                names.append(name)
            return f"${names.index(name) + 1}"
        if token[0].isspace():
            return ""
        if token[0] != "?":
            return token
        number = int(match["number"] or highest + 1)
        highest = max(highest, number)
        return f"${number}"

    return _TOKENS.sub(numbered, sql), names or None


class PostgresCursor:
    """Result of one statement, which may still be on its way."""

    __slots__ = ("_cursor", "_pipeline")

    def __init__(self, cursor: psycopg.Cursor[Any], pipeline: psycopg.Pipeline):
        self._cursor, self._pipeline = cursor, pipeline

    def _wait(self) -> psycopg.Cursor[Any]:
        if self._cursor.pgresult is None:
            self._pipeline.sync()
        return self._cursor

    @property
    def rowcount(self) -> int:
        return self._wait().rowcount

    @property
    def status(self) -> str | None:
        """The name of the command that the server carried out."""
        return self._wait().statusmessage

    def fetchone(self) -> Any:
        return self._wait().fetchone()

    def fetchall(self) -> list[Any]:
        return self._wait().fetchall()

    def __iter__(self) -> Iterator[Any]:
        return iter(self.fetchall())

    def close(self) -> None:
        """Nothing: the rows are here already."""


class PostgresConnection:
    """A ``store.connection.Connection`` in autocommit mode: transactions are begun and ended by ``execute``."""

    search_index: SearchIndex = search

    def __init__(self, conn: psycopg.Connection[Any]):
        self.raw = conn
        self.prepares = True
        """Whether statements are prepared. Not while tables are made: what was prepared before would not fit them."""
        self._in_pipeline = conn.pipeline()
        self._pipeline = self._in_pipeline.__enter__()

    def execute(self, sql: str, parameters: Params = (), /) -> PostgresCursor:
        text, names = translate(sql)
        values = [parameters[name] for name in names] if isinstance(parameters, Mapping) and names else parameters
        if not all(value is None or isinstance(value, _VALUES) for value in values) and "[]" not in text:
            raise psycopg.DataError("a value of a type that no column has")
        cursor = self.raw.cursor(binary=True)
        cursor.execute(text.encode(), tuple(values) or None, prepare=self.prepares)
        return PostgresCursor(cursor, self._pipeline)

    def sync(self) -> None:
        """Wait for everything that was sent. Raises the first failure of it."""
        self._pipeline.sync()

    def commit(self) -> None:
        """End a transaction. Raises ``psycopg.Error``, also when the server rolled it back instead."""
        cursor = self.execute("COMMIT")
        self.sync()
        if cursor.status != "COMMIT":
            raise psycopg.errors.InFailedSqlTransaction("the transaction had failed")

    def rollback(self) -> None:
        """End a transaction, a failed one too, without a trace. Raises ``psycopg.Error`` if the connection is lost."""
        with suppress(psycopg.Error):
            self.sync()  # what was sent after a statement that failed is skipped up to here
        self._unprepared("ROLLBACK")
        # psycopg forgets its prepared statements at a rollback and has them dropped after its next statement, which
        # therefore must be none that is prepared.
        self._unprepared("SELECT 1")

    def _unprepared(self, sql: str) -> None:
        self.raw.execute(sql.encode(), prepare=False)
        self.sync()

    @property
    def in_transaction(self) -> bool:
        return self.raw.info.transaction_status in (
            psycopg.pq.TransactionStatus.INTRANS,
            psycopg.pq.TransactionStatus.INERROR,
        )

    @property
    def lost(self) -> bool:
        """Whether the connection is beyond use."""
        return bool(self.raw.closed or self.raw.broken)

    def cut(self) -> None:
        """Make whatever waits for an answer fail: the one call that another thread may make."""
        # The descriptor itself stays psycopg's.
        with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(self.raw.fileno())) as other:
            other.shutdown(socket.SHUT_RDWR)

    interrupt = cut

    def close(self) -> None:
        with suppress(psycopg.Error):
            self._in_pipeline.__exit__(None, None, None)
        self.raw.close()


def quoted(schema: str) -> str:
    """The name of a schema as SQL has it. Raises ``NotUsable``: no schema of this gateway has such a name."""
    if not _SCHEMA.fullmatch(schema):
        raise NotUsable(f"{schema!r} is no name of a schema")
    return f'"{schema}"'


def parse(url: str) -> Mapping[str, Any]:
    """The parts of an address. Raises ``NotUsable``."""
    try:
        return conninfo.conninfo_to_dict(url)
    except psycopg.Error:
        raise NotUsable("the address is no postgresql://… URL") from None  # libpq's own word repeats parts of it


def connect(url: str, *, name: str = "store", schema: str | None = None) -> PostgresConnection:
    """Open a connection. Raises ``psycopg.Error``, ``NotUsable``.

    Every name in its SQL is one of ``schema``, which need not exist yet; without it, as the database's ``search_path``
    says."""
    conn = psycopg.connect(
        **{
            "connect_timeout": CONNECT_TIMEOUT_S,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 20_000,
            **parse(url),
            "application_name": f"{APPLICATION} {name}",
        },
        autocommit=True,
        cursor_factory=psycopg.RawCursor,
        row_factory=tuple_row,
        prepare_threshold=0,
    )
    try:
        return _prepared(conn, schema)
    except (psycopg.Error, NotUsable):
        conn.close()
        raise


def _prepared(conn: psycopg.Connection[Any], schema: str | None) -> PostgresConnection:
    encoding, durable = conn.execute(
        "SELECT current_setting('server_encoding'), current_setting('synchronous_commit')"
    ).fetchone() or ("", "")
    if encoding != "UTF8":
        raise NotUsable(f"the encoding of the database is {encoding}, not UTF8")
    conn.prepared_max = _PREPARED
    conn.adapters.register_dumper(str, StrBinaryDumper)  # as text, not of a type to be guessed
    conn.adapters.register_dumper(int, Int8BinaryDumper)  # of one type, whatever the number: one prepared statement
    conn.adapters.register_dumper(float, FloatBinaryDumper)
    conn.adapters.register_loader("varchar", ByteaBinaryLoader)  # the domain ``blob`` of ``schema``
    settings = {
        "client_encoding": "UTF8",
        "statement_timeout": str(STATEMENT_TIMEOUT_MS),
        "idle_in_transaction_session_timeout": str(2 * STATEMENT_TIMEOUT_MS),
        "standard_conforming_strings": "on",
    }
    if durable in ("off", "local"):  # an acknowledged message is on the disk
        settings["synchronous_commit"] = "on"
    if schema is not None:
        settings["search_path"] = quoted(schema)
    for setting, value in settings.items():
        conn.execute("SELECT set_config($1::text, $2::text, false)", (setting, value))
    return PostgresConnection(conn)
