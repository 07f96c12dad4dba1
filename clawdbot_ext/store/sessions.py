"""Sessions: a key, its settings, its current transcript. All SQL of that noun.

Plain functions of a connection, to be called inside a transaction. Above: ``messages``, ``runs``, ``sqlite``.
Below: ``transcripts``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ..protocol.errors import InvalidRequest, NotFound
from . import transcripts
from .api import Session
from .connection import NO_LIMIT, Connection, Cursor
from .db import fold
from .message_fields import decode, encode
from .meta import get_meta, raise_meta, set_meta

EPOCHS_SKIPPED = 1_000_000
"""More than a session may have used up in what was lost."""
_OF_SESSION = ("key", "session_id", "epoch", "created_at", "updated_at", "settings")
_OF_TRANSCRIPT = ("last_seq", *transcripts.COUNTERS)
_FIELDS = (*_OF_SESSION, *_OF_TRANSCRIPT, "clear_undo_until")

_COLUMNS = ", ".join([f"s.{name}" for name in _OF_SESSION] + [f"t.{name}" for name in _OF_TRANSCRIPT])

_SELECT = f"""SELECT {_COLUMNS},
    coalesce((SELECT undo_until FROM clears AS c WHERE c.session_id = s.session_id ORDER BY batch DESC LIMIT 1), 0)
    FROM sessions AS s JOIN transcripts AS t ON t.session_id = s.session_id"""
QUIET = frozenset({"pinned", "archived", "autoTitle", "title"})
"""Settings whose change is no activity: the session keeps its place in the list."""
_LINE = "'\n'"
_BY_KEY = f"{_SELECT} WHERE s.key = ?"


def _from_row(row: Sequence[Any]) -> Session:
    fields = dict(zip(_FIELDS, row, strict=True))
    fields["settings"] = decode(fields["settings"])
    return Session(**fields)


def get(conn: Connection, key: str) -> Session | None:
    return given(ask(conn, key))


def ask(conn: Connection, key: str) -> Cursor:
    """Ask for a session, together with something else; ``given`` has the answer."""
    return conn.execute(_BY_KEY, (key,))


def given(asked: Cursor) -> Session | None:
    row = asked.fetchone()
    return _from_row(row) if row else None


def need(conn: Connection, key: str) -> Session:
    """Raises ``NotFound``."""
    session = get(conn, key)
    if session is None:
        raise NotFound(f"no session {key}")
    return session


def gone(key: str, session_id: str, at: int) -> Session:
    """Placeholder for a session that was deleted while a run of it was still under way: epoch 0, no settings."""
    return Session(key=key, session_id=session_id, epoch=0, created_at=at, updated_at=at, settings={})


def find(conn: Connection, session_id: str | None, label: str | None) -> Session | None:
    """The session whose current transcript and label are these; ``None`` stands for any, but not twice."""
    wanted = {"session_id": session_id, "label": label}
    given = {name: value for name, value in wanted.items() if value is not None}
    if not given:
        return None
    where = " AND ".join(f"s.{name} = :{name}" for name in given)
    row = conn.execute(f"{_SELECT} WHERE {where}", given).fetchone()
    return _from_row(row) if row else None


def list_of(
    conn: Connection,
    limit: int | None,
    active_since: int | None,
    search: str | None,
    label: str | None,
    archived: bool = True,
) -> Sequence[Session]:
    """Newest first."""
    wheres = ["1 = 1"]
    values: list[int | str] = []
    if active_since is not None:
        wheres.append("s.updated_at >= ?")
        values.append(active_since)
    if label is not None:
        wheres.append("s.label = ?")
        values.append(label)
    if not archived:
        wheres.append("coalesce(CAST(json_extract(s.settings, '$.archived') AS TEXT), '') NOT IN ('1', 'true')")
    if search:
        wheres.append(f"instr(fold(s.key || {_LINE} || coalesce(s.label, '') || {_LINE} || t.title), ?) > 0")
        values.append(fold(search))
    rows = conn.execute(
        f"{_SELECT} WHERE {' AND '.join(wheres)} ORDER BY s.updated_at DESC, s.rowid DESC LIMIT ?",
        (*values, NO_LIMIT if limit is None else limit),
    )
    return [_from_row(row) for row in rows]


def of_keys(conn: Connection, keys: Sequence[str]) -> Mapping[str, Session]:
    """Key → session, of those that there are."""
    asked = json.dumps(keys)
    rows = conn.execute(f"{_SELECT} WHERE s.key IN (SELECT value FROM json_each(?))", (asked,))
    return {session.key: session for session in map(_from_row, rows)}


def count(conn: Connection) -> int:
    return int(conn.execute("SELECT count(*) FROM sessions").fetchone()[0])


def adopt(conn: Connection, key: str, session: Session | None) -> None:
    """Have a session listed whose messages another store has; ``None``: no more."""
    conn.execute("DELETE FROM sessions WHERE key = ?", (key,))
    conn.execute("DELETE FROM transcripts WHERE session_key = ?", (key,))
    if session is None:
        return
    fields = {name: getattr(session, name) for name in _FIELDS} | {"label": session.settings.get("label")}
    fields["settings"] = encode(session.settings)
    conn.execute("UPDATE sessions SET label = NULL WHERE label = :label", fields)
    conn.execute(
        f"""INSERT INTO transcripts (session_id, session_key, created_at, {", ".join(_OF_TRANSCRIPT)})
            VALUES (:session_id, :key, :created_at, {", ".join(f":{name}" for name in _OF_TRANSCRIPT)})""",
        fields,
    )
    conn.execute(
        f"""INSERT INTO sessions (label, {", ".join(_OF_SESSION)})
            VALUES (:label, {", ".join(f":{name}" for name in _OF_SESSION)})""",
        fields,
    )
    if session.clear_undo_until:
        conn.execute(
            """INSERT INTO clears (session_id, from_seq, to_seq, undo_until)
               VALUES (:session_id, 0, 0, :clear_undo_until)""",
            fields,
        )


def create(conn: Connection, key: str, settings: Mapping[str, Any], now: int) -> Session:
    """Raises ``InvalidRequest`` (``EXISTS``, ``LABEL_TAKEN``)."""
    if get(conn, key) is not None:
        raise InvalidRequest(f"session {key} exists", reason="EXISTS")
    _insert(conn, key, settings, now)
    return need(conn, key)


def ensure(conn: Connection, key: str, now: int, asked: Cursor | None = None) -> str:
    """The id of the current transcript of ``key``, for which ``ask_current`` may have asked; the session is created if
    there is none."""
    row = (asked or ask_current(conn, key)).fetchone()
    return row[0] if row else _insert(conn, key, {}, now)


def current(conn: Connection, key: str) -> str | None:
    """The id of the current transcript."""
    row = ask_current(conn, key).fetchone()
    return row[0] if row else None


def ask_current(conn: Connection, key: str) -> Cursor:
    """Ask for the id of the current transcript, together with something else."""
    return conn.execute("SELECT session_id FROM sessions WHERE key = ?", (key,))


def _insert(conn: Connection, key: str, settings: Mapping[str, Any], now: int) -> str:
    session_id = transcripts.create(conn, key, now)
    insert(conn, key, session_id, settings, now)
    return session_id


def insert(conn: Connection, key: str, session_id: str, settings: Mapping[str, Any], now: int) -> None:
    """A session around an existing transcript. Raises ``InvalidRequest`` (``LABEL_TAKEN``)."""
    # Above every epoch of a deleted session: a client that still holds one must not take the new session for the old.
    epoch = int(get_meta(conn, "deleted_epoch") or 0) + 1
    conn.execute(
        "INSERT INTO sessions (key, session_id, epoch, created_at, updated_at, settings) VALUES (?, ?, ?, ?, ?, '{}')",
        (key, session_id, epoch, now, now),
    )
    if settings:
        _change(conn, key, {}, settings)


def patch(conn: Connection, key: str, changes: Mapping[str, Any], now: int) -> Session:
    """Merge into the settings, ``None`` removes; creates the session. Raises ``InvalidRequest`` (``LABEL_TAKEN``)."""
    ensure(conn, key, now)
    _change(conn, key, need(conn, key).settings, changes)
    if not changes.keys() <= QUIET:
        touch(conn, key, now)
    return need(conn, key)


def _change(conn: Connection, key: str, settings: Mapping[str, Any], changes: Mapping[str, Any]) -> None:
    settings = {name: value for name, value in {**settings, **changes}.items() if value is not None}
    label = settings.get("label")
    if conn.execute("SELECT 1 FROM sessions WHERE label = ? AND key <> ?", (label, key)).fetchone():
        raise InvalidRequest(f"another session is labelled {label}", reason="LABEL_TAKEN")
    conn.execute("UPDATE sessions SET label = ?, settings = ? WHERE key = ?", (label, encode(settings), key))


def touch(conn: Connection, key: str, now: int) -> None:
    """Something happened in the session."""
    conn.execute("UPDATE sessions SET updated_at = ? WHERE key = ?", (now, key))


def changed(conn: Connection, key: str, session_id: str, now: int) -> Session:
    """The current transcript is another one, or shows something else: a new epoch."""
    conn.execute(
        "UPDATE sessions SET session_id = ?, epoch = epoch + 1, updated_at = ? WHERE key = ?", (session_id, now, key)
    )
    return need(conn, key)


def new_transcript(conn: Connection, key: str, now: int) -> Session:
    """Archive the current transcript and start an empty one; creates the session."""
    before = current(conn, key)
    if before is None:
        return create(conn, key, {}, now)
    session = changed(conn, key, transcripts.create(conn, key, now), now)
    transcripts.archive(conn, before, now)
    return session


def restore(conn: Connection, session_id: str, now: int) -> Session:
    """Make an archived transcript the current one of its key; one that is current stays so. Raises ``NotFound``.

    The transcript of a deleted session brings the session back, with default settings.
    """
    row = conn.execute(
        "SELECT session_key FROM transcripts WHERE session_id = ? AND gone_until IS NULL", (session_id,)
    ).fetchone()
    if row is None:
        raise NotFound(f"no transcript {session_id}")
    key: str = row[0]
    before = ensure(conn, key, now)
    if before == session_id:
        return need(conn, key)
    conn.execute("UPDATE transcripts SET archived_at = NULL WHERE session_id = ?", (session_id,))
    session = changed(conn, key, session_id, now)
    transcripts.archive(conn, before, now)
    return session


def clear(conn: Connection, key: str, undo_until: int, now: int) -> Session:
    """Empty the current transcript; an empty one is left as it is. Raises ``NotFound``."""
    transcripts.expire(conn, now, key)
    session = need(conn, key)
    if not session.message_count:
        return session
    transcripts.clear(conn, session.session_id, undo_until)
    return changed(conn, key, session.session_id, now)


def undo_clear(conn: Connection, key: str, now: int) -> Session:
    """Put back what the newest clear took. Raises ``NotFound`` when there is nothing, or not any more."""
    transcripts.expire(conn, now, key)
    session = need(conn, key)
    if not transcripts.undo_clear(conn, session.session_id):
        raise NotFound(f"nothing to undo in {key}")
    return changed(conn, key, session.session_id, now)


def delete(conn: Connection, key: str, delete_transcript: bool, undo_until: int, now: int) -> Sequence[str]:
    """Remove the session, and its transcripts or not; returns the ids of those kept. Raises ``NotFound``.

    A key whose session is gone but whose transcripts were kept may be deleted again, with them.
    """
    session = get(conn, key)
    if session is None and not transcripts.list_of(conn, key):
        raise NotFound(f"no session {key}")
    conn.execute("DELETE FROM sessions WHERE key = ?", (key,))
    if session is not None:
        raise_meta(conn, "deleted_epoch", session.epoch)
        conn.execute("DELETE FROM deleted_sessions WHERE key = ? OR undo_until < ?", (key, now))
        if undo_until >= now:
            conn.execute(
                """INSERT INTO deleted_sessions (key, session_id, created_at, updated_at, settings, undo_until)
                   VALUES (?, ?, ?, ?, ?, ?)""",
                (key, session.session_id, session.created_at, session.updated_at, encode(session.settings), undo_until),
            )
    if not delete_transcript:
        return transcripts.archive_all(conn, key, now)
    transcripts.hide_all(conn, key, undo_until)
    return ()


def undelete(conn: Connection, key: str, now: int) -> Session:
    """Bring a deleted session back, its transcripts at least; see ``api.Store``. Raises ``NotFound``."""
    present = get(conn, key)
    row = conn.execute(
        """SELECT session_id, created_at, updated_at, settings FROM deleted_sessions
           WHERE key = ? AND undo_until >= ?""",
        (key, now),
    ).fetchone()
    if row is None:
        if present is None:
            raise NotFound(f"{key} was not deleted, or cannot be brought back any more")
        return present
    session_id, created_at, updated_at, settings = row
    conn.execute("DELETE FROM deleted_sessions WHERE key = ?", (key,))
    transcripts.unhide_all(conn, key, now)
    if present is not None:
        return present
    there = conn.execute(
        "UPDATE transcripts SET archived_at = NULL WHERE session_id = ? AND gone_until IS NULL", (session_id,)
    ).rowcount
    kept = decode(settings)
    if conn.execute("SELECT 1 FROM sessions WHERE label = ?", (kept.get("label"),)).fetchone():
        del kept["label"]  # given to another one meanwhile
    insert(conn, key, session_id if there else transcripts.create(conn, key, now), kept, now)
    conn.execute("UPDATE sessions SET created_at = ?, updated_at = ? WHERE key = ?", (created_at, updated_at, key))
    return need(conn, key)


def all_are_others(conn: Connection) -> None:
    """Give every session an epoch that no client has seen: what follows is not what they know, with the same numbers.

    For a database that lost something: a backup put back, a log that was cut, damage."""
    conn.execute("UPDATE sessions SET epoch = epoch + ?", (EPOCHS_SKIPPED,))
    set_meta(conn, "deleted_epoch", int(get_meta(conn, "deleted_epoch") or 0) + EPOCHS_SKIPPED)
