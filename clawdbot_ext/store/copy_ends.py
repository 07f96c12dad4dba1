"""A database file as one end of a copy."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from .. import private_files
from . import db, meta, schema
from .connection import Connection
from .copying import COPYING, TABLES, Refused
from .failures import explain

UNFINISHED = ".copying"
"""Ending of a file that is not whole yet. It gets its name when it is, so no gateway ever opens half a copy."""


class SqliteEnd:
    """``copying.End`` on a file. The caller holds the lock of the gateway whose file it is.

    Args:
        beside: a gateway runs on it, so it is a source only while that writes nothing (``storage.readOnly``).
    """

    def __init__(self, path: Path, *, beside: bool = False):
        self._beside = beside
        self.path = path.absolute()
        self.place = str(self.path)
        self._unfinished = self.path.with_name(self.path.name + UNFINISHED)
        self._writer: sqlite3.Connection | None = None

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        path = self._unfinished if self._writer is not None else self.path
        if not path.exists():
            raise Refused("noSource", place=self.place)
        with self._told(path), closing(db.connect_reader(path)) as conn:
            version = conn.execute("PRAGMA data_version").fetchone()
            conn.execute("BEGIN")
            self._check_version(conn)
            if self._beside:
                self._check_rest(conn)
            yield conn
            conn.execute("COMMIT")
            if conn.execute("PRAGMA data_version").fetchone() != version and self._writer is None:
                raise Refused("changed", place=self.place)

    def _check_version(self, conn: sqlite3.Connection) -> None:
        """An older file is brought to the newest tables by the start of a gateway, not by who only reads it."""
        found = meta.get_meta(conn, "schema_version")
        if found != schema.SCHEMA_VERSION:
            raise Refused("version", place=self.place, found=found, supported=schema.SCHEMA_VERSION)

    def _check_rest(self, conn: sqlite3.Connection) -> None:
        """The gateway has said in the file that it writes nothing more, and no reply waits in its memory to be."""
        if not meta.get_meta(conn, meta.READ_ONLY):
            raise Refused("gatewayWrites", place=self.place)
        if conn.execute("SELECT 1 FROM runs WHERE state = 'running' AND ended_at IS NULL LIMIT 1").fetchone():
            raise Refused("replyRuns", place=self.place)

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        assert self._writer is not None
        with self._told(self._unfinished), db.transaction(self._writer):
            yield self._writer

    def columns(self, conn: Connection, table: str) -> frozenset[str]:
        return frozenset(row[1] for row in conn.execute(f"PRAGMA table_info({table})"))

    def prepare(self) -> None:
        if self.path.exists() and not self._is_empty():
            raise Refused("notEmpty", place=self.place)
        with self._told(self._unfinished):
            schema.create_file(self._unfinished)
            conn = db.connect(self._unfinished)
            self._writer = conn
            schema.migrate(conn, self._unfinished, keep_old=False)
            db.prepare_writer(conn, max_pages=None)

    def _is_empty(self) -> bool:
        with self._told(self.path), closing(db.connect_reader(self.path)) as conn:
            tables = {name for (name,) in conn.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            return not any(
                conn.execute(f"SELECT 1 FROM {table.name} LIMIT 1").fetchone()
                for table in TABLES
                if table.name in tables and table.name != "records"  # which a start may have written
            )

    def finish(self) -> None:
        conn = self._writer
        assert conn is not None
        with self._told(self._unfinished):
            with db.transaction(conn):
                conn.execute("DELETE FROM meta WHERE name = ?", (COPYING,))
            conn.execute("PRAGMA journal_mode=DELETE")  # everything is in the one file
            self.close()
            with self._unfinished.open("rb") as file:
                os.fsync(file.fileno())
            for ending in ("-wal", "-shm", "-journal"):
                with suppress(FileNotFoundError):
                    self.path.with_name(self.path.name + ending).unlink()  # of the empty one that gives way
            os.replace(self._unfinished, self.path)
            private_files.sync_directory(self.path.parent)

    def close(self) -> None:
        """Close the file; what was copied so far stays for the next try."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    @contextmanager
    def _told(self, path: Path) -> Iterator[None]:
        """Raise the wire errors for those of SQLite."""
        try:
            yield
        except sqlite3.Error as error:
            raise explain(error, path) from error
