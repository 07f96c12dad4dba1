"""A transcript of any size as a file, for ``GET export``: read and written page by page, never in memory as a whole."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from ...agent.context.attachments import attachments
from ...protocol.clock import now_ms
from ...protocol.errors import NotFound
from ...protocol.schema import ExportFormat
from ...store.api import HistoryPage
from ..services import Services
from ..wire_forms import decode
from . import export_formats
from .export import SMALL, embedded, file_name, heading_of
from .export_formats import JSON_FORMAT, JSON_VERSION, PIECES, Conversation

PAGE = 200
"""Messages that are read at once …"""
PAGE_BYTES = 2 * 1024 * 1024
"""… if they are not longer than this: as much of a conversation is in memory, several times over."""
CHUNK = 3 * 256 * 1024
"""Bytes of a file that are encoded at once; base64 needs a multiple of three."""

Message = Mapping[str, Any]


class Streamed(NamedTuple):
    """An export that is written while it is read."""

    name: str
    media_type: str
    pieces: AsyncIterator[str]
    """Raises what the store raises: then the file is not whole."""


async def stream(
    services: Services,
    form: ExportFormat,
    locale: str,
    *,
    key: str | None = None,
    session_id: str | None = None,
    embed: bool = False,
) -> Streamed:
    """The current transcript of ``key``, or the one named, as it is now. Raises ``NotFound``.

    ``embed``: attachments go into it (images; into JSON all kinds). A notebook has its small images inside in any case.
    """
    newest = await services.store.history(session_key=key, session_id=session_id, limit=1, whole=form == "json")
    if newest.session_id is None:
        raise NotFound(f"no session {key or session_id}")
    last = newest.messages[-1].seq if newest.messages else 0
    reading = _Reading(services, newest.session_id, last, whole=form == "json")
    first: list[Message] = []
    async for page in reading.pages():
        first = [message for message, shown, _ in page if shown]
        break
    made = heading_of(newest.session, newest.session_id, first, locale)
    media_type, extension, _ = export_formats.FORMATS[form]
    pieces = _json(reading, made, embed=embed) if form == "json" else _pieces(reading, made, form, embed=embed)
    return Streamed(file_name(made.title, extension), media_type, pieces)


class _Reading:
    """The messages of one transcript up to the one that was the last, oldest first."""

    def __init__(self, services: Services, session_id: str, last: int, *, whole: bool):
        self.services, self._session_id, self._last, self._whole = services, session_id, last, whole

    async def pages(self) -> AsyncIterator[list[tuple[Message, bool, int]]]:
        """Each message, whether it is shown, and the number of the one that it was said to."""
        after, width = 0, PAGE
        while after < self._last:
            end = min(after + width, self._last)
            page: HistoryPage = await self.services.store.history(
                session_id=self._session_id,
                limit=width,
                since_seq=after,
                before_seq=end + 1,
                max_bytes=PAGE_BYTES,
                whole=self._whole,
            )
            if page.session_id is None:
                raise NotFound(f"no session {self._session_id}")
            if page.has_more:  # long ones: the oldest of these numbers do not fit beside the others
                width = max(1, width // 2)
                continue
            after, width = end, min(PAGE, width * 2)
            if page.messages:
                yield [(decode(message), message.shown, message.parent_seq) for message in page.messages]


async def _pieces(reading: _Reading, made: Conversation, form: ExportFormat, *, embed: bool) -> AsyncIterator[str]:
    pieces = PIECES[form]
    yield pieces.begin(made)
    async for page in reading.pages():
        plain: list[Message] = []
        for message, _, _ in page:
            if not (embed or form == "ipynb") or not any(attachments(message)):
                plain.append(message)
                continue
            if plain:
                yield await asyncio.to_thread(_written, pieces, made, plain)
            plain = []
            most = None if embed else SMALL
            files = await embedded(reading.services, [message], every=False, most=most, room=None)
            yield await asyncio.to_thread(_written, pieces, made._replace(files=files), [message])
        if plain:
            yield await asyncio.to_thread(_written, pieces, made, plain)
    yield pieces.end(made)


def _written(pieces: export_formats.Pieces, made: Conversation, messages: Sequence[Message]) -> str:
    return "".join(pieces.message(made, message) for message in messages)


async def _json(reading: _Reading, made: Conversation, *, embed: bool) -> AsyncIterator[str]:
    """The document of ``export_formats.as_json``, a message a line."""
    head = {
        "format": JSON_FORMAT,
        "version": JSON_VERSION,
        "title": made.title,
        "key": made.key,
        "sessionId": made.session_id,
        "exportedAt": now_ms(),
    }
    yield json.dumps(head, ensure_ascii=False, indent=1)[:-2] + ',\n "messages": ['
    ids: dict[int, str] = {0: ""}
    media: dict[str, None] = {}
    hidden = begun = False
    async for page in reading.pages():
        rows = [message for message, shown, _ in page if shown]
        hidden = hidden or len(rows) < len(page)
        ids.update((message["seq"], message["id"]) for message, _, _ in page)
        media.update((block["mediaId"], None) for message in rows for block in attachments(message))
        if rows:
            yield await asyncio.to_thread(_lines, rows, begun)
            begun = True
    yield "\n ]"
    if hidden:
        yield ',\n "branches": ['
        begun = False
        async for page in reading.pages():
            rows = [{**row, "parentId": ids.get(parent) or None} for row, shown, parent in page if not shown]
            if rows:
                yield await asyncio.to_thread(_lines, rows, begun)
                begun = True
        yield "\n ]"
    if embed and media:
        yield ',\n "media": {'
        begun = False
        for id_ in media:
            async for part in _file(reading.services, id_, "," if begun else ""):
                yield part
                begun = True
        yield "\n }"
    yield "\n}\n"


def _lines(rows: Sequence[Message], begun: bool) -> str:
    text = ",".join(f"\n  {json.dumps(row, ensure_ascii=False)}" for row in rows)
    return f",{text}" if begun else text


async def _file(services: Services, id_: str, comma: str) -> AsyncIterator[str]:
    """One item of ``media``; nothing for a file that is gone."""
    media = await services.store.get_media(id_)
    if media is None or media.removed_at is not None:
        return
    path = await services.media.path(media)
    at = 0
    with suppress(FileNotFoundError):
        while data := await asyncio.to_thread(_part, path, at):
            if not at:
                yield f'{comma}\n  {json.dumps(id_)}: {{"mimeType": {json.dumps(media.mime_type)}, "content": "'
            at += len(data)
            yield base64.b64encode(data).decode()
    if at:
        yield '"}'


def _part(path: Path, at: int) -> bytes:
    with path.open("rb") as file:
        file.seek(at)
        return file.read(CHUNK)
