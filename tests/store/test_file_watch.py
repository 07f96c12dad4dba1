"""The database file goes away, is emptied, or loses its log: nothing is acknowledged into thin air, and it is told."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from contextlib import closing

import pytest

from clawdbot_ext.protocol.errors import Unavailable
from clawdbot_ext.store import backup_files, salvage
from clawdbot_ext.store.api import StoreDamaged
from clawdbot_ext.store.backups import CopyFailed
from clawdbot_ext.store.sqlite import SqliteStore

from .kit import MAIN, read, say, send


async def is_refused(store: SqliteStore) -> None:
    for act in (say(store, "into thin air"), send(store, "r1")):
        with pytest.raises(Unavailable) as refused:
            await act
        assert refused.value.reason == "STORAGE_MOVED"


GONE = {
    "the file is removed": lambda path: path.unlink(),
    "the file is moved": lambda path: path.rename(path.with_name("elsewhere")),
    "another file is in its place": lambda path: (path.rename(path.with_name("old")), path.write_bytes(b"")),
    "the folder is removed": lambda path: shutil.rmtree(path.parent),
    "the log is removed": lambda path: path.with_name(path.name + "-wal").unlink(),
}


def test_a_folder_that_takes_no_copy_is_no_damage(path, tmp_path):
    async def main():
        store = SqliteStore(path)
        await store.open()
        (tmp_path / "backups").write_text("in the way")
        with pytest.raises(CopyFailed):
            await store.back_up(tmp_path / "backups" / "copy.sqlite3")
        assert store.health.ok
        await store.close()

    asyncio.run(main())


@pytest.mark.parametrize("gone", GONE)
def test_a_write_behind_a_file_that_went_away_is_refused_and_everything_can_be_written_out(path, tmp_path, gone):
    async def main():
        store = SqliteStore(path)
        await store.open()
        await say(store, "kept")
        GONE[gone](path)
        await is_refused(store)
        await store.look()
        assert store.health.state == "moved" and not store.health.ok
        assert await read(store) != []
        copy = tmp_path / "rescued" / "copy.sqlite3"
        assert await store.back_up(copy) == ""
        await store.close()
        return copy

    copy = asyncio.run(main())
    with closing(sqlite3.connect(copy)) as conn:
        assert "kept" in conn.execute("SELECT body FROM messages").fetchone()[0]


def test_a_file_that_comes_back_is_written_to_again(drive_sqlite, path):
    async def scenario(store):
        await say(store, "a")
        aside = path.with_name("aside")
        path.rename(aside)
        await store.look()
        await is_refused(store)
        aside.rename(path)
        await store.look()
        assert store.health.ok
        await say(store, "b")
        assert await read(store) == ["a", "b"]

    drive_sqlite(scenario)


def test_a_lock_that_another_process_may_have_is_as_bad(drive_sqlite):
    async def scenario(store):
        await say(store, "a")
        await store.look(locked=False)
        await is_refused(store)
        await store.look(locked=True)
        await say(store, "b")

    drive_sqlite(scenario)


def test_an_empty_file_is_damage_and_not_a_new_database(drive_sqlite, path):
    drive_sqlite(lambda store: say(store, "a"))
    os.truncate(path, 0)
    with pytest.raises(StoreDamaged, match="empty"):
        drive_sqlite(read)
    assert path.stat().st_size == 0


def test_a_first_start_that_is_cut_off_leaves_no_empty_database(drive_sqlite, path, monkeypatch):
    def fails(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("clawdbot_ext.store.schema.migrate", fails)
    with pytest.raises(Unavailable):
        drive_sqlite(read)
    monkeypatch.undo()
    assert list(path.parent.iterdir()) == []
    drive_sqlite(lambda store: say(store, "a"))


def crashed(path) -> None:
    """As after a kill: log and mark are there. The files of a running store are copied."""

    async def main():
        store = SqliteStore(path)
        await store.open()
        for n in range(10):
            await send(store, f"r{n}", key=f"agent:main:s{n}")
        await store.look()
        shutil.copytree(path.parent, path.parent.with_name("killed"))
        await store.close()

    asyncio.run(main())
    shutil.rmtree(path.parent)
    path.parent.with_name("killed").rename(path.parent)


def health_after_start(path) -> dict[str, object]:
    async def main():
        store = SqliteStore(path)
        await store.open()
        try:
            return store.health.to_wire()
        finally:
            await store.close()

    return asyncio.run(main())


def test_after_a_kill_nothing_is_missing(path):
    crashed(path)
    assert "lost" not in health_after_start(path)


def test_a_log_that_was_cut_is_told_with_the_number_of_messages(path):
    crashed(path)
    log = path.with_name(path.name + "-wal")
    os.truncate(log, log.stat().st_size * 2 // 3)
    told = health_after_start(path)
    assert told["ok"] is False and told["lost"]["messages"] > 0
    assert "lost" not in health_after_start(path)  # it was told, and what is there is what there is


def test_a_database_that_was_removed_is_told(path):
    crashed(path)
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    assert health_after_start(path)["lost"] == {"sends": 10, "messages": 10}


def test_a_copy_is_checked_private_and_opens_by_itself(drive_sqlite, path):
    async def scenario(store):
        await say(store, "a", "b")
        target = backup_files.path_for(path)
        assert await store.back_up(target) == ""
        await say(store, "c")
        assert target.stat().st_mode & 0o777 == 0o600 and target.parent.stat().st_mode & 0o777 == 0o700
        assert [each.path for each in backup_files.kept(target.parent)] == [target]
        return target

    target = drive_sqlite(scenario)
    aside = salvage.put_back(target, path)
    assert aside is not None and aside.exists()

    async def restored(store):
        assert await read(store) == ["a", "b"]
        assert (await store.get_session(MAIN)).message_count == 2

    drive_sqlite(restored)


def test_the_oldest_copies_go_first_and_the_last_one_stays(tmp_path):
    for day in range(1, 6):
        (tmp_path / f"gateway-2026110{day}-000000.sqlite3").write_bytes(b"x")
    (tmp_path / "mine.sqlite3").write_bytes(b"x")
    backup_files.prune(tmp_path, 2)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [
        "gateway-20261104-000000.sqlite3",
        "gateway-20261105-000000.sqlite3",
        "mine.sqlite3",
    ]
