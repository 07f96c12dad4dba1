"""Backups: when one is due, and the report on them."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from clawdbot_ext.gateway.backups import DAY_S, Backups
from clawdbot_ext.store import backup_files
from clawdbot_ext.store.sqlite import SqliteStore

NOW = 1_800_000_000.0


@pytest.fixture
def due(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Whether one is due, with a copy and a change of so many days ago."""
    monkeypatch.setattr("clawdbot_ext.gateway.backups.time.time", lambda: NOW)
    database = tmp_path / "gateway.sqlite3"
    unused: Any = None
    config: Any = SimpleNamespace(home=tmp_path)
    of_database = Backups(lambda: config, unused)  # type: ignore[arg-type]  # no more of it is asked for

    def asked(copied: float | None, changed: float) -> bool:
        database.write_bytes(b"x")
        os.utime(database, (NOW, NOW - changed * DAY_S))
        if copied is not None:
            copy = tmp_path / backup_files.FOLDER / f"gateway-{backup_files.stamp(NOW - copied * DAY_S)}.sqlite3"
            copy.parent.mkdir(exist_ok=True)
            copy.write_bytes(b"x")
            os.utime(copy, (NOW, NOW - copied * DAY_S))
        return bool(of_database._due())

    return asked


class InFile(SimpleNamespace):
    """A configuration whose conversations are in a file."""

    def __getitem__(self, name: str) -> str:
        return {"storage.url": ""}[name]


@pytest.mark.parametrize(
    ("copied", "changed", "wanted"),
    [(None, 9, True), (2, 1, True), (0.5, 0.1, False), (2, 3, False), (-2, 3, True)],
    ids=["no copy yet", "changed since", "a copy of today", "nothing changed since", "a copy of the future"],
)
def test_a_copy_is_made_once_a_day_and_only_of_what_has_changed(
    due: Any, copied: Any, changed: Any, wanted: bool
) -> None:
    assert due(copied, changed) is wanted


def test_the_facts_name_the_database_and_the_newest_copy_also_after_a_restart(tmp_path: Path) -> None:
    async def main() -> None:
        database = tmp_path / "gateway.sqlite3"
        config: Any = InFile(home=tmp_path, state=tmp_path)
        store = SqliteStore(database)
        await store.open()
        try:
            made_by = Backups(lambda: config, store)  # type: ignore[arg-type]  # no more of it is asked for
            assert "lastBackup" not in await made_by.facts()
            made = await made_by.make()
            assert store.health.to_wire()["check"] == "ok" and store.health.to_wire()["checkedAt"] >= made["at"]
            later = await Backups(lambda: config, store).facts()  # type: ignore[arg-type]
        finally:
            await store.close()
        assert (
            later["path"] == str(database) and later["bytes"] > 0 and later["freeBytes"] > 0 and later["backups"] == 1
        )
        last = later["lastBackup"]
        assert (last["path"], last["bytes"]) == (made["path"], made["bytes"]) and abs(last["at"] - made["at"]) < 60_000

    asyncio.run(main())
