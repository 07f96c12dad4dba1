"""A cluster on PostgreSQL: ``Cluster`` for gateways that share one database.

Three connections: the *keeper* (lease, looks, homes), the *post* (notifications, reading) and the *out* (sending). The
first two hold the lock that tells that this process lives. Each is opened again when it is lost, and goes on where the
one before was; only what the database says ends a membership. See docs/design/0016-many-gateways.md.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Collection, Sequence
from contextlib import suppress

import msgspec

from ..runtime.supervision import Supervisor
from ..store.postgres.failures import away
from . import membership
from .api import Listener
from .frames import Message
from .homes import Away, Homes
from .line import LOST, Lane, Line
from .mail import Inbox, Notice, Outbox, mail_channel
from .membership import Terms

log = logging.getLogger(__name__)

PATIENCE_S = 5.0
"""A question for a home waits so long for a database that is away."""
TAKEOVER_S = 20.0
"""It waits so long for a takeover, or for a look at the members."""
QUIET_S = 15.0
"""The post looks at the table at least so often, if only to notice that its connection is dead."""
FAILED_PAUSE_S = 0.2
BLOCKED_S = 1.0
"""A takeover that is held up longer ends the connections that hold it up: those of the dead, cut off in the middle."""
GOODBYE_S = 2.0
"""``leave`` waits so long for its last messages, and for its tasks."""
TROUBLE = "cluster"


class _Membership:
    """All that is over when this gateway is fenced."""

    def __init__(self, member: str, number: int, keeper: Lane, out: Lane, cluster: PostgresCluster):
        self.member, self.number = member, number
        self.homes = Homes(number, keeper.line)
        self.outbox = Outbox(number, out)
        self.inbox = Inbox(number, cluster._received, cluster._lost)
        self.names: dict[int, str] = {}
        """Number → id of the other living members."""
        self.numbers: dict[str, int] = {}
        self.own_before: Collection[str] | None = None
        """The homes that it had when a takeover began that has not come to its end."""

    def add(self, number: int, member: str) -> None:
        self.names[number], self.numbers[member] = member, number
        self.outbox.add(number)
        self.inbox.add(number)

    def remove(self, number: int) -> str:
        member = self.names.pop(number)
        del self.numbers[member]
        self.outbox.remove(number)
        self.inbox.remove(number)
        self.homes.forget(number)
        return member


class PostgresCluster:
    """One gateway's view of the cluster; fulfils ``Cluster``. Used on one event loop.

    ``schema``: that of the tables, as of the store. Of such clusters many are open at once, so one with a single member
    has the keeper alone: another is seen by its next look, and the post is opened then.
    """

    def __init__(self, url: str, supervisor: Supervisor, terms: Terms | None = None, *, schema: str | None = None):
        self.member = _new_id()
        self._supervisor = supervisor
        self._terms = terms or Terms()
        self._listener: Listener | None = None
        self._now: _Membership | None = None
        self._valid_until = 0.0
        """By the loop's clock, which cannot be set: until then the lease lasts at least."""
        self._look = asyncio.Event()
        self._looked = asyncio.Event()
        self._joined = asyncio.Event()
        self._steady = asyncio.Event()
        """Not set while sessions are taken over of which the listener has not been told: it would begin anew there."""
        self._steady.set()
        self._left = False
        self._entered = False
        self._keeper = Lane(url, "keeper", self._prepare_keeper, schema)
        self._post = Lane(url, "post", self._prepare_post, schema)
        self._out = Lane(url, "mail", _by_index, schema)
        self._sparing = schema is not None
        self._company = asyncio.Event()
        """Set while the post is needed."""
        if not self._sparing:
            self._company.set()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def fence(self) -> int | None:
        """Number of the membership, which its writes carry (``store.postgres.gateways.FENCE``); 0, which no gateway
        has, when it was fenced. ``None`` before it has joined and after it has left: what is written then is of no
        session."""
        if self._now is not None:
            return self._now.number
        return 0 if self._entered else None

    def others(self) -> Sequence[str]:
        return list(self._now.numbers) if self._now else []

    # -- membership -------------------------------------------------------------------------------------------------
    async def join(self, listener: Listener) -> Sequence[str]:
        """As ``Cluster.join``. Raises ``Unavailable`` (``STORAGE_AWAY``)."""
        self._listener = listener
        try:
            orphans = await self._enter(await self._keeper.line())
        except LOST as error:
            await self._keeper.close()
            raise away("no answer") from error
        self._tasks = [
            self._supervisor.run("cluster: membership", self._keep),
            self._supervisor.run("cluster: reading", self._read),
            self._supervisor.run("cluster: sending", self._send),
        ]
        return orphans

    async def leave(self) -> None:
        if self._left:
            return
        self._left = True
        if (now := self._now) is not None:
            await now.outbox.sent(GOODBYE_S)
            with suppress(*LOST, asyncio.TimeoutError):
                line = await asyncio.wait_for(self._keeper.line(), GOODBYE_S)
                await membership.leave(line, now.number)
                self._entered = False
            self._end()
        for lane in (self._keeper, self._post, self._out):
            await lane.close()
        self._look.set()
        self._joined.set()
        self._company.set()
        if self._tasks:
            _, pending = await asyncio.wait(self._tasks, timeout=GOODBYE_S)
            for task in pending:
                task.cancel()
        self._tasks = []

    async def _enter(self, line: Line) -> list[str]:
        """Become a member on a line that was just opened, or is new to this. Returns the sessions taken over."""
        asked = self._clock()
        number = await membership.enter(line, self.member, self._terms)
        self._now = now = _Membership(self.member, number, self._keeper, self._out, self)
        self._entered = True
        self._valid_until = asked + self._terms.sure
        log.info("joined as gateway %d", number)
        seen = await membership.beat(line, number, self._terms)
        ended = await self._end_dead(line, now, seen)
        for each in seen:
            if each.number not in ended and each.number != number:
                self._arrived(now, each.number, each.member)
        sessions = await self._inherited(line, now)
        self._joined.set()
        return sessions

    def _end(self) -> None:
        """Forget the membership, which is over."""
        if (now := self._now) is None:
            return
        self._now = None
        self._joined.clear()
        if self._sparing:
            self._company.clear()
        self._steady.set()
        now.homes.end()
        now.outbox.end()

    async def _prepare_keeper(self, line: Line) -> None:
        if self._now is not None:
            await membership.hold_again(line, self._now.number)
            self._now.outbox.check()

    async def _prepare_post(self, line: Line) -> None:
        await _by_index(line)
        await line.execute(f"LISTEN {membership.arrivals(line)}")
        if self._now is not None:
            await membership.hold(line, self._now.number)
            await line.execute(f"LISTEN {mail_channel(line, self._now.number)}")

    async def _keep(self) -> None:
        """Renew the lease, look for those who came, left and died; join again when this one is fenced."""
        while not self._left:
            try:
                line = await self._keeper.line()
                if self._now is None:
                    await self._rejoin(line)
                else:
                    await self._beat(line, self._now)
                self._supervisor.troubles.pop(TROUBLE, None)
                self._looked.set()
                self._looked = asyncio.Event()
            except LOST as error:
                if not self._left:
                    if TROUBLE not in self._supervisor.troubles:
                        log.warning("the cluster's database is away: %s", type(error).__name__)
                    self._supervisor.troubles[TROUBLE] = type(error).__name__
                    await asyncio.sleep(FAILED_PAUSE_S)
                continue
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._look.wait(), self._terms.look)
            self._look.clear()

    async def _beat(self, line: Line, now: _Membership) -> None:
        asked = self._clock()
        seen = await membership.beat(line, now.number, self._terms)
        if all(each.number != now.number for each in seen):
            await self._fenced()
            return
        self._valid_until = asked + self._terms.sure
        for each in seen:
            if each.number not in now.names and each.number != now.number:
                self._arrived(now, each.number, each.member)
        here = {each.number for each in seen}
        if now.names.keys() <= here and not any(each.dead for each in seen) and self._steady.is_set():
            return
        self._steady.clear()
        if now.own_before is None:
            now.own_before = frozenset(now.homes.own)
        ended = await self._end_dead(line, now, seen)
        if gone := [number for number in now.names if number not in here or number in ended]:
            await self._read_rest()
            sessions = await self._inherited(line, now)
            for number in gone:
                log.info("gateway %d has gone; %d sessions go on here", number, len(sessions))
                self._tell().departed(now.remove(number), sessions)
                sessions = []
            if self._sparing and not now.names:
                self._company.clear()
                self._post.wake()
        now.own_before = None
        self._steady.set()

    async def _inherited(self, line: Line, now: _Membership) -> list[str]:
        """The sessions with work left whose home this has become without having asked for it.

        As the database has them: the answer to the takeover itself may have been lost."""
        await membership.claim_orphans(line, now.number)
        sessions = [key for key in await membership.unfinished(line, now.number) if key not in (now.own_before or ())]
        now.homes.taken(sessions)
        return sessions

    async def _end_dead(self, line: Line, now: _Membership, seen: Sequence[membership.Seen]) -> Collection[int]:
        dead = {each.number: each.dead for each in seen if each.dead}
        if not dead:
            return ()
        log.warning("gateways taken for dead: %s", dead)
        freeing = asyncio.create_task(self._free(line.pid), name="cluster: takeover")
        try:
            return await membership.end(line, now.number, dead, self._terms)
        finally:
            freeing.cancel()
            await asyncio.wait([freeing])

    async def _free(self, waiting: int) -> None:
        """Make way for a takeover that is held up."""
        while True:
            await asyncio.sleep(BLOCKED_S)
            with suppress(*LOST):
                await membership.free(await self._out.line(), waiting)

    async def _read_rest(self) -> None:
        """Read what a member that has gone had sent before."""
        with suppress(*LOST, asyncio.TimeoutError):
            if self._now is not None:
                await self._now.inbox.read(await asyncio.wait_for(self._out.line(), GOODBYE_S))

    async def _fenced(self) -> None:
        """The database says that this is no member any more."""
        if self._left:
            return
        log.error("this gateway was taken for dead by the others")
        self._end()
        self.member = _new_id()
        self._tell().fenced()
        for lane in (self._post, self._out, self._keeper):  # and the locks with them
            await lane.reset()

    async def _rejoin(self, line: Line) -> None:
        old = self.member
        self._steady.clear()
        try:
            sessions = await self._enter(line)
        except LOST:  # half a member is none, and what it has taken over passes on
            await self._fenced()
            raise
        if sessions:
            self._tell().departed(old, sessions)
        self._steady.set()

    # -- homes ------------------------------------------------------------------------------------------------------
    async def home_of(self, session_key: str) -> str:
        ends = self._clock() + PATIENCE_S
        while True:
            now = self._valid()
            try:
                number = await asyncio.wait_for(now.homes.find(session_key), PATIENCE_S)
            except (Away, asyncio.TimeoutError) as error:
                if self._clock() > ends:
                    raise away("no answer") from error
                await asyncio.sleep(FAILED_PAUSE_S)
                continue
            await self._until(self._steady)
            if number == now.number and self._now is now:
                return now.member
            if number in now.names:
                return now.names[number]
            # It came just now, or it has gone and its homes are not taken over yet.
            now.homes.forget(number)
            if self._clock() > ends:
                raise away("no answer")
            self._look.set()
            await self._until(self._looked)

    async def _until(self, event: asyncio.Event) -> None:
        """Wait for it. Raises ``Unavailable``: the database does not answer meanwhile."""
        try:
            await asyncio.wait_for(event.wait(), TAKEOVER_S)
        except asyncio.TimeoutError:
            raise away("no answer") from None

    async def release(self, session_key: str) -> None:
        if (now := self._now) is None or session_key not in now.homes.own:
            return
        with suppress(Away, asyncio.TimeoutError):  # it stays ours then, and a member that asks finds it here
            await asyncio.wait_for(now.homes.release(session_key), PATIENCE_S)
            notice = Message(msgspec.msgpack.encode(Notice(released=[session_key])), control=True)
            for number in now.names:
                now.outbox.send(number, notice, at_once=False)

    def _valid(self) -> _Membership:
        """The membership. Raises ``Unavailable`` where it may be over."""
        if self._now is None or self._clock() >= self._valid_until:
            raise away("no answer")
        return self._now

    # -- mail -------------------------------------------------------------------------------------------------------
    def send(self, target: str, message: bytes, *, at_once: bool = True) -> None:
        if (now := self._now) is not None and (number := now.numbers.get(target)) is not None:
            now.outbox.send(number, Message(message), at_once=at_once)

    async def _send(self) -> None:
        while not self._left:
            await self._joined.wait()
            if (now := self._now) is not None:
                await now.outbox.run()

    async def _read(self) -> None:
        while not self._left:
            await self._joined.wait()
            if not self._company.is_set():
                await self._post.reset()
                await self._out.reset()
                await self._company.wait()
                continue
            try:
                line = await self._post.line()
                if (now := self._now) is not None:
                    await now.inbox.read(line)
                    if membership.arrivals(line) in await line.notified(QUIET_S):
                        self._look.set()
            except LOST as error:
                log.debug("mail is not read: %r", error)
                await asyncio.sleep(FAILED_PAUSE_S)

    def _received(self, sender: int, message: Message) -> None:
        if (now := self._now) is None or sender not in now.names:
            return
        if not message.control:
            self._tell().received(now.names[sender], message.body)
            return
        notice = msgspec.msgpack.decode(message.body, type=Notice)
        now.homes.forget(sender, notice.released)
        if notice.lost:
            self._tell().gap(now.names[sender])

    def _lost(self, sender: int) -> None:
        if (now := self._now) is None or sender not in now.names:
            return
        now.homes.forget(sender)
        now.outbox.send(sender, Message(msgspec.msgpack.encode(Notice(lost=True)), control=True))
        self._tell().gap(now.names[sender])

    # -- small things -----------------------------------------------------------------------------------------------
    def look(self) -> None:
        """Look at the members now: there is a reason to believe that they have changed, or that this one is fenced."""
        self._look.set()

    def _arrived(self, now: _Membership, number: int, member: str) -> None:
        now.add(number, member)
        self._company.set()
        self._tell().arrived(member)
        self._post.wake()

    def _tell(self) -> Listener:
        assert self._listener is not None  # set by ``join``, and nothing runs before
        return self._listener

    @staticmethod
    def _clock() -> float:
        return asyncio.get_running_loop().time()


def _new_id() -> str:
    return uuid.uuid4().hex


async def _by_index(line: Line) -> None:
    """The table is nearly empty, or nearly all of it is dead: only its index knows where the living rows begin."""
    await line.execute(
        """SELECT set_config(name, value, false) FROM (VALUES ('enable_seqscan', 'off'),
           ('enable_hashjoin', 'off'), ('enable_mergejoin', 'off'), ('plan_cache_mode', 'force_generic_plan'))
           AS settings(name, value)"""
    )
