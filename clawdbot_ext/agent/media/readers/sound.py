"""Recordings, and the sound of videos: how long, how loud, and as plain 16 kHz mono for a transcriber.

Everything is decoded once, in pieces. Without PyAV only WAV can be read, by the standard library.
"""

from __future__ import annotations

import contextlib
import math
import wave
from array import array
from collections.abc import Iterator
from operator import mul
from typing import Any

from ..errors import MediaError
from ..prompt_framing import clock
from ..types import Facts, Note, Progress, Understood
from ..worker_client import Job, Result, Sound
from ..worker_main import Report
from . import streams

RATE = 16_000
"""Hertz of the sound that transcribers get; all of them take it."""
WINDOW = RATE // 10
"""Samples of the pieces that are each silent or not."""
QUIET = 32768 * 10 ** (-50 / 20)
"""−50 dB below full scale, as a sample's value."""
STRIDE = 4
"""Every which sample counts for the loudness."""
SHORTEST_MS = 20
MAX_MS = 24 * 3_600_000
"""Of a recording that is read; what is behind it is not."""


def probe(job: Job, report: Report) -> Result:
    """Its length and codec, from the file's header where it has them, else by decoding it."""
    if not streams.available():
        return Result(facts=_wave_facts(job))
    with streams.opened(job) as container:
        stream = streams.stream_of(container, "audio")
        if stream is None:
            raise MediaError("MEDIA_CORRUPT")
        codec = _codec(stream)
        length = streams.duration_ms(container, stream)
        if length and not _decodes(container, stream):
            raise MediaError("MEDIA_CORRUPT")
    if not length:
        sound, _ = measured(job, "", report)
        assert sound is not None
        length = sound.duration_ms
    if length < SHORTEST_MS:
        raise MediaError("MEDIA_NO_DURATION")
    return Result(facts=Facts(duration_ms=length, codec=codec))


def understand(job: Job, report: Report) -> Result:
    if not streams.available():
        facts = _wave_facts(job)
        sound = _wave_sound(job)
        notes: tuple[Note, ...] = (Note("no_audio_reader"),) if sound is None else ()
        return Result(understood=Understood((), notes, facts=facts), sound=sound)
    sound, notes = measured(job, job.sound_to, report)
    if sound is None:
        raise MediaError("MEDIA_CORRUPT")
    return Result(understood=Understood((), notes), sound=sound)


def measured(job: Job, sound_to: str, report: Report) -> tuple[Sound | None, tuple[Note, ...]]:
    """The sound of a file, decoded to its end or as far as it goes; ``None`` when it has none.

    Raises:
        MediaError: ``MEDIA_CORRUPT`` when nothing of it can be decoded, ``MEDIA_NO_DURATION``.
    """
    import av

    with streams.opened(job) as container:
        stream = streams.stream_of(container, "audio")
        if stream is None:
            return None, ()
        context = stream.codec_context
        codec, rate, channels = _codec(stream), context.sample_rate or 0, _channels(context)
        said = streams.duration_ms(container, stream)
        promised = said if streams.stream_of(container, "video") is None else streams.own_duration_ms(stream)
        level, broken = _Level(), False
        with _writer(sound_to) as out:
            try:
                for samples in _samples(container, stream):
                    level.add(samples)
                    out(samples)
                    if level.due():
                        report(Progress("read", min(1.0, level.ms / said) if said else None, clock(level.ms)))
            except (av.error.FFmpegError, ValueError):
                broken = True
        if not level.count:
            raise MediaError("MEDIA_CORRUPT" if broken or said > 1000 else "MEDIA_NO_DURATION")
    if level.ms < SHORTEST_MS:
        raise MediaError("MEDIA_NO_DURATION")
    cut = broken or is_short(level.ms, promised) or _wav_promises_more(job)
    notes: tuple[Note, ...] = (Note("cut_short", {"at": clock(level.ms, tenths=True)}),) if cut else ()
    if level.ms >= MAX_MS:
        notes = (Note("sound_cut", {"until": clock(MAX_MS)}),)
    return Sound(level.ms, codec, rate, channels, *level.figures(), wav=sound_to), notes


def is_short(ms: int, promised: int) -> bool:
    """Report whether a stream that states a length ends clearly before it."""
    return ms < promised * 0.9 - 200


def _wav_promises_more(job: Job) -> bool:
    """Report whether a WAV's header counts more bytes than there are; FFmpeg accepts such a file silently."""
    if job.mime_type != "audio/wav":
        return False
    with open(job.path, "rb") as file:
        size = int.from_bytes(file.read(8)[4:], "little")
    return job.size * 1.02 + 1000 < size < 0xFFFF_FF00  # a recorder that streams leaves the largest number there


