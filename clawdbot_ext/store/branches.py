"""Branches of a conversation: showing another one, taking a message out and putting it back, copying one.

What the tree is, and how its path moves, is in ``tree``; this is what it means for the session: its counters follow,
and its epoch rises. Plain functions of a connection, to be called inside a transaction. Above: ``runs``, ``sqlite``.
Below: ``messages``, ``sessions``, ``transcripts``, ``tree``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..protocol.errors import InvalidRequest
from . import failpoints, messages, sessions, transcripts, tree
from .api import BranchPoint, DeletedMessage, Session
from .connection import Connection
from .message_fields import decode, encode
from .tree import Node

ROLES = {"regenerate": "assistant", "continue": "assistant", "edit": "user"}
"""Kind of ``BranchPoint`` → role of the message that it is an alternative to."""

CUT = frozenset({"aborted", "interrupted", "error", "length"})
"""Stop reasons of replies that can be continued."""

BUILD_MS = 10 * 60 * 1000
"""A copy that is not complete after this long was cut off by a crash and is removed."""
COPIED = 200
"""Messages that one step of a copy writes."""


def begin(conn: Connection, session_id: str, place: BranchPoint) -> tuple[Node, str]:
    """Show the path up to where an alternative to a message will stand.

    Returns that message and, for ``continue``, its text. Raises ``NotFound``, ``InvalidRequest`` (``WRONG_ROLE``,
    ``NOTHING_TO_ANSWER``, ``NOT_CUT``).
    """
    node = tree.find(conn, session_id, place.message_id)
    wanted = ROLES[place.kind]
    if node.role != wanted and not (node.role == "toolResult" and place.kind == "regenerate"):
        raise InvalidRequest(f"{node.id} is no message of role {wanted}", reason="WRONG_ROLE", role=node.role)
    if wanted == "assistant" and not _asked(conn, session_id, node.under):
        raise InvalidRequest(f"{node.id} answers no message", reason="NOTHING_TO_ANSWER")
    kept = _unfinished(conn, session_id, node) if place.kind == "continue" else ""
    if place.kind == "regenerate":
        node = _first_step(conn, session_id, node)
    tree.show(conn, session_id, node.under)
    return node, kept


def _first_step(conn: Connection, session_id: str, node: Node) -> Node:
    """First message of the reply that ends with ``node``; another than ``node`` when the reply called tools."""
    while above := tree.at(conn, session_id, node.under):
        if "toolResult" not in (above.role, node.role):
            break
        node = above
    return node


def _unfinished(conn: Connection, session_id: str, node: Node) -> str:
    """The text of a reply that was stopped or cut. Raises ``InvalidRequest`` (``NOT_CUT``)."""
    (body,) = conn.execute(
        "SELECT body FROM messages WHERE session_id = ? AND seq = ?", (session_id, node.seq)
    ).fetchone()
    message = decode(body)
    if message.get("stopReason") not in CUT:
        raise InvalidRequest(f"{node.id} was not cut; ask for another one", reason="NOT_CUT")
    return "".join(block.get("text") or "" for block in message["content"] if block.get("type") == "text")


def _asked(conn: Connection, session_id: str, seq: int) -> bool:
    """Report whether there is a user message on the path to number ``seq``."""
    path = tree.above(conn, session_id, seq) if seq else ()
    return any(
        conn.execute(
            "SELECT 1 FROM messages WHERE session_id = ? AND seq = ? AND role = 'user'", (session_id, number)
        ).fetchone()
        for number in reversed(path)
    )


def beside(conn: Connection, run_id: str, session_id: str) -> Node | None:
    """The message to which a run's reply is an alternative, if it is one to any."""
    (message_id,) = conn.execute("SELECT beside FROM runs WHERE run_id = ?", (run_id,)).fetchone()
    if message_id is None:
        return None
    row = conn.execute(
        "SELECT 1 FROM messages WHERE id = ? AND session_id = ? AND seq > ? AND place >= 0",
        (message_id, session_id, tree.floor(conn, session_id)),
    ).fetchone()
    return tree.find(conn, session_id, message_id) if row else None


def show_again(conn: Connection, key: str, session_id: str, node: Node, now: int) -> None:
    """No alternative to ``node`` came about: show that again, unless the conversation went on otherwise."""
    if tree.leaf(conn, session_id, tree.floor(conn, session_id)) != node.under:
        return
    tree.show(conn, session_id, tree.newest_below(conn, session_id, node.seq))
    transcripts.recount(conn, session_id)
    if sessions.current(conn, key) == session_id:
        sessions.changed(conn, key, session_id, now)


