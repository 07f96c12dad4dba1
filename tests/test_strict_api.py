"""The strict scripted Messages API itself: it refuses what is planted, and its cache and its script do as they say."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.strict_api import Call, calls_of, directives, obey, wants
from tests.support.strict_rules import PromptCache, Refused, check, sign

TOOL = {"name": "look", "description": "Look.", "input_schema": {"type": "object"}}


def asks(text: str) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "text", "text": text}]}


def says(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def body(*messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"model": "claude-sonnet-5-5", "max_tokens": 100, "messages": list(messages), "tools": [TOOL], **fields}


USE = {"type": "tool_use", "id": "t1", "name": "look", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "seen"}]}


def thought(request: dict[str, Any], upto: int, text: str = "hm") -> dict[str, Any]:
    return {"type": "thinking", "thinking": text, "signature": sign(request, upto, text)}


def signed(text: str = "hello", **fields: Any) -> dict[str, Any]:
    made = body(asks(text), **fields)
    made["messages"].append(says(thought(made, 1), {"type": "text", "text": "hi"}))
    made["messages"].append(asks("again"))
    return made


def test_a_proper_request_passes() -> None:
    assert check(signed(), 10) > 0
    assert check(body(asks("go"), says(USE), {"role": "user", "content": [RESULT]}), 10) > 0


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        (body(says({"type": "text", "text": "hi"})), "first message"),
        (body(asks("hi"), says({"type": "text", "text": "so "})), "prefill"),
        (body(asks(" ")), "non-whitespace"),
        (body(asks("hi"), tools=[{**TOOL, "name": "demo.look"}]), "pattern"),
        (body(asks("hi"), surprise=1), "Extra inputs"),
        (body(asks("hi"), says({**USE, "invalid": "x"}), {"role": "user", "content": [RESULT]}), "Extra inputs"),
        (body(asks("hi"), says(USE), asks("and?")), "without `tool_result`"),
        (body(asks("hi"), {"role": "user", "content": [RESULT]}), "unexpected `tool_use_id`"),
        (body(asks("hi"), says(USE), {"role": "user", "content": [*asks("x")["content"], RESULT]}), "come first"),
        (body(asks("hi"), thinking={"type": "enabled", "budget_tokens": 1024}), "not supported"),
        (body(asks("x " * 30_000), model="claude-tiny"), "prompt is too long"),
        (body(asks("hi"), model="claude-gone"), "claude-gone"),
    ],
)
def test_what_the_api_would_not_take_is_refused(wrong: dict[str, Any], word: str) -> None:
    with pytest.raises(Refused) as refused:
        check(wrong, 10)
    assert word in refused.value.message


@pytest.mark.parametrize(
    "change",
    [
        {"system": "other"},
        {"model": "claude-opus-5-5"},
        {"tools": []},
        {"messages": [asks("other words"), *signed()["messages"][1:]]},
    ],
)
def test_a_thinking_block_is_bound_to_everything_before_it(change: dict[str, Any]) -> None:
    with pytest.raises(Refused) as refused:
        check({**signed(system="s"), **change}, 10)
    assert "signature" in refused.value.message


def test_thinking_has_to_come_first_where_it_is_enabled() -> None:
    enabled = {"thinking": {"type": "enabled", "budget_tokens": 1024}, "model": "claude-haiku-4-5", "max_tokens": 5000}
    with pytest.raises(Refused) as refused:
        check(body(asks("hi"), says(USE), {"role": "user", "content": [RESULT]}, **enabled), 10)
    assert "must start with a thinking block" in refused.value.message


def test_the_cache_reads_what_an_earlier_request_left_and_no_more() -> None:
    cache, mark = PromptCache(), {"cache_control": {"type": "ephemeral"}}
    first = body(asks("hello " * 50), **mark)
    written = cache.use(first)
    assert (written.read, written.fresh) == (0, 0) and written.written > 50
    longer = body(*first["messages"], says({"type": "text", "text": "hi"}), asks("again"), **mark)
    assert cache.use(longer).read == written.total
    assert cache.use(body(asks("other"), *longer["messages"][1:], **mark)).read == 0
    assert cache.use(body(*first["messages"])).read == 0, "without a mark nothing is looked for"


def test_the_script_makes_calls_by_step_and_beside_each_other() -> None:
    nested = {"ops": [{"cells": [["a"]]}], "text": "x]]>>y"}
    plan = wants(Call("look", nested), Call("look")) + "[[tool=look {}]] [[think=hm]]"
    assert calls_of(directives(plan)["tool"][0]) == [Call("look", nested), Call("look", {})]
    first, _ = obey(body(asks(plan)))
    assert [made.input for made in first.calls] == [nested, {}] and first.think == "hm"
    going = body(asks(plan), says(USE), {"role": "user", "content": [RESULT]})
    second, _ = obey(going)
    assert [made.input for made in second.calls] == [{}]
    going["messages"] += [says(USE), {"role": "user", "content": [RESULT]}]
    third, _ = obey(json.loads(json.dumps(going)))
    assert (third.text, third.calls) == ("Done.", [])
