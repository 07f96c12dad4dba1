"""Recordings for the model: what can be measured of them, what was said and when, or that it cannot hear them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from ...protocol.clock import now_ms
from ..context.token_estimate import estimate
from . import transcribers, worker_client
from .errors import MediaError
from .prompt_framing import clock, closing, framed, opening, trim
from .types import Facts, MediaSettings, Note, Progress, TextBlock, Understood
from .worker_client import Job, Segment, Sound, Transcript

SILENCE = 0.995
"""A recording that is quieter than −50 dB for more than this part of its time is not given to a transcriber, which
would hear things."""
RETRY_MS = 300_000
"""Time for which a transcriber's failure is remembered: not for ever, and not so short that every question waits for
it."""
_MISSING = {
    "cut_short": " It is damaged at {at}; everything after that is missing.",
    "sound_cut": " Only its first {until} were read; there is more.",
}
"""By the note for the user: the sentence for the model on a recording that is not all there."""
CANNOT_OPEN = "A recording in a format that cannot be opened on this machine. Say that you cannot hear it."
CANNOT_HEAR = (
    "You cannot hear this recording: no speech recognition is set up. Do not guess what is said in it; say that you "
    "cannot hear it, and that the user can enable it (`pip install 'jupyter-clawdbot[audio]'`, or the setting "
    "media.audio.command or media.audio.baseUrl)."
)


async def understand(job: Job, settings: MediaSettings, on_progress: Callable[[Progress], None] | None) -> Understood:
    """Make the model's content of a recording or a video: read by the worker, then transcribed.

    A transcriber that fails costs the transcript, not the rest: the model gets the frames and facts, and the user a
    note with the reason.

    Raises:
        MediaError: the file cannot be used.
    """
    engine = transcribers.choose(settings)
    async with worker_client.scratch() as folder:
        wav = str(Path(folder) / "sound.wav") if engine is not None else ""
        result = await worker_client.run(msgspec.structs.replace(job, sound_to=wav), on_progress)
        sound, notes = result.sound, list(result.understood.notes if result.understood else ())
        transcript = None
        if sound is not None and _silent(sound):
            notes.append(Note("silent"))
        elif sound is not None and engine is not None:
            if sound.duration_ms > settings.audio_max_minutes * 60_000:
                notes.append(Note("too_long_to_hear", {"minutes": settings.audio_max_minutes}))
            else:
                try:
                    transcript = await transcribers.transcribe(engine, job, sound, settings, on_progress)
                except MediaError as exc:
                    detail = str(exc.texts.get("detail") or exc.hint_in("en"))
                    notes.append(Note("transcriber_failed", {"detail": detail}))
        elif sound is not None:
            notes.append(Note("cannot_hear"))
    if job.kind == "audio" and sound is not None:
        understood = _recording(job, sound, transcript, notes)
    else:
        assert result.understood is not None
        understood = _with_sound(job, result.understood, sound, transcript, notes)
    failed = any(note.code == "transcriber_failed" for note in notes)
    return msgspec.structs.replace(understood, expires_at_ms=now_ms() + RETRY_MS if failed else 0)


def _silent(sound: Sound) -> bool:
    return sound.loudness_db is None or sound.silent_part > SILENCE


def _recording(job: Job, sound: Sound, transcript: Transcript | None, notes: list[Note]) -> Understood:
    body, truncated = _spoken(sound, transcript, notes, job.sight.tokens)
    if truncated:
        notes.append(Note("transcript_trimmed", {"until": clock(truncated)}))
    block = framed(job, body, described(sound, notes), truncated=bool(truncated))
    facts = Facts(duration_ms=sound.duration_ms, codec=sound.codec)
    return Understood((block,), tuple(notes), estimate(block.text), facts, transcript.engine if transcript else None)


def _with_sound(
    job: Job, seen: Understood, sound: Sound | None, transcript: Transcript | None, notes: list[Note]
) -> Understood:
    """A video's frames, then what is heard in it; also a recording that cannot be opened on this machine."""
    if job.kind == "audio":
        seen = msgspec.structs.replace(seen, blocks=(TextBlock(opening(job)),))
        text, truncated = CANNOT_OPEN, 0
    elif sound is None:
        missing = _missing(notes)
        text, truncated = f"The video has no sound.{missing}", 0
    else:
        body, truncated = _spoken(sound, transcript, notes, max(1000, job.sight.tokens - seen.tokens))
        text = f"Its sound: {described(sound, notes)}\n{body}"
    if truncated:
        notes.append(Note("transcript_trimmed", {"until": clock(truncated)}))
    block = TextBlock(f"{text}\n{closing(job)}", bool(truncated))
    return msgspec.structs.replace(
        seen,
        blocks=(*seen.blocks, block),
        notes=tuple(notes),
        tokens=seen.tokens + estimate(block.text),
        transcriber=transcript.engine if transcript else None,
    )


def _spoken(sound: Sound, transcript: Transcript | None, notes: Sequence[Note], tokens: int) -> tuple[str, int]:
    """The spoken text, and the position in milliseconds at which it was cut off (0: it was not)."""
    codes = {note.code for note in notes}
    if transcript is None:
        if "silent" in codes or _silent(sound):
            return "There is nothing to be heard in it but silence.", 0
        if "too_long_to_hear" in codes:
            return "It was too long to be transcribed, and you cannot hear it. Say so rather than guess.", 0
        if "transcriber_failed" in codes:
            return "Speech recognition failed, and you cannot hear it yourself. Say so rather than guess.", 0
        return CANNOT_HEAR, 0
    if not transcript.segments:
        return f"The speech recognition ({transcript.engine}) understood no words.", 0
    head = f"Transcript by {transcript.engine}" + (f", language {transcript.language}" if transcript.language else "")
    head += "; it may contain mistakes. You read it, you do not hear the recording."
    lines = [_line(segment, transcript.timed, short=sound.duration_ms < 60_000) for segment in transcript.segments]
    text, left_out = trim("\n".join(lines), tokens)
    if not left_out:
        return f"{head}\n{text}", 0
    shown = len(text.splitlines())
    cut = transcript.segments[min(shown, len(transcript.segments) - 1)].start_ms or sound.duration_ms
    return f"{head}\n{text}\n[cut here for length: {left_out} characters more]", cut


def _line(segment: Segment, timed: bool, *, short: bool) -> str:
    return f"[{clock(segment.start_ms, tenths=short)}] {segment.text}" if timed else segment.text


def described(sound: Sound, notes: Sequence[Note] = ()) -> str:
    """A recording's facts as one line, and how much of it there is."""
    channels = {1: "mono", 2: "stereo"}.get(sound.channels, f"{sound.channels} channels")
    loud = (
        "digital silence"
        if sound.loudness_db is None
        else (
            f"loudness {sound.loudness_db:.0f} dBFS (peak {sound.peak_db:.0f})"
            if sound.peak_db is not None
            else f"loudness {sound.loudness_db:.0f} dBFS"
        )
    )
    silent = f", {sound.silent_part:.0%} of it silent" if sound.silent_part >= 0.05 and sound.loudness_db else ""
    return (
        f"Duration {clock(sound.duration_ms, tenths=True)}, {sound.codec}, {sound.sample_rate} Hz, {channels}, "
        f"{loud}{silent}.{_missing(notes)}"
    )


def _missing(notes: Sequence[Note]) -> str:
    """Sentences on what of a recording is not there."""
    return "".join(_MISSING[note.code].format(**note.facts) for note in notes if note.code in _MISSING)
