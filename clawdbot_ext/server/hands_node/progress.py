"""Progress of an invocation, told in its order before the result."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from ...protocol.outside_json import keepable

Send = Callable[[str, Mapping[str, Any]], Awaitable[bool]]
"""Sends a request to the gateway, method and parameters; whether it was taken."""
Progress = Callable[[Mapping[str, Any]], None]
"""Takes one piece of progress; does not wait."""


class ProgressSender:
    """Sends the progress of one invocation, one piece after the other."""

    def __init__(self, id_: str, send: Send):
        self._id, self._send = id_, send
        self._queue: asyncio.Queue[Mapping[str, Any] | None] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    def tell(self, data: Mapping[str, Any]) -> None:
        """Take one piece."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="hands progress")
        self._queue.put_nowait(data)

    async def _run(self) -> None:
        while (data := await self._queue.get()) is not None:
            payload = json.dumps({"id": self._id, "data": keepable(data)}, default=str)
            await self._send("node.event", {"event": "node.progress", "payloadJSON": payload})

    async def close(self) -> None:
        """Wait until all is sent."""
        if self._task is not None:
            self._queue.put_nowait(None)
            await asyncio.gather(self._task, return_exceptions=True)
