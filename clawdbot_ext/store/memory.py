"""The store without a file, for temporary sessions."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from . import db, schema
from .sqlite import SqliteStore

T = TypeVar("T")


class MemoryStore(SqliteStore):
    """A store without a file. One connection does everything, since another would see another database."""

    def __init__(self) -> None:
        super().__init__(Path(":memory:"))

    async def open(self) -> None:
        await self._writer.start()
        self._is_open = True

    def _open_writer(self) -> sqlite3.Connection:
        conn = db.connect_memory()
        schema.migrate(conn, self.path)
        return conn

    def _reopen_writer(self) -> sqlite3.Connection:
        return self._open_writer()

    def _close_writer(self, conn: sqlite3.Connection) -> None:
        conn.close()

    async def look(self, *, locked: bool = True) -> None:
        """Nothing: there is no file."""

    async def _read(self, function: Callable[[Any], T]) -> T:
        return await self._write(function)
