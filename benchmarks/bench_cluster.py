"""Gateways on one PostgreSQL: the lag of what one sends another, and how long a dead one is missed.

    python benchmarks/bench_cluster.py [--seconds N] [--streams N]

About a minute. Starts a PostgreSQL of its own (fsync off: mail is not written to the disk anyway) and a second process.
Prints medians and 99th percentiles with their budgets; exits 1 if one is missed. The clock is that of the machine, the
same for both processes.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from statistics import median, quantiles

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from clawdbot_ext.cluster.postgres import PostgresCluster  # noqa: E402
from clawdbot_ext.runtime.supervision import Supervisor  # noqa: E402
from tests.support.clusters import add_run, create_tables  # noqa: E402
from tests.support.postgres import Postgres  # noqa: E402

LAG_P99_MS = 60.0
TAKEOVER_KILLED_S = 3.0
TAKEOVER_CUT_S = 18.0
TOKENS_S = 50
IDLE_CPU = 0.02
"""Share of a core."""


FORM = struct.Struct("<Bdd")
"""Kind of a message, and two numbers: streams and seconds, or the time at which it was sent."""
START, ECHO, TOKEN = 1, 2, 3
Row = tuple[str, float, float, float | None]
"""A name, median and 99th percentile, and the budget of the latter."""


class Ear:
    """A listener of one other member."""

    def __init__(self, heard: Callable[[str, bytes], None]):
        self.received = heard
        self.members: asyncio.Queue[str] = asyncio.Queue()
        self.departures: asyncio.Queue[float] = asyncio.Queue()

    def arrived(self, member: str) -> None:
        self.members.put_nowait(member)

    def departed(self, member: str, sessions: Sequence[str]) -> None:
        self.departures.put_nowait(time.monotonic())

    def gap(self, member: str) -> None:
        raise AssertionError("messages were lost")

    def fenced(self) -> None:
        raise AssertionError("it was fenced")


async def other(url: str) -> None:
    """The second process: sends streams when it is told to, and sends back what it gets else."""
    cluster = PostgresCluster(url, Supervisor())
    tasks = []

    def heard(sender: str, message: bytes) -> None:
        kind, streams, seconds = FORM.unpack_from(message)
        if kind == ECHO:
            cluster.send(sender, message)
            return
        for n in range(int(streams)):
            tasks.append(asyncio.create_task(stream(sender, n / streams, seconds)))

    async def stream(sender: str, shift: float, seconds: float) -> None:
        """Tokens as a model sends them; the cluster joins what comes within a flush."""
        loop = asyncio.get_running_loop()
        due = loop.time() + shift / TOKENS_S
        ends = due + seconds
        while due < ends:
            await asyncio.sleep(due - loop.time())
            cluster.send(sender, FORM.pack(TOKEN, time.monotonic(), 0) + b"x" * 200, at_once=False)
            due += 1 / TOKENS_S

    await cluster.join(Ear(heard))
    await cluster.home_of("agent:main:busy")
    await asyncio.Event().wait()


async def measure(url: str, streams: int, seconds: float) -> list[Row]:
    """All figures, in the order of the table."""
    lags: list[float] = []
    came = asyncio.Event()

    def heard(sender: str, message: bytes) -> None:
        kind, at, _ = FORM.unpack_from(message)
        if kind == TOKEN:
            lags.append((time.monotonic() - at) * 1000)
        else:
            came.set()

    cluster, ear = PostgresCluster(url, Supervisor()), Ear(heard)
    await cluster.join(ear)
    peer = start_other(url)
    member = await asyncio.wait_for(ear.members.get(), 60)

    async def trip(n: int) -> None:
        came.clear()
        cluster.send(member, FORM.pack(ECHO, 0, 0))
        await asyncio.wait_for(came.wait(), 10)

    async def claim(n: int) -> None:
        await cluster.home_of(f"agent:main:{n}")

    cluster.send(member, FORM.pack(START, streams, seconds))
    await asyncio.sleep(seconds + 1)
    rows = [
        spread(f"lag of {streams} streams at {TOKENS_S}/s, ms", lags, LAG_P99_MS),
        spread("request and response, ms", [await timed(trip, n) for n in range(300)], None),
        spread("claim of a home, ms", [await timed(claim, n) for n in range(200)], None),
        await idle(),
    ]
    add_run(url, "agent:main:busy")
    rows.append(await takeover("killed", peer, signal.SIGKILL, ear, TAKEOVER_KILLED_S))
    peer = start_other(url)
    await asyncio.wait_for(ear.members.get(), 60)
    await asyncio.sleep(2)
    rows.append(await takeover("standing still", peer, signal.SIGSTOP, ear, TAKEOVER_CUT_S))
    await cluster.leave()
    return rows


def start_other(url: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, __file__, "--other", url])


async def timed(work: Callable[[int], Awaitable[None]], n: int) -> float:
    """Milliseconds that it took."""
    began = time.monotonic()
    await work(n)
    return (time.monotonic() - began) * 1000


async def idle() -> Row:
    """The processor time of this process while nothing happens."""
    began, used = time.monotonic(), time.process_time()
    await asyncio.sleep(5)
    share = (time.process_time() - used) / (time.monotonic() - began)
    return "idle, share of a core", share, share, IDLE_CPU


async def takeover(name: str, peer: subprocess.Popen[bytes], how: signal.Signals, ear: Ear, budget: float) -> Row:
    """The time from the signal to the takeover."""
    began = time.monotonic()
    peer.send_signal(how)
    taken = await asyncio.wait_for(ear.departures.get(), 60) - began
    peer.kill()
    return f"takeover from one {name}, s", taken, taken, budget


def spread(name: str, values: Sequence[float], budget: float | None) -> Row:
    return name, median(values), quantiles(values, n=100)[98], budget


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--streams", type=int, default=32)
    parser.add_argument("--other")
    options = parser.parse_args()
    if options.other:
        asyncio.run(other(options.other))
        return 0
    with Postgres() as server:
        create_tables(server.url())
        rows = asyncio.run(measure(server.url(), options.streams, options.seconds))
    missed = 0
    for name, middle, high, budget in rows:
        over = budget is not None and high > budget
        missed += over
        said = "" if budget is None else f"   budget {budget:g}{'  MISSED' if over else ''}"
        print(f"{name:40} p50 {middle:8.3f}   p99 {high:8.3f}{said}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
