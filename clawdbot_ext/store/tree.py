"""The tree that a transcript is: which message stands under which, and the one path of it that is shown.

A message's number is greater than that of the one it stands under, so a path is its messages in the order of their
numbers, and ``place = 1`` marks those of the path that is shown: a page of it is a range of an index. Deleting takes
out one message; what stood under it moves up (``under_seq``), while ``parent_seq`` still tells where it belongs if the
message comes back. Messages up to the floor were cleared, and nothing here touches them.
Plain functions of a connection, to be called inside a transaction. Above: ``messages``, ``branches``, ``transcripts``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

from ..protocol.errors import NotFound, Unavailable
from .api import Siblings
from .connection import Connection

SHOWN, ASIDE, GONE = 1, 0, -1
"""Values of ``place``: on the path that is shown, on another branch, deleted."""
NEVER = 2**62
"""``removed.last_seq`` of a message that others came after, or that an alternative took the place of: what is said next
does not go on from where it was."""

_NODE = "SELECT seq, id, role, parent_seq, under_seq, place FROM messages WHERE session_id = ?"

# By that index: left to itself, SQLite walks the whole transcript.
_BELOW = """FROM messages AS m INDEXED BY messages_below WHERE m.session_id = ?1 AND m.place >= 0 AND m.seq > ?2
    AND m.under_seq IN (SELECT CAST(value AS BIGINT) FROM json_each(?3))"""
_FORKS = f"SELECT m.under_seq {_BELOW} GROUP BY m.under_seq HAVING count(*) > 1"
_SIBLINGS = f"SELECT m.under_seq, m.id {_BELOW} ORDER BY m.seq"

_ABOVE = """WITH RECURSIVE above (seq, up) AS (
    SELECT seq, under_seq FROM messages WHERE session_id = ?1 AND seq = ?2
    UNION ALL SELECT m.seq, m.under_seq FROM above JOIN messages AS m ON m.session_id = ?1 AND m.seq = above.up)
    SELECT seq FROM above"""

# From a message up to the first that is shown (which comes along), or to the floor.
_WAY = """WITH RECURSIVE way (seq, up, place) AS (
    SELECT seq, under_seq, place FROM messages WHERE session_id = ?1 AND seq = ?2 AND seq > ?3
    UNION ALL SELECT m.seq, m.under_seq, m.place FROM way
        JOIN messages AS m ON m.session_id = ?1 AND m.seq = way.up AND m.seq > ?3 WHERE way.place <> 1)
    SELECT seq, place FROM way"""

_NEWEST_BELOW = """WITH RECURSIVE below (seq) AS (
    SELECT ?2 UNION ALL SELECT m.seq FROM below
        JOIN messages AS m ON m.session_id = ?1 AND m.place >= 0 AND m.under_seq = below.seq)
    SELECT max(seq) FROM below"""


class Node(NamedTuple):
    """A message's place in the tree. 0 stands for no message."""

    seq: int
    id: str
    role: str
    parent: int
    """Number of the message it answers, deleted or not."""
    under: int
    """Number of the message it is shown under."""
    place: int


def floor(conn: Connection, session_id: str) -> int:
    """Messages up to this number were cleared."""
    row = conn.execute("SELECT floor_seq FROM transcripts WHERE session_id = ?", (session_id,)).fetchone()
    return int(row[0]) if row else 0


def find(conn: Connection, session_id: str, message_id: str, *, gone: bool = False) -> Node:
    """A message of a transcript that was not cleared, nor (unless ``gone``) deleted. Raises ``NotFound``."""
    row = conn.execute(f"{_NODE} AND id = ? AND seq > ?", (session_id, message_id, floor(conn, session_id))).fetchone()
    if row is None or (row[-1] == GONE and not gone):
        raise NotFound(f"no message {message_id} in this conversation")
    return Node(*row)


def at(conn: Connection, session_id: str, seq: int) -> Node | None:
    """The message of that number, wherever it is."""
    row = conn.execute(f"{_NODE} AND seq = ?", (session_id, seq)).fetchone()
    return Node(*row) if row else None


def leaf(conn: Connection, session_id: str, low: int) -> int:
    """The last message shown after number ``low``; 0 if there is none."""
    row = conn.execute(
        "SELECT max(seq) FROM messages WHERE session_id = ? AND seq > ? AND place = 1", (session_id, low)
    ).fetchone()
    return int(row[0] or 0)


