"""``notebook_edit`` and ``notebook_create``: one batch is one question, one change, one undo."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...agent.tools import Tool, ToolContext, ToolFailed, ToolOutput
from ...protocol.revision import revision
from ...protocol.schema import CellChange, Change
from .names import stale_after
from .nodecalls import ask, conflict_text
from .proposals import EVERY_SCOPE, Proposal, Verdict, sha256
from .rendering import is_python
from .targets import Target
from .toolbox import CELL, PATH, REV, Toolbox, proposing, schema, text

MAX_OPS = 100
_AFTER = {
    "anyOf": [{"type": "string"}, {"type": "null"}],
    "description": 'Id of the cell to put it after; null: first; "end": last.',
}
_TYPE = text("Type of the cell.", enum=["code", "markdown", "raw"])
_SOURCE = text("The whole text of the cell.", maxLength=1_000_000)


def _op(name: str, required: Sequence[str], **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"op": {"const": name}, **properties},
        "required": ["op", *required],
        "additionalProperties": False,
    }


FINDS = {
    "type": "array",
    "minItems": 1,
    "maxItems": 50,
    "description": "Replacements, made one after the other; each find must occur exactly once.",
    "items": {
        "type": "object",
        "properties": {"find": text("Exact text.", minLength=1), "replace": text("What takes its place.")},
        "required": ["find", "replace"],
        "additionalProperties": False,
    },
}
OPS = {
    "type": "array",
    "minItems": 1,
    "maxItems": MAX_OPS,
    "items": {
        "anyOf": [
            _op("insert", ["after", "type", "source"], after=_AFTER, type=_TYPE, source=_SOURCE),
            _op("replace", ["cell", "rev", "source"], cell=CELL, rev=REV, source=_SOURCE),
            _op("patch", ["cell", "rev", "edits"], cell=CELL, rev=REV, edits=FINDS),
            _op("move", ["cell", "rev", "after"], cell=CELL, rev=REV, after=_AFTER),
            _op("delete", ["cell", "rev"], cell=CELL, rev=REV),
            _op("type", ["cell", "rev", "to"], cell=CELL, rev=REV, to=_TYPE),
            _op("clear", ["cell", "rev"], cell=CELL, rev=REV),
        ]
    },
}


@dataclass(frozen=True)
class Planned:
    """One operation with the cell as it is now (``None`` for a new one) and the text that it gets, if it gets one."""

    op: Mapping[str, Any]
    cell: Mapping[str, Any] | None
    source: str | None

    @property
    def name(self) -> str:
        """As the node knows it: ``patch`` is a replacement there."""
        return "replace" if self.op["op"] == "patch" else str(self.op["op"])


def editing_tools(box: Toolbox) -> Sequence[Tool]:
    """The tools that edit notebooks."""

    async def notebook_edit(arguments: Mapping[str, Any], context: ToolContext) -> Proposal:
        target = await box.targets.of_notebook(arguments["path"], context)
        found = await ask(target, "notebook.read", outputs="none")
        planned = plan(arguments["ops"], found)

        async def perform(verdict: Verdict) -> ToolOutput:
            return await _apply(box, target, planned, found, verdict, context)

        cells = list(dict.fromkeys(str(each.cell["id"]) for each in planned if each.cell is not None))
        deletes = any(each.name == "delete" for each in planned)
        inserts = any(each.cell is None for each in planned)
        return Proposal(
            path=target.path,
            preview={"type": "edit", "path": target.path, "cells": _preview(planned, found)},
            bound={"cells": {str(each.cell["id"]): _sum(each.cell) for each in planned if each.cell is not None}},
            perform=perform,
            cells=[] if inserts else cells,
            excepted="deletes cells" if deletes else "",
            choices=EVERY_SCOPE,
        )

    async def notebook_create(arguments: Mapping[str, Any], context: ToolContext) -> Proposal:
        if not str(arguments["path"]).endswith(".ipynb"):
            raise ToolFailed("path of a notebook ends with .ipynb")
        target = await box.targets.of_new(arguments["path"], context)
        cells = [{"type": each["type"], "source": each["source"]} for each in arguments.get("cells") or ()]

        async def perform(verdict: Verdict) -> ToolOutput:
            return await _create(box, target, arguments, cells, verdict, context)

        shown = [
            {"op": "insert", "cell": "", "index": i, "type": c["type"], "after": c["source"], "staleAfter": []}
            for i, c in enumerate(cells)
        ]
        return Proposal(
            path=target.path,
            preview={"type": "edit", "path": target.path, "cells": shown, "creates": True},
            bound={"creates": target.path},
            perform=perform,
            choices=("once", "always"),
        )

    return (
        proposing(
            "notebook_edit",
            "edit",
            "Change cells of a notebook in one batch: all of it is done or nothing. The person sees a diff of each "
            "cell and may accept a part or change the text first; the result says what was really done. Each operation "
            "on a cell needs the rev you saw; if a cell has changed since, nothing is done and you get its present "
            "text. Prefer patch for small changes. One text operation (replace or patch) a cell and batch. Several "
            "inserts after the same cell stay in their order.",
            schema({"path": PATH, "ops": OPS}, "path", "ops"),
            notebook_edit,
        ),
        proposing(
            "notebook_create",
            "edit",
            "Create a notebook, with cells if you give some. It is opened for the person where that is possible. "
            "Refused if there is a file with this path.",
            schema(
                {
                    "path": PATH,
                    "kernel": text("Name of a kernel, such as python3; the default one if absent."),
                    "cells": {
                        "type": "array",
                        "maxItems": MAX_OPS,
                        "items": {
                            "type": "object",
                            "properties": {"type": _TYPE, "source": _SOURCE},
                            "required": ["type", "source"],
                            "additionalProperties": False,
                        },
                    },
                },
                "path",
            ),
            notebook_create,
        ),
    )


def plan(ops: Sequence[Mapping[str, Any]], found: Mapping[str, Any]) -> list[Planned]:
    """The operations against the notebook as it is. Raises ``ToolFailed`` where one does not fit."""
    cells = {str(cell["id"]): cell for cell in found.get("cells") or ()}
    if found.get("readOnly"):
        raise ToolFailed("The notebook is read-only; nothing was changed.")
    conflicts = [
        {"cell": op["cell"], "rev": _rev(cells.get(op["cell"])), "source": (cells.get(op["cell"]) or {}).get("source")}
        for op in ops
        if "cell" in op and (op["cell"] not in cells or _rev(cells[op["cell"]]) != op["rev"])
    ]
    if conflicts:
        raise ToolFailed(conflict_text({"conflicts": conflicts}))
    texts = [op["cell"] for op in ops if op["op"] in ("replace", "patch")]
    gone = [op["cell"] for op in ops if op["op"] == "delete"]
    if (
        len(set(texts)) < len(texts)
        or len(set(gone)) < len(gone)
        or set(gone) & {o.get("cell") for o in ops if o["op"] != "delete"}
    ):
        raise ToolFailed("Nothing was done: one text operation a cell and batch, and none on a cell that is deleted.")
    for op in ops:
        after = op.get("after")
        if after not in (None, "end") and (after not in cells or after in gone or after == op.get("cell")):
            raise ToolFailed(f"Nothing was done: there is no cell {after!r} to put a cell after.")
        if "cell" in op and cells[op["cell"]].get("editable") is False and op["op"] not in ("move", "clear"):
            raise ToolFailed(f"Nothing was done: cell {op['cell']} is locked against editing.")
    return [_planned(op, cells) for op in ops]


def _planned(op: Mapping[str, Any], cells: Mapping[str, Mapping[str, Any]]) -> Planned:
    cell = cells.get(op["cell"]) if "cell" in op else None
    if op["op"] == "patch":
        assert cell is not None
        return Planned(op, cell, patched(str(cell["source"]), op["edits"], f"cell {op['cell']}"))
    return Planned(op, cell, op.get("source"))


def patched(source: str, edits: Sequence[Mapping[str, str]], where: str) -> str:
    """``source`` with the replacements made. Raises ``ToolFailed`` with the present text where one does not fit."""
    result = source
    for edit in edits:
        count = result.count(edit["find"])
        if count != 1:
            raise ToolFailed(
                f"Nothing was done: {edit['find']!r:.200} occurs {count} times in {where}, not once. "
                f"Its present text:\n{source:.20000}"
            )
        result = result.replace(edit["find"], edit["replace"])
    return result


def _rev(cell: Mapping[str, Any] | None) -> str | None:
    return None if cell is None else revision(str(cell.get("source") or ""))


def _sum(cell: Mapping[str, Any]) -> str:
    return sha256(f"{cell.get('type')}\0{cell.get('source')}")


def _preview(planned: Sequence[Planned], found: Mapping[str, Any]) -> list[dict[str, Any]]:
    cells = [cell for cell in found.get("cells") or () if isinstance(cell, Mapping)]
    rows = []
    for each in planned:
        row: dict[str, Any] = {
            "op": each.name,
            "cell": "" if each.cell is None else str(each.cell["id"]),
            "index": _index(each, cells),
            "type": each.op.get("type") or (each.cell or {}).get("type"),
            "staleAfter": [],
        }
        if each.cell is not None:
            row["before"] = each.cell.get("source")
        if each.source is not None:
            row["after"] = each.source
        if each.name == "type":
            row["to"] = each.op["to"]
        if each.name in ("move", "insert"):
            row["place"] = each.op["after"]
        code = each.cell is not None and each.cell.get("type") == "code" and is_python(found)
        if code and each.name in ("replace", "delete"):
            row["staleAfter"] = stale_after(cells, row["cell"], each.source or "")
        rows.append(row)
    return rows


def _index(each: Planned, cells: Sequence[Mapping[str, Any]]) -> int:
    ids = [str(cell["id"]) for cell in cells]
    if each.cell is not None:
        return ids.index(str(each.cell["id"]))
    after = each.op["after"]
    return 0 if after is None else len(ids) if after == "end" else ids.index(after) + 1


def _node_ops(planned: Sequence[Planned], verdict: Verdict, call_id: str) -> list[dict[str, Any]]:
    """The operations of a yes, as the node takes them; inserts after one cell keep their order."""
    ops: list[dict[str, Any]] = []
    last: dict[str | None, str] = {}
    for index, each in enumerate(planned):
        if verdict.accepted is not None and index not in verdict.accepted:
            continue
        source = verdict.edited.get(index, each.source)
        if each.cell is None:
            id_ = _new_id(call_id, index)
            after = each.op["after"]
            ops.append(
                {
                    "op": "insert",
                    "after": last.get(after, after),
                    "cell": {"id": id_, "type": each.op["type"], "source": source},
                }
            )
            if after != "end":
                last[after] = id_
            continue
        op: dict[str, Any] = {"op": each.name, "cell": each.op["cell"], "rev": each.op["rev"]}
        if each.name == "replace":
            op["source"] = source
        elif each.name == "move":
            op["after"] = each.op["after"]
        elif each.name == "type":
            op["to"] = each.op["to"]
        ops.append(op)
    return ops


def _new_id(call_id: str, index: int) -> str:
    """The id of the cell that an operation of a call makes: the same however often the call is looked at."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{call_id}\0{index}"))


