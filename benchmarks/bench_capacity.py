"""The machines that many users need, computed from measured costs of one: what runs out first, and where.

    python -m benchmarks.bench_capacity [--measure] [--users N] [--json FILE]

Without ``--measure`` the table is computed from the costs below, at once. With it they are measured anew in about two
minutes: two gateways that give each user of a proxy's sign-in a space, and a durable PostgreSQL. Processor times hardly
depend on what else the machine does. The model of a user and the result are explained in docs/design/0019.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import math
import tempfile
import time
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import psutil
import psycopg

from benchmarks.raw_socket import RawSocket
from tests.support.postgres import Postgres
from tests.support.server import GatewayProcess

SECRET = "s" * 40
APPEND = ("chat.append", "session.events")
SPACES, ASKS, LONG = 40, 60, 400


@dataclass(frozen=True)
class Costs:
    """Of one of each, as seen on 2026-11-30 on two cores. Times are of the processor; ``_db``: spent by PostgreSQL."""

    connect_ms: float = 1.3
    """A client's TCP, upgrade and login."""
    open_ms: float = 58.0
    open_db_ms: float = 101.0
    """A user's space is opened for the first time, with its tables."""
    idle_ms: float = 1.24
    idle_db_ms: float = 0.4
    """A second of an open space in which nothing happens, with its client."""
    message_ms: float = 5.9
    message_db_ms: float = 2.2
    """A question and a reply of one token."""
    token_us: float = 125.0
    token_db_us: float = 31.0
    """Each further token, at the client's own gateway."""
    token_away_us: float = 471.0
    token_away_db_us: float = 466.0
    """The same with a second client of the user at another gateway: of both gateways, more than alone."""
    commits: float = 13.2
    """Of a message and its reply."""
    rows: float = 18.1
    wal_kb: float = 7.1
    space_mb: float = 0.99
    """Memory of a gateway for an open space with its client."""
    space_db_mb: float = 6.7
    """Memory of PostgreSQL for its connections, what they share not counted."""
    gateway_mb: float = 56.0
    connections: float = 3.05
    """To PostgreSQL, of an open space."""


@dataclass(frozen=True)
class Model:
    """The users, at their busiest."""

    users: int = 10_000
    present: float = 0.10
    """Share that has a page open."""
    clients: float = 1.3
    """Of a user who is present."""
    away: float = 0.15
    """Share of those who have two clients at two gateways."""
    messages_hour: float = 12.0
    """Of a user who is present."""
    tokens: int = 500
    comes_hour: float = 2.0
    """Times that a client connects."""
    full: float = 0.6
    """Share of a core or of memory that is planned to be used."""
    gateway_gb: float = 8.0
    """Memory of the machine of a gateway, which has the work of one core: it is one process."""


def plan(costs: Costs, model: Model) -> list[tuple[str, float, str]]:
    """Name, value and unit."""
    present = model.users * model.present
    messages = present * model.messages_hour / 3600
    tokens = messages * model.tokens
    connects = present * model.clients * model.comes_hour / 3600
    opens = present * model.comes_hour / 3600
    work = (
        messages * costs.message_ms / 1e3
        + tokens * (costs.token_us + model.away * costs.token_away_us) / 1e6
        + connects * costs.connect_ms / 1e3
        + opens * costs.open_ms / 1e3
        + present * costs.idle_ms / 1e3
    )
    database = (
        messages * costs.message_db_ms / 1e3
        + tokens * (costs.token_db_us + model.away * costs.token_away_db_us) / 1e6
        + opens * costs.open_db_ms / 1e3
        + present * costs.idle_db_ms / 1e3
    )
    memory = present * (1 + model.away) * costs.space_mb / 1024
    by_work = math.ceil(work / model.full)
    by_memory = math.ceil(memory / (model.gateway_gb * model.full - costs.gateway_mb / 1024))
    return [
        ("users present, each with a space open", present, ""),
        ("messages", messages, "/s"),
        ("tokens", tokens, "/s"),
        ("gateways' work", work, "cores"),
        ("of it for spaces in which nothing happens", present * costs.idle_ms / 1e3, "cores"),
        ("PostgreSQL's work", database, "cores"),
        ("of it for spaces in which nothing happens", present * costs.idle_db_ms / 1e3, "cores"),
        ("commits of messages", messages * costs.commits, "/s"),
        ("write-ahead log", messages * costs.wal_kb / 1024, "MB/s"),
        ("connections to PostgreSQL", present * (1 + model.away) * costs.connections, ""),
        ("memory of them in PostgreSQL", present * (1 + model.away) * costs.space_db_mb / 1024, "GB"),
        ("memory of the spaces in the gateways", memory, "GB"),
        ("gateways by their work", by_work, ""),
        ("gateways by their memory", by_memory, ""),
        ("gateways, with one to spare", max(by_work, by_memory) + 1, ""),
    ]


