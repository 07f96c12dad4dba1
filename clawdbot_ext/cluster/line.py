"""Connections to the database on the event loop, each statement of which ends within a bound.

A network that swallows packets answers nothing, not even to a cancelled query; so a statement's deadline shuts the
socket down, and whatever waits for it fails at once.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import psycopg

from ..store.postgres.connection import quoted

STATEMENT_S = 5.0
"""Longest time of one statement, waiting for a lock included."""
CONNECT_S = 5
CLOSE_S = 2.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 3.0
"""Pause after the first attempt to connect that failed; it doubles with each in a row."""
LOST = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.errors.ReadOnlySqlTransaction)
"""Failures that another connection, or another moment, may not have. Others are mistakes of this program."""

Rows = Sequence[tuple[Any, ...]]
Execute = Callable[..., Awaitable[Rows]]
"""Runs one statement: its SQL and its values."""


class Line:
    """One open connection, in autocommit mode. ``schema``: that of the tables, if they have one of their own."""

    def __init__(self, conn: psycopg.AsyncConnection[tuple[Any, ...]], schema: str | None = None):
        self.schema = schema
        self._conn = conn
        self._alone = asyncio.Lock()
        self._channels: set[str] = set()
        self._waiting: asyncio.Future[None] | None = None
        self._woken = False
        self._cut = False
        conn.add_notify_handler(lambda notify: self._channels.add(notify.channel))

    @property
    def lost(self) -> bool:
        """Whether it is beyond use."""
        return self._cut or self._conn.closed

    @property
    def pid(self) -> int:
        """Id of the server's process that works for it."""
        return self._conn.info.backend_pid

    async def execute(self, sql: str, *values: Any, within: float = STATEMENT_S) -> Rows:
        """Run one statement, after those that were given before. Raises ``psycopg.Error``."""
        async with self._alone:
            return await self._execute(sql, values, within)

    @asynccontextmanager
    async def transaction(self, within: float = STATEMENT_S) -> AsyncIterator[Execute]:
        """A transaction; what it gives runs a statement of it, and no other statement comes between."""
        async with self._alone, self._conn.transaction():
            yield lambda sql, *values: self._execute(sql, values, within)

    async def _execute(self, sql: str, values: Sequence[Any], within: float) -> Rows:
        timer = asyncio.get_running_loop().call_later(within, self.cut)
        try:
            cursor = await self._conn.execute(sql.encode(), values or None, prepare=True)
            return await cursor.fetchall() if cursor.description else ()
        finally:
            timer.cancel()

    async def notified(self, within: float) -> set[str]:
        """Wait for a notification; the channels notified since the last call, none after ``within`` or ``wake``.

        Nothing is executed meanwhile. psycopg's own wait would wake up ten times a second."""
        async with self._alone:
            self._read_notifications()
            if not self._channels and not self._woken:
                await self._readable(within)
                self._conn.pgconn.consume_input()
                self._read_notifications()
        self._woken = False
        channels, self._channels = self._channels, set()
        return channels

    async def _readable(self, within: float) -> None:
        loop = asyncio.get_running_loop()
        self._waiting = loop.create_future()
        descriptor = self._conn.pgconn.socket
        loop.add_reader(descriptor, self.wake)
        timer = loop.call_later(within, self.wake)
        try:
            await self._waiting
        finally:
            timer.cancel()
            loop.remove_reader(descriptor)
            self._waiting = None

    def wake(self) -> None:
        """Let ``notified`` return, this time or the next."""
        self._woken = True
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def _read_notifications(self) -> None:
        while notify := self._conn.pgconn.notifies():
            self._channels.add(notify.relname.decode())

    def cut(self) -> None:
        """Make whatever waits for an answer fail; the line is lost."""
        self._cut = True
        with suppress(OSError, psycopg.Error), socket.socket(fileno=socket.dup(self._conn.fileno())) as other:
            other.shutdown(socket.SHUT_RDWR)  # the descriptor itself stays psycopg's

    async def close(self) -> None:
        self.cut()
        # The loop must not watch a descriptor that is closed, or used for something else then.
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._alone.acquire(), CLOSE_S)
        with suppress(psycopg.Error):
            await self._conn.close()


class Lane:
    """A line that is opened again when it is lost.

    ``prepare`` gets each new one before anything else. Every user asks for ``line`` again after a failure."""

    def __init__(self, url: str, name: str, prepare: Callable[[Line], Awaitable[None]], schema: str | None = None):
        self._url, self._name, self._prepare, self._schema = url, name, prepare, schema
        self._line: Line | None = None
        self._opening: asyncio.Task[Line] | None = None
        self._pause = 0.0
        self.closed = False
        """For good."""

    async def line(self) -> Line:
        """The open line. Raises one of ``LOST`` when the attempt to open one failed; the next waits longer."""
        if self.closed:
            raise psycopg.InterfaceError("closed")
        if self._line is not None:
            if not self._line.lost:
                return self._line
            self._line = None
        if self._opening is None:
            self._opening = asyncio.create_task(self._open(), name=f"cluster: {self._name}")
            self._opening.add_done_callback(self._opened)
        opening = self._opening
        await asyncio.wait([opening])  # several may wait for it, and none of them may cancel it
        if opening.cancelled():
            raise psycopg.InterfaceError("closed")
        return opening.result()

    def _opened(self, task: asyncio.Task[Line]) -> None:
        self._opening = None
        failed = task.cancelled() or task.exception() is not None
        self._pause = min(max(2 * self._pause, FIRST_PAUSE_S), LONGEST_PAUSE_S) if failed else 0.0

    async def _open(self) -> Line:
        await asyncio.sleep(self._pause)
        line = Line(await connect(self._url, self._name, self._schema), self._schema)
        try:
            await self._prepare(line)
        except BaseException:
            await line.close()
            raise
        self._line = line
        return line

    def wake(self) -> None:
        """``Line.wake`` of the open line, if there is one."""
        if self._line is not None:
            self._line.wake()

    async def reset(self) -> None:
        """Close the line: the next use opens a new one."""
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.wait([self._opening])
        if self._line is not None:
            line, self._line = self._line, None
            await line.close()

    async def close(self) -> None:
        """Close it for good; what waits for it fails."""
        self.closed = True
        await self.reset()


async def connect(url: str, name: str, schema: str | None = None) -> psycopg.AsyncConnection[tuple[Any, ...]]:
    """Open a connection; ``schema``: as of the store's connections. Raises ``psycopg.Error``."""
    options: dict[str, Any] = {
        "connect_timeout": CONNECT_S,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 20_000,
        "target_session_attrs": "read-write",
        **psycopg.conninfo.conninfo_to_dict(url),
        "application_name": f"clawdbot {name}",
    }
    conn = await psycopg.AsyncConnection.connect(
        **options, autocommit=True, cursor_factory=psycopg.AsyncRawCursor, prepare_threshold=0
    )
    try:
        await conn.execute(
            """SELECT set_config(name, value, false) FROM (VALUES ('tcp_keepalives_idle', '10'),
               ('tcp_keepalives_interval', '5'), ('tcp_keepalives_count', '3')) AS settings(name, value)"""
        )
        # A home that a crash of the server took back would be a second one, if another gateway claimed it then.
        await conn.execute(
            """SELECT set_config('synchronous_commit', 'on', false)
               WHERE current_setting('synchronous_commit') IN ('off', 'local')"""
        )
        if schema is not None:
            await conn.execute("SELECT set_config('search_path', $1, false)", (quoted(schema),))
    except BaseException:
        await conn.close()
        raise
    return conn
