"""A batch of edits of cells: checked as a whole, then carried out on a list of cells. Knows no file and no room.

A cell is nbformat's dictionary with its source as one text and with an id.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Protocol

import msgspec
from msgspec import Meta

from ...protocol.revision import revision
from .errors import HandsError

Cell = dict[str, Any]
CellType = Literal["code", "markdown", "raw"]
Name = Annotated[str, Meta(min_length=1, max_length=64)]
MAX_OPERATIONS = 500
MAX_SOURCE = 2_000_000


class NewCell(msgspec.Struct):
    """A cell that is inserted; an undo gives a deleted one back with its id, metadata, outputs and number."""

    type: CellType = "code"
    source: Annotated[str, Meta(max_length=MAX_SOURCE)] = ""
    id: Name | None = None
    metadata: dict[str, Any] | None = None
    outputs: list[dict[str, Any]] | None = None
    execution_count: int | None = msgspec.field(default=None, name="executionCount")
    attachments: dict[str, Any] | None = None


class Insert(msgspec.Struct, tag_field="op", tag="insert"):
    after: str | None
    """``None``: at the top; ``end``."""
    cell: NewCell


class _OfCell(msgspec.Struct, tag_field="op"):
    cell: Name
    rev: str
    """Revision of the source that the edit was made for."""


class Replace(_OfCell, tag_field="op", tag="replace"):
    source: Annotated[str, Meta(max_length=MAX_SOURCE)]


class Move(_OfCell, tag_field="op", tag="move"):
    after: str | None


class Delete(_OfCell, tag_field="op", tag="delete"):
    pass


class Type(_OfCell, tag_field="op", tag="type"):
    to: CellType


class Clear(_OfCell, tag_field="op", tag="clear"):
    pass


Operation = Insert | Replace | Move | Delete | Type | Clear


class CellList(Protocol):
    """The cells of a document, one after the other; every change takes effect at once."""

    def all(self) -> list[Cell]:
        """All cells: dictionaries of their own, whose values are not changed in place."""

    def insert(self, index: int, cell: Cell) -> None: ...
    def remove(self, index: int) -> None: ...
    def put_source(self, index: int, source: str) -> None: ...
    def put_metadata(self, index: int, name: str, value: Any) -> None: ...
    def put_outputs(self, index: int, outputs: Sequence[Mapping[str, Any]], execution_count: int | None) -> None: ...


class PlainCells:
    """Cells in a list, which is changed in place; values of cells are replaced, never changed."""

    def __init__(self, cells: list[Cell]):
        self.cells = cells

    def all(self) -> list[Cell]:
        return [dict(cell) for cell in self.cells]

    def insert(self, index: int, cell: Cell) -> None:
        self.cells.insert(index, dict(cell))

    def remove(self, index: int) -> None:
        del self.cells[index]

    def put_source(self, index: int, source: str) -> None:
        self.cells[index]["source"] = source

    def put_metadata(self, index: int, name: str, value: Any) -> None:
        self.cells[index]["metadata"] = {**(self.cells[index].get("metadata") or {}), name: value}

    def put_outputs(self, index: int, outputs: Sequence[Mapping[str, Any]], execution_count: int | None) -> None:
        self.cells[index]["outputs"] = list(outputs)
        self.cells[index]["execution_count"] = execution_count


def parse(operations: Any) -> list[Operation]:
    """The operations of a request. Raises ``INVALID_REQUEST``."""
    try:
        parsed = msgspec.convert(operations, list[Operation])
    except msgspec.ValidationError as exc:
        raise HandsError("INVALID_REQUEST", f"ops: {exc}") from exc
    if not 0 < len(parsed) <= MAX_OPERATIONS:
        raise HandsError("INVALID_REQUEST", f"a batch has 1 to {MAX_OPERATIONS} operations")
    return parsed


def check(cells: Sequence[Cell], operations: Sequence[Operation]) -> None:
    """Check a batch against the cells as they are, before anything is changed.

    Raises:
        HandsError: ``CONFLICT`` with the present text of every cell that has another revision, ``null`` for one that is
            not there; ``NOT_EDITABLE``; ``NO_SUCH_CELL`` for a place.
    """
    known = {cell["id"]: cell for cell in cells}
    made = {op.cell.id for op in operations if isinstance(op, Insert) and op.cell.id}
    conflicts: dict[str, dict[str, Any]] = {}
    for op in operations:
        if isinstance(op, Insert):
            continue
        cell = known.get(op.cell)
        if cell is None and op.cell in made:
            continue
        if cell is None:
            conflicts[op.cell] = {"cell": op.cell, "rev": None, "source": None}
        elif (rev := revision(cell["source"])) != op.rev and not _made_before(op, operations):
            conflicts[op.cell] = {"cell": op.cell, "rev": rev, "source": cell["source"]}
    if conflicts:
        raise HandsError(
            "CONFLICT",
            f"nothing was changed: {len(conflicts)} of the cells were changed or removed since they were read",
            conflicts=list(conflicts.values()),
        )
    for op in operations:
        if isinstance(op, Insert | Move) and op.after not in (None, "end") and op.after not in known.keys() | made:
            raise HandsError("NO_SUCH_CELL", f"nothing was changed: there is no cell {op.after}", cell=op.after)
        if not isinstance(op, Insert) and op.cell in known and not _allowed(op, known[op.cell].get("metadata") or {}):
            raise HandsError("NOT_EDITABLE", f"nothing was changed: cell {op.cell} is locked", cell=op.cell)


def _made_before(op: Operation, operations: Sequence[Operation]) -> bool:
    """Whether an earlier operation of the batch gives the cell the revision that this one was made for."""
    for other in operations:
        if other is op:
            return False
        if isinstance(other, Replace) and not isinstance(op, Insert) and other.cell == op.cell:
            return revision(other.source) == op.rev
    return False


def _allowed(op: Operation, metadata: Mapping[str, Any]) -> bool:
    if isinstance(op, Delete):
        return metadata.get("deletable") is not False
    return not isinstance(op, Replace | Type) or metadata.get("editable") is not False


def apply(cells: CellList, operations: Sequence[Operation], mark: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Carry out a batch that ``check`` has let pass; the changes, in the order of the operations.

    Args:
        mark: ``metadata.clawdbot`` of the cells that the batch makes or changes.

    Raises:
        HandsError: ``NO_SUCH_CELL`` for a cell that an operation before removed; some operations are carried out then,
            so a batch is tried on a copy first.
    """
    renamed: dict[str, str] = {}
    changes = []
    for op in operations:
        now = cells.all()
        index_of = {cell["id"]: index for index, cell in enumerate(now)}
        if isinstance(op, Insert):
            changes.append(_insert(cells, op, index_of, renamed, mark))
            continue
        id_ = renamed.get(op.cell, op.cell)
        if id_ not in index_of:
            raise HandsError("NO_SUCH_CELL", f"nothing was changed: cell {op.cell} is removed before", cell=op.cell)
        index = index_of[id_]
        before = now[index]
        new_index = _carry_out(cells, op, index, before, index_of, renamed)
        if mark is not None and new_index is not None and not isinstance(op, Move):
            cells.put_metadata(new_index, "clawdbot", dict(mark))
        after = None if new_index is None else cells.all()[new_index]
        changes.append(
            {
                "op": op.__struct_config__.tag,
                "cell": id_,
                "index": index if new_index is None else new_index,
                "before": _before(before, index),
                "after": None if after is None or new_index is None else _after(after, new_index),
            }
        )
    return changes


