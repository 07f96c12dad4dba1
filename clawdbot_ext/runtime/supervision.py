"""Tasks that run as long as the gateway: none ends unseen, and one that fails starts again.

A failure is logged with its traceback and listed in ``Supervisor.troubles`` until the task has run for a while again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

log = logging.getLogger(__name__)

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0
"""A task that failed starts again after this time; the pause doubles with each failure in a row."""
STEADY_S = 60.0
"""A task that has run so long works again."""


class Supervisor:
    """The long-running tasks of one gateway. Used on one event loop."""

    def __init__(self) -> None:
        self.troubles: dict[str, str] = {}
        """Name → the failure of each task that waits to start again, or has not run for long since."""

    def run(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> asyncio.Task[None]:
        """Run ``work`` until it returns or the returned task is cancelled; start it again when it fails."""
        return asyncio.create_task(self._keep(name, work), name=name)

    async def _keep(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        loop = asyncio.get_running_loop()
        pause = FIRST_PAUSE_S
        while True:
            began = loop.time()
            steady = loop.call_later(STEADY_S, self.troubles.pop, name, None)
            try:
                await work()
                self.troubles.pop(name, None)
                return
            except Exception as error:
                if loop.time() - began > STEADY_S:
                    pause = FIRST_PAUSE_S
                self.troubles[name] = repr(error)
                log.critical("the task %s failed and starts again in %g s", name, pause, exc_info=True)
            finally:
                steady.cancel()
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)
