"""A cluster inside one process and one event loop, for tests."""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from .api import Listener


async def _none() -> Sequence[str]:
    return ()


class LocalCluster:
    """The members, the homes, and the faults that a test plants."""

    def __init__(self, unfinished: Callable[[], Awaitable[Sequence[str]]] = _none) -> None:
        """``unfinished`` finds the sessions with work that has not ended."""
        self.unfinished = unfinished
        self.members: dict[str, LocalMember] = {}
        self.homes: dict[str, str] = {}

    def create(self) -> LocalMember:
        """A gateway's view of the cluster, which has yet to join."""
        return LocalMember(self)

    def kill(self, member: LocalMember) -> None:
        """End a member as ``kill -9`` does: it is told nothing, and one of the others takes over its sessions."""
        member.dead = True
        self._remove(member)

    def fence(self, member: LocalMember) -> None:
        """Take a living member for dead, as after a network cut; it notices and joins again."""
        self._remove(member)
        listener = member.listener
        assert listener is not None
        member.member = uuid.uuid4().hex
        member.inbox.clear()
        listener.fenced()
        self.add(member)

    def add(self, member: LocalMember) -> None:
        assert member.listener is not None
        others = list(self.members.values())
        self.members[member.member] = member
        for other in others:
            member.listener.arrived(other.member)
            assert other.listener is not None
            other.listener.arrived(member.member)

    def _remove(self, member: LocalMember) -> None:
        if self.members.pop(member.member, None) is None:
            return
        orphaned = [key for key, home in self.homes.items() if home == member.member]
        heir = next(iter(self.members.values()), None)
        for key in orphaned:
            if heir is None:
                del self.homes[key]
            else:
                self.homes[key] = heir.member
        for other in list(self.members.values()):
            other.inbox = deque(item for item in other.inbox if item[0] != member.member)
            assert other.listener is not None
            other.listener.departed(member.member, orphaned if other is heir else ())


class LocalMember:
    """One gateway's view of a ``LocalCluster``; fulfils ``Cluster``."""

    def __init__(self, hub: LocalCluster) -> None:
        self._hub = hub
        self.member = uuid.uuid4().hex
        self.listener: Listener | None = None
        self.inbox: deque[tuple[str, bytes]] = deque()
        self.dead = False
        self.lose: Callable[[str, bytes], bool] = lambda target, message: False
        """Chooses messages that are lost on their way; the target is told of a gap."""

    def others(self) -> Sequence[str]:
        return [member for member in self._hub.members if member != self.member]

    async def join(self, listener: Listener) -> Sequence[str]:
        self.listener = listener
        self._hub.add(self)
        claimed = [key for key in await self._hub.unfinished() if key not in self._hub.homes]
        self._hub.homes.update(dict.fromkeys(claimed, self.member))
        return claimed

    async def leave(self) -> None:
        hub = self._hub
        for key in [key for key, home in hub.homes.items() if home == self.member]:
            del hub.homes[key]
        if hub.members.pop(self.member, None) is not None:
            for other in list(hub.members.values()):
                other.call_soon(lambda listener: listener.departed(self.member, ()))

    def send(self, target: str, message: bytes, *, at_once: bool = True) -> None:
        found = self._hub.members.get(target)
        if found is None or self.dead:
            return
        if self.lose(target, message):
            sender = self.member
            found.call_soon(lambda listener: listener.gap(sender))
        else:
            found.inbox.append((self.member, message))
            asyncio.get_running_loop().call_soon(found.take)

    def take(self) -> None:
        """Hand the oldest message to the listener."""
        if self.inbox and not self.dead and self.listener is not None:
            self.listener.received(*self.inbox.popleft())

    def call_soon(self, call: Callable[[Listener], None]) -> None:
        """Call the listener behind what was sent to it before."""
        if self.listener is not None:
            asyncio.get_running_loop().call_soon(call, self.listener)

    async def home_of(self, session_key: str) -> str:
        return self._hub.homes.setdefault(session_key, self.member)

    async def release(self, session_key: str) -> None:
        if self._hub.homes.get(session_key) == self.member:
            del self._hub.homes[session_key]
