"""Memory of the gateway and delay of the other clients while 100 MB are uploaded.

    python -m benchmarks.bench_media

A real gateway in a process of its own, an uploader in another, and a client that asks ``health`` every 2 ms meanwhile.
Reported: throughput, how much the resident set grew at most, the longest and typical wait of the client, alone and
during the upload, and what held the gateway's event loop longest (each callback timed in the gateway's own process).
On a machine whose cores are busy the waits are those of the scheduler; the baseline and the processor time show them.
"""

from __future__ import annotations

import asyncio
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from tests.support.timed_loop import TimedGateway
from tests.support.wire import Wire, wired

SIZE = 100_000_000
PAUSE_S = 0.002

_UPLOAD = f"""
import http.client, sys
path, port, token = sys.argv[1:]
connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=120)
with open(path, "rb") as file:
    headers = {{"Authorization": "Bearer " + token, "Content-Type": "audio/wav", "Content-Length": "{SIZE}"}}
    connection.request("POST", "/media?name=noise.wav", file, headers)
    answer = connection.getresponse()
    print(answer.status, answer.read().decode()[:200])
"""


def recording(path: Path) -> None:
    """A WAV file of ``SIZE`` bytes of something like noise."""
    data = SIZE - 44
    head = b"RIFF" + struct.pack("<I", SIZE - 8) + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 2, 48000, 192000, 4, 16)
    block = bytes(range(256)) * 4096
    with path.open("wb") as file:
        file.write(head + b"data" + struct.pack("<I", data))
        for start in range(0, data, len(block)):
            file.write(block[: min(len(block), data - start)])


async def waits(wire: Wire, done: asyncio.Event) -> list[float]:
    """Durations of ``health`` in milliseconds, until ``done``."""
    taken = []
    while not done.is_set():
        started = time.perf_counter()
        await wire.call("health")
        taken.append((time.perf_counter() - started) * 1000)
        await asyncio.sleep(PAUSE_S)
    return taken


async def watch_memory(process: psutil.Process, done: asyncio.Event) -> int:
    most = 0
    while not done.is_set():
        most = max(most, process.memory_info().rss)
        await asyncio.sleep(0.02)
    return most


def told(name: str, taken: list[float]) -> None:
    ordered = sorted(taken)
    print(
        f"{name:18} median {statistics.median(ordered):6.2f}   99% {ordered[int(len(ordered) * 0.99)]:6.2f}   "
        f"longest {ordered[-1]:6.2f} ms   ({len(ordered)} requests)"
    )


async def main(gateway: TimedGateway, path: Path) -> None:
    process = psutil.Process(gateway.pid)
    async with wired(gateway.ws_url, gateway.token) as wire:
        done: Any = asyncio.Event()
        asyncio.get_running_loop().call_later(3, done.set)
        told("no upload", await waits(wire, done))
        gateway.longest()
        before, done = process.memory_info().rss, asyncio.Event()
        watching = [asyncio.create_task(waits(wire, done)), asyncio.create_task(watch_memory(process, done))]
        started = time.perf_counter()
        uploader = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _UPLOAD, str(path), str(gateway.port), gateway.token, stdout=subprocess.PIPE
        )
        answer, _ = await uploader.communicate()
        seconds = time.perf_counter() - started
        done.set()
        taken, most = await asyncio.gather(*watching)
        told("during the upload", taken)
        held = gateway.longest()
        print(f"longest callback of the gateway's loop: {held['wall']:.1f} ms ({held['cpu']:.1f} ms of processor)")
        print(
            f"{answer.decode().strip()}\n{SIZE / seconds / 1e6:.0f} MB/s with hash, disk and probe; "
            f"resident set {before / 1e6:.0f} MB, at most {(most - before) / 1e6:+.1f} MB"
        )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "noise.wav"
        recording(made)
        running = TimedGateway(Path(folder) / "state", env={"LOOP_TIMES": str(Path(folder) / "times")})
        running.start()
        try:
            asyncio.run(main(running, made))
        finally:
            running.stop()
