"""Bound on the memory of unfinished frames over all authenticated sockets."""

from __future__ import annotations

import asyncio
from collections import deque

from ...protocol.frames import MAX_FRAME_BYTES

MAX_UNFINISHED_BYTES = 4 * MAX_FRAME_BYTES
"""Maximum bytes of unfinished frames on all authenticated sockets; anything beyond waits in the network."""


class UnfinishedFrames:
    """The unfinished frames of one server's authenticated sockets. A socket without room waits until others are done,
    or until it is closed for a missing pong."""

    def __init__(self) -> None:
        self._held: dict[object, int] = {}
        self._bytes = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def hold(self, who: object, size: int) -> None:
        """Wait until there is room for ``size`` bytes of ``who`` in all."""
        self.release(who)
        while self._bytes and self._bytes + size > MAX_UNFINISHED_BYTES:
            waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(waiting)
            await waiting
        self._held[who] = size
        self._bytes += size

    def release(self, who: object) -> None:
        """Release the bytes of ``who``."""
        self._bytes -= self._held.pop(who, 0)
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(None)
