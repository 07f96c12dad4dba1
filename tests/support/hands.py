"""A notebook node asked over the wire, as the gateway's tools ask it, and notebooks to ask about."""

from __future__ import annotations

import asyncio
import itertools
import json
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from jupyter_server.serverapp import ServerApp
from jupyter_server.utils import ensure_async

from clawdbot_ext import config
from clawdbot_ext.config.live import LiveConfig
from clawdbot_ext.server.hands_node.host import JupyterHost
from clawdbot_ext.server.hands_node.node import HandsNode
from tests.support.jupyter import JupyterProcess
from tests.support.wire import Wire, WireError, wired

SERVER_NODE = "jupyter-server-hands"


class NodeRefused(Exception):
    """An error that the node answered with."""

    def __init__(self, error: Mapping[str, Any]):
        super().__init__(f"{error['code']}: {error['message']}")
        self.code, self.facts = str(error["code"]), error


class Hands:
    """Commands of the node of one Jupyter server, synchronous, each over a connection of its own."""

    def __init__(self, server: JupyterProcess, *, of: JupyterProcess | None = None):
        self.server, self.root = server, (of or server).folder
        self._of = str(self.root)

    def __call__(self, command: str, **params: Any) -> Any:
        return asyncio.run(asyncio.wait_for(self._once(command, params), 60))

    async def _once(self, command: str, params: Mapping[str, Any]) -> Any:
        async with self.connected() as wire:
            return await self.ask(wire, command, **params)

    def connected(self) -> Any:
        """A client with every right."""
        return wired(f"ws://127.0.0.1:{self.server.clawdbot_port}/ws", self.server.token)

    async def ask(self, wire: Wire, command: str, *, timeout_s: float = 50, **params: Any) -> Any:
        """The command's answer. Raises ``NodeRefused``."""
        call = {
            "nodeId": await self.node_id(wire),
            "command": command,
            "params": params,
            "idempotencyKey": uuid.uuid4().hex,
            "timeoutMs": int(timeout_s * 1000),
        }
        try:
            return (await wire.call("node.invoke", call, timeout=timeout_s + 5))["payload"]
        except WireError as exc:
            if "nodeError" not in exc.details:
                raise
            raise NodeRefused(exc.details["nodeError"]) from exc

    async def node_id(self, wire: Wire, limit_s: float = 20.0) -> str:
        """The id of the server's node, as soon as it is connected."""

        async def look() -> str:
            while True:
                for row in (await wire.call("node.list"))["nodes"]:
                    if row["connected"] and row["nodeId"].startswith("server-") and self._of in row["displayName"]:
                        return str(row["nodeId"])
                await asyncio.sleep(0.02)  # a node of another process is told of by no event

        return await asyncio.wait_for(look(), limit_s)


class NodeAlone:
    """A node of a Jupyter server in this process, asked as a gateway asks it, without a gateway."""

    def __init__(self, node: HandsNode):
        self.node = node
        self._ids = itertools.count(1)
        self._waiting: dict[str, asyncio.Future[Mapping[str, Any]]] = {}
        self._told: dict[str, Callable[[Mapping[str, Any]], None]] = {}

    def begin(
        self, command: str, told: Callable[[Mapping[str, Any]], None] = lambda data: None, **params: Any
    ) -> tuple[str, asyncio.Future[Mapping[str, Any]]]:
        """Invoke a command; the invocation's id, and its result to come."""
        id_ = str(next(self._ids))
        self._told[id_] = told
        waiting = self._waiting[id_] = asyncio.get_running_loop().create_future()
        asked = {"id": id_, "nodeId": "n", "command": command, "paramsJSON": json.dumps(params)}
        self.node.handle("node.invoke.request", asked, self._send)
        return id_, waiting

    async def ask(self, command: str, **params: Any) -> Any:
        """The command's answer. Raises ``NodeRefused``."""
        return answer_of(await self.begin(command, **params)[1])

    def cancel(self, id_: str) -> None:
        self.node.handle("node.invoke.cancel", {"id": id_}, self._send)

    async def _send(self, method: str, params: Mapping[str, Any]) -> bool:
        if method == "node.event":
            told = json.loads(params["payloadJSON"])
            self._told[told["id"]](told["data"])
        else:
            self._waiting[params["id"]].set_result(params)
        return True


def answer_of(result: Mapping[str, Any]) -> Any:
    """The payload of a ``node.invoke.result``. Raises ``NodeRefused``."""
    if not result["ok"]:
        raise NodeRefused(result["error"])
    return json.loads(result["payloadJSON"])


@asynccontextmanager
async def node_alone(root: Path, state: Path, **traits: Any) -> AsyncIterator[NodeAlone]:
    """A node of a Jupyter server that listens nowhere; ``traits`` are the server's."""
    app = ServerApp(root_dir=str(root), allow_root=True, **traits)
    app.initialize(argv=[], find_extensions=False, new_httpserver=False)
    node = HandsNode(JupyterHost(app, LiveConfig(lambda: config.load({"CLAWDBOT_STATE_DIR": str(state)}))))
    try:
        yield NodeAlone(node)
    finally:
        await node.close()
        await ensure_async(app.kernel_manager.shutdown_all())


def code(source: str, **more: Any) -> dict[str, Any]:
    """A code cell."""
    return {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None, "source": source, **more}


def text(source: str, **more: Any) -> dict[str, Any]:
    """A Markdown cell."""
    return {"cell_type": "markdown", "metadata": {}, "source": source, **more}


def write_notebook(
    path: Path, cells: Sequence[Mapping[str, Any]], *, minor: int = 5, metadata: Mapping[str, Any] | None = None
) -> Path:
    """Write a notebook; from nbformat 4.5 on cells without an id get ``c0``, ``c1``, …"""
    kept = [{"id": f"c{index}", **cell} if minor >= 5 else dict(cell) for index, cell in enumerate(cells)]
    spec = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    notebook = {"cells": kept, "metadata": metadata or spec, "nbformat": 4, "nbformat_minor": minor}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(notebook, indent=1))
    return path


def cells_of(path: Path) -> list[dict[str, Any]]:
    """The cells in a notebook's file, each source as one text."""
    cells = json.loads(path.read_text())["cells"]
    return [{**cell, "source": "".join(cell["source"])} for cell in cells]
