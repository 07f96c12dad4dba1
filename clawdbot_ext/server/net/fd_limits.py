"""Too many connections: strangers give way, the oldest first, and the rest goes on.

A stranger is a connection over which no good credential has been shown yet. It shows one within milliseconds or has
no business here, so all strangers together have half of the file descriptors and a few megabytes of unfinished bodies
and frames, and a newcomer takes the place of the oldest one. The other half is kept for those who have logged in. By
addresses alone an owner could not be told from an attacker: both may come from 127.0.0.1.

The kernel gives every new socket the lowest free number, so a number near the limit means that the process is nearly
full. With no stranger left to give way, those in the last part of the range get a 503 with a reason, those at its very
end are closed unheard, and what the gateway opens for itself (the database, the model's provider, a log file) still
finds room. Bare Tornado lets ``accept`` fail for ever, at full speed.
"""

from __future__ import annotations

import errno
import logging
import os
import socket
import sys
import time
import weakref
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPConnection, HTTPMessageDelegate, HTTPServerRequest
from tornado.ioloop import IOLoop
from tornado.iostream import IOStream

from ...gateway.access.rate_limits import client_key
from .body_pace import PacedBody

if sys.platform != "win32":  # where sockets are not counted like this
    import resource

log = logging.getLogger(__name__)

MAX_RESERVE, RESERVED_PART = 64, 8
"""How many descriptors are kept back: this many at most, and one of so many of a small limit."""
MAX_ANONYMOUS = 2_048
"""Connections without a login, of all addresses: twice what a reconnect storm of 1,000 clients needs for a moment."""
MAX_UNFINISHED_BYTES = 8 * 1024 * 1024
"""What strangers may have under way in bodies and frames, all together. A login has a few hundred bytes."""
IDLE_S = 2.0
"""How long a client may take for the head of a request, or for TLS, and how long an idle connection is kept. Tornado:
an hour."""
UNREAD_S = 20.0
"""How long a stranger may take nothing of an answer, to within the same again."""
RETRY_AFTER_S = 5
LOG_EVERY_S = 10.0
_FULL = (errno.EMFILE, errno.ENFILE)


def _limit() -> int:
    """How many descriptors the process may have; asked each time, since it can be changed from outside."""
    if sys.platform == "win32":
        return 1 << 30
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return 1 << 30 if soft == resource.RLIM_INFINITY else soft


