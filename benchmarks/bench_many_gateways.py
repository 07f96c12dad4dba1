"""Gateways on one PostgreSQL against their budgets: the first token, requests of four processes, clients after a kill.

    python -m benchmarks.bench_many_gateways [--only WORD] [--clients N]

About two minutes. Starts a PostgreSQL (durable), gateways as people start them and nginx before them. Compares by turns
in one run, so that whatever else the machine does slows both sides. Prints medians with their budgets; exits 1 if one
is missed. The processor time a request is what changes least on a busy machine.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import astuple, dataclass
from pathlib import Path

import psutil

from benchmarks.raw_socket import RawSocket, Refused
from tests.support.nginx import Nginx
from tests.support.postgres import Postgres
from tests.support.server import GatewayProcess

TOKEN = "a-token-of-the-benchmark-0123456789"
APPEND = ("chat.append", "session.events")
FIRST_TOKEN_MS = 15.0
FOUR_PROCESSES = 1.7
BACK_S = 3.0
WARM_S, LOAD_S = 0.5, 3.0
RPCS: Mapping[str, Mapping[str, object]] = {
    "config.get": {},
    "sessions.list": {"limit": 50},
    "chat.history": {"sessionKey": "long", "limit": 50},
}
"""Requests: the first is a gateway's own work alone, the others ask the database too."""
now = time.perf_counter


class Gateways:
    """Gateways on one database, by number; ``sqlite`` is one with a file."""

    def __init__(self, folder: Path, url: str | None, count: int):
        env = {"CLAWDBOT_GATEWAY_TOKEN": TOKEN, **({"CLAWDBOT_STORAGE_URL": url} if url else {})}
        config = {
            "agents": {"defaults": {"autoTitle": False}},
            "gateway": {"requestsPerMinute": 1_000_000, "connectionsPerAddress": 100_000},
        }
        self.all = [GatewayProcess(folder / f"{number}", env=env, config=config) for number in range(count)]

    def __enter__(self) -> list[GatewayProcess]:
        for gateway in self.all:
            gateway.spawn()
        for gateway in self.all:
            gateway.await_answer()
        return self.all

    def __exit__(self, *exc_info: object) -> None:
        for gateway in self.all:
            gateway.kill()


