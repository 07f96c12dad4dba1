"""The services that the tools work with, and how a tool is built from its parts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ...agent.providers.base import ToolSpec
from ...agent.tools import Tool, ToolContext, ToolKind, ToolOutput, no_lock
from ...i18n import catalogue
from .approvals import Approvals
from .changes import Changes
from .nodecalls import check_arguments
from .plans import Plans
from .proposals import Prepare, Proposal, ProposingTool, only_proposed
from .running import Running
from .targets import Targets

t = catalogue("tools")

Run = Callable[[Mapping[str, Any], ToolContext], Awaitable[ToolOutput | str]]
Lock = Callable[[Mapping[str, Any]], str | None]


@dataclass(frozen=True)
class Toolbox:
    """The services that tools in notebooks and files share."""

    targets: Targets
    changes: Changes
    approvals: Approvals
    plans: Plans
    running: Running


def by_path(arguments: Mapping[str, Any]) -> str | None:
    """Calls on one document go one after the other."""
    path = arguments.get("path")
    return f"path:{path.strip()}" if isinstance(path, str) else None


def reading(name: str, description: str, parameters: Mapping[str, Any], run: Run, lock: Lock = no_lock) -> Tool:
    """A tool that changes nothing, and needs no permission."""
    spec = ToolSpec(name, description, parameters)

    async def checked(arguments: Mapping[str, Any], context: ToolContext) -> ToolOutput | str:
        check_arguments(arguments, parameters)
        return await run(arguments, context)

    return Tool(spec, checked, _title(name), "read", lock)


def proposing(
    name: str, kind: ToolKind, description: str, parameters: Mapping[str, Any], prepare: Prepare, lock: Lock = by_path
) -> ProposingTool:
    """A tool whose calls are proposed, allowed and then done."""
    spec = ToolSpec(name, description, parameters)

    async def checked(arguments: Mapping[str, Any], context: ToolContext) -> Proposal:
        check_arguments(arguments, parameters)
        return await prepare(arguments, context)

    return ProposingTool(spec, only_proposed, _title(name), kind, lock, prepare=checked)


def _title(name: str) -> Callable[[Mapping[str, Any], str], str]:
    def title(arguments: Mapping[str, Any], locale: str) -> str:
        facts = [arguments.get(key) for key in ("path", "name", "text", "query", "command")]
        about = next((each for each in facts if isinstance(each, str) and each.strip()), "")
        return t(locale, f"tool.{name}.of", about=about[:80]) if about else t(locale, f"tool.{name}")

    return title


def schema(properties: Mapping[str, Any], *required: str) -> dict[str, Any]:
    """The JSON Schema of a tool's arguments."""
    return {"type": "object", "properties": dict(properties), "required": list(required), "additionalProperties": False}


def text(description: str, **more: Any) -> dict[str, Any]:
    return {"type": "string", "description": description, **more}


def number(description: str, least: int, most: int) -> dict[str, Any]:
    return {"type": "integer", "description": description, "minimum": least, "maximum": most}


PATH = text("Path of the notebook relative to Jupyter's root, exactly as notebook_list spells it.")
FILE = text("Path of the file relative to Jupyter's root, exactly as file_list spells it.")
CELL = text("Id of a cell, from notebook_read.")
REV = text("rev of the cell as notebook_read or the last edit gave it. A cell that has changed since is not touched.")
