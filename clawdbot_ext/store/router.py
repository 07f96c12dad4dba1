"""Temporary sessions: a second store, only in memory, and ``StoreRouter``, which sends each call to the right one.

A session is temporary by its key (``protocol.keys.is_temporary``). Its messages, runs and settings are rows of an
SQLite database without a file: nothing of it is ever on disk, a crash or a stop of the gateway leaves nothing, and
everything that a session can do, it does by the same code. It is listed with the others, but not searched: positions of
two indexes cannot be one order. The usage of its replies is counted until the gateway stops.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..protocol.errors import IdempotencyConflict, Unavailable
from ..protocol.keys import is_temporary
from .api import (
    Accepted,
    BranchPoint,
    DeletedMessage,
    Finished,
    HistoryPage,
    Interrupted,
    Media,
    OnlySessions,
    Run,
    RunState,
    Session,
    Store,
    StoredHit,
    Transcript,
    UsageRecord,
)
from .batches import NewMessage, Places
from .found import MakeRecord, RecordChange
from .health import StorageHealth
from .memory import MemoryStore
from .overviews import BothOverviews
from .sqlite import SqliteStore


def open_stores(path: Path, *, wal: bool = True, on_commit: Callable[[float], None] = lambda seconds: None) -> Store:
    """The store in the file ``path`` with temporary sessions beside it, not opened yet. Else as ``SqliteStore``."""
    return StoreRouter(SqliteStore(path, wal=wal, on_commit=on_commit), MemoryStore())


def open_stores_at(
    url: str,
    *,
    exclusive: bool = True,
    fence: Callable[[], int | None] = lambda: None,
    on_commit: Callable[[float], None] = lambda seconds: None,
    schema: str | None = None,
) -> Store:
    """The store in the PostgreSQL database at ``url``, with temporary sessions beside it, not opened yet. Else as
    ``PostgresStore``. Raises ``Unavailable`` (``NO_PSYCOPG``): the package is not installed."""
    try:
        from .postgres.store import PostgresStore
    except ImportError as error:
        text = "PostgreSQL needs psycopg: pip install 'jupyter-clawdbot[postgres]'"
        raise Unavailable(text, reason="NO_PSYCOPG") from error
    kept = PostgresStore(url, exclusive=exclusive, fence=fence, on_commit=on_commit, schema=schema)
    return StoreRouter(kept, MemoryStore())


class StoreRouter:
    """A ``Store`` over two: ``temporary`` has the temporary sessions, ``kept`` everything else.

    A call goes by the session's key or the run's id that it names. Calls that name neither ask both stores, or only
    ``kept`` where temporary sessions have no such rows.
    """

    def __init__(self, kept: Store, temporary: Store):
        self.kept, self.temporary = kept, temporary
        self._runs: set[str] = set()
        """Ids of the runs of temporary sessions."""
        self._used = False
        """Whether ``temporary`` was ever asked for one: before that it is empty, and no question goes there."""
        self._elsewhere: Store | None = None
        """Temporary sessions of other gateways, without their messages; for lists."""
        self._opening: asyncio.Future[Store] | None = None
        self.overviews = BothOverviews(lambda: [store.overviews for store in self._listed()])

    @property
    def health(self) -> StorageHealth:
        """Condition of the database file; memory has none."""
        return self.kept.health

    def _of(self, key: str) -> Store:
        if not is_temporary(key):
            return self.kept
        self._used = True
        return self.temporary

    def _both(self) -> tuple[Store, ...]:
        return (self.temporary, self.kept) if self._used else (self.kept,)

    def _listed(self) -> tuple[Store, ...]:
        *temporary, kept = self._both()
        return (*temporary, *([] if self._elsewhere is None else [self._elsewhere]), kept)

    def _of_run(self, run_id: str) -> Store:
        return self.temporary if run_id in self._runs else self.kept

    async def open(self) -> None:
        await self.kept.open()
        await self.temporary.open()

    async def close(self) -> None:
        if self._opening is not None:
            await (await self._opening).close()
        await self.temporary.close()
        await self.kept.close()

    async def look(self, *, locked: bool = True) -> None:
        await self.kept.look(locked=locked)

    async def set_read_only(self, on: bool) -> None:
        """Of what is kept; temporary sessions go on."""
        await self.kept.set_read_only(on)

    async def back_up(self, target: Path) -> str:
        """Copy what is kept: a temporary session leaves nothing anywhere."""
        return await self.kept.back_up(target)

    # -- runs -------------------------------------------------------------------------------------------------------
    async def accept_run(
        self,
        *,
        run_id: str,
        session_key: str,
        request_hash: str,
        message: Mapping[str, Any],
        options: Mapping[str, Any],
        start: bool,
        now: int,
        place: BranchPoint | None = None,
    ) -> Accepted:
        """Record a send; a run id means one send, whichever store has it."""
        temporary = is_temporary(session_key)
        if (run_id in self._runs) != temporary and (not temporary or await self.kept.get_run(run_id) is not None):
            raise IdempotencyConflict(f"idempotency key {run_id} was used for another message")
        if temporary:
            self._runs.add(run_id)
        return await self._of(session_key).accept_run(
            run_id=run_id,
            session_key=session_key,
            request_hash=request_hash,
            message=message,
            options=options,
            start=start,
            now=now,
            place=place,
        )

    async def start_run(self, run_id: str, *, now: int) -> Accepted | None:
        return await self._of_run(run_id).start_run(run_id, now=now)

    async def save_partial(self, run_id: str, *, text: str, thinking: str) -> None:
        await self._of_run(run_id).save_partial(run_id, text=text, thinking=thinking)

    async def append_step(self, run_id: str, message: Mapping[str, Any], *, now: int) -> Finished:
        return await self._of_run(run_id).append_step(run_id, message, now=now)

    async def fold_run(self, run_id: str, into: str, *, now: int) -> Finished | None:
        return await self._of_run(run_id).fold_run(run_id, into, now=now)

    async def finish_run(
        self,
        run_id: str,
        *,
        state: RunState,
        message: Mapping[str, Any] | None,
        result: Mapping[str, Any],
        now: int,
    ) -> Finished:
        return await self._of_run(run_id).finish_run(run_id, state=state, message=message, result=result, now=now)

    async def get_run(self, run_id: str) -> Run | None:
        return await self._of_run(run_id).get_run(run_id)

    async def edit_queued(self, run_id: str, message: Mapping[str, Any], options: Mapping[str, Any]) -> Run | None:
        return await self._of_run(run_id).edit_queued(run_id, message, options)

    async def queued_runs(self, session_key: str | None = None) -> Sequence[Run]:
        if session_key is not None:
            return await self._of(session_key).queued_runs(session_key)
        return await self.kept.queued_runs()  # asked at the start, when there are no temporary sessions yet

    async def unanswered_calls(self, run_id: str) -> Sequence[Mapping[str, Any]]:
        return await self._of_run(run_id).unanswered_calls(run_id)

    async def recover(
        self, *, now: int, interrupted: Interrupted, spare: Collection[str] = (), sessions: OnlySessions = None
    ) -> Sequence[Run]:
        return await self.kept.recover(now=now, interrupted=interrupted, spare=spare, sessions=sessions)

    # -- messages ---------------------------------------------------------------------------------------------------
    async def append(
        self,
        *,
        session_key: str,
        message: Mapping[str, Any],
        now: int,
        run_id: str | None = None,
        create: bool = False,
        under: str | None = None,
    ) -> Finished:
        return await self._of(session_key).append(
            session_key=session_key, message=message, now=now, run_id=run_id, create=create, under=under
        )

    async def append_batch(self, key: str, batch: Sequence[NewMessage], before: Places) -> Places:
        return await self._of(key).append_batch(key, batch, before)

    async def history(
        self,
        *,
        session_key: str | None = None,
        session_id: str | None = None,
        limit: int,
        before_seq: int | None = None,
        since_seq: int | None = None,
        max_bytes: int | None = None,
        whole: bool = False,
    ) -> HistoryPage:
        async def page(store: Store) -> HistoryPage:
            return await store.history(
                session_key=session_key,
                session_id=session_id,
                limit=limit,
                before_seq=before_seq,
                since_seq=since_seq,
                max_bytes=max_bytes,
                whole=whole,
            )

        if session_key is not None:
            return await page(self._of(session_key))
        if self._used and (found := await page(self.temporary)).session_id:
            return found
        return await page(self.kept)

    async def show_branch(self, key: str, message_id: str, *, now: int) -> Session:
        return await self._of(key).show_branch(key, message_id, now=now)

    async def delete_message(self, key: str, message_id: str, *, undo_until: int, now: int) -> DeletedMessage:
        return await self._of(key).delete_message(key, message_id, undo_until=undo_until, now=now)

    async def undelete_message(self, key: str, message_id: str, *, busy: bool, now: int) -> Session:
        return await self._of(key).undelete_message(key, message_id, busy=busy, now=now)

    async def search(self, query: str, *, limit: int, before: int | None = None) -> Sequence[StoredHit]:
        return await self.kept.search(query, limit=limit, before=before)

    # -- sessions ---------------------------------------------------------------------------------------------------
    async def get_session(self, key: str) -> Session | None:
        return await self._of(key).get_session(key)

    async def find_session(self, *, session_id: str | None = None, label: str | None = None) -> Session | None:
        for store in self._listed():
            if found := await store.find_session(session_id=session_id, label=label):
                return found
        return None

    async def list_sessions(
        self,
        *,
        limit: int | None = None,
        active_since: int | None = None,
        search: str | None = None,
        label: str | None = None,
        archived: bool = True,
    ) -> Sequence[Session]:

        def list_of(store: Store) -> Awaitable[Sequence[Session]]:
            return store.list_sessions(
                limit=limit, active_since=active_since, search=search, label=label, archived=archived
            )

        *few, kept = await asyncio.gather(*map(list_of, self._listed()))
        if not few:
            return kept
        temporary = sorted((session for each in few for session in each), key=lambda session: session.key)
        return sorted([*temporary, *kept], key=lambda session: -session.updated_at)[:limit]

    async def count_sessions(self) -> int:
        return sum(await asyncio.gather(*(store.count_sessions() for store in self._listed())))

    async def know_elsewhere(self, key: str, session: Session | None) -> None:
        if self._opening is None:
            self._opening = asyncio.ensure_future(self._open_elsewhere())
        store = await asyncio.shield(self._opening)
        await store.know_elsewhere(key, session)

    async def _open_elsewhere(self) -> Store:
        store = MemoryStore()
        await store.open()
        self._elsewhere = store  # now, since a list asks it at once
        return store

    async def create_session(self, key: str, *, settings: Mapping[str, Any], now: int) -> Session:
        return await self._of(key).create_session(key, settings=settings, now=now)

    async def patch_session(self, key: str, changes: Mapping[str, Any], *, now: int) -> Session:
        return await self._of(key).patch_session(key, changes, now=now)

    async def new_transcript(self, key: str, *, now: int) -> Session:
        return await self._of(key).new_transcript(key, now=now)

    async def clear(self, key: str, *, undo_until: int, now: int) -> Session:
        return await self._of(key).clear(key, undo_until=undo_until, now=now)

    async def undo_clear(self, key: str, *, now: int) -> Session:
        return await self._of(key).undo_clear(key, now=now)

    async def transcripts(self, key: str) -> Sequence[Transcript]:
        return await self._of(key).transcripts(key)

    async def restore(self, session_id: str, *, now: int) -> Session:
        for store in self._both()[:-1]:
            if (await store.history(session_id=session_id, limit=1)).session_id:
                return await store.restore(session_id, now=now)
        return await self.kept.restore(session_id, now=now)

    async def delete_session(
        self, key: str, *, delete_transcript: bool, now: int, undo_until: int = 0
    ) -> Sequence[str]:
        return await self._of(key).delete_session(
            key, delete_transcript=delete_transcript, now=now, undo_until=undo_until
        )

    async def undelete_session(self, key: str, *, now: int) -> Session:
        return await self._of(key).undelete_session(key, now=now)

    async def fork(
        self, key: str, new_key: str, *, message_id: str | None = None, label: str | None = None, now: int
    ) -> Session:
        return await self._of(key).fork(key, new_key, message_id=message_id, label=label, now=now)

    async def sweep(self, *, now: int) -> int | None:
        """Sweep both stores; returns the earlier of the two times to call again."""
        due = [at for store in self._both() if (at := await store.sweep(now=now)) is not None]
        return min(due, default=None)

    async def facts(self) -> Mapping[str, Any]:
        return await self.kept.facts()

    # -- the gateway's own records ------------------------------------------------------------------------------------
    async def get_record(self, kind: str, id_: str) -> Mapping[str, Any] | None:
        for store in self._both():
            if found := await store.get_record(kind, id_):
                return found
        return None

    async def list_records(self, kind: str) -> Sequence[Mapping[str, Any]]:
        return await self.kept.list_records(kind)

    async def record_times(self, kind: str) -> Sequence[tuple[str, int]]:
        return await self.kept.record_times(kind)

    async def put_record(self, kind: str, id_: str, body: Mapping[str, Any], *, now: int) -> None:
        """Write a record; one about a temporary session (``request.sessionKey``) goes to that session's store."""
        request = body.get("request")
        key = request.get("sessionKey") if isinstance(request, Mapping) else None
        store = self._of(key) if isinstance(key, str) else self.kept
        await store.put_record(kind, id_, body, now=now)

    async def change_record(self, kind: str, id_: str, make: MakeRecord, *, now: int) -> RecordChange:
        """Change a record in the store that has it."""
        if self._used and await self.temporary.get_record(kind, id_) is not None:
            return await self.temporary.change_record(kind, id_, make, now=now)
        return await self.kept.change_record(kind, id_, make, now=now)

    async def delete_record(self, kind: str, id_: str) -> None:
        """Remove a record from the store that has it."""
        for store in self._both():
            await store.delete_record(kind, id_)

    async def add_usage(
        self, key: str, session_id: str, *, provider: str, model: str, spent: Mapping[str, Any], now: int
    ) -> None:
        await self._of(key).add_usage(key, session_id, provider=provider, model=model, spent=spent, now=now)

    async def spent(self, *, since: int, session_key: str | None = None) -> Sequence[UsageRecord]:
        both = await asyncio.gather(*(store.spent(since=since, session_key=session_key) for store in self._both()))
        return sorted((row for rows in both for row in rows), key=lambda row: row.at)

    # -- changes ------------------------------------------------------------------------------------------------------
    async def put_change(self, session_key: str, body: Mapping[str, Any]) -> None:
        await self._of(session_key).put_change(session_key, body)

    async def get_change(self, id_: str) -> Mapping[str, Any] | None:
        for store in self._both():
            if found := await store.get_change(id_):
                return found
        return None

    async def list_changes(
        self, *, session_key: str | None = None, path: str | None = None, limit: int
    ) -> Sequence[Mapping[str, Any]]:
        if session_key is not None:
            return await self._of(session_key).list_changes(session_key=session_key, path=path, limit=limit)
        both = [await store.list_changes(path=path, limit=limit) for store in self._both()]
        found = [change for changes in both for change in changes]
        return sorted(found, key=lambda change: -change["createdAtMs"])[:limit]

    # -- media: all files have their rows in ``kept``; messages of either store may refer to them ----------------------
    async def add_media(self, given: Media) -> Media:
        return await self.kept.add_media(given)

    async def get_media(self, id_: str) -> Media | None:
        return await self.kept.get_media(id_)

    async def find_media(self, sha256: str, owner: str) -> Media | None:
        return await self.kept.find_media(sha256, owner)

    async def media_wanted(self, id_: str, *, temporary: bool = True) -> bool:
        if temporary and self._used and await self.temporary.media_wanted(id_):
            return True
        return await self.kept.media_wanted(id_)

    async def media_in_use(self, sha256: str) -> bool:
        return await self.kept.media_in_use(sha256)

    async def mark_media_seen(self, id_: str, cache_key: str) -> None:
        await self.kept.mark_media_seen(id_, cache_key)

    async def orphaned_media(self, *, before: int) -> Sequence[Media]:
        return await self.kept.orphaned_media(before=before)

    async def media_given(self, *, before: int) -> Sequence[Media]:
        return await self.kept.media_given(before=before)

    async def renew_media(self, id_: str, *, now: int) -> Media | None:
        return await self.kept.renew_media(id_, now=now)

    async def remove_media(self, ids: Sequence[str], *, now: int, before: int, named: bool = False) -> Sequence[str]:
        return await self.kept.remove_media(ids, now=now, before=before, named=named)

    async def media_bytes(self) -> int:
        return await self.kept.media_bytes()
