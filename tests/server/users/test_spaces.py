"""The life of users' spaces in one process: opened by a request, closed when idle, bounded, taken up after a crash."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from contextlib import asynccontextmanager

import pytest

from clawdbot_ext.config import load
from clawdbot_ext.config.live import LiveConfig
from clawdbot_ext.runtime.gateway_lock import acquire
from clawdbot_ext.server.context import ServerContext
from clawdbot_ext.server.users.sign_in import SignedIn
from clawdbot_ext.server.users.spaces import NotAllowed, SpaceAway, SpaceContext, TooManySpaces, UserSpaces
from tests.support.in_process import client_of, until
from tests.support.wire import run

ALICE, BOB = SignedIn("alice"), SignedIn("bob", frozenset({"staff"}))
AN_HOUR = 3600


class Process:
    """The gateways of one process: the operator's and those of users."""

    def __init__(self, state):
        self.live = LiveConfig(lambda: load({"CLAWDBOT_STATE_DIR": str(state)}))
        self.base = ServerContext(self.live, "standalone")
        self.spaces = UserSpaces(self.base)

    async def start(self):
        lock = acquire(self.live())
        assert lock is not None
        await self.base.start(lock, "")
        self.spaces.start()

    async def stop(self):
        await self.spaces.prepare_stop()
        await asyncio.gather(self.base.stop("stopping"), self.spaces.close())

    async def crash(self):
        """End without a note of it, as a killed process does."""
        self.spaces._registry = None
        await self.stop()


@pytest.fixture
def process(tmp_path):
    """Start a process with these settings of ``users``, on the same state each time."""

    def set_(users):
        path = tmp_path / "jupyter" / "config.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"users": users}))

    @asynccontextmanager
    async def running(**users):
        set_(users)
        made = Process(tmp_path)
        await made.start()
        try:
            yield made
        finally:
            await made.stop()

    running.set = set_
    return running


def test_a_gateway_of_one_user_imports_nothing_of_this():
    code = "import sys, clawdbot_ext.server.serverapp, clawdbot_ext.server.handlers.routes; print(*sys.modules)"
    asked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert "clawdbot_ext.server.handlers.routes" in asked.stdout and "clawdbot_ext.server.users" not in asked.stdout


def test_requests_at_once_open_one_space(process):
    async def main():
        async with process() as p:
            first, *more = await asyncio.gather(*(p.spaces.open(ALICE) for _ in range(5)))
            assert all(space is first for space in more)
            other = await p.spaces.open(BOB)
            assert other.context is not first.context and other.home != first.home
            assert p.base.gateway.services.host.spaces() == 2

    run(main())


def test_an_idle_space_is_closed_and_opened_again(process):
    async def main():
        async with process() as p:
            space = await p.spaces.open(ALICE)
            await p.spaces.close_idle()
            assert p.spaces.spaces()
            space.used_at -= AN_HOUR
            await p.spaces.close_idle()
            assert not p.spaces.spaces() and space.context.gateway is None
            assert await p.spaces.open(ALICE) is not space

    run(main())


def test_one_more_than_there_may_be_takes_the_place_of_an_idle_one(process):
    async def main():
        async with process(maxOpen=1) as p:
            alice = await p.spaces.open(ALICE)
            alice.used_at += AN_HOUR
            with pytest.raises(TooManySpaces):
                await p.spaces.open(BOB)
            alice.used_at -= 2 * AN_HOUR
            await p.spaces.open(BOB)
            assert [space.user for space in p.spaces.spaces().values()] == [BOB]

    run(main())


def test_a_change_of_the_operators_reaches_open_spaces(process):
    async def main():
        async with process() as p:
            alice, bob = await p.spaces.open(ALICE), await p.spaces.open(BOB)
            process.set({"blocked": ["alice"], "settings": {"@staff": {"agents.defaults.maxTokens": 77}}})
            p.live.reload()
            assert bob.context.live()["agents.defaults.maxTokens"] == 77
            with pytest.raises(NotAllowed):
                await p.spaces.open(ALICE)
            await asyncio.gather(*[task for task in p.spaces._tasks if task.get_name() == "a space that is closed"])
            assert alice.context.gateway is None and list(p.spaces.spaces().values()) == [bob]

    run(main())


def test_other_groups_bring_other_settings(process):
    async def main():
        async with process(settings={"@staff": {"agents.defaults.maxTokens": 77}}) as p:
            space = await p.spaces.open(SignedIn("bob"))
            assert space.context.live()["agents.defaults.maxTokens"] != 77
            await p.spaces.open(BOB)
            assert space.context.live()["agents.defaults.maxTokens"] == 77

    run(main())


def test_the_spaces_of_a_process_that_crashed_are_opened_by_the_next(process):
    async def main():
        async with process() as p:
            await p.spaces.open(ALICE)
            await p.crash()
        async with process() as p:
            await until(p.spaces.spaces)
            assert not await p.spaces._registry.abandoned()
            assert [space.user.name for space in p.spaces.spaces().values()] == ["alice"]
        async with process() as p:  # the last one stopped in order, and alice had nothing to go on with
            assert not await p.spaces._registry.abandoned()

    run(main())


def test_a_space_that_another_process_has_open_is_not_opened(process):
    async def main():
        async with process() as p:
            space = await p.spaces.open(ALICE)
            assert acquire(space.context.live()) is None
            await p.spaces._close(space, "for the test")
            held = acquire(space.context.live())
            with pytest.raises(SpaceAway):
                await p.spaces.open(ALICE)
            held.release()
            await p.spaces.open(ALICE)

    run(main())


def test_nothing_is_opened_while_the_process_stops(process):
    async def main():
        async with process() as p:
            await p.spaces.prepare_stop()
            with pytest.raises(SpaceAway):
                await p.spaces.open(ALICE)

    run(main())


def test_a_user_who_is_blocked_while_the_space_opens_is_not_let_in(process, monkeypatch):
    open_space = SpaceContext.open_space

    async def main():
        async with process() as p:

            async def blocked_meanwhile(self, slug):
                gateway = await open_space(self, slug)
                process.set({"blocked": ["alice"]})
                p.live.reload()
                return gateway

            monkeypatch.setattr(SpaceContext, "open_space", blocked_meanwhile)
            with pytest.raises(NotAllowed):
                await p.spaces.open(ALICE)
            assert not p.spaces.spaces()

    run(main())


def test_a_user_who_is_in_no_allowed_group_any_more_is_cut_off_by_the_next_request(process):
    async def main():
        async with process(allowed=["@staff"]) as p:
            client = await client_of((await p.spaces.open(BOB)).context.gateway)
            with pytest.raises(NotAllowed):
                await p.spaces.open(SignedIn("bob"))
            assert {"closed": 1008} in client.peer.frames

    run(main())
