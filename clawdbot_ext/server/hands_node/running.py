"""``notebook.run``, ``interrupt``, ``kernel.execute``, ``restart`` and ``input``: the assistant's use of kernels."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from ...protocol.revision import revision
from . import documents, outputs
from .documents import Document
from .errors import HandsError
from .host import JupyterHost
from .kernels import KernelLink, Kernels, Message
from .notebooks import Notebooks, kernel_name
from .progress import Progress
from .sessions import Sessions

log = logging.getLogger(__name__)

PROGRESS_S = 0.2
"""Between two pieces of output that are told of one cell."""
PROGRESS_CHARACTERS = 2_000
"""Of one piece: the end of what came since the last one."""
STOP_S = 5.0
"""Seconds that an interrupted cell has to end, so that its outputs can be kept."""
EXECUTE_S, MOST_EXECUTE_S = 30.0, 600.0
RESULT_CHARACTERS = 300_000
"""Of the outputs of one ``notebook.run`` in its answer; the rest is brief, and whole in the notebook."""


@dataclass
class Execution:
    """One cell's execution in a kernel, and its outputs so far."""

    link: KernelLink
    tell: Callable[[Mapping[str, Any]], None]
    collector: outputs.Collector = field(default_factory=outputs.Collector)
    _text: str = ""
    _told: float = 0.0
    _timer: asyncio.TimerHandle | None = None

    async def run(self, code: str, *, on_input: Callable[[Message], None] | None) -> str:
        """Execute ``code`` as a person would; ``ok``, ``error`` or ``aborted``. When this is cancelled, the kernel is
        interrupted, and what came until then is kept. Raises as ``KernelLink.request``."""
        content = {
            "code": code,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": on_input is not None,
            "stop_on_error": True,
        }
        return await self.execute(content, on_input)

    async def execute(self, content: Mapping[str, Any], on_input: Callable[[Message], None] | None) -> str:
        request = asyncio.ensure_future(
            self.link.request("execute_request", content, on_message=self._take, on_input=on_input)
        )
        try:
            reply = await asyncio.shield(request)
        except asyncio.CancelledError:
            with contextlib.suppress(HandsError):
                await self.link.interrupt()
            await asyncio.wait({request}, timeout=STOP_S)
            request.cancel()
            await asyncio.gather(request, return_exceptions=True)
            raise
        finally:
            self._flush()
        if self.collector.execution_count is None:
            self.collector.execution_count = reply.get("execution_count")
        status = str(reply.get("status") or "error")
        return "error" if self.collector.failed and status == "ok" else status

    def _take(self, message: Message) -> None:
        text = self.collector.take(message)
        if not text:
            return
        self._text = (self._text + text)[-PROGRESS_CHARACTERS:]
        left = self._told + PROGRESS_S - monotonic()
        if left <= 0:
            self._flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(left, self._flush)

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._text:
            self.tell({"phase": "output", "text": self._text})
            self._text, self._told = "", monotonic()


