"""``PostgresStore``: the store in a PostgreSQL database. It owns the threads; what they do is in the noun modules.

A few threads read, a few write. The jobs of one session go to the same writing thread, in their order; jobs of
different sessions are committed at the same time. Above: the gateway, which knows only ``api.Store``. Why it is built
so: docs/design/0015-postgresql.md.
"""

from __future__ import annotations

import asyncio
import logging
import time
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from threading import Event
from typing import Any, TypeVar

import psycopg

from ...protocol.errors import InvalidRequest, ShuttingDown, Unavailable
from .. import changes, runs, transcripts
from ..address import place_of
from ..api import Accepted, Interrupted, OnlySessions, Run, SchemaTooNew
from ..failures import passes, read_only
from ..health import StorageHealth
from ..nouns import NounStore
from ..overviews import DatabaseOverviews
from ..threads import Explain, Job, Worker, stop, submit
from . import schema
from .connection import STATEMENT_TIMEOUT_MS, NotUsable, PostgresConnection
from .failures import away, explain, fenced
from .jobs import PATIENCE_S, Link, read_each, write_each
from .keeper import InUse, Keeper

log = logging.getLogger(__name__)

READERS, WRITERS = 3, 4
"""Threads, each with a connection; one more holds the database. On a schema of its own it is this one that reads, and
one that writes: of such stores many are open at once."""
ANSWER_S = 5.0
"""Seconds after which a server that does not answer counts as away."""
STUCK_S = STATEMENT_TIMEOUT_MS / 1000 + 10
"""Seconds after which a connection is cut whose statement the server should have ended long since."""
KNOWN_RUNS = 10_000
_UNUSED = "DELETE FROM commits WHERE at < now() - INTERVAL '7 days'"
T = TypeVar("T")

_FACTS = "SELECT current_setting('server_version'), pg_database_size(current_database())"


