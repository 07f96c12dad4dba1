"""The interface between a gateway and the others that share its database.

A *member* is one running gateway. A session has at most one *home*: the member that holds it in memory and alone writes
to it. Messages between members are delivered at most once and in order; losses are told (``gap``).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol


class Listener(Protocol):
    """The gateway, as far as its cluster calls it: on the event loop, one call at a time."""

    def received(self, sender: str, message: bytes) -> None:
        """A message of another member, in the order in which it sent them."""

    def arrived(self, member: str) -> None:
        """Another member has joined; called before its first message, also for those that were there at ``join``."""

    def departed(self, member: str, sessions: Sequence[str]) -> None:
        """A member has left or died, and no message of it comes any more.

        ``sessions`` are those that it was home of and that this member has taken over: their home is this one already,
        and it recovers them."""

    def gap(self, member: str) -> None:
        """Messages of a living member were lost."""

    def fenced(self) -> None:
        """The others take this member for dead: it may write nothing more, and has no home any more.

        The cluster joins again by itself under a new ``member`` and calls ``arrived`` for the others."""


class Cluster(Protocol):
    """The living gateways of one database, seen by one of them."""

    @property
    def member(self) -> str:
        """The id of this gateway, new at each start and each time it was fenced."""

    def others(self) -> Collection[str]:
        """The ids of the other living members."""

    async def join(self, listener: Listener) -> Sequence[str] | None:
        """Become a member. The orphaned sessions (with work that has not ended, and no living home) whose home this one
        has become; ``None`` for every session there is."""

    async def leave(self) -> None:
        """Give up each home and the membership; what was sent goes out first."""

    def send(self, target: str, message: bytes, *, at_once: bool = True) -> None:
        """Send to another member, after what was sent to it before; to one that is gone, nothing.

        ``at_once`` is for requests and responses; other messages may wait a moment (≤ 33 ms) for more."""

    async def home_of(self, session_key: str) -> str:
        """The home of a session; it becomes this member when it has none. Raises the store's ``Unavailable``."""

    async def release(self, session_key: str) -> None:
        """Give up the home of a session, if it is this member."""
