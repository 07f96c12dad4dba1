"""Threads that own connections to a database; those of SQLite: one that writes in groups, a few that read.

A job is a plain function of a connection. Writing jobs that wait together share one transaction and so one ``fsync``;
each has its own savepoint, so that a job that fails takes back only its own work. No caller is told before the commit.
Above: the stores. Below: ``db``.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Generic, Protocol, TypeVar

from . import failpoints
from .db import abandon
from .health import StorageHealth

log = logging.getLogger(__name__)

MAX_GROUP = 512
"""Most jobs in one transaction; bounds how long the first of them waits for the last."""

Explain = Callable[[Exception], Exception]


@dataclass
class Job:
    """One function on its way through a worker, and what became of it."""

    function: Callable[[Any], Any]
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    keys: Sequence[str] = ()
    """Its work comes after that of all jobs submitted before that have one of them, where several threads write."""
    fence: int | None = None
    """The number of the gateway whose work it is, where several share a database."""
    since: float = field(default_factory=time.monotonic)
    """The time of its submission, by ``time.monotonic``."""
    value: Any = None
    error: Exception | None = None
    kept: bool = False
    """Its work is committed: whatever happens after that, it succeeded."""


class Owned(Protocol):
    """A connection, or what makes them anew."""

    def interrupt(self) -> None:
        """Make the statement that runs now fail. Called by another thread."""
        ...

    def close(self) -> None: ...


C = TypeVar("C", bound=Owned)


@dataclass
class Worker(Generic[C]):
    """A thread with a connection of its own. Several may share one queue.

    ``opens``, ``reopens`` and ``closes`` run in the thread, as does everything else that touches the connection. A
    cancelled wait does not recall its job: what was submitted is carried out. The thread ends at ``stop`` only:
    whatever an access raises, its jobs are told, and the next ones get a connection made by ``reopens``.
    """

    name: str
    queue: SimpleQueue[Job | None]
    opens: Callable[[], C]
    reopens: Callable[[], C]
    closes: Callable[[C], None]
    carry_out: Callable[[C, Sequence[Job], Explain], None]
    explain: Explain
    health: StorageHealth
    group: int = 1
    """Most jobs carried out at once."""
    writes: bool = False
    thread: Thread | None = field(default=None, init=False)
    busy_since: float = field(default=0.0, init=False)
    """The time at which it began what it is at now, by ``time.monotonic``; 0 while it waits for work."""
    _conn: C | None = field(default=None, init=False)

    async def start(self) -> None:
        """Start the thread and wait for its connection. Raises what ``opens`` raised, explained."""
        ready: Future[None] = Future()
        ready.set_running_or_notify_cancel()  # from here on it settles, also when nothing waits for it any more
        # A daemon: a gateway that crashes must not hang on a thread that waits for work. SQLite survives that.
        self.thread = Thread(target=self._main, args=(ready,), name=self.name, daemon=True)
        self.thread.start()
        try:
            await asyncio.wrap_future(ready)
        finally:
            if ready.done() and ready.exception() is not None:
                self.thread = None  # it has ended; after a cancellation it has not, and stop() ends it

    def interrupt(self) -> None:
        """Make the statement that runs now fail with "interrupted": the one call that another thread may make."""
        if self._conn is not None:
            self._conn.interrupt()

    def _main(self, ready: Future[None]) -> None:
        try:
            self._conn = self.opens()
        except Exception as error:  # noqa: BLE001 - not handled here: the caller of start() gets it
            ready.set_exception(self.explain(error))
            return
        ready.set_result(None)
        stopping = False
        while not stopping:
            jobs, stopping = next_batch(self.queue, self.group)
            if jobs:
                self.busy_since = time.monotonic()
                self._work(jobs)
                self.busy_since = 0.0
                deliver(jobs)
        conn, self._conn = self._conn, None
        if conn is not None:
            self.closes(conn)

    def _work(self, jobs: Sequence[Job]) -> None:
        """Carry out jobs; every one of them has a value or an error afterwards, whatever happens."""
        try:
            if self._conn is None:
                self._conn = self.reopens()
            self.carry_out(self._conn, jobs, self.explain)
        except Exception as error:
            log.critical("%s: an access failed as a whole; a new connection is made", self.name, exc_info=True)
            told = self.explain(error)
            for job in jobs:
                if not job.kept:
                    job.value, job.error = None, job.error or told
            conn, self._conn = self._conn, None
            if conn is not None:
                with contextlib.suppress(sqlite3.Error):
                    conn.close()
        for job in jobs:
            if job.error is not None:
                self.health.note(job.error)
        if not self.health.ok and self.writes and all(job.error is None for job in jobs):
            self.health.fine()


async def stop(workers: Sequence[Worker[Any]]) -> None:
    """Let threads finish what was submitted, close their connections and end."""
    running = [worker for worker in workers if worker.thread is not None]
    for worker in running:  # all of them first: of those that share a queue, any may take any end mark
        worker.queue.put(None)
    for worker in running:
        assert worker.thread is not None
        await asyncio.to_thread(worker.thread.join)
        worker.thread = None


def submit(
    queue: SimpleQueue[Job | None], function: Callable[[Any], Any], keys: Sequence[str] = (), fence: int | None = None
) -> asyncio.Future[Any]:
    """Queue a job; the future is settled on the calling loop."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()
    queue.put(Job(function, loop, future, keys, fence))
    return future


