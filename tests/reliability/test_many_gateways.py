"""Two real gateways on one PostgreSQL behind nginx: what clients have after gateways were killed and restarted.

``CLAWDBOT_KILLS`` kills more often (20: as thorough as it gets).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest

from clawdbot_ext.client.endpoint import Endpoint
from clawdbot_ext.client.errors import ClientError
from clawdbot_ext.client.gateway_client import GatewayClient
from clawdbot_ext.client.reply import Chunk, ReplyEnd, message_text
from clawdbot_ext.protocol.errors import GatewayError
from tests.support.nginx import Nginx
from tests.support.server import GatewayProcess
from tests.support.wire import run

KILLS = int(os.environ.get("CLAWDBOT_KILLS", "2"))
TALKERS, SENDERS = 4, 2
TOKEN = "a-token-that-all-gateways-know"
BOUND_S = 120.0
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600 + 60 * KILLS)]


@dataclass
class Cluster:
    """Two gateways, and the address of the balancer before them."""

    gateways: Sequence[GatewayProcess]
    url: str
    database: str

    def client(self) -> GatewayClient:
        return GatewayClient(Endpoint(self.url.replace("http", "ws", 1) + "ws", self.url, TOKEN))

    def runs(self, seen: Sequence[str], sent: Sequence[str]) -> list[tuple[Any, ...]]:
        """The rows of runs around the first that is not where it was expected, for the message of a failure."""
        at = next(n for n, (a, b) in enumerate(zip([*seen, ""], [*sent, ""], strict=False)) if a != b)
        with psycopg.connect(self.database) as conn:
            rows = conn.execute(
                """SELECT run_id, position, state, created_at, started_at, ended_at, result FROM runs
                   WHERE run_id = ANY(%s) ORDER BY position""",
                [[*seen[max(at - 2, 0) : at + 3], *sent[max(at - 2, 0) : at + 3]]],
            ).fetchall()
        return [(row[0], sent.index(row[0]), *row[1:]) for row in rows]

    def alive(self) -> int:
        """The number of members, as the database has it."""
        with psycopg.connect(self.database) as conn:
            [[count]] = conn.execute("SELECT count(*) FROM gateways WHERE ended_at IS NULL").fetchall()
        return int(count)


@pytest.fixture(scope="module")
def cluster(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder: Path = tmp_path_factory.mktemp("many")
    env = {"CLAWDBOT_STORAGE_URL": postgres_url, "CLAWDBOT_GATEWAY_TOKEN": TOKEN}
    gateways = [GatewayProcess(folder / name, env=env) for name in ("a", "b")]
    nginx = Nginx(folder / "nginx")
    url = nginx.balance([gateway.port for gateway in gateways])
    with contextlib.ExitStack() as stack:
        for gateway in gateways:
            gateway.spawn()
            stack.callback(gateway.kill)
        for gateway in gateways:
            gateway.await_answer()
        nginx.start()
        stack.callback(nginx.stop)
        yield Cluster(gateways, url, postgres_url)


@dataclass
class Notes:
    """The clients' view: what is stored must agree."""

    acked: dict[str, list[str]] = field(default_factory=dict)
    """Session → run ids of the messages that were acknowledged, in the order of their sending."""
    replies: dict[str, tuple[str, ReplyEnd]] = field(default_factory=dict)
    """Run id → what its client had put together, and how it ended."""
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def count(self) -> int:
        return sum(len(runs) for runs in self.acked.values())

    async def until(self, count: int) -> None:
        """Wait until so many messages were acknowledged."""
        while self.count() < count:
            self.news.clear()
            await asyncio.wait_for(self.news.wait(), BOUND_S)

    def note(self, key: str, run_id: str) -> None:
        self.acked.setdefault(key, []).append(run_id)
        self.news.set()


async def persist(client: GatewayClient, method: str, params: dict[str, Any]) -> Any:
    """Ask until there is an answer: the same request again, whatever goes down meanwhile."""
    ends = time.monotonic() + BOUND_S
    while True:
        try:
            if not client.connected:
                await client.reconnect(patience_s=BOUND_S)
            return await client.request(method, params)
        except (ClientError, GatewayError) as error:
            if time.monotonic() > ends or (isinstance(error, GatewayError) and not error.retryable):
                raise
            await asyncio.sleep(0.05)


