"""A WebSocket as the gateway sees it: ``gateway.client.Peer`` on Tornado."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import struct
import time
from typing import TYPE_CHECKING, Any, cast

from tornado.httputil import HTTPServerRequest
from tornado.iostream import StreamClosedError
from tornado.websocket import WebSocketHandler, WebSocketProtocol13

from .crowd import RETRY_AFTER_S
from .gateway.auth import Identity
from .protocol.frames import MAX_BEFORE_CONNECT, MAX_FRAME_BYTES, CloseCode

if TYPE_CHECKING:
    from .edge import Edge
    from .gateway.client import Client

PING_SECONDS = 30.0
"""Below the 60 s after which proxies cut what is silent; without a pong in the same time the socket is closed."""
MAX_ANONYMOUS_BYTES = 4 * MAX_BEFORE_CONNECT
"""The transport's limit before ``connect`` was answered; what is between it and the protocol's own is refused in words.
"""
SWALLOW_BYTES, SWALLOW_S = 2 * MAX_FRAME_BYTES, 5.0
"""How much of a frame that is too large is read and thrown away, so that its sender sees why the socket is closed."""

_TEXT_FIN = 0x81


class Protocol(WebSocketProtocol13):
    """Tornado's protocol that says 1007 to invalid UTF-8 and 1009 to a frame too large instead of vanishing.

    Overrides private methods, which have been the same since Tornado 4; tests hold on to them.
    """

    _too_big = False
    _swallowing: asyncio.Task[None] | None = None

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        self._too_big = self._too_big or (code == CloseCode.TOO_BIG and not self.server_terminated)
        super().close(code, reason)

    def _abort(self) -> None:
        """Tornado cuts the connection off right behind its 1009: with data unread the peer gets a reset, no code."""
        if not self._too_big or self.stream.closed() or self._swallowing is not None:
            super()._abort()
            return
        self.client_terminated = True
        self._swallowing = asyncio.create_task(self._swallow())

    async def _swallow(self) -> None:
        left, ends = SWALLOW_BYTES, time.monotonic() + SWALLOW_S
        with contextlib.suppress(StreamClosedError, asyncio.TimeoutError):
            while left > 0 and time.monotonic() < ends:
                left -= len(await asyncio.wait_for(self.stream.read_bytes(65_536, partial=True), SWALLOW_S))
        super()._abort()

    def _handle_message(self, opcode: int, data: bytes) -> asyncio.Future[None] | None:
        if opcode == 0x1 and not self.client_terminated:
            if self.server_terminated:
                return None  # we have said goodbye; what was under way is not looked at
            try:
                text = data.decode("utf-8")
            except UnicodeDecodeError:
                self.close(CloseCode.INVALID_UTF8, "invalid UTF-8")
                return None
            return self._run_callback(self.handler.on_message, text)
        return super()._handle_message(opcode, data)


_FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip", "Via",
              "Cf-Connecting-Ip", "Tailscale-User-Login")
"""Headers by which a proxy gives itself away: behind one, every client seems to come from loopback."""


def is_direct(request: HTTPServerRequest) -> bool:
    """Does a request come from a program on this machine, without a proxy in between?"""
    try:
        local = ipaddress.ip_address((request.remote_ip or "").partition("%")[0])
    except ValueError:
        return False
    mapped = local.ipv4_mapped if isinstance(local, ipaddress.IPv6Address) else None
    return (mapped or local).is_loopback and not any(name in request.headers for name in _FORWARDED)


class PeerSocket(WebSocketHandler):
    """The adapter. A subclass's ``get`` decides who may connect and sets ``identity``, then calls ``super().get()``."""

    edge: Edge
    identity: Identity | None = None
    client_key = ""
    cookie = ""
    """The login cookie that the socket was opened with, if that is how its user is known."""
    direct = False
    _client: Client | None = None
    _unflushed = 0

    async def get(self, *args: Any, **kwargs: Any) -> None:
        """Upgrade, unless the address has too many sockets already."""
        self.client_key = self.edge.client_key(self.request)
        if self.edge.connections.room(self.client_key, self.edge.live()["gateway.connectionsPerAddress"]):
            await super().get(*args, **kwargs)
            return
        self.set_status(429)
        self.set_header("Retry-After", str(RETRY_AFTER_S))
        self.finish({"error": "too many connections from this address", "reason": "TOO_MANY_CONNECTIONS",
                     "retryAfterMs": RETRY_AFTER_S * 1000})

    def open(self, *args: str, **kwargs: str) -> None:
        assert self.ws_connection is not None
        self.set_nodelay(True)
        self.edge.connections.opened(self.client_key)
        self.direct = is_direct(self.request)
        if self.edge.gateway is None:  # stopped while the upgrade was under way
            self.close(CloseCode.RESTART, "the gateway is not running")
        else:
            self._client = self.edge.gateway.accept(self)

    def on_message(self, message: str | bytes) -> None:
        if self._client is not None:
            self._client.receive(message)

    def on_close(self) -> None:
        self.edge.connections.closed(self.client_key)
        if self._client is not None:
            self._client.lost()
            self._client = None

    # -- Peer -------------------------------------------------------------------------------------------------------
    def send(self, frame: bytes) -> None:
        """Send one text frame. The header is built here: Tornado's ``write_message`` makes a task for each message."""
        connection = cast("Protocol | None", self.ws_connection)
        if connection is None or connection.is_closing():
            return
        size = len(frame)
        if size < 126:
            header = struct.pack("!BB", _TEXT_FIN, size)
        elif size < 65536:
            header = struct.pack("!BBH", _TEXT_FIN, 126, size)
        else:
            header = struct.pack("!BBQ", _TEXT_FIN, 127, size)
        try:
            written = connection.stream.write(header + frame)
        except StreamClosedError:
            return  # on_close follows
        if not written.done():
            self._unflushed += size
            written.add_done_callback(lambda _: self._flushed(size))

    def _flushed(self, size: int) -> None:
        self._unflushed -= size

    def buffered(self) -> int:
        """Bytes that the operating system has not taken yet. Tornado's own buffer has no bound, so the gateway asks."""
        return self._unflushed

    def admitted(self) -> None:
        """The client has logged in: frames may be as large as the transport takes."""
        if self.ws_connection is not None:
            cast("Protocol", self.ws_connection).params.max_message_size = MAX_FRAME_BYTES

    # ``close(code, reason)`` is Tornado's: it sends the close frame and cuts the connection 5 s later if need be.

    # -- Tornado's knobs --------------------------------------------------------------------------------------------
    def check_origin(self, origin: str) -> bool:
        """The gate has decided by exact origins; Tornado's rule would let other schemes through."""
        return True

    def get_compression_options(self) -> dict[str, Any] | None:
        """None: deflate costs 160 KB a connection and lets 10 KB from a client grow to 10 MB."""
        return None

    def get_websocket_protocol(self) -> Protocol | None:
        made = cast("WebSocketProtocol13 | None", super().get_websocket_protocol())
        return None if made is None else Protocol(self, mask_outgoing=False, params=made.params)

    @property
    def max_message_size(self) -> int:
        """To begin with; ``admitted`` raises it."""
        return MAX_ANONYMOUS_BYTES

    @property
    def ping_interval(self) -> float:
        return PING_SECONDS

    @property
    def ping_timeout(self) -> float:
        return PING_SECONDS
