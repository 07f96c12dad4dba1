"""The node: its commands, the invocations under way, and what is told of them. Knows nothing of how it is connected."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from ...protocol.outside_json import keepable
from . import files, search
from .errors import HandsError
from .host import JupyterHost
from .introspection import Introspection
from .kernels import Kernels
from .notebooks import Notebooks
from .progress import Progress, ProgressSender, Send
from .running import Runner
from .sessions import Sessions

log = logging.getLogger(__name__)

CLIENT_ID, CAP = "jupyter-server-hands", "notebook"
MAX_RESULT_CHARACTERS = 16_000_000
"""Of a result, below what a connection takes (``gateway.maxPayloadBytes``)."""
RESULT_ATTEMPTS, RESULT_RETRY_S = 5, 1.0

Command = Callable[[Mapping[str, Any], Progress], Awaitable[Mapping[str, Any]]]


class HandsNode:
    """Carries out the gateway's invocations on one Jupyter server."""

    def __init__(self, host: JupyterHost):
        self.host = host
        self.sessions = Sessions(host)
        self.notebooks = Notebooks(host, self.sessions)
        self.kernels = Kernels(host, self.sessions)
        self.runner = Runner(host, self.sessions, self.kernels, self.notebooks)
        self.introspection = Introspection(host, self.sessions, self.kernels)
        self.commands = self._commands()
        self._working: dict[str, asyncio.Task[None]] = {}

    def _commands(self) -> dict[str, Command]:
        notebooks, host, runner, introspection = self.notebooks, self.host, self.runner, self.introspection
        return {
            "notebook.list": _quiet(notebooks.list_notebooks),
            "notebook.read": _quiet(notebooks.read),
            "cell.output": _quiet(notebooks.cell_output),
            "notebook.apply": _quiet(notebooks.apply),
            "notebook.create": _quiet(notebooks.create),
            "notebook.delete": _quiet(notebooks.delete),
            "notebook.save": _quiet(notebooks.save),
            "notebook.run": runner.run,
            "notebook.interrupt": _quiet(runner.interrupt),
            "kernel.restart": _quiet(runner.restart),
            "kernel.input": _quiet(runner.input),
            "kernel.execute": _quiet(runner.execute),
            "kernel.variables": _quiet(introspection.variables),
            "kernel.inspect": _quiet(introspection.inspect),
            "kernel.docs": _quiet(introspection.docs),
            "kernel.packages": _quiet(introspection.packages),
            "kernel.try": _quiet(introspection.try_code),
            "file.list": _quiet(lambda params: files.list_directory(host, params)),
            "file.read": _quiet(lambda params: files.read(host, params)),
            "file.write": _quiet(lambda params: files.write(host, params)),
            "file.delete": _quiet(lambda params: files.delete(host, params)),
            "file.search": _quiet(lambda params: search.search(host, params)),
        }

    def connect_params(self) -> dict[str, Any]:
        """The node's description of itself in ``connect``."""
        return {"role": "node", "scopes": [], "caps": [CAP], "commands": sorted(self.commands)}

    # -- invocations -------------------------------------------------------------------------------------------------
    def handle(self, event: str, payload: Mapping[str, Any], send: Send) -> None:
        """Take an event of the gateway: begin an invocation, or cancel one."""
        if event == "node.invoke.request":
            id_ = str(payload["id"])
            task = asyncio.create_task(self._answer(payload, send), name=f"hands {payload.get('command')}")
            self._working[id_] = task
            task.add_done_callback(lambda _: self._working.pop(id_, None))
        elif event == "node.invoke.cancel" and (found := self._working.get(str(payload.get("id")))) is not None:
            found.cancel()

    async def close(self) -> None:
        """Cancel what is under way and wait for its end; disconnect from kernels, which go on."""
        working = list(self._working.values())
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)
        await self.kernels.close()

    async def _answer(self, asked: Mapping[str, Any], send: Send) -> None:
        result: dict[str, Any] = {"id": asked["id"], "nodeId": asked["nodeId"]}
        progress = ProgressSender(str(asked["id"]), send)
        try:
            payload = await self.invoke(str(asked["command"]), asked.get("paramsJSON"), progress.tell)
            result |= {"ok": True, "payloadJSON": await asyncio.to_thread(_encoded, payload)}
        except asyncio.CancelledError:
            result |= {"ok": False, "error": {"code": "CANCELLED", "message": "cancelled"}}
        except HandsError as exc:
            result |= {"ok": False, "error": exc.to_wire()}
        except Exception:  # the node answers whatever a foreign manager or kernel raised; the log has it all
            log.exception("%s failed", asked["command"])
            result |= {"ok": False, "error": {"code": "FAILED", "message": "the Jupyter server failed; see its log"}}
        await progress.close()
        for _ in range(RESULT_ATTEMPTS):  # too many requests in this minute, at worst
            if await send("node.invoke.result", result):
                return
            await asyncio.sleep(RESULT_RETRY_S)

    async def invoke(self, command: str, params_json: Any, progress: Progress) -> Mapping[str, Any]:
        """Carry out one command. Raises ``HandsError``."""
        run = self.commands.get(command)
        if run is None:
            raise HandsError("UNKNOWN_COMMAND", f"unknown command: {command}")
        try:
            params = json.loads(params_json or "{}")
        except (ValueError, TypeError, RecursionError) as exc:
            raise HandsError("INVALID_REQUEST", "the parameters are not JSON") from exc
        if not isinstance(params, dict):
            raise HandsError("INVALID_REQUEST", "the parameters are an object")
        self.host.require_feature(command)
        return await run(params, progress)


def _quiet(function: Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any]]]) -> Command:
    """A command that tells nothing before its end."""

    async def run(params: Mapping[str, Any], progress: Progress) -> Mapping[str, Any]:
        return await function(params)

    return run


def _encoded(payload: Mapping[str, Any]) -> str:
    text = json.dumps(keepable(payload), ensure_ascii=False, default=str)
    try:
        text.encode()
    except UnicodeEncodeError:  # half a character in the text of an object that is no JSON
        text = json.dumps(keepable(payload), default=str)
    if len(text) > MAX_RESULT_CHARACTERS:
        raise HandsError("TOO_LARGE", "the answer is too large; ask for less at once", size=len(text))
    return text
