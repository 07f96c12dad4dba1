"""``NounStore``: the methods of ``api.Store`` that are functions of the noun modules, whichever engine runs them.

Above: ``sqlite``, ``postgres.store``, which carry jobs out. Below: the modules of the nouns.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from . import branches, changes, media, messages, records, runs, sessions, transcripts, usage
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
    StoredHit,
    Transcript,
    UsageRecord,
)
from .batches import NewMessage, Places
from .dialect import search_index
from .found import MakeRecord, RecordChange

T = TypeVar("T")


class NounStore(ABC):
    """A store whose engine carries out jobs: functions of a connection, each one transaction."""

    @abstractmethod
    async def _write(self, function: Callable[[Any], T], *keys: str) -> T:
        """Carry out a writing job, after those given before for any of ``keys``: sessions, mostly."""

    @abstractmethod
    async def _read(self, function: Callable[[Any], T]) -> T:
        """Carry out a reading job."""

    async def _write_of(self, run_id: str, function: Callable[[Any], T]) -> T:
        """``_write`` of the session that a run is of."""
        return await self._write_found(lambda conn: runs.key_of(conn, run_id), function)

    @abstractmethod
    async def _write_found(self, find: Callable[[Any], str | None], function: Callable[[Any], T]) -> T:
        """``_write`` of the key that ``find`` reads, where an engine needs one; of none if there is none."""

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
        return await self._write(
            lambda conn: runs.accept(conn, run_id, session_key, request_hash, message, options, start, now, place),
            session_key,
        )

    async def start_run(self, run_id: str, *, now: int) -> Accepted | None:
        return await self._write_of(run_id, lambda conn: runs.start(conn, run_id, now))

    async def save_partial(self, run_id: str, *, text: str, thinking: str) -> None:
        await self._write_of(run_id, lambda conn: runs.save_partial(conn, run_id, text, thinking))

    async def append_step(self, run_id: str, message: Mapping[str, Any], *, now: int) -> Finished:
        return await self._write_of(run_id, lambda conn: runs.append_step(conn, run_id, message, now))

    async def fold_run(self, run_id: str, into: str, *, now: int) -> Finished | None:
        return await self._write_of(into, lambda conn: runs.fold(conn, run_id, into, now))

    async def finish_run(
        self,
        run_id: str,
        *,
        state: RunState,
        message: Mapping[str, Any] | None,
        result: Mapping[str, Any],
        now: int,
    ) -> Finished:
        return await self._write_of(run_id, lambda conn: runs.finish(conn, run_id, state, message, result, now))

    async def get_run(self, run_id: str) -> Run | None:
        return await self._read(lambda conn: runs.get(conn, run_id))

    async def edit_queued(self, run_id: str, message: Mapping[str, Any], options: Mapping[str, Any]) -> Run | None:
        return await self._write_of(run_id, lambda conn: runs.edit_queued(conn, run_id, message, options))

    async def queued_runs(self, session_key: str | None = None) -> Sequence[Run]:
        return await self._read(lambda conn: runs.queued(conn, session_key))

    async def unanswered_calls(self, run_id: str) -> Sequence[Mapping[str, Any]]:
        return await self._read(lambda conn: runs.unanswered(conn, run_id))

    async def recover(
        self, *, now: int, interrupted: Interrupted, spare: Collection[str] = (), sessions: OnlySessions = None
    ) -> Sequence[Run]:
        return await self._write(lambda conn: runs.recover(conn, now, interrupted, spare, sessions))

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
        return await self._write(
            lambda conn: messages.append(conn, session_key, message, now, run_id, create, under), session_key
        )

    async def append_batch(self, key: str, batch: Sequence[NewMessage], before: Places) -> Places:
        return await self._write(lambda conn: messages.append_batch(conn, key, batch, before), key)

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
        return await self._read(
            lambda conn: messages.history(conn, session_key, session_id, limit, before_seq, since_seq, max_bytes, whole)
        )

    async def show_branch(self, key: str, message_id: str, *, now: int) -> Session:
        return await self._write(lambda conn: branches.show(conn, key, message_id, now), key)

    async def delete_message(self, key: str, message_id: str, *, undo_until: int, now: int) -> DeletedMessage:
        return await self._write(lambda conn: branches.delete(conn, key, message_id, undo_until, now), key)

    async def undelete_message(self, key: str, message_id: str, *, busy: bool, now: int) -> Session:
        return await self._write(lambda conn: branches.undelete(conn, key, message_id, busy, now), key)

    async def search(self, query: str, *, limit: int, before: int | None = None) -> Sequence[StoredHit]:
        return await self._read(lambda conn: search_index(conn).find(conn, query, limit, before))

    # -- sessions ---------------------------------------------------------------------------------------------------
    async def get_session(self, key: str) -> Session | None:
        return await self._read(lambda conn: sessions.get(conn, key))

    async def find_session(self, *, session_id: str | None = None, label: str | None = None) -> Session | None:
        return await self._read(lambda conn: sessions.find(conn, session_id, label))

    async def list_sessions(
        self,
        *,
        limit: int | None = None,
        active_since: int | None = None,
        search: str | None = None,
        label: str | None = None,
        archived: bool = True,
    ) -> Sequence[Session]:
        return await self._read(lambda conn: sessions.list_of(conn, limit, active_since, search, label, archived))

    async def count_sessions(self) -> int:
        return await self._read(sessions.count)

    async def know_elsewhere(self, key: str, session: Session | None) -> None:
        await self._write(lambda conn: sessions.adopt(conn, key, session), key)

    async def create_session(self, key: str, *, settings: Mapping[str, Any], now: int) -> Session:
        return await self._write(lambda conn: sessions.create(conn, key, settings, now), key)

    async def patch_session(self, key: str, changes: Mapping[str, Any], *, now: int) -> Session:
        return await self._write(lambda conn: sessions.patch(conn, key, changes, now), key)

    async def new_transcript(self, key: str, *, now: int) -> Session:
        return await self._write(lambda conn: sessions.new_transcript(conn, key, now), key)

    async def clear(self, key: str, *, undo_until: int, now: int) -> Session:
        return await self._write(lambda conn: sessions.clear(conn, key, undo_until, now), key)

    async def undo_clear(self, key: str, *, now: int) -> Session:
        return await self._write(lambda conn: sessions.undo_clear(conn, key, now), key)

    async def transcripts(self, key: str) -> Sequence[Transcript]:
        return await self._read(lambda conn: transcripts.list_of(conn, key))

    async def restore(self, session_id: str, *, now: int) -> Session:
        return await self._write_found(
            lambda conn: transcripts.key_of(conn, session_id), lambda conn: sessions.restore(conn, session_id, now)
        )

    async def delete_session(
        self, key: str, *, delete_transcript: bool, now: int, undo_until: int = 0
    ) -> Sequence[str]:
        return await self._write(lambda conn: runs.delete_session(conn, key, delete_transcript, undo_until, now), key)

    async def undelete_session(self, key: str, *, now: int) -> Session:
        return await self._write(lambda conn: sessions.undelete(conn, key, now), key)

    async def fork(
        self, key: str, new_key: str, *, message_id: str | None = None, label: str | None = None, now: int
    ) -> Session:
        copy = await self._write(
            lambda conn: branches.begin_copy(conn, key, new_key, message_id, label, now), key, new_key
        )
        if copy is None:
            return await self._read(lambda conn: sessions.need(conn, new_key))
        for start in range(0, len(copy.path), branches.COPIED):  # a job each, so that others may write in between
            await self._write(partial(branches.copy_some, copy=copy, start=start), key, new_key)
        return await self._write(lambda conn: branches.end_copy(conn, copy, new_key, now), key, new_key)

    async def sweep(self, *, now: int) -> int | None:
        return await self._write(lambda conn: transcripts.sweep(conn, now))

    async def facts(self) -> Mapping[str, Any]:
        return {"engine": "sqlite"}

    # -- the gateway's own records ------------------------------------------------------------------------------------
    async def get_record(self, kind: str, id_: str) -> Mapping[str, Any] | None:
        return await self._read(lambda conn: records.get(conn, kind, id_))

    async def list_records(self, kind: str) -> Sequence[Mapping[str, Any]]:
        return await self._read(lambda conn: records.list_of(conn, kind))

    async def record_times(self, kind: str) -> Sequence[tuple[str, int]]:
        return await self._read(lambda conn: records.times(conn, kind))

    async def put_record(self, kind: str, id_: str, body: Mapping[str, Any], *, now: int) -> None:
        await self._write(lambda conn: records.put(conn, kind, id_, body, now), f"{kind} {id_}")

    async def change_record(self, kind: str, id_: str, make: MakeRecord, *, now: int) -> RecordChange:
        return await self._write(lambda conn: records.change(conn, kind, id_, make, now), f"{kind} {id_}")

    async def delete_record(self, kind: str, id_: str) -> None:
        await self._write(lambda conn: records.delete(conn, kind, id_), f"{kind} {id_}")

    async def add_usage(
        self, key: str, session_id: str, *, provider: str, model: str, spent: Mapping[str, Any], now: int
    ) -> None:
        await self._write(lambda conn: usage.add(conn, session_id, provider, model, spent, now), key)

    async def spent(self, *, since: int, session_key: str | None = None) -> Sequence[UsageRecord]:
        return await self._read(lambda conn: usage.since(conn, since, session_key))

    # -- changes ------------------------------------------------------------------------------------------------------
    async def put_change(self, session_key: str, body: Mapping[str, Any]) -> None:
        await self._write(lambda conn: changes.put(conn, session_key, body), session_key)

    async def get_change(self, id_: str) -> Mapping[str, Any] | None:
        return await self._read(lambda conn: changes.get(conn, id_))

    async def list_changes(
        self, *, session_key: str | None = None, path: str | None = None, limit: int
    ) -> Sequence[Mapping[str, Any]]:
        return await self._read(lambda conn: changes.list_of(conn, session_key, path, limit))

    # -- media --------------------------------------------------------------------------------------------------------
    async def add_media(self, given: Media) -> Media:
        return await self._write(lambda conn: media.add(conn, given), given.sha256)

    async def get_media(self, id_: str) -> Media | None:
        return await self._read(lambda conn: media.get(conn, id_))

    async def find_media(self, sha256: str, owner: str) -> Media | None:
        return await self._read(lambda conn: media.find(conn, sha256, owner))

    async def media_wanted(self, id_: str, *, temporary: bool = True) -> bool:
        return await self._read(lambda conn: media.wanted(conn, id_))

    async def media_in_use(self, sha256: str) -> bool:
        return await self._read(lambda conn: media.in_use(conn, sha256))

    async def mark_media_seen(self, id_: str, cache_key: str) -> None:
        await self._write(lambda conn: media.mark_seen(conn, id_, cache_key), id_)

    async def orphaned_media(self, *, before: int) -> Sequence[Media]:
        return await self._read(lambda conn: media.orphans(conn, before))

    async def media_given(self, *, before: int) -> Sequence[Media]:
        return await self._read(lambda conn: media.given_before(conn, before))

    async def renew_media(self, id_: str, *, now: int) -> Media | None:
        return await self._write(lambda conn: media.renew(conn, id_, now), id_)

    async def remove_media(self, ids: Sequence[str], *, now: int, before: int, named: bool = False) -> Sequence[str]:
        return await self._write(lambda conn: media.remove(conn, ids, now, before, named))

    async def media_bytes(self) -> int:
        return await self._read(media.total_bytes)
