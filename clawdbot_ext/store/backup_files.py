"""The folder of copies of a database: their names, which say when they were made, and which of them are kept."""

from __future__ import annotations

import calendar
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

FOLDER = "backups"
"""Of the database's own folder."""
STAMP = "%Y%m%d-%H%M%S"


class Backup(NamedTuple):
    """One copy in the folder."""

    path: Path
    at: str
    """Time at which it was made, in UTC: ``20261130-070000``."""
    size: int

    @property
    def at_ms(self) -> int:
        """``at`` in milliseconds since the epoch."""
        return calendar.timegm(time.strptime(self.at, STAMP)) * 1000


def stamp(seconds: float | None = None) -> str:
    """A time as names of files have it, in UTC."""
    return time.strftime(STAMP, time.gmtime(seconds))


def path_for(database: Path, folder: Path | None = None) -> Path:
    """Path of a copy made now; one that is there is never overwritten."""
    folder = folder or database.parent / FOLDER
    at = time.time()
    while (path := folder / f"{database.stem}-{stamp(at)}.sqlite3").exists():
        at += 1
    return path


def kept(folder: Path) -> Sequence[Backup]:
    """The copies in a folder, newest first."""
    found = []
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if (at := _made_at(entry.name)) and entry.is_file(follow_symlinks=False):
                found.append(Backup(Path(entry.path), at, entry.stat().st_size))
    return sorted(found, key=lambda each: each.at, reverse=True)


def _made_at(name: str) -> str:
    """The time in the name of a copy; empty for any other file."""
    at = name.removesuffix(".sqlite3")[-16:]
    is_one = name.endswith(".sqlite3") and at[:1] == "-" and at[9:10] == "-" and at.replace("-", "").isdigit()
    return at[1:] if is_one and len(at) == 16 else ""


def prune(folder: Path, keep: int) -> None:
    """Remove all copies but the newest ``keep``."""
    for old in kept(folder)[max(1, keep) :]:
        old.path.unlink(missing_ok=True)