def cpu(pid: int) -> float:
    """Seconds of processor time of a process and those below it so far."""
    process = psutil.Process(pid)
    spent = 0.0
    for each in (process, *process.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = each.cpu_times()
            spent += times.user + times.system
    return spent


async def client(gateway: GatewayProcess) -> RawSocket:
    return await RawSocket(gateway.ws_url, TOKEN, APPEND).open()


async def first_token(socket: RawSocket, key: str) -> float:
    """Milliseconds from the send to the first piece of the reply."""
    run_id = uuid.uuid4().hex
    mark, loop = run_id.encode(), asyncio.get_running_loop()
    first: asyncio.Future[float] = loop.create_future()
    ended: asyncio.Future[None] = loop.create_future()

    def tap(frame: bytes, at: float) -> None:
        if mark not in frame or b'"event":"chat"' not in frame[:60]:
            return
        if not first.done():
            first.set_result(at)
        if b'"state":"delta"' not in frame and not ended.done():
            ended.set_result(None)

    socket.taps = [tap]
    started = now()
    await socket.raw_call("chat.send", {"sessionKey": key, "message": "[[tokens=3]]", "idempotencyKey": run_id})
    at = await asyncio.wait_for(first, 60)
    await asyncio.wait_for(ended, 60)
    return (at - started) * 1000


async def first_tokens(lite: GatewayProcess, pair: Sequence[GatewayProcess]) -> list[str]:
    """SQLite, PostgreSQL at the session's home, and PostgreSQL with the client at another gateway than the home."""
    sockets = [await client(lite), await client(pair[0]), await client(pair[1])]
    taken: list[list[float]] = [[], [], []]
    await first_token(sockets[1], "first")  # the home is the second's
    for _ in range(120):
        for socket, times in zip(sockets, taken, strict=True):
            times.append(await first_token(socket, "first"))
    for socket in sockets:
        socket.close()
    lite_ms, home_ms, away_ms = (statistics.median(times[20:]) for times in taken)
    return [
        f"first token in SQLite {lite_ms:.1f} ms",
        report("first token in PostgreSQL, more than in SQLite, ms", home_ms - lite_ms, FIRST_TOKEN_MS),
        report("the same, asked at another gateway than the home, ms", away_ms - lite_ms, None),
    ]


async def load(url: str, method: str, seconds: float) -> None:
    """The program that asks: prints how many were answered, in what time, and what that cost it."""
    socket, params = await RawSocket(url, TOKEN).open(), dict(RPCS[method])
    await socket.flood(method, params, in_flight=8, seconds=WARM_S)
    spent = time.process_time()
    answered, took = await socket.flood(method, params, in_flight=8, seconds=seconds)
    print(json.dumps([answered, took, time.process_time() - spent]))
    socket.close()


@dataclass
class Rate:
    """Requests a second, and the microseconds of the processor that one costs, by those who spend them."""

    rate: float
    gateway: float
    client: float
    database: float


def requests(method: str, gateways: Sequence[GatewayProcess], database: int) -> Rate:
    """As many as they answer, each asked by a program of its own."""
    before = sum(cpu(gateway.pid) for gateway in gateways), cpu(database)
    program = [sys.executable, "-m", "benchmarks.bench_many_gateways", "--method", method, "--load"]
    asking = [subprocess.Popen([*program, gateway.ws_url], stdout=subprocess.PIPE) for gateway in gateways]
    told = [json.loads(each.communicate()[0]) for each in asking]
    spent = sum(cpu(gateway.pid) for gateway in gateways) - before[0], cpu(database) - before[1]
    answered = sum(count for count, _, _ in told)
    whole = answered * (1 + WARM_S / LOAD_S) / 1e6  # with those before the measurement
    return Rate(
        sum(count / took for count, took, _ in told),
        spent[0] / whole,
        1e6 * sum(own for _, _, own in told) / answered,
        spent[1] / whole,
    )


def median(rates: Sequence[Rate]) -> Rate:
    return Rate(*(statistics.median(each) for each in zip(*(astuple(rate) for rate in rates), strict=True)))


async def fill(gateway: GatewayProcess) -> None:
    socket = await client(gateway)
    for number in range(50):
        await socket.raw_call("sessions.patch", {"key": f"some-{number}", "label": f"Number {number}"})
    for _ in range(25):
        await first_token(socket, "long")
    socket.close()


def four_processes(gateways: Sequence[GatewayProcess], server: Postgres) -> Iterator[str]:
    """One and four by turns, three times."""
    asyncio.run(fill(gateways[0]))
    database = int((server.data / "postmaster.pid").read_text().split()[0])
    cores = psutil.cpu_count() or 1
    for method in RPCS:
        rows = [(requests(method, gateways[:1], database), requests(method, gateways, database)) for _ in range(3)]
        one, four = median([row[0] for row in rows]), median([row[1] for row in rows])
        for name, rate in (("one", one), ("four", four)):
            used = rate.rate * (rate.gateway + rate.client + rate.database) / 1e6
            yield (
                f"{method} at {name:4} {rate.rate:8,.0f}/s; µs of the gateway {rate.gateway:5.0f}, of its client "
                f"{rate.client:4.0f}, of the database {rate.database:4.0f}: {used:.2f} of {cores} cores"
            )
        ratio = statistics.median(row[1].rate / row[0].rate for row in rows)
        goal = FOUR_PROCESSES if method == next(iter(RPCS)) else None
        yield report(f"{method}: four processes against one, times", ratio, goal, least=True)
        full = cores / (four.gateway + four.client + four.database)
        yield f"{method}: by processor time, on a machine with nothing else to do, {full * one.gateway:.2f} times"


async def come_back(url: str, gateways: Sequence[GatewayProcess], count: int) -> list[str]:
    """Clients behind the balancer, of which one gateway is killed: until each has an answer about its session again."""
    sockets = [await RawSocket(url, TOKEN, APPEND).open() for _ in range(count)]
    keys = [f"back-{uuid.uuid4().hex}" for _ in range(count)]
    for socket, key in zip(sockets, keys, strict=True):
        await socket.raw_call("sessions.patch", {"key": key, "label": key})
    pids = [(await socket.call("gateway.info"))["pid"] for socket in sockets]
    victim = max(gateways, key=lambda gateway: pids.count(gateway.pid))  # one may have none yet after its restart
    mine = [number for number, pid in enumerate(pids) if pid == victim.pid]
    killed = now()
    victim.kill()

    async def again(number: int) -> float:
        pause = 0.1
        while True:
            try:
                socket = await RawSocket(url, TOKEN, APPEND).open()
                await socket.raw_call("chat.history", {"sessionKey": keys[number], "limit": 10})
            except (Refused, OSError):
                await asyncio.sleep(pause)
                pause = min(2 * pause, 1.0)
            else:
                socket.close()
                return now() - killed

    times = sorted(await asyncio.gather(*(again(number) for number in mine)))
    for socket in sockets:
        socket.close()
    victim.start()
    return [
        f"{len(mine)} of {count} clients were at the one that was killed; back: p50 {statistics.median(times):.2f} s",
        report("the last of them, s", times[-1], BACK_S),
    ]


missed = False


def report(what: str, value: float, budget: float | None, *, least: bool = False) -> str:
    global missed
    if budget is None:
        return f"{what:<58} {value:8.2f}"
    over = value < budget if least else value > budget
    missed = missed or over
    return f"{what:<58} {value:8.2f}   budget {'≥' if least else '≤'} {budget:g}{'   MISSED' if over else ''}"


def rows(folder: Path, only: str, clients: int) -> Iterator[str]:
    with ExitStack() as stack:
        server = stack.enter_context(Postgres(fsync=True))
        gateways = stack.enter_context(Gateways(folder / "many", server.create(), 4))
        if only in "first":
            [lite] = stack.enter_context(Gateways(folder / "lite", None, 1))
            yield from asyncio.run(first_tokens(lite, gateways))
        if only in "requests":
            yield from four_processes(gateways, server)
        if only in "back":
            nginx = Nginx(folder / "nginx")
            url = nginx.balance([gateway.port for gateway in gateways])
            nginx.start()
            stack.callback(nginx.stop)
            for _ in range(3):
                yield from asyncio.run(come_back(f"{url.replace('http', 'ws', 1)}ws", gateways, clients))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=["first", "requests", "back"], default="")
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--load")
    parser.add_argument("--method")
    given = parser.parse_args()
    if given.load:
        asyncio.run(load(given.load, given.method, LOAD_S))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        for row in rows(Path(folder), given.only, given.clients):
            print(row, flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
