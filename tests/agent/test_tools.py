"""Tools and a model over the real stream: what is sent, what is run, what the model hears of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from clawdbot_ext.agent.context.builder import build
from clawdbot_ext.agent.context.history import wire_blocks
from clawdbot_ext.agent.loop import MAX_STEPS, run_agent_loop
from clawdbot_ext.agent.providers.anthropic import AnthropicProvider
from clawdbot_ext.agent.providers.base import Reply, ToolSpec, TurnRequest
from clawdbot_ext.agent.providers.demo_tools import calculate
from clawdbot_ext.agent.tools import ToolCall, ToolFailed, ToolImage, ToolResult, shorten
from clawdbot_ext.agent.turn import Outcome
from tests.support.aio import run
from tests.support.messages_api import MessagesAPI
from tests.support.turns import MODEL, request

SPEC = ToolSpec("look", "Look at something.", {"type": "object", "properties": {"at": {"type": "string"}}})


class Conversation:
    """A stored conversation, as the gateway keeps it, and the requests made of it."""

    def __init__(self, text: str, reply: Reply, **fields: Any):
        self.stored: list[dict[str, Any]] = [{"role": "user", "content": [{"type": "text", "text": text}]}]
        self.reply, self.fields = reply, fields

    async def next_request(self, smaller: bool) -> TurnRequest:
        fitted = build(self.stored, window=200_000, max_output=1000, model=MODEL, tools=[SPEC])
        made = request("", tools=[SPEC], digest=fitted.digest, **self.fields)
        return replace(made, messages=fitted.messages)

    def step(self) -> None:
        """Store the reply so far, as one that goes on."""
        content = wire_blocks(self.reply.content)
        digest = {"promptDigest": self.reply.digest}
        self.stored.append({"role": "assistant", "content": content, "stopReason": "toolUse", **digest})
        self.reply.begin_again()

    def result(self, result: ToolResult) -> None:
        images = [{"type": "image", "mimeType": image.media_type, "data": image.data} for image in result.images]
        content = [{"type": "text", "text": result.text}, *images]
        self.stored.append(
            {"role": "toolResult", "toolCallId": result.call_id, "content": content, "isError": result.is_error}
        )


class ToolExecutor:
    """Carries calls out by saying what they were, and notes the order of things."""

    specs: Sequence[ToolSpec] = (SPEC,)

    def __init__(self, conversation: Conversation):
        self.conversation, self.reply = conversation, conversation.reply
        self.steps: list[tuple[str, list[str]]] = []
        self.calls: list[ToolCall] = []
        self.together = asyncio.Event()

    def lock(self, call: ToolCall) -> str | None:
        return None

    async def start_step(self, calls: Sequence[ToolCall]) -> None:
        self.steps.append((self.reply.text, [call.id for call in calls]))
        self.conversation.step()

    async def execute(self, call: ToolCall) -> ToolResult:
        self.calls.append(call)
        if len(self.steps[-1][1]) == len(self.calls):
            self.together.set()
        await self.together.wait()  # all of a step run at the same time, or this never ends
        result = ToolResult(call.id, call.problem or f"saw {call.arguments.get('at')}", bool(call.problem))
        self.conversation.result(result)
        return result


def talk(
    api: MessagesAPI, text: str, make: type[ToolExecutor] = ToolExecutor, **fields: Any
) -> tuple[Outcome, Any, Reply]:
    async def main() -> tuple[Outcome, ToolExecutor, Reply]:
        provider, reply = AnthropicProvider("anthropic", "k", api.url, stall_s=3.0), Reply()
        conversation = Conversation(text, reply, **fields)
        executor = make(conversation)
        try:
            return (
                await run_agent_loop(provider, conversation.next_request, reply, lambda event: None, executor),
                executor,
                reply,
            )
        finally:
            await provider.aclose()

    return run(main())


def bare(message: dict[str, Any]) -> dict[str, Any]:
    """A message without its cache marks, which are not part of the prompt."""
    unmarked = [{k: v for k, v in block.items() if k != "cache_control"} for block in message["content"]]
    return {**message, "content": unmarked}


def test_a_call_and_its_result_go_round_over_the_real_stream(api: MessagesAPI) -> None:
    outcome, executor, reply = talk(api, '[[thinking=2]][[call=look]][[args={"at": "매출.csv"}]]', thinking="high")
    assert outcome.state == "done" and reply.text == "The tools said: saw 매출.csv"
    first, second = api.bodies
    assert first["tools"] == [{"name": "look", "description": SPEC.description, "input_schema": SPEC.parameters}]
    assert second["tools"] == first["tools"] and bare(second["messages"][0]) == bare(first["messages"][0])
    assert second["messages"][1:] == [
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "h0 h1 ", "signature": "sig"},
                {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"at": "매출.csv"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "saw 매출.csv"}]}
            ],
        },
    ]
    assert executor.steps == [("", ["toolu_1"])]


def test_calls_made_together_run_together_and_answer_in_order(api: MessagesAPI) -> None:
    _, executor, reply = talk(api, '[[call=look,look2]][[args={"at": "x"}]]')
    assert [call.name for call in executor.calls] == ["look", "look2"]
    assert reply.text == "The tools said: saw x | saw x"
    assert [b["tool_use_id"] for b in api.bodies[1]["messages"][-1]["content"]] == ["toolu_0", "toolu_1"]


class OneByOne(ToolExecutor):
    """Locks by the argument ``lock``, and notes how many calls ran at once."""

    def __init__(self, conversation: Conversation):
        super().__init__(conversation)
        self.running: list[str] = []
        self.most = 0

    def lock(self, call: ToolCall) -> str | None:
        return str(call.arguments["lock"]) if "lock" in call.arguments else None

    async def execute(self, call: ToolCall) -> ToolResult:
        self.calls.append(call)
        self.running.append(call.name)
        self.most = max(self.most, len(self.running))
        for _ in range(5):
            await asyncio.sleep(0)
        self.running.remove(call.name)
        result = ToolResult(call.id, call.name, images=[ToolImage("image/png", "AAAA")])
        self.conversation.result(result)
        return result


@pytest.mark.parametrize(("args", "most"), [('{"lock": "a.ipynb"}', 1), ("{}", 3)])
def test_calls_with_one_lock_go_one_after_the_other_in_their_order(api: MessagesAPI, args: str, most: int) -> None:
    _, executor, _ = talk(api, f"[[call=a,b,c]][[args={args}]]", OneByOne)
    assert [call.name for call in executor.calls] == ["a", "b", "c"] and executor.most == most
    source = {"type": "base64", "media_type": "image/png", "data": "AAAA"}
    results = api.bodies[1]["messages"][-1]["content"]
    assert results[0]["content"] == [{"type": "text", "text": "a"}, {"type": "image", "source": source}]


@pytest.mark.parametrize("args", ['{"at": ', "[1, 2]", "nonsense"])
def test_arguments_that_are_no_json_object_are_not_run_and_the_model_is_told(api: MessagesAPI, args: str) -> None:
    _, executor, reply = talk(api, f"[[call=look]][[args={args}]]")
    assert executor.calls[0].problem and executor.calls[0].arguments == {}
    sent = api.bodies[1]["messages"]
    assert sent[1]["content"] == [{"type": "tool_use", "id": "toolu_0", "name": "look", "input": {}}]
    assert sent[2]["content"][0]["is_error"] is True and "not a JSON object" in reply.text


def test_a_stream_cut_in_the_middle_of_arguments_runs_nothing(api: MessagesAPI) -> None:
    """Nothing was shown yet, so it is tried again; the second time it is whole, and runs once."""
    outcome, executor, reply = talk(api, '[[call=look]][[args={"at": "x"}]][[cut=fin]][[after=2]][[times=1]]')
    assert (outcome.state, len(executor.calls), len(api.bodies)) == ("done", 1, 3)
    assert reply.text == "The tools said: saw x"


def test_a_call_that_the_length_limit_cut_is_not_made(api: MessagesAPI) -> None:
    outcome, executor, reply = talk(api, '[[text=Let me look.]][[call=look]][[args={"at"]][[stop_reason=max_tokens]]')
    assert (outcome.stop_reason, executor.calls) == ("length", []) and outcome.message
    assert all(block["type"] == "text" for block in reply.content)


def test_a_model_that_never_stops_calling_is_stopped() -> None:
    from clawdbot_ext.agent.providers.base import Completed, Usage

    class Endless:
        name = "endless"

        async def stream(self, _):
            yield Completed("tool_use", [{"type": "tool_use", "id": "a", "name": "look", "input": {}}], Usage())

    async def main() -> None:
        reply = Reply()
        conversation = Conversation("go", reply)
        executor = ToolExecutor(conversation)
        executor.together.set()
        outcome = await run_agent_loop(Endless(), conversation.next_request, reply, lambda event: None, executor)
        assert outcome.state == "done" and str(MAX_STEPS) in outcome.message and len(executor.calls) == MAX_STEPS

    run(main())


def stored(*messages: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"timestamp": 0, "seq": n, **m} for n, m in enumerate(messages, 1)]


def says(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "content": [{"type": "text", "text": text}]}


def test_a_stored_conversation_gives_each_call_its_result_also_where_one_is_missing() -> None:
    calls = [{"type": "toolCall", "id": i, "name": "look", "arguments": {"at": i}} for i in ("a", "b")]
    history = stored(
        says("user", "look twice"),
        {"role": "assistant", "content": calls, "stopReason": "toolUse"},
        {"role": "toolResult", "toolCallId": "b", "content": [{"type": "text", "text": "saw b"}]},
        says("assistant", "done"),
        says("user", "and now?"),
    )
    sent = build(history, window=100_000, max_output=1000).messages
    assert [m["role"] for m in sent] == ["user", "assistant", "user", "assistant", "user"]
    assert [b["type"] for b in sent[1]["content"]] == ["tool_use", "tool_use"]
    first, second = sent[2]["content"]
    assert (first["tool_use_id"], first["is_error"]) == ("a", True) and "not known" in first["content"][0]["text"]
    assert (second["tool_use_id"], second["content"][0]["text"]) == ("b", "saw b")


def test_a_conversation_too_long_never_begins_with_a_result() -> None:
    turn = [
        says("user", "q " * 200),
        {
            "role": "assistant",
            "stopReason": "toolUse",
            "content": [{"type": "toolCall", "id": "a", "name": "look", "arguments": {"at": "x " * 300}}],
        },
        {"role": "toolResult", "toolCallId": "a", "content": [{"type": "text", "text": "y " * 300}]},
        says("assistant", "z " * 200),
    ]
    fitted = build(stored(*turn * 10, says("user", "last")), window=3000, max_output=500)
    assert fitted.dropped and fitted.messages[0]["role"] == "user"
    assert fitted.messages[0]["content"][0]["type"] == "text"


@pytest.mark.parametrize(
    ("expression", "value"), [("6*7", "42"), ("-(2+3)//2", "-3"), ("2**10 % 7", "2"), ("1/4", "0.25")]
)
def test_the_demo_calculates(expression: str, value: str) -> None:
    assert calculate(expression) == value


@pytest.mark.parametrize("expression", ["__import__('os')", "9**9**9", "1/0", "2**999", "'a'*9", "(" * 190, "True", ""])
def test_the_demo_calculates_nothing_else(expression: str) -> None:
    with pytest.raises(ToolFailed):
        calculate(expression)


def test_a_long_output_keeps_its_beginning_and_its_end() -> None:
    short = shorten("a" * 200_000 + "the end")
    assert len(short) < 101_000 and short.endswith("the end") and "left out" in short
