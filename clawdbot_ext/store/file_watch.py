"""Watch over the database file: whether it is still the one that is open, and whether something of it is missing.

Both are things that SQLite cannot tell. A file that was moved or removed can be written to until the program ends, and
is gone then. A write-ahead log that was cut opens without a word, with fewer messages than were acknowledged: a small
file beside the database (the mark) says how far it had come.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from .. import private_files

MARK = "-mark"
"""Suffix of the mark; it is removed when the database is closed cleanly."""


class FileWatch:
    """Identities of the open database and of its log, by device and inode."""

    def __init__(self, path: Path, *, wal: bool):
        self._path = path
        self._files = [path, *([path.with_name(path.name + "-wal")] if wal else [])]
        self._known: dict[Path, tuple[int, int]] = {}
        self._marked: Mapping[str, int] = {}

    def begin(self) -> None:
        """Take the files that are there now for the ones that are open."""
        self._known = {}
        self.moved()

    def moved(self) -> bool:
        """Whether one of the files at our paths is another one now, or none; a disk that fails does not count."""
        for path in self._files:
            try:
                found = path.stat()
            except (FileNotFoundError, NotADirectoryError):
                if path in self._known:
                    return True
                continue
            except OSError:
                continue
            identity = (found.st_dev, found.st_ino)
            if self._known.setdefault(path, identity) != identity:
                return True
        return False

    def mark(self, counts: Mapping[str, int]) -> None:
        """Write down how far the database has come. Raises ``OSError``."""
        if counts != self._marked:
            private_files.write(mark_path(self._path), json.dumps(dict(counts)).encode())
            self._marked = dict(counts)

    def unmark(self) -> None:
        """Remove the mark: the database was closed cleanly."""
        with suppress(OSError):
            mark_path(self._path).unlink(missing_ok=True)


def mark_path(database: Path) -> Path:
    return database.with_name(database.name + MARK)


def counts(conn: sqlite3.Connection) -> dict[str, int]:
    """Progress of a database: the sends that were accepted in all, and the newest message."""
    sends = conn.execute("SELECT seq FROM sqlite_sequence WHERE name = 'runs'").fetchone()
    (newest,) = conn.execute("SELECT max(rowid) FROM messages").fetchone()
    return {"sends": sends[0] if sends else 0, "messages": newest or 0}


def missing(conn: sqlite3.Connection, database: Path) -> dict[str, int]:
    """Shortfall against the mark, by name; empty where nothing is missing, or there is no mark."""
    try:
        marked = json.loads(mark_path(database).read_bytes())
        return {name: marked[name] - there for name, there in counts(conn).items() if marked[name] > there}
    except (OSError, ValueError, KeyError, TypeError, sqlite3.DatabaseError):  # of a damaged page the check will tell
        return {}
