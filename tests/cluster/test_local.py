"""The cluster inside one process, which the tests of many gateways rest on, and the cluster of one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from clawdbot_ext.cluster.alone import Alone
from clawdbot_ext.cluster.api import Cluster
from clawdbot_ext.cluster.local import LocalCluster
from tests.support.aio import run


class Log:
    """A listener that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []
        self.second = asyncio.Event()

    def received(self, sender: str, message: bytes) -> None:
        self.told.append(("received", sender, message))
        if message == b"2":
            self.second.set()

    def arrived(self, member: str) -> None:
        self.told.append(("arrived", member))

    def departed(self, member: str, sessions: Sequence[str]) -> None:
        self.told.append(("departed", member, *sessions))

    def gap(self, member: str) -> None:
        self.told.append(("gap", member))

    def fenced(self) -> None:
        self.told.append(("fenced",))


def test_members_send_in_order_and_a_dead_ones_sessions_pass_to_one_other() -> None:
    async def scenario() -> None:
        hub = LocalCluster()
        a, b, c = hub.create(), hub.create(), hub.create()
        logs = [Log(), Log(), Log()]
        for member, log in zip((a, b, c), logs, strict=True):
            assert await member.join(log) == []
        assert await b.home_of("s") == b.member == await a.home_of("s")
        b.send(a.member, b"1")
        b.send(a.member, b"2", at_once=False)
        await asyncio.wait_for(logs[0].second.wait(), 30)
        assert logs[0].told[-2:] == [("received", b.member, b"1"), ("received", b.member, b"2")]
        hub.kill(b)
        assert logs[0].told[-1] == ("departed", b.member, "s")
        assert logs[2].told[-1] == ("departed", b.member)
        assert await c.home_of("s") == a.member
        await a.release("s")
        assert await c.home_of("s") == c.member

    run(scenario())


def test_a_fenced_member_comes_back_as_another() -> None:
    async def scenario() -> None:
        hub = LocalCluster()
        a, b = hub.create(), hub.create()
        mine, other = Log(), Log()
        await a.join(mine)
        await b.join(other)
        before = a.member
        hub.fence(a)
        assert a.member != before
        assert mine.told[-2:] == [("fenced",), ("arrived", b.member)]
        assert other.told[-2:] == [("departed", before), ("arrived", a.member)]

    run(scenario())


def test_one_gateway_alone_is_home_of_every_session() -> None:
    async def scenario() -> None:
        cluster: Cluster = Alone()
        assert await cluster.join(Log()) is None
        assert await cluster.home_of("s") == cluster.member
        assert not cluster.others()

    run(scenario())
