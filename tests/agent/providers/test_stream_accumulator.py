"""Events of servers that number blocks in their own way, halve characters or count beyond all bounds: text is kept."""

from __future__ import annotations

import json
from typing import Any

import pytest

from clawdbot_ext.agent.providers.base import Completed, ThinkingDelta, Usage
from clawdbot_ext.agent.providers.stream_accumulator import Assembly, decode

END = '{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":3}}'


def start(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "content_block": {"type": kind, **fields}}


def delta(kind: str, name: str, text: str) -> dict[str, Any]:
    return {"type": "content_block_delta", "delta": {"type": kind, name: text}}


def text(given: str) -> dict[str, Any]:
    return delta("text_delta", "text", given)


def played(*events: dict[str, Any] | str) -> tuple[str, Completed]:
    """The text that was shown, and the whole reply."""
    assembly = Assembly()
    shown = [assembly.add(decode(each if isinstance(each, str) else json.dumps(each))) for each in (*events, END)]
    return "".join(each.text for each in shown if each is not None), assembly.completed()


def written(reply: Completed) -> str:
    return "".join(block["text"] for block in reply.content if block["type"] == "text")


MIXED: dict[str, list[Any]] = {
    "texts and numbers": ["0", 1, "2"],
    "floats": [0.0, 1.0, 2.0],
    "none at all": [None, None, None],
    "always the same": [0, 0, 0],
    "lists": [[0], {}, True],
    "numbers and none": [0, None, "b"],
    "backwards": [2, 1, 0],
}


@pytest.mark.parametrize("numbers", MIXED.values(), ids=MIXED)
def test_text_and_calls_are_kept_however_blocks_are_numbered(numbers: list[Any]) -> None:
    first, second, third = ({} if number is None else {"index": number} for number in numbers)
    shown, reply = played(
        {**start("text", text="a"), **first},
        {**text("b"), **first},
        {**start("tool_use", id="t", name="look"), **second},
        {**delta("input_json_delta", "partial_json", '{"path":'), **second},
        {**delta("input_json_delta", "partial_json", '"x"}'), **second},
        {**start("text", text=""), **third},
        {**text("c"), **third},
    )
    assert shown == "abc" and sorted(written(reply)) == ["a", "b", "c"]
    assert [block["input"] for block in reply.content if block["type"] == "tool_use"] == [{"path": "x"}]


def test_a_delta_of_another_kind_than_its_block_is_kept_beside_it() -> None:
    shown, reply = played(
        {**start("tool_use", id="t", name="look"), "index": 0},
        {**delta("input_json_delta", "partial_json", '{"a":'), "index": 0},
        {**text("meanwhile"), "index": 0},
        {**delta("thinking_delta", "thinking", "hm"), "index": 0},
        {**delta("input_json_delta", "partial_json", "1}"), "index": 0},
    )
    assert shown == "meanwhilehm" and written(reply) == "meanwhile"
    assert {"type": "thinking", "thinking": "hm"} in reply.content
    assert {"type": "tool_use", "id": "t", "name": "look", "input": {"a": 1}} in reply.content


def test_a_character_that_is_cut_in_two_is_whole_and_a_lost_half_costs_itself() -> None:
    shown, reply = played(text("a \ud83d"), text("\ude00 b \ude00"), text(" NUL \0 end \ud83d"))
    assert shown == "a \U0001f600 b \ufffd NUL \ufffd end " and written(reply) == shown + "\ufffd"
    part = [delta("input_json_delta", "partial_json", piece) for piece in ('{"a": "\ud83d', '\ude00 \\ud800"}')]
    _, reply = played(start("tool_use", id="\ud800", name="look"), *part)
    (call,) = reply.content
    assert call["input"] == {"a": "\U0001f600 \ufffd"} and call["id"].startswith("toolu_")


def test_numbers_without_bounds_cost_themselves() -> None:
    _, reply = played(
        '{"type":"message_start","message":{"usage":{"input_tokens":18446744073709551616,"output_tokens":true,'
        '"cache_read_input_tokens":-5,"cache_creation_input_tokens":NaN}}}',
        text("kept"),
        start("tool_use", id="t", name="a", input={"n": 10**30}),
        start("tool_use", id="t", name="b"),
        delta("input_json_delta", "partial_json", '{"n": [1e999, 1' + "0" * 5000 + "]}"),
    )
    assert reply.usage == Usage(output=3) and written(reply) == "kept"
    first, second = (block for block in reply.content if block["type"] == "tool_use")
    assert first["input"] == {"n": 1e30} and second["input"] == {"n": [None, None]}
    assert first["id"] == "t" != second["id"], "a repeated id is no id"


def test_arguments_without_end_are_told_to_the_model_and_end_nothing() -> None:
    deep = '{"a":' * 3000 + "1" + "}" * 3000
    _, reply = played(
        text("kept"), start("tool_use", id="t", name="a"), delta("input_json_delta", "partial_json", deep)
    )
    assert reply.content[1]["input"] == {} and reply.content[1]["invalid"] == deep
    with pytest.raises(ValueError):
        decode("[" * 100_000)


def test_stop_reasons_and_signatures_of_any_shape_are_taken() -> None:
    assembly = Assembly()
    shown = assembly.whole(
        {
            "content": [{"type": "thinking", "thinking": "hm", "signature": 5}, {"type": "text", "text": "a\ud800"}, 7],
            "stop_reason": {"of": "no kind"},
            "usage": [],
        }
    )
    assert isinstance(shown[0], ThinkingDelta) and assembly.stop_reason == "end_turn"
    assert written(assembly.completed()) == "a\ufffd"
