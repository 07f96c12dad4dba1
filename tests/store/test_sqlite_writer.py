"""One writing thread, one commit for all waiting writes: none suffers from a neighbour, none returns too early."""

from __future__ import annotations

import asyncio
import errno
import shutil
import sqlite3
import threading

import pytest

from clawdbot_ext.protocol.errors import ShuttingDown, Unavailable
from clawdbot_ext.store.api import StoreDamaged
from clawdbot_ext.store.failures import explain
from clawdbot_ext.store.sqlite import SqliteStore

from .kit import MAIN, read, say, user


class Held:
    """Keeps the writing thread busy, so that what is submitted meanwhile makes one group."""

    def __init__(self, store: SqliteStore):
        self._release = threading.Event()
        self._holding = asyncio.ensure_future(store._write(lambda conn: self._release.wait(5)))

    async def release(self) -> None:
        self._release.set()
        await self._holding


async def together(store, functions):
    """Write ``functions`` as one group; their outcomes."""
    held = Held(store)
    await asyncio.sleep(0)
    writes = [asyncio.ensure_future(store._write(function)) for function in functions]
    await asyncio.sleep(0)
    await held.release()
    return await asyncio.gather(*writes, return_exceptions=True)


def note(name: str):
    return lambda conn: conn.execute("INSERT INTO meta VALUES (?, 1)", (name,)).rowcount


async def noted(store) -> list[str]:
    return await store._read(
        lambda conn: [name for (name,) in conn.execute("SELECT name FROM meta WHERE value = 1 AND name LIKE 'n%'")]
    )


def test_writes_that_wait_together_share_one_commit(drive_sqlite):
    async def scenario(store):
        statements: list[str] = []
        await store._write(lambda conn: conn.set_trace_callback(statements.append))
        statements.clear()
        await together(store, [note(f"n{n}") for n in range(30)])
        await store._write(lambda conn: conn.set_trace_callback(None))
        inserts = [index for index, text in enumerate(statements) if text.startswith("INSERT")]
        between = statements[inserts[0] : inserts[-1]]
        assert len(inserts) == 30 and "COMMIT" not in between and len(await noted(store)) == 30

    drive_sqlite(scenario)


def test_a_write_that_fails_takes_back_only_its_own_work(drive_sqlite):
    def half(conn):
        note("n-half")(conn)
        raise LookupError("a bug")

    async def scenario(store):
        outcomes = await together(store, [note("n1"), half, note("n1"), note("n2")])
        assert outcomes[0] == outcomes[3] == 1
        assert isinstance(outcomes[1], LookupError) and isinstance(outcomes[2], sqlite3.IntegrityError)
        assert sorted(await noted(store)) == ["n1", "n2"]

    drive_sqlite(scenario)


def test_a_write_that_makes_sqlite_give_up_the_transaction_loses_nobody_elses(drive_sqlite):
    def lose(conn):
        note("n-lost")(conn)
        conn.execute("ROLLBACK")  # as SQLite does by itself on a full disk or an I/O error
        raise sqlite3.OperationalError("disk I/O error")

    async def scenario(store):
        outcomes = await together(store, [note("n1"), lose, note("n2")])
        assert outcomes[0] == outcomes[2] == 1 and outcomes[1].reason == "STORAGE_ERROR"
        assert sorted(await noted(store)) == ["n1", "n2"]

    drive_sqlite(scenario)


def test_when_the_commit_fails_only_its_cause_is_told_so(drive_sqlite):
    def broken(conn):
        conn.execute("PRAGMA defer_foreign_keys=ON")
        columns = "session_id, seq, id, role, created_at, body"
        conn.execute(f"INSERT INTO messages ({columns}) VALUES ('unknown', 1, 'm', 'user', 1, '{{}}')")

    async def scenario(store):
        outcomes = await together(store, [note("n1"), broken, note("n2")])
        assert outcomes[0] == outcomes[2] == 1 and isinstance(outcomes[1], sqlite3.IntegrityError)
        assert sorted(await noted(store)) == ["n1", "n2"]

    drive_sqlite(scenario)


def test_a_write_is_acknowledged_after_its_commit_only(drive_sqlite):
    async def scenario(store):
        held = Held(store)
        appending = asyncio.ensure_future(store.append(session_key=MAIN, message=user("a"), now=1, create=True))
        await asyncio.sleep(0)
        assert await read(store) == [] and not appending.done()
        await held.release()
        await appending
        assert await read(store) == ["a"]

    drive_sqlite(scenario)


def test_reading_goes_on_while_a_write_is_under_way(drive_sqlite):
    async def scenario(store):
        await say(store, "a")
        held = Held(store)
        assert await read(store) == ["a"]
        await held.release()

    drive_sqlite(scenario)


def test_a_database_locked_by_another_program_is_unavailable_not_broken(drive_sqlite, path, monkeypatch):
    monkeypatch.setattr("clawdbot_ext.store.db.BUSY_TIMEOUT_S", 0.05)

    async def scenario(store):
        await say(store, "a")
        other = sqlite3.connect(path, isolation_level=None)
        try:
            other.execute("BEGIN IMMEDIATE")
            outcomes = await asyncio.gather(say(store, "b"), say(store, "c"), return_exceptions=True)
            assert [outcome.reason for outcome in outcomes] == ["STORAGE_BUSY"] * 2
            assert await read(store) == ["a"]
            other.execute("ROLLBACK")
        finally:
            other.close()
        await say(store, "d")
        assert await read(store) == ["a", "d"]

    drive_sqlite(scenario)


