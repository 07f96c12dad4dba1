"""Grants: permissions that a person gave for more than one call, stored, listed and revocable.

A grant of the scope ``cell`` or ``notebook`` is for one session; ``always`` is for every session, for one tool and the
paths that match its pattern. None of them covers what a mode excepts (``gateway.hands.permission``).
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from ...protocol.clock import now_ms
from ...protocol.errors import NotFound, RateLimited
from ...protocol.schema import Grant, GrantsChangedEvent, GrantScope
from ...store.api import Store
from ..connections.broadcast import Broadcast

KIND = "hands-grant"
_NAMES = uuid.UUID("6f0d7c0e-6b0b-4c55-9d3e-2a8c0f5b7d11")
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
        grant = Grant(id="", tool=tool, scope=scope, by=by, created_at_ms=now_ms(), used_at_ms=0)
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
        # By what it says, so that two gateways that are given it at once keep one, which is revoked as one.
        grant.id = str(uuid.uuid5(_NAMES, "\0".join(map(str, _key(grant)))))
        new = msgspec.to_builtins(grant)
        _, kept = await self._store.change_record(KIND, grant.id, lambda known: known or new, now=now_ms())
        await self._tell()
        return msgspec.convert(kept, Grant)

    async def revoke(self, id_: str) -> None:
        """Take a grant back. Raises ``NotFound``."""
        if (await self._store.change_record(KIND, id_, lambda _: None, now=now_ms())).before is None:
            raise NotFound("unknown permission id")
        await self._tell()

    async def covering(self, tool: str, path: str, cells: Sequence[str], session_key: str) -> Grant | None:
        """A grant for a call on these cells of a path (none: the whole document), marked as used."""
        for grant in await self.list():
            if grant.tool == tool and _covers(grant, path, cells, session_key) and await self._use(grant):
                return grant
        return None

    async def _use(self, grant: Grant) -> bool:
        """Mark a grant as used; ``False``: it was revoked in between, perhaps at another gateway."""
        now = now_ms()

        def used(known: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
            return known and {**known, "usedAtMs": now}

        grant.used_at_ms = now
        return (await self._store.change_record(KIND, grant.id, used, now=now)).after is not None

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
