"""The tables, as numbered migrations, and the rule for who may open which version.

A database carries two numbers in ``meta``. ``schema_version`` counts the migrations that were applied.
``compat_version`` is the oldest schema whose code may still use it: an added column leaves it alone, a changed meaning
raises it. A release that meets a newer schema opens it if ``compat_version`` allows, and refuses otherwise.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from .. import private_files
from . import backups, changes, db, media, search
from .api import SchemaTooNew, StoreDamaged
from .db import transaction
from .meta import get_meta, set_meta

Migration = Callable[[sqlite3.Connection], None]

COMPAT_VERSION = 6
"""A release that does not know the names in the search index would spoil it with the first message it removes."""


def m001_initial(conn: sqlite3.Connection) -> None:
    """Sessions point at their current transcript; messages and clears belong to a transcript; runs outlive both."""
    for statement in _M001:
        conn.execute(statement)


_COUNTERS = """
    message_count INTEGER NOT NULL DEFAULT 0,
    input_tokens INTEGER NOT NULL DEFAULT 0,
    output_tokens INTEGER NOT NULL DEFAULT 0,
    total_input INTEGER NOT NULL DEFAULT 0,
    total_output INTEGER NOT NULL DEFAULT 0,
    total_cost REAL NOT NULL DEFAULT 0,
    title TEXT NOT NULL DEFAULT '',
    preview TEXT NOT NULL DEFAULT ''
"""

_M001 = (
    # Counters live with the transcript, not the session: an archived one keeps its own, and a restore finds them.
    # floor_seq: messages up to it were cleared. Clearing moves this number and touches no message.
    f"""CREATE TABLE transcripts (
        session_id TEXT PRIMARY KEY,
        session_key TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        archived_at INTEGER,
        last_seq INTEGER NOT NULL DEFAULT 0,
        floor_seq INTEGER NOT NULL DEFAULT 0,
        {_COUNTERS}
    )""",
    "CREATE INDEX transcripts_of_key ON transcripts (session_key, created_at)",
    # label repeats what settings says, so that an index keeps it unique.
    """CREATE TABLE sessions (
        key TEXT PRIMARY KEY,
        session_id TEXT NOT NULL UNIQUE REFERENCES transcripts (session_id),
        epoch INTEGER NOT NULL,
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL,
        label TEXT,
        settings TEXT NOT NULL
    )""",
    "CREATE INDEX sessions_by_update ON sessions (updated_at)",
    "CREATE UNIQUE INDEX sessions_by_label ON sessions (label) WHERE label IS NOT NULL",
    """CREATE TABLE messages (
        session_id TEXT NOT NULL REFERENCES transcripts (session_id) ON DELETE CASCADE,
        seq INTEGER NOT NULL,
        id TEXT NOT NULL,
        parent_id TEXT,
        run_id TEXT,
        role TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        body TEXT NOT NULL,
        UNIQUE (session_id, seq)
    )""",
    # What a clear took: messages with from_seq < seq <= to_seq, and the counters they had added up to.
    f"""CREATE TABLE clears (
        batch INTEGER PRIMARY KEY AUTOINCREMENT,
        session_id TEXT NOT NULL REFERENCES transcripts (session_id) ON DELETE CASCADE,
        from_seq INTEGER NOT NULL,
        to_seq INTEGER NOT NULL,
        undo_until INTEGER NOT NULL,
        {_COUNTERS}
    )""",
    "CREATE INDEX clears_of_transcript ON clears (session_id, batch)",
    "CREATE INDEX clears_by_expiry ON clears (undo_until)",
    # position: the order of acceptance. No foreign key: a run is known by its key after its session was deleted.
    # reply_seq: where its reply stands in the transcript.
    """CREATE TABLE runs (
        position INTEGER PRIMARY KEY AUTOINCREMENT,
        run_id TEXT NOT NULL UNIQUE,
        session_key TEXT NOT NULL,
        session_id TEXT NOT NULL,
        state TEXT NOT NULL,
        request_hash TEXT NOT NULL,
        message TEXT NOT NULL,
        options TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        started_at INTEGER,
        ended_at INTEGER,
        text TEXT NOT NULL DEFAULT '',
        thinking TEXT NOT NULL DEFAULT '',
        result TEXT,
        reply_seq INTEGER
    )""",
    "CREATE INDEX runs_alive ON runs (state, session_key, position) WHERE ended_at IS NULL",
    "CREATE INDEX runs_ended ON runs (ended_at) WHERE ended_at IS NOT NULL",
)


def m002_records_and_usage(conn: sqlite3.Connection) -> None:
    """Documents of the gateway's own, and the cost of each reply apart from its message, which may be deleted."""
    for statement in _M002:
        conn.execute(statement)


