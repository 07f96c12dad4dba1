"""Transcripts: the rows that messages hang on, with their counters, and what clearing takes and gives back.

A clear moves the transcript's *floor*: messages up to it are out of sight. It touches no message, so it costs the same
for ten and for ten thousand, and undoing it finds every message at its old place, in front of what was said since.
What is long to remove is put out of sight at once and removed by ``sweep``, a little at a time.
Plain functions of a connection, to be called inside a transaction. Above: ``messages``, ``sessions``. Below: ``tree``.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from . import tree
from .api import Transcript
from .connection import NO_LIMIT, Connection, Cursor
from .message_fields import PREVIEW_CHARS, TITLE_CHARS, decode, encode, heading_of, one_line, usage_of

SWEPT_MESSAGES, SWEPT_CHARS = 100, 128 * 1024
"""Most that one step of the sweep removes: some 20 ms of the writing thread, most of it for the index of words."""

COUNTERS = (
    "message_count",
    "input_tokens",
    "output_tokens",
    "total_input",
    "total_output",
    "total_cost",
    "title",
    "preview",
)
_ALL = ", ".join(COUNTERS)

_CLEAR = f"""INSERT INTO clears (session_id, from_seq, to_seq, undo_until, {_ALL})
    SELECT session_id, floor_seq, last_seq, ?, {_ALL} FROM transcripts WHERE session_id = ?"""
_RESET = """UPDATE transcripts SET floor_seq = last_seq, message_count = 0, input_tokens = 0, output_tokens = 0,
    total_input = 0, total_output = 0, total_cost = 0, title = '', preview = '' WHERE session_id = ?"""

# What was spent adds up; the rest is counted anew.
_UNDO = """UPDATE transcripts SET floor_seq = c.from_seq,
    total_input = transcripts.total_input + c.total_input,
    total_output = transcripts.total_output + c.total_output,
    total_cost = transcripts.total_cost + c.total_cost
    FROM clears AS c WHERE c.batch = ? AND transcripts.session_id = c.session_id"""

_EXPIRED = """SELECT 'removed', r.session_id, r.seq FROM removed AS r
    JOIN transcripts AS t ON t.session_id = r.session_id
    WHERE r.undo_until < ?1 AND (CAST(?2 AS TEXT) IS NULL OR t.session_key = ?2)
    UNION ALL SELECT 'clear', c.session_id, c.batch FROM clears AS c
    JOIN transcripts AS t ON t.session_id = c.session_id
    WHERE c.undo_until < ?1 AND (CAST(?2 AS TEXT) IS NULL OR t.session_key = ?2)"""

_KEPT = """message_count > 0
    OR EXISTS (SELECT 1 FROM clears AS c WHERE c.session_id = transcripts.session_id)
    OR EXISTS (SELECT 1 FROM runs AS r WHERE r.ended_at IS NULL AND r.state = 'running'
               AND r.session_key = transcripts.session_key AND r.session_id = transcripts.session_id)"""


def create(conn: Connection, key: str, now: int) -> str:
    """A new, empty transcript of ``key``; returns its id."""
    session_id = str(uuid.uuid4())
    conn.execute(
        "INSERT INTO transcripts (session_id, session_key, created_at) VALUES (?, ?, ?)", (session_id, key, now)
    )
    return session_id


def key_of(conn: Connection, session_id: str) -> str | None:
    """The key of the session that a transcript is of."""
    row = conn.execute("SELECT session_key FROM transcripts WHERE session_id = ?", (session_id,)).fetchone()
    return row[0] if row else None


def count(conn: Connection, session_id: str, seq: int, message: Mapping[str, Any]) -> None:
    """Add message number ``seq`` to the counters."""
    usage = usage_of(message)
    text = heading_of(message)
    title = one_line(text, TITLE_CHARS) if message.get("role") == "user" else ""
    conn.execute(
        """UPDATE transcripts SET last_seq = ?, message_count = message_count + 1,
           title = CASE WHEN title = '' THEN ? ELSE title END, preview = coalesce(?, preview) WHERE session_id = ?""",
        (seq, title, one_line(text, PREVIEW_CHARS) or None, session_id),
    )
    if usage is not None:
        conn.execute(
            """UPDATE transcripts SET input_tokens = ?, output_tokens = ?, total_input = total_input + ?,
               total_output = total_output + ?, total_cost = total_cost + ? WHERE session_id = ?""",
            (usage.read, usage.written, usage.read, usage.written, usage.cost, session_id),
        )
    if compaction := message.get("compaction"):  # what fills the window from now on, and what the summary cost
        spent = usage_of(compaction)
        conn.execute(
            """UPDATE transcripts SET input_tokens = ?, output_tokens = 0, total_cost = total_cost + ?
               WHERE session_id = ?""",
            (int(compaction.get("tokensAfter") or 0), spent.cost if spent else 0.0, session_id),
        )


def recount(conn: Connection, session_id: str) -> None:
    """Count anew what follows the path that is shown; what was spent stays. Reads no more bodies than it must."""
    low = tree.floor(conn, session_id)
    (shown,) = conn.execute(
        "SELECT count(*) FROM messages WHERE session_id = ? AND seq > ? AND place = 1", (session_id, low)
    ).fetchone()
    bodies = "SELECT body FROM messages WHERE session_id = ? AND seq > ? AND place = 1"
    firsts = conn.execute(f"{bodies} AND role = 'user' ORDER BY seq", (session_id, low))
    title = next((line for (body,) in firsts if (line := one_line(heading_of(decode(body)), TITLE_CHARS))), "")
    firsts.close()
    newest = conn.execute(f"{bodies} ORDER BY seq DESC", (session_id, low))
    preview = next((line for (body,) in newest if (line := one_line(heading_of(decode(body)), PREVIEW_CHARS))), "")
    newest.close()
    telling = conn.execute(
        f"""{bodies} AND (instr(body, '"usage"') > 0 OR instr(body, '"compaction"') > 0) ORDER BY seq DESC""",
        (session_id, low),
    )
    tokens = next((window for (body,) in telling if (window := _window(decode(body)))), None)
    telling.close()
    conn.execute(
        """UPDATE transcripts SET message_count = ?, title = ?, preview = ?, input_tokens = ?, output_tokens = ?
           WHERE session_id = ?""",
        (shown, title, preview, *(tokens or (0, 0)), session_id),
    )


def _window(message: Mapping[str, Any]) -> tuple[int, int] | None:
    """Tokens in the model's window after this message, read and written; ``None`` if it has no usage."""
    if compaction := message.get("compaction"):
        return int(compaction.get("tokensAfter") or 0), 0
    usage = usage_of(message)
    return (usage.read, usage.written) if usage else None


