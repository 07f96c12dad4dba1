"""``SqliteStore``: the store in one SQLite file. It owns the threads; what they do is in the modules of the nouns.

Above: the gateway, which knows only ``api.Store``. Why it is built so: docs/design/0002-store.md.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

from ..protocol.errors import ShuttingDown, StorageFull, Unavailable
from . import changes, db, runs, schema, sessions, transcripts
from .api import Session, Store, StoreDamaged
from .backups import write_checked
from .failures import explain, moved, passes, read_only, taken_over
from .file_watch import FileWatch, counts, missing
from .health import StorageHealth
from .meta import READ_ONLY, get_meta, set_meta
from .nouns import NounStore
from .overviews import DatabaseOverviews
from .threads import MAX_GROUP, Explain, Job, Worker, read_each, stop, submit, write_group

log = logging.getLogger(__name__)

READERS = 2
"""Enough that a long read holds up no short one; SQLite itself would allow any number."""
CHECK_AFTER_S = 60.0
"""Seconds after a start at which the file is checked where the last stop was clean."""
READ_PATIENCE_S = 5.0
"""Seconds that a read is tried again while the disk fails, or there are no file descriptors left."""
KEPT_LISTS = 8
"""Lists of sessions kept, each of other filters."""
T = TypeVar("T")


def open_store(path: Path) -> Store:
    """The store in the file ``path``, not opened yet. The file is created by ``open()`` if there is none."""
    return SqliteStore(path)


class SqliteStore(NounStore):
    """``api.Store`` on SQLite: one writing thread with group commit, a few reading ones.

    Args:
        path: the database file; ``-wal`` and ``-shm`` lie beside it while it is open.
        max_pages: SQLite's own bound on the size of the file, in pages of 4 KiB; ``None`` leaves it to the disk.
        wal: keep a write-ahead log; without it a rollback journal, which is slower and works on a network file system.
        on_commit: is told how many seconds each transaction took, in the thread that writes.
    """

    def __init__(
        self,
        path: Path,
        *,
        max_pages: int | None = None,
        wal: bool = True,
        on_commit: Callable[[float], None] = lambda seconds: None,
    ):
        self.path, self._on_commit = path, on_commit
        self._max_pages, self._wal = max_pages, wal
        self._writes: SimpleQueue[Job | None] = SimpleQueue()
        self._reads: SimpleQueue[Job | None] = SimpleQueue()
        self.health = StorageHealth()
        self._writer = Worker(
            "store-writer",
            self._writes,
            self._open_writer,
            self._reopen_writer,
            self._close_writer,
            self._write_group,
            self._explain,
            self.health,
            MAX_GROUP,
            writes=True,
        )
        self._readers = [self._reader(f"store-reader-{n}", self._reads) for n in range(READERS)]
        self._checker = self._reader("store-check", SimpleQueue())
        self._committed = 0
        """Groups of writes so far; counted before any of their callers is told."""
        self._lists: dict[tuple[Any, ...], tuple[int, Sequence[Session]]] = {}
        """Lists of sessions as they were after so many commits: they are asked for far more often than they change."""
        self._check: asyncio.Task[None] | None = None
        self._watch = FileWatch(path, wal=wal)
        self._marked = -1
        """The number of commits that the mark knows."""
        self._unclean = self._is_open = False
        self.overviews = DatabaseOverviews(self._read)

    # -- life -------------------------------------------------------------------------------------------------------
    async def open(self) -> None:
        await self._writer.start()
        self._is_open = True
        try:
            for reader in self._readers:
                await reader.start()
        except BaseException:
            await self.close()
            raise
        self._check = asyncio.create_task(self._check_file(0.0 if self._unclean else CHECK_AFTER_S))

    async def close(self) -> None:
        if not self._is_open:
            return
        self._is_open = False
        while self._check is not None and not self._check.done():
            if self._checker.thread is None:
                self._check.cancel()  # it has not begun
            self._checker.interrupt()  # without effect between two statements, hence again
            await asyncio.wait([self._check], timeout=0.05)
        await stop(self._readers)
        await stop([self._writer])  # last: the connection that closes last puts the log away

    def _reader(self, name: str, queue: SimpleQueue[Job | None]) -> Worker[sqlite3.Connection]:
        connect = partial(db.connect_reader, self.path)
        return Worker(name, queue, connect, connect, sqlite3.Connection.close, read_each, self._explain, self.health)

    def _explain(self, error: Exception) -> Exception:
        return explain(error, self.path)

    def _open_writer(self) -> sqlite3.Connection:
        is_new = schema.create_file(self.path)
        conn = db.connect(self.path)
        try:
            schema.migrate(conn, self.path)
            self._unclean = not is_new and get_meta(conn, "state") == "open"
            if self._unclean or is_new:
                self.health.lost = missing(conn, self.path)
            db.prepare_writer(conn, max_pages=self._max_pages, wal=self._wal)
            self._on_open(conn)
        except BaseException:
            conn.close()
            raise
        if self.health.lost:
            log.error("%s: stored before, and missing now: %s", self.path, self.health.lost)
        self._watch.begin()
        return conn

    def _reopen_writer(self) -> sqlite3.Connection:
        """The writing connection again, after an access to the former one failed as a whole."""
        conn = db.connect(self.path)
        db.prepare_writer(conn, max_pages=self._max_pages, wal=self._wal)
        return conn

    def _write_group(self, conn: sqlite3.Connection, jobs: Sequence[Job], told: Explain) -> None:
        """``write_group``, unless the file is no longer the one that a later start would open."""
        if not self.health.moved:
            began = time.monotonic()
            try:
                write_group(conn, jobs, told)
            finally:
                self._committed += 1
                self._on_commit(time.monotonic() - began)
        if self.health.moved or self._watch.moved():  # also after the commit: nothing is acknowledged into thin air
            for job in jobs:
                job.error = moved()

    def _on_open(self, conn: sqlite3.Connection) -> None:
        """Mark the file as in use, forget what is due. A full disk must not keep anyone from reading."""
        try:
            with db.transaction(conn):
                set_meta(conn, "state", "open")
                set_meta(conn, READ_ONLY, 0)
                if self.health.lost:
                    sessions.all_are_others(conn)
                transcripts.expire(conn, time.time_ns() // 1_000_000)
                runs.purge(conn)
                changes.purge(conn)
        except sqlite3.OperationalError as error:
            if not isinstance(self._explain(error), StorageFull):
                raise
            log.warning("%s: the disk is full; conversations can be read, not continued", self.path)

    def _close_writer(self, conn: sqlite3.Connection) -> None:
        try:
            with db.transaction(conn):
                set_meta(conn, "state", "closed")
            conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            if not self._watch.moved():
                self._watch.unmark()
        except sqlite3.DatabaseError as error:
            log.warning("%s was not closed cleanly: %s", self.path, error)
        finally:
            conn.close()

    async def _check_file(self, after_s: float) -> None:
        """Read the whole file once, in a thread of its own (a second for some 100 MB)."""
        await asyncio.sleep(after_s)
        self.health.check = "running"
        try:
            await self._checker.start()
            rows = await submit(self._checker.queue, lambda conn: conn.execute("PRAGMA quick_check(5)").fetchall())
            found = "; ".join(row[0] for row in rows)
        except StoreDamaged as error:
            found = str(error)
        except (Unavailable, sqlite3.OperationalError):  # not now: the disk fails, or close() interrupted it
            self.health.check = ""
            return
        finally:
            await stop([self._checker])
        self.health.checked(found)
        if found != "ok":
            log.error("%s is damaged; check: %s", self.path, found)
        elif self._unclean:
            log.info("%s was not closed cleanly; check: ok", self.path)

    # -- watching and copying -----------------------------------------------------------------------------------------
    async def look(self, *, locked: bool = True) -> None:
        if not self._is_open:
            return
        if not locked or self._watch.moved():
            self.health.note(moved() if locked else taken_over())
            return
        self.health.found_again()
        if self._marked != self._committed:
            committed = self._committed
            found = await self._read(counts)
            await asyncio.to_thread(self._watch.mark, found)
            self._marked = committed

    async def back_up(self, target: Path) -> str:
        """Copy everything to ``target``, also out of a file that was removed; what is wrong with the copy."""
        return await self._read(lambda conn: write_checked(conn, target))

    async def set_read_only(self, on: bool) -> None:
        if on:
            self.health.read_only = True  # before the mark, which comes after every write that was taken
        await self._submit(self._writes, lambda conn: set_meta(conn, READ_ONLY, int(on)))
        self.health.read_only = on

    async def _write(self, function: Callable[[Any], T], *keys: str) -> T:
        if self.health.read_only:
            raise read_only()
        return await self._submit(self._writes, function)  # all by one thread, in their order

    async def _write_found(self, find: Callable[[Any], str | None], function: Callable[[Any], T]) -> T:
        return await self._write(function)

    async def _read(self, function: Callable[[Any], T]) -> T:
        """Read; what fails and may pass is tried again for ``READ_PATIENCE_S``, since a reply may depend on it."""
        ends, wait = time.monotonic() + READ_PATIENCE_S, 0.02
        while True:
            try:
                return await self._submit(self._reads, function)
            except Unavailable as error:
                if not passes(error) or time.monotonic() + wait > ends:
                    raise
            await asyncio.sleep(wait)
            wait = min(2 * wait, 0.5)

    async def _submit(self, queue: SimpleQueue[Job | None], function: Callable[[sqlite3.Connection], T]) -> T:
        if not self._is_open:
            raise ShuttingDown("the store is not open")
        value: T = await submit(queue, function)
        return value

    async def list_sessions(
        self,
        *,
        limit: int | None = None,
        active_since: int | None = None,
        search: str | None = None,
        label: str | None = None,
        archived: bool = True,
    ) -> Sequence[Session]:
        asked = (limit, search, label, archived)
        at, found = self._lists.get(asked, (-1, ()))
        if active_since is None and at == self._committed:
            return found
        at = self._committed
        found = await self._read(lambda conn: sessions.list_of(conn, limit, active_since, search, label, archived))
        if active_since is None:
            if len(self._lists) >= KEPT_LISTS:
                self._lists.clear()
            self._lists[asked] = (at, found)
        return found
