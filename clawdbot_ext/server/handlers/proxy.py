"""Reverse proxy of a standby's mount to the leader, the process that runs the gateway.

Requests are authenticated here, by Jupyter's login; the leader gets the client credential of the state directory and
the user's name. Bodies, responses and, after an upgrade, all further bytes are forwarded unchanged, so that frames,
pings, close codes and back-pressure are end to end. The routes are those of the mount's own table.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from typing import Any, Protocol
from urllib.parse import quote, urlsplit

from jupyter_server.auth.decorator import allow_unauthenticated
from tornado import web
from tornado.httputil import HTTPHeaders, HTTPInputError
from tornado.iostream import IOStream, StreamClosedError, UnsatisfiableReadError
from tornado.routing import Rule
from tornado.tcpclient import TCPClient
from tornado.web import stream_request_body

from ...client.tls import pinned
from ...config.live import LiveConfig
from ...runtime.secrets import client_credential
from ...runtime.server_info import GatewayInfo
from ..context import ServerContext
from ..net.body_pace import PacedHandler
from ..net.forwarded_headers import RELAYED_SCOPES, RELAYED_USER
from .base import BaseHandler, Upgrade, notice
from .routes import Health, Redirect, Session

CONNECT_SECONDS = 3.0
CHUNK_BYTES = 64 * 1024
LOCAL = (Session, Redirect, Health)
"""Routes that this server answers itself, since only this server knows its user."""

_DROPPED_HEADERS = frozenset(
    {
        "authorization",
        "connection",
        "cookie",
        "expect",
        "forwarded",
        "host",
        "keep-alive",
        "origin",
        "proxy-authorization",
        "referer",
        "te",
        "transfer-encoding",
        "upgrade",
        "via",
        "x-xsrftoken",
        RELAYED_USER.lower(),
        RELAYED_SCOPES.lower(),
    }
)
_DROPPED_PREFIXES = ("sec-fetch-", "x-forwarded-", "x-real-", "proxy-")
_RUN_EVENTS = (b'"event":"chat"', b'"event":"agent"')
"""Marks of a running reply in the gateway's frames, which are not masked."""


class ProxyHost(Protocol):
    """Interface of the standby server for the proxy routes."""

    live: LiveConfig
    host: Any
    """Facts of the Jupyter server: ``mount_path``, ``active()``."""

    @property
    def context(self) -> ServerContext:
        """The context of the server's handlers."""

    async def leader_info(self) -> GatewayInfo | None:
        """Return the leader's address; ``None`` while there is none."""

    def relayed(self) -> None:
        """Called when a request of a logged-in user was sent to the leader."""


def proxy_routes(routes: Sequence[Rule], leadership: ProxyHost) -> list[Rule]:
    """Return a mount's ``routes`` with all but the ``LOCAL`` ones replaced by the proxy."""
    return [
        rule
        if rule.target in LOCAL
        else Rule(
            rule.matcher,
            ProxyWebSocketHandler if isinstance(rule.matcher, Upgrade) else ProxyHandler,
            {"access": rule.target.access, **rule.target_kwargs, "leadership": leadership},
        )
        for rule in routes
    ]


@stream_request_body
class ProxyHandler(PacedHandler, BaseHandler):
    """Proxy of one HTTP request to the leader."""

    leadership: ProxyHost
    _upgrades = False
    _upstream: IOStream | None = None
    _chunked = False

    def initialize(self, *, leadership: ProxyHost, **facts: Any) -> None:  # type: ignore[override]  # the route's
        super().initialize(**facts)
        self.leadership = leadership

    async def prepare(self, **options: Any) -> None:
        """Authenticate the client and connect to the leader before any of the body is read."""
        await super().prepare()
        if not self._finished:  # else it was refused, or Jupyter has led to its login
            known = self.identity
            user = known.user if known else self.current_user.username if self.current_user else ""  # "": what is open
            await self._connect_to_leader(user, known.scopes if known else ())
        if not self._finished:
            self.begin_pace()

    async def _connect_to_leader(self, user: str, scopes: Iterable[str]) -> None:
        if RELAYED_USER in self.request.headers:  # from another standby: the leader has changed meanwhile
            raise web.HTTPError(503)
        leader = await self.leadership.leader_info()
        credential = client_credential(self.leadership.live())
        try:
            if leader is None or credential is None:
                raise OSError
            self._upstream = await _connect(leader.url, leader.tls_fingerprint)
            await self._upstream.write(self._head(leader.url, credential, user, scopes))
            if user:
                self.leadership.relayed()
        except (OSError, StreamClosedError, asyncio.TimeoutError):
            self._upstream = None
            self.set_header("Retry-After", "1")
            notice(self, "page.away")

    def _head(self, url: str, credential: str, user: str, scopes: Iterable[str]) -> bytes:
        """Return the request's head for the leader, without the client's own credentials."""
        request, parts = self.request, urlsplit(url)
        uri = request.uri or ""
        path = parts.path + uri[len(self.leadership.host.mount_path) :]
        self._chunked = "Transfer-Encoding" in request.headers
        lines = [
            f"{request.method} {path} HTTP/1.1",
            f"Host: {parts.netloc}",
            f"Authorization: Bearer {credential}",
            f"{RELAYED_USER}: {quote(user)}",
            f"{RELAYED_SCOPES}: {','.join(sorted(scopes))}",
            *_forwarded_headers(request.headers),
            *(["Connection: Upgrade", "Upgrade: websocket"] if self._upgrades else ["Connection: close"]),
            *(["Transfer-Encoding: chunked"] if self._chunked else []),
        ]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    async def data_received(self, chunk: bytes) -> None:
        await self.paced(chunk, self._forward_chunk(chunk))

    async def _forward_chunk(self, chunk: bytes) -> None:
        """Forward a piece of the body as fast as the leader takes it, unless it has already responded."""
        if self._upstream is not None:
            with contextlib.suppress(StreamClosedError):
                await self._upstream.write(b"%x\r\n%b\r\n" % (len(chunk), chunk) if self._chunked else chunk)

    @allow_unauthenticated  # prepare has decided
    async def get(self, *args: str) -> None:
        self.end_pace()
        assert self._upstream is not None
        if self._chunked:
            with contextlib.suppress(StreamClosedError):
                await self._upstream.write(b"0\r\n\r\n")
        await pipe_response(self._upstream, self.detach())

    head = post = put = delete = get

    def on_connection_close(self) -> None:
        self.end_pace()
        if self._upstream is not None:
            self._upstream.close()