_M002 = (
    """CREATE TABLE records (
        kind TEXT NOT NULL,
        id TEXT NOT NULL,
        body TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL,
        PRIMARY KEY (kind, id)
    ) WITHOUT ROWID""",
    # cost is NULL where the price of the model was not known, which is not the same as free.
    """CREATE TABLE usage (
        at INTEGER NOT NULL,
        session_key TEXT,
        provider TEXT NOT NULL,
        model TEXT NOT NULL,
        input INTEGER NOT NULL,
        output INTEGER NOT NULL,
        cache_read INTEGER NOT NULL,
        cache_write INTEGER NOT NULL,
        cost REAL
    )""",
    "CREATE INDEX usage_by_time ON usage (at)",
    "CREATE INDEX usage_of_session ON usage (session_key, at)",
    """INSERT INTO usage
        SELECT m.created_at, t.session_key,
            ifnull(json_extract(m.body, '$.provider'), ''), ifnull(json_extract(m.body, '$.model'), ''),
            ifnull(json_extract(m.body, '$.usage.input'), 0), ifnull(json_extract(m.body, '$.usage.output'), 0),
            ifnull(json_extract(m.body, '$.usage.cacheRead'), 0), ifnull(json_extract(m.body, '$.usage.cacheWrite'), 0),
            json_extract(m.body, '$.usage.cost.total')
        FROM messages AS m JOIN transcripts AS t ON t.session_id = m.session_id
        WHERE m.role = 'assistant' AND json_extract(m.body, '$.usage.totalTokens') > 0""",
)


def m003_search(conn: sqlite3.Connection) -> None:
    """The full-text index, over what is there already too (a second for some 5 MB of conversation)."""
    for statement in search.CREATE:
        conn.execute(statement)


def m004_media(conn: sqlite3.Connection) -> None:
    """Files that users gave, and which messages speak of them."""
    for statement in media.CREATE:
        conn.execute(statement)


def m005_tree(conn: sqlite3.Connection) -> None:
    """Transcripts become trees; what is there becomes one path. Sessions and messages can be deleted for a while."""
    for statement in _M005:
        conn.execute(statement)