def above(conn: Connection, session_id: str, seq: int) -> Sequence[int]:
    """The path to message ``seq``, itself included, first message first."""
    return sorted(number for (number,) in conn.execute(_ABOVE, (session_id, seq)))


def newest_below(conn: Connection, session_id: str, seq: int) -> int:
    """The newest of message ``seq`` and all that stands below it: the end of a branch."""
    return int(conn.execute(_NEWEST_BELOW, (session_id, seq)).fetchone()[0])


def siblings(conn: Connection, session_id: str, low: int, shown: Sequence[Node]) -> Sequence[Siblings]:
    """The alternatives of those of the messages given that have some."""
    unders = {node.under for node in shown}
    above = max(low, min(unders, default=0))  # nothing stands under a later message
    forks = [under for (under,) in conn.execute(_FORKS, (session_id, above, json.dumps(sorted(unders))))]
    if not forks:
        return []
    groups: dict[int, list[str]] = {}
    for under, id_ in conn.execute(_SIBLINGS, (session_id, above, json.dumps(forks))):
        groups.setdefault(under, []).append(id_)
    return [Siblings(message_id=node.id, ids=groups[node.under]) for node in shown if node.under in groups]


def show(conn: Connection, session_id: str, seq: int) -> bool:
    """Show the path that ends with message ``seq`` (0: nothing). Touches what changes; returns whether anything did."""
    low = floor(conn, session_id)
    way = conn.execute(_WAY, (session_id, seq, low)).fetchall()
    fork = next((number for number, place in way if place == SHOWN), low)
    wanted = ",".join(str(number) for number, place in way if place != SHOWN)
    left = conn.execute(
        "UPDATE messages SET place = 0 WHERE session_id = ? AND seq > ? AND place = 1", (session_id, fork)
    )
    come = conn.execute(
        """UPDATE messages SET place = 1 WHERE session_id = ?
           AND seq IN (SELECT CAST(value AS BIGINT) FROM json_each(?))""",
        (session_id, f"[{wanted}]"),
    )
    return left.rowcount + come.rowcount > 0


def _move(conn: Connection, session_id: str, low: int, under: int, to: int, *, after: int = 0) -> None:
    """Show under ``to`` what stands under ``under``, as far as its number is above ``low`` and ``after``."""
    conn.execute(
        """UPDATE messages SET under_seq = ? WHERE session_id = ? AND under_seq = ? AND seq > ? AND seq > ?
           AND place >= 0""",
        (to, session_id, under, low, after),
    )


def remove(conn: Connection, session_id: str, node: Node, undo_until: int) -> None:
    """Take one message out until then. If the path ended with it, its nearest alternative takes its place."""
    low = floor(conn, session_id)
    conn.execute("UPDATE messages SET place = -1 WHERE session_id = ? AND seq = ?", (session_id, node.seq))
    _move(conn, session_id, low, node.seq, node.under)
    goes_on = NEVER
    if node.place == SHOWN and not leaf(conn, session_id, max(low, node.seq)):
        nearest = conn.execute(
            """SELECT seq FROM messages WHERE session_id = ? AND under_seq = ? AND seq > ? AND place >= 0
               ORDER BY seq > ?, abs(seq - ?) LIMIT 1""",
            (session_id, node.under, low, node.seq, node.seq),
        ).fetchone()
        if nearest:
            show(conn, session_id, newest_below(conn, session_id, nearest[0]))
        else:
            goes_on = conn.execute("SELECT last_seq FROM transcripts WHERE session_id = ?", (session_id,)).fetchone()[0]
    conn.execute(
        "INSERT INTO removed (session_id, seq, undo_until, place, last_seq) VALUES (?, ?, ?, ?, ?)",
        (session_id, node.seq, undo_until, node.place, goes_on),
    )


def put_back(conn: Connection, session_id: str, node: Node, busy: bool) -> None:
    """Undo ``remove``. Raises ``Unavailable`` (``BUSY``) if ``busy`` and this would show another branch."""
    low = floor(conn, session_id)
    last_seq, place = conn.execute(
        "SELECT last_seq, place FROM removed WHERE session_id = ? AND seq = ?", (session_id, node.seq)
    ).fetchone()
    conn.execute("DELETE FROM removed WHERE session_id = ? AND seq = ?", (session_id, node.seq))
    under = _nearest_there(conn, session_id, node.parent)
    conn.execute(
        "UPDATE messages SET place = 0, under_seq = ? WHERE session_id = ? AND seq = ?", (under, session_id, node.seq)
    )
    for seq, parent in conn.execute(
        """SELECT seq, parent_seq FROM messages WHERE session_id = ? AND under_seq = ? AND seq > ? AND place >= 0""",
        (session_id, under, max(low, node.seq)),
    ).fetchall():
        if _nearest_there(conn, session_id, parent) == node.seq:
            conn.execute(
                "UPDATE messages SET under_seq = ? WHERE session_id = ? AND seq = ?", (node.seq, session_id, seq)
            )
    _show_again(conn, session_id, node._replace(under=under, place=place), last_seq, busy)