class ProxyWebSocketHandler(ProxyHandler):
    """Proxy of one WebSocket to the leader."""

    _upgrades = True

    @allow_unauthenticated  # prepare has decided
    async def get(self, *args: str) -> None:
        self.end_pace()
        assert self._upstream is not None
        client = self.detach()
        if await _complete_upgrade(client, self._upstream):
            await pipe_both_ways(client, self._upstream, self._note_activity)

    def _note_activity(self, data: bytes) -> None:
        if any(mark in data for mark in _RUN_EVENTS):
            self.leadership.host.active()


def _forwarded_headers(headers: HTTPHeaders) -> Iterator[str]:
    for name, value in headers.get_all():
        lower = name.lower()
        if lower not in _DROPPED_HEADERS and not lower.startswith(_DROPPED_PREFIXES):
            yield f"{name}: {value}"


async def _connect(url: str, fingerprint: str | None) -> IOStream:
    """Connect to the leader, a process of this account on this machine, whose lock proves that it lives. Its
    certificate has to be the published one; a mount's certificate belongs to its host server and is not checked.

    Raises:
        OSError, StreamClosedError, asyncio.TimeoutError: no process answers there.
    """
    parts = urlsplit(url)
    tls: ssl.SSLContext | None = None
    if parts.scheme == "https":
        tls = pinned(fingerprint) if fingerprint else ssl._create_unverified_context()  # noqa: S323
    port = parts.port or (443 if tls else 80)
    stream = await TCPClient().connect(parts.hostname or "", port, ssl_options=tls, timeout=CONNECT_SECONDS)
    stream.set_nodelay(True)
    return stream


async def _complete_upgrade(client: IOStream, leader: IOStream) -> bool:
    """Forward the leader's response to an upgrade and return whether it was a 101. Only then are the connections
    joined: after a refusal the client could speak plain HTTP to the leader's whole server, as a program of this
    machine."""
    try:
        head = await leader.read_until(b"\r\n\r\n", max_bytes=CHUNK_BYTES)
        first, _, rest = head.decode("latin-1").partition("\r\n")
        if first.split(" ")[1:2] == ["101"]:
            await client.write(head)
            return True
        length = HTTPHeaders.parse(rest).get("Content-Length", "0")
        body = await leader.read_bytes(min(int(length), CHUNK_BYTES)) if length.isdigit() else b""
        await client.write(head + body)
    except (StreamClosedError, UnsatisfiableReadError, HTTPInputError):
        pass  # the client sees its connection close
    leader.close()
    client.close()
    return False


async def pipe_response(leader: IOStream, client: IOStream) -> None:
    """Forward the leader's response to its end, as fast as the client takes it. Anything that the client sends after
    its request is discarded: it was authenticated for this one request."""
    await _run_until_either_closes(client, leader, _pipe(leader, client), _discard(client))


async def pipe_both_ways(one: IOStream, other: IOStream, look: Any) -> None:
    """Forward bytes both ways, each as fast as the other end takes them, until either end closes. ``look`` is called
    with the bytes from ``other``."""
    await _run_until_either_closes(one, other, _pipe(one, other), _pipe(other, one, look))


async def _run_until_either_closes(one: IOStream, other: IOStream, *work: Coroutine[Any, Any, None]) -> None:
    one.set_nodelay(True)
    ways = [asyncio.ensure_future(way) for way in work]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for stream in (one, other):
            stream.close()  # ends the other way too
        await asyncio.wait(ways)


async def _pipe(source: IOStream, sink: IOStream, look: Any = lambda data: None) -> None:
    with contextlib.suppress(StreamClosedError):
        while True:
            data = await source.read_bytes(CHUNK_BYTES, partial=True)
            look(data)
            await sink.write(data)


async def _discard(source: IOStream) -> None:
    with contextlib.suppress(StreamClosedError):
        while True:
            await source.read_bytes(CHUNK_BYTES, partial=True)