def archive(conn: Connection, session_id: str, now: int) -> None:
    """Put away a transcript that is no longer current; one that holds nothing, not even for later, is dropped."""
    conn.execute("UPDATE transcripts SET archived_at = ? WHERE session_id = ?", (now, session_id))
    _drop_if_empty(conn, session_id)


def _drop_if_empty(conn: Connection, session_id: str) -> None:
    conn.execute(
        f"""UPDATE transcripts SET gone_until = 0
            WHERE session_id = ? AND archived_at IS NOT NULL AND gone_until IS NULL AND NOT ({_KEPT})""",
        (session_id,),
    )


def clear(conn: Connection, session_id: str, undo_until: int) -> None:
    """Take everything out of sight, as one batch that ``undo_clear`` can bring back."""
    conn.execute(_CLEAR, (undo_until, session_id))
    conn.execute(_RESET, (session_id,))


def undo_clear(conn: Connection, session_id: str) -> bool:
    """Bring back the newest batch; ``False`` if there is none. Call ``expire`` first: what expired is gone."""
    row = conn.execute(
        "SELECT batch, from_seq, to_seq FROM clears WHERE session_id = ? ORDER BY batch DESC LIMIT 1", (session_id,)
    ).fetchone()
    if row is None:
        return False
    batch, low, high = row
    # A newer clear with a shorter time to undo it: what it took must not come back with this one.
    conn.execute(
        """DELETE FROM messages WHERE session_id = ?1 AND EXISTS (SELECT 1 FROM trash AS d WHERE d.session_id = ?1
           AND d.from_seq >= ?2 AND messages.seq > d.from_seq AND messages.seq <= d.to_seq)""",
        (session_id, high),
    )
    conn.execute(_UNDO, (batch,))
    tree.join(conn, session_id, low, high)
    conn.execute("DELETE FROM clears WHERE batch = ?", (batch,))
    recount(conn, session_id)
    return True


def expire(conn: Connection, now: int, key: str | None = None) -> None:
    """Give up what was taken away and can no longer be undone, in one session or all. ``sweep`` removes what is
    long."""
    expire_found(conn, ask_expired(conn, now, key))


def ask_expired(conn: Connection, now: int, key: str | None = None) -> Cursor:
    """Ask what ``expire`` would find, together with something else."""
    return conn.execute(_EXPIRED, (now, key))


def expire_found(conn: Connection, asked: Cursor) -> None:
    """``expire`` of what ``ask_expired`` asked for."""
    found = asked.fetchall()
    tree.purge_removed(conn, [(session_id, seq) for kind, session_id, seq in found if kind == "removed"])
    for session_id, batch in [row[1:] for row in found if row[0] == "clear"]:
        conn.execute(
            """INSERT INTO trash (session_id, from_seq, to_seq)
               SELECT session_id, from_seq, to_seq FROM clears WHERE batch = ? ON CONFLICT DO NOTHING""",
            (batch,),
        )
        conn.execute("DELETE FROM clears WHERE batch = ?", (batch,))
        _drop_if_empty(conn, session_id)


