"""One connected client: its protocol state, its rights, and what may be sent to it.

Above sits the edge (``handlers.py``), which gives a ``Peer`` and feeds text; below sits ``methods.dispatch``.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from typing import TYPE_CHECKING, Any, Protocol

from ..i18n import language
from ..protocol import frames
from ..protocol.clock import now_ms
from ..protocol.connection import Handshake, Reject, ServerConnection
from ..protocol.errors import GatewayError, RateLimited
from ..protocol.frames import CloseCode, Request
from ..protocol.schema import SCOPE_ADMIN, SCOPE_READ, SCOPE_WRITE, ConnectParams
from .methods import dispatch

if TYPE_CHECKING:
    from .auth import Identity
    from .core import Gateway

log = logging.getLogger(__name__)

MAX_IN_FLIGHT = 64
"""Requests of one connection that may wait for an answer at the same time."""


class Peer(Protocol):
    """The transport as the gateway sees it. ``send`` and ``close`` never block and never raise."""

    client_key: str
    """Who is counted together by the limits: the address, normalised."""
    identity: Identity | None
    """Known since the upgrade (cookie, bearer token, Jupyter), or ``None``: then ``connect`` must say."""

    def send(self, frame: bytes) -> None: ...
    def buffered(self) -> int:
        """Bytes taken by ``send`` that the operating system has not taken yet."""
        ...

    def close(self, code: int, reason: str) -> None: ...


class Client:
    """A socket from its first frame to its last. ``receive`` and ``lost`` are called by the edge, on the loop."""

    def __init__(self, gateway: Gateway, peer: Peer):
        config = gateway.live()
        self.gateway, self.peer = gateway, peer
        self.conn_id = uuid.uuid4().hex
        self.identity: Identity | None = None
        self.scopes: frozenset[str] = frozenset()
        self.caps: frozenset[str] = frozenset()
        self.locale = "en"
        self.info: dict[str, Any] = {}
        self.connected_at = 0
        self._max_buffered: int = config["gateway.maxBufferedBytes"]
        self._protocol = ServerConnection(config["gateway.maxPayloadBytes"])
        self._tasks: set[asyncio.Task[None]] = set()
        self._gone = False
        self._timeout = asyncio.get_running_loop().call_later(
            config["gateway.handshakeTimeoutMs"] / 1000, self.close, CloseCode.POLICY, "handshake timeout")
        peer.send(self._protocol.challenge(str(uuid.uuid4()), now_ms()))

    # -- in ---------------------------------------------------------------------------------------------------------
    def receive(self, text: str | bytes) -> None:
        """Take one frame; binary frames arrive as ``bytes`` and are refused."""
        if self._gone:
            return
        if isinstance(text, bytes):
            self.close(CloseCode.UNSUPPORTED, "binary frames are not part of the protocol")
            return
        got = self._protocol.receive(text)
        if isinstance(got, Reject):
            self._reject(got)
        elif isinstance(got, Handshake):
            self._connect(got)
        elif len(self._tasks) >= MAX_IN_FLIGHT:
            busy = RateLimited(f"more than {MAX_IN_FLIGHT} requests in flight", retry_after_ms=250)
            self.peer.send(frames.failure(got.id, busy.to_wire()))
        else:
            task = asyncio.create_task(self._answer(got), name=f"{got.method} {self.conn_id[:8]}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _answer(self, request: Request) -> None:
        frame = await dispatch(self.gateway, self, request)
        if not self._gone:
            self.peer.send(frame)

    def _connect(self, handshake: Handshake) -> None:
        params = handshake.params
        try:
            identity = self.peer.identity or self.gateway.auth.check_connect(params.auth, self.peer.client_key)
        except GatewayError as exc:
            log.info("connect refused (%s) for %s %s", exc.reason, params.client.id[:64], self.peer.client_key)
            self._reject(self._protocol.refuse(handshake.request_id, exc))
            return
        self._timeout.cancel()
        self.identity = identity
        self.scopes = _granted(params, identity)
        self.caps = frozenset(params.caps)
        self.locale = language(params.locale)
        self.info = {"id": params.client.id, "version": params.client.version, "platform": params.client.platform,
                     "mode": params.client.mode, "displayName": params.client.display_name or params.client.id,
                     "instanceId": params.client.instance_id or self.conn_id}
        self.connected_at = now_ms()
        self._protocol.welcome()
        self.peer.send(frames.response(handshake.request_id, self.gateway.hello(self)))
        self.gateway.joined(self)

    def lost(self) -> None:
        """The socket is closed. Requests under way go on: what was asked still takes effect."""
        self._gone = True
        self._timeout.cancel()
        self.gateway.left(self)

    # -- out --------------------------------------------------------------------------------------------------------
    def send_event(self, name: str, payload: bytes) -> None:
        """Send an encoded event payload; a client that does not read is closed with 1013 and may resume."""
        if self._gone:
            return
        if self.peer.buffered() + len(payload) > self._max_buffered:
            log.warning("client %s does not read, closing", self.info.get("id"))
            self.close(CloseCode.SLOW, "slow consumer")
            return
        self.peer.send(self._protocol.event(name, payload))

    def congested(self) -> bool:
        """Too much is waiting to be read: deltas are held back and joined until it has drained."""
        return self.peer.buffered() > self._max_buffered // 8

    def close(self, code: int, reason: str) -> None:
        if not self._gone:
            self._gone = True
            self._timeout.cancel()
            self.gateway.left(self)
            self.peer.close(code, reason[:120])

    def _reject(self, reject: Reject) -> None:
        self.peer.send(reject.frame)
        if reject.close is not None:
            self.close(reject.close, reject.reason)


def _granted(params: ConnectParams, identity: Identity) -> frozenset[str]:
    """Requested ∩ allowed; nothing requested means all that is allowed; admin includes reading and writing."""
    scopes = identity.scopes if params.scopes is None else identity.scopes & frozenset(params.scopes)
    return scopes | {SCOPE_READ, SCOPE_WRITE} if SCOPE_ADMIN in scopes else scopes