def next_batch(queue: SimpleQueue[Job | None], most: int) -> tuple[list[Job], bool]:
    """Wait for a job and take what waits behind it; ``True`` when the end of the work was among it."""
    jobs: list[Job] = []
    item = queue.get()
    with contextlib.suppress(Empty):
        while item is not None:
            jobs.append(item)
            if len(jobs) == most:
                return jobs, False
            item = queue.get_nowait()
        return jobs, True
    return jobs, False


def deliver(jobs: Sequence[Job]) -> None:
    """Settle the futures of a group with one wake-up per event loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Job]] = {}
    for job in jobs:
        by_loop.setdefault(job.loop, []).append(job)
    for loop, group in by_loop.items():
        with contextlib.suppress(RuntimeError):  # the loop is closed: no caller waits any more
            loop.call_soon_threadsafe(_settle, group)


def _settle(jobs: Sequence[Job]) -> None:
    for job in jobs:
        if job.future.done():  # the caller was cancelled
            continue
        if job.error is not None:
            job.future.set_exception(job.error)
        else:
            job.future.set_result(job.value)


def read_each(conn: sqlite3.Connection, jobs: Sequence[Job], explain: Explain) -> None:
    """Carry out reading jobs, each on one snapshot of the database."""
    for job in jobs:
        try:
            failpoints.hit("store.read")
            conn.execute("BEGIN")
            job.value = job.function(conn)
        except Exception as error:  # noqa: BLE001 - not handled here: the caller that waits gets it
            job.error = explain(error)
        finally:
            abandon(conn)


def write_group(conn: sqlite3.Connection, jobs: Sequence[Job], explain: Explain) -> None:
    """Carry out writing jobs in one transaction; if that fails as a whole, each in one of its own."""
    try:
        failpoints.hit("store.write")
        conn.execute("BEGIN IMMEDIATE")
    except (sqlite3.Error, OSError) as error:
        for job in jobs:
            job.error = explain(error)
        return
    try:
        for job in jobs:
            _write_one(conn, job, explain)
        failpoints.hit("store.commit")
        conn.execute("COMMIT")
    except (sqlite3.Error, OSError) as error:
        abandon(conn)
        if len(jobs) == 1:
            jobs[0].error = explain(error)
            return
        for job in jobs:
            job.value = job.error = None
            write_group(conn, [job], explain)
        return
    for job in jobs:
        job.kept = True
    failpoints.hit("store.committed")


def _write_one(conn: sqlite3.Connection, job: Job, explain: Explain) -> None:
    """Run one job inside its savepoint. Raises ``sqlite3.Error`` when the whole transaction is gone."""
    conn.execute("SAVEPOINT job")
    try:
        job.value = job.function(conn)
    except Exception as error:  # not handled here: the caller that waits gets it
        if isinstance(error, sqlite3.Error) and not conn.in_transaction:
            raise  # SQLite gave up the whole transaction (disk full, I/O error)
        conn.execute("ROLLBACK TO job")
        job.error = explain(error)
    conn.execute("RELEASE job")
