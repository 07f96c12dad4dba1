"""The demo's piece of work in a notebook (``clawdbot_ext.agent.providers.demo_notebook``)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from clawdbot_ext.agent.providers.base import Completed, ToolSpec, TurnRequest
from clawdbot_ext.agent.providers.demo import DemoProvider
from clawdbot_ext.agent.providers.demo_notebook import NEEDED

LISTED = "b.ipynb: 2 cells, kernel Python 3 (idle)\nsub/my: a.ipynb: 3 cells, in front, kernel Python 3 (idle)"
INSERTED = "Done in sub/my: a.ipynb:\ninsert cell 5f3c (index 3, rev 00ff)"


def step(messages: Sequence[Mapping[str, Any]], tools: Sequence[str] = tuple(NEEDED)) -> tuple[str, str, Any]:
    """Text, tool and arguments of the reply to a conversation."""
    specs = [ToolSpec(name, "", {"type": "object"}) for name in tools]
    request = TurnRequest(model="demo", system="", messages=messages, max_tokens=1000, tools=specs)

    async def ended() -> Completed:
        events = [event async for event in DemoProvider(0, 0).stream(request)]
        assert isinstance(events[-1], Completed)
        return events[-1]

    content = list(asyncio.run(ended()).content)
    call = content[1] if len(content) > 1 else {}
    return content[0]["text"], call.get("name", ""), call.get("input")


def asked(text: str, *answers: tuple[str, str, bool]) -> list[Mapping[str, Any]]:
    """A wish and the tools' answers to it: name, output, failure."""
    messages: list[Mapping[str, Any]] = [{"role": "user", "content": text}]
    for number, (name, output, failed) in enumerate(answers):
        use = {"type": "tool_use", "id": f"t{number}", "name": name, "input": {"path": "sub/my: a.ipynb"}}
        block = {"type": "tool_result", "tool_use_id": f"t{number}", "content": [{"type": "text", "text": output}]}
        messages.append({"role": "assistant", "content": [use]})
        messages.append({"role": "user", "content": [{**block, "is_error": True} if failed else block]})
    return messages


@pytest.mark.parametrize("wish", ["Add a cell and run it.", "셀을 하나 추가해 줘.", "show me an edit and a run"])
def test_it_looks_first_then_adds_a_cell_to_the_notebook_in_front_and_runs_it(wish: str) -> None:
    assert step(asked(wish))[1:] == ("notebook_list", {})
    _, tool, arguments = step(asked(wish, ("notebook_list", LISTED, False)))
    assert tool == "notebook_edit" and arguments["path"] == "sub/my: a.ipynb"
    compile(arguments["ops"][0]["source"], "cell", "exec")
    edited = asked(wish, ("notebook_list", LISTED, False), ("notebook_edit", INSERTED, False))
    assert step(edited)[1:] == ("cell_run", {"path": "sub/my: a.ipynb", "cells": ["5f3c"]})
    ran = asked(wish, ("notebook_edit", INSERTED, False), ("cell_run", "ok", False))
    assert step(ran)[1] == "" and "Undo" in step(ran)[0]


def test_a_no_ends_the_work() -> None:
    text, tool, _ = step(asked("add a cell", ("notebook_list", LISTED, False), ("notebook_edit", "Not done.", True)))
    assert tool == "" and "Not done." in text


def test_it_says_when_no_notebook_is_open() -> None:
    text, tool, _ = step(asked("add a cell", ("notebook_list", "No notebook is open in a connected page.", False)))
    assert tool == "" and "JupyterLab" in text


def test_without_hands_it_answers_as_to_anything_else() -> None:
    assert step(asked("add a cell"), ("notebook_list",))[1] == ""


def test_a_new_wish_begins_anew() -> None:
    messages = [*asked("add a cell", ("notebook_list", LISTED, False)), *asked("add a cell")]
    assert step(messages)[1] == "notebook_list"
