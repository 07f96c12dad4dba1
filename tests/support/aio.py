"""Running a coroutine in a synchronous test, bounded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
LIMIT_S = 30.0


def run(coroutine: Coroutine[Any, Any, T], limit_s: float = LIMIT_S) -> T:
    """Return the coroutine's result. Raises ``TimeoutError`` when that takes longer than ``limit_s``."""

    async def bounded() -> T:
        return await asyncio.wait_for(coroutine, limit_s)

    return asyncio.run(bounded())


async def until(condition: Callable[[], bool], limit_s: float = LIMIT_S) -> None:
    """Wait for something that another thread does; for want of an event, by looking every few milliseconds."""

    async def look() -> None:
        while not condition():  # noqa: ASYNC110  the other thread has no event of this loop
            await asyncio.sleep(0.005)

    await asyncio.wait_for(look(), limit_s)


class Clock:
    """Time that passes only by ``sleep``: both are given to ``run_turn``."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)
