"""Salvage: what can still be read of a damaged database, written into a new one; and a backup put back.

A table is read by ranges of its row numbers; a range that SQLite cannot read is halved until the rows on the damaged
page are left, so that one page costs its own rows and no others. What hangs on a row that is gone (a conversation whose
heading was on that page) gets a new one. The damaged file itself is only read.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from .. import private_files
from ..protocol.errors import Unavailable
from . import backup_files, backups, db, schema, sessions, transcripts
from .failures import SchemaTooNew, StoreDamaged, explain
from .message_fields import decode
from .meta import get_meta

RANGE = 1024
"""Rows that are asked for at once."""
GIVE_UP = 2000
"""So many in a row that cannot be read: a page above them all is damaged, and no other one would be found."""
_BEYOND = 1 << 24
"""Row numbers that are tried where the table does not say how far it goes."""
_DERIVED = ("search", "media_refs", "meta", "sqlite_")
"""Beginnings of the names of tables that the others fill, or that belong to a file."""


class Salvaged(NamedTuple):
    """Outcome: rows by table, and how many are gone, as far as that can be told."""

    kept: dict[str, int]
    lost: dict[str, int]
    headings: int
    """Conversations that lost their heading and got a new one."""


def check(path: Path) -> str:
    """Look at the whole database of a gateway that does not run; what is wrong, or an empty text.

    Raises ``OSError``, ``Unavailable``: it cannot be looked at now."""
    if path.stat().st_size == 0:
        return "the file is empty"
    try:
        with closing(db.connect(path)) as conn:
            found = "; ".join(row[0] for row in conn.execute("PRAGMA quick_check(5)"))
            return "" if found == "ok" else found
    except sqlite3.DatabaseError as error:
        problem = explain(error, path)
        if isinstance(problem, StoreDamaged):
            return problem.detail
        raise problem from error


def back_up(database: Path) -> Path:
    """Copy the database of a gateway that does not run; the path of the copy.

    Raises ``StoreDamaged``, ``backups.NoRoom``, ``Unavailable``: it cannot be read now."""
    made = backup_files.path_for(database)
    try:
        if database.stat().st_size == 0:
            raise StoreDamaged(str(database), "the file is empty")
        with closing(db.connect(database)) as conn:
            problem = backups.write_checked(conn, made)
    except (sqlite3.Error, OSError) as error:
        raise explain(error, database) from error
    if problem:
        made.unlink(missing_ok=True)
        raise StoreDamaged(str(database), problem)
    return made


def salvage(damaged: Path, target: Path) -> Salvaged:
    """Write everything that can be read of ``damaged`` into the new database ``target``.

    A file of an older version is read as that version wrote it, and what was read is migrated. There is no ``target``
    where it raises ``StoreDamaged``: nothing of it can be read; ``SchemaTooNew``: it is of a newer version;
    ``Unavailable``: ``target`` cannot be written.
    """
    _remove(target)  # with the log of an attempt that was cut off
    try:
        with closing(db.connect(damaged)) as source:
            source.execute("PRAGMA writable_schema=ON")  # an index that does not fit its table must not stop us
            version = _version(source)
            if not 0 < version <= schema.SCHEMA_VERSION:
                raise SchemaTooNew(str(damaged), version, schema.SCHEMA_VERSION)
            db.create_file(target)
            with closing(db.connect(target)) as conn:
                schema.migrate(conn, target, schema.MIGRATIONS[:version])
                found = _copy(source, conn, target)
                schema.migrate(conn, target, keep_old=False)
                with db.transaction(conn):
                    found = found._replace(headings=_mend(conn))
        if not found.kept:
            raise StoreDamaged(str(damaged), "nothing of it can be read")
        return found
    except sqlite3.Error as error:
        _remove(target)
        raise explain(error, damaged) from error
    except BaseException:
        _remove(target)
        raise


def _version(source: sqlite3.Connection) -> int:
    """The schema of a damaged file; this version's where the page that says so is damaged too."""
    try:
        return int(get_meta(source, "schema_version"))
    except sqlite3.DatabaseError:
        return schema.SCHEMA_VERSION


