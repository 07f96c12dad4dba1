"""``clawdbot backup``, ``restore`` and ``doctor --repair`` on real files."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from clawdbot_ext.cli.program import program
from clawdbot_ext.store.sqlite import SqliteStore
from tests.store.kit import read, say


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
