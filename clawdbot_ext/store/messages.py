"""Messages: appending them and reading a page of them. All SQL of that noun.

A message is kept as the JSON text that goes over the wire, so that a page of history is a row of bytes joined by
commas, never decoded. Plain functions of a connection, to be called inside a transaction. Above: ``runs``, ``sqlite``.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Raw

from . import sessions, transcripts, tree, usage
from .api import Finished, HistoryPage, Message
from .batches import NewMessage, Places
from .connection import NO_LIMIT, Connection
from .dialect import search_index
from .message_fields import encode
from .tree import Node

# As a blob the body comes out as the bytes that are sent; as text it would be decoded, then encoded again.
_SELECT = """SELECT session_id, seq, id, parent_seq, under_seq, place, run_id, role, created_at, CAST(body AS BLOB)
    FROM messages"""
# The conditions on place are those of the indexes that have only such rows.
_PAGE = f"{_SELECT} WHERE session_id = ? AND seq > ? AND seq < ? AND place = 1 ORDER BY seq DESC LIMIT ?"
_WHOLE = f"{_SELECT} WHERE session_id = ? AND seq > ? AND seq < ? AND place >= 0 ORDER BY seq DESC LIMIT ?"
_INSERT = """INSERT INTO messages (session_id, seq, id, parent_seq, under_seq, run_id, role, created_at, body)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"""


_END = """SELECT last_seq, coalesce((SELECT max(m.seq) FROM messages AS m WHERE m.session_id = t.session_id
    AND m.seq > t.floor_seq AND m.place = 1), 0) FROM transcripts AS t WHERE t.session_id = ?"""
"""The newest number of a transcript, and that of the last message shown."""


def _from_row(row: tuple[Any, ...]) -> Message:
    session_id, seq, id_, _, under, place, run_id, role, created_at, body = row
    return Message(
        session_id=session_id,
        seq=seq,
        id=id_,
        parent_seq=under,
        shown=place == tree.SHOWN,
        run_id=run_id,
        role=role,
        created_at=created_at,
        body=Raw(body),
    )


def get(conn: Connection, session_id: str, seq: int) -> Message | None:
    row = conn.execute(f"{_SELECT} WHERE session_id = ? AND seq = ?", (session_id, seq)).fetchone()
    return _from_row(row) if row else None


def new_id() -> str:
    return f"m_{uuid.uuid4().hex}"


def add(
    conn: Connection,
    session_id: str,
    message: Mapping[str, Any],
    now: int,
    run_id: str | None = None,
    beside: Node | None = None,
) -> Message:
    """Append to the path that a transcript shows, archived or not, and count it there.

    Args:
        beside: what it is an alternative to. They belong under the same message, also if that is deleted now.
    """
    last_seq, under = conn.execute(_END, (session_id,)).fetchone()
    parent = beside.parent if beside is not None and beside.under == under else under
    place: dict[str, Any] = {"id": new_id(), "seq": last_seq + 1}
    if run_id is not None:
        place["runId"] = run_id
    body = encode({**message, **place})
    added = Message(
        session_id=session_id,
        seq=place["seq"],
        id=place["id"],
        parent_seq=under,
        shown=True,
        run_id=run_id,
        role=message["role"],
        created_at=now,
        body=Raw(body.encode()),
    )
    conn.execute(_INSERT, (session_id, added.seq, added.id, parent, under, run_id, added.role, now, body))
    search_index(conn).written(conn, session_id, added.seq, added.role, body)
    transcripts.count(conn, session_id, added.seq, message)
    usage.record(conn, session_id, message, now, run_id)
    return added


def insert(
    conn: Connection, session_id: str, seq: int, id_: str, under: int, role: str, created_at: int, body: str
) -> None:
    """Write a message into its place without counting it."""
    conn.execute(_INSERT, (session_id, seq, id_, under, under, None, role, created_at, body))
    search_index(conn).written(conn, session_id, seq, role, body)


def append(
    conn: Connection,
    key: str,
    message: Mapping[str, Any],
    now: int,
    run_id: str | None,
    create: bool,
    under: str | None = None,
) -> Finished:
    """Append to the current transcript of ``key``, or there ``under`` a message. Raises ``NotFound``."""
    expired, current = transcripts.ask_expired(conn, now, key), sessions.ask_current(conn, key)
    transcripts.expire_found(conn, expired)
    session_id = sessions.ensure(conn, key, now, current) if create else sessions.need(conn, key).session_id
    elsewhere = False
    if under is not None:
        elsewhere = tree.show(conn, session_id, tree.find(conn, session_id, under).seq if under else 0)
    added = add(conn, session_id, message, now, run_id)
    if elsewhere:  # another path is shown, and its messages are what counts
        transcripts.recount(conn, session_id)
        sessions.changed(conn, key, session_id, now)
    sessions.touch(conn, key, now)
    return Finished(session=sessions.need(conn, key), message=added)


def append_batch(conn: Connection, key: str, batch: Sequence[NewMessage], before: Places) -> Places:
    """Append messages to the current transcript of ``key``, which is created. Returns the places of these alone."""
    ids: dict[str, str] = {}
    end, last = before.end, before.last
    for new in batch:
        under = None if new.parent is None else ids.get(new.parent) or before.ids.get(new.parent)
        if new.parent is not None and under is None:  # what it was said to could not be read
            under = end
        done = append(conn, key, new.message, new.now, None, True, under)
        assert done.message is not None
        ids[new.id] = last = done.message.id
        end = last if new.shown else end
    return Places(ids, end, last)


def history(
    conn: Connection,
    key: str | None,
    session_id: str | None,
    limit: int,
    before_seq: int | None,
    since_seq: int | None,
    max_bytes: int | None,
    whole: bool,
) -> HistoryPage:
    """A page of the transcript ``session_id``, or of the current one of ``key``."""
    row = conn.execute(
        """SELECT session_id, session_key, floor_seq FROM transcripts
           WHERE session_id = coalesce(?, (SELECT s.session_id FROM sessions AS s WHERE s.key = ?))
           AND gone_until IS NULL""",
        (session_id, key),
    ).fetchone()
    if row is None:
        return HistoryPage(session=None, session_id=None, messages=(), has_more=False)
    session_id, key, floor_seq = row
    start = max(floor_seq, since_seq or 0)
    rows = conn.execute(
        _WHOLE if whole else _PAGE, (session_id, start, NO_LIMIT if before_seq is None else before_seq, limit + 1)
    )
    of_session = sessions.ask(conn, key)
    page: list[Message] = []
    nodes: list[Node] = []
    has_more = False
    size = 0
    for row in rows:
        size += len(row[-1])
        if len(page) == limit or (page and max_bytes is not None and size > max_bytes):
            has_more = True
            break
        page.append(_from_row(row))
        nodes.append(Node(row[1], row[2], row[7], row[3], row[4], row[5]))
    rows.close()
    page.reverse()
    nodes.reverse()
    return HistoryPage(
        session=sessions.given(of_session),
        session_id=session_id,
        messages=page,
        has_more=has_more,
        branches=() if whole else tree.siblings(conn, session_id, floor_seq, nodes),
    )
