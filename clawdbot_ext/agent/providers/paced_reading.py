"""Reads of a fast event stream, a bounded number a second: what came in between is read in one piece.

Each read goes through the HTTP library, the TLS library and the event loop, which costs more than all that is done with
the token it brings. Clients are sent a reply's new text every 40 ms, so tokens that come faster can wait for each other
in the system's buffer. The first reads are not held back: neither the first token nor a short answer waits.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

UNPACED_READS = 8
INTERVAL_S = 0.020
"""From one read to the next; half of what passes between two deltas to a client."""


class PacedReads:
    """Takes the place of ``read`` of an HTTP response's network stream (its extension ``network_stream``), which the
    library reads the body from and has no other way to slow down.

    Args:
        clock, sleep: replaced by tests.
    """

    def __init__(
        self,
        stream: Any,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ):
        self._stream, self._clock, self._sleep = stream, clock, sleep
        self._left, self._last = UNPACED_READS, 0.0
        # The class's own: the one before may still be in its place on a connection that is used again.
        self._read = type(stream).read
        vars(stream)["read"] = self

    async def __call__(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._left:
            self._left -= 1
        elif (wait := self._last + INTERVAL_S - self._clock()) > 0:
            await self._sleep(wait)
        data: bytes = await self._read(self._stream, max_bytes, timeout)
        self._last = self._clock()
        return data

    def end(self) -> None:
        """Give the stream its own ``read`` back."""
        if vars(self._stream).get("read") is self:
            del vars(self._stream)["read"]
