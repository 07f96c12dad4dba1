"""Questions and permissions over restarts of a real gateway: nothing is done twice, nothing without a yes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from clawdbot_ext.protocol.revision import revision
from tests.support.aio import until
from tests.support.notebook_node import NotebookNode, notebook
from tests.support.obeying import HandsGateway, Person
from tests.support.server import GatewayProcess
from tests.support.strict_api import Call, StrictAPI, call
from tests.support.wire import run, text_of

pytestmark = pytest.mark.slow
PATH = "a.ipynb"
EDIT = call(
    "notebook_edit", path=PATH, ops=[{"op": "replace", "cell": "c0", "rev": revision("x = 1"), "source": "x = 2"}]
)


@pytest.fixture
def restartable(make_gateway: Callable[..., GatewayProcess], strict_api: StrictAPI) -> HandsGateway:
    env = {"ANTHROPIC_API_KEY": "sk-test", "ANTHROPIC_BASE_URL": strict_api.url}
    return HandsGateway(make_gateway(env=env), strict_api)


@asynccontextmanager
async def restarted(hands: HandsGateway, node: NotebookNode, key: str) -> AsyncIterator[Person]:
    """The person of a session, once the gateway runs again and the node is back."""
    hands.gateway.start()
    async with (
        node.connected(hands.gateway.ws_url, hands.gateway.token, instance=node.instance),
        hands.person(node.instance) as again,
    ):
        again.key = key
        yield again


async def history(person: Person) -> list[dict[str, Any]]:
    return list((await person.wire.call("chat.history", {"sessionKey": person.key}))["messages"])


@pytest.mark.parametrize("gently", [False, True])
def test_a_question_is_there_after_a_restart_and_its_yes_goes_on_with_the_run(
    restartable: HandsGateway, gently: bool
) -> None:
    async def main() -> None:
        node = NotebookNode([notebook(PATH, "x = 1")])
        async with restartable.working(node) as (person, _):
            run_id = await person.wish(EDIT)
            question = await person.question(run_id)
            key, instance = person.key, node.instance
            if gently:
                restartable.gateway.terminate()
                restartable.gateway.wait()
            else:
                restartable.gateway.kill()
        restartable.put_record("of long ago", {"id": "of long ago", "request": {}, "decision": "deny"}, at=1)
        restartable.gateway.start()
        async with restartable.person(instance) as again:
            again.key = key
            (shown,) = again.wire.hello["snapshot"]["approvals"]
            assert shown["id"] == question["id"] and shown["request"] == question["request"]
            (open_one,) = (await again.wire.call("exec.approval.list"))["approvals"]
            assert open_one["id"] == question["id"]
            flight = (await again.wire.call("chat.history", {"sessionKey": key}))["inFlight"]
            assert flight["runId"] == run_id and flight["tools"][0]["name"] == "notebook_edit"
            async with node.connected(restartable.gateway.ws_url, restartable.gateway.token, instance=instance):
                await again.decide(question)
                text, message = await again.result(run_id)
                assert not message["isError"], text
                assert node.notebooks[PATH].sources() == ["x = 2"] and len(node.applied) == 1
                roles = [each["role"] for each in await history(again)]
                assert roles == ["user", "assistant", "toolResult", "assistant"]
                assert restartable.api.refusals == []
                await until(lambda: [record["id"] for record in restartable.records()] == [question["id"]], 30)

    run(main(), 90)


@pytest.mark.parametrize("wish", [EDIT, call("cell_run", path=PATH, cells=["c0"], wait_s=30)], ids=["edit", "run"])
def test_a_yes_that_a_crash_kept_from_being_used_is_used_once(restartable: HandsGateway, wish: Call) -> None:
    async def main() -> None:
        node = NotebookNode([notebook(PATH, "x = 1")])
        async with restartable.working(node) as (person, _):
            run_id = await person.wish(wish)
            question = await person.question(run_id)

            async def crash() -> None:
                restartable.gateway.kill()

            node.before_answer["notebook.read"] = crash  # the look at the moment of doing
            await person.wire.call("exec.approval.resolve", {"id": question["id"], "decision": "allow-once"})
            await person.wire.closed()
        key = person.key
        node.before_answer.clear()
        async with restarted(restartable, node, key) as again:
            text, message = await again.result(run_id)
            assert not message["isError"], text
            done = [each["after"] for each in node.applied] + [each["source"] for each in node.ran]
            assert done == [["x = 2"] if wish is EDIT else "x = 1"], "once"
            (record,) = restartable.records()
            assert record["id"] == question["id"] and record["usedAtMs"]

    run(main(), 90)


def test_a_run_that_a_crash_cut_off_is_not_started_again_and_the_state_is_told(restartable: HandsGateway) -> None:
    async def main() -> None:
        node = NotebookNode([notebook(PATH, "wait")])
        async with restartable.working(node) as (person, _):
            run_id = await person.wish(call("cell_run", path=PATH, cells=["c0"], wait_s=60))
            await person.allow(run_id)
            await asyncio.wait_for(node.started.wait(), 30)
            restartable.gateway.kill()
        key = person.key
        async with restarted(restartable, node, key) as again:
            messages = await history(again)
            assert [m["role"] for m in messages] == ["user", "assistant", "toolResult", "assistant"]
            assert messages[2]["isError"] and "not known" in text_of(messages[2])
            assert (await again.wire.call("exec.approval.list"))["approvals"] == []
            (record,) = restartable.records()
            assert record["usedAtMs"] and len(node.ran) == 1
            after = await again.wish(call("notebook_read", path=PATH))
            text, message = await again.result(after)
            assert not message["isError"] and 'state="never"' in text, "as the notebook has it"
            assert len(node.ran) == 1 and restartable.api.refusals == []

    run(main(), 90)


def test_an_edit_that_a_crash_cut_off_is_not_made_again_and_the_state_is_told(restartable: HandsGateway) -> None:
    async def main() -> None:
        node = NotebookNode([notebook(PATH, "x = 1")])
        async with restartable.working(node) as (person, _):
            run_id = await person.wish(EDIT)
            question = await person.question(run_id)

            async def crash() -> None:
                restartable.gateway.kill()

            node.before_answer["notebook.apply"] = crash
            await person.wire.call("exec.approval.resolve", {"id": question["id"], "decision": "allow-once"})
            await person.wire.closed()
        key = person.key
        node.before_answer.clear()
        async with restarted(restartable, node, key) as again:
            messages = await history(again)
            assert [m["role"] for m in messages] == ["user", "assistant", "toolResult", "assistant"]
            assert messages[2]["isError"] and "not known" in text_of(messages[2])
            assert (await again.wire.call("exec.approval.list"))["approvals"] == []
            assert len(node.applied) == 1
            after = await again.wish(call("notebook_read", path=PATH))
            text, _ = await again.result(after)
            assert "x = 2" in text and restartable.api.refusals == []

    run(main(), 90)


def test_after_a_restart_a_stop_takes_the_question_back_and_a_change_voids_it(restartable: HandsGateway) -> None:
    async def main() -> None:
        node = NotebookNode([notebook(PATH, "x = 1")])
        async with restartable.working(node) as (person, _), restartable.person() as other:
            stopped = await person.wish(EDIT)
            await person.question(stopped)
            other_run = await other.wish(EDIT)
            changed = await other.question(other_run)
            restartable.gateway.kill()
        keys = person.key, other.key
        restartable.gateway.start()
        node.notebooks[PATH].type("c0", "x = 1  # mine")
        async with (
            node.connected(restartable.gateway.ws_url, restartable.gateway.token, instance=node.instance),
            restartable.person(node.instance) as again,
        ):
            again.key = keys[0]
            assert (await again.wire.call("chat.abort", {"sessionKey": keys[0]}))["runIds"] == [stopped]
            assert [each["id"] for each in (await again.wire.call("exec.approval.list"))["approvals"]] == [
                changed["id"]
            ]
            again.key = keys[1]
            await again.decide(changed)
            text, message = await again.result(other_run)
            assert message["isError"] and "x = 1  # mine" in text and node.applied == []

    run(main(), 90)
