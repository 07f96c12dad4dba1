"""Clients of gateways behind a balancer, who note what they are told, and a look at whether what is stored agrees."""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg

from clawdbot_ext.client.endpoint import Endpoint
from clawdbot_ext.client.errors import ClientError
from clawdbot_ext.client.gateway_client import GatewayClient
from clawdbot_ext.client.reply import Chunk, ReplyEnd, message_text
from clawdbot_ext.protocol.errors import GatewayError

from .server import GatewayProcess

TOKEN = "a-token-that-all-gateways-know"
BOUND_S = 120.0


@dataclass
class Cluster:
    """Gateways, and the address of the balancer before them."""

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


async def talk(cluster: Cluster, notes: Notes, enough: asyncio.Event, pause_s: float) -> None:
    """A person: asks, reads the whole reply, thinks for so long, asks again."""
    key = f"agent:main:talk-{uuid.uuid4().hex}"
    client = cluster.client()
    await wait(enough, pause_s * random.random())
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
            await wait(enough, pause_s)
    finally:
        await client.close()


async def wait(enough: asyncio.Event, seconds: float) -> None:
    """Wait for so long, and no longer than until it is enough."""
    with suppress(asyncio.TimeoutError):
        await asyncio.wait_for(enough.wait(), seconds)


async def send(cluster: Cluster, notes: Notes, enough: asyncio.Event, pause_s: float) -> None:
    """A program: sends one message after the other, with such pauses, and waits for no reply."""
    key = f"agent:main:send-{uuid.uuid4().hex}"
    client = cluster.client()
    await wait(enough, pause_s * random.random())
    try:
        while not enough.is_set():
            run_id = uuid.uuid4().hex
            params = {"sessionKey": key, "message": "[[tokens=10]] [[delay_ms=5]]", "idempotencyKey": run_id}
            await persist(client, "chat.send", params)
            notes.note(key, run_id)
            await wait(enough, 0.02 + pause_s)
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
                    if end.error.get("kind") == "storage":  # its gateway could not store it, and said so
                        assert end.text.startswith(stored)
                        continue
                    assert end.text == stored, f"{run_id}: {end} is not {answers[run_id]}"
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


async def under_load(
    cluster: Cluster,
    disturb: Callable[[Notes], Awaitable[None]],
    *,
    talkers: int,
    senders: int,
    pause_s: float = 0.0,
) -> Counter[str]:
    """Let clients talk and send while something goes wrong, and ``check`` afterwards: how the replies ended."""
    notes, enough = Notes(), asyncio.Event()
    clients = [talk(cluster, notes, enough, pause_s) for _ in range(talkers)] + [
        send(cluster, notes, enough, pause_s) for _ in range(senders)
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