def _meta(verdict: Verdict, context: ToolContext) -> dict[str, Any]:
    return {"runId": context.run_id, "by": verdict.by, "approvalId": verdict.approval_id}


async def _apply(
    box: Toolbox,
    target: Target,
    planned: Sequence[Planned],
    found: Mapping[str, Any],
    verdict: Verdict,
    context: ToolContext,
) -> ToolOutput:
    ops = _node_ops(planned, verdict, context.call_id)
    async with box.changes.begun(context, verdict, target, cells=_expected(ops, found)):
        result = await ask(target, "notebook.apply", ops=ops, meta=_meta(verdict, context))
        cells = [cell_change(each) for each in result.get("changes") or ()]
        change = await box.changes.applied(context, verdict, target, cells=cells)
    return ToolOutput(
        "\n".join([*_told(change), *_answered(planned, verdict), *_stale(planned, found, verdict)]),
        details={"changeId": change.id, "path": target.path, "cells": len(change.cells)},
    )


def _expected(ops: Sequence[Mapping[str, Any]], found: Mapping[str, Any]) -> list[CellChange]:
    """The report that a node will give of operations, as far as it can be told from the notebook as it is."""
    cells = {str(cell["id"]): cell for cell in found.get("cells") or ()}
    changes = []
    for op in ops:
        if op["op"] == "insert":
            after = {"source": op["cell"]["source"], "type": op["cell"]["type"], "index": 0}
            changes.append(cell_change({"op": "insert", "cell": op["cell"]["id"], "after": after}))
            continue
        cell = cells[op["cell"]]
        before = {name: cell.get(name) for name in ("source", "type", "index")}
        left = {**before, "source": op.get("source", before["source"]), "type": op.get("to", before["type"])}
        changed = {"before": before, "after": None if op["op"] == "delete" else left, "index": cell.get("index")}
        changes.append(cell_change({"op": op["op"], "cell": op["cell"], **changed}))
    return changes


