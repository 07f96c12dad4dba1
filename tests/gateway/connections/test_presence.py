"""Presence in a crowd: every client hears of it in the end, and none waits for that."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest

from clawdbot_ext.gateway.connections.broadcast import Broadcast
from clawdbot_ext.gateway.connections.presence import CROWD, MAX_LEFT, MAX_ROWS, Presence
from clawdbot_ext.protocol.clock import now_ms
from tests.support.wire import run

CLIENTS = 250


class Crowd:
    """Clients that write down the versions that they are told, and the rows of the last one."""

    def __init__(self) -> None:
        self.events = Broadcast()
        self.presence = Presence(self.events, lambda: "agent:main:main")
        self.told: dict[str, list[int]] = {}
        self.last: dict[str, bytes] = {}
        self.news = asyncio.Condition()
        self.most_at_once = 0
        self._at_once = 0

    def client(self, number: int) -> Any:
        name = f"client {number}"
        info = {"displayName": name, "instanceId": name, "version": "1", "platform": "linux", "mode": "ui"}
        client = SimpleNamespace(
            info=info, role="operator", caps=frozenset(), scopes=frozenset({"operator.admin"}), device_id=None
        )
        client.connected_at = number + 1
        client.may_receive = lambda row: True
        client.send_event = lambda event, data, state: self.hear(name, data, state)
        return _Hashable(**vars(client))

    def rows(self, name: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = json.loads(self.last[name])["presence"]
        return rows

    def hear(self, name: str, data: bytes, state: dict[str, int]) -> None:
        self.told.setdefault(name, []).append(state["presence"])
        self.last[name] = data
        if not self._at_once:
            asyncio.get_running_loop().call_soon(self.turn_ended)
        self._at_once += 1

    def turn_ended(self) -> None:
        self.most_at_once, self._at_once = max(self.most_at_once, self._at_once), 0
        asyncio.get_running_loop().create_task(self.tell())

    async def tell(self) -> None:
        async with self.news:
            self.news.notify_all()

    def known(self) -> int:
        names = [client.info["displayName"] for client in self.events.connections]
        return min(self.told.get(name, [0])[-1] for name in names)

    async def all_know(self, version: int) -> None:
        async def told() -> None:
            async with self.news:
                await self.news.wait_for(
                    lambda: all(
                        self.told.get(c.info["displayName"], [0])[-1] >= version for c in self.events.connections
                    )
                )

        await asyncio.wait_for(told(), 60)


class _Hashable(SimpleNamespace):
    def __hash__(self) -> int:  # type: ignore[override]
        return id(self)


@pytest.mark.slow
def test_a_crowd_that_comes_at_once_is_told_together_and_in_slices() -> None:
    async def main() -> None:
        crowd = Crowd()
        clients = [crowd.client(number) for number in range(CLIENTS)]
        for client in clients:
            crowd.presence.for_newcomer()
            crowd.events.connections.add(client)
            crowd.presence.joined(client)
        await crowd.all_know(crowd.presence.version)
        assert sum(map(len, crowd.told.values())) <= 3 * CLIENTS  # not a frame for each of them to each of them
        assert crowd.most_at_once <= CROWD
        rows = crowd.rows("client 0")
        assert rows[0]["mode"] == "gateway" and len(rows) == MAX_ROWS + 1
        assert [row["host"] for row in rows[1:3]] == [f"client {CLIENTS - 1}", f"client {CLIENTS - 2}"]
        leaver = clients.pop()
        crowd.events.connections.discard(leaver)
        crowd.presence.left(leaver)
        await crowd.all_know(crowd.presence.version)
        gone = next(row for row in crowd.rows("client 0") if row.get("host") == f"client {CLIENTS - 1}")
        assert gone["reason"] == "disconnect"
        assert all(versions == sorted(versions) for versions in crowd.told.values())
        crowd.presence.close()

    run(main())


def test_a_newcomer_among_a_few_is_shown_all_of_them() -> None:
    async def main() -> None:
        crowd = Crowd()
        for number in range(3):
            client = crowd.client(number)
            rows, version = crowd.presence.for_newcomer()
            assert len(rows) == number + 1 and version == crowd.presence.version
            crowd.events.connections.add(client)
            crowd.presence.joined(client)
        crowd.presence.close()

    run(main())


def test_of_those_that_left_the_last_ones_are_listed() -> None:
    """A program that connects for each call would else fill every newcomer's list, and hold a row for each call."""

    async def main() -> None:
        crowd = Crowd()
        for number in range(MAX_LEFT + 5):
            crowd.presence.joined(client := crowd.client(number))
            crowd.presence.left(client)
        rows = [json.loads(bytes(row)) for row in crowd.presence.rows()]
        assert [row["reason"] for row in rows] == ["self", *["disconnect"] * MAX_LEFT]
        crowd.presence.beacon("client 4", {"host": "client 4", "reason": "node-connected", "ts": now_ms()})
        crowd.presence.joined(crowd.client(MAX_LEFT + 4))
        rows = [json.loads(bytes(row)) for row in crowd.presence.rows()]
        assert [row["reason"] for row in rows].count("disconnect") == MAX_LEFT - 1
        assert [row["host"] for row in rows].count("client 4") == 1
        crowd.presence.close()

    run(main())
