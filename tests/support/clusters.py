"""Members of a cluster on PostgreSQL inside one test, a listener that notes what it is told, and a cable to cut."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress

import psycopg
from typing_extensions import Self

from clawdbot_ext.cluster.membership import Terms
from clawdbot_ext.cluster.postgres import PostgresCluster
from clawdbot_ext.runtime.supervision import Supervisor
from clawdbot_ext.store.postgres import connection, schema

BOUND_S = 60.0


def create_tables(url: str, space: str | None = None) -> None:
    """The tables of the store, of which some are the cluster's. ``space``: the schema that they are in."""
    conn = connection.connect(url, schema=space)
    schema.migrate(conn, "the test's database", schema=space)
    conn.close()


def add_run(url: str, session_key: str, *, ended: bool = False, space: str = "public") -> None:
    """A run of a session, as the store writes it."""
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("SELECT set_config('search_path', %s, false)", [space])
        conn.execute(
            """INSERT INTO runs (run_id, session_key, session_id, state, request_hash, message, options, created_at,
               ended_at) VALUES (%s, %s, 's', %s, '', '{}', '{}', 1, %s)""",
            [uuid.uuid4().hex, session_key, "done" if ended else "queued", 2 if ended else None],
        )


class Log:
    """A listener that notes what it is told, as tuples that begin with the name of the call."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []
        self._news = asyncio.Event()

    def note(self, *what: object) -> None:
        self.told.append(what)
        self._news.set()

    def received(self, sender: str, message: bytes) -> None:
        self.note("received", sender, message)

    def arrived(self, member: str) -> None:
        self.note("arrived", member)

    def departed(self, member: str, sessions: Sequence[str]) -> None:
        self.note("departed", member, *sessions)

    def gap(self, member: str) -> None:
        self.note("gap", member)

    def fenced(self) -> None:
        self.note("fenced")

    def of(self, name: str) -> list[tuple[object, ...]]:
        return [what[1:] for what in self.told if what[0] == name]

    async def until(self, holds: Callable[[], object]) -> None:
        """Wait until ``holds`` after something was told."""

        async def wait() -> None:
            while not holds():
                self._news.clear()
                await self._news.wait()

        try:
            await asyncio.wait_for(wait(), BOUND_S)
        except asyncio.TimeoutError:
            raise AssertionError(f"it was told only {[what[:2] for what in self.told[-20:]]}") from None


class Member(PostgresCluster):
    """A member with its listener."""

    def __init__(self, url: str, terms: Terms | None = None, schema: str | None = None):
        self.supervisor = Supervisor()
        super().__init__(url, self.supervisor, terms, schema=schema)
        self.log = Log()

    async def kill(self) -> None:
        """End it as ``kill -9`` does: every connection at once, and it is told nothing."""
        self._left = True
        for task in self._tasks:
            task.cancel()
        for lane in (self._out, self._post, self._keeper):
            await lane.close()
        await asyncio.wait(self._tasks)


@asynccontextmanager
async def joined(*members: Member) -> AsyncIterator[None]:
    """Members that have joined one after the other and know each other."""
    try:
        for member in members:
            await member.join(member.log)
        for member in members:
            await member.log.until(lambda member=member: len(member.others()) >= len(members) - 1)
        yield
    finally:
        for member in members:
            await member.leave()


class Cable:
    """A TCP proxy before a server, which swallows everything while it is cut, and resets what it has on ``reset``."""

    def __init__(self, port: int):
        self.port = 0
        self._target = port
        self._whole = asyncio.Event()
        self._whole.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        self._whole.clear()

    def mend(self) -> None:
        """Let new connections pass; those that were cut are dead, as after the time-outs of a real network."""
        self.reset()
        self._whole.set()

    def reset(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        there: asyncio.StreamWriter | None = None
        try:
            await self._whole.wait()
            back, there = await asyncio.open_connection("127.0.0.1", self._target)
            self._writers.add(there)
            await asyncio.gather(self._pump(reader, there), self._pump(back, writer))
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            for each in (writer, there):
                if each is not None:
                    self._writers.discard(each)
                    each.transport.abort()

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            await self._whole.wait()
            target.write(data)
            await target.drain()
        with suppress(OSError):
            target.write_eof()


class CableThread:
    """A ``Cable`` on a loop of its own, for servers that outlive the loop of a test."""

    def __init__(self, port: int):
        self._cable = Cable(port)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="cable", daemon=True)

    @property
    def port(self) -> int:
        return self._cable.port

    def cut(self) -> None:
        self._loop.call_soon_threadsafe(self._cable.cut)

    def mend(self) -> None:
        self._loop.call_soon_threadsafe(self._cable.mend)

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._cable.__aenter__(), self._loop).result(BOUND_S)
        return self

    def __exit__(self, *exc_info: object) -> None:
        asyncio.run_coroutine_threadsafe(self._cable.__aexit__(), self._loop).result(BOUND_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(BOUND_S)
        self._loop.close()
