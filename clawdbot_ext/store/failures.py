"""SQLite's failures as the store's: what passes and is worth another try, what is full, what is damaged.

Decided by SQLite's extended result codes. Nothing here may fail itself, opens a file or imports a module: it runs when
there are no file descriptors left, or the disk has gone.
"""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import stat
from pathlib import Path

from ..protocol import errors

SHM_BYTES = 64 * 1024
"""With less room than this on the disk, an index of the write-ahead log (32 KiB to begin with) may not fit."""

PASSING = frozenset({"STORAGE_ERROR", "STORAGE_BUSY", "STORAGE_AWAY"})
"""Reasons of failures that often pass by themselves: worth another try."""

# Primary result codes; Python has names for them from 3.11 on only (sqlite.org/rescode.html).
_BUSY, _LOCKED, _NOMEM, _READONLY, _INTERRUPT, _IOERR, _CORRUPT = 5, 6, 7, 8, 9, 10, 11
_FULL, _CANTOPEN, _PROTOCOL, _NOTADB = 13, 14, 15, 26
_READONLY_DBMOVED = _READONLY | (4 << 8)
_IOERR_CORRUPTFS = _IOERR | (33 << 8)

_BY_TEXT = (
    ("is full", _FULL),
    ("malformed", _CORRUPT),
    ("not a database", _NOTADB),
    ("unsupported file format", _NOTADB),
    ("readonly database", _READONLY),
    ("unable to open", _CANTOPEN),
    ("locked", _BUSY),
    ("I/O error", _IOERR),
    ("out of memory", _NOMEM),
    ("interrupted", _INTERRUPT),
)
"""SQLite's own texts, where the code says nothing: on Python 3.10, and for a schema that it cannot read."""

_PASSING_ERRNOS = frozenset(
    {
        errno.EIO,
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOMEM,
        errno.EAGAIN,
        errno.EINTR,
        errno.ESTALE,
        errno.ETIMEDOUT,
        errno.EBUSY,
    }
)


class SchemaTooNew(Exception):
    """The database was written by a newer version that this one must not touch. ``path``, ``found``, ``supported``."""

    def __init__(self, path: str, found: int, supported: int):
        super().__init__(f"{path} has schema {found}; this version understands {supported}")
        self.path, self.found, self.supported = path, found, supported


class StoreDamaged(Exception):
    """The database file cannot be read. It is never replaced; ``path`` names it, ``detail`` is SQLite's word."""

    def __init__(self, path: str, detail: str):
        super().__init__(f"{path}: {detail}")
        self.path, self.detail = path, detail


def explain(error: Exception, path: Path) -> Exception:
    """Translate SQLite's errors into the store's; other errors, and bugs, stay as they are."""
    text = str(error)
    if isinstance(error, (UnicodeEncodeError, OverflowError)) or text.startswith("Error binding parameter"):
        return errors.InvalidRequest(f"cannot be stored: {text}")
    if isinstance(error, sqlite3.DataError):
        return errors.TooLarge(f"cannot be stored: {text}")
    if isinstance(error, OSError):
        return _of_system(error, path)
    if not isinstance(error, sqlite3.DatabaseError):
        return error
    return _of_sqlite(error, text, path)


def passes(error: Exception) -> bool:
    """Whether what failed may well succeed when it is tried again."""
    return isinstance(error, errors.Unavailable) and error.reason in PASSING


def result_code(error: sqlite3.Error) -> int:
    """SQLite's extended result code; 0 where there is none."""
    code = int(getattr(error, "sqlite_errorcode", 0) or 0)
    if code & 0xFF > 1:
        return code
    text = str(error)
    return next((found for words, found in _BY_TEXT if words in text), code)


def _of_system(error: OSError, path: Path) -> Exception:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return errors.StorageFull("the disk is full")
    if error.errno in _PASSING_ERRNOS:
        return _passing(error.strerror or str(error))
    return StoreDamaged(str(path), error.strerror or str(error))


def _of_sqlite(error: sqlite3.DatabaseError, text: str, path: Path) -> Exception:
    code = result_code(error)
    primary = code & 0xFF
    if primary == _FULL:
        return errors.StorageFull("the disk is full")
    if code == _READONLY_DBMOVED:
        return moved()
    if primary in (_CORRUPT, _NOTADB, _READONLY) or code == _IOERR_CORRUPTFS:
        return StoreDamaged(str(path), text)
    if primary == _CANTOPEN:  # of a file that is there and ours, for want of descriptors, say
        return _passing(text) if _is_ours(path) else StoreDamaged(str(path), text)
    if primary in (_BUSY, _LOCKED, _PROTOCOL):
        return errors.Unavailable("the database is locked by another program", reason="STORAGE_BUSY")
    if primary == _IOERR:  # SQLite's word also when there is no room for the index of the log (-shm)
        return errors.StorageFull("the disk is full") if _no_room(path) else _passing(text)
    if primary == _NOMEM:
        return _passing(text)
    return error


def _passing(detail: str) -> errors.Unavailable:
    return errors.Unavailable("the disk does not take writes", reason="STORAGE_ERROR", detail=detail)


def moved() -> errors.Unavailable:
    """The error of every write once the database is no longer the file at its path."""
    return errors.Unavailable("the database file was moved or removed", reason="STORAGE_MOVED")


def read_only() -> errors.Unavailable:
    """The error of every write while the owner wants none."""
    text = "the conversations can only be read for now (storage.readOnly)"
    return errors.Unavailable(text, reason="STORAGE_READ_ONLY")


def taken_over() -> errors.Unavailable:
    """The failure of a gateway whose lock file was removed, so that another one may run."""
    return errors.Unavailable("another gateway may have taken over the state directory", reason="STORAGE_MOVED")


def _is_ours(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.stat().st_mode) and os.access(path, os.R_OK | os.W_OK)
    except OSError as error:
        return error.errno in _PASSING_ERRNOS


def _no_room(path: Path) -> bool:
    try:
        return shutil.disk_usage(path.parent).free < SHM_BYTES
    except OSError:
        return False
