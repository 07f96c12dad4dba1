"""Runs: accepted sends, from their acceptance to the end of their reply. All SQL of that noun.

The run's key is the sender's idempotency key; its row outlives the session, so that a resend is recognised. It holds
text of the conversation only while the run lives: afterwards that is in the transcript, and goes when the transcript
goes. Plain functions of a connection, to be called inside a transaction. Below: ``messages``, ``sessions``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from msgspec import Raw, structs

from ..protocol.errors import IdempotencyConflict, NotFound, SendDenied
from . import branches, messages, sessions, transcripts
from .api import (
    FINAL_STATES,
    Accepted,
    BranchPoint,
    Finished,
    Interrupted,
    Message,
    OnlySessions,
    Run,
    RunState,
    Session,
)
from .connection import Connection, Cursor
from .message_fields import calls_of, decode, encode, lost_result, plain

KEPT_MS = 30 * 24 * 3600 * 1000
"""Time for which the key of an ended run is still recognised. Purged when the store opens."""

_FIELDS = (
    "run_id",
    "session_key",
    "session_id",
    "state",
    "request_hash",
    "message",
    "options",
    "created_at",
    "started_at",
    "ended_at",
    "text",
    "thinking",
    "result",
)
_SELECT = f"SELECT {', '.join(_FIELDS)} FROM runs"
_BY_ID = f"{_SELECT} WHERE run_id = ?"


def _from_row(row: Sequence[Any]) -> Run:
    fields = dict(zip(_FIELDS, row, strict=True))
    fields["message"] = Raw(fields["message"])
    fields["options"] = decode(fields["options"])
    fields["result"] = decode(fields["result"]) if fields["result"] else None
    return Run(**fields)


def get(conn: Connection, run_id: str) -> Run | None:
    return _given(_ask(conn, run_id))


def _ask(conn: Connection, run_id: str) -> Cursor:
    """Ask for a run, together with something else; ``_given`` has the answer."""
    return conn.execute(_BY_ID, (run_id,))


def _given(asked: Cursor) -> Run | None:
    row = asked.fetchone()
    return _from_row(row) if row else None


def _need(conn: Connection, run_id: str) -> Run:
    run = get(conn, run_id)
    if run is None:
        raise NotFound(f"no run {run_id}")
    return run


def _alive(conn: Connection, state: RunState, key: str | None) -> list[Run]:
    """Oldest first."""
    rows = conn.execute(
        f"""{_SELECT} WHERE ended_at IS NULL AND state = ? AND (CAST(?2 AS TEXT) IS NULL OR session_key = ?2)
            ORDER BY position""",
        (state, key),
    )
    return [_from_row(row) for row in rows]


def queued(conn: Connection, key: str | None) -> Sequence[Run]:
    return _alive(conn, "queued", key)


def accept(
    conn: Connection,
    run_id: str,
    key: str,
    request_hash: str,
    message: Mapping[str, Any],
    options: Mapping[str, Any],
    start: bool,
    now: int,
    place: BranchPoint | None,
) -> Accepted:
    """Record a send, once. Raises ``IdempotencyConflict`` when the key was used for something else, ``SendDenied``,
    and what ``branches.begin`` raises."""
    asked = _ask(conn, run_id)
    expired, current = transcripts.ask_expired(conn, now, key), sessions.ask_current(conn, key)
    known = _given(asked)
    if known is not None:
        if (known.request_hash, known.session_key) != (request_hash, key):
            raise IdempotencyConflict(f"idempotency key {run_id} was used for another message")
        return Accepted(run=known, existing=True, session=_session_of(conn, known, now))
    transcripts.expire_found(conn, expired)
    session_id = sessions.ensure(conn, key, now, current) if place is None else sessions.need(conn, key).session_id
    conn.execute(
        """INSERT INTO runs (run_id, session_key, session_id, state, request_hash, message, options, created_at)
           VALUES (?, ?, ?, 'queued', ?, ?, ?, ?)""",
        (run_id, key, session_id, request_hash, encode(message), encode(options), now),
    )
    sessions.touch(conn, key, now)
    if place is not None:
        added = _begin_beside(conn, run_id, key, session_id, place, message, now)
    else:
        added = _begin(conn, run_id, session_id, message, now) if start else None
    accepted = _accepted(conn, run_id, key, added)
    if accepted.session.settings.get("sendPolicy") == "deny" and "command" not in options:
        raise SendDenied(f"{key} takes no messages (sendPolicy is deny)")
    return accepted


def _accepted(conn: Connection, run_id: str, key: str, added: Message | None) -> Accepted:
    asked, of_session = _ask(conn, run_id), sessions.ask(conn, key)
    run, session = _given(asked), sessions.given(of_session)
    assert run is not None and session is not None
    return Accepted(run=run, existing=False, session=session, message=added)


def start(conn: Connection, run_id: str, now: int) -> Accepted | None:
    """queued → running, in the transcript that is current now; ``None`` if the run does not wait."""
    run = get(conn, run_id)
    if run is None or run.state != "queued":
        return None
    session_id = sessions.ensure(conn, run.session_key, now)
    added = _begin(conn, run_id, session_id, decode(run.message), now)
    sessions.touch(conn, run.session_key, now)
    return _accepted(conn, run_id, run.session_key, added)


def _begin(conn: Connection, run_id: str, session_id: str, message: Mapping[str, Any], now: int) -> Message:
    _mark_running(conn, run_id, session_id, now)
    return messages.add(conn, session_id, message, now, run_id)


def _begin_beside(
    conn: Connection,
    run_id: str,
    key: str,
    session_id: str,
    place: BranchPoint,
    message: Mapping[str, Any],
    now: int,
) -> Message | None:
    """Start a run whose first message is an alternative to one that is there: its user message, or else its reply."""
    _mark_running(conn, run_id, session_id, now)
    node, kept = branches.begin(conn, session_id, place)
    if place.kind == "edit":
        added = messages.add(conn, session_id, message, now, run_id, beside=node)
    else:
        added = None
        conn.execute("UPDATE runs SET beside = ?, text = ? WHERE run_id = ?", (node.id, plain(kept), run_id))
    transcripts.recount(conn, session_id)
    sessions.changed(conn, key, session_id, now)
    return added


def _mark_running(conn: Connection, run_id: str, session_id: str, now: int) -> None:
    conn.execute(
        "UPDATE runs SET state = 'running', session_id = ?, started_at = ? WHERE run_id = ?", (session_id, now, run_id)
    )


def edit_queued(conn: Connection, run_id: str, message: Mapping[str, Any], options: Mapping[str, Any]) -> Run | None:
    """Replace what a waiting run will say, and its options; ``None`` if it does not wait."""
    changed = conn.execute(
        "UPDATE runs SET message = ?, options = ? WHERE run_id = ? AND state = 'queued'",
        (encode(message), encode(options), run_id),
    ).rowcount
    return _need(conn, run_id) if changed else None


def save_partial(conn: Connection, run_id: str, text: str, thinking: str) -> None:
    """Keep the reply so far; ignored unless the run is running."""
    conn.execute(
        "UPDATE runs SET text = ?, thinking = ? WHERE run_id = ? AND state = 'running'",
        (plain(text), plain(thinking), run_id),
    )


def append_step(conn: Connection, run_id: str, message: Mapping[str, Any], now: int) -> Finished:
    """Append a message of a run that goes on. Raises ``NotFound``."""
    run = _need(conn, run_id)
    if run.state != "running":
        raise NotFound(f"run {run_id} has ended")
    beside = branches.beside(conn, run_id, run.session_id)  # of its first message only: the others follow that
    conn.execute("UPDATE runs SET text = '', thinking = '', beside = NULL WHERE run_id = ?", (run_id,))
    added = messages.add(conn, run.session_id, message, now, run_id, beside=beside)
    return Finished(session=_session_of(conn, run, now), message=added)


def fold(conn: Connection, run_id: str, into: str, now: int) -> Finished | None:
    """Append what a waiting run says as a step of the running one, and end it: that one answers it."""
    run, running = get(conn, run_id), get(conn, into)
    if run is None or run.state != "queued" or running is None or running.state != "running":
        return None
    message = {**decode(run.message), "foldedInto": into}
    conn.execute("UPDATE runs SET text = '', thinking = '' WHERE run_id = ?", (into,))
    added = messages.add(conn, running.session_id, message, now, run_id)
    _end(conn, run_id, "done", {"status": "ok", "summary": "folded", "foldedInto": into}, None, now)
    return Finished(session=_session_of(conn, run, now), message=added)


def _unanswered(conn: Connection, run: Run) -> list[Mapping[str, Any]]:
    """The tool calls of a run that have no result."""
    rows = conn.execute(
        "SELECT body FROM messages WHERE session_id = ? AND run_id = ? ORDER BY seq", (run.session_id, run.run_id)
    )
    calls: dict[str, Mapping[str, Any]] = {}
    for (body,) in rows:
        message = decode(body)
        calls |= {str(call["id"]): call for call in calls_of(message)}
        calls.pop(str(message.get("toolCallId")), None)
    return list(calls.values())


def finish(
    conn: Connection,
    run_id: str,
    state: RunState,
    message: Mapping[str, Any] | None,
    result: Mapping[str, Any],
    now: int,
) -> Finished:
    """End a run, with its reply in the transcript it started in. Again: nothing but the first one's reply.

    The session is as it is now: with another transcript, perhaps, or gone (``sessions.gone``). Raises ``NotFound``.
    """
    if state not in FINAL_STATES:
        raise ValueError(f"{state} is no end of a run")
    run = _need(conn, run_id)
    if run.state in FINAL_STATES:
        return Finished(session=_session_of(conn, run, now), message=_reply(conn, run_id))
    # A run that never started has no place in a transcript yet.
    session_id = run.session_id if run.state == "running" else sessions.ensure(conn, run.session_key, now)
    beside = branches.beside(conn, run_id, session_id)
    if message is not None:
        added = messages.add(conn, session_id, message, now, run_id, beside=beside)
    else:
        added = None
        if beside is not None:
            branches.show_again(conn, run.session_key, session_id, beside, now)
    _end(conn, run_id, state, result, added, now)
    conn.execute(
        "UPDATE sessions SET updated_at = ? WHERE key = ? AND session_id = ?", (now, run.session_key, session_id)
    )
    return Finished(session=_session_of(conn, run, now), message=added)


def _end(
    conn: Connection, run_id: str, state: RunState, result: Mapping[str, Any], reply: Message | None, now: int
) -> None:
    conn.execute(
        """UPDATE runs SET state = ?, ended_at = ?, result = ?, session_id = coalesce(?, session_id), reply_seq = ?,
           message = '{}', text = '', thinking = '', beside = NULL WHERE run_id = ?""",
        (state, now, encode(result), reply and reply.session_id, reply and reply.seq, run_id),
    )


def _reply(conn: Connection, run_id: str) -> Message | None:
    session_id, seq = conn.execute("SELECT session_id, reply_seq FROM runs WHERE run_id = ?", (run_id,)).fetchone()
    return messages.get(conn, session_id, seq) if seq is not None else None


def _session_of(conn: Connection, run: Run, now: int) -> Session:
    return sessions.get(conn, run.session_key) or sessions.gone(run.session_key, run.session_id, now)


def running(conn: Connection) -> Sequence[str]:
    """The keys of the sessions in which a run is running."""
    rows = conn.execute("SELECT DISTINCT session_key FROM runs WHERE ended_at IS NULL AND state = 'running' ORDER BY 1")
    return [key for (key,) in rows]


def key_of(conn: Connection, run_id: str) -> str | None:
    """The key of the session that a run is of."""
    row = conn.execute("SELECT session_key FROM runs WHERE run_id = ?", (run_id,)).fetchone()
    return row[0] if row else None


def unanswered(conn: Connection, run_id: str) -> Sequence[Mapping[str, Any]]:
    """The tool calls of a run that have no result, in their order; empty for an unknown run."""
    run = get(conn, run_id)
    return _unanswered(conn, run) if run is not None else ()


def recover(
    conn: Connection,
    now: int,
    interrupted: Interrupted,
    spare: Collection[str] = (),
    sessions: OnlySessions = None,
) -> Sequence[Run]:
    """End what a crash left running; returns those runs as ended, with the text they had come to."""
    ended = []
    alive = [run for key in ((None,) if sessions is None else sessions) for run in _alive(conn, "running", key)]
    for run in alive:
        if run.run_id in spare:
            continue
        content = [{"type": "thinking", "thinking": run.thinking}] if run.thinking else []
        content += [{"type": "text", "text": run.text}] if run.text else []
        facts = interrupted(run)
        for call in _unanswered(conn, run):
            messages.add(
                conn, run.session_id, lost_result(call, str(facts.get("toolMessage", "")), now), now, run.run_id
            )
        facts = {name: value for name, value in facts.items() if name != "toolMessage"}
        message = {"role": "assistant", "timestamp": now, **facts, "content": content}
        result = {"status": "error", "summary": facts.get("errorMessage", "interrupted")}
        finish(conn, run.run_id, "interrupted", message, result, now)
        ended.append(structs.replace(run, state="interrupted", ended_at=now, result=result))
    return ended


def abort_all(conn: Connection, key: str, now: int) -> None:
    """End what waits or runs in a session that is being deleted, with nothing appended."""
    for run in _alive(conn, "queued", key) + _alive(conn, "running", key):
        _end(conn, run.run_id, "aborted", {"status": "aborted", "summary": "aborted"}, None, now)


def delete_session(conn: Connection, key: str, delete_transcript: bool, undo_until: int, now: int) -> Sequence[str]:
    """``sessions.delete`` with its runs ended first. Raises ``NotFound``."""
    abort_all(conn, key, now)
    return sessions.delete(conn, key, delete_transcript, undo_until, now)


def purge(conn: Connection) -> None:
    """Forget the keys of runs that ended more than ``KEPT_MS`` before the newest was accepted.

    Measured on the data, not on the clock: a machine that wakes up in the year 2038 must not forget them all.
    """
    conn.execute("DELETE FROM runs WHERE ended_at < (SELECT max(created_at) FROM runs) - ?", (KEPT_MS,))
