"""Proposals: what a call would do, as a person is asked about it, before anything is done.

A tool that changes or runs something first *prepares*: it reads the present state and says exactly what it would do.
Only ``Permission`` has a proposal carried out, after a yes to exactly this.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ...agent.tools import Tool, ToolContext, ToolOutput

EVERY_SCOPE = ("once", "cell", "notebook", "always")
WITHOUT_CELL = ("once", "notebook", "always")
ONCE = ("once",)


@dataclass(frozen=True)
class Verdict:
    """A yes."""

    approval_id: str
    by: str
    """The person, or the mode, grant or plan that allowed it."""
    accepted: Sequence[int] | None = None
    """Indexes of the preview's cells; ``None``: all."""
    edited: Mapping[int, str] = field(default_factory=dict)
    answers: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""
    """Why not all of it, in the person's words."""
    asked: bool = True
    """Whether a person was asked about this very call."""


@dataclass(frozen=True)
class Proposal:
    """The effect that one call would have."""

    path: str
    """The document that it is about; empty: none."""
    preview: Mapping[str, Any]
    bound: Mapping[str, Any]
    """Facts that the yes is bound to beside the call: sums of the cells' sources, the kernel and its restarts."""
    perform: Callable[[Verdict], Awaitable[ToolOutput]]
    cells: Sequence[str] = ()
    excepted: str = ""
    """Why no mode and no grant covers it; empty: they may."""
    choices: Sequence[str] = ONCE
    free: bool = False
    """It concerns only what the assistant itself started, so no question is needed."""
    request: Mapping[str, Any] = field(default_factory=dict)
    """More fields of the question."""

    def digest(self, tool: str, arguments: Mapping[str, Any], session_key: str) -> str:
        """SHA-256 of everything that the yes is for."""
        facts = {"tool": tool, "arguments": arguments, "path": self.path, "session": session_key, "bound": self.bound}
        return hashlib.sha256(msgspec.json.encode(facts, order="deterministic")).hexdigest()


Prepare = Callable[[Mapping[str, Any], ToolContext], Awaitable[Proposal]]


@dataclass(frozen=True)
class ProposingTool(Tool):
    """A tool whose calls are proposed first; ``run`` is never called."""

    prepare: Prepare = field(kw_only=True)


async def only_proposed(arguments: Mapping[str, Any], context: ToolContext) -> ToolOutput:
    """``Tool.run`` of a ``ProposingTool``: there is no way around the proposal."""
    raise RuntimeError("this tool is carried out by its proposal")


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def approval_id(context: ToolContext, digest: str) -> str:
    """The id of the question about a call: the same after a restart, another when what is asked has changed."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{context.run_id}\0{context.call_id}\0{digest}"))