def _reserve(limit: int) -> int:
    return min(MAX_RESERVE, limit // RESERVED_PART)


def near_fd_limit(request: HTTPServerRequest) -> bool:
    """Did a request come over a connection that the process has hardly room for?"""
    stream = stream_of(request)
    limit = _limit()
    return stream is not None and not stream.closed() and stream.socket.fileno() >= limit - _reserve(limit)


class FdLimitedSocket(socket.socket):
    """A listening socket whose ``accept`` never fails for want of descriptors: it closes the newcomer instead."""

    def __init__(self, bound: socket.socket):
        """``bound`` is used up."""
        super().__init__(bound.family, bound.type, bound.proto, fileno=bound.detach())
        self.setblocking(False)
        self._spare = os.open(os.devnull, os.O_RDONLY)
        self._logged_at = float("-inf")

    def accept(self) -> tuple[socket.socket, Any]:
        try:
            return super().accept()
        except OSError as exc:
            if exc.errno not in _FULL:
                raise
        os.close(self._spare)
        try:
            super().accept()[0].close()
        finally:
            self._spare = os.open(os.devnull, os.O_RDONLY)
        self.report()
        raise BlockingIOError  # as if nobody had come

    def report(self) -> None:
        """Say so in the log, now and then."""
        if time.monotonic() - self._logged_at > LOG_EVERY_S:
            self._logged_at = time.monotonic()
            log.warning("out of file descriptors (limit %d): new connections are refused", _limit())

    def close(self) -> None:
        if self.fileno() >= 0:
            os.close(self._spare)
        super().close()


class AnonymousConnections:
    """The connections of one server that have not logged in, oldest first, and the bytes that each has under way."""

    def __init__(self) -> None:
        self._of: dict[IOStream, str] = {}
        """In the order of their coming; the value is the address, as the limits count it."""
        self._by_address: dict[str, dict[IOStream, None]] = {}
        self._held: dict[IOStream, int] = {}
        self._bytes = 0

    def add(self, stream: IOStream, address: str) -> None:
        """Take a newcomer in; where there are too many, one who was here before goes."""
        if len(self._of) >= _anonymous_allowed():
            self.close_oldest(address)
        self._of[stream] = address
        self._by_address.setdefault(address, {})[stream] = None
        _anonymous_by_stream[stream] = self
        self._watch(stream, -1)

    def remove(self, stream: IOStream) -> None:
        """``stream`` is closed, or a stranger no more."""
        address = self._of.pop(stream, None)
        if address is None:
            return
        self.holds(stream, 0)
        del self._by_address[address][stream]
        if not self._by_address[address]:
            del self._by_address[address]

    def close_oldest(self, address: str = "") -> bool:
        """Close the oldest: of ``address`` where that one has more than its share, so that one flood pushes itself out
        before others. Is there one more place?"""
        mine = self._by_address.get(address, {})
        share = len(self._of) / max(1, len(self._by_address))
        oldest = next(iter(mine if len(mine) > share else self._of), None)
        if oldest is None:
            return False
        self._cut(oldest)
        return True

    def holds(self, stream: IOStream, size: int) -> None:
        """So many bytes of an unfinished body or frame of ``stream`` are in memory, or will be. Where all together are
        too many, those who began first go. Ignores who is no stranger."""
        self._bytes -= self._held.pop(stream, 0)
        if not size or stream not in self._of:
            return
        self._held[stream] = size
        self._bytes += size
        while self._bytes > MAX_UNFINISHED_BYTES:
            self._cut(next(iter(self._held)))

    def _cut(self, stream: IOStream) -> None:
        self.remove(stream)
        stream.close()

    def _watch(self, stream: IOStream, written: int) -> None:
        """Close who takes nothing of an answer. (Players pause for minutes, with a login.)"""
        if stream.closed():
            self.remove(stream)
        if stream not in self._of:
            return
        now_written = _written(stream)
        if stream.writing() and now_written == written:
            self._cut(stream)
            return
        IOLoop.current().call_later(UNREAD_S, self._watch, stream, now_written)


_anonymous_by_stream: weakref.WeakKeyDictionary[IOStream, AnonymousConnections] = weakref.WeakKeyDictionary()


def mark_authenticated(stream: IOStream | None) -> None:
    """A good credential has come over ``stream``: it has a place among the known from now on."""
    if stream is not None and (strangers := _anonymous_by_stream.get(stream)) is not None:
        strangers.remove(stream)


def holds(stream: IOStream, size: int) -> bool:
    """Note the unfinished bytes of a stranger. ``False``: ``stream`` is none (any more)."""
    strangers = _anonymous_by_stream.get(stream)
    if strangers is None or stream not in strangers._of:
        return False
    strangers.holds(stream, size)
    return True


def stream_of(request: HTTPServerRequest) -> IOStream | None:
    """The connection that a request came over, unless it has become a WebSocket."""
    stream: IOStream | None = getattr(request.connection, "stream", None)
    return stream


def _anonymous_allowed() -> int:
    limit = _limit()
    return max(1, min(MAX_ANONYMOUS, (limit - _reserve(limit)) // 2))


def _written(stream: IOStream) -> int:
    """Bytes that the peer's side has taken so far. Tornado has no public name for it; a test holds on to this one."""
    written: int = stream._total_write_done_index
    return written


class FdLimitedHTTPServer(HTTPServer):
    """Tornado's server with ``AnonymousConnections``, bodies that have to keep a pace, and room for what must go on."""

    def initialize(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("idle_connection_timeout", IDLE_S)
        super().initialize(*args, **kwargs)
        self.anonymous = AnonymousConnections()

    def _handle_connection(self, connection: socket.socket, address: Any) -> None:
        limit = _limit()
        if connection.fileno() >= limit - _reserve(limit) and self.anonymous.close_oldest(_key(address)):
            lower = connection.dup()  # the number that has become free: what is near the limit is refused
            connection.close()
            connection = lower
            connection.setblocking(False)
        if connection.fileno() >= limit - _reserve(limit) // 2:
            connection.close()
            return
        super()._handle_connection(connection, address)

    def handle_stream(self, stream: IOStream, address: Any) -> None:
        self.anonymous.add(stream, _key(address))
        super().handle_stream(stream, address)

    def start_request(self, server_conn: object, request_conn: HTTPConnection) -> HTTPMessageDelegate:
        return PacedBody(super().start_request(server_conn, request_conn), request_conn, holds)

    def on_close(self, server_conn: object) -> None:
        """Also called when a connection becomes a WebSocket, which is still open."""
        super().on_close(server_conn)
        stream: IOStream = server_conn.stream  # type: ignore[attr-defined]  # Tornado passes its own connection
        if stream.closed():
            self.anonymous.remove(stream)


def _key(address: Any) -> str:
    return client_key(str(address[0])) if isinstance(address, tuple) else "local"
