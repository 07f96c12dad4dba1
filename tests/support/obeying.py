"""A gateway with an obeying model and a scripted notebook node: what tests of the assistant's hands have in common."""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from typing import Any

from tests.support.notebook_node import NotebookNode
from tests.support.server import GatewayProcess
from tests.support.strict_api import Call, StrictAPI, wants
from tests.support.wire import SCOPES, Wire, opened, text_of

CAPS = ("chat.append", "session.events")


@dataclass
class HandsGateway:
    """The gateway and the model behind it."""

    gateway: GatewayProcess
    api: StrictAPI

    @asynccontextmanager
    async def person(
        self, instance: str = "page", caps: tuple[str, ...] = CAPS, scopes: Sequence[str] = SCOPES
    ) -> AsyncIterator[Person]:
        """A page's chat socket."""
        async with opened(self.gateway.ws_url) as wire:
            wire.start()
            await wire.wait("connect.challenge")
            client = {"id": "test", "version": "1", "platform": "x", "mode": "webchat", "instanceId": instance}
            wire.hello = await wire.call(
                "connect",
                {
                    "minProtocol": 3,
                    "maxProtocol": 3,
                    "caps": list(caps),
                    "role": "operator",
                    "scopes": list(scopes),
                    "client": client,
                    "auth": {"token": self.gateway.token},
                },
            )
            yield Person(wire, uuid.uuid4().hex[:8])

    @asynccontextmanager
    async def working(
        self, node: NotebookNode, *, server: bool = False, mode: str = ""
    ) -> AsyncIterator[tuple[Person, NotebookNode]]:
        """A person's page with its chat and its node."""
        instance = uuid.uuid4().hex[:8]
        async with (
            node.connected(self.gateway.ws_url, self.gateway.token, instance=instance, server=server),
            self.person(instance) as person,
        ):
            if mode:
                await person.mode(mode)
            yield person, node

    def records(self, kind: str = "approval", session: str = "") -> list[dict[str, Any]]:
        """Records of the store (of one session), read beside the gateway, oldest first."""
        path = self.gateway.home / "gateway.sqlite3"
        query = "SELECT body FROM records WHERE kind = ? AND body LIKE ? ORDER BY created_at"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as conn:
            rows = conn.execute(query, (kind, f"%{session}%")).fetchall()
        return [json.loads(body) for (body,) in rows]

    def put_record(self, id_: str, body: Mapping[str, Any], *, at: int, kind: str = "approval") -> None:
        """Write a record into the store of a gateway that is stopped, as if at that time (ms)."""
        with closing(sqlite3.connect(self.gateway.home / "gateway.sqlite3")) as conn, conn:
            conn.execute("INSERT INTO records VALUES (?, ?, ?, ?, ?)", (kind, id_, json.dumps(body), at, at))


@dataclass
class Person:
    """A person at a page, in a session of their own."""

    wire: Wire
    key: str

    async def mode(self, mode: str, **more: Any) -> None:
        await self.wire.call("sessions.patch", {"key": self.key, "handsMode": mode, **more})

    async def wish(self, *steps: Call, text: str = "") -> str:
        """Have the model make calls, one a step; the run's id."""
        run_id, _ = await self.wire.send(wants(*steps) + text, key=self.key)
        return run_id

    async def question(self, run_id: str, count: int = 1) -> dict[str, Any]:
        """The ``count``-th question of a run: the whole event."""
        seen: list[str] = []

        def match(payload: dict[str, Any]) -> bool:
            if payload["request"].get("runId") == run_id and payload["id"] not in seen:
                seen.append(payload["id"])
            return len(seen) >= count and payload["id"] == seen[count - 1]

        payload: dict[str, Any] = (await self.wire.wait("exec.approval.requested", match))["payload"]
        return payload

    async def decide(self, question: Mapping[str, Any], decision: str = "allow-once", **more: Any) -> None:
        await self.wire.call("exec.approval.resolve", {"id": question["id"], "decision": decision, **more})

    async def allow(self, run_id: str, count: int = 1, **more: Any) -> dict[str, Any]:
        question = await self.question(run_id, count)
        await self.decide(question, **more)
        return question

    async def results(self, run_id: str) -> list[dict[str, Any]]:
        """The results of the run's calls, once it has ended."""
        await self.wire.end(run_id)
        messages = (await self.wire.call("chat.history", {"sessionKey": self.key, "limit": 500}))["messages"]
        return [m for m in messages if m.get("runId") == run_id and m["role"] == "toolResult"]

    async def result(self, run_id: str) -> tuple[str, dict[str, Any]]:
        """Text and message of the run's last call."""
        last = (await self.results(run_id))[-1]
        return text_of(last), last