class PostgresStore(NounStore):
    """``api.Store`` on PostgreSQL.

    Args:
        url: ``postgresql://user:password@host:port/database``, with what libpq understands beside that.
        exclusive: no other gateway may use the database; ``open`` raises ``keeper.InUse`` when one does.
        fence: the number under which this gateway is alive, where several share the database. It is asked for each job
            when that is submitted; a job whose number is no longer alive writes nothing and fails as ``FENCED``.
        on_commit: is told how many seconds each transaction took, in the thread that writes.
        schema: that of the tables, which share nothing with those of another; made when there is none of this name.
    """

    def __init__(
        self,
        url: str,
        *,
        exclusive: bool = True,
        fence: Callable[[], int | None] = lambda: None,
        on_commit: Callable[[float], None] = lambda seconds: None,
        schema: str | None = None,
    ):
        self.place = place_of(url) if schema is None else f"{place_of(url)} ({schema})"
        self.health = StorageHealth()
        self.overviews = DatabaseOverviews(self._read)
        self._url, self._fence, self._schema = url, fence, schema
        self._hurry = Event()
        self._is_open = False
        self._runs: dict[str, str] = {}
        """Run → key of its session, of those accepted here lately."""
        readers, writers = (READERS, WRITERS) if schema is None else (0, 1)
        self._keeper = self._worker("store-keeper", SimpleQueue(), read_each, self._open_keeper)
        self._keeper_link = Keeper(url, self._hurry, exclusive=exclusive, schema=schema)
        self._reads: SimpleQueue[Job | None] = SimpleQueue() if readers else self._keeper.queue
        self._readers = [self._worker(f"store-reader-{n}", self._reads, read_each) for n in range(readers)]
        write = partial(write_each, on_commit)
        self._writers = [self._worker(f"store-writer-{n}", SimpleQueue(), write, writes=True) for n in range(writers)]

    def _worker(
        self,
        name: str,
        queue: SimpleQueue[Job | None],
        carry_out: Callable[[Any, Sequence[Job], Explain], None],
        opens: Callable[[], Link] | None = None,
        *,
        writes: bool = False,
    ) -> Worker[Link]:
        def link() -> Link:
            return Link(self._url, name.removeprefix("store-"), self._hurry, self._schema)

        closes = self._close_writer if writes else Link.close
        again = opens or link
        return Worker(name, queue, opens or link, again, closes, carry_out, self._explain, self.health, writes=writes)

    def _explain(self, error: Exception) -> Exception:
        return explain(error, self.place)

    # -- life -------------------------------------------------------------------------------------------------------
    async def open(self) -> None:
        """Connect, migrate. Raises ``SchemaTooNew``, ``StoreDamaged`` (no database, user or password of that name, or
        tables of something else), ``Unavailable`` (``STORAGE_AWAY``: the server cannot be reached; ``DATABASE_IN_USE``:
        another gateway uses the database)."""
        self._hurry.clear()
        await self._keeper.start()
        self._is_open = True
        try:
            for worker in (*self._writers, *self._readers):  # which connect when they are first needed
                await worker.start()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        if not self._is_open:
            return
        self._is_open = False
        self._hurry.set()
        await stop(self._readers)
        await stop(self._writers)
        await stop([self._keeper])  # last: with it goes the lock

    def _open_keeper(self) -> Link:
        link = self._keeper_link
        conn = link.get(time.monotonic() + PATIENCE_S)
        try:
            if schema.migrate(conn, self.place, schema=self._schema):
                log.info("%s: a new database", self.place)
            runs.purge(conn)
            changes.purge(conn)
            conn.execute(_UNUSED)
            (version, fsync) = conn.execute(
                "SELECT current_setting('server_version'), current_setting('fsync')"
            ).fetchone()
        except (psycopg.Error, NotUsable, SchemaTooNew):
            link.drop()
            raise
        if fsync != "on":
            log.warning("%s: fsync is off; a crash of that machine loses or damages conversations", self.place)
        log.info("%s: PostgreSQL %s", self.place, version)
        return link

    def _close_writer(self, link: Link) -> None:
        try:
            link.forget()
        except psycopg.Error:
            log.info("%s: a connection was not closed cleanly", self.place)
        link.close()

    # -- watching and copying -----------------------------------------------------------------------------------------
    async def look(self, *, locked: bool = True) -> None:
        """Look whether the server answers and the database is still this gateway's; ``health`` knows it then.

        ``locked`` is about the state directory, which has no conversations here: what counts is the lock in the
        database. A connection whose answer is long overdue is cut, so that its job is told and the next one connects
        anew.
        """
        if not self._is_open:
            return
        answer = ANSWER_S if self._readers else STUCK_S  # which may be a long search, where the keeper reads
        asked = submit(self._keeper.queue, lambda conn: conn.execute("SELECT 1").fetchone())
        done, _ = await asyncio.wait([asked], timeout=answer)
        now = time.monotonic()
        longest = STUCK_S
        if not done:
            self.health.note(away())
            longest = answer
        elif (error := asked.exception()) is None:
            self.health.found_again()
        elif isinstance(error, InUse):  # taken while this gateway's connection was lost
            self.health.note(fenced())
        for worker in (self._keeper, *self._readers, *self._writers):
            if worker.busy_since and now - worker.busy_since >= longest:
                worker.interrupt()
        if not done:
            await asyncio.wait([asked], timeout=ANSWER_S)
            asked.add_done_callback(lambda future: future.cancelled() or future.exception())

    async def facts(self) -> Mapping[str, Any]:
        row = await self._read(lambda conn: conn.execute(_FACTS).fetchone())
        return {"engine": "postgresql", "version": row[0], "bytes": row[1]}

    async def set_read_only(self, on: bool) -> None:
        """Of this gateway alone."""
        self.health.read_only = on
        await asyncio.gather(*(submit(writer.queue, lambda conn: None, (), self._fence()) for writer in self._writers))

    async def back_up(self, target: Path) -> str:
        """Refuse: copies of a server's database are made on the server. Raises ``InvalidRequest`` (``NO_BACKUP``)."""
        raise InvalidRequest("a database in PostgreSQL is backed up with pg_dump", reason="NO_BACKUP")

    # -- jobs -------------------------------------------------------------------------------------------------------
    async def _write(self, function: Callable[[Any], T], *keys: str) -> T:
        if not self._is_open:
            raise ShuttingDown("the store is not open")
        if self.health.state == "fenced":
            raise fenced()
        if self.health.read_only:
            raise read_only()
        writer = self._writers[zlib.crc32(keys[0].encode("utf-8", "replace")) % len(self._writers) if keys else 0]
        value: T = await submit(writer.queue, function, keys, self._fence())
        return value

    async def _read(self, function: Callable[[Any], T]) -> T:
        """Read; the thread waits for a server that is away, and what fails otherwise and may pass is tried again."""
        ends = time.monotonic() + PATIENCE_S
        while True:
            if not self._is_open:
                raise ShuttingDown("the store is not open")
            try:
                value: T = await submit(self._reads, function)
                return value
            except Unavailable as error:
                if not passes(error) or time.monotonic() > ends:
                    raise
            await asyncio.sleep(0.2)

    async def _write_of(self, run_id: str, function: Callable[[Any], T]) -> T:
        key = self._runs.get(run_id)
        if key is None:
            return await super()._write_of(run_id, function)
        return await self._write(function, key)

    async def _write_found(self, find: Callable[[Any], str | None], function: Callable[[Any], T]) -> T:
        key = await self._read(find)
        return await self._write(function, *(() if key is None else (key,)))

    # -- many sessions: a transaction for each, which has the lock of that one ---------------------------------------
    async def accept_run(self, *, run_id: str, session_key: str, **send: Any) -> Accepted:
        accepted = await super().accept_run(run_id=run_id, session_key=session_key, **send)
        if len(self._runs) >= KNOWN_RUNS:
            self._runs.clear()
        self._runs[run_id] = accepted.run.session_key
        return accepted

    async def recover(
        self, *, now: int, interrupted: Interrupted, spare: Collection[str] = (), sessions: OnlySessions = None
    ) -> Sequence[Run]:
        keys = sessions if sessions is not None else await self._read(runs.running)
        ended: list[Run] = []
        for key in keys:
            ended += await self._write(partial(_recover, now, interrupted, spare, key), key)
        return ended

    async def sweep(self, *, now: int) -> int | None:
        key = await self._read(lambda conn: transcripts.to_sweep(conn, now))
        if key is None:
            return await self._read(transcripts.due)
        await self._write(lambda conn: transcripts.sweep(conn, now, key), key)
        return now - 1


def _recover(
    now: int, interrupted: Interrupted, spare: Collection[str], key: str, conn: PostgresConnection
) -> Sequence[Run]:
    return runs.recover(conn, now, interrupted, spare, [key])
