"""Temporary sessions: a second store, only in memory, and ``StoreRouter``, which sends each call to the right one.

A session is temporary by its key (``protocol.keys.is_temporary``). Its messages, runs and settings are rows of an
SQLite database without a file: nothing of it is ever on disk, a crash or a stop of the gateway leaves nothing, and
everything that a session can do, it does by the same code. It is listed with the others, but not searched: positions of
two indexes cannot be one order. What its replies cost is counted until the gateway stops.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

from ..protocol.errors import IdempotencyConflict
from ..protocol.keys import is_temporary
from .api import Session, Store, UsageRecord
from .memory import MemoryStore
from .sqlite import SqliteStore

T = TypeVar("T")


def open_stores(path: Path, *, wal: bool = True) -> Store:
    """The store in the file ``path`` with temporary sessions beside it, not opened yet. ``wal``: as ``SqliteStore``."""
    return cast("Store", StoreRouter(SqliteStore(path, wal=wal), MemoryStore()))


BY_KEY = frozenset(
    {
        "append",
        "show_branch",
        "delete_message",
        "undelete_message",
        "get_session",
        "create_session",
        "patch_session",
        "new_transcript",
        "clear",
        "undo_clear",
        "transcripts",
        "delete_session",
        "undelete_session",
        "fork",
    }
)
"""Methods whose first argument, or ``session_key``, is a session's key."""
BY_RUN = frozenset({"start_run", "save_partial", "append_step", "finish_run", "get_run", "edit_queued"})
"""Methods whose first argument is a run's id."""


class StoreRouter:
    """``api.Store`` over two: ``temporary`` has the temporary sessions, ``kept`` everything else.

    What is in neither of the tables above and not a method here concerns no session, and goes to ``kept``.
    """

    def __init__(self, kept: Store, temporary: Store):
        self.kept, self.temporary = kept, temporary
        self._runs: set[str] = set()
        """Runs of temporary sessions."""

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        if name in BY_KEY:

            def by_key(*args: Any, **kwargs: Any) -> Awaitable[Any]:
                key = args[0] if args else kwargs["session_key"]
                call: Callable[..., Awaitable[Any]] = getattr(self._of(key), name)
                return call(*args, **kwargs)

            return by_key
        if name in BY_RUN:

            def by_run(run_id: str, *args: Any, **kwargs: Any) -> Awaitable[Any]:
                store = self.temporary if run_id in self._runs else self.kept
                call: Callable[..., Awaitable[Any]] = getattr(store, name)
                return call(run_id, *args, **kwargs)

            return by_run
        method: Callable[..., Awaitable[Any]] = getattr(self.kept, name)
        return method

    def _of(self, key: str) -> Store:
        return self.temporary if is_temporary(key) else self.kept

    async def open(self) -> None:
        await self.kept.open()
        await self.temporary.open()

    async def close(self) -> None:
        await self.temporary.close()
        await self.kept.close()

    async def accept_run(self, *, run_id: str, session_key: str, **send: Any) -> Any:
        """A run id means one send, whichever store has it."""
        temporary = is_temporary(session_key)
        if (run_id in self._runs) != temporary and (not temporary or await self.kept.get_run(run_id) is not None):
            raise IdempotencyConflict(f"idempotency key {run_id} was used for another message")
        if temporary:
            self._runs.add(run_id)
        return await self._of(session_key).accept_run(run_id=run_id, session_key=session_key, **send)

    async def queued_runs(self, session_key: str | None = None) -> Any:
        if session_key is not None:
            return await self._of(session_key).queued_runs(session_key)
        return await self.kept.queued_runs()  # asked at the start, when nothing temporary is there

    async def history(self, *, session_key: str | None = None, session_id: str | None = None, **page: Any) -> Any:
        if session_key is not None:
            return await self._of(session_key).history(session_key=session_key, **page)
        found = await self.temporary.history(session_id=session_id, **page)
        return found if found.session_id else await self.kept.history(session_id=session_id, **page)

    async def restore(self, session_id: str, *, now: int) -> Session:
        """An archived transcript of a temporary session, or of another."""
        found = await self.temporary.history(session_id=session_id, limit=1)
        return await (self.temporary if found.session_id else self.kept).restore(session_id, now=now)

    async def find_session(self, **wanted: Any) -> Session | None:
        return await self.temporary.find_session(**wanted) or await self.kept.find_session(**wanted)

    async def list_sessions(self, *, limit: int | None = None, **wanted: Any) -> Sequence[Session]:
        found = [*await self.temporary.list_sessions(**wanted), *await self.kept.list_sessions(limit=limit, **wanted)]
        return sorted(found, key=lambda session: -session.updated_at)[:limit]

    async def count_sessions(self) -> int:
        return await self.temporary.count_sessions() + await self.kept.count_sessions()

    async def sweep(self, *, now: int) -> int | None:
        """Both; the earlier time of the two."""
        due = [at for store in (self.temporary, self.kept) if (at := await store.sweep(now=now)) is not None]
        return min(due, default=None)

    async def media_wanted(self, id_: str, *, temporary: bool = True) -> bool:
        """All files have their rows in ``kept``; messages of either may speak of them."""
        return (temporary and await self.temporary.media_wanted(id_)) or await self.kept.media_wanted(id_)

    async def spent(self, **wanted: Any) -> Sequence[UsageRecord]:
        both = await asyncio.gather(self.temporary.spent(**wanted), self.kept.spent(**wanted))
        return sorted((row for rows in both for row in rows), key=lambda row: row.at)

    async def put_record(self, kind: str, id_: str, body: Mapping[str, Any], *, now: int) -> None:
        """A record that speaks of a temporary session (``request.sessionKey``) is one of its own."""
        request = body.get("request")
        key = request.get("sessionKey") if isinstance(request, Mapping) else None
        store = self._of(key) if isinstance(key, str) else self.kept
        await store.put_record(kind, id_, body, now=now)

    async def get_record(self, kind: str, id_: str) -> Mapping[str, Any] | None:
        return await self.temporary.get_record(kind, id_) or await self.kept.get_record(kind, id_)
