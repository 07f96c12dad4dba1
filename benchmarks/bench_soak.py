"""Leaks of a gateway under mixed load: ``python -m benchmarks.bench_soak [--minutes N]``.

    python -m benchmarks.bench_soak [--minutes 20] [--rate 2] [--json FILE]

Starts a gateway (the demo answers) and lets clients do what people do for that long: send, stop, watch, come back after
a cut, upload, reset and delete conversations, and read too slowly. Every 10 s, while nothing else is asked, it reads
what a leak would make grow: memory, open file descriptors, threads, tasks of the event loop, the write-ahead log, the
log files. Prints the slope of each, by least squares over the second half (the first half fills caches), and exits with
1 where one surely (by two standard errors) grows by more than its bound. Conversations are kept in memory for ten
minutes after their last turn, and garbage waits for 50,000 objects: of less than 40 minutes the growth of memory says
little.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import psutil
from websockets.exceptions import WebSocketException

from benchmarks.raw_socket import RawSocket
from tests.support.media import upload
from tests.support.server import GatewayProcess
from tests.support.wire import Wire, WireError, wired

SESSIONS = 12
WATCHERS, SENDERS, SLOW = 4, 4, 1
EVERY_S = 10.0
GONE = (OSError, ConnectionError, WebSocketException, asyncio.TimeoutError)
BOUNDS = {
    "rss MB": 15.0,
    "descriptors": 20.0,
    "threads": 10.0,
    "tasks": 20.0,
    "wal MB": 8.0,
    "log MB": 4.0,
}
"""Most that each may grow in an hour at the rate that is asked for."""


class Load:
    """The clients, and what they did."""

    def __init__(self, gateway: GatewayProcess, rate: float, seed: int) -> None:
        self._gateway, self._pause = gateway, SENDERS / rate
        self._dice = random.Random(seed)
        self.done: dict[str, int] = {}
        self.problems: list[str] = []

    def _count(self, what: str) -> None:
        self.done[what] = self.done.get(what, 0) + 1

    async def sender(self, ends: float) -> None:
        """Do one thing after another on a connection that is cut now and then."""
        while time.monotonic() < ends:
            with contextlib.suppress(*GONE):
                async with wired(self._gateway.ws_url, self._gateway.token, caps=["chat.append"]) as wire:
                    self._count("connections")
                    for _ in range(self._dice.randrange(1, 30)):
                        await asyncio.sleep(self._dice.expovariate(1 / self._pause))
                        if time.monotonic() >= ends:
                            return
                        wire.events.clear()
                        await self._act(wire)
                    if self._dice.random() < 0.5:
                        wire.socket.transport.abort()

    async def _act(self, wire: Wire) -> None:
        key = f"s{self._dice.randrange(SESSIONS)}"
        kinds = ("ask", "ask and stop", "read", "upload", "reset", "delete", "search", "edit")
        what = self._dice.choices(kinds, (40, 8, 20, 6, 3, 2, 4, 4))[0]
        self._count(what)
        try:
            if what == "ask":
                await wire.ask(f"[[tokens={self._dice.choice((5, 40, 200))}]] [[delay_ms=2]] [[first_ms=1]]", key=key)
            elif what == "ask and stop":
                await wire.send("[[tokens=5000]] [[delay_ms=5]]", key=key)
                await wire.call("chat.abort", {"sessionKey": key})
            elif what == "read":
                await wire.call("chat.history", {"sessionKey": key, "limit": 200})
                await wire.call("sessions.list")
            elif what == "upload":
                content = f"# {self._dice.random()}\n" + "text " * 2000
                given = await asyncio.to_thread(upload, self._gateway, "note.md", content.encode())
                await wire.ask("[[tokens=5]]", key=key, attachments=[{"mediaId": given["mediaId"]}])
            elif what == "reset":
                await wire.call("sessions.reset", {"key": key})
            elif what == "delete":
                await wire.call("sessions.delete", {"key": key, "deleteTranscript": True})
            elif what == "search":
                await wire.call("sessions.search", {"query": "t1"})
            else:
                messages = (await wire.call("chat.history", {"sessionKey": key, "limit": 20}))["messages"]
                asked = [m for m in messages if m["role"] == "user"]
                if asked:
                    id_ = asked[-1]["id"]
                    edit = {"sessionKey": key, "messageId": id_, "message": "[[tokens=8]]"}
                    await wire.call("chat.edit", {**edit, "idempotencyKey": uuid.uuid4().hex})
        except WireError as refused:
            reason = str(refused.details.get("reason") or refused.code)
            self._count(f"refused: {reason}")
            if refused.code not in ("UNAVAILABLE", "INVALID_REQUEST"):
                self.problems.append(f"{what}: {refused.error}")

    async def watcher(self, ends: float) -> None:
        """Listen for a while, leave without a word, come back."""
        while time.monotonic() < ends:
            with contextlib.suppress(*GONE):
                async with wired(self._gateway.ws_url, self._gateway.token, caps=["session.events"]) as wire:
                    self._count("connections")
                    leaves = min(ends, time.monotonic() + self._dice.uniform(1, 30))
                    while time.monotonic() < leaves:
                        wire.events.clear()
                        await asyncio.sleep(0.5)
                    wire.socket.transport.abort()

    async def slow(self, ends: float) -> None:
        """Log in, stop reading until the gateway gives up, come back."""
        while time.monotonic() < ends:
            with contextlib.suppress(*GONE):
                socket = RawSocket(self._gateway.ws_url, self._gateway.token)
                await socket.open()
                self._count("slow clients")
                transport = socket._transport
                assert transport is not None
                transport.pause_reading()
                with contextlib.suppress(Exception):
                    for _ in range(200):  # large answers that are never read
                        socket.ask("chat.history", {"sessionKey": "s0", "limit": 1000}, lambda frame: None)
                await asyncio.sleep(min(20.0, max(0.0, ends - time.monotonic())))
                socket.close()

    def tasks(self, ends: float) -> list[asyncio.Task[None]]:
        made = [self.sender(ends) for _ in range(SENDERS)] + [self.watcher(ends) for _ in range(WATCHERS)]
        return [asyncio.create_task(each) for each in [*made, *(self.slow(ends) for _ in range(SLOW))]]


def size(*paths: Path) -> float:
    """Megabytes of the files that are there."""
    return sum(path.stat().st_size for path in paths if path.exists()) / 1e6


def look(gateway: GatewayProcess) -> dict[str, float]:
    """The figures that a leak would make grow, as they are now."""
    process = psutil.Process(gateway.pid)
    request = Request(f"{gateway.url}metrics", headers={"Authorization": f"Bearer {gateway.token}"})
    with urlopen(request, timeout=60) as answer:
        lines = answer.read().decode().splitlines()
    figures = dict(line.rsplit(" ", 1) for line in lines if line and line[0] != "#")
    database = gateway.home / "gateway.sqlite3"
    logs = [path for path in gateway.home.rglob("*.log*") if path.is_file()]
    return {
        "rss MB": process.memory_info().rss / 1e6,
        "descriptors": process.num_fds(),
        "threads": process.num_threads(),
        "children": len(process.children(recursive=True)),
        "tasks": float(figures["clawdbot_tasks"]),
        "wal MB": size(database.with_name(database.name + "-wal")),
        "database MB": size(database),
        "log MB": size(*logs, gateway.state / "output.log"),
    }


def slope(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Growth in an hour, by least squares, and its standard error."""
    middle = sum(at for at, _ in points) / len(points)
    mean = sum(value for _, value in points) / len(points)
    spread = sum((at - middle) ** 2 for at, _ in points)
    if len(points) < 3 or not spread:
        return 0.0, float("inf")
    rise = sum((at - middle) * (value - mean) for at, value in points) / spread
    left = sum((value - mean - rise * (at - middle)) ** 2 for at, value in points)
    return 3600 * rise, 3600 * (left / (len(points) - 2) / spread) ** 0.5