def sweep(conn: Connection, now: int, key: str | None = None) -> int | None:
    """See ``api.Store.sweep``; of one session, or of all."""
    expire(conn, now, key)
    trash = conn.execute(
        """SELECT d.session_id, d.from_seq, d.to_seq FROM trash AS d
           JOIN transcripts AS t ON t.session_id = d.session_id
           WHERE CAST(?1 AS TEXT) IS NULL OR t.session_key = ?1 LIMIT 1""",
        (key,),
    ).fetchone()
    if trash:
        if not _remove_some(conn, *trash):
            conn.execute("DELETE FROM trash WHERE session_id = ? AND from_seq = ? AND to_seq = ?", trash)
        return now - 1
    gone = conn.execute(
        """SELECT session_id FROM transcripts WHERE gone_until < ? AND (CAST(?2 AS TEXT) IS NULL OR session_key = ?2)
           LIMIT 1""",
        (now, key),
    ).fetchone()
    if gone:
        if not _remove_some(conn, gone[0], 0, NO_LIMIT):
            conn.execute("DELETE FROM transcripts WHERE session_id = ?", gone)
        return now - 1
    return due(conn)


def due(conn: Connection) -> int | None:
    """The time at which the next thing can no longer be undone."""
    (at,) = conn.execute(
        """SELECT min(at) FROM (SELECT min(undo_until) AS at FROM clears UNION ALL SELECT min(undo_until) FROM removed
           UNION ALL SELECT min(gone_until) FROM transcripts WHERE gone_until IS NOT NULL) AS times"""
    ).fetchone()
    return None if at is None else int(at) + 1


def to_sweep(conn: Connection, now: int) -> str | None:
    """The key of a session in which ``sweep`` finds work."""
    row = conn.execute(
        """SELECT session_key FROM transcripts WHERE gone_until < ?1 UNION ALL
           SELECT t.session_key FROM transcripts AS t JOIN trash AS d ON d.session_id = t.session_id UNION ALL
           SELECT t.session_key FROM transcripts AS t JOIN clears AS c ON c.session_id = t.session_id
           WHERE c.undo_until < ?1 UNION ALL
           SELECT t.session_key FROM transcripts AS t JOIN removed AS r ON r.session_id = t.session_id
           WHERE r.undo_until < ?1 LIMIT 1""",
        (now,),
    ).fetchone()
    return row[0] if row else None


def _remove_some(conn: Connection, session_id: str, low: int, high: int) -> bool:
    """Remove a few messages with ``low`` < number <= ``high``: other writers wait meanwhile. ``False``: none left."""
    rows, size = [], 0
    for rowid, length in conn.execute(
        "SELECT rowid, length(body) FROM messages WHERE session_id = ? AND seq > ? AND seq <= ? LIMIT ?",
        (session_id, low, high, SWEPT_MESSAGES),
    ):
        rows.append(rowid)
        size += length
        if size > SWEPT_CHARS:
            break
    # One statement: each brings the index of words up to date, which on a full disk needs the room made by the others.
    conn.execute(
        "DELETE FROM messages WHERE rowid IN (SELECT CAST(value AS BIGINT) FROM json_each(?))", (encode(rows),)
    )
    return bool(rows)


def list_of(conn: Connection, key: str) -> Sequence[Transcript]:
    """The key's transcripts, newest first."""
    rows = conn.execute(
        """SELECT session_id, session_key, created_at, archived_at, message_count, title, preview FROM transcripts
           WHERE session_key = ? AND gone_until IS NULL ORDER BY created_at DESC, rowid DESC""",
        (key,),
    )
    return [
        Transcript(
            session_id=session_id,
            session_key=session_key,
            created_at=created_at,
            archived_at=archived_at,
            message_count=message_count,
            title=title,
            preview=preview,
        )
        for session_id, session_key, created_at, archived_at, message_count, title, preview in rows
    ]


def hide_all(conn: Connection, key: str, until: int) -> None:
    """Take the key's transcripts out of sight; ``sweep`` removes them after ``until``. The session must be gone."""
    conn.execute("UPDATE transcripts SET gone_until = ? WHERE session_key = ? AND gone_until IS NULL", (until, key))


def unhide_all(conn: Connection, key: str, now: int) -> None:
    """Bring back, archived, the key's transcripts that are not being removed yet."""
    conn.execute(
        """UPDATE transcripts SET gone_until = NULL, archived_at = coalesce(archived_at, ?)
           WHERE session_key = ? AND gone_until >= ?""",
        (now, key, now),
    )


def archive_all(conn: Connection, key: str, now: int) -> Sequence[str]:
    """Archive the key's transcripts, empty ones dropped; returns the ids of those that stay, newest first."""
    for (session_id,) in conn.execute(
        "SELECT session_id FROM transcripts WHERE session_key = ? AND archived_at IS NULL AND gone_until IS NULL",
        (key,),
    ).fetchall():
        archive(conn, session_id, now)
    return [transcript.session_id for transcript in list_of(conn, key)]
