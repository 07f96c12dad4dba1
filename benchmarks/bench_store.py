"""The store against its budgets: a durable ack, a page of a long history, many producers at once.

    python benchmarks/bench_store.py [--dir FOLDER]

About ten seconds. FOLDER decides which disk is measured (default: the system's temporary folder); a memory file system
makes the first and the last figure meaningless. Prints medians and the ratio to the budget; exits 1 if one is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median, quantiles

from clawdbot_ext.store.api import Store
from clawdbot_ext.store.sqlite import open_store

SESSIONS = 1_000
"""Stored before anything is measured: their number must not matter."""

LONG = 10_000
"""Messages of the long session."""

PRODUCERS = 50
PER_PRODUCER = 100


def message(text: str, role: str = "user") -> dict[str, object]:
    return {"role": role, "content": [{"type": "text", "text": text}], "timestamp": 0}


async def timed(calls: int, call: Callable[[int], Awaitable[object]]) -> list[float]:
    """Milliseconds of each call, one after the other."""
    taken = []
    for n in range(calls):
        start = time.perf_counter()
        await call(n)
        taken.append((time.perf_counter() - start) * 1000)
    return taken


async def fill(store: Store) -> None:
    for start in range(0, LONG, 500):
        await asyncio.gather(*(
            store.append(session_key="agent:main:long", message=message(f"{n} " + "text " * 40), now=n, create=True)
            for n in range(start, start + 500)
        ))
    await asyncio.gather(*(
        store.append(session_key=f"agent:main:{n}", message=message("hello"), now=n, create=True)
        for n in range(SESSIONS)
    ))


async def produce(store: Store) -> float:
    """Messages a second of ``PRODUCERS`` sessions, each of which waits for every ack."""

    async def producer(name: int) -> None:
        for n in range(PER_PRODUCER):
            await store.append(session_key=f"agent:main:{name}", message=message(f"message {n}"), now=n)

    start = time.perf_counter()
    await asyncio.gather(*(producer(name) for name in range(PRODUCERS)))
    return PRODUCERS * PER_PRODUCER / (time.perf_counter() - start)


async def measure(path: Path) -> bool:
    store = open_store(path)
    await store.open()
    await fill(store)

    accept = await timed(500, lambda n: store.accept_run(
        run_id=f"run-{n}", session_key="agent:main:1", request_hash="h", message=message("a question"), options={},
        start=True, now=n,
    ))
    history = await timed(300, lambda n: store.history(session_key="agent:main:long", limit=200))
    listing = await timed(30, lambda n: store.list_sessions(limit=200))
    rates = [await produce(store) for _ in range(3)]
    await store.close()

    met = [
        report("accept_run with its message, durable: p50", median(accept), "ms", 2.0, quantiles(accept, n=100)[98]),
        report(f"history: newest 200 of {LONG:,}", median(history), "ms", 2.0, quantiles(history, n=100)[98]),
        report(f"list 200 of {SESSIONS:,} sessions", median(listing), "ms", 10.0, max(listing)),
        report(f"append, {PRODUCERS} producers", median(rates), "messages/s", 5_000.0, min(rates)),
    ]
    return all(met)


def report(what: str, value: float, unit: str, budget: float, worst: float) -> bool:
    """One line; ``worst`` is the 99th percentile, or the poorest of a few."""
    ratio = budget / value if unit.endswith("/s") else value / budget
    print(f"{what:<44} {value:>9,.2f} {unit:<10} worst {worst:>9,.2f}   {ratio:.2f} of the budget ({budget:,.0f})")
    return ratio <= 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dir", type=Path)
    with tempfile.TemporaryDirectory(dir=parser.parse_args().dir) as folder:
        sys.exit(not asyncio.run(measure(Path(folder) / "bench.sqlite3")))
