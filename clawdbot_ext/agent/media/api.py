"""Understanding an attachment: what it is, its facts, a thumbnail, and what the model is given of it.

The transport (upload, store, quota) is elsewhere and calls these four, in this order:

    identified = await identify(path, name="scan.pdf", claimed="application/pdf")   # cheap, reads the head
    facts = await probe(file)                                                       # width, duration, pages …
    picture = await thumbnail(file)                                                 # or None where there is none
    understood = await understand(file, sight=sight_of(model), settings=settings)   # blocks for the model

All but ``identify`` parse the file in a worker process with limits on memory, CPU and time. To cancel, cancel the task:
the worker is killed. Nothing here stores anything: ``cache_key`` tells which results are the same, ``pack`` and
``unpack`` turn a result into bytes and back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import msgspec

from . import transcripts, worker_client
from .errors import MediaError
from .mime_types import ACCEPT, clean_name
from .page_ranges import pages_asked
from .result_cache import cache_key, pack, unpack
from .sniffing import identify_file
from .types import (
    Block,
    DocumentBlock,
    Facts,
    Identified,
    ImageBlock,
    Kind,
    MediaFile,
    MediaSettings,
    ModelSight,
    Note,
    Picture,
    Progress,
    TextBlock,
    Understood,
)
from .vision_limits import sight_of

__all__ = [
    "ACCEPT",
    "Block",
    "DocumentBlock",
    "Facts",
    "Identified",
    "ImageBlock",
    "Kind",
    "MediaError",
    "MediaFile",
    "MediaSettings",
    "ModelSight",
    "Note",
    "Picture",
    "Progress",
    "TextBlock",
    "Understood",
    "cache_key",
    "clean_name",
    "identify",
    "pack",
    "pages_asked",
    "probe",
    "sight_of",
    "thumbnail",
    "understand",
    "unpack",
]

PROBE = worker_client.Limits(seconds=20, cpu_seconds=15)
READ = worker_client.Limits(seconds=120, cpu_seconds=100)
READ_VIDEO = worker_client.Limits(seconds=300, cpu_seconds=280, memory=3_000_000_000)
THUMBNAIL_EDGE = 512


async def identify(path: Path, *, name: str, claimed: str | None = None) -> Identified:
    """Identify the file at ``path`` by its bytes. Cheap: reads some 70 KB in a thread and decodes nothing.

    ``name`` and ``claimed`` (a MIME type) only choose between kinds of text; a wrong claim is a note.

    Raises:
        MediaError: ``MEDIA_EMPTY``, ``MEDIA_UNSUPPORTED``; of Office files also ``MEDIA_TRUNCATED``, ``MEDIA_BOMB``.
        OSError: the file cannot be read.
    """
    return await asyncio.to_thread(identify_file, path, name, claimed)


async def probe(file: MediaFile) -> Facts:
    """The file's facts, found by opening it: what is damaged, locked or far too large is refused here.

    Raises:
        MediaError: any code of ``errors`` but those of identification and transcription.
    """
    limits = PROBE if file.kind != "video" else msgspec.structs.replace(PROBE, memory=READ_VIDEO.memory)
    facts = (await worker_client.run(worker_client.job_for(file, "probe", limits))).facts
    assert facts is not None
    return facts


async def thumbnail(file: MediaFile, *, edge: int = THUMBNAIL_EDGE) -> Picture | None:
    """A small picture of an image, a video's first scene or a document's first page; ``None`` for other kinds.

    Free of metadata, at most ``edge`` pixels at either side. Raises ``MediaError`` as ``probe`` does.
    """
    if file.kind not in ("image", "video") and file.mime_type != "application/pdf":
        return None
    limits = PROBE if file.kind != "video" else msgspec.structs.replace(PROBE, memory=READ_VIDEO.memory)
    return (await worker_client.run(worker_client.job_for(file, "thumbnail", limits, edge=edge))).picture


async def understand(
    file: MediaFile,
    *,
    sight: ModelSight,
    settings: MediaSettings,
    pages: tuple[int, int] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Understood:
    """Make the content that a model with this ``sight`` gets of the file. May take minutes; cancel the task to stop it.

    Args:
        sight: what the model takes, from ``sight_of``.
        settings: ``MediaSettings.of(config)``.
        pages: the first and last page wanted of a document (``pages_asked(question)``); by default as many as fit.
        on_progress: called on the event loop; must not block.

    Raises:
        MediaError: the file cannot be used, or the transcriber failed (``MEDIA_TRANSCRIBER_FAILED``). No transcriber
            is no error: the model is then told that it cannot hear.
    """
    key = cache_key(file, sight=sight, settings=settings, pages=pages)
    job = worker_client.job_for(
        file,
        "understand",
        READ_VIDEO if file.kind in ("audio", "video") else READ,
        settings=msgspec.structs.replace(settings, audio_api_key=""),
        sight=sight,
        pages=pages,
    )
    if file.kind in ("audio", "video"):
        understood = await transcripts.understand(job, settings, on_progress)
    else:
        result = await worker_client.run(job, on_progress)
        assert result.understood is not None
        understood = result.understood
    return msgspec.structs.replace(understood, cache_key=key)
