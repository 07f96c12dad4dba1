"""Every budget of the gateway's speed in one table: ``python -m benchmarks.bench_budgets``.

    python -m benchmarks.bench_budgets [--real PREFIX --node NODE] [--only WORD] [--json FILE]

Starts a scripted Messages API and a gateway with 1,000 sessions and a conversation of 20,000 messages, each a process
of its own on loopback, and measures them with a client that costs next to nothing (``raw_socket``). With ``--real``,
the folder in which npm installed ``clawdbot``, that gateway is measured in the same run and the ratios are to it; else
to its figures as they were measured once on 2 cores (``clawdbot@2026.1.24-3``). Exits with 1 where a budget is missed.
A busy machine makes every row worse: what the processor spent (the rows in ``CPU``) changes least.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from benchmarks.raw_socket import RawSocket
from benchmarks.real_gateway import RealGateway
from clawdbot_ext.store.sqlite import open_store
from tests.support.server import GatewayProcess, free_port

ROOT = Path(__file__).resolve().parent.parent
CACHE = Path(tempfile.gettempdir()) / "clawdbot-bench-pycache"
TOKEN = "a-token-of-the-benchmark-0123456789"
APPEND = ("chat.append", "session.events")
SESSIONS, LONG = 1_000, 20_000
now = time.perf_counter


@dataclass
class Target:
    """A gateway under measurement."""

    url: str
    pid: int
    caps: Sequence[str] = ()
    seeded: bool = True

    async def client(self) -> RawSocket:
        return await RawSocket(self.url, TOKEN, self.caps).open()

    def rss(self) -> int:
        """Resident bytes of its process."""
        return int(psutil.Process(self.pid).memory_info().rss)

    def cpu(self) -> float:
        """Seconds of processor time of its processes so far."""
        process = psutil.Process(self.pid)
        times = [each.cpu_times() for each in (process, *process.children(recursive=True))]
        return sum(t.user + t.system for t in times)


@dataclass
class Row:
    """One budget. ``goal`` is an upper bound, of a rate a lower one; ``real`` the real gateway's figure."""

    name: str
    unit: str
    goal: float | None
    real: float | None
    measure: Callable[[Target], Awaitable[dict[str, float]]] = field(repr=False)

    @property
    def rate(self) -> bool:
        return self.unit.endswith("/s")

    def met(self, value: float) -> bool:
        return self.goal is None or (value >= self.goal if self.rate else value <= self.goal)


def quantile(values: Sequence[float], part: float) -> float:
    """In milliseconds."""
    ordered = sorted(values)
    return 1000 * ordered[min(len(ordered) - 1, int(part * len(ordered)))]


# -- what is measured --------------------------------------------------------------------------------------------------
async def requests(target: Target) -> dict[str, float]:
    """Short requests on one connection, 16 of them under way."""
    figures = {}
    client = await target.client()
    for method, params in (("health", {}), ("agents.list", {}), ("sessions.list", {"limit": 1})):
        await client.flood(method, params, in_flight=16, seconds=0.3)
        rates, costs = [], []
        for _ in range(3):
            before = target.cpu()
            answered, seconds = await client.flood(method, params, in_flight=16, seconds=1.0)
            rates.append(answered / seconds)
            costs.append((target.cpu() - before) / answered * 1e6)
        figures[f"{method}, 16 in flight"] = max(rates)
        figures[f"{method}, CPU"] = statistics.median(costs)
    client.close()
    return figures


async def many_sessions(target: Target) -> dict[str, float]:
    client = await target.client()
    times = []
    for _ in range(15):
        started = now()
        await client.raw_call("sessions.list", {})
        times.append(now() - started)
    client.close()
    return {"1,000 sessions, all": quantile(times, 0.5)} if target.seeded else {}


async def connects(target: Target) -> dict[str, float]:
    times, size = [], 0
    for _ in range(60):
        started = now()
        client = await target.client()
        times.append(now() - started)
        size = client.hello_bytes
        client.close()
    return {"connect → hello-ok": quantile(times, 0.5), "hello-ok": size}