def _insert(
    cells: CellList,
    op: Insert,
    index_of: Mapping[str, int],
    renamed: dict[str, str],
    mark: Mapping[str, Any] | None,
) -> dict[str, Any]:
    wanted, given = op.cell.id, op.cell
    id_ = wanted if wanted and wanted not in index_of else uuid.uuid4().hex[:8]
    if wanted:
        renamed[wanted] = id_
    index = _place(op.after, index_of, renamed)
    metadata = {**(given.metadata or {}), **({"clawdbot": dict(mark)} if mark is not None else {})}
    metadata.pop("trusted", None)  # what a cell shows is trusted when it has run, never because a message says so
    cell: Cell = {"cell_type": given.type, "id": id_, "metadata": metadata, "source": given.source}
    if given.type == "code":
        cell |= {"outputs": given.outputs or [], "execution_count": given.execution_count}
    elif given.attachments:
        cell["attachments"] = given.attachments
    cells.insert(index, cell)
    change = {"op": "insert", "cell": wanted or id_, "index": index, "before": None, "after": _after(cell, index)}
    return change if wanted in (None, id_) else {**change, "newId": id_}


def _place(after: str | None, index_of: Mapping[str, int], renamed: Mapping[str, str]) -> int:
    if after is None:
        return 0
    id_ = renamed.get(after, after)
    if id_ in index_of:
        return index_of[id_] + 1
    if after == "end":
        return len(index_of)
    raise HandsError("NO_SUCH_CELL", f"nothing was changed: there is no cell {after} any more", cell=after)


def _carry_out(
    cells: CellList,
    op: Replace | Move | Delete | Type | Clear,
    index: int,
    cell: Cell,
    index_of: Mapping[str, int],
    renamed: Mapping[str, str],
) -> int | None:
    """Carry out one operation on the cell at ``index``; its index afterwards, ``None`` if it is gone."""
    if isinstance(op, Replace):
        cells.put_source(index, op.source)
    elif isinstance(op, Delete):
        cells.remove(index)
        return None
    elif isinstance(op, Clear):
        if cell["cell_type"] == "code":
            cells.put_outputs(index, [], None)
    elif isinstance(op, Type):
        if op.to != cell["cell_type"]:
            cells.remove(index)
            cells.insert(index, _of_type(cell, op.to))
    else:
        place = _place(op.after, index_of, renamed)
        place -= 1 if place > index else 0
        if place != index:
            cells.remove(index)
            cells.insert(place, cell)
        return place
    return index


def _of_type(cell: Cell, to: CellType) -> Cell:
    made = {name: value for name, value in cell.items() if name not in ("outputs", "execution_count", "attachments")}
    made["cell_type"] = to
    if to == "code":
        made |= {"outputs": [], "execution_count": None}
    elif cell.get("attachments"):
        made["attachments"] = cell["attachments"]
    return made


def _before(cell: Cell, index: int) -> dict[str, Any]:
    facts = {
        "source": cell["source"],
        "type": cell["cell_type"],
        "index": index,
        "metadata": cell.get("metadata") or {},
        "outputs": cell.get("outputs") or [],
        "executionCount": cell.get("execution_count"),
    }
    return {**facts, "attachments": cell["attachments"]} if cell.get("attachments") else facts


def _after(cell: Cell, index: int) -> dict[str, Any]:
    source = cell["source"]
    return {"source": source, "type": cell["cell_type"], "index": index, "rev": revision(source)}