def cell_change(given: Mapping[str, Any]) -> CellChange:
    """A node's report of one operation in the form that is stored."""
    before, after = given.get("before"), given.get("after")
    shown = after or before or {}
    return CellChange(
        op=str(given.get("op")),
        cell=str(given.get("newId") or given.get("cell")),
        index=int(given.get("index") or 0),
        type=str(shown.get("type", "code")),
        before=before,
        after=after,
    )


def _told(change: Change) -> list[str]:
    lines = [f"Done in {change.path}:"]
    for each in change.cells:
        rev = (each.after or {}).get("rev") or (revision(str(each.after["source"])) if each.after else None)
        lines.append(f"{each.op} cell {each.cell}" + (f" (index {each.index}, rev {rev})" if rev else ""))
    return lines


def _answered(planned: Sequence[Planned], verdict: Verdict) -> list[str]:
    """The parts of the proposal that the person refused or changed."""
    lines = []
    for index, each in enumerate(planned):
        about = f"operation {index + 1} ({each.op['op']} {'new cell' if each.cell is None else each.op['cell']})"
        if verdict.accepted is not None and index not in verdict.accepted:
            lines.append(f"The person refused {about}: it was not done.")
        elif index in verdict.edited and verdict.edited[index] != each.source:
            lines.append(f"The person changed {about}; the cell's text is now:\n{verdict.edited[index]}")
    if verdict.reason:
        lines.append(f"The person says: {verdict.reason}")
    return lines


