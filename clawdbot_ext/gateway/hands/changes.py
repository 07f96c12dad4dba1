"""Change sets: what each batch replaced, for as long as its conversation is kept, and how it is put back.

A change is stored in the form of the wire (``protocol.schema.Change``). While one is being made, a record of what it is
to replace is kept (``begun``): a crash, or a page that goes away in the middle, must not cost the person their undo.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from ...agent.tools import ToolContext, ToolFailed
from ...protocol.clock import now_ms
from ...protocol.errors import InvalidRequest, NotFound
from ...protocol.schema import CellChange, Change, ChangesChangedEvent, ChangeState, FileChange
from ...store import failpoints
from ...store.api import Store
from ..connections.broadcast import Broadcast
from ..connections.nodes import NodeGone
from .proposals import Verdict
from .targets import Target

BEGUN = "change.begun"
"""The kind of the records of changes that are being made."""


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

    async def server_of(self, session_key: str) -> str:
        """The Jupyter server that a session's newest change was made on; empty: not known."""
        rows = await self._store.list_changes(session_key=session_key, limit=1)
        return str(rows[0].get("server") or "") if rows else ""

    async def put(self, change: Change) -> None:
        """Store a change and tell the clients that watch its session."""
        await self._store.put_change(change.session_key, msgspec.to_builtins(change))
        self._events.emit("hands.changes.changed", ChangesChangedEvent(change=change), session=change.session_key)

    @asynccontextmanager
    async def begun(
        self,
        context: ToolContext,
        verdict: Verdict,
        target: Target,
        *,
        cells: Sequence[CellChange] = (),
        file: FileChange | UnsetType = UNSET,
        created: bool | UnsetType = UNSET,
    ) -> AsyncIterator[None]:
        """Make a change in the block, which ends with ``applied``; what is given here is as far as it is known before.

        A change that may have been made, and of which no more is known, is kept as it was to be. Its undo does nothing
        where nothing was done; outputs of cells that it deleted do not come back.
        """
        change = _made(context, verdict, target, cells, file, created)
        request = {"sessionKey": change.session_key}
        body = {"id": change.id, "request": request, "change": msgspec.to_builtins(change)}
        await self._store.put_record(BEGUN, change.id, body, now=now_ms())
        try:
            yield
        except asyncio.CancelledError:
            await asyncio.shield(self._perhaps(change))
            raise
        except ToolFailed as exc:
            if isinstance(exc.__cause__, NodeGone):
                await self._perhaps(change)
            else:
                await self._store.delete_record(BEGUN, change.id)
            raise
        await self._store.delete_record(BEGUN, change.id)

    async def _perhaps(self, change: Change) -> None:
        """Keep a change of which it is not known whether it was made."""
        if await self._store.get_change(change.id) is None:
            await self.put(change)
        await self._store.delete_record(BEGUN, change.id)

    async def recover(self, sessions: Collection[str] | None = None) -> None:
        """After a start: keep the changes that a crash cut off; with ``sessions`` only theirs."""
        for record in await self._store.list_records(BEGUN):
            if sessions is None or record["request"]["sessionKey"] in sessions:
                await self._perhaps(_change(record["change"]))

    async def applied(
        self,
        context: ToolContext,
        verdict: Verdict,
        target: Target,
        *,
        cells: Sequence[CellChange] = (),
        file: FileChange | UnsetType = UNSET,
        created: bool | UnsetType = UNSET,
    ) -> Change:
        """Store what a call has just changed. The change has the id of the yes that it was allowed by."""
        failpoints.hit("change.made")
        change = _made(context, verdict, target, cells, file, created)
        await self.put(change)
        failpoints.hit("change.stored")
        return change

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


def _made(
    context: ToolContext,
    verdict: Verdict,
    target: Target,
    cells: Sequence[CellChange],
    file: FileChange | UnsetType,
    created: bool | UnsetType,
) -> Change:
    return Change(
        id=verdict.approval_id,
        session_key=context.session_key,
        run_id=context.run_id,
        tool_call_id=context.call_id,
        path=target.path,
        created_at_ms=now_ms(),
        by=verdict.by,
        state="applied",
        cells=list(cells),
        file=file,
        created=created,
        server=target.server or UNSET,
    )


def _change(row: Mapping[str, Any]) -> Change:
    return msgspec.convert(row, Change)
