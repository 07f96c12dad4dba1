"""Preparation of attachments for the model, the first stage of a run.

Results are cached beside the file, by everything they depend on. Progress is emitted as ``agent`` events of the stream
``media``; stopping the run stops it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ...agent.context import attachments
from ...agent.context.attachments import AttachmentContent
from ...agent.media.api import (
    MediaError,
    MediaFile,
    MediaSettings,
    ModelSight,
    Progress,
    Understood,
    cache_key,
    pack,
    pages_asked,
    sight_of,
    understand,
    unpack,
)
from ...protocol.clock import now_ms
from ...protocol.errors import StorageFull
from ...store.api import Media
from ..wire_forms import text_of

if TYPE_CHECKING:
    from ...agent.model_catalog import Model
    from .library import MediaLibrary

PROGRESS_S = 0.25
"""Between two progress events of one file."""
GONE = "the file is no longer kept"

Emit = Callable[[Mapping[str, Any]], None]
"""Takes the data of an ``agent`` event of the stream ``media``."""


async def prepare_attachments(
    library: MediaLibrary, messages: Sequence[Mapping[str, Any]], model: Model, *, locale: str, emit: Emit
) -> dict[str, AttachmentContent]:
    """Prepare the attachments of a conversation for ``model``, by media id; a missing file is only named.

    ``messages`` are wire messages, oldest first. From the newest back, no further than there is room.
    """
    settings = MediaSettings.of(library.config())
    found: dict[str, AttachmentContent] = {}
    taken = 0
    for message in reversed(messages):
        blocks = list(attachments.attachments(message))
        if not blocks:
            continue
        sight, pages = sight_of(model, attachments=len(blocks)), pages_asked(text_of(message))
        for block in blocks:
            if block["mediaId"] not in found:
                shown = await _prepare_attachment(library, block, sight, settings, pages, locale, emit)
                found[block["mediaId"]] = shown
                taken += shown.tokens
        if taken > model.context_window * attachments.SHARE:
            break  # what is older does not fit whatever it is
    if not found:
        return found
    oldest_first = [(id_, found[id_]) for message in messages for id_ in _ids(message) if id_ in found]
    kept = attachments.fitting(list(dict(oldest_first).items()), model.context_window)
    return {id_: shown for id_, shown in found.items() if id_ in kept}


def _ids(message: Mapping[str, Any]) -> list[str]:
    return [block["mediaId"] for block in attachments.attachments(message)]


async def _prepare_attachment(
    library: MediaLibrary,
    block: Mapping[str, Any],
    sight: ModelSight,
    settings: MediaSettings,
    pages: tuple[int, int] | None,
    locale: str,
    emit: Emit,
) -> AttachmentContent:
    media = await library.store.get_media(block["mediaId"])
    if media is None or media.removed_at is not None:
        return attachments.named(block, GONE)
    file = library.file(media)
    key = cache_key(file, sight=sight, settings=settings, pages=pages if media.kind == "document" else None)
    understood = await _known(library, media, key)
    if understood is None or understood.expired(now_ms()):
        try:
            await library.path(media)
            understood = await _understand(file, media, sight, settings, pages, locale, emit)
        except OSError:
            emit({"phase": "error", "mediaId": media.id, "name": media.name, "detail": GONE})
            return attachments.named(block, GONE)
        except MediaError as exc:
            emit({"phase": "error", "mediaId": media.id, "name": media.name, "detail": exc.message_in(locale)})
            return attachments.placeholder(
                f"[attachment {media.name!r} could not be read: {exc.message} Tell the user so.]"
            )
        with suppress(StorageFull):  # then it is understood again next time
            await asyncio.to_thread(library.files.keep_derived, media.sha256, key, pack(understood))
    if media.seen != key:
        with suppress(StorageFull):
            await library.store.mark_media_seen(media.id, key)
    return await asyncio.to_thread(attachments.shown, understood)


async def _known(library: MediaLibrary, media: Media, key: str) -> Understood | None:
    data = await asyncio.to_thread(library.files.read_derived, media.sha256, key)
    if data is None:
        return None
    try:
        return await asyncio.to_thread(unpack, data)
    except ValueError:  # of another version, or damaged: made again
        return None


async def _understand(
    file: MediaFile,
    media: Media,
    sight: ModelSight,
    settings: MediaSettings,
    pages: tuple[int, int] | None,
    locale: str,
    emit: Emit,
) -> Understood:
    emitted_at = time.monotonic()
    facts = {"mediaId": media.id, "name": media.name}

    def heard(progress: Progress) -> None:
        nonlocal emitted_at
        if time.monotonic() - emitted_at < PROGRESS_S:
            return
        emitted_at = time.monotonic()
        more = {} if progress.fraction is None else {"fraction": round(progress.fraction, 3)}
        detail = f"{progress.stage} {progress.detail}".strip()
        emit({"phase": "progress", **facts, **more, "stage": progress.stage, "detail": detail})

    emit({"phase": "start", **facts})
    understood = await understand(
        file, sight=sight, settings=settings, on_progress=heard, pages=pages if media.kind == "document" else None
    )
    emit({"phase": "done", **facts})
    return understood


async def last_prepared(library: MediaLibrary, media: Media) -> Understood | None:
    """The prepared form in which the model last got a file; ``None`` if there is none, or it is deleted."""
    return None if media.seen is None else await _known(library, media, media.seen)
