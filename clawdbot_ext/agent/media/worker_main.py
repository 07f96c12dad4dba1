"""The process that reads one file: takes a ``Job`` from its standard input, answers frames on its standard output.

Run by ``jobs.run`` only. Limits itself before it imports a parser. An exception that no reader expects ends the process
with a traceback, which the parent logs while it tells the user that the file cannot be read: a parser may raise
anything on a damaged file.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import resource
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import msgspec

from .errors import MediaError
from .types import Progress
from .worker_client import Frame, Job, Limits, Refusal, Result

READERS = {
    "image": "images",
    "audio": "sound",
    "video": "video",
    "text": "text",
    "notebook": "notebook",
    "application/pdf": "pdf",
    "application/vnd.apache.parquet": "tables",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "workbooks",
    "text/csv": "tables",
    "text/tab-separated-values": "tables",
    "document": "office",
}
"""Which module of ``readers`` reads a type, or else a kind. Each has ``probe``, ``thumbnail`` and ``understand``, all
three of ``(job, report)``; a module's ``whisper`` transcribes."""

IN_MEDIA = frozenset({"PIL", "pypdfium2"})
"""Modules that readers of the extra ``media`` cannot do without."""

Report = Callable[[Progress], None]


def main() -> None:
    """Do one job."""
    # Whatever a library prints must not get between the frames.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    job = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Job)
    restrict(job.limits)
    warnings.simplefilter("ignore")  # parsers warn about every oddity of a file

    def report(progress: Progress) -> None:
        _send(answers, Frame(progress=progress))

    try:
        _send(answers, Frame(result=perform(job, report)))
    except MediaError as exc:
        _send(answers, Frame(refusal=Refusal(exc.media_code, exc.variant, {**exc.texts, "name": job.name})))
    except MemoryError:
        _send(answers, Frame(refusal=Refusal("MEDIA_TOO_SLOW", "memory", {"name": job.name})))
    answers.flush()
    os._exit(0)  # libraries with threads of their own take long to end, or hang


def perform(job: Job, report: Report) -> Result:
    """Run the job in this process."""
    if job.task == "whisper":
        from .readers import whisper

        return Result(transcript=whisper.transcribe(job, report))
    name = READERS.get(job.mime_type) or READERS[job.kind]
    try:
        reader = importlib.import_module(f"clawdbot_ext.agent.media.readers.{name}")
    except ModuleNotFoundError as exc:
        if (exc.name or "").partition(".")[0] not in IN_MEDIA:
            raise
        raise MediaError("MEDIA_NEEDS", variant="media", name=job.name, type=job.mime_type, extra="media") from None
    result: Result = getattr(reader, job.task)(job, report)
    return result


def restrict(limits: Limits) -> None:
    """Give this process its limits; what the system does not know is left out (macOS has no limit on memory)."""
    wanted = [
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_CPU, limits.cpu_seconds),
        (resource.RLIMIT_FSIZE, 2_000_000_000),
    ]
    if limits.memory is not None:
        wanted.append((resource.RLIMIT_AS, limits.memory))
    for what, most in wanted:
        _, hard = resource.getrlimit(what)
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        try:
            resource.setrlimit(what, (allowed, hard))
        except (ValueError, OSError):
            continue
    with contextlib.suppress(OSError):  # Linux: when memory runs out, this process is what is ended, not the gateway
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def _send(answers: BinaryIO, frame: Frame) -> None:
    data = msgspec.msgpack.encode(frame)
    answers.write(len(data).to_bytes(4, "big") + data)
    answers.flush()
