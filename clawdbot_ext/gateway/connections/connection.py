"""One client's connection: its protocol state, its scopes, and the events it may receive.

The server's WebSocket handler gives a ``Peer`` and feeds text frames; ``gateway.dispatch`` answers the requests.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, Protocol

from ...i18n import language
from ...protocol import frames
from ...protocol.clock import now_ms
from ...protocol.connection import Handshake, Reject, ServerConnection
from ...protocol.errors import GatewayError, RateLimited
from ...protocol.frames import CloseCode
from ...protocol.schema import CAP_APPEND, CAP_SUBSCRIBE, SCOPE_APPROVALS, Event, Role
from .. import error_texts
from ..access.rate_limits import IDENTITY_FACTOR, Bucket
from .handshake import ConnectGrant, authorize_connect, authorize_device
from .peer import Peer

if TYPE_CHECKING:
    from ..access.control import AccessControl
    from ..access.identity import DeviceMark, Identity

log = logging.getLogger(__name__)

MAX_IN_FLIGHT = 64
"""Requests of one connection that may wait for an answer at the same time."""
REQUESTS_SETTING: Literal["gateway.requestsPerMinute"] = "gateway.requestsPerMinute"
MAX_UNREAD = 32 * 1024 * 1024
"""Bytes of answers, some of 6 MB, that a client may leave unread: more than a reading client ever has outstanding."""
NATIVE_APPS = frozenset(
    f"{name}-{system}" for name in ("clawdbot", "moltbot") for system in ("macos", "ios", "android")
)
"""Client ids that, in mode ``ui``, show a growing reply from ``agent`` events rather than ``chat`` deltas."""
NODE_EVENTS = frozenset({"chat", "agent"})
"""Events a node receives of a session that it subscribed to."""


DeltaKind = Literal["append", "message", "assistant"]
"""The form of deltas: new text only (``append``), or the whole text in ``chat`` or in ``agent`` events."""


class ConnectionHost(Protocol):
    """The owner of connections, as far as they need it."""

    access: AccessControl

    def dispatch(
        self, connection: Connection, request: frames.Request, send: Callable[[bytes], None]
    ) -> Coroutine[Any, Any, None] | None:
        """Answer one request; ``send`` takes response frames. Returns what is left to be done, if anything is."""

    def hello(self, connection: Connection) -> dict[str, Any]:
        """The payload of ``hello-ok``."""

    def joined(self, connection: Connection) -> None:
        """The handshake is done."""

    def left(self, connection: Connection) -> None:
        """The connection is closed, or about to be."""

    def changed(self, connection: Connection) -> None:
        """The rights or the subscriptions of the connection are others."""


class Connection:
    """A connected client, from its first frame to its last.

    The server calls ``receive`` and ``on_disconnect``, on the event loop.
    """

    remote = False
    """The socket is another gateway's (``connections.remote``)."""

    def __init__(self, host: ConnectionHost, peer: Peer):
        config = host.access.config()
        self._host, self.peer = host, peer
        self.conn_id = uuid.uuid4().hex
        self.identity: Identity | None = None
        self.role: Role = "operator"
        self.scopes: frozenset[str] = frozenset()
        self.caps: frozenset[str] = frozenset()
        self.device_id: str | None = None
        self.commands: frozenset[str] = frozenset()
        """Of a node: the commands it offers."""
        self.permissions: Mapping[str, bool] = {}
        self.subscribed: set[str] = set()
        """Session keys; see ``may_receive``."""
        self.deltas: DeltaKind = "message"
        self.locale = "en"
        self.info: dict[str, Any] = {}
        self.connected_at = 0
        self._max_buffered = config["gateway.maxBufferedBytes"]
        self._asked_for = 0
        """Bytes unread after the last response: a long history on a slow line is no sign of a dead client."""
        self._requests = Bucket(config[REQUESTS_SETTING])
        self._protocol = ServerConnection(config["gateway.maxPayloadBytes"])
        self._tasks: set[asyncio.Task[None]] = set()
        self._gone = False
        self._joining: list[str | bytes] | None = None
        self._timeout = asyncio.get_running_loop().call_later(
            config["gateway.handshakeTimeoutMs"] / 1000, self.close, CloseCode.POLICY, "handshake timeout"
        )
        peer.send(self._protocol.challenge(str(uuid.uuid4()), now_ms()))

    # -- in ---------------------------------------------------------------------------------------------------------
    def receive(self, text: str | bytes) -> Awaitable[None] | None:
        """Process one frame; binary frames arrive as ``bytes`` and are refused.

        A large one is read beside the loop: the next frame should wait for the task that is returned.
        """
        if self._gone:
            return None
        if isinstance(text, bytes):
            self.close(CloseCode.UNSUPPORTED, "binary frames are not part of the protocol")
            return None
        if self._joining is not None:  # a device is being looked up; a client need not send before the response
            if len(self._joining) >= MAX_IN_FLIGHT:
                self.close(CloseCode.POLICY, "too many frames before the handshake was answered")
            else:
                self._joining.append(text)
            return None
        if self.identity is not None and len(text) > frames.LARGE_BYTES:
            return asyncio.create_task(self._receive_large(text), name=f"frame {self.conn_id[:8]}")
        self._process(self._protocol.receive(text))
        return None

    async def _receive_large(self, text: str) -> None:
        got = await asyncio.to_thread(self._protocol.receive, text)
        if not self._gone:
            self._process(got)

    def _process(self, got: Handshake | frames.Request | Reject) -> None:
        if isinstance(got, Reject):
            self._reject(got)
        elif isinstance(got, Handshake):
            self._connect(got)
        elif often := self._too_often():
            self.peer.send(frames.failure(got.id, error_texts.to_wire(often, self.locale)))
        elif len(self._tasks) >= MAX_IN_FLIGHT:
            busy = RateLimited(f"more than {MAX_IN_FLIGHT} requests in flight", retry_after_ms=250)
            self.peer.send(frames.failure(got.id, error_texts.to_wire(busy, self.locale)))
        elif (rest := self._host.dispatch(self, got, self._answer)) is not None:
            self._task(rest, got.method)

    def _too_often(self) -> RateLimited | None:
        """Count a request, of the connection and of its user. The error tells the limit, and where to raise it."""
        limit = self._host.access.config()[REQUESTS_SETTING]
        user = self.identity.user if self.identity is not None else ""
        if wait := self._requests.consume(limit):
            whose = "connection"
        elif wait := self._host.access.requests.consume(user, limit):
            limit, whose = limit * IDENTITY_FACTOR, "user"
        else:
            return None
        return RateLimited(
            f"too many requests: {limit} a minute, by the owner's setting {REQUESTS_SETTING}",
            retry_after_ms=wait,
            limit=limit,
            per=whose,
            setting=REQUESTS_SETTING,
        )

    def _task(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=f"{name} {self.conn_id[:8]}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _answer(self, frame: bytes) -> None:
        if self._gone:
            return
        if self.peer.buffered() + len(frame) > MAX_UNREAD:
            self._close_slow()
            return
        self.peer.send(frame)
        self._asked_for = self.peer.buffered()

    def _connect(self, handshake: Handshake) -> None:
        """Answer a ``connect``: at once, unless a device has to be looked up or written down."""
        if handshake.params.device is not None:
            self._joining = []
            self._task(self._connect_device(handshake), "connect")
            return
        try:
            grant = authorize_connect(self._host.access, self.peer, handshake.params)
        except GatewayError as exc:
            self._refuse(handshake, exc)
        else:
            self._welcome(handshake, grant)

    async def _connect_device(self, handshake: Handshake) -> None:
        try:
            grant = await authorize_device(self._host.access, self.peer, handshake.params, self._protocol.nonce)
        except GatewayError as exc:
            self._refuse(handshake, exc)
            return
        early, self._joining = self._joining or [], None
        if self._gone:
            return
        self._welcome(handshake, grant)
        for text in early:
            self.receive(text)

    def _refuse(self, handshake: Handshake, error: GatewayError) -> None:
        client = handshake.params.client.id[:64]
        log.info("connect refused (%s) for %s %s", error.reason, client, self.peer.client_key)
        if not self._gone:
            self._reject(self._protocol.refuse(handshake.request_id, error))

    def _welcome(self, handshake: Handshake, grant: ConnectGrant) -> None:
        params = handshake.params
        self._timeout.cancel()
        self.identity, self.role, self.scopes = grant.identity, grant.role, grant.scopes
        self.device_id = grant.device_id
        self.caps = frozenset(params.caps)
        self.commands = frozenset(params.commands)
        self.permissions = params.permissions or {}
        self.locale = language(params.locale)
        self.info = {
            "id": params.client.id,
            "version": params.client.version,
            "platform": params.client.platform,
            "mode": params.client.mode,
            "displayName": params.client.display_name or params.client.id,
            "deviceFamily": params.client.device_family,
            "modelIdentifier": params.client.model_identifier,
            "instanceId": params.client.instance_id or self.device_id or self.conn_id,
            "serverId": params.client.server_id or "",
        }
        self.deltas = self._delta_kind()
        self.connected_at = now_ms()
        self._protocol.welcome()
        self.peer.on_authenticated()
        hello = self._host.hello(self)
        if grant.issued is not None:
            hello["auth"] = grant.issued
        self.peer.send(frames.response(handshake.request_id, hello))
        self._host.joined(self)
        # Written down once the answer is out: it takes longer than all the rest.
        asyncio.get_running_loop().call_soon(self._note_connected, grant.identity.via)

    def _note_connected(self, via: str) -> None:
        self._host.access.auth.note(
            "connected", {**self.audit_fields(), "program": self.info["displayName"], "role": self.role}
        )
        log.info(
            "%s %s connected from %s by %s",
            self.role,
            self.info["displayName"],
            self.peer.client_key,
            via,
        )

    def _delta_kind(self) -> DeltaKind:
        if self.role == "node" or (self.info["mode"] == "ui" and self.info["id"] in NATIVE_APPS):
            return "assistant"
        return "append" if CAP_APPEND in self.caps else "message"

    def on_disconnect(self) -> None:
        """Handle a closed socket. Requests under way go on and take effect."""
        self._gone = True
        self._timeout.cancel()
        self._host.left(self)

    def goes_on_as(self, mark: DeviceMark) -> None:
        """Adopt the device's new token, which the caller has received, perhaps with fewer scopes."""
        assert self.identity is not None
        others = tuple(each for each in self.identity.devices if each[:2] != mark[:2])
        self.identity = replace(self.identity, devices=(*others, mark))
        self.scopes &= self._host.access.auth.device_scopes(mark) or frozenset()
        self._host.changed(self)

    def subscribe(self, *keys: str) -> None:
        """Receive the events of these sessions, too."""
        if not self.subscribed.issuperset(keys):
            self.subscribed.update(keys)
            self._host.changed(self)

    def unsubscribe(self, *keys: str) -> None:
        """Receive the events of these sessions no more."""
        self.subscribed.difference_update(keys)
        self._host.changed(self)

    def standing(self) -> Identity:
        """The identity limited to this connection's scopes, for credentials that it creates."""
        assert self.identity is not None
        return replace(self.identity, scopes=self.scopes & self.identity.scopes, role=self.role)

    def asker(self) -> dict[str, Any]:
        """Facts about the sender of a message that its run keeps: ``guest`` may decide nothing, so tools do nothing for
        them."""
        facts: dict[str, Any] = {"instanceId": self.info["instanceId"]}
        return facts if SCOPE_APPROVALS in self.scopes else {**facts, "guest": True}

    def audit_fields(self) -> dict[str, str]:
        """The user, the authentication method and the address, for the audit log."""
        identity = self.identity
        known = {"user": identity.user, "via": identity.via} if identity is not None else {}
        return {**known, "client": self.peer.client_key}

    # -- out --------------------------------------------------------------------------------------------------------
    def may_receive(self, event: Event, session: str | None = None) -> bool:
        """Whether this client may receive the event (of that session).

        A node gets what is for everybody, and ``NODE_EVENTS`` of the sessions it subscribed to. An operator gets what
        its scopes and caps allow; with the cap ``sessions.subscribe``, of its own sessions only.
        """
        if self.role == "node":
            return (not event.scope and event.cap is None) or (event.name in NODE_EVENTS and session in self.subscribed)
        if (event.cap is not None and event.cap not in self.caps) or (event.scope and event.scope not in self.scopes):
            return False
        return session is None or CAP_SUBSCRIBE not in self.caps or session in self.subscribed

    def send_event(self, name: str, payload: bytes, state_version: Mapping[str, int] | None = None) -> None:
        """Send an encoded event payload; a client that does not read is closed with 1013 and may resume."""
        if self._gone:
            return
        unread = self.peer.buffered()
        if unread < self._asked_for:
            self._asked_for = unread
        elif unread > self._asked_for + self._max_buffered:  # not counting this one, which may be long by itself
            self._close_slow()
            return
        self.peer.send(self._protocol.event(name, payload, state_version))

    def congested(self) -> bool:
        """Whether so much is unread that deltas are held back and joined until it has drained."""
        return self.peer.buffered() > self._max_buffered // 8

    def close(self, code: int, reason: str) -> None:
        if not self._gone:
            self._gone = True
            self._timeout.cancel()
            self._host.left(self)
            self.peer.close(code, reason[:120])

    def _close_slow(self) -> None:
        log.warning("client %s does not read, closing", self.info.get("id"))
        self.close(CloseCode.SLOW, "slow consumer")

    def _reject(self, reject: Reject) -> None:
        self.peer.send(reject.frame)
        if reject.close is not None:
            self.close(reject.close, reject.reason)
