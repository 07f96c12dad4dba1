"""The store against its budgets: a durable ack, a page of a long history, many producers at once.

    python benchmarks/bench_store.py [--dir FOLDER] [--postgres]

About ten seconds. With ``--postgres`` the durable ack is measured in PostgreSQL instead, by turns with SQLite, on a
server of its own in the system's temporary folder. FOLDER decides which disk is measured (default: that folder too); a
memory file system makes the first and the last figure meaningless. Prints medians and the ratio to the budget; exits 1
if one is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from statistics import median, quantiles

from clawdbot_ext.gateway.sweeper import BREATH_S
from clawdbot_ext.store.api import BranchPoint, Store
from clawdbot_ext.store.postgres.store import PostgresStore
from clawdbot_ext.store.sqlite import open_store

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.support.postgres import Postgres

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
        await asyncio.gather(
            *(
                store.append(session_key="agent:main:long", message=message(f"{n} " + "text " * 40), now=n, create=True)
                for n in range(start, start + 500)
            )
        )
    await asyncio.gather(
        *(
            store.append(session_key=f"agent:main:{n}", message=message("hello"), now=n, create=True)
            for n in range(SESSIONS)
        )
    )


async def produce(store: Store) -> float:
    """Messages a second of ``PRODUCERS`` sessions, each of which waits for every ack."""

    async def producer(name: int) -> None:
        for n in range(PER_PRODUCER):
            await store.append(session_key=f"agent:main:{name}", message=message(f"message {n}"), now=n)

    start = time.perf_counter()
    await asyncio.gather(*(producer(name) for name in range(PRODUCERS)))
    return PRODUCERS * PER_PRODUCER / (time.perf_counter() - start)


async def branch_out(store: Store) -> tuple[str, str]:
    """Give the long session a second branch as long as half of it, and its newest page alternatives everywhere.

    Returns a message of each long branch.
    """
    key = "agent:main:long"
    first = (await store.history(session_key=key, limit=LONG // 2)).messages[0]
    last = (await store.history(session_key=key, limit=1)).messages[0]
    await place(store, "branch", first.id)
    for start in range(0, LONG // 2, 500):
        await asyncio.gather(
            *(
                store.append(session_key=key, message=message(f"{n} " + "text " * 40), now=n)
                for n in range(start, start + 500)
            )
        )
    page = (await store.history(session_key=key, limit=200)).messages
    for each in page[:20]:
        await place(store, f"beside {each.id}", each.id)
        await store.show_branch(key, page[-1].id, now=1)
    return last.id, page[-1].id


async def place(store: Store, run_id: str, message_id: str) -> None:
    """Another question in the place of one."""
    await store.accept_run(
        run_id=run_id,
        session_key="agent:main:long",
        request_hash="h",
        message=message("instead"),
        options={},
        start=True,
        now=1,
        place=BranchPoint(kind="edit", message_id=message_id),
    )
    await store.finish_run(run_id, state="aborted", message=None, result={}, now=1)


async def longest_wait_while_deleting(store: Store) -> list[float]:
    """Milliseconds that others wait for an append while the long session is removed."""
    await store.delete_session("agent:main:long", delete_transcript=True, now=1)
    waits: list[float] = []
    sweeping = asyncio.ensure_future(sweep(store))
    while not sweeping.done():
        waits += await timed(1, lambda n: store.append(session_key="agent:main:2", message=message("x"), now=n))
    return waits


async def sweep(store: Store) -> None:
    """All that is due, as the gateway does it."""
    due: int | None = 0
    while due is not None and due <= 10:
        due = await store.sweep(now=10)
        await asyncio.sleep(BREATH_S)


async def measure(path: Path) -> bool:
    store = open_store(path)
    await store.open()
    await fill(store)

    accept = await timed(500, partial(accept_one, store))
    history = await timed(300, lambda n: store.history(session_key="agent:main:long", limit=200))
    listing = await timed(30, lambda n: store.list_sessions(limit=200))
    rates = [await produce(store) for _ in range(3)]
    branched = await branch_out(store)
    switch = await timed(20, lambda n: store.show_branch("agent:main:long", branched[n % 2], now=n))
    forked = await timed(200, lambda n: store.history(session_key="agent:main:long", limit=200))
    held = await longest_wait_while_deleting(store)
    await store.close()

    met = [
        report("accept_run with its message, durable: p50", median(accept), "ms", 2.0, quantiles(accept, n=100)[98]),
        report(f"history: newest 200 of {LONG:,}", median(history), "ms", 2.0, quantiles(history, n=100)[98]),
        report(f"list 200 of {SESSIONS:,} sessions", median(listing), "ms", 10.0, max(listing)),
        report("history of it with two branches", median(forked), "ms", 4.0, quantiles(forked, n=100)[98]),
        report(f"switch between branches of {LONG // 2:,}", median(switch), "ms", 300.0, max(switch)),
        report(f"append while {LONG:,} are deleted: p50", median(held), "ms", 60.0, max(held)),
        report(f"append, {PRODUCERS} producers", median(rates), "messages/s", 5_000.0, min(rates)),
    ]
    return all(met)


async def compare(path: Path, url: str) -> bool:
    """The durable ack of both engines by turns, so that whatever else the machine does slows both."""
    stores: list[Store] = [open_store(path), PostgresStore(url)]
    taken: list[list[float]] = [[], []]
    for store in stores:
        await store.open()
    for n in range(600):
        for store, times in zip(stores, taken, strict=True):
            times.extend(await timed(1, lambda _, store=store, n=n: accept_one(store, n)))
    pages = await timed(300, lambda n: stores[1].history(session_key="agent:main:1", limit=200))
    for store in stores:
        await store.close()
    lite, server = (times[100:] for times in taken)  # statements are prepared, files have their size
    print(
        f"accept_run in SQLite: p50 {median(lite):.2f} ms; in PostgreSQL {median(server) / median(lite):.2f} times that"
    )
    met = [
        report("accept_run in PostgreSQL, durable: p50", median(server), "ms", 10.0, quantiles(server, n=100)[98]),
        report(
            "the same, against twice SQLite's", median(server), "ms", 2 * median(lite), quantiles(server, n=100)[98]
        ),
        report("history in PostgreSQL: newest 200", median(pages), "ms", 10.0, quantiles(pages, n=100)[98]),
    ]
    return all(met)


async def accept_one(store: Store, n: int) -> None:
    await store.accept_run(
        run_id=f"run-{n}",
        session_key="agent:main:1",
        request_hash="h",
        message=message("a question"),
        options={},
        start=True,
        now=n,
    )


def report(what: str, value: float, unit: str, budget: float, worst: float) -> bool:
    """One line; ``worst`` is the 99th percentile, or the poorest of a few."""
    ratio = budget / value if unit.endswith("/s") else value / budget
    print(f"{what:<44} {value:>9,.2f} {unit:<10} worst {worst:>9,.2f}   {ratio:.2f} of the budget ({budget:,.0f})")
    return ratio <= 1


def main() -> bool:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dir", type=Path)
    parser.add_argument("--postgres", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.dir) as folder:
        path = Path(folder) / "bench.sqlite3"
        if not given.postgres:
            return asyncio.run(measure(path))
        with Postgres(fsync=True) as server:
            return asyncio.run(compare(path, server.create()))


if __name__ == "__main__":
    sys.exit(not main())
