"""A notebook node for tests: a real WebSocket client that speaks the commands over notebooks in memory.

The notebooks are the oracle: everything that was applied or run is written down with the permission it came with. The
person's own typing is ``Notebook.type``.

Code is obeyed by its words: ``wait`` runs until it is interrupted or ``release`` is called, ``input`` asks, ``raise``
fails, ``restart`` restarts the kernel meanwhile; anything else prints itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from clawdbot_ext.protocol.revision import revision
from tests.support.wire import Wire, opened

PAGE_COMMANDS = (
    "notebook.list",
    "notebook.read",
    "cell.output",
    "notebook.apply",
    "notebook.run",
    "notebook.interrupt",
    "notebook.save",
    "notebook.create",
    "notebook.delete",
    "kernel.restart",
    "kernel.input",
    "kernel.execute",
    "kernel.variables",
    "kernel.inspect",
    "kernel.docs",
    "kernel.packages",
    "kernel.try",
    "notebook.reveal",
)
SERVER_COMMANDS = (*PAGE_COMMANDS, "file.list", "file.read", "file.write", "file.delete", "file.search")


class CommandError(Exception):
    def __init__(self, code: str, message: str = "", **facts: Any):
        super().__init__(code)
        self.wire = {"code": code, "message": message or code, **facts}


@dataclass
class Cell:
    id: str
    type: str
    source: str
    outputs: list[dict[str, Any]] = field(default_factory=list)
    count: int | None = None
    ran: str | None = None
    """The source that it was last run with."""
    metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def rev(self) -> str:
        return revision(self.source)

    @property
    def state(self) -> str:
        return "never" if self.ran is None else "ran" if self.ran == self.source else "edited"


@dataclass
class Notebook:
    path: str
    cells: list[Cell]
    kernel_id: str = "k1"
    restarts: int = 0
    language: str = "python"
    read_only: bool = False
    counter: int = 0

    def find(self, id_: str) -> Cell:
        for cell in self.cells:
            if cell.id == id_:
                return cell
        raise CommandError("NO_SUCH_CELL", cell=id_)

    def type(self, id_: str, source: str) -> None:
        """The person types."""
        self.find(id_).source = source

    @property
    def kernel(self) -> dict[str, Any]:
        facts = {"id": self.kernel_id, "name": "python3", "displayName": "Python 3", "status": "idle"}
        return {**facts, "restarts": self.restarts, "language": self.language}

    def sources(self) -> list[str]:
        return [cell.source for cell in self.cells]


def notebook(path: str, *sources: str) -> Notebook:
    """A notebook of code cells ``c0``, ``c1`` …"""
    return Notebook(path, [Cell(f"c{index}", "code", source) for index, source in enumerate(sources)])


class NotebookNode:
    """The node. ``applied``, ``ran`` and ``written`` are what it did, oldest first."""

    def __init__(self, notebooks: Sequence[Notebook] = (), files: Mapping[str, str] | None = None):
        self.notebooks = {each.path: each for each in notebooks}
        self.files = dict(files or {})
        self.applied: list[dict[str, Any]] = []
        self.ran: list[dict[str, Any]] = []
        self.written: list[dict[str, Any]] = []
        self.commands: list[str] = []
        self.interrupts = 0
        self.cancelled: list[str] = []
        self.inputs: dict[str, asyncio.Future[str]] = {}
        self.started = asyncio.Event()
        """Set once a cell that waits has begun."""
        self.released = asyncio.Event()
        self.interrupted = asyncio.Event()
        self.before_answer: dict[str, Any] = {}
        """Command → a function called once it is done and before it is answered."""
        self._wire: Wire | None = None
        self._node_id = ""
        self.instance = ""
        self._tasks: dict[str, asyncio.Task[None]] = {}

    @asynccontextmanager
    async def connected(
        self, url: str, token: str, *, instance: str = "", server: bool = False, of: str = ""
    ) -> AsyncIterator[NotebookNode]:
        """Connected to a gateway until the block is left; ``of``: the server that a page says it came from."""
        self._node_id = self.instance = instance or uuid.uuid4().hex
        async with opened(url) as wire:
            self._wire = wire
            wire.taps.append(self._heard)
            wire.start()
            await wire.wait("connect.challenge")
            await wire.call(
                "connect",
                {
                    "minProtocol": 3,
                    "maxProtocol": 3,
                    "role": "node",
                    "caps": ["notebook"],
                    "commands": list(SERVER_COMMANDS if server else PAGE_COMMANDS),
                    "client": {
                        "id": "jupyter-server" if server else "jupyterlab-hands",
                        "version": "1",
                        "platform": "test",
                        "mode": "node",
                        "instanceId": self._node_id,
                        "displayName": "Jupyter Server" if server else "JupyterLab",
                        "serverId": of,
                    },
                    "auth": {"token": token},
                },
            )
            try:
                yield self
            finally:
                for task in self._tasks.values():
                    task.cancel()

    async def drop(self) -> None:
        """Lose the connection at once, as a page that is closed."""
        assert self._wire is not None
        self._wire.socket.transport.abort()

    def _heard(self, frame: dict[str, Any]) -> None:
        payload = frame["payload"]
        if frame["event"] == "node.invoke.request":
            task = asyncio.create_task(self._invoked(payload))
            self._tasks[payload["id"]] = task
            task.add_done_callback(lambda _: self._tasks.pop(payload["id"], None))
        elif frame["event"] == "node.invoke.cancel":
            self.cancelled.append(payload["id"])
            if task := self._tasks.get(payload["id"]):
                task.cancel()

    async def _invoked(self, payload: dict[str, Any]) -> None:
        assert self._wire is not None
        command, params = payload["command"], json.loads(payload["paramsJSON"])
        self.commands.append(command)
        try:
            method = getattr(self, "_" + command.replace(".", "_"))
            result = await method(params, payload["id"])
            answer: dict[str, Any] = {"ok": True, "payloadJSON": json.dumps(result)}
        except CommandError as exc:
            answer = {"ok": False, "error": exc.wire}
        if hook := self.before_answer.get(command):
            await hook()
        with contextlib.suppress(Exception):
            await self._wire.call("node.invoke.result", {"id": payload["id"], "nodeId": self._node_id, **answer})

    async def _progress(self, id_: str, **data: Any) -> None:
        assert self._wire is not None
        payload = json.dumps({"id": id_, "data": data})
        await self._wire.call("node.event", {"event": "node.progress", "payloadJSON": payload})

    def _at(self, params: Mapping[str, Any]) -> Notebook:
        found = self.notebooks.get(params["path"])
        if found is None:
            raise CommandError("NOT_OPEN")
        return found

    # -- reading ------------------------------------------------------------------------------------------------------
    async def _notebook_list(self, params: Any, id_: str) -> Any:
        rows = [
            {
                "path": each.path,
                "current": True,
                "visible": True,
                "dirty": False,
                "readOnly": each.read_only,
                "trusted": True,
                "cells": len(each.cells),
                "collaborative": False,
                "language": each.language,
                "kernel": each.kernel,
            }
            for each in self.notebooks.values()
        ]
        return {"notebooks": rows}

    async def _notebook_read(self, params: Any, id_: str) -> Any:
        found = self._at(params)
        rows = []
        for index, cell in enumerate(found.cells):
            if "cells" in params and cell.id not in params["cells"]:
                continue
            if not params.get("from", 0) <= index < params.get("to", len(found.cells)):
                continue
            row: dict[str, Any] = {
                "id": cell.id,
                "index": index,
                "type": cell.type,
                "source": cell.source,
                "rev": cell.rev,
                "editable": True,
                "executionCount": cell.count,
                "state": cell.state,
            }
            if params["outputs"] != "none":
                row["outputs"] = cell.outputs
            rows.append(row)
        return {
            "path": found.path,
            "nbformat": [4, 5],
            "readOnly": found.read_only,
            "kernel": found.kernel,
            "language": found.language,
            "cells": rows,
        }

    async def _cell_output(self, params: Any, id_: str) -> Any:
        return {"outputs": self._at(params).find(params["cell"]).outputs, "pages": 1}

    async def _kernel_variables(self, params: Any, id_: str) -> Any:
        return {"variables": [{"name": "df", "type": "DataFrame"}]}

    async def _kernel_inspect(self, params: Any, id_: str) -> Any:
        return {"text": f"{params['name']} is 1"}

    async def _kernel_docs(self, params: Any, id_: str) -> Any:
        return {"text": f"{params['name']}(x)"}

    async def _kernel_packages(self, params: Any, id_: str) -> Any:
        return {"packages": [{"name": "numpy", "version": "2.4"}]}

    # -- editing ------------------------------------------------------------------------------------------------------
    async def _notebook_apply(self, params: Any, id_: str) -> Any:
        found = self._at(params)
        if found.read_only:
            raise CommandError("READ_ONLY")
        ids = {cell.id: cell for cell in found.cells}
        conflicts = [
            {
                "cell": op["cell"],
                "rev": ids[op["cell"]].rev if op["cell"] in ids else None,
                "source": ids[op["cell"]].source if op["cell"] in ids else None,
            }
            for op in params["ops"]
            if op["op"] != "insert" and (op["cell"] not in ids or ids[op["cell"]].rev != op["rev"])
        ]
        if conflicts:
            raise CommandError("CONFLICT", conflicts=conflicts)
        self.applied.append(
            {"ops": params["ops"], "meta": params["meta"], "path": found.path, "before": found.sources()}
        )
        changes = [self._apply(found, op) for op in params["ops"]]
        self.applied[-1]["after"] = found.sources()
        return {"changes": changes, "dirty": True}

    def _apply(self, found: Notebook, op: Mapping[str, Any]) -> dict[str, Any]:
        if op["op"] == "insert":
            given = op["cell"]
            cell = Cell(given.get("id") or uuid.uuid4().hex[:8], given["type"], given["source"])
            cell.outputs, cell.count = list(given.get("outputs") or []), given.get("executionCount")
            index = self._place(found, op["after"])
            found.cells.insert(index, cell)
            return {"op": "insert", "cell": cell.id, "index": index, "before": None, "after": _shown(cell, index)}
        cell = found.find(op["cell"])
        index = found.cells.index(cell)
        before = _shown(cell, index) | {
            "metadata": cell.metadata,
            "outputs": list(cell.outputs),
            "executionCount": cell.count,
        }
        if op["op"] == "delete":
            found.cells.remove(cell)
            return {"op": "delete", "cell": cell.id, "index": index, "before": before, "after": None}
        if op["op"] == "replace":
            cell.source = op["source"]
        elif op["op"] == "type":
            cell.type = op["to"]
        elif op["op"] == "clear":
            cell.outputs, cell.count = [], None
        elif op["op"] == "move":
            found.cells.remove(cell)
            index = self._place(found, op["after"])
            found.cells.insert(index, cell)
        return {"op": op["op"], "cell": cell.id, "index": index, "before": before, "after": _shown(cell, index)}

    @staticmethod
    def _place(found: Notebook, after: str | None) -> int:
        if after is None:
            return 0
        return len(found.cells) if after == "end" else found.cells.index(found.find(after)) + 1

    async def _notebook_create(self, params: Any, id_: str) -> Any:
        if params["path"] in self.notebooks:
            raise CommandError("EXISTS")
        cells = [Cell(each["id"], each["type"], each["source"]) for each in params.get("cells") or ()]
        self.notebooks[params["path"]] = Notebook(params["path"], cells)
        made = [(cell.id, cell.source) for cell in cells]
        self.applied.append({"ops": [{"op": "create", "cells": made}], "meta": params["meta"], "path": params["path"]})
        return {"path": params["path"]}

    async def _notebook_delete(self, params: Any, id_: str) -> Any:
        found = self._at(params)
        if [{"cell": cell.id, "rev": cell.rev} for cell in found.cells] != params["cells"]:
            raise CommandError("CONFLICT", conflicts=[])
        del self.notebooks[found.path]
        self.applied.append({"ops": [{"op": "remove"}], "meta": params["meta"], "path": found.path})
        return {"path": found.path}

    async def _notebook_save(self, params: Any, id_: str) -> Any:
        return {"dirty": False}

    async def _notebook_reveal(self, params: Any, id_: str) -> Any:
        return {}

    # -- running ------------------------------------------------------------------------------------------------------
    async def _notebook_run(self, params: Any, id_: str) -> Any:
        found = self._at(params)
        if params["kernel"] != {"id": found.kernel_id, "restarts": found.restarts}:
            raise CommandError("KERNEL_CHANGED")
        changed = [cell for cell in params["cells"] if found.find(cell).rev != params["revs"][cell]]
        if changed:
            facts = [{"cell": cell, "rev": found.find(cell).rev, "source": found.find(cell).source} for cell in changed]
            raise CommandError("CONFLICT", conflicts=facts)
        results = []
        for cell_id in params["cells"]:
            cell = found.find(cell_id)
            self.ran.append({"path": found.path, "cell": cell_id, "source": cell.source, "kernel": found.kernel_id})
            await self._progress(id_, cell=cell_id, phase="start")
            status, text = await self._execute(cell.source, id_, cell_id)
            found.counter += 1
            cell.count, cell.ran = found.counter, cell.source
            cell.outputs = [{"kind": "error" if status == "error" else "stream", "text": text, "mimes": ["text/plain"]}]
            row = {"cell": cell_id, "status": status, "executionCount": cell.count, "ms": 1, "outputs": cell.outputs}
            results.append(row)
            if status == "error":
                break
        return {"results": results}

    async def _execute(self, source: str, id_: str, cell: str) -> tuple[str, str]:
        if "wait" in source:
            self.started.set()
            waits = [asyncio.create_task(each.wait()) for each in (self.released, self.interrupted)]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in waits:
                    task.cancel()
            return ("error", "KeyboardInterrupt") if self.interrupted.is_set() else ("ok", "waited")
        if "input" in source:
            request = uuid.uuid4().hex
            self.inputs[request] = asyncio.get_running_loop().create_future()
            await self._progress(id_, cell=cell, phase="input", prompt="name? ", password=False, requestId=request)
            return "ok", f"hello {await self.inputs[request]}"
        return ("error", f"{source}: failed") if "raise" in source else ("ok", source)

    async def _notebook_interrupt(self, params: Any, id_: str) -> Any:
        self.interrupts += 1
        self.interrupted.set()
        return {}

    async def _kernel_input(self, params: Any, id_: str) -> Any:
        self.inputs[params["requestId"]].set_result(params["value"])
        return {}

    async def _kernel_restart(self, params: Any, id_: str) -> Any:
        found = self._at(params)
        found.restarts += 1
        self.ran.append({"path": found.path, "restart": True})
        return {"kernel": found.kernel}

    async def _kernel_execute(self, params: Any, id_: str) -> Any:
        self.ran.append({"path": params["path"], "code": params["code"]})
        status, text = await self._execute(params["code"], id_, "")
        return {"status": status, "ms": 1, "outputs": [{"kind": "stream", "text": text, "mimes": []}]}

    async def _kernel_try(self, params: Any, id_: str) -> Any:
        self.ran.append({"path": params["path"], "code": params["code"], "copy": True})
        return {"status": "ok", "ms": 1, "outputs": [{"kind": "stream", "text": params["code"], "mimes": []}]}

    # -- files --------------------------------------------------------------------------------------------------------
    async def _file_list(self, params: Any, id_: str) -> Any:
        return {"path": params["path"], "entries": [{"name": name, "type": "file"} for name in self.files]}

    async def _file_read(self, params: Any, id_: str) -> Any:
        if params["path"] not in self.files:
            raise CommandError("NOT_FOUND")
        text = self.files[params["path"]]
        return {"path": params["path"], "text": text, "hash": _hash(text), "size": len(text.encode())}

    async def _file_write(self, params: Any, id_: str) -> Any:
        present = self.files.get(params["path"])
        if (None if present is None else _hash(present)) != params["hash"]:
            raise CommandError("CONFLICT" if present is not None else "NOT_FOUND")
        self.files[params["path"]] = params["text"]
        self.written.append({"path": params["path"], "text": params["text"]})
        return {"path": params["path"], "hash": _hash(params["text"])}

    async def _file_delete(self, params: Any, id_: str) -> Any:
        if _hash(self.files[params["path"]]) != params["hash"]:
            raise CommandError("CONFLICT")
        del self.files[params["path"]]
        return {"path": params["path"]}

    async def _file_search(self, params: Any, id_: str) -> Any:
        return {"matches": [{"path": name} for name, text in self.files.items() if params["text"] in text]}


def _shown(cell: Cell, index: int) -> dict[str, Any]:
    return {"source": cell.source, "type": cell.type, "index": index, "rev": cell.rev}


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