async def crowd(target: Target) -> dict[str, float]:
    """500 clients connect, 25 at a time, and all see one reply end."""
    cpu, started = target.cpu(), now()
    clients: list[RawSocket] = []
    for _ in range(20):
        clients += await asyncio.gather(*(target.client() for _ in range(25)))
    took = now() - started
    spent = target.cpu() - cpu
    await asyncio.sleep(1.5)
    spreads = []
    for _ in range(5):
        run_id, seen = uuid.uuid4().hex, []
        marks, all_seen = (run_id.encode(), b'"state":"final"'), asyncio.Event()

        def on_event(
            frame: bytes,
            at: float,
            seen: list[float] = seen,
            marks: tuple[bytes, bytes] = marks,
            all_seen: asyncio.Event = all_seen,
        ) -> None:
            if marks[0] in frame and marks[1] in frame:
                seen.append(at)
                if len(seen) == len(clients):
                    all_seen.set()

        for client in clients:
            client.taps = [on_event]
        await clients[0].call(
            "chat.send", {"sessionKey": "crowd", "message": "[[tokens=20]]", "idempotencyKey": run_id}
        )
        await asyncio.wait_for(all_seen.wait(), 60)
        spreads.append(max(seen) - min(seen))
    for client in clients:
        client.close()
    await asyncio.sleep(1.0)
    return {"connect 500": took, "connect 500, CPU": spent, "final to 500 clients": 1000 * statistics.median(spreads)}


async def asked_meanwhile(target: Target, work: Awaitable[Any]) -> float:
    """The 99th percentile of another client's short requests for as long as ``work`` takes, in milliseconds."""
    other, times = await target.client(), []
    going = asyncio.ensure_future(work)
    while not going.done():
        asked = now()
        await other.raw_call("agents.list")
        times.append(now() - asked)
        await asyncio.sleep(0.005)
    await going
    other.close()
    return quantile(times, 0.99)


