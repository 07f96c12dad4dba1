"""Types of the tools that a model may call, and the interface through which the agent loop runs them.

Above sits ``loop``, which calls the model and then its tools; the gateway implements ``ToolExecutor``, and decides
there whether a call needs permission. A tool knows nothing of that.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from .providers.base import ToolSpec

OUTPUT_CHARS = 100_000
"""Characters of a tool's output that are kept and sent; the rest is cut off, and the model is told."""

ToolKind = Literal["read", "edit", "execute", "network", "question"]
"""The kind of thing that a tool does. ``read`` changes nothing; ``question`` asks a person, who so gives permission."""


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
class ToolImage:
    """An image in a tool's output: ``data`` is base64 of a file within the model's limits of size and edge."""

    media_type: str
    """``image/png``, ``image/jpeg``, ``image/gif`` or ``image/webp``."""
    data: str


@dataclass(frozen=True)
class ToolOutput:
    """The output of a call: text and images for the model, details for clients alone."""

    text: str
    images: Sequence[ToolImage] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    """JSON, stored as ``details`` of the ``toolResult`` message; the model is not sent it."""
    is_error: bool = False


@dataclass(frozen=True)
class ToolResult:
    """The outcome of a call: the model is sent ``text`` and ``images``."""

    call_id: str
    text: str
    is_error: bool = False
    images: Sequence[ToolImage] = ()
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ToolContext:
    """The circumstances of one call."""

    session_key: str
    run_id: str
    call_id: str
    locale: str
    """The language of the person."""
    asker: Mapping[str, Any]
    """``{"instanceId": …, "context": …}`` of the client that sent the message."""
    progress: Callable[[Mapping[str, Any]], None]
    """Shows JSON data on the call's card, at once; call it on the event loop. Nothing happens after the call's end."""


def no_lock(arguments: Mapping[str, Any]) -> str | None:
    """The lock key of a call that may run beside any other."""
    return None


@dataclass(frozen=True)
class Tool:
    """One tool.

    ``run`` returns the output; cancelling it must stop it. Whatever else it raises is an error result for the model:
    ``ToolFailed`` with its text, anything else as a fault of the tool. ``title`` says in a few words what a call does,
    in the language given. Calls of one step with the same ``lock`` key run one after the other, in their order.
    """

    spec: ToolSpec
    run: Callable[[Mapping[str, Any], ToolContext], Awaitable[ToolOutput | str]]
    title: Callable[[Mapping[str, Any], str], str]
    kind: ToolKind
    lock: Callable[[Mapping[str, Any]], str | None] = no_lock

    def command(self, arguments: Mapping[str, Any]) -> str:
        """The call on one line: everything that will be done, nothing left out."""
        return f"{self.spec.name} {json.dumps(arguments, ensure_ascii=False)}"


class ToolExecutor(Protocol):
    """The gateway's side of the calls of one reply."""

    @property
    def specs(self) -> Sequence[ToolSpec]:
        """The tools that the model is told of."""
        ...

    def lock(self, call: ToolCall) -> str | None:
        """The key of the calls that this one must not run beside; ``None``: it may run beside any."""
        ...

    async def start_step(self, calls: Sequence[ToolCall]) -> None:
        """The model wants these: keep what it has said so far, and that it wants them. The reply is empty after."""
        ...

    async def execute(self, call: ToolCall) -> ToolResult:
        """Make one call, once, and keep what it came to."""
        ...


def image_block(image: ToolImage) -> dict[str, Any]:
    """An image, as the Messages API takes it."""
    return {"type": "image", "source": {"type": "base64", "media_type": image.media_type, "data": image.data}}


def shorten(text: str) -> str:
    """At most ``OUTPUT_CHARS`` of a tool's output: its beginning and its end."""
    if len(text) <= OUTPUT_CHARS:
        return text
    half = OUTPUT_CHARS // 2
    return f"{text[:half]}\n[… {len(text) - 2 * half} characters left out …]\n{text[-half:]}"
