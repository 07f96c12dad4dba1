"""Calls of a node's commands on behalf of a tool: its failures become results that a model can act on."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from ...agent.tools import ToolFailed
from ..connections.nodes import NodeFailed, NodeGone
from .targets import Target

GONE = (
    "The page or server that was working on this went away before it answered. It is not known whether it was done, "
    "and a cell may still be running. Look (notebook_read, run_wait) before you do anything again."
)
_TEXTS = {
    "READ_ONLY": "The notebook is read-only; nothing was changed. Ask the person to make it writable, or to copy it.",
    "NOT_EDITABLE": "A cell is locked against editing (its metadata says editable: false); nothing was changed.",
    "NOT_OPEN": "The notebook is not open there any more; nothing was done. Call notebook_list to see where it is.",
    "NO_SUCH_CELL": "There is no such cell (any more); nothing was done. Read the notebook again.",
    "NO_KERNEL": "The notebook has no running kernel. Ask the person to start one.",
    "KERNEL_CHANGED": "The kernel was restarted or changed since; nothing was run. Read the notebook again.",
    "EXISTS": "A file with this path exists; nothing was written.",
    "NOT_FOUND": "There is no file or notebook with this path.",
}


def model_text(error: NodeFailed) -> str:
    """A node's failure as the model is told of it."""
    if error.code == "CONFLICT":
        return conflict_text(error.facts)
    said = _TEXTS.get(error.code)
    if said is None:
        return f"Not done ({error.code}): {error.message}"
    cell = error.facts.get("cell")
    return f"{said} Cell: {cell}" if cell else said


def conflict_text(facts: Mapping[str, Any]) -> str:
    """The present text of cells that are not as the model saw them."""
    parts = ["Nothing was done: cells changed since you read them. Their present text:"]
    for each in facts.get("conflicts") or ():
        source = each.get("source")
        if source is None:
            parts.append(f'<cell id="{each.get("cell")}" gone="true"/>')
        else:
            parts.append(f'<cell id="{each.get("cell")}" rev="{each.get("rev")}">\n{source}\n</cell>')
    return "\n".join(parts)


async def ask(target: Target, command: str, **params: Any) -> Any:
    """The result of a node's command. Raises ``ToolFailed``."""
    try:
        return await target(command, **params)
    except NodeFailed as exc:
        raise ToolFailed(model_text(exc)) from exc
    except NodeGone as exc:
        raise ToolFailed(GONE) from exc


@cache
def _validator(schema: str) -> Any:
    import json

    from jsonschema import Draft202012Validator  # late: no start needs it

    return Draft202012Validator(json.loads(schema))


def check_arguments(arguments: Mapping[str, Any], schema: Mapping[str, Any]) -> None:
    """Raise ``ToolFailed`` with the place and the reason for arguments that do not follow a tool's schema."""
    import json

    found = sorted(_validator(json.dumps(schema)).iter_errors(dict(arguments)), key=lambda error: len(error.path))
    if found:
        where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in found[0].absolute_path)
        raise ToolFailed(
            f"The arguments do not follow the schema: {where.lstrip('.') or 'top'}: {found[0].message:.500}"
        )