_M005 = (
    # Parents by number, 0 for none. under_seq: the message it is shown under; parent_seq: what it was said to, which
    # differs while that is deleted and can come back.
    "ALTER TABLE messages ADD COLUMN parent_seq INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE messages ADD COLUMN under_seq INTEGER NOT NULL DEFAULT 0",
    # 1: on the path that is shown. 0: on another branch. -1: deleted.
    "ALTER TABLE messages ADD COLUMN place INTEGER NOT NULL DEFAULT 1",
    # Of what is in sight the message before; of what was cleared, the one before that was cleared with it.
    """UPDATE messages SET parent_seq = ifnull((SELECT max(p.seq) FROM messages AS p
        WHERE p.session_id = messages.session_id AND p.seq < messages.seq AND p.seq > ifnull(
            (SELECT c.from_seq FROM clears AS c WHERE c.session_id = messages.session_id
             AND messages.seq > c.from_seq AND messages.seq <= c.to_seq),
            (SELECT t.floor_seq FROM transcripts AS t WHERE t.session_id = messages.session_id))), 0)""",
    "UPDATE messages SET under_seq = parent_seq WHERE parent_seq > 0",
    "ALTER TABLE messages DROP COLUMN parent_id",
    "CREATE INDEX messages_by_id ON messages (id)",
    "CREATE INDEX messages_shown ON messages (session_id, seq) WHERE place = 1",
    "CREATE INDEX messages_below ON messages (session_id, under_seq, seq) WHERE place >= 0",
    # Deleted messages that can come back. place: as it was. last_seq: see tree.NEVER.
    """CREATE TABLE removed (
        session_id TEXT NOT NULL REFERENCES transcripts (session_id) ON DELETE CASCADE,
        seq INTEGER NOT NULL,
        undo_until INTEGER NOT NULL,
        last_seq INTEGER NOT NULL,
        place INTEGER NOT NULL,
        PRIMARY KEY (session_id, seq)
    ) WITHOUT ROWID""",
    "CREATE INDEX removed_by_expiry ON removed (undo_until)",
    # beside: the message to which the reply of a run that has not ended is an alternative.
    "ALTER TABLE runs ADD COLUMN beside TEXT",
    # gone_until: the transcript is out of sight, and is removed after that time. NULL while it is there.
    "ALTER TABLE transcripts ADD COLUMN gone_until INTEGER",
    "CREATE INDEX transcripts_gone ON transcripts (gone_until) WHERE gone_until IS NOT NULL",
    """CREATE TABLE deleted_sessions (
        key TEXT PRIMARY KEY,
        session_id TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL,
        settings TEXT NOT NULL,
        undo_until INTEGER NOT NULL
    ) WITHOUT ROWID""",
    # Cleared messages beyond recall, which the sweep removes.
    """CREATE TABLE trash (
        session_id TEXT NOT NULL REFERENCES transcripts (session_id) ON DELETE CASCADE,
        from_seq INTEGER NOT NULL,
        to_seq INTEGER NOT NULL,
        PRIMARY KEY (session_id, to_seq)
    ) WITHOUT ROWID""",
)


def m006_names(conn: sqlite3.Connection) -> None:
    """Messages are found by the names of their files, too."""
    for statement in search.REBUILD:
        conn.execute(statement)


def m007_changes(conn: sqlite3.Connection) -> None:
    """Changes that the assistant made in notebooks and files."""
    for statement in changes.CREATE:
        conn.execute(statement)


def m008_symbols(conn: sqlite3.Connection) -> None:
    """Messages are found by symbols, too."""
    for statement in search.REBUILD:
        conn.execute(statement)


def m009_trash(conn: sqlite3.Connection) -> None:
    """The key of ``trash`` becomes a beginning of its row: of another order in a table without row numbers, the check
    of SQLite up to 3.40 says "NULL value in trash.from_seq" of rows that are whole."""
    for statement in _M009:
        conn.execute(statement)


_M009 = (
    "ALTER TABLE trash RENAME TO old_trash",
    """CREATE TABLE trash (
        session_id TEXT NOT NULL REFERENCES transcripts (session_id) ON DELETE CASCADE,
        to_seq INTEGER NOT NULL,
        from_seq INTEGER NOT NULL,
        PRIMARY KEY (session_id, to_seq)
    ) WITHOUT ROWID""",
    "INSERT INTO trash (session_id, to_seq, from_seq) SELECT session_id, to_seq, from_seq FROM old_trash",
    "DROP TABLE old_trash",
)


def m010_clients(conn: sqlite3.Connection) -> None:
    """Usage says for which client it was, as far as runs still tell; and no more 0 where a price was not known."""
    for statement in _M010:
        conn.execute(statement)


