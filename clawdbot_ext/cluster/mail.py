"""The messages between members: rows of an UNLOGGED table, a notification a flush, and a reader of this member's rows.

At most once and in order for each pair. A row is read, handed on, and deleted with the next look, so that neither side
loses one with its connection; a crash of the server empties the table, which the numbers of the rows show.

Bounded on all sides: what waits here (``QUEUE_BYTES`` a member, then everything that waits for it is dropped, which is
a gap), what lies in the table (``TABLE_BYTES`` a pair, then it waits here), and what is read at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import msgspec

from .frames import Gap, Message, Packer, Row, Unpacker
from .line import LOST, Lane, Line
from .membership import channel

log = logging.getLogger(__name__)

FLUSH_S = 0.033
"""A message that is in no hurry waits until so long after the flush before, for more of them."""
FLUSH_BYTES = 1024 * 1024
"""One flush carries about this much for each member."""
QUEUE_BYTES = 32 * 1024 * 1024
TABLE_BYTES = 8 * 1024 * 1024
FAILED_PAUSE_S = 0.1
"""Pause after a flush that failed: a full disk, say, leaves the connection as it is."""
READ_ROWS = 16
"""Rows read at once of each member."""

_PUT = """WITH put AS (
        INSERT INTO mail (target, sender, number, part, body)
        SELECT t, $2, n, p, b
        FROM unnest($1::bigint[], $3::bigint[], $4::smallint[], $5::bytea[]) AS rows(t, n, p, b)
        ON CONFLICT (target, sender, number) DO NOTHING
    )
    SELECT pg_notify($6::text || t, '') FROM (SELECT DISTINCT unnest($1::bigint[])) AS targets(t)"""
_UNREAD = "SELECT coalesce(sum(octet_length(body)), 0) FROM mail WHERE target = $1 AND sender = $2"
_TAKE = f"""WITH known AS (
        SELECT * FROM unnest($2::bigint[], $3::bigint[], $4::bigint[]) AS k(sender, begun, next)
    ),
    done AS (
        DELETE FROM mail AS m USING known AS k
        WHERE m.target = $1 AND m.sender = k.sender AND m.number >= k.begun AND m.number < k.next
    )
    SELECT k.sender, m.number, m.part, m.body FROM known AS k CROSS JOIN LATERAL (
        SELECT number, part, body FROM mail
        WHERE target = $1 AND sender = k.sender AND number >= k.next ORDER BY number LIMIT {READ_ROWS}
    ) AS m ORDER BY k.sender, m.number"""


class Notice(msgspec.Struct, omit_defaults=True):
    """A message of the cluster itself."""

    lost: bool = False
    """Messages to the sender of this were lost."""
    released: Sequence[str] = ()
    """Sessions whose home the sender no longer is."""


def mail_channel(line: Line, number: int | str) -> str:
    """The channel on which a member is told of its mail."""
    return channel(line, f"mail_{number}")


class _Outlet:
    """One member that is written to."""

    def __init__(self) -> None:
        self.packer = Packer()
        self.unread = 0
        """Bytes in the table, or more."""


class Outbox:
    """The messages that one membership sends."""

    def __init__(self, number: int, lane: Lane):
        self._number, self._lane = number, lane
        self._outlets: dict[int, _Outlet] = {}
        self._underway: list[tuple[int, Row]] = []
        """Rows of the flush that is going on, or whose outcome is not known."""
        self._line: Line | None = None
        self._wanted = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._flushed = -FLUSH_S
        """The time of the last flush, by the loop's clock."""
        self._empty = asyncio.Event()
        self._empty.set()
        self._ended = False

    def end(self) -> None:
        """The membership is over: ``run`` returns."""
        self._ended = True
        self._wanted.set()

    def add(self, target: int) -> None:
        """A member has arrived."""
        self._outlets.setdefault(target, _Outlet())

    def remove(self, target: int) -> None:
        """A member has gone, and what was for it."""
        self._outlets.pop(target, None)

    def send(self, target: int, message: Message, *, at_once: bool = True) -> None:
        outlet = self._outlets.get(target)
        if outlet is None:
            return
        if outlet.packer.size + len(message.body) > QUEUE_BYTES:
            log.warning("messages for gateway %d are dropped: it does not take them", target)
            outlet.packer.drop()
            return
        outlet.packer.add(message)
        self._empty.clear()
        if at_once:
            self._wanted.set()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_at(self._flushed + FLUSH_S, self._wanted.set)

    def check(self) -> None:
        """Let the others notice what the database may have lost: it has restarted, perhaps."""
        self._line = None
        self._wanted.set()

    @property
    def waiting(self) -> int:
        """Bytes that wait here."""
        return sum(outlet.packer.size for outlet in self._outlets.values())

    async def run(self) -> None:
        """Flush whenever that is due, until ``end``."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            if self._ended:
                return
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            self._flushed = asyncio.get_running_loop().time()
            try:
                await self._flush()
            except LOST as error:
                log.debug("mail waits: %r", error)
                await asyncio.sleep(FAILED_PAUSE_S)
                self._wanted.set()

    async def sent(self, within: float) -> None:
        """Wait until everything is in the table, no longer than ``within`` seconds."""
        self._wanted.set()
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._empty.wait(), within)

    async def _flush(self) -> None:
        if not self._outlets:
            self._underway = []
            self._empty.set()
            return
        line = await self._lane.line()
        if line is not self._line:  # the server may have lost what the line before had put
            self._probe()
            self._line = line
        left: Collection[_Outlet] = ()
        if not self._underway:
            await self._pack(line)
            left = [outlet for outlet in self._outlets.values() if outlet.packer]
        if rows := [(target, row) for target, row in self._underway if target in self._outlets]:
            await line.execute(
                _PUT,
                [target for target, _ in rows],
                self._number,
                [row.number for _, row in rows],
                [row.part for _, row in rows],
                [row.body for _, row in rows],
                mail_channel(line, ""),
            )
        self._underway = []
        if not any(outlet.packer for outlet in self._outlets.values()):
            self._empty.set()
        elif any(outlet.unread <= TABLE_BYTES for outlet in left):
            self._wanted.set()
        elif self._timer is None:  # for one whose part of the table is full, or that was written to meanwhile
            self._timer = asyncio.get_running_loop().call_later(FLUSH_S, self._wanted.set)

    def _probe(self) -> None:
        """Put an empty row behind what was under way, for each member that was written to."""
        probed = {target for target, row in self._underway if not row.body}
        for target, outlet in self._outlets.items():
            if outlet.packer.used and target not in probed:
                self._underway.append((target, outlet.packer.probe()))

    async def _pack(self, line: Line) -> None:
        for target, outlet in list(self._outlets.items()):
            if not outlet.packer:
                continue
            if outlet.unread > TABLE_BYTES:
                [[unread]] = await line.execute(_UNREAD, target, self._number)
                outlet.unread = int(unread)
            if outlet.unread <= TABLE_BYTES:
                for row in outlet.packer.rows(FLUSH_BYTES):
                    self._underway.append((target, row))
                    outlet.unread += len(row.body)


@dataclass
class _Inlet:
    """One member that is read; ``begun``: the first of its rows that may be in the table still."""

    unpacker: Unpacker
    begun: int = 1
    troubled: bool = False
    """A message could not be handed on, and what was in the same row with it is lost."""


class Inbox:
    """The messages that one membership gets. ``deliver`` is called with the sender's number, ``lost`` for a gap."""

    def __init__(self, number: int, deliver: Callable[[int, Message], None], lost: Callable[[int], None]):
        self._number, self._deliver, self._lost = number, deliver, lost
        self._inlets: dict[int, _Inlet] = {}
        self._alone = asyncio.Lock()

    def add(self, sender: int) -> None:
        """A member has arrived: its mail is read from now on."""
        self._inlets.setdefault(sender, _Inlet(Unpacker()))

    def remove(self, sender: int) -> None:
        self._inlets.pop(sender, None)

    async def read(self, line: Line) -> None:
        """Hand on everything that there is. Raises ``psycopg.Error``, and whatever ``deliver`` raises."""
        async with self._alone:
            while self._inlets:
                asked = {sender: (inlet.begun, inlet.unpacker.next) for sender, inlet in self._inlets.items()}
                rows = await line.execute(_TAKE, self._number, *_columns(asked))
                for sender, (_, following) in asked.items():
                    if sender in self._inlets:
                        self._inlets[sender].begun = following
                for sender, number, part, body in rows:
                    if sender in self._inlets:
                        self._take(sender, self._inlets[sender], Row(number, part, body))
                if not rows and all(inlet.begun == inlet.unpacker.next for inlet in self._inlets.values()):
                    return

    def _take(self, sender: int, inlet: _Inlet, row: Row) -> None:
        try:
            messages = inlet.unpacker.take(row)
        except Gap:
            inlet.troubled = True
            messages = inlet.unpacker.take(row)
        if not row.body:  # a probe: rows that were put twice may lie before it
            inlet.begun = 1
        if inlet.troubled:
            inlet.troubled = False
            self._lost(sender)
        inlet.troubled = True
        for message in messages:
            self._deliver(sender, message)
        inlet.troubled = False


def _columns(asked: Mapping[int, tuple[int, int]]) -> Collection[list[int]]:
    return [*asked], [begun for begun, _ in asked.values()], [following for _, following in asked.values()]
