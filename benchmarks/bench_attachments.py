"""Cost of reading an attachment for the other clients: how long the event loop stands still, and what memory it takes.

    python benchmarks/bench_attachments.py [--rounds N]

Hostile and ordinary files are read as the gateway does. Budgets are those of the anchors' A7: at most 100 ms of the
loop's own time for a file, less than 50 MB of memory in the gateway. The longest pause of the loop is shown too, beside
that of an idle loop: on a machine with other work the two are alike. Needs the ``test`` extra and ``ffmpeg``. Half a
minute; prints medians against the budgets and exits 1 if one is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import io
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import psutil  # noqa: E402
from PIL import Image  # noqa: E402

from clawdbot_ext.agent.media import api  # noqa: E402
from clawdbot_ext.agent.media.api import MediaError, MediaFile, MediaSettings, ModelSight  # noqa: E402
from tests.support import files  # noqa: E402

now = time.perf_counter
BUDGET_LOOP_MS, BUDGET_MEMORY_MB = 100.0, 50.0
SETTINGS = MediaSettings(audio_engine="off")


def made(folder: Path) -> dict[str, Path]:
    """The files, by what they are."""
    colours = ["red", "blue", "white", "black"] * 3
    deep = b'{"nbformat": 4, "cells": [' + b"[" * 200_000
    heavy = files.notebook(files.code("x", files.printed("line of output\n" * 6_000_000)))
    contents = {
        "photo, 12 Mpx JPEG": ("photo.jpg", files.encoded(files.photo(4000, 3000), "JPEG")),
        "PNG, 20,000 × 20,000": ("bomb.png", files.bomb(20_000, 20_000)),
        "GIF, 300 frames": ("a.gif", gif(300)),
        "PDF, 3 pages": ("three.pdf", files.pdf(["one", "two", "three"])),
        "PDF, 20,000 pages": ("long.pdf", files.pdf(["page"] * 20_000)),
        "CSV, 100,000 rows": ("a.csv", b"a,b,c\n" + b"1,2.5,word\n" * 100_000),
        "notebook, 90 MB of output": ("heavy.ipynb", heavy),
        "notebook, 200,000 deep": ("deep.ipynb", deep),
        "WAV, 10 minutes": ("a.wav", files.tone(600)),
    }
    paths = {}
    for what, (name, content) in contents.items():
        paths[what] = folder / name
        paths[what].write_bytes(content)
    paths["MP4, 12 scenes"] = files.clip(folder / "a.mp4", colours, 2.0)
    return paths


def gif(frames: int) -> bytes:
    pictures = [Image.new("P", (64, 64), number % 256) for number in range(frames)]
    out = io.BytesIO()
    pictures[0].save(out, "GIF", save_all=True, append_images=pictures[1:])
    return out.getvalue()


async def read(path: Path) -> str:
    """All that happens to a file from its arrival to its place in a request; how it ended."""
    with contextlib.suppress(MediaError):
        identified = await api.identify(path, name=path.name)
        digest = await asyncio.to_thread(lambda: hashlib.sha256(path.read_bytes()).hexdigest())
        size = await asyncio.to_thread(lambda: path.stat().st_size)
        file = MediaFile(path, path.name, identified.mime_type, identified.kind, size, digest)
        try:
            await api.probe(file)
            understood = await api.understand(file, sight=ModelSight(), settings=SETTINGS)
        except MediaError as exc:
            return exc.media_code
        return f"{len(understood.blocks)} blocks, {understood.tokens} tokens"
    return "refused"


class Cost(NamedTuple):
    """Of one piece of work: seconds, CPU time of the loop's thread and its longest pause in ms, memory added in MB."""

    took: float
    loop: float
    pause: float
    memory: float
    ended: str


async def watched(work: Callable[[], Awaitable[str]]) -> Cost:
    process = psutil.Process()
    stop, longest = asyncio.Event(), 0.0

    async def watch() -> None:
        nonlocal longest
        while not stop.is_set():
            start = now()
            await asyncio.sleep(0.02)
            longest = max(longest, now() - start - 0.02)

    watcher = asyncio.create_task(watch())
    memory, start, cpu = process.memory_info().rss, now(), time.thread_time()
    ended = await work()
    took, spent = now() - start, time.thread_time() - cpu
    stop.set()
    await watcher
    return Cost(took, spent * 1000, longest * 1000, (process.memory_info().rss - memory) / 1e6, ended)


async def idle() -> str:
    await asyncio.sleep(2)
    return ""


async def main(rounds: int) -> int:
    worst_loop = worst_memory = 0.0
    with tempfile.TemporaryDirectory() as folder:
        paths = await asyncio.to_thread(made, Path(folder))
        print(f"{'file':28} {'s':>6} {'loop ms':>8} {'pause ms':>9} {'MB':>6}  result")
        print(f"{'(nothing)':28} {2:6.2f} {(await watched(idle)).loop:8.1f} {(await watched(idle)).pause:9.1f}")
        for what, path in paths.items():
            runs = [await watched(lambda path=path: read(path)) for _ in range(rounds)]
            took, loop, pause, memory = (median(run[i] for run in runs) for i in range(4))
            worst_loop, worst_memory = max(worst_loop, loop), max(worst_memory, memory)
            print(f"{what:28} {took:6.2f} {loop:8.1f} {pause:9.1f} {memory:6.1f}  {runs[-1].ended}")
    print(
        f"most of the loop's time {worst_loop:.1f} ms (budget {BUDGET_LOOP_MS:.0f}), "
        f"most memory {worst_memory:.1f} MB (budget {BUDGET_MEMORY_MB:.0f})"
    )
    return int(worst_loop > BUDGET_LOOP_MS or worst_memory > BUDGET_MEMORY_MB)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=3)
    sys.exit(asyncio.run(main(parser.parse_args().rounds)))