def test_closing_lets_what_was_submitted_finish_and_refuses_the_rest(path):
    async def main():
        store = SqliteStore(path)
        await store.open()
        held = Held(store)
        await asyncio.sleep(0)
        waiting = [
            asyncio.ensure_future(store.append(session_key=MAIN, message=user(str(n)), now=n, create=True))
            for n in range(20)
        ]
        await asyncio.sleep(0)
        closing = asyncio.ensure_future(store.close())
        await asyncio.sleep(0)
        with pytest.raises(ShuttingDown):
            await say(store, "late")
        with pytest.raises(ShuttingDown):
            await read(store)
        await held.release()
        await closing
        assert [done.message.seq for done in await asyncio.gather(*waiting)] == list(range(1, 21))
        await store.close()

    asyncio.run(asyncio.wait_for(main(), 5))


def test_a_store_that_was_closed_can_be_opened_again(path):
    async def main():
        store = SqliteStore(path)
        await store.close()
        for text in ("a", "b"):
            await store.open()
            await say(store, text)
            await store.close()
        await store.open()
        assert await read(store) == ["a", "b"]
        await store.close()

    asyncio.run(asyncio.wait_for(main(), 5))


# -- whatever an access raises, the thread goes on --------------------------------------------------------------------
async def still_works(store) -> None:
    await asyncio.wait_for(say(store, "after"), 30)
    assert (await asyncio.wait_for(read(store), 30))[-1] == "after"


def test_an_io_error_while_the_directory_cannot_be_looked_at_is_told_and_the_thread_goes_on(drive_sqlite, monkeypatch):
    def lose(conn):
        conn.execute("ROLLBACK")
        raise sqlite3.OperationalError("disk I/O error")

    def gone(path):
        raise OSError(errno.EIO, "Input/output error")

    async def scenario(store):
        monkeypatch.setattr(shutil, "disk_usage", gone)
        with pytest.raises(Unavailable) as refused:
            await asyncio.wait_for(store._write(lose), 30)
        assert refused.value.reason == "STORAGE_ERROR"
        await still_works(store)

    drive_sqlite(scenario)


@pytest.mark.parametrize("worker", ["_writer", "_readers"])
def test_a_bug_of_the_thread_itself_ends_neither_it_nor_a_waiting_caller(drive_sqlite, worker, caplog):
    async def scenario(store):
        await say(store, "before")
        workers = [store._writer] if worker == "_writer" else store._readers
        carried_out = workers[0].carry_out

        def broken(conn, jobs, explain):
            for each in workers:
                each.carry_out = carried_out
            raise ZeroDivisionError("a bug")

        for each in workers:
            each.carry_out = broken
        with pytest.raises(ZeroDivisionError):
            await asyncio.wait_for(say(store, "lost") if worker == "_writer" else read(store), 30)
        await still_works(store)

    drive_sqlite(scenario)
    assert "an access failed as a whole" in caplog.text


# -- failures that pass are not damage ------------------------------------------------------------------------------
def failure(text: str, code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError(text)
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (failure("disk I/O error", 10 | 1 << 8), "STORAGE_ERROR"),  # SQLITE_IOERR_READ
        (failure("unable to open database file", 14), "STORAGE_ERROR"),
        (failure("out of memory", 7), "STORAGE_ERROR"),
        (OSError(errno.EMFILE, "Too many open files"), "STORAGE_ERROR"),
        (OSError(errno.EIO, "Input/output error"), "STORAGE_ERROR"),
        (failure("database is locked", 5), "STORAGE_BUSY"),
        (failure("database or disk is full", 13), "STORAGE_FULL"),
        (failure("attempt to write a readonly database", 8 | 4 << 8), "STORAGE_MOVED"),
        (failure("database disk image is malformed", 11), None),
        (failure("file is not a database", 26), None),
    ],
    ids=str,
)
def test_what_passes_is_told_from_damage_by_the_result_code(drive_sqlite, path, error, reason):
    drive_sqlite(lambda store: say(store, "a"))
    told = explain(error, path)
    assert isinstance(told, StoreDamaged) if reason is None else told.reason == reason


def test_a_read_that_fails_for_a_moment_is_tried_again(drive_sqlite):
    async def scenario(store):
        await say(store, "a")
        attempts = []

        def flaky(conn):
            attempts.append(1)
            if len(attempts) < 3:
                raise failure("disk I/O error", 10 | 1 << 8)
            return "read"

        assert await store._read(flaky) == "read" and len(attempts) == 3

    drive_sqlite(scenario)


def test_sorting_and_undoing_need_no_file(drive_sqlite):
    """With few descriptors left, or /tmp on a disk that cannot be written, replies are stored all the same."""

    async def scenario(store):
        for run_in in (store._write, store._read):
            assert await run_in(lambda conn: conn.execute("PRAGMA temp_store").fetchone()) == (2,)

    drive_sqlite(scenario)