# -- the costs ---------------------------------------------------------------------------------------------------------
def cpu(pid: int) -> float:
    """Seconds of processor time of a process and those below it so far."""
    process, spent = psutil.Process(pid), 0.0
    for each in (process, *process.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = each.cpu_times()
            spent += times.user + times.system + times.children_user + times.children_system
    return spent


def private_mb(pid: int) -> float:
    """Memory of a process and those below it, what they share not counted."""
    process, size = psutil.Process(pid), 0
    for each in (process, *process.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            size += each.memory_full_info().uss
    return size / 2**20


class Bench:
    """Two gateways and a database, and what they have spent."""

    def __init__(self, server: Postgres, gateways: Sequence[GatewayProcess], url: str):
        self.gateways, self.url = gateways, url
        self.database = int((server.data / "postmaster.pid").read_text().split()[0])

    def spent(self) -> tuple[float, float]:
        return sum(cpu(gateway.pid) for gateway in self.gateways), cpu(self.database)

    def counters(self) -> tuple[int, int, int, int]:
        """Commits, rows written, bytes of the write-ahead log, connections of the gateways."""
        with psycopg.connect(self.url, autocommit=True) as conn:
            [row] = conn.execute(
                """SELECT xact_commit, tup_inserted + tup_updated + tup_deleted,
                       (pg_current_wal_lsn() - '0/0')::bigint,
                       (SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'clawdbot%')
                   FROM pg_stat_database WHERE datname = current_database()"""
            ).fetchall()
        return row[0], row[1], row[2], row[3]

    async def connect(self, name: str, gateway: int = 0) -> RawSocket:
        headers = f"X-Clawdbot-Proxy-Secret: {SECRET}\r\nX-Forwarded-User: {name}\r\nX-Forwarded-For: 192.0.2.9\r\n"
        return await RawSocket(self.gateways[gateway].ws_url, "", APPEND, headers).open()


async def ask(socket: RawSocket, text: str) -> None:
    """One question, until its reply has ended."""
    run_id = uuid.uuid4().hex
    mark = run_id.encode()
    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def tap(frame: bytes, at: float) -> None:
        if mark in frame and b'"event":"chat"' in frame[:60] and b'"state":"delta"' not in frame and not ended.done():
            ended.set_result(None)

    socket.taps = [tap]
    await socket.raw_call("chat.send", {"sessionKey": "main", "message": text, "idempotencyKey": run_id})
    await asyncio.wait_for(ended, 120)


async def measure(bench: Bench) -> Costs:
    found = Costs(gateway_mb=private_mb(bench.gateways[0].pid))
    own, db = bench.spent()
    memory, db_memory, before = private_mb(bench.gateways[0].pid), private_mb(bench.database), bench.counters()
    sockets = [await bench.connect(f"user{number}") for number in range(SPACES)]
    await asyncio.sleep(2)
    own_after, db_after = bench.spent()
    found = replace(
        found,
        open_ms=1e3 * (own_after - own) / SPACES,
        open_db_ms=1e3 * (db_after - db) / SPACES,
        space_mb=(private_mb(bench.gateways[0].pid) - memory) / SPACES,
        space_db_mb=(private_mb(bench.database) - db_memory) / SPACES,
        connections=(bench.counters()[3] - before[3]) / SPACES,
    )

    own, db = bench.spent()
    began = time.monotonic()
    await asyncio.sleep(20)
    took = time.monotonic() - began
    own_after, db_after = bench.spent()
    idle = (own_after - own) / took, (db_after - db) / took
    found = replace(found, idle_ms=1e3 * idle[0] / SPACES, idle_db_ms=1e3 * idle[1] / SPACES)

    async def costs(count: int, text: str, *, several: int = 1) -> tuple[float, float]:
        """Seconds of the gateways and of the database for one, without what idling costs."""
        own, db = bench.spent()
        began = time.monotonic()
        for _ in range(count // several):
            await asyncio.gather(*(ask(socket, text) for socket in sockets[:several]))
        took = time.monotonic() - began
        own_after, db_after = bench.spent()
        return (own_after - own - took * idle[0]) / count, (db_after - db - took * idle[1]) / count

    long = f"[[tokens={LONG}]] [[delay_ms=20]]"
    await costs(8, "[[tokens=1]]", several=8)
    before = bench.counters()
    short = await costs(ASKS, "[[tokens=1]]")
    await asyncio.sleep(2)  # the server's own counting is late
    after = bench.counters()
    whole = await costs(16, long, several=8)
    seconds = [await bench.connect(f"user{number}", 1) for number in range(8)]
    await asyncio.sleep(3)
    away = await costs(16, long, several=8)
    found = replace(
        found,
        message_ms=1e3 * short[0],
        message_db_ms=1e3 * short[1],
        commits=(after[0] - before[0]) / ASKS,
        rows=(after[1] - before[1]) / ASKS,
        wal_kb=(after[2] - before[2]) / ASKS / 1024,
        token_us=1e6 * (whole[0] - short[0]) / LONG,
        token_db_us=1e6 * (whole[1] - short[1]) / LONG,
        token_away_us=1e6 * (away[0] - whole[0]) / LONG,
        token_away_db_us=1e6 * (away[1] - whole[1]) / LONG,
    )

    own, _ = bench.spent()
    began = time.monotonic()
    for _ in range(100):
        (await bench.connect("user0")).close()
    spent = bench.spent()[0] - own - (time.monotonic() - began) * idle[0]
    for socket in (*sockets, *seconds):
        socket.close()
    return replace(found, connect_ms=1e3 * spent / 100)


def measured() -> Costs:
    with tempfile.TemporaryDirectory() as folder, Postgres(fsync=True, settings=("max_connections=400",)) as server:
        url = server.create()
        config = {
            "users": {"from": "headers", "secret": SECRET, "directory": f"{folder}/users"},
            "gateway": {"trustedProxies": ["127.0.0.1"]},
            "agents": {"defaults": {"autoTitle": False}},
        }
        env = {"CLAWDBOT_STORAGE_URL": url}
        gateways = [GatewayProcess(Path(folder) / name, env=env, config=config) for name in ("a", "b")]
        try:
            for gateway in gateways:
                gateway.start()
            return asyncio.run(measure(Bench(server, gateways, url)))
        except asyncio.TimeoutError:
            raise SystemExit("\n".join(gateway.output[-3000:] for gateway in gateways)) from None
        finally:
            for gateway in gateways:
                gateway.kill()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", action="store_true")
    parser.add_argument("--users", type=int, default=Model.users)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    costs = measured() if given.measure else Costs()
    for name, value in asdict(costs).items():
        print(f"{name:20} {value:10.3f}")
    print()
    rows = plan(costs, Model(users=given.users))
    for name, value, unit in rows:
        print(f"{name:45} {value:10,.1f} {unit}")
    if given.json:
        given.json.write_text(json.dumps({"costs": asdict(costs), "plan": rows}))


if __name__ == "__main__":
    main()
