"""Speech recognition by faster-whisper (extra ``audio``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import MediaError
from ..types import Progress
from ..worker_client import Job, Segment, Transcript

DEFAULT_MODEL = "small"
"""About 480 MB, downloaded into the model hub's cache on first use."""


def transcribe(job: Job, report: Callable[[Progress], None]) -> Transcript:
    """Transcribe ``job.sound_to`` (or the file itself), with progress by its position.

    Raises:
        MediaError: ``MEDIA_NEEDS`` without the package, ``MEDIA_TRANSCRIBER_FAILED`` when the model cannot be had.
    """
    settings = job.settings
    name = settings.audio_model or DEFAULT_MODEL
    model = _load(job, name, report)
    found, info = model.transcribe(job.sound_to or job.path, language=settings.audio_language or None, vad_filter=True)
    segments = []
    for segment in found:  # computed one by one
        segments.append(Segment(int(segment.start * 1000), int(segment.end * 1000), segment.text.strip()))
        if info.duration:
            report(Progress("transcribe", min(1.0, segment.end / info.duration), name))
    return Transcript(tuple(segments), f"faster-whisper {name}", info.language)


def _load(job: Job, name: str, report: Callable[[Progress], None]) -> Any:
    try:
        from faster_whisper import WhisperModel
    except ImportError:
        raise MediaError("MEDIA_NEEDS", name=job.name, type="audio", extra="audio", instead="TXT") from None
    report(Progress("download", None, name))
    try:
        return WhisperModel(name, device=job.settings.audio_device, compute_type="default")
    except (OSError, ValueError, RuntimeError) as exc:  # no network, no such model, no such device
        raise MediaError(
            "MEDIA_TRANSCRIBER_FAILED", name=job.name, detail=f"faster-whisper {name}: {str(exc)[:300]}"
        ) from None
