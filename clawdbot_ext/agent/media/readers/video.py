"""Video: frames where the picture changes, with their times, within the token budget; and its sound.

Short clips are looked at several times a second, long ones at their key frames, which encoders put at cuts. The frames
to send are those after the greatest changes, then the ones that fill the longest gaps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import msgspec

from ..errors import MediaError
from ..prompt_framing import clock, opening
from ..types import Block, Facts, ImageBlock, Note, Progress, TextBlock, Understood
from ..vision_limits import image_tokens
from ..worker_client import Job, Result
from ..worker_main import Report
from . import images, sound, streams

DECODE_ALL_MS = 90_000
"""Clips up to this are decoded whole; of longer ones only the key frames."""
LOOK_MS = 200
"""Interval at which frames are taken from a clip."""
MAX_LOOKS = 4000
MAX_CUTS = 40
"""Abrupt changes whose times are told."""
GRID = (32, 18)
"""Size of the grey miniature by which two frames are compared."""
CUT = 14.0
"""Mean difference, of 255, from which on it is another scene. Camera movement at ``LOOK_MS`` stays below."""
FRAMES_SHARE = 0.6
"""The part of the budget that is for frames; the rest is for what is said."""
FRAME_EDGE = 1200
MAX_PIXELS = 36_000_000
"""Of a frame: 8K video has 33 million."""


class Look(NamedTuple):
    """One frame that was looked at: when, and how much it differs from the one before (0–255)."""

    ms: int
    change: float


def probe(job: Job, report: Report) -> Result:
    if not streams.available():
        return Result(facts=Facts(notes=(Note("no_video_reader"),)))
    with streams.opened(job) as container:
        stream = streams.stream_of(container, "video")
        if stream is None:
            return sound.probe(job, report)
        return Result(facts=_facts(container, stream))


def thumbnail(job: Job, report: Report) -> Result:
    if not streams.available():
        return Result()
    with streams.opened(job) as container:
        stream = streams.stream_of(container, "video")
        if stream is None:
            return Result()
        facts = _facts(container, stream)
        at = min(1000, (facts.duration_ms or 0) // 10)  # many begin with black
        for _, picture in _pictures(container, stream, [at]):
            return Result(picture=images.small(picture, job.edge))
    raise MediaError("MEDIA_CORRUPT")


def understand(job: Job, report: Report) -> Result:
    if not streams.available():
        text = f"{opening(job)}\nA video. It cannot be opened on this machine: say so rather than guess what it shows."
        block = TextBlock(text)
        return Result(understood=Understood((block,), (Note("no_video_reader"),), 60))
    with streams.opened(job) as container:
        stream = streams.stream_of(container, "video")
        if stream is None:  # a recording in a video's clothes
            heard, notes = sound.measured(job, job.sound_to, report)
            seen = Understood((TextBlock(f"{opening(job)}\nA video file without pictures."),), notes, 60)
            return Result(understood=seen, sound=heard)
        facts = _facts(container, stream)
        looks = list(_sampled(container, stream, facts, report)) if job.sight.images else []
    length = facts.duration_ms or (looks[-1].ms if looks else 0)
    until = looks[-1].ms if looks and _too_long(looks[-1].ms, facts.duration_ms or 0) else 0
    chosen = choose(looks, _room(job))
    frames = _encoded(job, chosen, report)
    try:
        heard, notes = sound.measured(job, job.sound_to, report)
    except MediaError:  # the pictures are still worth seeing
        heard, notes = None, ()
    until_heard = heard.duration_ms if heard else 0
    if looks and not until and not notes and _is_cut(looks, until_heard, length):
        notes = (Note("cut_short", {"at": clock(max(until_heard, looks[-1].ms), tenths=True)}),)
    facts = msgspec.structs.replace(facts, duration_ms=length)
    return Result(understood=_understood(job, facts, frames, looks, notes, until), sound=heard)


def _understood(
    job: Job, facts: Facts, frames: list[ImageBlock], looks: Sequence[Look], notes: tuple[Note, ...], until: int
) -> Understood:
    cuts = [clock(look.ms, tenths=True) for look in looks if look.change >= CUT]
    text = (
        f"A video of {clock(facts.duration_ms or 0, tenths=True)}, {facts.width} × {facts.height} pixels, "
        f"{facts.codec}."
    )
    if frames:
        text += f" You see {len(frames)} frames of it with their times, not the movement between them."
        if cuts:
            more = f" and {len(cuts) - MAX_CUTS} times more" if len(cuts) > MAX_CUTS else ""
            text += f" The picture changes abruptly at {', '.join(cuts[:MAX_CUTS])}{more}."
        if until:
            text += f" Only its first {clock(until)} were looked at: it is longer than it says."
    else:
        text += " You cannot see images with this model: say so rather than guess what it shows."
    blocks: list[Block] = [TextBlock(f"{opening(job)}\n{text}")]
    for frame in frames:
        blocks += [TextBlock(f"[frame at {frame.label}]"), frame]
    tokens = 80 + sum(8 + image_tokens(frame.width, frame.height) for frame in frames)
    told = Note("frames", {"count": len(frames)}) if frames else Note("no_vision")
    cut = (Note("video_cut", {"until": clock(until)}),) if until else ()
    return Understood(tuple(blocks), (told, *cut, *notes), tokens, facts)


def _room(job: Job) -> int:
    """The number of frames that fit: the setting, what the model takes, and the budget at 300 tokens a small frame."""
    by_tokens = int(job.sight.tokens * FRAMES_SHARE) // 300
    return max(1, min(job.settings.video_max_frames, job.sight.max_images, by_tokens)) if job.sight.images else 0


def choose(looks: Sequence[Look], most: int) -> list[int]:
    """The times, in milliseconds and in order, of the frames to send.

    The first; those after the greatest changes; then, while there is room, one in the middle of the longest gap that
    is over two seconds.
    """
    if not looks or most < 1:
        return []
    chosen = {looks[0].ms}
    for look in sorted(looks[1:], key=lambda look: -look.change):
        if len(chosen) >= most or look.change < CUT:
            break
        chosen.add(look.ms)
    end = looks[-1].ms
    times = [look.ms for look in looks]
    while len(chosen) < most:
        start, stop = max(pairwise([*sorted(chosen), end + 1]), key=lambda gap: gap[1] - gap[0])
        inside = [ms for ms in times if start < ms < stop]
        if stop - start < 2000 or not inside:
            break
        middle = stop if stop > end and len(chosen) == 1 else (start + stop) // 2
        chosen.add(min(inside, key=lambda ms: abs(ms - middle)))
    return sorted(chosen)


def _sampled(container: Any, stream: Any, facts: Facts, report: Report) -> Iterator[Look]:
    length = facts.duration_ms or 0
    if length > DECODE_ALL_MS:
        stream.codec_context.skip_frame = "NONKEY"
    before, last = b"", -LOOK_MS
    for count, (ms, frame) in enumerate(_frames(container, stream)):
        if ms - last < LOOK_MS and count:
            continue
        now = _miniature(frame)
        yield Look(ms, _difference(before, now) if before else 0.0)
        if length and ms // 5000 > last // 5000:
            report(Progress("frames", min(1.0, ms / length), clock(ms)))
        before, last = now, ms
        if _too_long(ms, length):
            return


def _is_cut(looks: Sequence[Look], heard_ms: int, length: int) -> bool:
    """Report whether pictures and sound both end before the stated length.

    Between the key frames of a long video there may be any time: it is short by several of those, or by its sound.
    """
    if not sound.is_short(looks[-1].ms, length) or (heard_ms and not sound.is_short(heard_ms, length)):
        return False
    if length <= DECODE_ALL_MS or heard_ms:
        return True
    gaps = [after.ms - before.ms for before, after in pairwise(looks)]
    return bool(gaps) and length - looks[-1].ms > 3 * max(gaps)


def _too_long(ms: int, length: int) -> bool:
    """Report whether a clip that says to be short has been looked at for long enough."""
    return ms // LOOK_MS > MAX_LOOKS and length <= DECODE_ALL_MS


def _miniature(frame: Any) -> bytes:
    small = frame.reformat(width=GRID[0], height=GRID[1], format="gray")
    plane = small.planes[0]
    data = bytes(plane)
    return b"".join(data[row * plane.line_size : row * plane.line_size + GRID[0]] for row in range(GRID[1]))


def _difference(one: bytes, other: bytes) -> float:
    return sum(abs(a - b) for a, b in zip(one, other, strict=True)) / len(one)


def _frames(container: Any, stream: Any) -> Iterator[tuple[int, Any]]:
    """Times in milliseconds and decoded frames, as far as the file can be read."""
    import av

    start = stream.start_time or 0
    try:
        for frame in container.decode(stream):
            if frame.pts is not None:
                yield max(0, int((frame.pts - start) * stream.time_base * 1000)), frame
    except (av.error.FFmpegError, ValueError):
        return


def _encoded(job: Job, chosen: Sequence[int], report: Report) -> list[ImageBlock]:
    """The chosen frames, as the model takes them."""
    sight = msgspec.structs.replace(
        job.sight, tokens=int(job.sight.tokens * FRAMES_SHARE), image_edge=min(FRAME_EDGE, job.sight.image_edge)
    )
    made: list[ImageBlock] = []
    if not chosen:
        return made
    with streams.opened(job) as container:
        stream = streams.stream_of(container, "video")
        for ms, picture in _pictures(container, stream, chosen):
            made.append(
                images.encoded(
                    picture, sight, job.settings.image_max_edge, label=clock(ms, tenths=True), share=len(chosen)
                )
            )
            report(Progress("frames", len(made) / len(chosen), f"{len(made)}/{len(chosen)}"))
    return made


def _pictures(container: Any, stream: Any, times: Sequence[int]) -> Iterator[tuple[int, Any]]:
    """The frames at ``times`` (in order), turned upright; the nearest before the end where there is none so late."""
    start = stream.start_time or 0
    for wanted in times:
        container.seek(start + int(wanted / 1000 / stream.time_base), stream=stream, backward=True)
        last = None
        for ms, frame in _frames(container, stream):
            last = ms, frame
            if ms >= wanted:
                break
        if last is not None:
            yield last[0], _upright(last[1])


def _upright(frame: Any) -> Any:
    picture = frame.to_image()
    rotation = _rotation(frame)
    return picture.rotate(rotation, expand=True) if rotation % 360 else picture


def _rotation(frame: Any) -> int:
    """Degrees counter-clockwise by which a frame has to be turned; phones film sideways."""
    return round(getattr(frame, "rotation", 0) or 0)


def _facts(container: Any, stream: Any) -> Facts:
    """Size as shown, length and codec; the first frame is decoded for its orientation.

    Raises:
        MediaError: ``MEDIA_TOO_MANY_PIXELS``, before anything is decoded; ``MEDIA_NO_DURATION`` or ``MEDIA_CORRUPT``
            when there is no frame.
    """
    context = stream.codec_context
    width, height = context.width or 0, context.height or 0
    if width * height > MAX_PIXELS:
        raise MediaError("MEDIA_TOO_MANY_PIXELS", width=width, height=height, limit=MAX_PIXELS // 1_000_000)
    length = streams.duration_ms(container, stream)
    first = next(_frames(container, stream), None)
    if first is None:
        raise MediaError("MEDIA_CORRUPT" if length else "MEDIA_NO_DURATION")
    if _rotation(first[1]) % 180:
        width, height = height, width
    container.seek(0)
    return Facts(width, height, length or None, codec=str(context.name))