def _remove(path: Path) -> None:
    for suffix in ("", *backups.LOG_FILES):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _copy(source: sqlite3.Connection, conn: sqlite3.Connection, target: Path) -> Salvaged:
    kept: dict[str, int] = {}
    lost: dict[str, int] = {}
    with db.transaction(conn):
        conn.execute("PRAGMA defer_foreign_keys=ON")
        for name, columns, has_rowid in _tables(conn):
            names = ", ".join(columns)
            insert = f"INSERT OR IGNORE INTO {name} ({names}) VALUES ({', '.join('?' * len(columns))})"
            unreadable = 0
            for row in _rows_by_number(source, name, names) if has_rowid else _rows_by_key(source, name, names):
                if row is None or (added := _insert(conn, insert, name, columns, row, target)) is None:
                    unreadable += 1
                elif added:
                    kept[name] = kept.get(name, 0) + added
            if unreadable:
                lost[name] = unreadable
    return Salvaged(kept, lost, 0)


def _insert(
    conn: sqlite3.Connection, insert: str, name: str, columns: Sequence[str], row: Sequence[Any], target: Path
) -> int | None:
    """The number of rows that it added; ``None``: its text makes no sense. Raises what ``target`` raises."""
    try:
        if name == "messages":
            decode(row[columns.index("body")])
        return max(0, conn.execute(insert, row).rowcount)
    except (msgspec.DecodeError, UnicodeError, TypeError):
        return None
    except sqlite3.Error as error:
        if isinstance(explain(error, target), Unavailable):
            raise
        return None


def _tables(conn: sqlite3.Connection) -> Sequence[tuple[str, Sequence[str], bool]]:
    """Name, columns and whether it has row numbers, of each table that holds something of its own."""
    found = []
    for name, sql in conn.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table' ORDER BY rowid").fetchall():
        if not name.startswith(_DERIVED):
            columns = [row[1] for row in conn.execute(f"PRAGMA table_info({name})")]
            has_rowid = "WITHOUT ROWID" not in sql.upper()
            found.append((name, ["rowid", *columns] if has_rowid and "position" not in columns else columns, has_rowid))
    return found


def _rows_by_number(source: sqlite3.Connection, name: str, columns: str) -> Iterator[Sequence[Any] | None]:
    """The rows of a table; ``None`` for each that cannot be read."""
    query = f"SELECT {columns} FROM {name} NOT INDEXED WHERE rowid BETWEEN ? AND ?"
    in_vain = 0
    for low in range(0, _last_number(source, name) + 1, RANGE):
        for row in _range(source, query, low, low + RANGE - 1):
            yield row
            in_vain = in_vain + 1 if row is None else 0
            if in_vain > GIVE_UP:
                return


def _last_number(source: sqlite3.Connection, name: str) -> int:
    for query in (f"SELECT max(rowid) FROM {name}", f"SELECT seq FROM sqlite_sequence WHERE name = '{name}'"):
        with suppress(sqlite3.DatabaseError):
            row = source.execute(query).fetchone()
            if row is not None:
                return row[0] or 0
    return _BEYOND


def _range(source: sqlite3.Connection, query: str, low: int, high: int) -> Iterator[Sequence[Any] | None]:
    try:
        rows = source.execute(query, (low, high)).fetchall()
    except (sqlite3.DatabaseError, UnicodeDecodeError):
        if low == high:
            yield None
            return
        middle = (low + high) // 2
        yield from _range(source, query, low, middle)
        yield from _range(source, query, middle + 1, high)
    else:
        yield from rows


def _rows_by_key(source: sqlite3.Connection, name: str, columns: str) -> Iterator[Sequence[Any] | None]:
    """The rows of a table without numbers: from its beginning to the damage, and from its end."""
    for order in ("", " DESC"):
        try:
            keys = [row[1] for row in source.execute(f"PRAGMA table_info({name})") if row[5]]
            by = ", ".join(f"{key}{order}" for key in keys)
            yield from source.execute(f"SELECT {columns} FROM {name} ORDER BY {by}")
            return
        except (sqlite3.DatabaseError, UnicodeDecodeError):
            yield None


_MEND = (
    # A message whose predecessor is gone stands under the nearest one before that is shown as it is.
    """UPDATE messages SET under_seq = ifnull((SELECT max(p.seq) FROM messages AS p
            WHERE p.session_id = messages.session_id AND p.seq < messages.seq AND p.place = 1), 0)
        WHERE under_seq > 0 AND NOT EXISTS (SELECT 1 FROM messages AS p
            WHERE p.session_id = messages.session_id AND p.seq = messages.under_seq)""",
    """UPDATE messages SET parent_seq = under_seq WHERE parent_seq > 0 AND NOT EXISTS (SELECT 1 FROM messages AS p
            WHERE p.session_id = messages.session_id AND p.seq = messages.parent_seq)""",
    """UPDATE transcripts SET last_seq = max(last_seq,
        ifnull((SELECT max(seq) FROM messages AS m WHERE m.session_id = transcripts.session_id), 0))""",
    *(
        f"DELETE FROM {name} WHERE session_id NOT IN (SELECT session_id FROM transcripts)"
        for name in ("clears", "removed", "trash")
    ),
    "UPDATE meta SET value = 'closed' WHERE name = 'state'",
)


