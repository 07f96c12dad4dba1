"""``clawdbot backup``, ``restore`` and ``doctor --repair`` on real files."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from clawdbot_ext.cli import printing
from clawdbot_ext.cli.program import program
from clawdbot_ext.store import schema
from clawdbot_ext.store.sqlite import SqliteStore
from tests.store.kit import read, say
from tests.store.test_salvage import of_version, pages_of, spoil


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CLAWDBOT_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    path = tmp_path / "jupyter" / "gateway.sqlite3"
    on(path, say, "one", "two")
    return path


def on(path: Path, act, *given):
    async def main():
        store = SqliteStore(path)
        await store.open()
        try:
            return await act(store, *given)
        finally:
            await store.close()

    return asyncio.run(main())


def clawdbot(*arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(program, arguments)
    assert done.exit_code == code, done.output
    return done.output


def test_a_backup_is_put_back_and_what_was_there_is_kept(database, tmp_path):
    assert "There is no backup" in CliRunner().invoke(program, ["doctor"]).output
    path = Path(clawdbot("backup").splitlines()[0])
    assert str(path) in CliRunner().invoke(program, ["doctor"]).output
    assert path.parent == database.parent / "backups" and str(path) in clawdbot("restore", "--list")
    assert (tmp_path / "mine.sqlite3") == Path(clawdbot("backup", str(tmp_path / "mine.sqlite3")).splitlines()[0])
    on(database, say, "three")
    assert "Restored" in clawdbot("restore", "--yes")
    assert on(database, read) == ["one", "two"]
    (aside,) = database.parent.glob("*.replaced-*")
    assert on(aside, read) == ["one", "two", "three"]


def test_repair_leaves_a_whole_database_alone_and_sets_a_damaged_one_aside(database):
    assert "nothing to repair" in clawdbot("doctor", "--repair")
    os.truncate(database, 0)
    assert "empty" in clawdbot("backup", code=1)
    assert "clawdbot restore" in clawdbot("doctor", "--repair", code=1)
    assert not database.exists() and len(list(database.parent.glob("*.corrupt-*"))) == 1


def test_of_a_database_with_a_damaged_page_the_rest_is_recovered_and_what_is_gone_is_counted(database):
    on(database, say, *(f"{number} " + "가" * 300 for number in range(60)))
    before = on(database, read)
    leaves = pages_of(database, "messages")
    spoil(database, leaves[len(leaves) // 2])
    damaged = database.read_bytes()
    assert "is damaged" in clawdbot("backup", code=1) and database.read_bytes() == damaged
    told = clawdbot("doctor", "--repair", code=1)
    (aside,) = database.parent.glob("*.corrupt-*")
    assert str(aside) in told and aside.read_bytes() == damaged
    after = on(database, read)
    assert set(after) < set(before) and f"Recovered: {len(after)} messages of 1 conversation." in told
    assert "Not readable in the table messages: up to" in told
    assert "nothing to repair" in clawdbot("doctor", "--repair")


@pytest.mark.parametrize("version", [4, 9])
def test_a_backup_of_an_older_version_is_put_back_and_a_damaged_one_repaired(database, tmp_path, version):
    old = tmp_path / "old.sqlite3"
    of_version(old, version)
    before = old.read_bytes()
    assert str(old) in clawdbot("restore", str(old), "--yes")
    assert on(database, read) == ["old one", "old two"] and old.read_bytes() == before
    with closing(sqlite3.connect(old)) as conn:
        (page,) = conn.execute("SELECT rootpage FROM sqlite_master WHERE name = 'transcripts'").fetchone()
    spoil(old, page)
    os.replace(old, database)
    told = clawdbot("doctor", "--repair", code=1)
    assert "Recovered: 2 messages of 1 conversation." in told and "1 conversation has lost name and settings" in told
    assert on(database, read) == ["old one", "old two"]


@pytest.mark.parametrize(("locale", "words"), [("C.UTF-8", "by a newer version"), ("ko_KR.UTF-8", "더 새로운 버전")])
def test_a_file_of_a_newer_version_is_left_alone(database, tmp_path, monkeypatch, locale, words):
    monkeypatch.setenv("LC_ALL", locale)
    printing._language.cache_clear()
    newer = tmp_path / "newer.sqlite3"
    of_version(newer, schema.SCHEMA_VERSION)
    with closing(sqlite3.connect(newer)) as conn, conn:
        conn.execute("UPDATE meta SET value = 999 WHERE name IN ('schema_version', 'compat_version')")
    before = newer.read_bytes()
    told = clawdbot("restore", str(newer), "--yes", code=1)
    printing._language.cache_clear()
    assert words in told and str(newer) in told and "999" in told
    assert newer.read_bytes() == before and on(database, read) == ["one", "two"]
    assert not list(database.parent.glob("*.replaced-*")) and not list(database.parent.glob("*.restoring*"))


@pytest.mark.slow
def test_what_was_set_aside_is_put_back_and_a_damaged_copy_is_not(database):
    clawdbot("backup")
    on(database, say, "three")
    clawdbot("restore", "--yes")
    (aside,) = database.parent.glob("*.replaced-*")
    clawdbot("restore", str(aside), "--yes")
    assert on(database, read) == ["one", "two", "three"] and aside.exists()
    spoil(aside, pages_of(aside, "messages")[0])
    assert "is damaged" in clawdbot("restore", str(aside), "--yes", code=1)
    assert on(database, read) == ["one", "two", "three"]
    os.truncate(database, 0)
    clawdbot("doctor", "--repair", code=1)
    assert "Restored" in clawdbot("restore", "--yes")
    assert on(database, read) == ["one", "two"]
