"""Copies of the database: written while it is in use, checked, kept for a while, and put back.

A copy is one plain SQLite file of mode 0600, with a name that says when it was made. Functions block for the disk and
raise ``OSError`` or ``sqlite3.Error``, as long as nothing else is said; ``failures.explain`` translates both.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path

from .. import private_files
from . import failpoints
from .backup_files import stamp
from .file_watch import MARK

SQLITE_LOGS = ("-wal", "-shm", "-journal")
LOG_FILES = (*SQLITE_LOGS, MARK)
PARTIAL = ".partial"
"""Suffix of a copy that is being written; what a crash leaves of one is removed with the next."""
REPAIRED, RESTORING = ".repaired", ".restoring"
"""Suffixes of a database that is about to take the place of the one before."""
_SPARE_BYTES = 50_000_000
"""Room that a copy must leave on the disk: it must never be what fills it."""


class NoRoom(Exception):
    """The disk has no room for another copy: ``needed`` and ``free``, in bytes."""

    def __init__(self, path: Path, needed: int, free: int):
        super().__init__(f"{path}: {needed} bytes needed, {free} free")
        self.needed, self.free = needed, free


class CopyFailed(Exception):
    """The copy cannot be written, though the database can be read: ``path`` and the system's word."""

    def __init__(self, path: Path, detail: str):
        super().__init__(f"{path}: {detail}")
        self.path, self.detail = path, detail


def write(conn: sqlite3.Connection, target: Path) -> None:
    """Copy the database of ``conn`` to ``target``: whole, or not at all. Other connections go on meanwhile."""
    for left in target.parent.glob(f"*{PARTIAL}*"):
        private_files.remove_left(left)
    partial = target.with_name(target.name + PARTIAL)
    partial.unlink(missing_ok=True)  # of a copy that was cut off, or a link that was put there
    os.close(os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        with closing(sqlite3.connect(partial)) as copy:
            conn.backup(copy)
            # The copy says WAL in its header; without a log beside it, it is one plain file that can be moved about.
            copy.execute("PRAGMA journal_mode=DELETE")
        sync(partial)
        failpoints.hit("backup.written")
        os.replace(partial, target)
        failpoints.hit("backup.placed")
    finally:
        for left in (partial, *(partial.with_name(partial.name + suffix) for suffix in LOG_FILES)):
            with suppress(OSError):
                left.unlink(missing_ok=True)
    sync(target.parent)


def write_checked(conn: sqlite3.Connection, target: Path) -> str:
    """``write``, into a folder that is made, with a look at the room first. Returns what is wrong with the copy.

    Raises ``NoRoom``, ``CopyFailed``.
    """
    try:
        return _write_checked(conn, target)
    except OSError as error:
        raise CopyFailed(target.parent, error.strerror or str(error)) from error


def _write_checked(conn: sqlite3.Connection, target: Path) -> str:
    private_files.make_directory(target.parent)
    pages, size = (conn.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
    free = shutil.disk_usage(target.parent).free
    if free < pages * size + _SPARE_BYTES:
        raise NoRoom(target.parent, pages * size + _SPARE_BYTES, free)
    write(conn, target)
    return problem_of(target)


def problem_of(path: Path) -> str:
    """Look at a whole file; what is wrong with it, in SQLite's words, or an empty text. Changes nothing."""
    if path.stat().st_size == 0:
        return "the file is empty"
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as conn:
            found = [row[0] for row in conn.execute("PRAGMA quick_check(5)")]
            if found != ["ok"]:
                return "; ".join(found)
            conn.execute("SELECT value FROM meta WHERE name = 'schema_version'").fetchone()
    except sqlite3.DatabaseError as error:
        return str(error)
    return ""


def set_aside(database: Path, why: str) -> Path | None:
    """Move a database and its log out of the way, to a name with ``why`` and the time; its new path.

    Nothing of it is changed: it can be looked at, or put back, later. ``None`` if there is none.
    """
    at = time.time()
    while (aside := database.with_name(f"{database.name}.{why}-{stamp(at)}")).exists():
        at += 1
    moved: Path | None = aside
    try:
        os.replace(database, aside)
    except FileNotFoundError:
        moved = None
    # Second: a crash in between leaves a log without a database (``orphaned``), and no database without its log.
    _move_logs(database, aside, LOG_FILES)
    return moved


def orphaned(database: Path) -> None:
    """Move the log of a database that is gone out of the way: SQLite would read it into another one at that path."""
    _move_logs(database, database.with_name(f"{database.name}.orphaned-{stamp()}"), SQLITE_LOGS)


def _move_logs(database: Path, aside: Path, logs: Sequence[str]) -> None:
    for log in logs:
        with suppress(FileNotFoundError):
            os.replace(database.with_name(database.name + log), aside.with_name(aside.name + log))


def sync(path: Path) -> None:
    """Have a file, or the entries of a folder, on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
