"""A transcript as a file, for ``sessions.export`` and the command ``/export``: which messages, under which name.

What each format looks like is in ``export_formats``.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import math
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ...agent.context.attachments import attachments
from ...i18n import catalogue
from ...protocol.clock import now_ms
from ...protocol.errors import NotFound, TooLarge
from ...protocol.schema import ExportFormat
from ...store.api import Message, Session
from ...store.plain_words import without_marks
from ..services import Services
from ..wire_forms import decode, text_of
from . import export_formats
from .export_formats import Conversation, Embedded

t = catalogue("gateway")

MAX_BYTES = 8 * 1024 * 1024
"""The largest file that is made; the frame that carries it is somewhat larger."""
EMBEDDED_BYTES = 4 * 1024 * 1024
"""Of files inside an export, before base64."""
SMALL = 512 * 1024
"""Bytes of an image that a notebook has inside without being asked to."""
PAGE = 1000


class ExportFile(NamedTuple):
    name: str
    media_type: str
    text: str
    messages: int


async def export(
    services: Services,
    form: ExportFormat,
    locale: str,
    *,
    key: str | None = None,
    session_id: str | None = None,
    embed: bool = False,
) -> ExportFile:
    """The current transcript of ``key``, or the one named. Raises ``NotFound``, ``TooLarge``.

    ``embed``: attachments go into it (images; into JSON all kinds), the newest first, as far as there is room. A
    notebook has its small images inside in any case.
    """
    conversation = await _read(services, locale, key, session_id, whole=form == "json")
    if embed or form == "ipynb":
        files = await embedded(
            services,
            conversation.messages,
            every=form == "json",
            most=MAX_BYTES if embed else SMALL,
            room=EMBEDDED_BYTES,
        )
        conversation = conversation._replace(files=files)
    media_type, extension, write = export_formats.FORMATS[form]
    text = await asyncio.to_thread(write, conversation)
    if len(text.encode("utf-8", "replace")) > MAX_BYTES:
        raise _too_large()
    return ExportFile(file_name(conversation.title, extension), media_type, text, len(conversation.messages))


async def _read(
    services: Services, locale: str, key: str | None, session_id: str | None, *, whole: bool
) -> Conversation:
    """All messages that are shown, oldest first, read from the end in pages so that nothing holds up the store. With
    ``whole`` those of the other branches, too."""
    read: list[Message] = []
    before: int | None = None
    size = 0
    session: Session | None = None
    while True:
        page = await services.store.history(
            session_key=key, session_id=session_id, limit=PAGE, before_seq=before, max_bytes=MAX_BYTES, whole=whole
        )
        if page.session_id is None:
            raise NotFound(f"no session {key or session_id}")
        session, session_id, key = page.session or session, page.session_id, None  # a reset meanwhile changes nothing
        size += sum(len(bytes(m.body)) for m in page.messages)
        if size > 2 * MAX_BYTES:  # what a message has besides its text is not in every format
            raise _too_large()
        read[:0] = page.messages
        if not page.has_more:
            break
        before = page.messages[0].seq
    messages = [decode(m) for m in read if m.shown]
    ids = {m.seq: m.id for m in read}
    branches = [{**decode(m), "parentId": ids.get(m.parent_seq)} for m in read if not m.shown]
    return heading_of(session, session_id, messages, locale)._replace(messages=messages, branches=branches)


def file_name(title: str, extension: str) -> str:
    """The name of the file of a conversation."""
    name = re.sub(r"[^\w.-]+", "-", title)[:60].strip("-.") or "session"
    return f"{name}.{extension}"


def heading_of(
    session: Session | None, session_id: str, messages: Sequence[Mapping[str, Any]], locale: str
) -> Conversation:
    """Title, names and times of a conversation, of which ``messages`` are the first; none of them are in it."""
    label = session.settings.get("label") if session else None
    owner = session.key if session else ""
    current = session is not None and session.session_id == session_id
    title = (
        label
        or (without_marks(session.title) if session and current else "")
        or _first_words(messages)
        or owner
        or session_id
    )
    return Conversation(
        title=title,
        key=owner,
        session_id=session_id,
        exported_at=now_ms(),
        messages=(),
        locale=locale,
        you=t(locale, "export.you"),
        sources=t(locale, "export.sources"),
        offset=time.strftime("%z"),
    )


async def embedded(
    services: Services, messages: Sequence[Mapping[str, Any]], *, every: bool, most: int | None, room: int | None
) -> dict[str, Embedded]:
    """The files of a conversation: images, or of ``every`` kind; none of more than ``most`` bytes, ``room`` in all."""
    found: dict[str, Embedded] = {}
    left = math.inf if room is None else room
    for block in [block for message in reversed(messages) for block in attachments(message)]:
        media = await services.store.get_media(block["mediaId"])
        if media is None or media.removed_at is not None or (media.kind != "image" and not every):
            continue
        if media.id in found or media.size > min(left if most is None else most, left):
            continue
        with contextlib.suppress(OSError):
            data = await asyncio.to_thread((await services.media.path(media)).read_bytes)
            found[media.id] = Embedded(media.mime_type, base64.b64encode(data).decode())
            left -= media.size
    return found


def _first_words(messages: Sequence[Mapping[str, Any]]) -> str:
    first = next((text_of(m) for m in messages if m.get("role") == "user"), "")
    return " ".join(without_marks(first).split())[:60]


def _too_large() -> TooLarge:
    size = MAX_BYTES // 1024 // 1024
    text = f"the file would be larger than {size} MB; `clawdbot sessions export` writes one of any size"
    return TooLarge(text, reason="EXPORT_TOO_LARGE")
