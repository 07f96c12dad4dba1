"""Opening one SQLite connection as the store needs it.

Above: ``workers`` (threads that own connections), ``sqlite`` (the store). Below: ``search`` (a function
that the triggers call), the ``sqlite3`` module.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from .. import private_files
from .search import words_of

BUSY_TIMEOUT_S = 5.0
"""Time that a connection waits for a lock. Only a foreign process can hold one: our writes come from one thread."""

WAL_KEPT_BYTES = 16 * 1024 * 1024
"""The write-ahead log is cut back to this size when a checkpoint empties it."""


def create_file(path: Path) -> None:
    """Make the database file (mode 0600) and its folder (0700) if they are missing.

    An existing file is not opened here: closing any descriptor of it would drop the POSIX locks that SQLite holds on
    it in this process (sqlite.org/howtocorrupt, section 2.2). Its mode is tightened, as far as we may.
    """
    create_folder(path)
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        _refuse_links(path)
        with contextlib.suppress(PermissionError):
            if path.is_file() and path.stat().st_mode & 0o077:
                path.chmod(0o600)


def create_folder(path: Path) -> None:
    """Make the folder of a database file, 0700, if it is missing."""
    if not path.parent.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        private_files.sync_directory(path.parent.parent)


def _refuse_links(path: Path) -> None:
    """Check the database and the files beside it: SQLite would write into what a link leads to, and a database with
    two names is damaged by having two logs. Raises ``OSError``."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        private_files.refuse_links(path.with_name(path.name + suffix))


def connect(path: Path) -> sqlite3.Connection:
    """A connection in autocommit mode, to be used by the calling thread only. The file must exist.

    Raises ``OSError`` where it, or a file beside it, is a link.
    """
    _refuse_links(path)
    conn = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=BUSY_TIMEOUT_S,
        isolation_level=None,
        cached_statements=256,
    )
    return _with_functions(conn)


def connect_memory() -> sqlite3.Connection:
    """A database of its own without a file; what it sorts goes into none, either."""
    conn = sqlite3.connect(":memory:", isolation_level=None, cached_statements=256)
    conn.execute("PRAGMA foreign_keys=ON")
    return _with_functions(conn)


def _with_functions(conn: sqlite3.Connection) -> sqlite3.Connection:
    # In memory: the journal of a statement needs neither a file descriptor nor a place that can be written, and a
    # temporary session leaves nothing in any file.
    conn.execute("PRAGMA temp_store=MEMORY")
    conn.create_function("fold", 1, fold, deterministic=True)
    conn.create_function("search_words", 1, words_of, deterministic=True)
    return conn


def prepare_writer(conn: sqlite3.Connection, *, max_pages: int | None, wal: bool = True) -> None:
    """Settings of the writing connection; set after the schema was found to be ours, because WAL writes the header."""
    # A write-ahead log needs memory that all who have the file open share: not on a network file system.
    conn.execute(f"PRAGMA journal_mode={'WAL' if wal else 'DELETE'}")
    conn.execute("PRAGMA synchronous=FULL")
    conn.execute("PRAGMA foreign_keys=ON")
    conn.execute(f"PRAGMA journal_size_limit={WAL_KEPT_BYTES}")
    if max_pages is not None:
        conn.execute(f"PRAGMA max_page_count={max_pages}")


def connect_reader(path: Path) -> sqlite3.Connection:
    """A connection that cannot write.

    It has opened the log and its index already: later there may be no descriptor left, or no file at that path.
    """
    conn = connect(path)
    conn.execute("PRAGMA query_only=ON")
    conn.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return conn


@contextlib.contextmanager
def transaction(conn: sqlite3.Connection) -> Iterator[None]:
    """``BEGIN IMMEDIATE`` … ``COMMIT``, or nothing at all.

    Never a deferred transaction that writes later: its upgrade fails at once with SQLITE_BUSY_SNAPSHOT, whatever the
    busy timeout.
    """
    conn.execute("BEGIN IMMEDIATE")
    try:
        yield
        conn.execute("COMMIT")
    finally:
        abandon(conn)


def abandon(conn: sqlite3.Connection) -> None:
    """Roll back what is open. SQLite may have done so itself (disk full, I/O error)."""
    if conn.in_transaction:
        conn.execute("ROLLBACK")


def fold(text: str | None) -> str:
    """The form in which texts are compared in a search: case and the two spellings of Hangul and accents ignored."""
    return unicodedata.normalize("NFC", text or "").casefold()
