"""Users of two gateways on one PostgreSQL: a space is the same at both, and outlives one of them."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager

import pytest

from tests.server.users.test_headers import SECRET, proxied
from tests.support.server import GatewayProcess
from tests.support.wire import opened, run, wired

pytestmark = pytest.mark.slow
BOUND_S = 60.0


@pytest.fixture
def gateways(postgres_url, tmp_path):
    config = {
        "users": {"from": "headers", "secret": SECRET, "directory": str(tmp_path / "users")},
        "gateway": {"trustedProxies": ["127.0.0.1"]},
        "agents": {"defaults": {"autoTitle": False}},
    }
    made = [GatewayProcess(tmp_path / name, env={"CLAWDBOT_STORAGE_URL": postgres_url}, config=config) for name in "ab"]
    for gateway in made:
        gateway.spawn()
    for gateway in made:
        gateway.await_answer()
    yield made
    for gateway in made:
        gateway.stop()


@asynccontextmanager
async def connected(gateway, name, **handshake):
    async with opened(gateway.ws_url, additional_headers=proxied(name)) as wire:
        await wire.handshake(**handshake)
        yield wire


def texts(history):
    return [block["text"] for message in history["messages"] for block in message["content"] if block["type"] == "text"]


def test_a_space_is_the_same_at_both_gateways_and_outlives_one(gateways):
    first, second = gateways

    async def spaces_open_at_the_second():
        async with wired(second.ws_url, second.token) as operator:
            return (await operator.call("status"))["gateway"]["spaces"]

    async def main():
        async with connected(first, "alice") as alice, connected(second, "bob") as bob:
            await alice.ask("[[text=hello]] hello from alice")
            assert not texts(await bob.call("chat.history", {"sessionKey": "main"}))
            async with connected(second, "alice") as elsewhere:
                assert "[[text=hello]] hello from alice" in texts(
                    await elsewhere.call("chat.history", {"sessionKey": "main"})
                )
                run_id, _ = await alice.send("[[text=both]] at both")
                await elsewhere.end(run_id, timeout=BOUND_S)
        async with connected(first, "carol") as carol:
            begun, _ = await carol.send("[[tokens=400]] [[delay_ms=50]] at length")
            await carol.wait("chat", lambda payload: payload["runId"] == begun, timeout=BOUND_S)
            await carol.send("[[text=at last]] carol waits in line")
        first.kill()
        ends = time.monotonic() + BOUND_S
        while await spaces_open_at_the_second() < 3:  # alice's, bob's and then carol's, who is away
            assert time.monotonic() < ends
            await asyncio.sleep(0.2)
        async with connected(second, "carol") as carol:
            await answered(carol)

    async def answered(wire):
        """Wait until what stood in line has its answer."""
        ends = time.monotonic() + BOUND_S
        while "at last" not in texts(await wire.call("chat.history", {"sessionKey": "main"})):
            assert time.monotonic() < ends
            await asyncio.sleep(0.2)

    run(main())
