"""Media: which files users have given, under which name, and which messages speak of them. All SQL of that noun.

The bytes lie in ``files`` by their SHA-256; one file may have several rows here (other names, other users). Triggers
write down which message names which row, whatever adds or removes the message. Plain functions of a connection, to be
called inside a transaction. Above: ``schema``, ``sqlite``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from .api import Media
from .connection import Connection
from .message_fields import decode, encode

_FIELDS = ("id", "sha256", "owner", "name", "mime_type", "kind", "size", "facts", "created_at", "seen", "removed_at")
_SELECT = f"SELECT {', '.join(_FIELDS)} FROM media"

_ADD = """INSERT OR IGNORE INTO media_refs SELECT CASE type WHEN 'object' THEN json_extract(value, '$.mediaId') END,
    new.rowid FROM json_each(new.body, '$.content') WHERE CASE type WHEN 'object' THEN
    typeof(json_extract(value, '$.mediaId')) = 'text' END;"""
_REMOVE = "DELETE FROM media_refs WHERE message = old.rowid;"

CREATE = (
    # facts: width, pages, notes … as the wire has them. seen: what the model was last given of it, by cache key.
    # removed_at: the file is gone by the age policy; the row stays, so that a message can say so.
    """CREATE TABLE media (
        id TEXT PRIMARY KEY,
        sha256 TEXT NOT NULL,
        owner TEXT NOT NULL,
        name TEXT NOT NULL,
        mime_type TEXT NOT NULL,
        kind TEXT NOT NULL,
        size INTEGER NOT NULL,
        facts TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        seen TEXT,
        removed_at INTEGER
    )""",
    "CREATE INDEX media_by_content ON media (sha256, owner)",
    "CREATE INDEX media_by_time ON media (created_at) WHERE removed_at IS NULL",
    # message: the rowid of ``messages``.
    """CREATE TABLE media_refs (
        media_id TEXT NOT NULL,
        message INTEGER NOT NULL,
        PRIMARY KEY (media_id, message)
    ) WITHOUT ROWID""",
    "CREATE INDEX media_refs_of_message ON media_refs (message)",
    f"""CREATE TRIGGER media_named AFTER INSERT ON messages WHEN instr(new.body, '"mediaId"') BEGIN {_ADD} END""",
    f"CREATE TRIGGER media_unnamed AFTER DELETE ON messages BEGIN {_REMOVE} END",
    f"CREATE TRIGGER media_renamed AFTER UPDATE OF body ON messages BEGIN {_REMOVE} {_ADD} END",
)

_WANTED = """(EXISTS (SELECT 1 FROM media_refs AS r WHERE r.media_id = media.id)
    OR EXISTS (SELECT 1 FROM runs AS w WHERE w.ended_at IS NULL AND instr(w.message, media.id) > 0))"""
"""A message speaks of it, or a send that waits will."""


def _from_row(row: Sequence[Any]) -> Media:
    fields = dict(zip(_FIELDS, row, strict=True))
    fields["facts"] = decode(fields["facts"])
    return Media(**fields)


def add(conn: Connection, media: Media) -> Media:
    """Write a row, or find the one that the same user has for the same bytes under the same name: it is given anew."""
    known = conn.execute(
        f"{_SELECT} WHERE sha256 = ? AND owner = ? AND name = ? AND removed_at IS NULL",
        (media.sha256, media.owner, media.name),
    ).fetchone()
    if known:
        row = replace(_from_row(known), created_at=media.created_at)
        conn.execute("UPDATE media SET created_at = ? WHERE id = ?", (row.created_at, row.id))
        return row
    values = [getattr(media, name) for name in _FIELDS]
    values[_FIELDS.index("facts")] = encode(media.facts)
    conn.execute(f"INSERT INTO media ({', '.join(_FIELDS)}) VALUES ({', '.join('?' * len(_FIELDS))})", values)
    return media


def get(conn: Connection, id_: str) -> Media | None:
    row = conn.execute(f"{_SELECT} WHERE id = ?", (id_,)).fetchone()
    return _from_row(row) if row else None


def find(conn: Connection, sha256: str, owner: str) -> Media | None:
    """The newest that the user gave with these bytes and that is still here."""
    row = conn.execute(
        f"{_SELECT} WHERE sha256 = ? AND owner = ? AND removed_at IS NULL ORDER BY created_at DESC LIMIT 1",
        (sha256, owner),
    ).fetchone()
    return _from_row(row) if row else None


def wanted(conn: Connection, id_: str) -> bool:
    """Report whether a message, or a send that waits, refers to it. The row itself may be in another database."""
    found = conn.execute(
        """SELECT 1 FROM media_refs WHERE media_id = ?1 UNION ALL
           SELECT 1 FROM runs WHERE ended_at IS NULL AND instr(message, ?1) > 0 LIMIT 1""",
        (id_,),
    ).fetchone()
    return found is not None


def mark_seen(conn: Connection, id_: str, cache_key: str) -> None:
    """Note what the model was given of it last."""
    conn.execute("UPDATE media SET seen = ? WHERE id = ?", (cache_key, id_))


def orphans(conn: Connection, before: int) -> Sequence[Media]:
    """Files given before then that no message refers to, oldest first."""
    rows = conn.execute(
        f"{_SELECT} WHERE created_at < ? AND removed_at IS NULL AND NOT {_WANTED} ORDER BY created_at", (before,)
    )
    return [_from_row(row) for row in rows]


def given_before(conn: Connection, before: int) -> Sequence[Media]:
    """Files given before then that are still here, oldest first."""
    rows = conn.execute(f"{_SELECT} WHERE created_at < ? AND removed_at IS NULL ORDER BY created_at", (before,))
    return [_from_row(row) for row in rows]


def renew(conn: Connection, id_: str, now: int) -> Media | None:
    """Note that a file is given anew; ``None``: it is not here any more."""
    conn.execute(
        "UPDATE media SET created_at = ? WHERE id = ? AND created_at < ? AND removed_at IS NULL", (now, id_, now)
    )
    media = get(conn, id_)
    return None if media is None or media.removed_at is not None else media


def remove(conn: Connection, ids: Sequence[str], now: int, before: int, named: bool) -> Sequence[str]:
    """Forget rows given before then; those that a message speaks of stay, marked as removed if ``named``. Returns the
    SHA-256 of every file that no row needs any more.

    A row that another transaction has renewed is seen as renewed, because both write it (``renew``)."""
    unneeded = []
    for id_ in ids:
        media = get(conn, id_)
        if media is None:
            continue
        if not wanted(conn, id_):
            done = conn.execute("DELETE FROM media WHERE id = ? AND created_at < ?", (id_, before))
        elif named:
            done = conn.execute("UPDATE media SET removed_at = ? WHERE id = ? AND created_at < ?", (now, id_, before))
        else:
            continue
        if done.rowcount and not in_use(conn, media.sha256):
            unneeded.append(media.sha256)
    return unneeded


def in_use(conn: Connection, sha256: str) -> bool:
    """Report whether any row needs the file."""
    found = conn.execute("SELECT 1 FROM media WHERE sha256 = ? AND removed_at IS NULL", (sha256,)).fetchone()
    return found is not None


def total_bytes(conn: Connection) -> int:
    """Size of all files together; a file with several rows counts once."""
    row = conn.execute(
        """SELECT CAST(coalesce(sum(size), 0) AS BIGINT) FROM
           (SELECT DISTINCT sha256, size FROM media WHERE removed_at IS NULL) AS files"""
    ).fetchone()
    size: int = row[0]
    return size
