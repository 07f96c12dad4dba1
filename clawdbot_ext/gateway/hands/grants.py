"""Grants: permissions that a person gave for more than one call, stored, listed and revocable.

A grant of the scope ``cell`` or ``notebook`` is for one session; ``always`` is for every session, for one tool and the
paths that match its pattern. None of them covers what a mode excepts (``gateway.hands.permission``).
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from fnmatch import fnmatchcase

import msgspec

from ...protocol.clock import now_ms
from ...protocol.errors import NotFound, RateLimited
from ...protocol.schema import Grant, GrantsChangedEvent, GrantScope
from ...store.api import Store
from ..connections.broadcast import Broadcast

KIND = "hands-grant"
MAX_GRANTS = 1000


class Grants:
    """The grants of one gateway."""

    def __init__(self, store: Store, events: Broadcast) -> None:
        self._store, self._events = store, events

    async def list(self) -> Sequence[Grant]:
        """Oldest first."""
        return [msgspec.convert(row, Grant) for row in await self._store.list_records(KIND)]

    async def add(
        self, *, tool: str, scope: GrantScope, by: str, path: str = "", cell: str = "", session_key: str = ""
    ) -> Grant:
        """Keep a grant; the one that is there already if it says the same. Raises ``RateLimited``: too many."""
        grant = Grant(id=str(uuid.uuid4()), tool=tool, scope=scope, by=by, created_at_ms=now_ms(), used_at_ms=0)
        if path:
            grant.path = path
        if scope == "cell":
            grant.cell = cell
        if scope != "always":
            grant.session_key = session_key
        there = await self.list()
        for known in there:
            if _key(known) == _key(grant):
                return known
        if len(there) >= MAX_GRANTS:
            raise RateLimited(f"more than {MAX_GRANTS} permissions are kept; revoke some", retry_after_ms=1000)
        await self._put(grant)
        await self._tell()
        return grant

    async def revoke(self, id_: str) -> None:
        """Take a grant back. Raises ``NotFound``."""
        if await self._store.get_record(KIND, id_) is None:
            raise NotFound("unknown permission id")
        await self._store.delete_record(KIND, id_)
        await self._tell()

    async def covering(self, tool: str, path: str, cells: Sequence[str], session_key: str) -> Grant | None:
        """A grant for a call on these cells of a path (none: the whole document), marked as used."""
        for grant in await self.list():
            if grant.tool == tool and _covers(grant, path, cells, session_key):
                grant.used_at_ms = now_ms()
                await self._put(grant)
                return grant
        return None

    async def _put(self, grant: Grant) -> None:
        await self._store.put_record(KIND, grant.id, msgspec.to_builtins(grant), now=now_ms())

    async def _tell(self) -> None:
        self._events.emit("hands.grants.changed", GrantsChangedEvent(grants=await self.list()))


def _key(grant: Grant) -> tuple[object, ...]:
    return (grant.tool, grant.scope, grant.path, grant.cell, grant.session_key)


def _covers(grant: Grant, path: str, cells: Sequence[str], session_key: str) -> bool:
    if grant.scope == "always":
        return isinstance(grant.path, str) and fnmatchcase(path, grant.path)
    if grant.session_key != session_key or grant.path != path:
        return False
    return grant.scope == "notebook" or (grant.scope == "cell" and list(cells) == [grant.cell])
