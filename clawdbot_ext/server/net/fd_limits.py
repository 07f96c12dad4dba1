"""Limits on file descriptors: anonymous connections are closed first, the oldest before the others.

An anonymous connection is one without a valid credential so far. A legitimate client sends one within milliseconds, so
all anonymous connections together get half of the file descriptors and a few megabytes of unfinished bodies and frames,
and a new one replaces the oldest. The other half is kept for authenticated clients. Addresses alone cannot tell an
owner from an attacker: both may come from 127.0.0.1.

The kernel gives every new socket the lowest free number, so a number near the limit means that the process is nearly
full. With no anonymous connection left to close, those in the last part of the range get a 503 with a reason, those at
its very end are closed at once, and files of the gateway itself (the database, the model's provider, a log file) can
still be opened. Bare Tornado lets ``accept`` fail for ever, at full speed.
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
"""Reserved descriptors: at most this many, and one in so many of a small limit."""
MAX_ANONYMOUS = 2_048
"""Connections without a login, of all addresses: twice what a reconnect storm of 1,000 clients needs for a moment."""
MAX_UNFINISHED_BYTES = 8 * 1024 * 1024
"""Bytes of unfinished bodies and frames of all anonymous connections together. A login has a few hundred bytes."""
IDLE_S = 2.0
"""Seconds for the head of a request, for the TLS handshake, and for an idle connection. Tornado's default is an
hour."""
UNREAD_S = 20.0
"""Seconds after which an anonymous client that reads nothing of a response is closed, at most twice as many."""
RETRY_AFTER_S = 5
LOG_EVERY_S = 10.0
_FULL = (errno.EMFILE, errno.ENFILE)


def _limit() -> int:
    """Return the process's limit on file descriptors; read each time, since it can be changed from outside."""
    if sys.platform == "win32":
        return 1 << 30
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return 1 << 30 if soft == resource.RLIM_INFINITY else soft


def _reserve(limit: int) -> int:
    return min(MAX_RESERVE, limit // RESERVED_PART)


def near_fd_limit(request: HTTPServerRequest) -> bool:
    """Return whether a request's connection has one of the last file descriptors."""
    stream = stream_of(request)
    limit = _limit()
    return stream is not None and not stream.closed() and stream.socket.fileno() >= limit - _reserve(limit)


class FdLimitedSocket(socket.socket):
    """A listening socket whose ``accept`` never fails for want of descriptors: it closes the newcomer instead."""

    def __init__(self, bound: socket.socket):
        """Take the descriptor over from ``bound``."""
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
        raise BlockingIOError  # as if no connection were waiting

    def report(self) -> None:
        """Log a warning, at most every ``LOG_EVERY_S``."""
        if time.monotonic() - self._logged_at > LOG_EVERY_S:
            self._logged_at = time.monotonic()
            log.warning("out of file descriptors (limit %d): new connections are refused", _limit())

    def close(self) -> None:
        if self.fileno() >= 0:
            os.close(self._spare)
        super().close()


class AnonymousConnections:
    """The anonymous connections of one server, oldest first, and the unfinished bytes of each."""

    def __init__(self) -> None:
        self._of: dict[IOStream, str] = {}
        """In order of arrival; the value is the address, as the limits count it."""
        self._by_address: dict[str, dict[IOStream, None]] = {}
        self._held: dict[IOStream, int] = {}
        self._bytes = 0

    def add(self, stream: IOStream, address: str) -> None:
        """Add a connection; if there are too many, an older one is closed."""
        if len(self._of) >= _anonymous_allowed():
            self.close_oldest(address)
        self._of[stream] = address
        self._by_address.setdefault(address, {})[stream] = None
        _anonymous_by_stream[stream] = self
        self._watch(stream, -1)

    def remove(self, stream: IOStream) -> None:
        """Remove a connection that is closed or has been authenticated."""
        address = self._of.pop(stream, None)
        if address is None:
            return
        self.holds(stream, 0)
        del self._by_address[address][stream]
        if not self._by_address[address]:
            del self._by_address[address]

    def close_oldest(self, address: str = "") -> bool:
        """Close the oldest connection, of ``address`` if that one has more than its share, so that a flood displaces
        itself first. Returns whether one was closed."""
        mine = self._by_address.get(address, {})
        share = len(self._of) / max(1, len(self._by_address))
        oldest = next(iter(mine if len(mine) > share else self._of), None)
        if oldest is None:
            return False
        self._cut(oldest)
        return True

    def holds(self, stream: IOStream, size: int) -> None:
        """Record the bytes of an unfinished body or frame of ``stream``. If the total is too large, the oldest ones are
        closed. Authenticated connections are ignored."""
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
        """Close connections that read nothing of a response. (Media players pause for minutes, but are logged in.)"""
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
    """Count ``stream`` as authenticated from now on."""
    if stream is not None and (anonymous := _anonymous_by_stream.get(stream)) is not None:
        anonymous.remove(stream)


def holds(stream: IOStream, size: int) -> bool:
    """Record the unfinished bytes of an anonymous connection; ``False`` if ``stream`` is not (or no longer) one."""
    anonymous = _anonymous_by_stream.get(stream)
    if anonymous is None or stream not in anonymous._of:
        return False
    anonymous.holds(stream, size)
    return True


def drop_unread(stream: IOStream) -> None:
    """Free what a closed connection has left of an unfinished request or frame, once nothing reads from it any more.

    Tornado keeps it with the objects of the connection, which refer to each other: it would stay until a garbage
    collection, and those are rare here. Tornado has no public name for it; a test measures what is left.
    """
    if stream.closed():
        stream._read_buffer = bytearray()
        stream._read_buffer_size = 0


def stream_of(request: HTTPServerRequest) -> IOStream | None:
    """Return the connection of a request, unless it has become a WebSocket."""
    stream: IOStream | None = getattr(request.connection, "stream", None)
    return stream


def _anonymous_allowed() -> int:
    limit = _limit()
    return max(1, min(MAX_ANONYMOUS, (limit - _reserve(limit)) // 2))


def _written(stream: IOStream) -> int:
    """Return the bytes that the client has taken so far. Tornado has no public name for it; a test guards this one."""
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
            drop_unread(stream)


def _key(address: Any) -> str:
    return client_key(str(address[0])) if isinstance(address, tuple) else "local"
