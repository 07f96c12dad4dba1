"""The queue of sends waiting in each session, and the sessions that are held.

Bookkeeping only: nothing here is stored or told to clients, that is done by ``runs``, which owns the one ``Queue``. A
session is *held* while a run of it is about to be written, or while its transcript is being replaced; it is *stalled*
while storage refuses what its line needs next; a send is *under way* between two states, as long as the store writes.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ...store import failpoints
from ...store.api import Run


class Queue:
    """The waiting sends of all sessions. Used on one event loop."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[Run]] = {}
        self._held: set[str] = set()
        self._stalled: set[str] = set()
        self._under_way: dict[str, set[asyncio.Future[None]]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def sessions(self) -> Sequence[str]:
        """The keys of those in which a send waits."""
        return list(self._waiting)

    def waiting(self, key: str) -> Sequence[Run]:
        """Oldest first."""
        return tuple(self._waiting.get(key, ()))

    def ahead(self, key: str) -> int:
        """The number of sends ahead of a new one, including those being stored."""
        return len(self._waiting.get(key, ())) + len(self._under_way.get(key, ())) - (key in self._held)

    # -- the line ---------------------------------------------------------------------------------------------------
    def add(self, run: Run) -> int:
        """Put a send at the end of its line; its place there, from 1."""
        line = self._waiting.setdefault(run.session_key, deque())
        line.append(run)
        return len(line)

    def pop(self, key: str) -> Run | None:
        """Remove and return the oldest send of a line."""
        line = self._waiting.get(key)
        if not line:
            self._waiting.pop(key, None)
            return None
        failpoints.hit("queue.start")
        return line.popleft()

    def remove(self, runs: Sequence[Run]) -> None:
        """Remove these sends of one session from their line."""
        for run in runs:
            self._waiting[run.session_key].remove(run)

    def clear(self) -> None:
        """Know of no send any more."""
        self._waiting.clear()
        self._held.clear()
        self._stalled.clear()

    def put_back(self, key: str, runs: Sequence[Run]) -> None:
        """Put sends back at the head of their line, in the order given."""
        if runs:
            self._waiting.setdefault(key, deque()).extendleft(reversed(runs))

    def replace(self, run: Run) -> None:
        """Replace a waiting send by its edited version."""
        failpoints.hit("queue.edited")
        line = self._waiting.get(run.session_key, deque())
        for place, other in enumerate(line):
            if other.run_id == run.run_id:
                line[place] = run

    # -- whether it may move ----------------------------------------------------------------------------------------
    def held(self, key: str) -> bool:
        return key in self._held

    def hold(self, key: str) -> None:
        """Keep runs of the session from starting until ``release``."""
        self._held.add(key)

    def release(self, key: str) -> None:
        self._held.discard(key)

    def stall(self, key: str) -> None:
        """Keep the line as it is until ``resume``: storage has refused the next step."""
        self._stalled.add(key)

    def stalled(self, key: str) -> bool:
        return key in self._stalled

    def resume(self) -> Sequence[str]:
        """Let the stalled sessions go on; their keys."""
        keys, self._stalled = list(self._stalled), set()
        return keys

    @contextmanager
    def moving(self, key: str) -> Iterator[None]:
        """Mark a send as between two states: stopping the session waits for it (``moves``)."""
        arrived: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        moving = self._under_way.setdefault(key, set())
        moving.add(arrived)
        try:
            yield
        finally:
            arrived.set_result(None)
            moving.remove(arrived)
            if not moving:
                del self._under_way[key]

    def moves(self, key: str) -> set[asyncio.Future[None]]:
        """The transitions under way in the session."""
        return set(self._under_way.get(key, ()))

    async def arrived(self, limit_s: float) -> None:
        """Wait until no send is between two states any more, at most so long."""
        if moving := set().union(*self._under_way.values()):
            await asyncio.wait(moving, timeout=limit_s)