_M010 = (
    "ALTER TABLE usage ADD COLUMN client TEXT",
    """UPDATE usage SET client = told.client FROM (
        SELECT t.session_key, m.created_at, max(json_extract(r.options, '$.client')) AS client
        FROM messages AS m JOIN runs AS r ON r.run_id = m.run_id JOIN transcripts AS t ON t.session_id = m.session_id
        WHERE m.role = 'assistant' GROUP BY 1, 2) AS told
       WHERE usage.session_key = told.session_key AND usage.at = told.created_at""",
    # Until now 0 stood for a price that was not known, too. What the owner priced at 0 cannot be told from it.
    "UPDATE usage SET cost = NULL WHERE cost = 0 AND provider <> 'demo'",
)


MIGRATIONS: Sequence[Migration] = (
    m001_initial,
    m002_records_and_usage,
    m003_search,
    m004_media,
    m005_tree,
    m006_names,
    m007_changes,
    m008_symbols,
    m009_trash,
    m010_clients,
)
SCHEMA_VERSION = len(MIGRATIONS)


def create_file(path: Path) -> bool:
    """Make the database if there is none, whole or not at all; whether it is new.

    So an empty file is never one that was just begun: it is what damage left of a database. Raises ``StoreDamaged``,
    ``OSError``.
    """
    if path.exists():
        if path.is_file() and path.stat().st_size == 0:
            raise StoreDamaged(str(path), "the file is empty")
        db.create_file(path)
        return False
    fresh = path.with_name(path.name + ".new")
    db.create_folder(path)
    backups.orphaned(path)
    if _finish_move(path):
        return False
    fresh.unlink(missing_ok=True)  # of a start that was cut off
    db.create_file(fresh)
    try:
        with closing(db.connect(fresh)) as conn:
            migrate(conn, path)
        backups.sync(fresh)
        os.replace(fresh, path)
        private_files.sync_directory(path.parent)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    return True


def _finish_move(path: Path) -> bool:
    """Put a database in its place that a crash kept from it when the one before had been moved aside."""
    for suffix in (backups.REPAIRED, backups.RESTORING):
        waiting = path.with_name(path.name + suffix)
        if waiting.is_file() and not waiting.is_symlink() and not backups.problem_of(waiting):
            os.replace(waiting, path)
            private_files.sync_directory(path.parent)
            return True
    return False


def migrate(
    conn: sqlite3.Connection,
    path: Path,
    migrations: Sequence[Migration] = MIGRATIONS,
    compat: int = COMPAT_VERSION,
    *,
    keep_old: bool = True,
) -> None:
    """Bring the database to the newest schema: each migration is one transaction, an existing file is copied first
    (``keep_old``).

    Raises:
        SchemaTooNew: written by a newer version, whose ``compat_version`` shuts this one out.
        StoreDamaged: an SQLite database of something else.
    """
    found, needs = _versions(conn, path)
    if found > len(migrations):
        if needs > len(migrations):
            raise SchemaTooNew(str(path), found, len(migrations))
        return
    if keep_old and 0 < found < len(migrations):
        backups.write(conn, path.with_name(f"{path.name}.v{found}.backup"))
    for number in range(found + 1, len(migrations) + 1):
        with transaction(conn):
            if number == 1:
                conn.execute("CREATE TABLE meta (name TEXT PRIMARY KEY, value NOT NULL)")
            migrations[number - 1](conn)
            set_meta(conn, "schema_version", number)
            set_meta(conn, "compat_version", min(number, compat))


def _versions(conn: sqlite3.Connection, path: Path) -> tuple[int, int]:
    """``(schema, compat)``; (0, 0) for an empty file."""
    tables = {name for (name,) in conn.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not tables:
        return 0, 0
    found = get_meta(conn, "schema_version") if "meta" in tables else None
    if not isinstance(found, int):
        raise StoreDamaged(str(path), "an SQLite database, but not one of this gateway")
    return found, int(get_meta(conn, "compat_version") or found)
