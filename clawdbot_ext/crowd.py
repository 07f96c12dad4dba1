"""When file descriptors run out: newcomers are turned away while there are a few left, and the rest goes on.

The kernel gives every new socket the lowest free number, so a number near the limit means that the process is nearly
full. Those in the last part of the range get a 503 with a reason, those at its very end are closed unheard, and what
the gateway opens for itself (the database, the model's provider, a log file) still finds room. Bare Tornado lets
``accept`` fail for ever, at full speed.
"""

from __future__ import annotations

import errno
import logging
import os
import socket
import sys
import time
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPServerRequest

if sys.platform != "win32":  # where sockets are not counted like this
    import resource

log = logging.getLogger(__name__)

MAX_RESERVE, RESERVED_PART = 64, 8
"""How many descriptors are kept back: this many at most, and one of so many of a small limit."""
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


def crowded(request: HTTPServerRequest) -> bool:
    """Did a request come over a connection that the process has hardly room for?"""
    stream: Any = getattr(request.connection, "stream", None)
    limit = _limit()
    return stream is not None and not stream.closed() and stream.socket.fileno() >= limit - _reserve(limit)


class Listening(socket.socket):
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


class RoomyServer(HTTPServer):
    """Tornado's server, which closes at once what would take the last descriptors."""

    def _handle_connection(self, connection: socket.socket, address: Any) -> None:
        limit = _limit()
        if connection.fileno() >= limit - _reserve(limit) // 2:
            connection.close()
            return
        super()._handle_connection(connection, address)
