"""Files that only their owner may read: atomic writes with mode 0600 in directories of mode 0700.

Used by the configuration, the discovery files and the secrets; knows nothing of what is in them.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import time
from collections.abc import Collection
from pathlib import Path

FILE_MODE = 0o600
DIRECTORY_MODE = 0o700
_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{16}")
LEFT_S = 3600.0
"""Age in seconds from which a temporary file is one that a crash left: none is written for so long."""


def make_directory(path: Path) -> None:
    """Create ``path`` and its missing parents with mode 0700; one of ours that is wider is narrowed.

    A link to a folder is followed only if it is ours and the folder private: the rights of another folder are not ours
    to change. Raises ``OSError`` (no permission, read-only or full disk, a file in the way, such a link).
    """
    for missing in reversed([folder for folder in (path, *path.parents) if not folder.exists()]):
        missing.mkdir(mode=DIRECTORY_MODE, exist_ok=True)  # parents=True would give the parents the umask's mode
        sync_directory(missing.parent)
    found, target = path.lstat(), path.stat()
    if stat.S_ISLNK(found.st_mode):
        _refuse_foreign(path, found)
        _refuse_foreign(path, target)
        if target.st_mode & 0o077:
            raise OSError(errno.ELOOP, "a symbolic link to a folder that others can use", str(path))
    elif target.st_mode & 0o077:
        path.chmod(DIRECTORY_MODE)


def refuse_links(path: Path) -> None:
    """Check that ``path`` is a file with one name, or absent, without opening it. Raises ``OSError``."""
    with contextlib.suppress(FileNotFoundError):
        found = path.lstat()
        if stat.S_ISLNK(found.st_mode) or (stat.S_ISREG(found.st_mode) and found.st_nlink > 1):
            raise _linked(path)


def _refuse_foreign(path: Path, found: os.stat_result) -> None:
    if found.st_uid not in (os.geteuid(), 0):
        raise PermissionError(errno.EPERM, "belongs to another user", str(path))


def _linked(path: str | Path) -> OSError:
    return OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))


def narrow(folder: Path, *, links: bool = True) -> None:
    """Take everybody else's rights from what is in ``folder`` (not below): it may have been there before us. What a
    crash left of a write is removed.

    Raises ``OSError``: another user has put something there while they could (a link to where our log would go, a
    secret that they know), or there is a link and ``links`` are not allowed.
    """
    ours = {os.geteuid(), 0, folder.stat().st_uid}
    with os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):  # gone since: another process writes, too
                _narrow(entry, ours, links)
                if _TEMPORARY.fullmatch(entry.name):
                    remove_left(Path(entry.path))


def remove_left(path: Path) -> None:
    """Remove a file that was being written when the process died: one of that name is older than ``LEFT_S``."""
    with contextlib.suppress(FileNotFoundError):
        found = path.lstat()
        if stat.S_ISREG(found.st_mode) and time.time() - found.st_mtime > LEFT_S:
            path.unlink()


def _narrow(entry: os.DirEntry[str], ours: Collection[int], links: bool) -> None:
    found = entry.stat(follow_symlinks=False)
    if found.st_uid not in ours:
        raise PermissionError(errno.EPERM, "belongs to another user", entry.path)
    if stat.S_ISLNK(found.st_mode):
        if not links:
            raise _linked(entry.path)
    elif found.st_mode & 0o077 and (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
        if stat.S_ISREG(found.st_mode) and found.st_nlink > 1:
            raise _linked(entry.path)  # its rights are those of a file elsewhere, too
        os.chmod(entry.path, found.st_mode & 0o700)


def open_file(path: Path, flags: int) -> int:
    """A descriptor of ``path`` itself, 0600 from now on if it was there before with wider rights.

    Raises ``OSError``: what stands there is a link, has another name elsewhere, or is no file. Through it a text that
    strangers have a part in (a log) would get into a file that another user chose.
    """
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, FILE_MODE)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
            raise _linked(path)
        if found.st_mode & 0o077:
            os.fchmod(descriptor, FILE_MODE)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def write(path: Path, data: bytes, *, follow: bool = False) -> None:
    """Replace ``path`` by ``data`` (0600): a reader sees the old content or the new, also after a power cut.

    A link is replaced, and what it leads to is not touched. ``follow``: a symbolic link of this user stays one and its
    target is replaced, for files that people keep elsewhere. The directory must exist. Raises ``OSError``.
    """
    if follow and path.is_symlink():
        _refuse_foreign(path, path.lstat())
        path = Path(os.path.realpath(path))
    temporary = _write_temporary(path, data)
    try:
        os.replace(temporary, path)
    except OSError:
        temporary.unlink()
        raise
    sync_directory(path.parent)


def create(path: Path, data: bytes) -> bool:
    """Create ``path`` with ``data`` (0600) unless it exists; ``False`` when another process was first.

    The file is never seen half written. Raises ``OSError``.
    """
    temporary = _write_temporary(path, data)
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    finally:
        temporary.unlink()
    sync_directory(path.parent)
    return True


def _write_temporary(path: Path, data: bytes) -> Path:
    name = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        os.unlink(name)
        raise
    return name


def sync_directory(path: Path) -> None:
    """Have the entries of a folder on the disk: new names in it, and those that are gone.

    Where that cannot be (a folder that we may write into and not read, some network file systems), nothing happens.
    """
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
