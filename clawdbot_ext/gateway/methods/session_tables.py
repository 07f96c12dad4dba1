"""``sessions.page``, ``sessions.bulk``, ``sessions.exportMany``: many sessions at once."""

from __future__ import annotations

import asyncio
import base64
import io
import time
import zipfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from ...protocol.clock import now_ms
from ...protocol.errors import GatewayError, NotFound
from ...protocol.keys import is_temporary
from ...protocol.schema import (
    ExportFormat,
    SessionRow,
    SessionsBulkParams,
    SessionsBulkResult,
    SessionsExportManyParams,
    SessionsExportManyResult,
    SessionsPageParams,
    SessionsPageResult,
)
from ...store.tables import SessionQuery
from .. import error_texts
from ..connections.connection import Connection
from ..registry import method
from ..services import Services
from ..sessions.export import MAX_BYTES, ExportFile, export
from ..sessions.lifecycle import delete, undelete

BULK_UNDO_MS = 60_000
"""The time within which the deletion of many sessions can be undone: there is more to look over than with one."""
ARCHIVE_BYTES = MAX_BYTES // 2
"""An archive that is larger gets no more sessions: so with the last of them it stays near what one file may be."""
AT_ONCE = 32
"""Sessions that are changed at the same time; the store commits them together."""
_ARCHIVED: Mapping[str, bool | None] = {"without": False, "only": True, "with": None}


@method("sessions.page")
async def sessions_page(services: Services, caller: Connection, params: SessionsPageParams) -> SessionsPageResult:
    query = SessionQuery(
        main_key=services.sessions.main_key(),
        search=(params.search or "").strip(),
        kinds=params.kinds,
        since=params.since,
        until=params.until,
        archived=_ARCHIVED[params.archived],
        sort=params.sort,
        descending=params.descending,
    )
    total, rows = await services.store.overviews.sessions(query, offset=params.offset, limit=params.limit)
    return SessionsPageResult(
        ts=now_ms(),
        total=total,
        offset=params.offset,
        rows=[
            SessionRow(
                entry=services.sessions.entry(row.session),
                kind=row.kind,
                tokens=row.session.total_input + row.session.total_output,
                unpriced=row.unpriced,
            )
            for row in rows
        ],
    )


@method("sessions.bulk")
async def sessions_bulk(services: Services, caller: Connection, params: SessionsBulkParams) -> SessionsBulkResult:
    """One that fails keeps no other from it."""
    undo_until = now_ms() + BULK_UNDO_MS

    async def change(key: str) -> None:
        if params.action == "delete":
            await delete(services, key, undo_until=undo_until)
        elif params.action == "undelete":
            await undelete(services, key)
        else:
            await _put_away(services, key, params.action == "archive")

    done, failed, _ = await _each(services, caller, params.keys, change)
    result = SessionsBulkResult(done=done, failed=failed)
    if params.action == "delete" and done:
        result.undo_until = undo_until
    return result


async def _put_away(services: Services, key: str, archived: bool) -> None:
    if await services.store.get_session(key) is None:
        raise NotFound(f"no session {key}")
    session = await services.store.patch_session(key, {"archived": archived or None}, now=now_ms())
    services.sessions.announce(session, "updated")


@method("sessions.exportMany")
async def sessions_export_many(
    services: Services, caller: Connection, params: SessionsExportManyParams
) -> SessionsExportManyResult:
    """As many as one archive has room for; ``left`` are for the next. One that is too large alone fails."""
    packed = io.BytesIO()
    names: dict[str, int] = {}

    def pack(archive: zipfile.ZipFile, made: ExportFile) -> None:
        stem, dot, extension = made.name.rpartition(".")
        names[made.name] = number = names.get(made.name, 0) + 1
        archive.writestr(made.name if number == 1 else f"{stem} ({number}){dot}{extension}", made.text)

    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:

        async def add(key: str) -> None:
            made = await _exported(services, caller, params.format, key)
            await asyncio.to_thread(pack, archive, made)

        done, failed, left = await _each(
            services, caller, params.keys, add, at_once=1, full=lambda: packed.tell() > ARCHIVE_BYTES
        )
    result = SessionsExportManyResult(
        filename=f"sessions-{time.strftime('%Y-%m-%d')}.zip",
        media_type="application/zip",
        content=base64.b64encode(packed.getvalue()).decode(),
        done=done,
        failed=failed,
    )
    if left:
        result.left = left
    return result


async def _exported(services: Services, caller: Connection, form: ExportFormat, key: str) -> ExportFile:
    if is_temporary(key):
        told = await services.others.ask(caller, "sessions.export", {"key": key, "format": form}, key)
        if told is not None:
            return ExportFile(told["filename"], told["mediaType"], told["content"], 0)
    return await export(services, form, caller.locale, key=key)


async def _each(
    services: Services,
    caller: Connection,
    keys: Sequence[str],
    act: Callable[[str], Awaitable[None]],
    *,
    at_once: int = AT_ONCE,
    full: Callable[[], bool] = lambda: False,
) -> tuple[list[str], list[dict[str, Any]], list[str]]:
    """Do something with each session until it is ``full``: the keys that it went well with, those that it did not with
    the error, and what is left."""
    wanted = list(dict.fromkeys(services.sessions.canonical(key) for key in keys))
    done: list[str] = []
    failed: list[dict[str, Any]] = []

    async def one(key: str) -> None:
        try:
            await act(key)
        except GatewayError as error:
            failed.append({"key": key, "error": error_texts.to_wire(error, caller.locale)})
        else:
            done.append(key)

    for start in range(0, len(wanted), at_once):
        await asyncio.gather(*map(one, wanted[start : start + at_once]))
        if full():
            return done, failed, wanted[start + at_once :]
    return done, failed, []
