"""Reading a file in a process of its own, which may crash, hang or run out of memory without harm.

The parent's half: ``run`` starts ``worker``, sends it one ``Job`` and reads frames until it ends. A frame is four bytes
of length and a MessagePack ``Frame``. What the worker may use is limited twice: by itself (``setrlimit``, before
it looks at the file) and from here (time). It gets no secrets: its environment is made from an allowlist.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import tempfile
import weakref
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Literal

import msgspec

from .errors import MediaError
from .types import Facts, Kind, MediaFile, MediaSettings, ModelSight, Picture, Progress, Understood

log = logging.getLogger(__name__)

Task = Literal["probe", "thumbnail", "understand", "whisper"]

PACKAGE_PARENT = Path(__file__).resolve().parents[3]
MAX_FRAME = 256_000_000
STDERR_KEPT = 4000
"""Characters of a crashed worker's last words that go into the log."""
AT_ONCE = 2
"""Workers at a time, on one event loop: the others wait. Short tasks have a queue of their own, so that an upload is
not held up by another person's video."""
_PASSED = (
    "PATH",
    "HOME",
    "USER",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TMPDIR",
    "TZ",
    "SYSTEMROOT",
    "LD_LIBRARY_PATH",
    "PYTHONHOME",
    "XDG_CACHE_HOME",
)
_PASSED_STARTS = ("HF_", "HUGGINGFACE_", "CUDA_", "NVIDIA_", "OMP_")
"""Environment variables that the worker gets: none of them a key of ours (``HF_TOKEN`` is the model hub's)."""


class Limits(msgspec.Struct, frozen=True):
    """Resource limits of one job."""

    seconds: float = 60.0
    """From start to end."""
    cpu_seconds: int = 60
    memory: int | None = 1_500_000_000
    """Bytes of address space; ``None`` for no limit (a speech model needs what it needs)."""


class Job(msgspec.Struct, frozen=True):
    """A request to the worker."""

    task: Task
    path: str
    name: str
    mime_type: str
    kind: Kind
    size: int
    sha256: str
    limits: Limits
    settings: MediaSettings = MediaSettings()
    sight: ModelSight = ModelSight()
    pages: tuple[int, int] | None = None
    edge: int = 0
    """Of a thumbnail: its longest side in pixels."""
    sound_to: str = ""
    """Path for the sound as a WAV of 16 kHz, mono; empty for none."""


class Sound(msgspec.Struct, frozen=True):
    """Facts about a recording that need no transcription."""

    duration_ms: int
    codec: str
    sample_rate: int
    channels: int
    loudness_db: float | None = None
    """Root mean square over the whole of it, in dB below full scale; ``None`` when it is digital silence."""
    peak_db: float | None = None
    silent_part: float = 0.0
    """The part of its time, 0–1, that is quieter than −50 dB."""
    wav: str = ""
    """The file named by ``Job.sound_to``, where it was written."""


class Segment(msgspec.Struct, frozen=True):
    """A piece of a transcript."""

    start_ms: int
    end_ms: int
    text: str


class Transcript(msgspec.Struct, frozen=True):
    """The spoken text. ``engine`` names the transcriber; ``timed``: the segments' times are the transcriber's."""

    segments: tuple[Segment, ...]
    engine: str
    language: str = ""
    timed: bool = True


class Result(msgspec.Struct, frozen=True):
    """The result of a job: one of the fields, and ``sound`` beside ``understood``."""

    facts: Facts | None = None
    picture: Picture | None = None
    understood: Understood | None = None
    sound: Sound | None = None
    transcript: Transcript | None = None


class Refusal(msgspec.Struct, frozen=True):
    """A ``MediaError`` on its way to the parent."""

    code: str
    variant: str
    facts: dict[str, Any]


class Frame(msgspec.Struct, frozen=True):
    """One message of the worker's: one of the fields."""

    progress: Progress | None = None
    result: Result | None = None
    refusal: Refusal | None = None


