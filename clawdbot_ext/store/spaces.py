"""The spaces of users beside the gateways that serve them, or without any: looked at, packed up and removed.

A space is a folder and, with a database of the operator's, a schema. What is written down about all of them are records
of the operator's own store. All functions block.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import sqlite3
import tarfile
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from .. import private_files
from . import backups, copying, db, records, usage
from .api import StoreDamaged
from .connection import Connection
from .copy_ends import SqliteEnd
from .failures import explain
from .tables import Spent

DATABASE = "gateway.sqlite3"
ABOUT = "user.json"
"""The file of an archive that says whose space it was."""
REMOVED = "removed"
"""The folder, beside those of the spaces, with the archives of the ones that were removed."""


class Spaces(NamedTuple):
    """The places of spaces: ``database``, the operator's file, or ``url``, the database; and ``folder`` with theirs."""

    database: Path
    url: str
    folder: Path

    def home(self, slug: str) -> Path:
        """The folder of one space."""
        return self.folder / slug


@contextmanager
def _reading(spaces: Spaces, slug: str | None = None) -> Iterator[Connection | None]:
    """A connection for a look at the operator's tables, or at those of a space; ``None``: there are none yet."""
    if spaces.url:
        from .postgres.spaces import looking_at

        with looking_at(spaces.url, slug) as remote:
            yield remote
        return
    path = spaces.database if slug is None else spaces.home(slug) / DATABASE
    if not path.exists():
        yield None
        return
    with _told(path), closing(db.connect_reader(path)) as conn:
        yield conn


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Raise the store's errors for those of SQLite."""
    try:
        yield
    except sqlite3.Error as error:
        raise explain(error, path) from error


def noted(spaces: Spaces, kind: str) -> Sequence[Mapping[str, Any]]:
    """The operator's records of a kind, oldest first. Raises ``StoreDamaged``, ``Unavailable``."""
    with _reading(spaces) as conn:
        return [] if conn is None else records.list_of(conn, kind)


def spent(spaces: Spaces, slug: str, times: Sequence[int]) -> Sequence[Spent]:
    """Usage of a space since each of the ``times``, the earliest first. Raises ``StoreDamaged``, ``Unavailable``."""
    with _reading(spaces, slug) as conn:
        return [Spent(0, 0.0)] * len(times) if conn is None else usage.sums_since(conn, times)


def size(spaces: Spaces, slug: str) -> int:
    """Bytes that a space takes: its files, and its tables in the database."""
    files = sum(path.lstat().st_size for path in spaces.home(slug).rglob("*") if path.is_file())
    if not spaces.url:
        return files
    from .postgres.spaces import stored_bytes

    return files + stored_bytes(spaces.url, slug)


def pack(spaces: Spaces, slug: str, about: Mapping[str, Any]) -> Path:
    """Pack a space that no gateway has open into an archive; its path. ``about`` says whose it is.

    In it are the folder of the space and all of its conversations as one file, from which a gateway can go on.

    Raises ``StoreDamaged``, ``Unavailable``, ``copying.Refused``, ``backups.NoRoom``, ``backups.CopyFailed``,
    ``OSError``.
    """
    home, kept = spaces.home(slug), spaces.folder / REMOVED
    private_files.make_directory(spaces.folder)
    private_files.make_directory(kept)
    stem = f"{slug}-{time.strftime('%Y%m%d-%H%M%S')}"
    copy, archive = kept / f"{stem}.sqlite3", kept / f"{stem}.tar.gz"
    whole = False
    try:
        _copy(spaces, slug, copy)
        descriptor = os.open(archive, os.O_WRONLY | os.O_CREAT | os.O_EXCL, private_files.FILE_MODE)
        with os.fdopen(descriptor, "wb") as file:
            with tarfile.open(fileobj=file, mode="w:gz") as tar:
                _add(tar, home, slug, copy)
                _add_text(tar, f"{slug}/{ABOUT}", json.dumps(about, ensure_ascii=False, indent=2))
            file.flush()
            os.fsync(file.fileno())
        with tarfile.open(archive, "r:gz") as tar:  # a name alone is no copy
            if f"{slug}/{ABOUT}" not in tar.getnames():
                raise backups.CopyFailed(archive, "the archive is not whole")
        private_files.sync_directory(kept)
        whole = True
    finally:
        for left in (copy,) if whole else (copy, archive):
            left.unlink(missing_ok=True)
    return archive


def _copy(spaces: Spaces, slug: str, target: Path) -> None:
    """Write the conversations of a space into one file, if there are any."""
    if spaces.url:
        from .postgres.spaces import end_of, stored_spaces

        if slug in stored_spaces(spaces.url):
            remote, local = end_of(spaces.url, slug), SqliteEnd(target)
            try:
                copying.copy(remote, local, _quiet, comparing=_quiet)
            finally:
                remote.close()
                local.close()
        return
    database = spaces.home(slug) / DATABASE
    if database.exists():
        with _told(database), closing(db.connect(database)) as conn:
            problem = backups.write_checked(conn, target)
        if problem:
            raise StoreDamaged(str(database), problem)


def _quiet(name: str, done: int, total: int) -> None:
    pass


def _add(tar: tarfile.TarFile, home: Path, slug: str, copy: Path) -> None:
    live = {f"{DATABASE}{ending}" for ending in ("", *backups.LOG_FILES)}
    for path in sorted(home.rglob("*")) if home.exists() else ():
        if path.is_file() and not path.is_symlink() and not (path.parent == home and path.name in live):
            tar.add(path, f"{slug}/{path.relative_to(home)}", recursive=False)
    if copy.exists():
        tar.add(copy, f"{slug}/{DATABASE}")


def _add_text(tar: tarfile.TarFile, name: str, text: str) -> None:
    data = text.encode()
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = len(data), private_files.FILE_MODE, int(time.time())
    tar.addfile(info, io.BytesIO(data))


def remove(spaces: Spaces, slug: str) -> None:
    """Remove the tables and the folder of a space that no gateway has open.

    Raises ``postgres.keeper.InUse``, ``StoreDamaged``, ``Unavailable``, ``OSError``."""
    if spaces.url:
        from .postgres.spaces import drop_space

        drop_space(spaces.url, slug)
    home = spaces.home(slug)
    if home.exists():
        shutil.rmtree(home)


def forget(spaces: Spaces, slug: str, kinds: Collection[str]) -> None:
    """Remove the operator's records of those kinds about a space, as the last thing. Raises as ``noted``."""
    if spaces.url:
        from .postgres.spaces import changing

        with changing(spaces.url) as remote:
            _forget(remote, slug, kinds)
    elif spaces.database.exists():
        with _told(spaces.database), closing(db.connect(spaces.database)) as conn, db.transaction(conn):
            _forget(conn, slug, kinds)


def _forget(conn: Connection, slug: str, kinds: Collection[str]) -> None:
    for kind in kinds:
        for id_, _ in records.times(conn, kind):
            if id_ == slug or id_.startswith(f"{slug} "):
                records.delete(conn, kind, id_)
