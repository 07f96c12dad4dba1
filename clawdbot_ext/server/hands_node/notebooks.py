"""``notebook.list``, ``read``, ``apply``, ``create``, ``save`` and ``cell.output`` for notebooks that no page of ours
has open.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...protocol.revision import revision
from ..contents import call
from . import cells, outputs, rooms, storage
from .documents import MARK, Document, load
from .errors import HandsError
from .host import JupyterHost
from .sessions import Sessions

MOST_CHARACTERS = 1_000_000
"""Of the sources and outputs of one ``notebook.read``; ``next`` says where to go on."""
MAX_IMAGES = 20
MAX_CREATED_CELLS = 500


class Notebooks:
    """The notebooks of one server."""

    def __init__(self, host: JupyterHost, sessions: Sessions):
        self._host, self._sessions = host, sessions
        self.running: dict[str, set[str]] = {}
        """Path → cells that this node has running or waiting."""

    async def list_notebooks(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """``notebook.list {}``: notebooks with a session, whose kernels run."""
        await self._host.require("read", "sessions")
        found = []
        for session in (await self._sessions.all())[:200]:
            path = session["path"].strip("/")
            try:
                await self._host.path(path)
            except HandsError:
                continue
            found.append(await self._row(path, session.get("kernel")))
        return {"notebooks": found}

    async def _row(self, path: str, kernel: Mapping[str, Any] | None) -> dict[str, Any]:
        room = await rooms.notebook_of(self._host, path)
        described = self._kernel(kernel["id"]) if kernel else None
        return {
            "path": path,
            "current": False,
            "visible": False,
            "dirty": False,
            "readOnly": False,
            "trusted": None,
            "cells": None if room is None else room.cell_number,
            "collaborative": room is not None,
            "open": "room" if room is not None else "maybe" if await self._sessions.maybe_open(path) else "no",
            "language": described["language"] if described else None,
            "kernel": described,
        }

    def _kernel(self, kernel_id: str) -> dict[str, Any] | None:
        try:
            return self._sessions.describe(kernel_id)
        except HandsError:
            return None

    async def _look(self, params: Mapping[str, Any]) -> Document:
        """The document that a command names, to be read. Raises as ``documents.load``."""
        return await load(self._host, await self._host.path(params.get("path")), to_edit=False)

    # -- reading -----------------------------------------------------------------------------------------------------
    async def read(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """``notebook.read {path, cells?, from?, to?, outputs}``."""
        await self._host.require("read", "contents")
        document = await self._look(params)
        detail = params.get("outputs") or "none"
        if detail not in ("none", "brief", "full"):
            raise HandsError("INVALID_REQUEST", "outputs is none, brief or full")
        session = await self._sessions.of(document.path)
        kernel = self._kernel(session["kernel"]["id"]) if session and session.get("kernel") else None
        kernel = kernel or await self._sessions.not_started(kernel_name(document.notebook))
        answer: dict[str, Any] = {
            "path": document.path,
            "nbformat": list(document.format),
            "readOnly": not document.writable,
            "collaborative": document.room is not None,
            "open": "room" if document.room else "maybe" if await self._sessions.maybe_open(document.path) else "no",
            "language": _language(document.notebook, kernel),
            "kernel": kernel,
            "count": len(document.cells),
            "idsInFile": document.keeps_ids,
        }
        if document.hash is not None:
            answer["hash"] = document.hash
        return {**answer, **self._rows(document, _chosen(document, params), detail)}

    def _rows(self, document: Document, chosen: Sequence[int], detail: str) -> dict[str, Any]:
        latest = _latest_before(document)
        running = frozenset(self.running.get(document.path, ()))
        rows: list[dict[str, Any]] = []
        left, images, room = MOST_CHARACTERS, MAX_IMAGES, outputs.PAGE_IMAGE_CHARACTERS
        for index in chosen:
            if left <= 0:
                return {"cells": rows, "next": index}
            cell = document.cells[index]
            metadata = cell.get("metadata") or {}
            row: dict[str, Any] = {
                "id": cell["id"],
                "index": index,
                "type": cell["cell_type"],
                "source": cell["source"],
                "rev": revision(cell["source"]),
                "editable": metadata.get("editable") is not False,
                "executionCount": cell.get("execution_count"),
            }
            if state := document.state(index, latest[index], running):
                row["state"] = state
            if isinstance(metadata.get(MARK), Mapping):
                row["changedBy"] = metadata[MARK]
            if detail != "none" and cell["cell_type"] == "code":
                shown = (outputs.brief if detail == "brief" else outputs.full)(cell.get("outputs") or ())
                for output in shown:
                    if size := outputs.image_size(output):
                        if not images or size > room:
                            del output["image"]
                        else:
                            images, room = images - 1, room - size
                row["outputs"] = shown
                left -= sum(len(output.get("text", "")) for output in shown)
            left -= len(cell["source"])
            rows.append(row)
        return {"cells": rows}

    async def cell_output(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """``cell.output {path, cell, page}``; pages count from 0."""
        await self._host.require("read", "contents")
        document = await self._look(params)
        page = params.get("page") or 0
        cell = document.cells[document.index_of(str(params.get("cell")))]
        all_pages = outputs.pages(cell.get("outputs") or ())
        if not isinstance(page, int) or not 0 <= page < len(all_pages):
            raise HandsError("INVALID_REQUEST", f"page is a number from 0 to {len(all_pages) - 1}")
        return {"outputs": all_pages[page], "pages": len(all_pages)}

    # -- changing ----------------------------------------------------------------------------------------------------
    async def apply(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """``notebook.apply {path, ops, meta}``: one batch, whole or not at all."""
        await self._host.require("write", "contents")
        path = await self._host.path(params.get("path"))
        operations, mark = cells.parse(params.get("ops")), _mark(params.get("meta"))
        async with self._host.lock(path):
            document = await load(self._host, path)
            await self.refuse_if_open(document)
            changes = await document.edit(operations, mark)
        answer = {"changes": changes, "dirty": False, "idsInFile": document.keeps_ids}
        return answer if document.hash is None else {**answer, "hash": document.hash}

    async def refuse_if_open(self, document: Document) -> None:
        """Raise ``MAYBE_OPEN`` where a page may have the file open: what is written under it is lost or loses work."""
        if document.room is None and await self._sessions.maybe_open(document.path):
            raise HandsError(
                "MAYBE_OPEN",
                f"{document.path} has a session, so a page without this extension may have it open; "
                "a file is not changed under an open document",
                path=document.path,
            )

    async def create(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """``notebook.create {path, kernelName?, cells?}``."""
        import nbformat

        await self._host.require("write", "contents")
        path = await self._host.path(params.get("path"))
        if not path.endswith(".ipynb") or path.rpartition("/")[2] == ".ipynb":
            raise HandsError("INVALID_REQUEST", "the path of a notebook ends with .ipynb")
        parent = path.rpartition("/")[0]
        if parent and not await call(self._host.contents.dir_exists, parent):
            raise HandsError("NOT_FOUND", f"no such directory: {parent}")
        given = params.get("cells") or []
        if not isinstance(given, list) or len(given) > MAX_CREATED_CELLS:
            raise HandsError("INVALID_REQUEST", f"at most {MAX_CREATED_CELLS} cells are created")
        inserts = [{"op": "insert", "after": "end", "cell": cell} for cell in given]
        made = cells.PlainCells([])
        if inserts:
            cells.apply(made, cells.parse(inserts), _mark(params.get("meta")))
        metadata = await self._metadata(params.get("kernelName"))
        notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": made.cells}
        try:
            nbformat.validate(notebook)
        except nbformat.ValidationError as exc:
            raise HandsError("INVALID_NOTEBOOK", f"the notebook would not be valid: {exc}"[:500]) from exc
        async with self._host.lock(path):
            if await storage.exists(self._host, path):
                raise HandsError("EXISTS", f"{path} exists already", path=path)
            node = nbformat.from_dict(notebook)  # type: ignore[no-untyped-call]
            hash_ = await storage.save(self._host, path, {"type": "notebook", "format": "json", "content": node})
        return {"path": path, "hash": hash_}

    async def delete(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """``notebook.delete {path, cells}``: a notebook that has exactly these cells (id and rev) still."""
        await self._host.require("write", "contents")
        path = await self._host.path(params.get("path"))
        expected = params.get("cells")
        if not isinstance(expected, list) or not all(isinstance(each, Mapping) for each in expected):
            raise HandsError("INVALID_REQUEST", "cells is the list of the notebook's cells, with cell and rev")
        async with self._host.lock(path):
            document = await load(self._host, path)
            if document.room is not None:
                raise HandsError("MAYBE_OPEN", f"{path} is open in a page; it is not deleted under it", path=path)
            await self.refuse_if_open(document)
            now = [(cell["id"], revision(cell["source"])) for cell in document.cells]
            if now != [(each.get("cell"), each.get("rev")) for each in expected]:
                raise HandsError("CONFLICT", f"{path} was changed meanwhile; read it again", conflicts=[])
            if await self._sessions.of(path) is not None:
                await self._host.require("write", "sessions")
            await storage.delete(self._host, path)
            await self._sessions.end(path)  # only now: a notebook that cannot be deleted keeps its kernel
        return {"path": path}

    async def _metadata(self, name: Any) -> dict[str, Any]:
        manager = self._host.app.kernel_spec_manager
        name = name or self._host.kernels.default_kernel_name
        specs = manager.find_kernel_specs()
        if not isinstance(name, str) or name not in specs:
            raise HandsError("NO_KERNEL", f"there is no kernel {name} on this server", kernels=sorted(specs)[:50])
        spec = manager.get_kernel_spec(name)
        return {"kernelspec": {"name": name, "display_name": spec.display_name, "language": spec.language}}

    async def save(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """``notebook.save {path}``: what is changed here is saved at once, and a room saves itself."""
        await self._host.path(params.get("path"))
        return {"dirty": False}


def _chosen(document: Document, params: Mapping[str, Any]) -> list[int]:
    """The indexes of the cells that a read asks for. Raises ``NO_SUCH_CELL``, ``INVALID_REQUEST``."""
    wanted = params.get("cells")
    if wanted is not None:
        if not isinstance(wanted, list):
            raise HandsError("INVALID_REQUEST", "cells is a list of ids")
        return [document.index_of(str(cell)) for cell in wanted[:1000]]
    start, end = params.get("from") or 0, params.get("to")
    if not isinstance(start, int) or not (end is None or isinstance(end, int)):
        raise HandsError("INVALID_REQUEST", "from and to are numbers")
    return list(range(len(document.cells)))[max(start, 0) : end if end is None else max(end, 0)]


def _latest_before(document: Document) -> list[int]:
    """For each cell the highest execution count of the cells above it."""
    found, highest = [], 0
    for cell in document.cells:
        found.append(highest)
        count = cell.get("execution_count")
        highest = max(highest, count) if isinstance(count, int) else highest
    return found


def kernel_name(notebook: Mapping[str, Any]) -> str | None:
    """The kernel that a notebook wants."""
    name = ((notebook.get("metadata") or {}).get("kernelspec") or {}).get("name")
    return name if isinstance(name, str) else None


def _language(notebook: Mapping[str, Any], kernel: Mapping[str, Any] | None) -> str | None:
    metadata = notebook.get("metadata") or {}
    told = (metadata.get("language_info") or {}).get("name") or (metadata.get("kernelspec") or {}).get("language")
    return told or (kernel["language"] if kernel else None) or None


def _mark(meta: Any) -> dict[str, Any] | None:
    """``metadata.clawdbot`` for the run that a batch is of."""
    if not isinstance(meta, Mapping) or not meta.get("runId"):
        return None
    names = {"runId": "run", "by": "by", "approvalId": "approval"}
    return {short: str(meta[name])[:200] for name, short in names.items() if meta.get(name)}
