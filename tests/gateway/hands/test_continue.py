"""A reply that was cut goes on with the same tools: what it calls then is asked about, done and answered."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

import pytest

from clawdbot_ext.protocol.revision import revision
from tests.support.notebook_node import NotebookNode, notebook
from tests.support.obeying import HandsGateway
from tests.support.strict_api import Says, call
from tests.support.strict_rules import content_of
from tests.support.wire import run, text_of

PATH = "a.ipynb"
OPS = [{"op": "replace", "cell": "c0", "rev": revision("x = 1"), "source": "x = 2"}]


@pytest.mark.parametrize("thinking", ["off", "medium"])
def test_what_goes_on_after_a_cut_may_call_tools(obeying: HandsGateway, thinking: str) -> None:
    def brain(body: Mapping[str, Any]) -> Says:
        last = content_of(body["messages"][-1])
        think = "hm" if thinking != "off" else ""
        if any(block["type"] == "tool_result" for block in last):
            return Says("Now x is 2.", think=think)
        if "was cut off" in str(last):
            return Says("I change the cell.", [call("notebook_edit", path=PATH, ops=OPS)], think)
        return Says("First I look. I change", think=think, stop="max_tokens")

    async def main() -> None:
        node = NotebookNode([notebook(PATH, "x = 1")])
        async with obeying.working(node) as (person, wire_node):
            await person.wire.call("sessions.patch", {"key": person.key, "thinkingLevel": thinking})
            cut_id, _ = await person.wire.send("set x to 2", key=person.key)
            cut = (await person.wire.end(cut_id))["message"]
            run_id = uuid.uuid4().hex
            await person.wire.call(
                "chat.continue", {"sessionKey": person.key, "messageId": cut["id"], "idempotencyKey": run_id}
            )
            await person.allow(run_id)
            end = await person.wire.end(run_id)
            assert node.notebooks[PATH].sources() == ["x = 2"]
            page = await person.wire.call("chat.history", {"sessionKey": person.key})
            _, step, result, answer = page["messages"]
            assert text_of(step) == "First I look. I change the cell." and step["continues"] == cut["id"]
            assert [block["type"] for block in step["content"] if block["type"] != "thinking"] == ["text", "toolCall"]
            assert result["role"] == "toolResult" and not result["isError"]
            assert text_of(answer) == "Now x is 2." == text_of(end["message"]) and "continues" not in answer
            deltas = [d for d in person.wire.deltas(run_id) if "part" not in d]
            assert deltas[0]["offset"] == len("First I look. I change")
            after, _ = await person.wire.send("and now?", key=person.key)
            await person.wire.end(after)
            assert wire_node.applied and obeying.api.refusals == []

    obeying.api.brain = brain
    try:
        run(main(), 30)
    finally:
        obeying.api.brain = None
