"""The cluster of one gateway."""

from __future__ import annotations

import uuid

from .api import Listener


class Alone:
    """The only member: home of every session."""

    def __init__(self) -> None:
        self.member = uuid.uuid4().hex

    def others(self) -> tuple[str, ...]:
        return ()

    async def join(self, listener: Listener) -> None:
        return None

    async def leave(self) -> None:
        pass

    def send(self, target: str, message: bytes, *, at_once: bool = True) -> None:
        pass

    async def home_of(self, session_key: str) -> str:
        return self.member

    async def release(self, session_key: str) -> None:
        pass