async def soak(gateway: GatewayProcess, minutes: float, rate: float, seed: int, trace: Path | None) -> dict[str, Any]:
    load = Load(gateway, rate, seed)
    began = time.monotonic()
    ends = began + 60 * minutes
    tasks = load.tasks(ends)
    seen: list[dict[str, float]] = []
    while time.monotonic() < ends:
        await asyncio.sleep(min(EVERY_S, max(0.1, ends - time.monotonic())))
        seen.append({"at s": time.monotonic() - began, **await asyncio.to_thread(look, gateway)})
        if trace is not None:
            with trace.open("a") as file:
                file.write(json.dumps(seen[-1]) + "\n")
    await asyncio.gather(*tasks)
    await asyncio.sleep(5)
    idle = await asyncio.to_thread(look, gateway)
    half = [row for row in seen if row["at s"] > 30 * minutes]
    grown = {name: slope([(row["at s"], row[name]) for row in half]) for name in idle}
    return {
        "minutes": minutes,
        "seed": seed,
        "done": load.done,
        "problems": load.problems,
        "grown": grown,
        "first": seen[0],
        "half": half[0],
        "idle": idle,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="Leaks of a gateway under mixed load.")
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--rate", type=float, default=2.0, help="actions a second, of all senders together")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--json", type=Path, help="write the result there")
    parser.add_argument("--trace", type=Path, help="append every look there, as it is taken")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = {"agents": {"defaults": {"autoTitle": False}}}
        gateway = GatewayProcess(Path(folder) / "state", config=settings, env={"PYTHONPATH": os.getcwd()})
        gateway.start()
        try:
            result = asyncio.run(soak(gateway, given.minutes, given.rate, given.seed, given.trace))
        finally:
            gateway.stop()
    if given.json:
        given.json.write_text(json.dumps(result, indent=1))
    print(f"seed {given.seed}; done: {result['done']}")
    print(f"{'':12} {'first':>9} {'half':>9} {'idle':>9} {'per hour':>9} {'+-':>9} {'bound':>7}")
    failed = list(result["problems"])
    for name, (value, error) in result["grown"].items():
        bound = BOUNDS.get(name)
        over = bound is not None and value - 2 * error > bound
        failed += [f"{name} grows by {value:.1f} an hour"] if over else []
        row = (result["first"][name], result["half"][name], result["idle"][name], value, error)
        shown = " ".join(f"{number:9.2f}" for number in row)
        print(f"{name:12} {shown} {'' if bound is None else bound:>7}{'  <- over' if over else ''}")
    for problem in failed:
        print(problem)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
