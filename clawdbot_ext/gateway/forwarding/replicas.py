"""State in memory that the other gateways have to know: told when it changes, and whole to a newcomer."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from typing import Any

from ...protocol.schema import PairingRequest
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

    def connect(self) -> None:
        """From now on, hear of each change."""
        services = self._services
        services.runs.approvals.tell = self._tell_question
        services.runs.events.tell_end = lambda run_id: self._tell(m.Ended(run_id))
        services.access.auth.tell_failed = lambda client: self._tell(m.LoginFailed(client))
        services.access.devices.tell_others = self._tell_pairing
        services.access.devices.tell_saved = lambda device_id: self._tell(m.Changed("device", device_id))
        services.peers.nodes.tell_others = self._tell_node_pairing
        services.others.tell = lambda what, id_: self._tell(m.Changed(what, id_))

    def all(self) -> Iterator[m.Message]:
        """All that a newcomer has to know."""
        services = self._services
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
            case m.Question():
                id_ = str(message.record["id"])
                services.runs.approvals.elsewhere[id_], self._router.questions[id_] = message.record, member
            case m.QuestionClosed():
                self._close(message.id)
            case m.Ended():
                services.runs.events.ended_elsewhere(message.run_id)
            case m.LoginFailed():
                services.access.auth.failed_elsewhere(message.client)
            case m.Pairing():
                services.access.devices.asked_elsewhere(message.asked, message.asker)
            case m.PairingClosed():
                services.access.devices.answered_elsewhere(message.request_id)
            case m.NodePairing():
                services.peers.nodes.waiting()[str(message.request["requestId"])] = message.request
            case m.NodePairingClosed():
                services.peers.nodes.waiting().pop(message.request_id, None)
            case m.Changed():
                return self._reload(message.what, message.id)
        return None

    def _take_activity(self, member: str, message: m.Activity) -> None:
        for key, running, queued in message.rows:
            if running or queued:
                self._activity[key] = (member, running, queued)
            elif self._activity.get(key, (member,))[0] == member:
                self._activity.pop(key, None)

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

    def forget(self, member: str) -> None:
        """A gateway is gone."""
        for id_ in [id_ for id_, at in self._router.questions.items() if at == member]:
            self._close(id_)
        for key in [key for key, row in self._activity.items() if row[0] == member]:
            del self._activity[key]
        for id_ in [id_ for id_, at in self._router.asked_by.items() if at == member]:
            del self._router.asked_by[id_]
