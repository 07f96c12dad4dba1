"""Plans: exactly the calls that a person allowed at once, each of which is made once."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ...protocol.clock import now_ms
from ...store.api import Store

KIND = "hands-plan"


class Plans:
    """The newest plan of each session, with what of it is still to be done."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._taking = asyncio.Lock()

    async def allow(self, session_key: str, operations: Sequence[Mapping[str, Any]]) -> None:
        """Keep what may be done from now on, in the place of an earlier plan."""
        left = [_sum(str(each["tool"]), each["arguments"]) for each in operations]
        await self._put(session_key, left)

    async def take(self, session_key: str, tool: str, arguments: Mapping[str, Any]) -> bool:
        """Use up the plan's permission for a call; ``False``: it is not in the plan, or was made."""
        async with self._taking:
            record = await self._store.get_record(KIND, session_key)
            left = list(record["left"]) if record else []
            wanted = _sum(tool, arguments)
            if wanted not in left:
                return False
            left.remove(wanted)
            await self._put(session_key, left)
            return True

    async def _put(self, session_key: str, left: Sequence[str]) -> None:
        body = {"request": {"sessionKey": session_key}, "left": list(left)}
        await self._store.put_record(KIND, session_key, body, now=now_ms())


def _sum(tool: str, arguments: Any) -> str:
    return hashlib.sha256(msgspec.json.encode([tool, arguments], order="deterministic")).hexdigest()