def show(conn: Connection, key: str, message_id: str, now: int) -> Session:
    """Show the branch with that message, to its newest end; nothing if it is shown. Raises ``NotFound``."""
    session = sessions.need(conn, key)
    node = tree.find(conn, session.session_id, message_id)
    if node.place == tree.SHOWN:
        return session
    tree.show(conn, session.session_id, tree.newest_below(conn, session.session_id, node.seq))
    transcripts.recount(conn, session.session_id)
    return sessions.changed(conn, key, session.session_id, now)


def delete(conn: Connection, key: str, message_id: str, undo_until: int, now: int) -> DeletedMessage:
    """Take a message out. Raises ``NotFound``."""
    transcripts.expire(conn, now, key)
    session = sessions.need(conn, key)
    node = tree.find(conn, session.session_id, message_id, gone=True)
    if node.place == tree.GONE:
        (until,) = conn.execute(
            "SELECT undo_until FROM removed WHERE session_id = ? AND seq = ?", (session.session_id, node.seq)
        ).fetchone()
        return DeletedMessage(session=session, undo_until=until)
    tree.remove(conn, session.session_id, node, undo_until)
    transcripts.recount(conn, session.session_id)
    return DeletedMessage(session=sessions.changed(conn, key, session.session_id, now), undo_until=undo_until)


def undelete(conn: Connection, key: str, message_id: str, busy: bool, now: int) -> Session:
    """Put a message back; nothing if it is there. Raises ``NotFound``, ``Unavailable`` (``BUSY``)."""
    transcripts.expire(conn, now, key)
    session = sessions.need(conn, key)
    node = tree.find(conn, session.session_id, message_id, gone=True)
    if node.place != tree.GONE:
        return session
    tree.put_back(conn, session.session_id, node, busy)
    transcripts.recount(conn, session.session_id)
    return sessions.changed(conn, key, session.session_id, now)


# -- copies ---------------------------------------------------------------------------------------------------------
class Copy(NamedTuple):
    """A copy that is being made: what is to be copied, and the transcript it goes into."""

    source: str
    target: str
    path: Sequence[int]
    settings: Mapping[str, Any]


def begin_copy(
    conn: Connection, key: str, new_key: str, message_id: str | None, label: str | None, now: int
) -> Copy | None:
    """Make the transcript that a copy goes into, out of sight. ``None`` if there is a session ``new_key``.

    Raises ``NotFound``, ``InvalidRequest`` (``LABEL_TAKEN``).
    """
    if sessions.get(conn, new_key) is not None:
        return None
    session = sessions.need(conn, key)
    source = session.session_id
    low = tree.floor(conn, source)
    end = tree.find(conn, source, message_id).seq if message_id is not None else tree.leaf(conn, source, low)
    if label is not None and sessions.find(conn, None, label) is not None:
        raise InvalidRequest(f"another session is labelled {label}", reason="LABEL_TAKEN")
    target = transcripts.create(conn, new_key, now)
    conn.execute("UPDATE transcripts SET gone_until = ? WHERE session_id = ?", (now + BUILD_MS, target))
    settings = {name: value for name, value in session.settings.items() if name != "label"}
    return Copy(source, target, tree.above(conn, source, end), {**settings, **({"label": label} if label else {})})


def copy_some(conn: Connection, copy: Copy, start: int) -> None:
    """Copy the messages from place ``start`` of the path on, ``COPIED`` at most, numbered as they stand there."""
    failpoints.hit("fork.copy")
    for place, seq in enumerate(copy.path[start : start + COPIED], start + 1):
        row = conn.execute(
            "SELECT role, created_at, body FROM messages WHERE session_id = ? AND seq = ?", (copy.source, seq)
        ).fetchone()
        if row is None:  # deleted for good meanwhile
            continue
        role, created_at, body = row
        message = decode(body) | {"id": messages.new_id(), "seq": place}
        message.pop("runId", None)  # no run of this session
        message.pop("continues", None)
        if compaction := message.get("compaction"):
            after = sum(number <= compaction["after"] for number in copy.path)
            message["compaction"] = {**compaction, "after": after}
        messages.insert(conn, copy.target, place, message["id"], place - 1, role, created_at, encode(message))


def end_copy(conn: Connection, copy: Copy, new_key: str, now: int) -> Session:
    """Make the copy a session. It has cost nothing so far. Raises ``InvalidRequest`` (``LABEL_TAKEN``)."""
    failpoints.hit("fork.copied")
    present = sessions.get(conn, new_key)  # a second fork with the same key was quicker
    if present is not None:
        return present
    conn.execute(
        "UPDATE transcripts SET gone_until = NULL, last_seq = ? WHERE session_id = ?", (len(copy.path), copy.target)
    )
    transcripts.recount(conn, copy.target)
    sessions.insert(conn, new_key, copy.target, copy.settings, now)
    return sessions.need(conn, new_key)
