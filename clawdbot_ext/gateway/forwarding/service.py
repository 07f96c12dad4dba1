"""One gateway of many: what it tells the others, and what it does when they tell it something, come, go or die."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any

import msgspec

from ...cluster.api import Cluster
from ...protocol.errors import GatewayError, Unavailable
from ...protocol.frames import CloseCode, Request
from ...protocol.keys import is_temporary
from ..connections.connection import Connection
from ..connections.remote import RemoteConnection, facts_of
from ..services import Services
from . import messages as m
from .homes import Homes
from .link import Link
from .replicas import Replicas
from .router import Router

log = logging.getLogger(__name__)

TRY_AGAIN_S = 1.0
TAIL_S = 30.0
"""A client that had an event of a gateway within this time before it died, or the answer to a send, may lack the last
ones: it resumes."""
MAX_INVOCATIONS = 10_000
_OF_SESSIONS = ("chat", "agent", "session.message", "session.changed", "session.queue", "hands.changes.changed")


class Forwarding:
    """The gateway among the others. It is the ``Listener`` of its cluster."""

    def __init__(self, services: Services, cluster: Cluster) -> None:
        self._services, self._cluster = services, cluster
        self.homes = Homes(cluster, self._busy)
        self.links: dict[str, Link] = {}
        self.router = Router(services, self.homes, self.links, lambda: cluster.member)
        self._replicas = Replicas(services, self.router, self._tell)
        self._clients: dict[str, Connection] = {}
        """The gateway's own, by ``conn_id``."""
        self._congested: set[str] = set()
        self._heirlooms: dict[str, Sequence[str]] = {}
        """A member that leaves → the sessions that this gateway is to take up."""
        self._orphans: Sequence[str] = ()
        self._tasks: set[asyncio.Task[None]] = set()

    # -- life -------------------------------------------------------------------------------------------------------
    async def join(self) -> None:
        """Become a member. Raises the store's errors."""
        self._replicas.connect()
        self._services.others.claim = self._claim
        self._services.others.ask = self.router.ask
        self._services.others.count = lambda: 1 + len(self.links)
        self._orphans = await self._cluster.join(self) or ()

    def start(self) -> None:
        """Begin to take up what waits in sessions that had no home."""
        self._take_over(self._orphans)

    async def meet(self, seconds: float) -> None:
        """Wait until the others know this gateway, at most so long: before that its clients hear nothing of theirs."""
        known = asyncio.gather(*(link.introduced.wait() for link in self.links.values()))
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(known, seconds)

    async def stop(self) -> None:
        """Leave: the homes are given up, and another gateway takes up what waits. After the replies have ended."""
        self.router.stopped = True
        waiting = sorted({*self._services.runs.activity()})
        for number, link in enumerate(list(self.links.values())):
            if number == 0 and waiting:
                link.post(m.TakeUp(waiting))
            link.post(m.Leaving())
            link.flush()
        try:
            await self._cluster.leave()
        except GatewayError as exc:
            log.warning("the other gateways notice only by themselves that this one is gone: %s", exc)
        for task in self._tasks:
            task.cancel()
        for link in list(self.links.values()):
            self._drop(link)
        self.homes.clear()

    def tick(self) -> None:
        """The work of each second."""
        self.homes.release_idle()
        self._replicas.tell_activity(self.links.values())
        for conn_id in [id_ for id_ in self._congested if id_ not in self._clients or not self._reads_slowly(id_)]:
            self._congested.discard(conn_id)
            self._tell(m.Congested(conn_id, yes=False))

    def _reads_slowly(self, conn_id: str) -> bool:
        return self._clients[conn_id].congested()

    def _busy(self, key: str) -> bool:
        services = self._services
        return is_temporary(key) or services.runs.occupied(key) or services.runs.hands.running.going_on(key)

    async def _claim(self, key: str) -> None:
        await self.homes.find(key)

    def _run(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("%s failed", task.get_name(), exc_info=error)

    # -- own clients ------------------------------------------------------------------------------------------------
    def dispatch(
        self, caller: Connection, request: Request, send: Callable[[bytes], None]
    ) -> Coroutine[Any, Any, None] | None:
        """As ``dispatch.dispatch``, wherever it is carried out."""
        return self.router.dispatch(caller, request, send)

    def joined(self, client: Connection) -> None:
        """A client of this gateway has connected."""
        self._clients[client.conn_id] = client
        self._tell(m.Clients([facts_of(client)]))

    def changed(self, client: Connection) -> None:
        """The rights or subscriptions of a client are others."""
        if client.conn_id in self._clients:
            self._tell(m.Clients([facts_of(client)]))

    def left(self, client: Connection) -> None:
        """A client of this gateway has disconnected."""
        if self._clients.pop(client.conn_id, None) is not None:
            for link in self.links.values():
                link.seen_at.pop(client.conn_id, None)
            self._tell(m.Gone(client.conn_id))

    def _tell(self, *messages: m.Message) -> None:
        for link in self.links.values():
            link.post(*messages)

    # -- Listener ---------------------------------------------------------------------------------------------------
    def arrived(self, member: str) -> None:
        link = self.links[member] = Link(
            member,
            lambda message, at_once: self._cluster.send(member, message, at_once=at_once),
            lambda: self._replicas.tell_activity([link]),
        )
        self._introduce(link)

    def _introduce(self, link: Link) -> None:
        link.told.clear()
        link.post(m.Clients([facts_of(client) for client in self._clients.values()], whole=True))
        link.post(*self._replicas.all())

    def departed(self, member: str, sessions: Sequence[str]) -> None:
        link = self.links.pop(member, None)
        if link is not None:
            self._drop(link)
            if not link.leaving:
                log.warning("gateway %s is gone; %d of its sessions go on here", member[:8], len(sessions))
                since = time.monotonic() - TAIL_S
                self._resume(id_ for id_, at in list(link.seen_at.items()) if at >= since)
        self.homes.departed(member)
        self._take_over(sessions)
        if heirlooms := self._heirlooms.pop(member, ()):
            self._run(self._inherit(heirlooms), "inherit")

    def gap(self, member: str) -> None:
        if (link := self.links.get(member)) is not None:
            log.warning("messages of gateway %s were lost; clients resume", member[:8])
            self._resume(list(self._clients))
            link.post(m.Lost())
            self._lose(link)

    def fenced(self) -> None:
        log.error("the other gateways took this one for dead; its clients resume at one that lives")
        for link in list(self.links.values()):
            self._drop(link)
        self.links.clear()
        self._services.runs.abandon()
        self.homes.clear()
        self._resume(list(self._clients))

    def _lose(self, link: Link) -> None:
        """Nothing that the other gateway was asked so far is answered."""
        asked = list(link.asked.values())
        link.asked.clear()
        for each in asked:
            each.lose()

    def _resume(self, conn_ids: Iterable[str]) -> None:
        """Close clients, which come back and get exactly what they lack."""
        for conn_id in list(conn_ids):
            if (client := self._clients.get(conn_id)) is not None:
                client.close(CloseCode.RESTART, "service restart")

    def _drop(self, link: Link) -> None:
        link.end()
        for client in list(link.clients.values()):
            self._forget(link, client)
        self._replicas.forget(link.member)
        self._run(self._replicas.forget_temporary(link.member), "forget temporary sessions")

    def _forget(self, link: Link, client: RemoteConnection) -> None:
        del link.clients[client.conn_id]
        self._services.events.connections.discard(client)
        self._services.peers.nodes.left(client)
        self._services.peers.presence.left(client)

    # -- taking over ------------------------------------------------------------------------------------------------
    def _take_over(self, sessions: Iterable[str]) -> None:
        if new := self.homes.took_over(sessions):
            self._run(self._take_up(new), "take up")

    async def _take_up(self, sessions: Collection[str]) -> None:
        """Take up the work of sessions, as soon as storage lets it; requests about them wait until then."""
        told = False
        try:
            while True:
                try:
                    await self._services.runs.take_over(sessions)
                except Unavailable as exc:
                    if not told:
                        log.error(
                            "what was going on in %d sessions cannot be taken up yet: %s", len(list(sessions)), exc
                        )
                    told = True
                    await asyncio.sleep(TRY_AGAIN_S)
                else:
                    return
        finally:
            self.homes.taken_up(sessions)

    async def _inherit(self, sessions: Iterable[str]) -> None:
        """Claim sessions of a gateway that has left; one that another has claimed meanwhile is taken up there."""
        for key in sessions:
            home = await self.homes.find(key)
            if home == self._cluster.member:
                self._take_over([key])
            elif (link := self.links.get(home)) is not None:
                link.post(m.TakeUp([key], now=True))

    # -- what others tell -------------------------------------------------------------------------------------------
    def received(self, sender: str, message: bytes) -> None:
        link = self.links.get(sender)
        if link is None:
            log.debug("a message of %s, which is not known", sender[:8])
            return
        for each in m.decode(message):
            try:
                if (taker := self._takers.get(type(each))) is not None:
                    taker(link, each)
                elif (work := self._replicas.take(link.member, each)) is not None:
                    self._run(work, type(each).__name__)
            except Exception:  # a message that fails must not keep the next ones from being taken
                log.exception("message %s of another gateway", type(each).__name__)

    @cached_property
    def _takers(self) -> Mapping[type[m.Message], Callable[[Link, Any], None]]:
        """By the type of message; all others are for ``Replicas``."""
        return {
            m.Event: self._deliver,
            m.Ask: self._serve,
            m.Answer: self._answered,
            m.Done: self._answered,
            m.Clients: self._meet,
            m.Gone: self._part,
            m.Close: self._close,
            m.Subscribed: self._subscribe,
            m.Congested: self._hold,
            m.TakeUp: self._hand_on,
            m.Leaving: self._leaves,
            m.Lost: self._lost,
        }

    def _serve(self, link: Link, ask: m.Ask) -> None:
        if (rest := self.router.serve(link, ask)) is not None:
            self._run(rest, ask.method)

    def _answered(self, link: Link, message: m.Answer | m.Done) -> None:
        asked = link.asked.get(message.number)
        if asked is None:
            return
        if isinstance(message, m.Answer):
            asked.send(message.frame)
            if asked.waits is not None:
                link.saw(asked.waits)
        else:
            del link.asked[message.number]
            asked.end("moved" if message.moved else "done")

    def _part(self, link: Link, message: m.Gone) -> None:
        if (client := link.clients.get(message.conn_id)) is not None:
            self._forget(link, client)

    def _close(self, link: Link, message: m.Close) -> None:
        if (client := self._clients.get(message.conn_id)) is not None:
            client.close(message.code, message.reason)

    def _subscribe(self, link: Link, message: m.Subscribed) -> None:
        if (client := self._clients.get(message.conn_id)) is not None:
            (client.unsubscribe if message.off else client.subscribe)(*message.keys)

    def _hold(self, link: Link, message: m.Congested) -> None:
        if (client := link.clients.get(message.conn_id)) is not None:
            client.set_congested(message.yes)

    def _hand_on(self, link: Link, message: m.TakeUp) -> None:
        if message.now:
            self._take_over(message.sessions)
        else:
            self._heirlooms[link.member] = message.sessions

    def _leaves(self, link: Link, message: m.Leaving) -> None:
        link.leaving = True

    def _lost(self, link: Link, message: m.Lost) -> None:
        self._lose(link)
        self._introduce(link)

    def _deliver(self, link: Link, event: m.Event) -> None:
        if event.name == "node.invoke.request":
            asked_by = self.router.asked_by
            asked_by[str(msgspec.json.decode(event.payload)["id"])] = link.member
            while len(asked_by) > MAX_INVOCATIONS:
                del asked_by[next(iter(asked_by))]
        for conn_id in event.to:
            client = self._clients.get(conn_id)
            if client is None:
                continue
            client.send_event(event.name, event.payload, event.state_version)
            if event.name in _OF_SESSIONS:
                link.saw(client)
            if conn_id not in self._congested and client.congested():
                self._congested.add(conn_id)
                self._tell(m.Congested(conn_id, yes=True))

    def _meet(self, link: Link, message: m.Clients) -> None:
        if message.whole:
            link.introduced.set()
            here = {facts.conn_id for facts in message.clients}
            for gone in [client for id_, client in link.clients.items() if id_ not in here]:
                self._forget(link, gone)
        for facts in message.clients:
            if (known := link.clients.get(facts.conn_id)) is not None:
                known.adopt(facts)
                continue
            client = link.clients[facts.conn_id] = RemoteConnection(facts, link)
            self._services.events.connections.add(client)
            self._services.peers.presence.joined(client)
