"""Opening recordings and videos with FFmpeg (PyAV), with one demuxer, no network and no other files.

FFmpeg would guess the format and follow what a file refers to (a playlist names other files and addresses); here the
format is the one that the first bytes showed, and nothing but the file itself may be opened.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import MediaError
from ..worker_client import Job

_DEMUXERS = {
    "audio/mpeg": "mp3",
    "audio/wav": "wav",
    "audio/mp4": "mp4",
    "audio/aac": "aac",
    "audio/flac": "flac",
    "audio/ogg": "ogg",
    "audio/aiff": "aiff",
    "audio/webm": "matroska",
    "audio/amr": "amr",
    "video/mp4": "mp4",
    "video/quicktime": "mov",
    "video/webm": "matroska",
    "video/x-msvideo": "avi",
    "video/ogg": "ogg",
}
ATTACHED_PICTURE = 0x400
"""FFmpeg's flag of a stream that is the cover of a recording."""
_INDEXED = {"mp4", "mov"}
"""Formats that are nothing without an index, which is written last."""


def available() -> bool:
    """Whether PyAV (extra ``media``) is installed. It has no wheels for some machines."""
    try:
        import av
    except ImportError:
        return False
    return bool(av)


def opened(job: Job) -> Any:
    """The open container, a context manager.

    Raises:
        MediaError: ``MEDIA_TRUNCATED``, ``MEDIA_CORRUPT``.
    """
    import av

    demuxer = _DEMUXERS[job.mime_type]
    av.logging.set_level(av.logging.PANIC)
    try:
        return av.open(job.path, format=demuxer, options={"protocol_whitelist": "file"}, metadata_errors="replace")
    except (av.error.FFmpegError, ValueError):
        no_index = demuxer in _INDEXED and not _has(job, b"moov")
        raise MediaError("MEDIA_TRUNCATED" if no_index else "MEDIA_CORRUPT") from None


def _has(job: Job, mark: bytes) -> bool:
    """Return whether ``mark`` occurs anywhere in the file."""
    with Path(job.path).open("rb") as file:
        before = b""
        while piece := file.read(1 << 20):
            if mark in before + piece:
                return True
            before = piece[-len(mark) :]
    return False


def stream_of(container: Any, kind: str) -> Any:
    """The first stream of a kind (``audio``, ``video``); cover art is no video. ``None`` without one."""
    for stream in container.streams:
        if stream.type == kind and stream.codec_context is not None and not _cover(stream):
            return stream
    return None


def _cover(stream: Any) -> bool:
    flags = getattr(stream, "disposition", 0)
    return bool(int(getattr(flags, "value", flags)) & ATTACHED_PICTURE)


def duration_ms(container: Any, stream: Any) -> int:
    """The length in milliseconds that the file states, of this stream or of all of it; 0 where it states none.

    Matroska states where it ends; a piece of a longer recording begins late.
    """
    if own := own_duration_ms(stream):
        return own
    if not container.duration or container.duration < 0:
        return 0
    begins = container.start_time if "matroska" in container.format.name else 0
    return int((container.duration - max(0, begins or 0)) / 1000)


def own_duration_ms(stream: Any) -> int:
    """The length that the file states of this stream itself; 0 where it states none."""
    return int(stream.duration * stream.time_base * 1000) if stream.duration and stream.time_base else 0
