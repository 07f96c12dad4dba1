"""The sweeper: has the store remove, a little at a time, what can no longer be undone."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from ..protocol.clock import now_ms
from ..protocol.errors import GatewayError
from ..runtime.supervision import Supervisor
from ..store.api import Store, StoreDamaged

log = logging.getLogger(__name__)

AGAIN_S = 60.0
"""After a failure (a full disk, say), and at least this often while something is due: clocks are set."""
BREATH_S = 0.005
"""Between two steps, so that those who wait to write are not behind the next one already."""


class Sweeper:
    """One task that sleeps until something is due. Used on one event loop."""

    def __init__(self, store: Store, supervisor: Supervisor):
        self._store, self._supervisor = store, supervisor
        self._due = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = self._supervisor.run("sweep", self._run)

    async def stop(self) -> None:
        """End it; a step that the store has begun is carried out."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    def expect(self, at_ms: int) -> None:
        """Something will be due then: look when it is."""
        asyncio.get_running_loop().call_later(max(0.0, (at_ms - now_ms()) / 1000 + 0.01), self._due.set)

    async def _run(self) -> None:
        while True:
            self._due.clear()
            wait: float | None = AGAIN_S
            try:
                due = await self._store.sweep(now=now_ms())
                wait = None if due is None else min(AGAIN_S, max(BREATH_S, (due - now_ms()) / 1000))
            except (GatewayError, StoreDamaged) as exc:
                log.warning("what was deleted is not removed yet: %s", exc)
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._due.wait(), wait)
