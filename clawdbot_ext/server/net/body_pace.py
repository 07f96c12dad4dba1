"""Minimum transfer rate of request bodies, against clients that hold a connection open with a trickle of bytes.

A body has ``GRACE_S``, then as long as ``RATE`` bytes a second take (Apache's numbers: a modem manages ten times as
much), and never ``STALL_S`` without a byte. There is no total limit: a large file may take an hour over a slow
line. Time that the server itself takes for a piece (disk, proxy) does not count.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from tornado.httputil import HTTPConnection, HTTPHeaders, HTTPMessageDelegate
from tornado.iostream import IOStream
from tornado.web import RequestHandler

GRACE_S = 10.0
RATE = 500
"""Average bytes per second."""
STALL_S = 60.0
"""Longest pause between bytes, as in nginx; long enough for a train in a tunnel."""
_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class Pace:
    """Rate check of one body; calls ``too_slow`` once if it falls behind. Call ``end`` in any case."""

    def __init__(self, too_slow: Callable[[], None]):
        self._too_slow = too_slow
        self._loop = asyncio.get_running_loop()
        self._last = self._loop.time()
        self._due = self._last + GRACE_S
        self._busy_since: float | None = None
        self._timer = self._loop.call_at(self._next(), self._check)

    def came(self, size: int) -> None:
        """Count ``size`` received bytes."""
        self._last = self._loop.time()
        self._due += size / RATE

    async def during(self, work: Awaitable[None]) -> None:
        """Await ``work`` on a piece with the clock stopped: the client cannot send meanwhile."""
        self._busy_since = self._loop.time()
        try:
            await work
        finally:
            now = self._loop.time()
            self._due += now - self._busy_since
            self._last, self._busy_since = now, None

    def end(self) -> None:
        """Stop the check: the body is complete or no longer needed."""
        self._timer.cancel()

    def _next(self) -> float:
        return min(self._due, self._last + STALL_S)

    def _check(self) -> None:
        now = self._loop.time()
        if self._busy_since is None and now >= self._next():
            self._too_slow()
        else:
            self._timer = self._loop.call_at(max(self._next(), now + 1), self._check)


def cut_off(connection: Any) -> None:
    """Close the HTTP connection of a slow body, with a 408 if no response has begun."""
    stream: IOStream | None = connection.stream
    if stream is None or stream.closed():
        return
    if connection._response_start_line is None:
        stream.write(_TOO_SLOW)
    stream.close()


class PacedBody(HTTPMessageDelegate):
    """Delegate that wraps a request's delegate with the rate check. ``holds`` is called with the number of body bytes
    in memory, which is the whole body for most routes."""

    def __init__(self, inner: HTTPMessageDelegate, connection: HTTPConnection, holds: Callable[[IOStream, int], bool]):
        self._inner, self._connection, self._holds = inner, connection, holds
        self._stream: IOStream = connection.stream  # type: ignore[attr-defined]  # HTTP/1, always
        self._pace: Pace | None = None
        self._size = 0

    def headers_received(self, start_line: Any, headers: HTTPHeaders) -> Awaitable[None] | None:
        doing = self._inner.headers_received(start_line, headers)
        if headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in headers:
            self._pace = Pace(lambda: cut_off(self._connection))
            return doing if doing is None else self._pace.during(doing)
        return doing

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        self._size += len(chunk)
        self._holds(self._stream, self._size)
        if self._pace is not None:
            self._pace.came(len(chunk))
        doing = self._inner.data_received(chunk)
        return doing if doing is None or self._pace is None else self._pace.during(doing)

    def finish(self) -> None:
        self._end()
        self._inner.finish()

    def on_connection_close(self) -> None:
        self._end()
        self._inner.on_connection_close()

    def _end(self) -> None:
        self._holds(self._stream, 0)
        if self._pace is not None:
            self._pace.end()


class PacedHandler(RequestHandler):
    """Base of routes with ``stream_request_body``. On another Jupyter server, which has no ``PacedBody``, call
    ``begin_pace`` at the end of ``prepare``, ``paced`` for each piece and ``end_pace`` when the body is complete."""

    _pace: Pace | None = None

    def begin_pace(self) -> None:
        """Start the rate check."""
        self._pace = Pace(lambda: cut_off(self.request.connection))

    def end_pace(self) -> None:
        """Stop the rate check."""
        if self._pace is not None:
            self._pace.end()

    async def paced(self, chunk: bytes, work: Awaitable[None]) -> None:
        """Count a received piece and await ``work`` on it."""
        if self._pace is None:
            await work
        else:
            self._pace.came(len(chunk))
            await self._pace.during(work)

    def on_connection_close(self) -> None:
        self.end_pace()
        super().on_connection_close()

    def finish(self, chunk: str | bytes | dict[str, Any] | None = None) -> asyncio.Future[None]:
        """Tell the client that the connection closes where the request was not read to its end: Tornado closes it
        without a word, and a proxy in front would send its next request on it."""
        if not self._headers_written and not self.request._body_future.done():
            self.set_header("Connection", "close")
        return super().finish(chunk)
