"""Backups of the database: one a day while the gateway runs, and one whenever a person asks."""

from __future__ import annotations

import asyncio
import logging
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..config.live import LiveConfig
from ..protocol.clock import now_ms
from ..protocol.errors import GatewayError, InvalidRequest, StorageFull, Unavailable
from ..runtime.paths import conversations, database_path
from ..store import backup_files, backups
from ..store.api import Store, StoreDamaged

log = logging.getLogger(__name__)

FIRST_S = 300.0
"""Seconds after a start at which the first look is taken: a start has other things to do."""
LOOK_S = 600.0
DAY_S = 24 * 3600.0


class Backups:
    """The copies in the folder ``backups`` of the state directory. ``storage.backups`` of them are kept."""

    def __init__(self, config: LiveConfig, store: Store) -> None:
        self._config, self._store = config, store
        self._busy = asyncio.Lock()

    @property
    def database(self) -> Path:
        return database_path(self._config())

    async def run(self) -> None:
        """Make a backup a day, as long as anything changes. Never returns."""
        await asyncio.sleep(FIRST_S)
        while True:
            keep = 0 if self._on_server() else self._config()["storage.backups"]
            if keep and not self._store.health.moved and await asyncio.to_thread(self._due):
                try:
                    await self.make()
                    await asyncio.to_thread(backup_files.prune, self.database.parent / backup_files.FOLDER, keep)
                except (GatewayError, StoreDamaged, OSError) as exc:
                    log.error("no backup was made: %s", exc)
            await asyncio.sleep(LOOK_S)

    def _on_server(self) -> bool:
        """Whether the conversations are in PostgreSQL, whose copies are made on the server."""
        return bool(self._config()["storage.url"])

    def _due(self) -> bool:
        """Whether the newest copy is a day old (or of the future: the clock was wrong) and something changed since."""
        newest = next(iter(backup_files.kept(self.database.parent / backup_files.FOLDER)), None)
        if newest is None:
            return True
        made = newest.path.stat().st_mtime
        files = [self.database, self.database.with_name(self.database.name + "-wal")]
        changed = max((file.stat().st_mtime for file in files if file.exists()), default=0.0)
        now = time.time()
        return abs(now - made) >= DAY_S and (changed > made or made > now)

    async def make(self) -> dict[str, Any]:
        """Make a backup now, and check it. Where the state directory has gone, it is written beside it.

        Raises:
            InvalidRequest: the conversations are in PostgreSQL (``NO_BACKUP``).
            StorageFull: no room for it. ``Unavailable``: the copy is damaged, as the database is (``STORAGE_DAMAGED``),
            or the disk fails.
        """
        if self._on_server():
            raise InvalidRequest("a database in PostgreSQL is backed up with pg_dump", reason="NO_BACKUP")
        async with self._busy:
            target = backup_files.path_for(self.database, self._rescue_folder() if self._store.health.moved else None)
            try:
                if problem := await self._store.back_up(target):
                    await asyncio.to_thread(target.unlink, missing_ok=True)
                    raise StoreDamaged(str(self.database), problem)
            except (backups.NoRoom, backups.CopyFailed, StoreDamaged, GatewayError) as exc:
                told = _told(exc)
                self._store.health.backup = {"at": now_ms(), "problem": told.message}
                raise told from exc
            made = {"at": now_ms(), "path": str(target), "bytes": target.stat().st_size}
            self._store.health.backup = made
            if self._store.health.check != "damaged":  # it was read page by page, and the copy was checked
                self._store.health.checked("ok")
            log.info("backup written: %s", target)
            return made

    async def facts(self) -> dict[str, Any]:
        """The database and its copies, as ``status`` reports them."""
        return await asyncio.to_thread(self._facts)

    def _facts(self) -> dict[str, Any]:
        found: dict[str, Any] = {"path": conversations(self._config())}
        if self._on_server():
            return found
        with suppress(OSError):
            files = [self.database, self.database.with_name(self.database.name + "-wal")]
            found["bytes"] = sum(file.stat().st_size for file in files if file.exists())
            found["freeBytes"] = shutil.disk_usage(self.database.parent).free
        with suppress(OSError):
            copies = backup_files.kept(self.database.parent / backup_files.FOLDER)
            found["backups"] = len(copies)
            if copies:
                newest = copies[0]
                found["lastBackup"] = {"at": newest.at_ms, "path": str(newest.path), "bytes": newest.size}
        return found

    async def rescue(self) -> None:
        """Before a stop: write out what would be gone with the process, since the file at our path is another one."""
        if not self._store.health.moved:
            return
        try:
            log.error("what the database held is written to %s", (await self.make())["path"])
        except (GatewayError, OSError) as exc:
            log.critical("what the database held could not be written out: %s", exc)

    def _rescue_folder(self) -> Path:
        state = self._config().state
        return state.with_name(f"{state.name}-rescued")


def _told(error: Exception) -> GatewayError:
    if isinstance(error, backups.NoRoom):
        return StorageFull("the disk has no room for a backup", needed=error.needed, free=error.free)
    if isinstance(error, backups.CopyFailed):
        return Unavailable(f"the backup cannot be written: {error}", reason="STORAGE_ERROR", detail=error.detail)
    if isinstance(error, StoreDamaged):
        text = "the database is damaged, so no backup was made"
        return Unavailable(text, reason="STORAGE_DAMAGED", detail=error.detail)
    assert isinstance(error, GatewayError)
    return error
