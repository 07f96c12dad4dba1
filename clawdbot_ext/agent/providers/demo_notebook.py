"""The demo's piece of work in a notebook: it adds a cell and runs it, by the same tools as a model, asking for each."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...i18n import catalogue
from . import demo_directives

NEEDED = frozenset({"notebook_list", "notebook_edit", "cell_run"})
"""Tools without which there is no such work."""
CELL = """\
temperatures = {"Mon": 18, "Tue": 21, "Wed": 19, "Thu": 24, "Fri": 23}
for day, degrees in temperatures.items():
    print(f"{day}  {'█' * degrees}  {degrees} °C")"""

_t = catalogue("agent")
_INSERTED = re.compile(r"^insert cell (\S+)", re.MULTILINE)


@dataclass(frozen=True)
class Step:
    """The next step of the work: a text, then at most one tool call."""

    text: str
    tool: str = ""
    arguments: Mapping[str, Any] | None = None


def is_asked(messages: Sequence[Mapping[str, Any]], offered: Collection[str], wish: re.Pattern[str]) -> bool:
    """Whether a person's newest message, whatever tools have answered since, wishes for this work."""
    own = [message for message in messages if not _results(message)]
    text = demo_directives.last_user_text(own)
    return (
        set(offered) >= NEEDED
        and not demo_directives.parse(text)
        and wish.search(demo_directives.wish(text)) is not None
    )


def next_step(messages: Sequence[Mapping[str, Any]], locale: str) -> Step:
    """The step that follows from what the tools have answered since the person asked."""
    done = _answers(messages)
    if not done:
        return Step(_t(locale, "demo.work.look"), "notebook_list", {})
    name, arguments, text, failed = done[-1]
    if failed:
        return Step(_t(locale, "demo.work.failed", output=text))
    if name == "notebook_list":
        path = _in_front(text)
        if not path:
            return Step(_t(locale, "demo.work.none"))
        cell = {"op": "insert", "after": "end", "type": "code", "source": CELL}
        return Step(_t(locale, "demo.work.add", path=path), "notebook_edit", {"path": path, "ops": [cell]})
    inserted = _INSERTED.search(text)
    if name == "notebook_edit" and inserted:
        again = {"path": arguments["path"], "cells": [inserted[1]]}
        return Step(_t(locale, "demo.work.run"), "cell_run", again)
    return Step(_t(locale, "demo.work.done"))


def _answers(messages: Sequence[Mapping[str, Any]]) -> list[tuple[str, Mapping[str, Any], str, bool]]:
    """Name, arguments, output and failure of each call since the newest message of a person."""
    calls: dict[str, Mapping[str, Any]] = {}
    done: list[tuple[str, Mapping[str, Any], str, bool]] = []
    for message in messages:
        content = message.get("content")
        blocks: Sequence[Mapping[str, Any]] = content if isinstance(content, list) else ()
        results = _results(message)
        if message.get("role") == "user" and not results:
            done = []
        calls |= {block["id"]: block for block in blocks if block.get("type") == "tool_use"}
        for result in results:
            call = calls.get(result["tool_use_id"])
            if call is not None:
                text = "".join(block.get("text", "") for block in result["content"])
                done.append((call["name"], call["input"], text, bool(result.get("is_error"))))
    return done


def _results(message: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    content = message.get("content")
    return [block for block in content if block.get("type") == "tool_result"] if isinstance(content, list) else []


def _in_front(listed: str) -> str:
    """The path of the notebook in front, else of the first one; empty where there is none."""
    lines = [line for line in listed.splitlines() if ".ipynb: " in line]
    chosen = next((line for line in lines if ", in front" in line), lines[0] if lines else "")
    return chosen.rsplit(".ipynb: ", 1)[0] + ".ipynb" if chosen else ""
