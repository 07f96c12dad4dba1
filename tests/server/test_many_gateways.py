"""Gateways as people start them, on one PostgreSQL: one is killed in mid-reply, one stops in order, one comes anew."""

from __future__ import annotations

import asyncio
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.http import ask
from tests.support.postgres import Postgres
from tests.support.server import GatewayProcess
from tests.support.wire import Wire, run, wired

TOKEN = "a-token-of-many-gateways-0123456789"
CAPS = ("chat.append", "session.events")
BOUND_S = 120.0
pytestmark = pytest.mark.slow


@pytest.fixture
def url() -> Iterator[str]:
    with Postgres() as server:
        yield server.create()


def gateway(url: str, state: Path) -> GatewayProcess:
    env = {"CLAWDBOT_STORAGE_URL": url, "CLAWDBOT_GATEWAY_TOKEN": TOKEN}
    return GatewayProcess(state, env=env, config={"agents": {"defaults": {"autoTitle": False}}})


def is_ready(of: GatewayProcess) -> bool:
    try:
        with urllib.request.urlopen(f"{of.url}readyz", timeout=BOUND_S) as answer:
            return bool(answer.status == 200)
    except urllib.error.HTTPError as error:
        return error.code != 503
    except OSError:
        return False


def texts(history: dict) -> list[tuple[str, str]]:
    return [
        (message["role"], "".join(block.get("text", "") for block in message["content"]))
        for message in history["messages"]
    ]


async def shown(wire: Wire, run_id: str, words: str) -> None:
    """Wait until the client has seen these words of a reply."""
    await wire.wait(
        "chat",
        lambda p: p["runId"] == run_id and words in "".join(each.get("text", "") for each in wire.deltas(run_id)),
        timeout=BOUND_S,
    )


def test_conversations_go_on_when_a_gateway_is_killed_and_when_one_stops(url: str, tmp_path: Path) -> None:
    a, b = gateway(url, tmp_path / "a"), gateway(url, tmp_path / "b")
    started = [a, b]

    async def scenario() -> None:
        async with (
            wired(a.ws_url, token=TOKEN, caps=CAPS) as one,
            wired(b.ws_url, token=TOKEN, caps=CAPS) as two,
        ):
            assert (await two.call("status"))["storage"]["gateways"] == 2
            path = (await one.call("auth.link"))["path"]
            # A link of the first, by way of a balancer.
            opened, again = [await asyncio.to_thread(ask, each.port, path=f"/{path}") for each in (b, a)]
            assert (opened.status, opened.headers["Location"]) == (303, "chat") and "Set-Cookie" in opened.headers
            assert again.headers["Location"] == "chat?link=expired" and "Set-Cookie" not in again.headers
            run_id, _ = await one.send("[[tokens=400]] [[delay_ms=50]] count")
            await shown(two, run_id, "t30 ")
            waiting, answer = await two.send("and then?")
            assert answer["queuePosition"] == 1
            await asyncio.to_thread(a.kill)
            assert await two.closed() == 1012
        async with wired(b.ws_url, token=TOKEN, caps=CAPS) as two:
            history = await two.call("chat.history", {"sessionKey": "main"}, timeout=BOUND_S)
            kept = texts(history)[1]
            assert kept[0] == "assistant" and kept[1].startswith("t0 t1 ") and history["messages"][1]["stopReason"]
            _, resent = await two.send("and then?", run_id=waiting)
            if resent["status"] == "in_flight":
                await two.end(waiting, timeout=BOUND_S)
            history = await two.call("chat.history", {"sessionKey": "main"})
            assert [role for role, _ in texts(history)] == ["user", "assistant", "user", "assistant"]

            c = gateway(url, tmp_path / "c")
            started.append(c)
            await asyncio.to_thread(c.start)
            async with wired(c.ws_url, token=TOKEN, caps=CAPS) as three:
                run_id, _ = await three.send("[[tokens=60]] [[delay_ms=50]] count again")
                await shown(three, run_id, "t1 ")
                b.terminate()
                told = await two.wait("shutdown", timeout=BOUND_S)
                assert told["payload"]["restartExpectedMs"]
                assert not await asyncio.to_thread(is_ready, b) and await asyncio.to_thread(is_ready, c)
                end = await three.end(run_id, timeout=BOUND_S)
                assert end["state"] == "final"
                assert await two.closed(BOUND_S) == 1012
                assert (await three.ask("still here?"))["state"] == "final"
                history = await three.call("chat.history", {"sessionKey": "main"})
                assert len(texts(history)) == 8 and texts(history)[5][1].split() == [f"t{n}" for n in range(60)]

    try:
        a.start()
        shutil.copytree(a.home / "secrets", b.home / "secrets")
        b.start()
        run(scenario(), 300.0)
    finally:
        for each in started:
            each.stop()
