"""The undo of a change: cells and files as they were before, by commands of a node, guarded by the text after.

A cell that the person has changed since is left alone and reported, unless they insist. Undoing twice does nothing the
second time: a cell that is as it was before needs nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ...agent.tools import ToolFailed
from ...protocol.errors import InvalidRequest, Unavailable
from ...protocol.revision import revision
from ...protocol.schema import CellChange, Change, ChangesUndoResult, UndoProblem
from ...store import failpoints
from ..connections.nodes import NodeFailed, NodeGone
from .changes import Changes
from .targets import Target, Targets

_NO_FILE = ("NOT_FOUND", "NO_SUCH_FILE")


async def undo(
    changes: Changes,
    targets: Targets,
    change: Change,
    *,
    by: str,
    asker: Mapping[str, Any],
    force: bool = False,
    cells: Collection[str] | None = None,
) -> ChangesUndoResult:
    """Put back what a change replaced.

    Raises:
        Unavailable: no node has the document (``NO_NODE``), or it could not (``NODE_ERROR``).
        InvalidRequest: the change has no such cells.
    """
    if cells is not None and not set(cells) <= {each.cell for each in change.cells}:
        raise InvalidRequest("the change has no such cells", reason="NO_SUCH_CELL")
    try:
        if change.file:
            problems = await _undo_file(await targets.of_change(change, asker, file=True), change, force)
        else:
            target = await targets.of_change(change, asker)
            if change.created is True and cells is None:
                problems = await _undo_notebook(target, change, by, force)
            else:
                problems = await _undo_cells(target, change, by, force, cells)
    except ToolFailed as exc:
        raise Unavailable(str(exc), reason="NO_NODE") from exc
    except NodeFailed as exc:
        raise Unavailable(
            exc.message, reason="NODE_ERROR", nodeError={"code": exc.code, "message": exc.message}
        ) from exc
    except NodeGone as exc:
        raise Unavailable(str(exc), reason="NOT_CONNECTED") from exc
    failpoints.hit("undo.made")
    whole = cells is None or set(cells) >= {each.cell for each in change.cells}
    if not problems and whole:
        await changes.set_state(change, "undone")
        failpoints.hit("undo.stored")
    return ChangesUndoResult(state=change.state, problems=problems)


async def _undo_cells(
    target: Target, change: Change, by: str, force: bool, only: Collection[str] | None
) -> list[UndoProblem]:
    found = await target("notebook.read", outputs="none")
    batch = _Batch([cell for cell in found.get("cells") or () if isinstance(cell, Mapping)], force)
    for each in reversed(change.cells):
        if only is None or each.cell in only:
            batch.take_back(each)
    if batch.ops:
        await target("notebook.apply", ops=batch.ops, meta=_meta(change, by))
    return batch.problems


def _meta(change: Change, by: str) -> dict[str, Any]:
    return {"runId": change.run_id, "by": by, "approvalId": change.id, "undo": True}


class _Batch:
    """The operations of one undo, against the notebook as it is and as they leave it."""

    def __init__(self, cells: Sequence[Mapping[str, Any]], force: bool) -> None:
        self._cells = {str(cell["id"]): cell for cell in cells}
        self._order = [str(cell["id"]) for cell in cells]
        self._revs = {str(cell["id"]): _rev(cell) for cell in cells}
        """As the notebook is: the node compares them before the first operation."""
        self._force = force
        self.ops: list[dict[str, Any]] = []
        self.problems: list[UndoProblem] = []

    def take_back(self, change: CellChange) -> None:
        cell = self._cells.get(change.cell)
        if change.op == "delete":
            if cell is None and change.before is not None:
                self._insert(change, change.before)
        elif cell is None:
            if change.op != "insert":  # the person has deleted it since
                self._missing(change)
        elif change.op == "insert":
            if self._as_left(change, cell):
                self.ops.append({"op": "delete", "cell": change.cell, "rev": self._revs[change.cell]})
                self._order.remove(change.cell)
                del self._cells[change.cell]
        elif change.op == "move":
            self._move(change, cell)
        elif change.op == "clear":
            self._uncleared(change, cell)
        elif change.before is not None and not self._is_before(change, cell) and self._as_left(change, cell):
            self._restore(change, cell, change.before)

    def _restore(self, change: CellChange, cell: Mapping[str, Any], before: Mapping[str, Any]) -> None:
        rev = self._revs[change.cell]
        if before.get("type") != cell.get("type"):
            self.ops.append({"op": "type", "cell": change.cell, "rev": rev, "to": before.get("type")})
        if before.get("source") != cell.get("source"):
            self.ops.append({"op": "replace", "cell": change.cell, "rev": rev, "source": before.get("source")})
        # The operation before it, which may be on the same cell, left it so.
        self._cells[change.cell] = {**cell, "type": before.get("type"), "source": before.get("source")}

    def _insert(self, change: CellChange, before: Mapping[str, Any]) -> None:
        index = min(int(before.get("index") or 0), len(self._order))
        after = self._order[index - 1] if index else None
        kept = {
            name: before[name] for name in ("metadata", "outputs", "executionCount") if before.get(name) is not None
        }
        cell = {"id": change.cell, "type": before.get("type"), "source": before.get("source"), **kept}
        self.ops.append({"op": "insert", "after": after, "cell": cell})
        self._order.insert(index, change.cell)
        self._cells[change.cell] = cell
        self._revs.setdefault(change.cell, _rev(cell))

    def _move(self, change: CellChange, cell: Mapping[str, Any]) -> None:
        rest = [id_ for id_ in self._order if id_ != change.cell]
        index = min(int((change.before or {}).get("index") or 0), len(rest))
        if self._order.index(change.cell) == index:
            return
        after = rest[index - 1] if index else None
        self.ops.append({"op": "move", "cell": change.cell, "rev": self._revs[change.cell], "after": after})
        rest.insert(index, change.cell)
        self._order = rest

    def _uncleared(self, change: CellChange, cell: Mapping[str, Any]) -> None:
        """Outputs come back with the cell: there is no other way to give it some."""
        before = change.before or {}
        if not before.get("outputs") or not self._as_left(change, cell):
            return
        index = self._order.index(change.cell)
        self.ops.append({"op": "delete", "cell": change.cell, "rev": self._revs[change.cell]})
        self._order.remove(change.cell)
        self._insert(change, {**before, "source": cell.get("source"), "index": index})

    def _is_before(self, change: CellChange, cell: Mapping[str, Any]) -> bool:
        before = change.before or {}
        return bool(before.get("source") == cell.get("source") and before.get("type") == cell.get("type"))

    def _as_left(self, change: CellChange, cell: Mapping[str, Any]) -> bool:
        """Whether the cell is as the assistant left it, or the person insists; else it is a problem."""
        after = change.after or {}
        if after.get("source") == cell.get("source") or self._force:
            return True
        self.problems.append(
            UndoProblem(
                cell=change.cell,
                now=str(cell.get("source") or ""),
                before=(change.before or {}).get("source"),
                after=after.get("source"),
            )
        )
        return False

    def _missing(self, change: CellChange) -> None:
        if self._force and change.before is not None:
            self._insert(change, change.before)
        elif not self._force:
            before, after = (change.before or {}).get("source"), (change.after or {}).get("source")
            self.problems.append(UndoProblem(cell=change.cell, now=None, before=before, after=after))


def _rev(cell: Mapping[str, Any]) -> str:
    return revision(str(cell.get("source") or ""))


async def _undo_notebook(target: Target, change: Change, by: str, force: bool) -> list[UndoProblem]:
    """Delete a notebook that the change made, unless there is something of the person's in it."""
    try:
        found = await target("notebook.read", outputs="none")
    except NodeFailed as exc:
        if exc.code in _NO_FILE:
            return []
        raise
    cells = [cell for cell in found.get("cells") or () if isinstance(cell, Mapping)]
    left = {each.cell: str((each.after or {}).get("source") or "") for each in change.cells}
    problems = [
        UndoProblem(cell=str(cell["id"]), now=str(cell.get("source") or ""), before=None, after=left.get(cell["id"]))
        for cell in cells
        if cell.get("source") and cell.get("source") != left.get(cell["id"])
    ]
    if problems and not force:
        return problems
    expected = [{"cell": cell["id"], "rev": _rev(cell)} for cell in cells]
    await target("notebook.delete", cells=expected, meta=_meta(change, by))
    return []


async def _undo_file(target: Target, change: Change, force: bool) -> list[UndoProblem]:
    """Put back the text of a file; one that the change made is deleted."""
    file = change.file
    assert file
    try:
        present = await target("file.read", bytes=2_000_000)
    except NodeFailed as exc:
        if exc.code not in _NO_FILE:
            raise
        present = {"text": None, "hash": None}
    now = present.get("text")
    if now == file.before and (now is not None or present.get("hash") is None):
        return []
    if present.get("hash") != file.hash and not force:
        return [UndoProblem(cell="", now=now, before=file.before, after=file.after)]
    if file.before is None:
        await target("file.delete", hash=present.get("hash"))
    else:
        await target("file.write", text=file.before, hash=present.get("hash"))
    return []
