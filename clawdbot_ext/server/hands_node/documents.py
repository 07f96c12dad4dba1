"""A notebook that no page of ours has open: in its file, or in the room where people edit it together."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...protocol.revision import revision
from . import rooms, storage
from .cells import Cell, Operation, PlainCells, apply, check
from .errors import HandsError
from .host import JupyterHost
from .outputs import joined
from .records import Record, aligned

MARK = "clawdbot"


@dataclass
class Document:
    """One notebook as it was at the time of loading, and how to change it."""

    host: JupyterHost
    path: str
    notebook: dict[str, Any]
    """nbformat's dictionary; its cells have ids and whole texts."""
    record: Record
    writable: bool
    hash: str | None
    """Of the file; ``None``: it is in a room."""
    model: dict[str, Any]
    room: Any = None

    @property
    def cells(self) -> list[Cell]:
        cells: list[Cell] = self.notebook["cells"]
        return cells

    @property
    def format(self) -> tuple[int, int]:
        return int(self.notebook["nbformat"]), int(self.notebook["nbformat_minor"])

    @property
    def keeps_ids(self) -> bool:
        """Whether the file has ids of cells; before nbformat 4.5 they are in the node's own record."""
        return self.format >= (4, 5)

    def index_of(self, cell: str) -> int:
        """The index of a cell. Raises ``NO_SUCH_CELL``."""
        for index, each in enumerate(self.cells):
            if each["id"] == cell:
                return index
        raise HandsError("NO_SUCH_CELL", f"there is no cell {cell} in {self.path}", cell=cell)

    def state(self, index: int, latest: int, running: frozenset[str] = frozenset()) -> str | None:
        """Relation of a code cell's outputs to its source; ``latest``: the highest number of the code cells before."""
        cell = self.cells[index]
        if cell["cell_type"] != "code":
            return None
        if cell["id"] in running:
            return "running"
        count = cell.get("execution_count")
        if not isinstance(count, int) and not cell.get("outputs"):
            return "never"
        if self.record.ran.get(cell["id"], rev := revision(cell["source"])) != rev:
            return "edited"
        return "stale" if isinstance(count, int) and count < latest else "ran"

    # -- changing ----------------------------------------------------------------------------------------------------
    async def edit(self, operations: Sequence[Operation], mark: Mapping[str, Any] | None) -> list[dict[str, Any]]:
        """Check and carry out a batch, and save. The caller holds the lock. Raises ``HandsError`` if not."""
        self._require_writable()
        check(self.cells, operations)
        tried = PlainCells([dict(cell) for cell in self.cells])
        changes = apply(tried, operations, mark)
        if self.room is not None:
            changes = self._in_room(lambda cells: apply(cells, operations, mark))
        else:
            await self._save(tried.cells, copies=True)
        ran = {
            cell["id"]: revision(cell["source"]) for cell in self.cells if isinstance(cell.get("execution_count"), int)
        }
        self.record.ran = {**ran, **self.record.ran}
        self.notebook = {**self.notebook, "cells": tried.cells}
        await self._remember()
        return changes

    async def put_outputs(
        self, cell: str, rev: str, outputs: Sequence[Mapping[str, Any]], execution_count: int | None
    ) -> None:
        """Write what an execution gave into its cell, if that still has the source that was run.

        Raises:
            HandsError: ``CONFLICT``, ``READ_ONLY``, ``NO_SUCH_CELL``.
        """
        self._require_writable()
        index = self.index_of(cell)
        if revision(self.cells[index]["source"]) != rev:
            raise HandsError("CONFLICT", f"cell {cell} was changed while it ran", conflicts=[{"cell": cell}])
        plain = PlainCells([dict(each) for each in self.cells])
        if self.room is not None:
            self._in_room(lambda cells: cells.put_outputs(index, outputs, execution_count))
            plain.put_outputs(index, outputs, execution_count)
        else:
            plain.put_outputs(index, outputs, execution_count)
            plain.put_metadata(index, "trusted", True)  # as when a person runs it: signed with the notebook, not stored
            await self._save(plain.cells, copies=True)
        self.notebook = {**self.notebook, "cells": plain.cells}
        self.record.ran[cell] = rev
        await self._remember()

    def _require_writable(self) -> None:
        if not self.writable:
            raise HandsError("READ_ONLY", f"{self.path} is read-only")
        if (old := self.notebook.get("metadata", {}).get("orig_nbformat")) is not None and self.room is None:
            raise HandsError(
                "READ_ONLY",
                f"{self.path} is in notebook format {old}; saving would convert it: save it in Jupyter first",
            )

    async def _save(self, cells: list[Cell], *, copies: bool) -> None:
        import nbformat

        kept = cells if self.keeps_ids else [{k: v for k, v in cell.items() if k != "id"} for cell in cells]
        notebook = nbformat.from_dict({**self.notebook, "cells": kept})  # type: ignore[no-untyped-call]
        try:
            await asyncio.to_thread(nbformat.validate, notebook)
        except nbformat.ValidationError as exc:
            raise HandsError("INVALID_NOTEBOOK", f"{self.path} would not be a valid notebook: {exc}"[:500]) from exc
        if copies:
            await self._copy()
        now = await storage.get(self.host, self.path, content=False, type="notebook")
        if now["hash"] != self.hash:
            raise HandsError("CONFLICT", f"{self.path} was changed on disk meanwhile; read it again", conflicts=[])
        model = {"type": "notebook", "format": "json", "content": notebook}
        self.hash = await storage.save(self.host, self.path, model)
        self.record.written.append(self.hash)

    async def _copy(self) -> None:
        """Keep the file as it was before the assistant's first edit. Raises ``FAILED``: then nothing is edited."""
        local: Path | None = await self.host.local(self.path)
        text = None if local is not None else json.dumps(self.model["content"]).encode()

        def copy() -> None:
            data = text if text is not None else local.read_bytes() if local is not None else b""
            self.record.copy_before_edit(self.path.rpartition("/")[2], data, self.hash or "")

        try:
            await asyncio.to_thread(copy)
        except OSError as exc:
            raise HandsError("FAILED", f"no copy of {self.path} could be kept, so it is not edited: {exc}") from exc

    def _in_room(self, change: Any) -> Any:
        """Change the shared document in one transaction, without a pause in which another could come between."""
        cells = RoomCells(self.room)
        if [(cell["id"], cell["source"]) for cell in cells.all()] != [(c["id"], c["source"]) for c in self.cells]:
            raise HandsError("CONFLICT", f"{self.path} was changed meanwhile; read it again", conflicts=[])
        with self.room.ydoc.transaction(origin=rooms.ORIGIN):
            return change(cells)

    async def _remember(self) -> None:
        ids = {cell["id"] for cell in self.cells}
        self.record.ran = {id_: rev for id_, rev in self.record.ran.items() if id_ in ids}
        self.record.ids = [] if self.keeps_ids else [(cell["id"], revision(cell["source"])) for cell in self.cells]
        await asyncio.to_thread(self.record.save)