async def talk(cluster: Cluster, notes: Notes, enough: asyncio.Event) -> None:
    """A person: asks, reads the whole reply, asks again."""
    key = f"agent:main:talk-{uuid.uuid4().hex}"
    client = cluster.client()
    try:
        while not enough.is_set():
            run_id, text = uuid.uuid4().hex, ""
            while run_id not in notes.replies:
                try:
                    if not client.connected:
                        await client.reconnect(patience_s=BOUND_S)
                    text = ""
                    async for item in client.ask(
                        "[[tokens=60]] [[delay_ms=5]]", session_key=key, run_id=run_id, patience_s=BOUND_S
                    ):
                        if isinstance(item, Chunk) and item.part == "text":
                            text = item.text if item.replaces else text + item.text
                        elif isinstance(item, ReplyEnd):
                            notes.replies[run_id] = text, item
                except (ClientError, GatewayError) as error:
                    if isinstance(error, GatewayError) and not error.retryable:
                        raise
                    await asyncio.sleep(0.05)
            notes.note(key, run_id)
    finally:
        await client.close()


async def send(cluster: Cluster, notes: Notes, enough: asyncio.Event) -> None:
    """A program: sends one message after the other, and waits for no reply."""
    key = f"agent:main:send-{uuid.uuid4().hex}"
    client = cluster.client()
    try:
        while not enough.is_set():
            run_id = uuid.uuid4().hex
            params = {"sessionKey": key, "message": "[[tokens=10]] [[delay_ms=5]]", "idempotencyKey": run_id}
            await persist(client, "chat.send", params)
            notes.note(key, run_id)
            await asyncio.sleep(0.02)
    finally:
        await client.close()


async def check(cluster: Cluster, notes: Notes) -> Counter[str]:
    """The history of every session against what its client was told; how the replies ended."""
    client = cluster.client()
    ends: Counter[str] = Counter()
    try:
        for key, acked in notes.acked.items():
            given_up = time.monotonic() + BOUND_S
            while True:
                messages = await whole_history(client, key)
                answers = {m["runId"]: m for m in messages if m["role"] == "assistant"}
                if answers.keys() >= set(acked) or time.monotonic() > given_up:
                    break
                await asyncio.sleep(0.1)
            asked = [m["runId"] for m in messages if m["role"] == "user"]
            known = [run_id for run_id in asked if run_id in acked]
            assert known == acked, f"lost, twice, or in another order: {cluster.runs(known, acked)}"
            assert len(asked) == len(set(asked))
            assert [m["seq"] for m in messages] == sorted({m["seq"] for m in messages})
            assert answers.keys() == set(asked), "a reply without an end"
            assert len(answers) == sum(m["role"] == "assistant" for m in messages)
            for run_id in acked:
                stored = message_text(answers[run_id])
                ends[answers[run_id]["stopReason"]] += 1
                if run_id in notes.replies:
                    text, end = notes.replies[run_id]
                    assert end.text == stored
                    if end.state == "final":
                        assert stored.startswith(text), "characters are missing, or there twice"
    finally:
        await client.close()
    return ends


async def whole_history(client: GatewayClient, key: str) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    while True:
        more = {"beforeSeq": messages[0]["seq"]} if messages else {}
        page = await persist(client, "chat.history", {"sessionKey": key, "limit": 200, **more})
        messages = page["messages"] + messages
        if not page["hasMore"]:
            return messages


async def under_load(cluster: Cluster, disturb: Any) -> Counter[str]:
    notes, enough = Notes(), asyncio.Event()
    clients = [talk(cluster, notes, enough) for _ in range(TALKERS)] + [
        send(cluster, notes, enough) for _ in range(SENDERS)
    ]
    tasks = [asyncio.create_task(client) for client in clients]
    try:
        await disturb(notes)
        await notes.until(notes.count() + 20)
    finally:
        enough.set()
        await asyncio.wait_for(asyncio.gather(*tasks), 2 * BOUND_S)
    return await check(cluster, notes)


async def all_alive(cluster: Cluster) -> None:
    ends = time.monotonic() + BOUND_S
    while await asyncio.to_thread(cluster.alive) != len(cluster.gateways):
        assert time.monotonic() < ends
        await asyncio.sleep(0.05)


def test_gateways_killed_under_load_lose_nothing_and_double_nothing(cluster: Cluster) -> None:
    async def disturb(notes: Notes) -> None:
        for number in range(KILLS):
            await all_alive(cluster)
            await notes.until(notes.count() + 20)
            victim = cluster.gateways[number % 2]
            victim.kill()
            await notes.until(notes.count() + 20)  # without it
            await asyncio.to_thread(victim.start)

    ends = run(under_load(cluster, disturb), 500 + 60 * KILLS)
    assert ends["stop"] > 20
    assert ends.keys() <= {"stop", "interrupted"}


def test_a_rolling_restart_cuts_no_reply(cluster: Cluster) -> None:
    async def disturb(notes: Notes) -> None:
        for gateway in cluster.gateways:
            await all_alive(cluster)
            await notes.until(notes.count() + 20)
            gateway.terminate()
            assert await asyncio.to_thread(gateway.wait) == 0
            await asyncio.to_thread(gateway.start)

    ends = run(under_load(cluster, disturb), 500)
    assert ends.keys() == {"stop"}