class _Level:
    """Loudness, peak and silence of samples as they come."""

    def __init__(self) -> None:
        self.count = self.squares = self.used = 0
        self.windows = self.silent = 0
        self.peak = 0
        self._told = 0

    def add(self, samples: array[int]) -> None:
        self.count += len(samples)
        for start in range(0, len(samples), WINDOW):
            window = samples[start : start + WINDOW]
            high, low = max(window), min(window)
            thin = window[::STRIDE]
            squares = sum(map(mul, thin, thin))
            self.peak = max(self.peak, high, -low)
            self.squares += squares
            self.used += len(thin)
            self.windows += 1
            self.silent += squares < QUIET * QUIET * len(thin)

    @property
    def ms(self) -> int:
        return self.count * 1000 // RATE

    def due(self) -> bool:
        """Report whether progress is due: once for each minute of sound."""
        minute = self.ms // 60_000
        told, self._told = self._told, minute
        return minute > told

    def figures(self) -> tuple[float | None, float | None, float]:
        """Loudness and peak in dB below full scale, and the silent part of the time."""
        loudness = 10 * math.log10(self.squares / self.used / 32768**2) if self.squares else None
        peak = 20 * math.log10(self.peak / 32768) if self.peak else None
        return loudness, peak, self.silent / max(1, self.windows)


def _samples(container: Any, stream: Any) -> Iterator[array[int]]:
    """The sound in pieces of at least a tenth of a second, as 16-bit mono at ``RATE``."""
    import av

    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    kept: array[int] = array("h")
    total = 0
    frames = container.decode(stream)
    for frame in _with_end(frames):
        for piece in resampler.resample(frame):
            kept.frombytes(bytes(piece.planes[0])[: piece.samples * 2])
        if len(kept) >= RATE or (frame is None and kept):
            total += len(kept)
            yield kept
            kept = array("h")
        if total >= MAX_MS * (RATE // 1000):
            return


def _with_end(frames: Any) -> Iterator[Any]:
    """The frames that can be decoded, then ``None``, which makes the resampler give its rest.

    A damaged packet in the middle is passed over; FFmpeg finds the next good one.
    """
    import av

    bad = 0
    while True:
        try:
            frame = next(frames, None)
        except av.error.EOFError:
            frame = None
        except av.error.InvalidDataError:
            bad += 1
            if bad > 50:
                raise
            continue
        bad = 0
        yield frame
        if frame is None:
            return


@contextlib.contextmanager
def _writer(path: str) -> Iterator[Any]:
    """A function that adds samples to a WAV at ``path``; one that does nothing for an empty path."""
    if not path:
        yield lambda samples: None
        return
    with wave.open(path, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        yield lambda samples: out.writeframesraw(samples.tobytes())


def _decodes(container: Any, stream: Any) -> bool:
    import av

    try:
        return next(container.decode(stream), None) is not None
    except (av.error.FFmpegError, ValueError):
        return False


def _codec(stream: Any) -> str:
    name = str(stream.codec_context.name)
    plain = {"mp3float": "mp3", "pcm_s16le": "PCM 16 bit", "pcm_s24le": "PCM 24 bit", "pcm_f32le": "PCM float"}
    return plain.get(name, name)


def _channels(context: Any) -> int:
    layout = getattr(context, "layout", None)
    return int(getattr(layout, "nb_channels", None) or getattr(context, "channels", None) or 1)


# -- without PyAV -----------------------------------------------------------------------------------------------------
def _wave_facts(job: Job) -> Facts:
    sound = _wave_sound(job)
    return (
        Facts(duration_ms=sound.duration_ms, codec=sound.codec)
        if sound is not None
        else Facts(notes=(Note("no_audio_reader"),))
    )


def _wave_sound(job: Job) -> Sound | None:
    """A WAV's facts; ``None`` for other formats. Raises ``MEDIA_CORRUPT``, ``MEDIA_NO_DURATION``."""
    if job.mime_type != "audio/wav":
        return None
    try:
        with wave.open(job.path) as file:
            rate, channels, width, count = (
                file.getframerate(),
                file.getnchannels(),
                file.getsampwidth(),
                file.getnframes(),
            )
            if not count or not rate:
                raise MediaError("MEDIA_NO_DURATION")
            level = _Level()
            while width == 2 and (data := file.readframes(rate)):
                level.add(array("h", data[: len(data) // 2 * 2])[::channels])
    except (wave.Error, EOFError):
        raise MediaError("MEDIA_CORRUPT") from None
    return Sound(count * 1000 // rate, f"PCM {width * 8} bit", rate, channels, *level.figures())
