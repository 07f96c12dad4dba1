"""The mount of a server whose state directory has its gateway in another process: everything is passed on to that one.

Who asks is decided here, by Jupyter's login; there the client credential of the state directory is shown and the user's
name beside it. Bodies, answers and, after an upgrade, whatever follows is passed on byte for byte, so that frames,
pings, close codes and back-pressure are the two ends' own. Which routes there are is read off the mount's own table.
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
from .base import Upgrade, notice
from .jupyter import JupyterMountHandler, MountHealth, MountRedirect, MountSession

CONNECT_SECONDS = 3.0
CHUNK_BYTES = 64 * 1024
LOCAL = (MountSession, MountRedirect, MountHealth)
"""Routes that this server answers itself: who the user is only this server knows."""

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
"""In the gateway's frames, which are not masked: a reply is under way."""


class ProxyHost(Protocol):
    """The server that relays, as far as its routes need it."""

    live: LiveConfig
    host: Any
    """Facts of the Jupyter server: ``mount_path``, ``active()``."""

    @property
    def context(self) -> ServerContext:
        """The context of the server's handlers."""

    async def leader_info(self) -> GatewayInfo | None:
        """Where the gateway answers; ``None`` while there is none."""


def proxy_routes(routes: Sequence[Rule], leadership: ProxyHost) -> list[Rule]:
    """A mount's ``routes`` with the gateway's part of them passed on."""
    return [
        rule
        if rule.target in LOCAL
        else Rule(
            rule.matcher,
            ProxyWebSocketHandler if isinstance(rule.matcher, Upgrade) else ProxyHandler,
            {"context": leadership.context, "leadership": leadership, "access": rule.target.access},
        )
        for rule in routes
    ]


@stream_request_body
class ProxyHandler(PacedHandler, JupyterMountHandler):
    """A request on its way to the gateway's process, and the answer on its way back."""

    leadership: ProxyHost
    _upgrades = False
    _upstream: IOStream | None = None
    _chunked = False

    def initialize(self, context: Any, **facts: Any) -> None:
        super().initialize(context)
        self.leadership, self.access = facts["leadership"], facts["access"]

    async def prepare(self, **options: Any) -> None:
        """Who asks, and the connection to the gateway, before anything of a body is read."""
        await super().prepare(**options)
        if not self._finished:  # else it was refused, or Jupyter has led to its login
            known = self.identity
            user = known.user if known else self.current_user.username if self.current_user else ""  # "": what is open
            await self._connect_to_leader(user, known.scopes if known else ())
        if not self._finished:
            self.begin_pace()

    async def _connect_to_leader(self, user: str, scopes: Iterable[str]) -> None:
        if RELAYED_USER in self.request.headers:  # from a server that relays: the owner has changed meanwhile
            raise web.HTTPError(503)
        owner = await self.leadership.leader_info()
        credential = client_credential(self.leadership.live())
        try:
            if owner is None or credential is None:
                raise OSError
            self._upstream = await _connect(owner.url, owner.tls_fingerprint)
            await self._upstream.write(self._head(owner.url, credential, user, scopes))
        except (OSError, StreamClosedError, asyncio.TimeoutError):
            self._upstream = None
            self.set_header("Retry-After", "1")
            notice(self, "page.away")

    def _head(self, url: str, credential: str, user: str, scopes: Iterable[str]) -> bytes:
        """The head of the request as the owner gets it: without anything that says who asks here."""
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
        """As fast as the owner takes it. One that answers early hears no more of it."""
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
    """A WebSocket on its way to the gateway's process."""

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
    """A connection to the owner. It is a process of this account on this machine, whose lock proves that it lives; its
    certificate is the one that it has published. A mount's is the server's around it, and is not looked at.

    Raises:
        OSError, StreamClosedError, asyncio.TimeoutError: nobody answers there.
    """
    parts = urlsplit(url)
    tls: ssl.SSLContext | None = None
    if parts.scheme == "https":
        tls = pinned(fingerprint) if fingerprint else ssl._create_unverified_context()  # noqa: S323
    port = parts.port or (443 if tls else 80)
    stream = await TCPClient().connect(parts.hostname or "", port, ssl_options=tls, timeout=CONNECT_SECONDS)
    stream.set_nodelay(True)
    return stream


async def _complete_upgrade(client: IOStream, owner: IOStream) -> bool:
    """Pass on the owner's answer to an upgrade. Only after a 101 are the two connections one: a client that could go on
    after a refusal would speak plain HTTP to the owner's whole server, as a program of this machine."""
    try:
        head = await owner.read_until(b"\r\n\r\n", max_bytes=CHUNK_BYTES)
        first, _, rest = head.decode("latin-1").partition("\r\n")
        if first.split(" ")[1:2] == ["101"]:
            await client.write(head)
            return True
        length = HTTPHeaders.parse(rest).get("Content-Length", "0")
        body = await owner.read_bytes(min(int(length), CHUNK_BYTES)) if length.isdigit() else b""
        await client.write(head + body)
    except (StreamClosedError, UnsatisfiableReadError, HTTPInputError):
        pass  # the client sees its connection close
    owner.close()
    client.close()
    return False


async def pipe_response(owner: IOStream, client: IOStream) -> None:
    """Pass the owner's answer on to its end, as fast as the client takes it. What the client sends behind its request
    is thrown away: it was let in with this one request."""
    await _run_until_either_closes(client, owner, _pipe(owner, client), _discard(client))


async def pipe_both_ways(one: IOStream, other: IOStream, look: Any) -> None:
    """Pass bytes both ways, each as fast as the other end takes them, until either end closes. ``look`` sees what
    comes from ``other``."""
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
