"""State in memory that the other gateways have to know: told when it changes, and whole to a newcomer."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from typing import Any

from ...protocol.schema import PairingRequest
from ...store.api import Session
from ..access.identity import Identity
from ..connections.logout import leave_all
from ..methods.auth import load_logged_out
from ..methods.config import poll_file
from ..services import Services
from . import messages as m
from .link import Link
from .router import Router


class Replicas:
    """The parts of the gateway's memory that are told to the others."""

    def __init__(self, services: Services, router: Router, tell: Callable[[m.Message], None]) -> None:
        self._services, self._router, self._tell = services, router, tell
        self._activity: dict[str, tuple[str, bool, int]] = {}
        """Session of another gateway → that gateway, whether a reply is being written, the number in line."""
        services.sessions.elsewhere = self._activity
        self._own_temporary: dict[str, Session] = {}
        self._temporary: dict[str, tuple[str, str]] = {}
        """Temporary session of another gateway → that gateway, and its current transcript."""
        self._transcripts: dict[str, str] = {}
        router.transcripts = self._transcripts

    def connect(self) -> None:
        """From now on, hear of each change."""
        services = self._services
        services.runs.approvals.tell = self._tell_question
        services.sessions.tell_temporary = self._tell_temporary
        services.peers.presence.tell_beacon = lambda key, row: self._tell(m.Beacon(key, dict(row)))
        services.runs.events.tell_end = lambda run_id: self._tell(m.Ended(run_id))
        services.access.auth.tell_failed = lambda client: self._tell(m.LoginFailed(client))
        services.access.devices.tell_others = self._tell_pairing
        services.access.devices.tell_saved = lambda device_id: self._tell(m.Changed("device", device_id))
        services.peers.nodes.tell_others = self._tell_node_pairing
        services.others.tell = lambda what, id_: self._tell(m.Changed(what, id_))

    def all(self) -> Iterator[m.Message]:
        """All that a newcomer has to know."""
        services = self._services
        for key, session in self._own_temporary.items():
            yield m.Temporary(key, session)
        for device, row in services.peers.presence.beacons():
            yield m.Beacon(device, dict(row))
        for record in services.runs.approvals.own_rows():
            yield m.Question(dict(record))
        for asked, asker in services.access.devices.asking():
            yield m.Pairing(asked, asker)
        for request in services.peers.nodes.waiting().values():
            yield m.NodePairing(request)

    # -- telling ----------------------------------------------------------------------------------------------------
    def tell_activity(self, links: Iterable[Link]) -> None:
        """Tell which sessions are busy, where that is another than what was told last."""
        now = self._services.runs.activity()
        for link in links:
            if link.told == now:
                continue
            rows = [(key, *row) for key, row in now.items() if link.told.get(key) != row]
            rows += [(key, False, 0) for key in link.told if key not in now]
            link.told = now
            link.post(m.Activity(rows))

    def _tell_temporary(self, key: str, session: Session | None) -> None:
        if session is None:
            self._own_temporary.pop(key, None)
        else:
            self._own_temporary[key] = session
        self._tell(m.Temporary(key, session))

    def _tell_question(self, record: Mapping[str, Any], *, waits: bool) -> None:
        self._tell(m.Question(dict(record)) if waits else m.QuestionClosed(str(record["id"])))

    def _tell_pairing(self, asked: PairingRequest, asker: Identity | None) -> None:
        self._tell(m.PairingClosed(asked.request_id) if asker is None else m.Pairing(asked, asker))

    def _tell_node_pairing(self, request: Mapping[str, Any], waits: bool) -> None:
        self._tell(m.NodePairing(dict(request)) if waits else m.NodePairingClosed(str(request["requestId"])))

    # -- being told -------------------------------------------------------------------------------------------------
    def take(self, member: str, message: m.Message) -> Coroutine[Any, Any, None] | None:
        """Take note of what another gateway tells. Returns what is left to be done, if anything is."""
        services = self._services
        match message:
            case m.Activity():
                self._take_activity(member, message)
            case m.Temporary():
                return self._know(member, message.key, message.session)
            case m.Beacon():
                services.peers.presence.beacon_elsewhere(message.key, message.row)
            case m.Question():
                id_ = str(message.record["id"])
                services.runs.approvals.elsewhere[id_], self._router.questions[id_] = message.record, member
            case m.QuestionClosed():
                self._close(message.id)
            case m.Ended():
                services.runs.events.ended_elsewhere(message.run_id)
            case m.LoginFailed():
                services.access.auth.failed_elsewhere(message.client)
            case m.Changed():
                return self._reload(message.what, message.id)
            case _:
                self._take_pairing(message)
        return None

    def _take_pairing(self, message: m.Message) -> None:
        devices, nodes = self._services.access.devices, self._services.peers.nodes
        match message:
            case m.Pairing():
                devices.asked_elsewhere(message.asked, message.asker)
            case m.PairingClosed():
                devices.answered_elsewhere(message.request_id)
            case m.NodePairing():
                nodes.waiting()[str(message.request["requestId"])] = message.request
            case m.NodePairingClosed():
                nodes.waiting().pop(message.request_id, None)

    def _take_activity(self, member: str, message: m.Activity) -> None:
        for key, running, queued in message.rows:
            if running or queued:
                self._activity[key] = (member, running, queued)
            elif self._activity.get(key, (member,))[0] == member:
                self._activity.pop(key, None)

    def _know(self, member: str, key: str, session: Session | None) -> Coroutine[Any, Any, None]:
        if (known := self._temporary.pop(key, None)) is not None:
            self._transcripts.pop(known[1], None)
        if session is not None:
            self._temporary[key] = member, session.session_id
            self._transcripts[session.session_id] = key
        return self._services.store.know_elsewhere(key, session)

    def _close(self, id_: str) -> None:
        self._services.runs.approvals.elsewhere.pop(id_, None)
        self._router.questions.pop(id_, None)

    async def _reload(self, what: str, id_: str) -> None:
        services = self._services
        if what == "device":
            await services.access.devices.reload(id_)
            services.access.on_void()
        elif what == "logged-out":
            await load_logged_out(services)
            services.access.on_void()
        elif what == "logins":
            if services.access.auth.generation() != id_:  # the cookies here are signed with a secret of their own
                services.access.auth.log_out_everywhere()
            leave_all(services.access, services.events)
        elif what == "config":
            poll_file(services)

    async def forget_temporary(self, member: str) -> None:
        """A gateway is gone, and its temporary sessions with it. Raises the store's errors."""
        for key in [key for key, (owner, _) in self._temporary.items() if owner == member]:
            await self._know(member, key, None)
            self._services.sessions.announce_deleted(key, only=lambda client: not client.remote)

    def forget(self, member: str) -> None:
        """A gateway is gone."""
        for id_ in [id_ for id_, at in self._router.questions.items() if at == member]:
            self._close(id_)
        for key in [key for key, row in self._activity.items() if row[0] == member]:
            del self._activity[key]
        for id_ in [id_ for id_, at in self._router.asked_by.items() if at == member]:
            del self._router.asked_by[id_]
