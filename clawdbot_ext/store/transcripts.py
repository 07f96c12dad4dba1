"""Transcripts: the rows that messages hang on, with their counters, and what clearing takes and gives back.

A clear moves the transcript's *floor*: messages up to it are out of sight. It touches no message, so it costs the same
for ten and for ten thousand, and undoing it finds every message at its old place, in front of what was said since.
Plain functions of a connection, to be called inside a transaction. Above: ``messages``, ``sessions``.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from .api import Transcript
from .wire import PREVIEW_CHARS, TITLE_CHARS, one_line, text_of, usage_of

COUNTERS = (
    "message_count", "input_tokens", "output_tokens", "total_input", "total_output", "total_cost", "title", "preview",
)
_ALL = ", ".join(COUNTERS)

_CLEAR = f"""INSERT INTO clears (session_id, from_seq, to_seq, undo_until, {_ALL})
    SELECT session_id, floor_seq, last_seq, ?, {_ALL} FROM transcripts WHERE session_id = ?"""
_RESET = """UPDATE transcripts SET floor_seq = last_seq, message_count = 0, input_tokens = 0, output_tokens = 0,
    total_input = 0, total_output = 0, total_cost = 0, title = '', preview = '' WHERE session_id = ?"""

# The sums add up. Of the rest, what was said since is newer, except for the title, which is the oldest text.
_UNDO = """UPDATE transcripts SET floor_seq = c.from_seq,
    message_count = transcripts.message_count + c.message_count,
    total_input = transcripts.total_input + c.total_input,
    total_output = transcripts.total_output + c.total_output,
    total_cost = transcripts.total_cost + c.total_cost,
    input_tokens = iif(transcripts.input_tokens, transcripts.input_tokens, c.input_tokens),
    output_tokens = iif(transcripts.output_tokens, transcripts.output_tokens, c.output_tokens),
    title = iif(c.title = '', transcripts.title, c.title),
    preview = iif(transcripts.preview = '', c.preview, transcripts.preview)
    FROM clears AS c WHERE c.batch = ? AND transcripts.session_id = c.session_id"""
_JOIN = """UPDATE messages SET parent_id =
    (SELECT id FROM messages WHERE session_id = :id AND seq > :low AND seq <= :high ORDER BY seq DESC LIMIT 1)
    WHERE session_id = :id AND seq = (SELECT min(seq) FROM messages WHERE session_id = :id AND seq > :high)"""

_KEPT = """message_count > 0
    OR EXISTS (SELECT 1 FROM clears AS c WHERE c.session_id = transcripts.session_id)
    OR EXISTS (SELECT 1 FROM runs AS r WHERE r.ended_at IS NULL AND r.state = 'running'
               AND r.session_key = transcripts.session_key AND r.session_id = transcripts.session_id)"""


def create(conn: sqlite3.Connection, key: str, now: int) -> str:
    """A new, empty transcript of ``key``; returns its id."""
    session_id = str(uuid.uuid4())
    conn.execute(
        "INSERT INTO transcripts (session_id, session_key, created_at) VALUES (?, ?, ?)", (session_id, key, now)
    )
    return session_id


def count(conn: sqlite3.Connection, session_id: str, seq: int, message: Mapping[str, Any]) -> None:
    """Add message number ``seq`` to the counters."""
    usage = usage_of(message)
    text = text_of(message)
    title = one_line(text, TITLE_CHARS) if message.get("role") == "user" else ""
    conn.execute(
        """UPDATE transcripts SET last_seq = ?, message_count = message_count + 1,
           title = iif(title = '', ?, title), preview = ifnull(?, preview) WHERE session_id = ?""",
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


def archive(conn: sqlite3.Connection, session_id: str, now: int) -> None:
    """Put away a transcript that is no longer current; one that holds nothing, not even for later, is dropped."""
    kept = conn.execute(
        f"UPDATE transcripts SET archived_at = ? WHERE session_id = ? AND ({_KEPT})", (now, session_id)
    ).rowcount
    if not kept:
        conn.execute("DELETE FROM transcripts WHERE session_id = ?", (session_id,))


def clear(conn: sqlite3.Connection, session_id: str, undo_until: int) -> None:
    """Take everything out of sight, as one batch that ``undo_clear`` can bring back."""
    conn.execute(_CLEAR, (undo_until, session_id))
    conn.execute(_RESET, (session_id,))


def undo_clear(conn: sqlite3.Connection, session_id: str) -> bool:
    """Bring back the newest batch; ``False`` if there is none. Call ``purge_cleared`` first: what expired is gone."""
    row = conn.execute(
        "SELECT batch, from_seq, to_seq FROM clears WHERE session_id = ? ORDER BY batch DESC LIMIT 1", (session_id,)
    ).fetchone()
    if row is None:
        return False
    batch, low, high = row
    conn.execute(_UNDO, (batch,))
    conn.execute(_JOIN, {"id": session_id, "low": low, "high": high})
    conn.execute("DELETE FROM clears WHERE batch = ?", (batch,))
    return True


def purge_cleared(conn: sqlite3.Connection, now: int) -> None:
    """Remove for good what was cleared and can no longer be undone."""
    expired = conn.execute(
        "SELECT batch, session_id, from_seq, to_seq FROM clears WHERE undo_until < ?", (now,)
    ).fetchall()
    for batch, session_id, low, high in expired:
        conn.execute("DELETE FROM messages WHERE session_id = ? AND seq > ? AND seq <= ?", (session_id, low, high))
        conn.execute("DELETE FROM clears WHERE batch = ?", (batch,))
        conn.execute(
            f"DELETE FROM transcripts WHERE session_id = ? AND archived_at IS NOT NULL AND NOT ({_KEPT})", (session_id,)
        )


def list_of(conn: sqlite3.Connection, key: str) -> Sequence[Transcript]:
    """The key's transcripts, newest first."""
    rows = conn.execute(
        """SELECT session_id, session_key, created_at, archived_at, message_count, title, preview FROM transcripts
           WHERE session_key = ? ORDER BY created_at DESC, rowid DESC""",
        (key,),
    )
    return [
        Transcript(
            session_id=session_id, session_key=session_key, created_at=created_at, archived_at=archived_at,
            message_count=message_count, title=title, preview=preview,
        )
        for session_id, session_key, created_at, archived_at, message_count, title, preview in rows
    ]


def delete_all(conn: sqlite3.Connection, key: str) -> None:
    """Remove the key's transcripts with their messages. The session row must be gone."""
    conn.execute("DELETE FROM transcripts WHERE session_key = ?", (key,))


def archive_all(conn: sqlite3.Connection, key: str, now: int) -> Sequence[str]:
    """Archive the key's transcripts, empty ones dropped; returns the ids of those that stay, newest first."""
    for (session_id,) in conn.execute(
        "SELECT session_id FROM transcripts WHERE session_key = ? AND archived_at IS NULL", (key,)
    ).fetchall():
        archive(conn, session_id, now)
    return [transcript.session_id for transcript in list_of(conn, key)]
