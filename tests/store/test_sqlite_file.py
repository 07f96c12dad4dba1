"""The database file: private, migrated with a copy kept, and never touched when it is not ours to touch."""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from clawdbot_ext.store import schema, sessions
from clawdbot_ext.store.api import SchemaTooNew, StoreDamaged
from clawdbot_ext.store.sqlite import SqliteStore, open_store

from .kit import MAIN, read, say, send

PAGE = 4096


@contextmanager
def database(path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None)) as conn:
        yield conn


def mode(path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def three(store):
    await say(store, "a", "b", "c")


async def nothing(store):
    pass


def test_the_file_and_its_folder_are_private(drive_sqlite, path):
    async def scenario(store):
        await say(store, "secret")
        assert {mode(file) for file in path.parent.iterdir()} == {0o600}
        assert mode(path.parent) == 0o700

    drive_sqlite(scenario)
    path.chmod(0o644)
    drive_sqlite(nothing)
    assert mode(path) == 0o600


def test_a_path_may_hold_any_character(tmp_path):
    async def main():
        for n in range(2):
            store = open_store(tmp_path / "연구 #1?%41" / "gateway.sqlite3")
            await store.open()
            await say(store, str(n))
            assert len(await read(store)) == n + 1
            await store.close()

    asyncio.run(main())
    assert [entry.name for entry in tmp_path.iterdir()] == ["연구 #1?%41"]


def test_after_a_close_everything_is_in_the_one_file(drive_sqlite, path):
    drive_sqlite(three)
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    with database(path) as conn:
        assert conn.execute("PRAGMA quick_check").fetchall() == [("ok",)]
        assert conn.execute("SELECT count(*) FROM messages").fetchone() == (3,)


def test_commits_are_durable(drive_sqlite):
    async def scenario(store):
        def settings(conn):
            names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
            return [conn.execute(f"PRAGMA {name}").fetchone()[0] for name in names]

        assert await store._write(settings) == ["wal", 2, 1, 5000]

    drive_sqlite(scenario)


def test_the_session_list_walks_an_index(drive_sqlite):
    async def scenario(store):
        def plan(conn):
            query = f"{sessions._SELECT} ORDER BY s.updated_at DESC, s.rowid DESC LIMIT 50"
            return " / ".join(row[3] for row in conn.execute(f"EXPLAIN QUERY PLAN {query}"))

        steps = await store._read(plan)
        assert "USING INDEX sessions_by_update" in steps and "TEMP B-TREE" not in steps

    drive_sqlite(scenario)


# -- versions -------------------------------------------------------------------------------------------------------
def m002(conn: sqlite3.Connection) -> None:
    conn.execute("ALTER TABLE sessions ADD COLUMN colour TEXT NOT NULL DEFAULT 'blue'")


def m003_fails(conn: sqlite3.Connection) -> None:
    conn.execute("DROP TABLE messages")
    raise LookupError("half way")


def test_an_older_database_is_migrated_and_a_copy_of_it_kept(drive_sqlite, path):
    drive_sqlite(three)
    with database(path) as conn:
        schema.migrate(conn, path, [*schema.MIGRATIONS, m002])
        assert conn.execute("SELECT colour FROM sessions").fetchall() == [("blue",)]
        assert schema.get_meta(conn, "schema_version") == schema.SCHEMA_VERSION + 1
    backup = path.with_name(f"{path.name}.v{schema.SCHEMA_VERSION}.backup")
    assert mode(backup) == 0o600
    restored = path.with_name("restored.sqlite3")
    os.replace(backup, restored)

    async def main():
        store = open_store(restored)
        await store.open()
        assert await read(store) == ["a", "b", "c"]
        await store.close()

    asyncio.run(main())


def test_a_new_database_needs_no_copy(drive_sqlite, path):
    drive_sqlite(nothing)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_migration_that_fails_leaves_the_version_before_it_whole(drive_sqlite, path):
    drive_sqlite(three)
    with database(path) as conn:
        with pytest.raises(LookupError):
            schema.migrate(conn, path, [*schema.MIGRATIONS, m002, m003_fails])
        assert schema.get_meta(conn, "schema_version") == schema.SCHEMA_VERSION + 1
        assert conn.execute("SELECT count(*) FROM messages").fetchone() == (3,)
        assert conn.execute("SELECT colour FROM sessions").fetchall() == [("blue",)]


def test_a_newer_database_is_refused_and_left_as_it_is(drive_sqlite, path):
    drive_sqlite(three)
    with database(path) as conn:
        schema.migrate(conn, path, [*schema.MIGRATIONS, m002], compat=schema.SCHEMA_VERSION + 1)
    before = path.read_bytes()
    with pytest.raises(SchemaTooNew) as refused:
        drive_sqlite(nothing)
    error = refused.value
    assert (error.path, error.found, error.supported) == (str(path), schema.SCHEMA_VERSION + 1, schema.SCHEMA_VERSION)
    assert path.read_bytes() == before


def test_a_newer_database_that_says_it_is_compatible_is_used(drive_sqlite, path):
    drive_sqlite(three)
    with database(path) as conn:
        schema.migrate(conn, path, [*schema.MIGRATIONS, m002])

    async def scenario(store):
        await say(store, "d")
        assert await read(store) == ["a", "b", "c", "d"]

    drive_sqlite(scenario)


# -- damage ---------------------------------------------------------------------------------------------------------
def overwrite(path, offset: int, junk: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(junk)


DAMAGE = {
    "no header": lambda path: overwrite(path, 0, b"this is not a database at all" * 9),
    "the schema page": lambda path: overwrite(path, 100, os.urandom(PAGE - 100)),
    "cut in half": lambda path: os.truncate(path, path.stat().st_size // 2),
    "a format of the future": lambda path: overwrite(path, 18, b"\x09\x09"),
    "read-only": lambda path: overwrite(path, 18, b"\x03"),  # as SQLite marks it; root may write any file
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_or_read_only_file_is_named_and_never_replaced(drive_sqlite, path, damage):
    drive_sqlite(three)
    DAMAGE[damage](path)
    before = path.read_bytes()
    with pytest.raises(StoreDamaged) as refused:
        drive_sqlite(nothing)
    assert refused.value.path == str(path) and refused.value.detail
    assert path.read_bytes() == before


def test_a_database_of_another_program_is_left_alone(drive_sqlite, path):
    path.parent.mkdir()
    with database(path) as conn:
        conn.execute("CREATE TABLE recipes (name TEXT)")
    before = path.read_bytes()
    with pytest.raises(StoreDamaged):
        drive_sqlite(nothing)
    assert path.read_bytes() == before


def test_a_folder_in_the_place_of_the_file_is_named(drive_sqlite, path):
    path.mkdir(parents=True)
    with pytest.raises(StoreDamaged):
        drive_sqlite(nothing)


def test_a_file_in_the_place_of_the_folder_is_named(drive_sqlite, path):
    path.parent.write_text("not a folder")
    with pytest.raises(StoreDamaged):
        drive_sqlite(nothing)


def test_a_write_protected_file_is_named(drive_sqlite, path):
    drive_sqlite(three)
    path.chmod(0o400)
    if os.access(path, os.W_OK):
        pytest.skip("root may write any file")
    with pytest.raises(StoreDamaged):
        drive_sqlite(nothing)


def spoil_messages(path) -> None:
    """Write junk over the first page of the message table."""
    with database(path) as conn:
        (page,) = conn.execute("SELECT rootpage FROM sqlite_master WHERE name = 'messages'").fetchone()
    overwrite(path, (page - 1) * PAGE, os.urandom(PAGE))


def test_damage_met_on_the_way_is_told_and_the_rest_goes_on(drive_sqlite, path):
    drive_sqlite(three)
    spoil_messages(path)

    async def scenario(store):
        for act in (read(store), say(store, "d"), send(store, "r1")):
            with pytest.raises(StoreDamaged):
                await act
        assert (await store.get_session(MAIN)).message_count == 3
        await store.create_session("agent:main:new", settings={}, now=1)

    drive_sqlite(scenario)


def mark_unclean(path) -> None:
    """As after a kill: the file still says that it is in use."""
    with database(path) as conn:
        schema.set_meta(conn, "state", "open")


@pytest.mark.parametrize(
    ("spoil", "level", "word"),
    [
        (lambda path: None, "INFO", "check: ok"),
        (spoil_messages, "ERROR", "malformed"),
        (lambda path: overwrite(path, 36, b"\0\0\0\7"), "ERROR", "freelist"),  # the count of free pages
    ],
)
def test_after_an_unclean_stop_the_file_is_checked_in_the_background(drive_sqlite, path, caplog, spoil, level, word):
    caplog.set_level(logging.INFO, "clawdbot_ext.store")
    drive_sqlite(three)
    drive_sqlite(nothing)
    assert not caplog.records
    spoil(path)
    mark_unclean(path)

    async def scenario(store: SqliteStore):
        assert await store.count_sessions() == 1
        await store._check

    drive_sqlite(scenario)
    (record,) = [record for record in caplog.records if "check: " in record.message]
    assert record.levelname == level and str(path) in record.message and word in record.message


def test_closing_does_not_wait_for_the_check(drive_sqlite, path, caplog):
    drive_sqlite(three)
    mark_unclean(path)
    drive_sqlite(nothing)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