class RoomCells:
    """The cells of a shared notebook."""

    def __init__(self, room: Any):
        self._room = room

    def all(self) -> list[Cell]:
        return [_whole(self._room.get_cell(index), self._id(index)) for index in range(self._room.cell_number)]

    def _id(self, index: int) -> str:
        return str(self._room.ycells[index]["id"])

    def insert(self, index: int, cell: Cell) -> None:
        self._room.ycells.insert(index, self._room.create_ycell(cell))

    def remove(self, index: int) -> None:
        del self._room.ycells[index]

    def put_source(self, index: int, source: str) -> None:
        rooms.put_text(self._room.ycells[index]["source"], source)

    def put_metadata(self, index: int, name: str, value: Any) -> None:
        self._room.ycells[index]["metadata"][name] = value

    def put_outputs(self, index: int, outputs: Sequence[Mapping[str, Any]], execution_count: int | None) -> None:
        cell = self._room.ycells[index]
        shared, shared_map, shared_text = cell["outputs"], type(cell), type(cell["source"])
        shared.clear()
        for output in outputs:
            made = dict(output)
            if output.get("output_type") == "stream":
                made["text"] = shared_text(joined(output.get("text")))
            shared.append(shared_map(made))
        cell["execution_count"] = execution_count


async def load(host: JupyterHost, path: str, *, to_edit: bool = True) -> Document:
    """Load the notebook at a path that ``host.path`` has let pass: from its room if there is one.

    Args:
        to_edit: with all that saving it needs; else it is read faster.

    Raises:
        HandsError: as ``storage.get_notebook``.
    """
    room = await rooms.notebook_of(host, path)
    root = str(getattr(host.contents, "root_dir", ""))
    record = await asyncio.to_thread(Record.load, host.folder, root, path)
    if room is not None:
        notebook = room.get()
        cells = RoomCells(room).all()
        notebook = {**notebook, "cells": cells, "nbformat": notebook["nbformat"] or 4}
        return Document(host, path, notebook, record, True, None, {}, room)
    model = await (storage.get_notebook if to_edit else storage.look_at_notebook)(host, path)
    content = model["content"]
    cells = [_whole(cell, cell.get("id")) for cell in content["cells"]]
    document = Document(
        host, path, {**content, "cells": cells}, record, bool(model.get("writable", True)), model["hash"], model
    )
    if not document.keeps_ids:
        revisions = [revision(cell["source"]) for cell in cells]
        ids = aligned(record.ids, revisions)
        for cell, id_ in zip(cells, ids, strict=True):
            cell["id"] = id_
        if record.ids != (now := list(zip(ids, revisions, strict=True))):
            record.ids = now
            await asyncio.to_thread(record.save)
    return document


def _whole(cell: Mapping[str, Any], id_: Any) -> Cell:
    return {**cell, "id": str(id_ or ""), "source": joined(cell.get("source"))}
