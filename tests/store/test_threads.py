"""A thread of the store whose start is cancelled or fails."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from queue import SimpleQueue

import pytest

from clawdbot_ext.protocol.errors import Unavailable
from clawdbot_ext.store.health import StorageHealth
from clawdbot_ext.store.threads import Job, Worker, read_each, stop, submit

PATIENCE_S = 30


def worker(opens, closes=sqlite3.Connection.close) -> Worker:
    queue: SimpleQueue[Job | None] = SimpleQueue()
    return Worker("store-test", queue, opens, opens, closes, read_each, lambda error: error, StorageHealth())


def test_a_start_that_was_cancelled_ends_with_its_connection_closed():
    entered, release = threading.Event(), threading.Event()
    closed = []

    def opens() -> sqlite3.Connection:
        entered.set()
        assert release.wait(PATIENCE_S)
        return sqlite3.connect(":memory:")

    def closes(conn: sqlite3.Connection) -> None:
        conn.close()
        closed.append(conn)

    async def scenario() -> None:
        slow = worker(opens, closes)
        starting = asyncio.ensure_future(slow.start())
        assert await asyncio.to_thread(entered.wait, PATIENCE_S)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        release.set()
        await asyncio.wait_for(stop([slow]), PATIENCE_S)

    asyncio.run(scenario())
    assert len(closed) == 1


def test_a_start_that_failed_leaves_no_end_mark_to_the_next_one():
    failures = [Unavailable("not now", reason="STORAGE_BUSY")]

    def opens() -> sqlite3.Connection:
        if failures:
            raise failures.pop()
        return sqlite3.connect(":memory:")

    async def scenario() -> int:
        again = worker(opens)
        with pytest.raises(Unavailable):
            await again.start()
        await stop([again])
        await again.start()
        try:
            found = await submit(again.queue, lambda conn: conn.execute("SELECT 7").fetchone()[0])
        finally:
            await stop([again])
        return found

    assert asyncio.run(scenario()) == 7