def _show_again(conn: Connection, session_id: str, node: Node, last_seq: int, busy: bool) -> None:
    """Mend the path around a message that is back, and show that if it was shown when it went (``node.place``).

    Args:
        last_seq: if the path ended with it, the newest number then: what is newer and stands in its place goes on
            from it. Else ``NEVER``.
    """
    low = floor(conn, session_id)
    after = at(conn, session_id, _first_shown(conn, session_id, max(low, node.under)))
    in_sight = not node.under or _place(conn, session_id, node.under) == SHOWN
    if in_sight and after is not None and after.under == node.seq:  # the path leads over it
        show_too = True
    elif node.place != SHOWN:
        return
    elif in_sight and after is not None and after.seq > last_seq:  # said since: it goes on from here
        conn.execute(
            """UPDATE messages SET parent_seq = ? WHERE session_id = ? AND under_seq = ? AND seq > ? AND place >= 0""",
            (node.seq, session_id, node.under, last_seq),
        )
        _move(conn, session_id, low, node.under, node.seq, after=last_seq)
        show_too = True
    else:
        show_too = False
    if show_too:
        conn.execute("UPDATE messages SET place = 1 WHERE session_id = ? AND seq = ?", (session_id, node.seq))
    elif busy:
        raise Unavailable("a reply is being written; stop it or wait for it", reason="BUSY")
    else:
        show(conn, session_id, newest_below(conn, session_id, node.seq))


def _first_shown(conn: Connection, session_id: str, low: int) -> int:
    row = conn.execute(
        "SELECT min(seq) FROM messages WHERE session_id = ? AND seq > ? AND place = 1", (session_id, low)
    ).fetchone()
    return int(row[0] or 0)


def _place(conn: Connection, session_id: str, seq: int) -> int:
    node = at(conn, session_id, seq)
    return node.place if node else GONE


def _nearest_there(conn: Connection, session_id: str, seq: int) -> int:
    """The first message from ``seq`` upwards that is not deleted; 0 if there is none."""
    node = at(conn, session_id, seq)
    while node is not None and node.place == GONE:
        node = at(conn, session_id, node.parent)
    return node.seq if node else 0


def purge_removed(conn: Connection, removed: Sequence[tuple[str, int]]) -> None:
    """Remove for good messages whose deletion can no longer be undone, by transcript and number."""
    for session_id, seq in removed:
        conn.execute("DELETE FROM removed WHERE session_id = ? AND seq = ?", (session_id, seq))
        node = at(conn, session_id, seq)
        if node is None:  # cleared, and gone with that
            continue
        under = _nearest_there(conn, session_id, node.parent)
        conn.execute(
            """UPDATE messages SET parent_seq = ? WHERE session_id = ? AND under_seq = ? AND place >= 0
               AND parent_seq = ?""",
            (node.parent, session_id, under, seq),
        )
        conn.execute(
            """UPDATE messages SET parent_seq = ? WHERE session_id = ? AND parent_seq = ?
               AND seq IN (SELECT seq FROM removed WHERE session_id = ?)""",
            (node.parent, session_id, seq, session_id),
        )
        conn.execute("DELETE FROM messages WHERE session_id = ? AND seq = ?", (session_id, seq))


def join(conn: Connection, session_id: str, low: int, high: int) -> None:
    """Attach what begins after ``high`` to the last message shown up to there (and after ``low``)."""
    row = conn.execute(
        "SELECT max(seq) FROM messages WHERE session_id = ? AND seq > ? AND seq <= ? AND place = 1",
        (session_id, low, high),
    ).fetchone()
    end = int(row[0] or 0)
    for column in ("under_seq", "parent_seq"):
        conn.execute(
            f"UPDATE messages SET {column} = ? WHERE session_id = ? AND seq > ? AND {column} = 0",
            (end, session_id, high),
        )