def _stale(planned: Sequence[Planned], found: Mapping[str, Any], verdict: Verdict) -> list[str]:
    taken = [row for i, row in enumerate(_preview(planned, found)) if verdict.accepted is None or i in verdict.accepted]
    stale = list(dict.fromkeys(id_ for row in taken for id_ in row["staleAfter"]))
    return [f"Outputs that no longer belong to the code: cells {', '.join(stale)}."] if stale else []


async def _create(
    box: Toolbox,
    target: Target,
    arguments: Mapping[str, Any],
    cells: Sequence[Mapping[str, Any]],
    verdict: Verdict,
    context: ToolContext,
) -> ToolOutput:
    taken = [
        {**cell, "id": _new_id(context.call_id, index), "source": verdict.edited.get(index, cell["source"])}
        for index, cell in enumerate(cells)
        if verdict.accepted is None or index in verdict.accepted
    ]
    params = {"kernelName": arguments["kernel"]} if arguments.get("kernel") else {}
    inserted = [
        cell_change(
            {
                "op": "insert",
                "cell": cell["id"],
                "index": index,
                "after": {"source": cell["source"], "type": cell["type"], "index": index},
            }
        )
        for index, cell in enumerate(taken)
    ]
    async with box.changes.begun(context, verdict, target, cells=inserted, created=True):
        made = await ask(target, "notebook.create", cells=taken, meta=_meta(verdict, context), **params)
        target = replace(target, path=str(made.get("path") or target.path))
        change = await box.changes.applied(context, verdict, target, cells=inserted, created=True)
    planned = [Planned({"op": "insert"}, None, cell["source"]) for cell in cells]
    lines = [f"Created {target.path} with {len(taken)} cells.", *_told(change)[1:], *_answered(planned, verdict)]
    return ToolOutput("\n".join(lines), details={"changeId": change.id, "path": target.path, "cells": len(taken)})