def _mend(conn: sqlite3.Connection) -> int:
    """Give what hangs on nothing a place; the number of conversations that needed one."""
    orphans = conn.execute(
        """SELECT session_id, min(created_at), max(created_at) FROM messages
           WHERE session_id NOT IN (SELECT session_id FROM transcripts) GROUP BY session_id"""
    ).fetchall()
    named = dict(conn.execute("SELECT session_id, key FROM sessions"))
    for session_id, first, last in orphans:
        key = named.get(session_id) or f"agent:main:recovered-{session_id[:8]}"
        conn.execute(
            "INSERT INTO transcripts (session_id, session_key, created_at) VALUES (?, ?, ?)", (session_id, key, first)
        )
        _session(conn, key, session_id, first, last)
    conn.execute(  # empty ones whose heading is gone
        """INSERT OR IGNORE INTO transcripts (session_id, session_key, created_at)
           SELECT session_id, key, created_at FROM sessions"""
    )
    current = conn.execute(
        """SELECT session_id, session_key, created_at FROM transcripts WHERE archived_at IS NULL AND gone_until IS NULL
           AND session_id NOT IN (SELECT session_id FROM sessions) AND session_key NOT IN (SELECT key FROM sessions)"""
    ).fetchall()
    for session_id, key, created in current:
        _session(conn, key, session_id, created, created)
    for statement in _MEND:
        conn.execute(statement)
    sessions.all_are_others(conn)
    for (session_id,) in conn.execute("SELECT session_id FROM transcripts").fetchall():
        transcripts.recount(conn, session_id)
    return len(orphans) + len(current)


def _session(conn: sqlite3.Connection, key: str, session_id: str, created: int, updated: int) -> None:
    conn.execute(
        """INSERT OR IGNORE INTO sessions (key, session_id, epoch, created_at, updated_at, settings)
           VALUES (?, ?, 1, ?, ?, '{}')""",
        (key, session_id, created, updated),
    )


def repair(database: Path) -> tuple[Salvaged | None, Path | None]:
    """Set a damaged database aside and put what could be read of it in its place.

    Returns what was salvaged (``None``: nothing; then there is no database) and the path of the damaged one. Only for
    the holder of the gateway's lock. Raises ``OSError``, ``SchemaTooNew``, ``Unavailable``: nothing was moved then.
    """
    fresh = database.with_name(database.name + backups.REPAIRED)
    try:
        found = salvage(database, fresh)
    except StoreDamaged:
        found = None
    aside = backups.set_aside(database, "corrupt")
    if found is not None:
        backups.sync(fresh)
        os.replace(fresh, database)
        backups.sync(database.parent)
    return found, aside


def put_back(backup: Path, database: Path) -> Path | None:
    """Make a copy the database, while no gateway runs; where the present one was moved to.

    The copy, which may be of an older version, stays as it is. Raises ``OSError``, ``StoreDamaged``, ``SchemaTooNew``,
    ``Unavailable``: nothing was moved then.
    """
    private_files.make_directory(database.parent)
    fresh = database.with_name(database.name + backups.RESTORING)
    _remove(fresh)
    try:
        _copy_file(backup, fresh)
        with suppress(FileNotFoundError):  # of a database that was set aside, the log has the newest of it
            _copy_file(backup.with_name(backup.name + "-wal"), fresh.with_name(fresh.name + "-wal"))
        with closing(db.connect(fresh)) as conn:
            conn.execute("PRAGMA journal_mode=DELETE")  # one plain file, as it is moved to its place
            schema.migrate(conn, fresh, keep_old=False)
            if problem := "; ".join(row[0] for row in conn.execute("PRAGMA quick_check(5)") if row[0] != "ok"):
                raise StoreDamaged(str(backup), problem)
            with db.transaction(conn):
                sessions.all_are_others(conn)
        backups.sync(fresh)
    except sqlite3.Error as error:
        _remove(fresh)
        raise explain(error, backup) from error
    except BaseException:
        _remove(fresh)
        raise
    aside = backups.set_aside(database, "replaced")
    os.replace(fresh, database)
    backups.sync(database.parent)
    return aside


def _copy_file(source: Path, target: Path) -> None:
    with source.open("rb") as given, os.fdopen(_create(target), "wb") as made:
        shutil.copyfileobj(given, made, 1 << 20)


def _create(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
