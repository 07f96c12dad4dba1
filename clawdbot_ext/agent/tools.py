"""Types of the tools that a model may call, and the interface through which the agent loop runs them.

Above sits ``loop``, which calls the model and then its tools; the gateway implements ``ToolExecutor``.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from .providers.base import ToolSpec

OUTPUT_CHARS = 100_000
"""Characters of a tool's output that are kept and sent; the rest is cut off, and the model is told."""


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


class ToolExecutor(Protocol):
    """Who carries out the calls of one reply."""

    @property
    def specs(self) -> Sequence[ToolSpec]:
        """What the model is told of."""
        ...

    async def start_step(self, calls: Sequence[ToolCall]) -> None:
        """The model wants these: keep what it has said so far, and that it wants them. The reply is empty after."""
        ...

    async def execute(self, call: ToolCall) -> ToolResult:
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