async def thousand(target: Target) -> dict[str, float]:
    """1,000 clients: their memory; how long another waits while a reply is streamed to all; and while all of them, cut
    at once, come back."""
    clients: list[RawSocket] = []

    async def come(count: int = 1000) -> None:
        for _ in range(count // 25):
            clients.extend(await asyncio.gather(*(target.client() for _ in range(25))))

    before = target.rss()
    await come()
    await asyncio.sleep(3.0)  # they are told of each other
    each = (target.rss() - before) / 1000 / len(clients)
    asking = reply(clients[0], "[[tokens=60]] [[delay_ms=20]]", "thousand")
    streamed = await asked_meanwhile(target, asking)

    async def cut_and_come() -> None:
        for client in clients:
            client.close()
        clients.clear()
        await come()

    back = await asked_meanwhile(target, cut_and_come())
    for client in clients:
        client.close()
    await asyncio.sleep(2.0)
    return {
        "1,000 clients, memory of each": each,
        "1,000 clients see a reply, others' p99": streamed,
        "1,000 clients come back, others' p99": back,
    }


async def reply(client: RawSocket, text: str, key: str) -> tuple[float, float, float]:
    """Seconds to the acknowledgement, the first delta and the end of one reply."""
    run_id, first = uuid.uuid4().hex, 0.0
    ended: asyncio.Future[float] = asyncio.get_running_loop().create_future()
    mark = run_id.encode()

    def on_event(frame: bytes, at: float) -> None:
        nonlocal first
        if mark in frame and b'"event":"chat"' in frame[:60]:
            first = first or at
            if b'"state":"delta"' not in frame and not ended.done():
                ended.set_result(at)

    client.taps.append(on_event)
    started = now()
    await client.raw_call("chat.send", {"sessionKey": key, "message": text, "idempotencyKey": run_id})
    acked = now()
    end = await asyncio.wait_for(ended, 120)
    client.taps.remove(on_event)
    return acked - started, first - started, end - started


async def long_session(target: Target) -> dict[str, float]:
    if not target.seeded:
        return {}
    client = await target.client()
    firsts = [(await reply(client, "[[tokens=2]]", "long"))[1] for _ in range(9)]
    client.close()
    return {"first token in 20,000 messages": quantile(firsts, 0.5)}


async def replies(target: Target) -> dict[str, float]:
    client = await target.client()
    await reply(client, "[[tokens=200]]", "cost")
    costs = []
    for _ in range(3):
        before = target.cpu()
        for _ in range(8):
            await reply(client, "[[tokens=200]]", "cost")
        costs.append((target.cpu() - before) / 8 * 1000)
    client.close()
    return {"CPU of a 200-token reply": statistics.median(costs)}


async def streams(target: Target) -> dict[str, float]:
    """32 replies at 5 ms a token, and another client's ``health`` meanwhile."""
    client, other = await target.client(), await target.client()
    await asyncio.gather(*(reply(client, "[[tokens=1]]", f"stream{n}") for n in range(32)))
    text = "[[tokens=400]] [[delay_ms=5]]"
    running = [asyncio.ensure_future(reply(client, text, f"stream{n}")) for n in range(32)]
    await asyncio.sleep(0.7)
    before, started, times = target.cpu(), now(), []
    while now() - started < 1.5:
        asked = now()
        await other.raw_call("agents.list")
        times.append(now() - asked)
        await asyncio.sleep(0.005)
    share = (target.cpu() - before) / (now() - started)
    await asyncio.gather(*running)
    client.close()
    other.close()
    return {"32 streams at 5 ms a token, CPU": 100 * share, "32 streams, others' p99": quantile(times, 0.99)}


async def writers(target: Target) -> dict[str, float]:
    """50 connections, each writing into a session of its own, one message after the other."""
    clients = [await target.client() for _ in range(50)]
    for number, client in enumerate(clients):
        await reply(client, "[[tokens=1]]", f"write{number}")
    await asyncio.sleep(1.5)  # the titles of 50 new sessions
    times: list[float] = []
    ends = now() + 3.0

    async def write(client: RawSocket, number: int) -> None:
        while now() < ends:
            asked = now()
            await client.raw_call("chat.inject", {"sessionKey": f"write{number}", "message": "a line to be kept"})
            times.append(now() - asked)

    await asyncio.gather(*(write(client, number) for number, client in enumerate(clients)))
    for client in clients:
        client.close()
    return {
        "durable ack, 50 writers, p50": quantile(times, 0.5),
        "durable ack, 50 writers, p99": quantile(times, 0.99),
        "durable writes": len(times) / 3.0,
    }


async def start(target: Target) -> dict[str, float]:
    """From ``exec`` to ``hello-ok``, each time with a fresh state directory."""
    if not target.seeded:
        return {}
    times = []
    for run in range(6):
        with tempfile.TemporaryDirectory() as folder:
            gateway = GatewayProcess(
                Path(folder), env={"CLAWDBOT_GATEWAY_TOKEN": TOKEN, "PYTHONPYCACHEPREFIX": str(CACHE)}
            )
            gateway.environment.pop("PYTHONDONTWRITEBYTECODE", None)
            started = now()
            gateway.spawn()
            try:
                while True:
                    try:
                        client = await RawSocket(gateway.ws_url, TOKEN).open()
                        break
                    except OSError:
                        await asyncio.sleep(0.002)
                if run:
                    times.append(now() - started)
                client.close()
            finally:
                gateway.stop()
    return {"exec → hello-ok": statistics.median(times)}


ROWS = (
    Row("health, 16 in flight", "/s", 13_900, 13_900, requests),
    Row("health, CPU", "µs", None, None, requests),
    Row("agents.list, 16 in flight", "/s", 14_700, 14_700, requests),
    Row("agents.list, CPU", "µs", None, None, requests),
    Row("sessions.list, 16 in flight", "/s", 10_000, 15_000, requests),
    Row("sessions.list, CPU", "µs", None, None, requests),
    Row("1,000 sessions, all", "ms", 8, 15, many_sessions),
    Row("connect → hello-ok", "ms", 0.9, 1.07, connects),
    Row("hello-ok", "bytes", None, 11_000, connects),
    Row("connect 500", "s", 1.0, 9.1, crowd),
    Row("connect 500, CPU", "s", 0.6, 9.1, crowd),
    Row("final to 500 clients", "ms", 5, 3.1, crowd),
    Row("1,000 clients, memory of each", "KB", None, None, thousand),
    Row("1,000 clients see a reply, others' p99", "ms", 100, None, thousand),
    Row("1,000 clients come back, others' p99", "ms", 100, None, thousand),
    Row("first token in 20,000 messages", "ms", 40, 544, long_session),
    Row("CPU of a 200-token reply", "ms", 15, 151, replies),
    Row("32 streams at 5 ms a token, CPU", "%", 60, None, streams),
    Row("32 streams, others' p99", "ms", 20, None, streams),
    Row("durable ack, 50 writers, p50", "ms", None, None, writers),
    Row("durable ack, 50 writers, p99", "ms", 30, None, writers),
    Row("durable writes", "/s", None, None, writers),
    Row("exec → hello-ok", "s", 0.45, 2.03, start),
)


# -- the run ----------------------------------------------------------------------------------------------------------
async def seed(home: Path) -> None:
    """Fill the store before the gateway starts: many small sessions, one long one."""
    store = open_store(home / "gateway.sqlite3")
    await store.open()
    stamp = int(time.time() * 1000) - 100_000_000

    def message(number: int, role: str, text: str) -> dict[str, Any]:
        return {"role": role, "timestamp": stamp + number, "content": [{"type": "text", "text": text}]}

    adding = [
        store.append(
            session_key=f"agent:main:s{n}", now=stamp + n, create=True, message=message(n, "user", f"question {n}")
        )
        for n in range(SESSIONS)
    ]
    adding += [
        store.append(
            session_key="agent:main:long",
            now=stamp + n,
            create=True,
            message=message(n, "assistant" if n % 2 else "user", f"message {n} " + "lorem ipsum dolor sit amet " * 12),
        )
        for n in range(LONG)
    ]
    for first in range(0, len(adding), 500):
        await asyncio.gather(*adding[first : first + 500])
    await store.close()


async def measure(target: Target, only: str) -> dict[str, float]:
    figures: dict[str, float] = {}
    client = await target.client()
    await reply(client, "[[tokens=1]]", "warm")  # what is loaded by the first message of a process
    client.close()
    await asyncio.sleep(1.0)
    for step in dict.fromkeys(row.measure for row in ROWS if only in row.name or only == row.measure.__name__):
        figures |= await asyncio.wait_for(step(target), 300)
    return figures


def report(ours: dict[str, float], real: dict[str, float]) -> bool:
    """Print the table; whether every budget that was measured is met."""
    met = True
    print(f"{'':44} {'ours':>10} {'real':>10} {'ratio':>7} {'budget':>9}")
    for row in ROWS:
        if row.name not in ours:
            continue
        value, other = ours[row.name], real.get(row.name, row.real)
        ratio = "" if not other else f"{value / other if row.rate else other / value:.2f} ×"
        goal = "" if row.goal is None else f"{row.goal:,g}"
        verdict = "" if row.met(value) else "  missed"
        met = met and row.met(value)
        shown = "" if other is None else f"{other:,.4g}" if other < 1000 else f"{other:,.0f}"
        mine = f"{value:,.4g}" if value < 1000 else f"{value:,.0f}"
        print(f"{row.name + ', ' + row.unit:44} {mine:>10} {shown:>10} {ratio:>9} {goal:>9}{verdict}")
    return met


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", type=Path, help="where npm installed clawdbot")
    parser.add_argument("--node", default="node", help="the program that runs it (Node 22)")
    parser.add_argument("--only", default="", help="rows that have this in their name")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    port = free_port()
    api = f"http://127.0.0.1:{port}"
    real: dict[str, float] = {}
    with ExitStack() as ending:
        scripted = subprocess.Popen(
            [sys.executable, "-m", "tests.support.messages_api", str(port)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        ending.callback(scripted.terminate)
        state = Path(ending.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        gateway = GatewayProcess(
            state,
            env={"ANTHROPIC_API_KEY": "sk-bench", "ANTHROPIC_BASE_URL": api, "CLAWDBOT_GATEWAY_TOKEN": TOKEN},
            config={"gateway": {"requestsPerMinute": 1_000_000}},
        )
        asyncio.run(seed(gateway.home))
        gateway.start()
        ending.callback(gateway.stop)
        ours = asyncio.run(measure(Target(gateway.ws_url, gateway.pid, APPEND), given.only))
        if given.real is not None:
            other = ending.enter_context(RealGateway(given.real, given.node, api, TOKEN))
            real = asyncio.run(measure(Target(other.url, other.pid, seeded=False), given.only))
    met = report(ours, real)
    if given.json:
        given.json.write_text(json.dumps({"ours": ours, "real": real}, indent=2))
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())