async def run(job: Job, on_progress: Callable[[Progress], None] | None = None) -> Result:
    """Do ``job`` in a worker. To cancel, cancel the task: the worker is killed, and waited for.

    Raises:
        MediaError: what the worker says of the file; ``MEDIA_TOO_SLOW`` beyond the limits; ``MEDIA_CORRUPT`` when the
            worker crashed on it.
    """
    async with _turn(job), scratch() as folder:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            "from clawdbot_ext.agent.media.worker_main import main; main()",
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            cwd=folder,
            env=environment(),
            start_new_session=True,
        )
        try:
            return await asyncio.wait_for(_converse(process, job, on_progress), job.limits.seconds)
        except asyncio.TimeoutError:
            raise MediaError("MEDIA_TOO_SLOW", name=job.name, seconds=int(job.limits.seconds)) from None
        finally:
            await end(process)


async def _converse(process: Process, job: Job, on_progress: Callable[[Progress], None] | None) -> Result:
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    last_words = asyncio.ensure_future(_tail(process.stderr))
    try:
        with contextlib.suppress(ConnectionError):
            process.stdin.write(msgspec.msgpack.encode(job))
            await process.stdin.drain()
            process.stdin.close()
        result = None
        async for frame in _frames(process.stdout):
            if frame.refusal is not None:
                raise MediaError(frame.refusal.code, variant=frame.refusal.variant, **frame.refusal.facts)
            if frame.progress is not None and on_progress is not None:
                on_progress(frame.progress)
            result = frame.result or result
        status = await process.wait()
        if result is None:
            raise _crashed(job, status, await last_words)
        return result
    finally:
        last_words.cancel()


async def _frames(stdout: asyncio.StreamReader) -> AsyncIterator[Frame]:
    while True:
        try:
            length = int.from_bytes(await stdout.readexactly(4), "big")
            if length > MAX_FRAME:
                return
            yield msgspec.msgpack.decode(await stdout.readexactly(length), type=Frame)
        except (asyncio.IncompleteReadError, msgspec.MsgspecError):
            return  # it died in the middle of a frame, or something else wrote there


async def _tail(stream: asyncio.StreamReader) -> str:
    kept = b""
    while piece := await stream.read(65_536):
        kept = (kept + piece)[-STDERR_KEPT:]
    return kept.decode("utf-8", "replace")


def _crashed(job: Job, status: int, last_words: str) -> MediaError:
    """The error for a worker that ended without an answer. The file is to blame until the log says otherwise."""
    if status in (-signal.SIGXCPU, -signal.SIGKILL):
        return MediaError("MEDIA_TOO_SLOW", name=job.name, seconds=job.limits.cpu_seconds)
    log.warning("reading an attachment (%s, %s) ended with status %s: %s", job.task, job.mime_type, status, last_words)
    return MediaError("MEDIA_CORRUPT", name=job.name)


def environment() -> dict[str, str]:
    """The worker's environment."""
    kept = {name: value for name, value in os.environ.items() if name in _PASSED or name.startswith(_PASSED_STARTS)}
    paths = [str(PACKAGE_PARENT), os.environ.get("PYTHONPATH", "")]
    return kept | {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "PYTHONDONTWRITEBYTECODE": "1"}


async def end(process: Process) -> None:
    """Kill a process and its children, if it still runs, and wait until it is gone."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
    transport = process._transport  # type: ignore[attr-defined]  # its pipes are closed only with it (bpo-41320)
    transport.close()


_turns: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[bool, asyncio.Semaphore]] = (
    weakref.WeakKeyDictionary()
)


def _turn(job: Job) -> asyncio.Semaphore:
    """The queue for ``job`` on this event loop."""
    queues = _turns.setdefault(asyncio.get_running_loop(), {})
    return queues.setdefault(job.task in ("probe", "thumbnail"), asyncio.Semaphore(AT_ONCE))


@contextlib.asynccontextmanager
async def scratch() -> AsyncIterator[str]:
    """An empty folder to run in, so that no file of the user's is imported as a module, and gone afterwards."""
    folder = await asyncio.to_thread(tempfile.TemporaryDirectory, prefix="clawdbot-media-", ignore_cleanup_errors=True)
    try:
        yield folder.name
    finally:
        folder.cleanup()


def job_for(file: MediaFile, task: Task, limits: Limits, **more: Any) -> Job:
    """The job of reading ``file``."""
    path = os.path.abspath(file.path)  # the worker runs in a folder of its own
    return Job(task, path, file.name, file.mime_type, file.kind, file.size, file.sha256, limits, **more)
