"""Tools: what a model may call, and the loop of calling the model, then its tools, then the model again.

Above sits the gateway, which is the loop's ``Desk``: it stores each step, asks people where a tool needs it, and tells
clients. Below lie ``turn`` (one model call with its retries) and the tools. A call is made at most once: nothing here
tries one again, and what a crash or a stop cut off is told to the model as cut off.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ..i18n import catalogue
from .providers.base import ToolSpec

MAX_STEPS = 50
"""How often one reply may call tools: a model that goes round in circles must come to an end."""
OUTPUT_CHARS = 100_000
"""How much of a tool's output is kept and sent; the rest is cut off, and the model is told."""

_t = catalogue("agent")


class ToolFailed(Exception):
    """A tool that could not do what was asked; the text is for the model and the person."""


class ToolNotAllowed(ToolFailed):
    """A call that a person did not allow: nothing went wrong."""


@dataclass(frozen=True)
class ToolCall:
    """A call as the model made it. ``problem`` says why the arguments cannot be used, if they cannot."""

    id: str
    name: str
    arguments: Mapping[str, Any]
    problem: str = ""


@dataclass(frozen=True)
class ToolResult:
    """What a call came to, as the model is told."""

    call_id: str
    text: str
    is_error: bool = False


@dataclass(frozen=True)
class Tool:
    """One tool.

    ``run`` takes the arguments and the language of the person, and returns the output or raises ``ToolFailed``;
    cancelling it must stop it. ``title`` says in a few words what a call does. ``asks``: a person has to allow each
    call first, seeing ``command``.
    """

    spec: ToolSpec
    run: Callable[[Mapping[str, Any], str], Awaitable[str]]
    title: Callable[[Mapping[str, Any], str], str]
    asks: bool = False

    def command(self, arguments: Mapping[str, Any]) -> str:
        """The call on one line: everything that will be done, nothing left out."""
        return f"{self.spec.name} {json.dumps(arguments, ensure_ascii=False)}"


class Desk(Protocol):
    """Who carries out the calls of one reply."""

    @property
    def specs(self) -> Sequence[ToolSpec]:
        """What the model is told of."""
        ...

    async def begin(self, calls: Sequence[ToolCall]) -> None:
        """The model wants these: keep what it has said so far, and that it wants them. The reply is empty after."""
        ...

    async def carry_out(self, call: ToolCall) -> ToolResult:
        """Make one call, once, and keep what it came to."""
        ...


def result_block(call_id: str, text: str, is_error: bool) -> dict[str, Any]:
    """What a call came to, as the Messages API takes it."""
    block: dict[str, Any] = {
        "type": "tool_result",
        "tool_use_id": call_id,
        "content": [{"type": "text", "text": text or "(no output)"}],
    }
    return {**block, "is_error": True} if is_error else block


def shorten(text: str) -> str:
    """At most ``OUTPUT_CHARS`` of a tool's output: its beginning and its end."""
    if len(text) <= OUTPUT_CHARS:
        return text
    half = OUTPUT_CHARS // 2
    return f"{text[:half]}\n[… {len(text) - 2 * half} characters left out …]\n{text[-half:]}"


def _call(block: Mapping[str, Any], locale: str) -> ToolCall:
    problem = _t(locale, "tool.arguments") if "invalid" in block else ""
    return ToolCall(str(block["id"]), str(block["name"]), block["input"], problem)


def _said(block: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in block.items() if name != "invalid"}


async def _all(works: Sequence[Awaitable[ToolResult]]) -> list[ToolResult]:
    """All results, in order; when one fails or the caller is cancelled, the others are stopped first."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
