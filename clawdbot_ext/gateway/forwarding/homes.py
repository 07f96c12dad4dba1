"""The homes of sessions as one gateway knows them: its own, and those that it has asked for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from ...cluster.api import Cluster

IDLE_S = 60.0
"""A session in which nothing has happened for so long has no home any more."""
MAX_KNOWN = 10_000


class Homes:
    """Claims homes at their first use, and gives up those that are idle."""

    def __init__(self, cluster: Cluster, busy: Callable[[str], bool]) -> None:
        """``busy``: whether a session of this gateway cannot be given up now."""
        self._cluster, self._busy = cluster, busy
        self._own: dict[str, float] = {}
        """Key → when it was used last."""
        self._in_use: dict[str, int] = {}
        self._elsewhere: dict[str, str] = {}
        self._finding: dict[str, asyncio.Task[str]] = {}
        self._releasing: dict[str, asyncio.Task[None]] = {}
        self._taken_up: dict[str, asyncio.Future[None]] = {}
        """Sessions that were taken over, until their work is taken up."""

    def is_own(self, key: str) -> bool:
        """Whether this gateway is the home, and ready to carry out requests."""
        return key in self._own and key not in self._taken_up

    def own(self) -> Sequence[str]:
        return list(self._own)

    async def find(self, key: str) -> str:
        """The home of a session, which becomes this gateway where there is none; of one that was taken over, once its
        work is taken up. Raises ``Unavailable``."""
        if key not in self._own and (known := self._elsewhere.get(key)) is not None:
            return known
        if key not in self._own:
            task = self._finding.get(key)
            if task is None:
                task = self._finding[key] = asyncio.create_task(self._find(key), name=f"home of {key}")
                task.add_done_callback(lambda done: self._finding.pop(key, None))
            home = await asyncio.shield(task)
            if home != self._cluster.member:
                return home
        while (taken_up := self._taken_up.get(key)) is not None:
            await asyncio.shield(taken_up)
        return self._cluster.member

    async def _find(self, key: str) -> str:
        if releasing := self._releasing.get(key):
            await asyncio.wait({releasing})
        member = self._cluster.member
        home = await self._cluster.home_of(key)
        if home == self._cluster.member:
            if member == home:
                self._own[key] = time.monotonic()
        else:
            while len(self._elsewhere) >= MAX_KNOWN:
                del self._elsewhere[next(iter(self._elsewhere))]
            self._elsewhere[key] = home
        return home

    @contextmanager
    def used(self, key: str) -> Iterator[None]:
        """Keep a home while a request about it is carried out."""
        self._in_use[key] = self._in_use.get(key, 0) + 1
        try:
            yield
        finally:
            self._in_use[key] -= 1
            if not self._in_use[key]:
                del self._in_use[key]
            self.touch(key)

    def touch(self, key: str) -> None:
        """Note that a home was used."""
        if key in self._own:
            self._own[key] = time.monotonic()

    # -- changes ----------------------------------------------------------------------------------------------------
    def forget(self, key: str) -> None:
        """The home that was known is not the home any more."""
        self._elsewhere.pop(key, None)

    def departed(self, member: str) -> None:
        """A gateway is home of nothing any more."""
        for key in [key for key, home in self._elsewhere.items() if home == member]:
            del self._elsewhere[key]

    def took_over(self, keys: Iterable[str]) -> Collection[str]:
        """This gateway has become the home of sessions whose work is to be taken up; those that are new to it."""
        new = [key for key in keys if key not in self._taken_up]
        for key in new:
            self._own[key] = time.monotonic()
            self._elsewhere.pop(key, None)
            self._taken_up[key] = asyncio.get_running_loop().create_future()
        return new

    def taken_up(self, keys: Iterable[str]) -> None:
        """The work of sessions that were taken over goes on."""
        for key in keys:
            if (waiting := self._taken_up.pop(key, None)) is not None and not waiting.done():
                waiting.set_result(None)

    def clear(self) -> None:
        """This gateway is home of nothing any more."""
        self._own.clear()
        self._elsewhere.clear()
        self.taken_up(list(self._taken_up))

    def release_idle(self, idle_s: float = IDLE_S) -> None:
        """Give up the homes of sessions in which nothing happens."""
        before = time.monotonic() - idle_s
        for key in [key for key, used in self._own.items() if used <= before]:
            if key not in self._in_use and key not in self._taken_up and not self._busy(key):
                del self._own[key]
                task = self._releasing[key] = asyncio.create_task(self._cluster.release(key), name=f"release {key}")
                task.add_done_callback(partial(self._released, key))

    def _released(self, key: str, task: asyncio.Task[None]) -> None:
        del self._releasing[key]
        if not task.cancelled() and task.exception() is not None:  # still ours in the database, as the next look says
            self._elsewhere.pop(key, None)
