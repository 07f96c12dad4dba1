"""Change sets: what each batch replaced, for as long as its conversation is kept, and how it is put back.

A change is stored in the form of the wire (``protocol.schema.Change``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ...protocol.errors import InvalidRequest, NotFound
from ...protocol.schema import Change, ChangesChangedEvent, ChangeState
from ...store.api import Store
from ..connections.broadcast import Broadcast


class Changes:
    """The changes that the assistant made."""

    def __init__(self, store: Store, events: Broadcast) -> None:
        self._store, self._events = store, events

    async def list(self, *, session_key: str | None, path: str | None, limit: int) -> Sequence[Change]:
        """Newest first."""
        rows = await self._store.list_changes(session_key=session_key, path=path, limit=limit)
        return [_change(row) for row in rows]

    async def get(self, id_: str) -> Change:
        """Raises ``NotFound``."""
        row = await self._store.get_change(id_)
        if row is None:
            raise NotFound("unknown change id")
        return _change(row)

    async def put(self, change: Change) -> None:
        """Store a change and tell the clients that watch its session."""
        await self._store.put_change(change.session_key, msgspec.to_builtins(change))
        self._events.emit("hands.changes.changed", ChangesChangedEvent(change=change), session=change.session_key)

    async def keep(self, id_: str) -> None:
        """Accept a change. Raises ``NotFound``; ``InvalidRequest`` (``UNDONE``): it was undone."""
        change = await self.get(id_)
        if change.state == "undone":
            raise InvalidRequest("this change was undone", reason="UNDONE")
        await self.set_state(change, "kept")

    async def set_state(self, change: Change, state: ChangeState) -> None:
        if change.state != state:
            change.state = state
            await self.put(change)


def _change(row: Mapping[str, Any]) -> Change:
    return msgspec.convert(row, Change)