class Runner:
    """Executions in the kernels of one server."""

    def __init__(self, host: JupyterHost, sessions: Sessions, kernels: Kernels, notebooks: Notebooks):
        self._host, self._sessions, self._kernels, self._notebooks = host, sessions, kernels, notebooks
        self._inputs: dict[str, tuple[str, KernelLink]] = {}
        """Request id → path and kernel of an ``input()`` that waits."""

    # -- cells -----------------------------------------------------------------------------------------------------
    async def run(self, params: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
        """``notebook.run {path, cells, revs, kernel?, save}``: one after the other, up to the first error."""
        await self._host.require("execute", "kernels")
        path = await self._host.path(params.get("path"))
        ids, saves = _ids(params.get("cells")), params.get("save", True) is not False
        async with self._host.lock(f"run:{path}"):
            document = await documents.load(self._host, path, to_edit=False)
            _check_revisions(document, ids, params.get("revs"))
            if saves and document.writable:
                await self._host.require("write", "contents")
                await self._notebooks.refuse_if_open(document)
            kernel_id = await self._kernel(document, params.get("kernel"))
            link = await self._kernels.link(kernel_id)
            running = self._notebooks.running[path] = set(ids)
            try:
                results = [
                    result async for result in self._each(document, ids, link, progress, saves=saves, running=running)
                ]
            finally:
                self._notebooks.running.pop(path, None)
        return {"results": results, "kernel": self._describe(kernel_id)}

    async def _each(
        self,
        document: Document,
        ids: list[str],
        link: KernelLink,
        progress: Progress,
        *,
        saves: bool,
        running: set[str],
    ) -> Any:
        failed, left, room = False, RESULT_CHARACTERS, outputs.PAGE_IMAGE_CHARACTERS
        for id_ in ids:
            cell = document.cells[document.index_of(id_)]
            if failed:
                yield {"cell": id_, "status": "aborted", "executionCount": None, "ms": 0, "outputs": []}
            elif cell["cell_type"] != "code":
                yield {"cell": id_, "status": "ok", "executionCount": None, "ms": 0, "outputs": []}
            else:
                result = await self._cell(document, cell, link, progress, saves=saves, most=left)
                left -= sum(len(output.get("text", "")) for output in result["outputs"])
                for output in result["outputs"]:
                    if (size := outputs.image_size(output)) > room:
                        del output["image"]
                    else:
                        room -= size
                failed = result["status"] != "ok"
                yield result
            running.discard(id_)

    async def _cell(
        self,
        document: Document,
        cell: Mapping[str, Any],
        link: KernelLink,
        progress: Progress,
        *,
        saves: bool,
        most: int,
    ) -> dict[str, Any]:
        id_, source = cell["id"], cell["source"]

        def tell(data: Mapping[str, Any]) -> None:
            progress({"cell": id_, **data})

        await link.wait_idle()  # so that a stop from here cannot meet what another client runs
        tell({"phase": "start"})
        began, execution = monotonic(), Execution(link, tell)
        problem: dict[str, Any] = {}
        try:
            with self._asking(document.path, link, tell) as on_input:
                status = await execution.run(source, on_input=on_input)
        except HandsError as exc:
            status, problem = "error", {"problem": exc.to_wire()}
        except asyncio.CancelledError:
            if saves:
                await asyncio.shield(self._save(document.path, id_, source, execution.collector))
            raise
        ms = round((monotonic() - began) * 1000)
        if saves and status != "aborted":
            problem |= await self._save(document.path, id_, source, execution.collector)
        count = execution.collector.execution_count
        tell({"phase": "done", "status": status, "executionCount": count})
        kept = execution.collector.outputs()
        shown = outputs.full(kept) if most > 0 else outputs.brief(kept)
        result = {"cell": id_, "status": status, "executionCount": count, "ms": ms, "outputs": shown, **problem}
        if execution.collector.dropped:
            result["droppedChars"] = execution.collector.dropped
        return result

    async def _save(self, path: str, cell: str, source: str, collector: outputs.Collector) -> dict[str, Any]:
        """Write a cell's outputs into the notebook as it is now; facts of the result: ``saved``, and why not."""
        for attempt in (1, 2):
            try:
                async with self._host.lock(path):
                    document = await documents.load(self._host, path)
                    await self._notebooks.refuse_if_open(document)
                    await document.put_outputs(cell, revision(source), collector.outputs(), collector.execution_count)
            except HandsError as exc:
                if exc.code != "CONFLICT" or attempt == 2:
                    log.info("outputs of %s were not written: %s", path, exc)
                    return {"saved": False, "notSaved": exc.to_wire()}
            else:
                return {"saved": True}
        raise AssertionError("unreachable: the second attempt returns")

    async def _kernel(self, document: Document, expected: Any) -> str:
        """The kernel of a notebook, started if there is none. Raises ``KERNEL_CHANGED``, ``NO_KERNEL``."""
        try:
            kernel_id = await self._sessions.kernel_id(document.path)
        except HandsError:
            if isinstance(expected, Mapping) and expected.get("id") is not None:
                raise HandsError("KERNEL_CHANGED", "the kernel does not run any more", kernel=None) from None
            return await self._sessions.start(document.path, kernel_name(document.notebook))
        now = self._sessions.describe(kernel_id)
        if isinstance(expected, Mapping) and any(
            name in expected and expected[name] != now[name] for name in ("id", "restarts")
        ):
            raise HandsError("KERNEL_CHANGED", "the kernel was restarted or replaced meanwhile", kernel=now)
        return kernel_id

    def _describe(self, kernel_id: str) -> dict[str, Any] | None:
        try:
            return self._sessions.describe(kernel_id)
        except HandsError:
            return None

    # -- input() -----------------------------------------------------------------------------------------------------
    @contextlib.contextmanager
    def _asking(self, path: str, link: KernelLink, tell: Callable[[Mapping[str, Any]], None]) -> Any:
        """Tell of every ``input()`` of a cell, until the cell has ended."""
        asked: list[str] = []

        def on_input(message: Message) -> None:
            id_ = uuid.uuid4().hex
            asked.append(id_)
            self._inputs[id_] = path, link
            content = message["content"]
            tell(
                {
                    "phase": "input",
                    "prompt": str(content.get("prompt") or "")[:2000],
                    "password": bool(content.get("password")),
                    "requestId": id_,
                }
            )

        try:
            yield on_input
        finally:
            for id_ in asked:
                self._inputs.pop(id_, None)

    async def input(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """``kernel.input {path, requestId, value}``."""
        await self._host.require("execute", "kernels")
        path, value = await self._host.path(params.get("path")), params.get("value")
        if not isinstance(value, str):
            raise HandsError("INVALID_REQUEST", "value is a text")
        asked = self._inputs.get(str(params.get("requestId")))
        if asked is None or asked[0] != path:
            raise HandsError("NOT_ASKED", "the kernel does not wait for this any more")
        del self._inputs[str(params.get("requestId"))]
        asked[1].answer_input(value)
        return {"ok": True}

    # -- the kernel --------------------------------------------------------------------------------------------------
    async def interrupt(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """``notebook.interrupt {path}``."""
        await self._host.require("execute", "kernels")
        await self._sessions.interrupt(await self._sessions.kernel_id(await self._host.path(params.get("path"))))
        return {"ok": True}

    async def restart(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """``kernel.restart {path}``: the kernel as it is afterwards."""
        await self._host.require("execute", "kernels")
        path = await self._host.path(params.get("path"))
        kernel_id = await self._sessions.kernel_id(path)
        self._sessions.incarnation(kernel_id)  # known before, so that the change is seen
        await self._sessions.restart(kernel_id)
        return {"kernel": self._sessions.describe(kernel_id)}

    async def execute(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """``kernel.execute {path, code, timeoutMs, silent}``: beside the document, and not in the kernel's history."""
        await self._host.require("execute", "kernels")
        path, code = await self._host.path(params.get("path")), params.get("code")
        if not isinstance(code, str):
            raise HandsError("INVALID_REQUEST", "code is a text")
        link = await self._kernels.link(await self._kernel_of(path))
        await link.require_idle("a cell runs; wait for its end")
        content = {
            "code": code,
            "silent": bool(params.get("silent")),
            "store_history": False,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": True,
        }
        execution, began = Execution(link, lambda data: None), monotonic()
        try:
            status = await asyncio.wait_for(execution.execute(content, None), _seconds(params.get("timeoutMs")))
        except asyncio.TimeoutError:
            status = "timeout"
        ms = round((monotonic() - began) * 1000)
        return {"status": status, "outputs": outputs.full(execution.collector.outputs()), "ms": ms}

    async def _kernel_of(self, path: str) -> str:
        return await self._kernel(await documents.load(self._host, path, to_edit=False), None)


def _ids(cells: Any) -> list[str]:
    if not isinstance(cells, list) or not cells or len(cells) > 2000 or not all(isinstance(id_, str) for id_ in cells):
        raise HandsError("INVALID_REQUEST", "cells is a list of ids")
    return cells


def _check_revisions(document: Document, ids: list[str], revs: Any) -> None:
    """Raises ``CONFLICT`` with the present texts, ``NO_SUCH_CELL``."""
    if not isinstance(revs, Mapping):
        raise HandsError("INVALID_REQUEST", "revs gives the revision of each cell")
    conflicts = []
    for id_ in ids:
        source = document.cells[document.index_of(id_)]["source"]
        if (rev := revision(source)) != revs.get(id_):
            conflicts.append({"cell": id_, "rev": rev, "source": source})
    if conflicts:
        raise HandsError("CONFLICT", "nothing was run: cells were changed since they were read", conflicts=conflicts)


def _seconds(timeout_ms: Any) -> float:
    given = timeout_ms / 1000 if isinstance(timeout_ms, int | float) and timeout_ms > 0 else EXECUTE_S
    return min(given, MOST_EXECUTE_S)
