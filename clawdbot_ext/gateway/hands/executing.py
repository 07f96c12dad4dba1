"""Tools that run code: cells in the person's kernel, scratch code, a forked copy, a restart."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from ...agent.tools import Tool, ToolContext, ToolFailed, ToolOutput
from ...protocol.errors import RateLimited
from ..connections.nodes import NodeFailed, NodeGone
from .approvals import AlreadyUsed
from .names import needs_question
from .nodecalls import GONE, ask, model_text
from .pictures import images_of
from .proposals import EVERY_SCOPE, ONCE, Proposal, Verdict, sha256
from .rendering import cut, is_python, outputs_text
from .running import INTERRUPT_S, CellRun, Progress
from .targets import Target
from .toolbox import CELL, PATH, Toolbox, number, proposing, reading, schema, text

OUTPUT_CHARS = 16_000
WAIT_S, MOST_WAIT_S = 30, 600
LONGEST_CODE = 200_000
LEAVES = "leaves the notebook: shell, packages, deletion, network or code made of text"
UNKNOWN = "is not Python, so it cannot be seen whether it leaves the notebook"


class _Runner:
    """The running tools over one toolbox."""

    def __init__(self, box: Toolbox) -> None:
        self._box = box

    # -- cells ------------------------------------------------------------------------------------------------------
    async def cell_run(self, arguments: Mapping[str, Any], context: ToolContext) -> Proposal:
        target = await self._box.targets.of_notebook(arguments["path"], context)
        found = await ask(target, "notebook.read", outputs="none")
        cells = chosen(arguments, found)
        kernel = found.get("kernel")
        if not isinstance(kernel, Mapping):
            raise ToolFailed("The notebook has no running kernel. Ask the person to start one.")
        wait_s = int(arguments.get("wait_s", WAIT_S))

        async def perform(verdict: Verdict) -> ToolOutput:
            run = self._box.running.start(
                session_key=context.session_key,
                run_id=context.run_id,
                target=target,
                cells={str(cell["id"]): int(cell["index"]) for cell in cells},
                work=lambda report: self._run(target, cells, kernel, context, report),
            )
            return await self._wait(run, wait_s, context)

        code = "\n".join(str(cell["source"]) for cell in cells)
        return Proposal(
            path=target.path,
            preview={
                "type": "run",
                "path": target.path,
                "cells": [{"cell": c["id"], "index": c["index"], "source": c["source"]} for c in cells],
                "kernel": kernel,
            },
            bound={"cells": {str(c["id"]): sha256(str(c["source"])) for c in cells}, "kernel": _incarnation(kernel)},
            perform=perform,
            cells=[str(cell["id"]) for cell in cells],
            excepted=_exception(code, found),
            choices=EVERY_SCOPE,
        )

    async def _run(
        self,
        target: Target,
        cells: Sequence[Mapping[str, Any]],
        kernel: Mapping[str, Any],
        context: ToolContext,
        report: Progress,
    ) -> Mapping[str, Any]:
        questions: set[asyncio.Task[None]] = set()
        indexes = {str(cell["id"]): cell["index"] for cell in cells}

        def heard(told: Mapping[str, Any]) -> None:
            data = {**told, "index": indexes[str(told["cell"])]} if str(told.get("cell")) in indexes else told
            if data.get("phase") == "input":
                task = asyncio.create_task(self._answer_input(target, data, context))
                questions.add(task)
                task.add_done_callback(questions.discard)
            report(data)

        try:
            result: Mapping[str, Any] = await target(
                "notebook.run",
                cells=[cell["id"] for cell in cells],
                revs={str(cell["id"]): cell["rev"] for cell in cells},
                kernel=_incarnation(kernel),
                save=True,
                progress=heard,
            )
            return result
        finally:
            for task in questions:  # the run is over: what it asked needs no answer any more
                task.cancel()

    async def _answer_input(self, target: Target, data: Mapping[str, Any], context: ToolContext) -> None:
        """Ask the person what a running cell asks (``input()``), and give the answer to the kernel."""
        request = {
            "command": str(data.get("prompt", "")) or "input()",
            "kind": "input",
            "prompt": str(data.get("prompt", "")),
            "password": bool(data.get("password")),
            "path": target.path,
            "cell": data.get("cell"),
            **({"index": data["index"]} if "index" in data else {}),
            "sessionKey": context.session_key,
            "runId": context.run_id,
            "toolCallId": context.call_id,
        }
        try:
            record = await self._box.approvals.ask_for_tool(str(uuid.uuid4()), request)
        except (RateLimited, AlreadyUsed):
            record = None
        if record is not None:
            await self._box.approvals.drop(str(record["id"]))
        try:
            if record is None or record["decision"] == "deny":
                await target("notebook.interrupt")
            else:
                value = (record.get("answers") or {}).get("value", "")
                await target("kernel.input", requestId=data.get("requestId"), value=value)
        except (NodeFailed, NodeGone):
            return  # the run itself ends, and says why

    async def _wait(self, run: CellRun, seconds: float, context: ToolContext) -> ToolOutput:
        """Wait for a run, showing its progress; its outputs, or its handle while it goes on."""
        run.listen = context.progress
        try:
            ended = await run.wait(seconds)
        except asyncio.CancelledError:
            await asyncio.shield(self._box.running.interrupt(run))
            run.task.cancel()
            raise
        finally:
            run.listen = lambda data: None
        if not ended:
            return ToolOutput(
                f"Still running after {seconds:g} s, handle {run.handle}. Its outputs go into the notebook. Wait for "
                "it with run_wait, do something else meanwhile, or stop it with run_interrupt.",
                details={"path": run.target.path, "handle": run.handle, "running": True, "results": []},
            )
        if run.task.cancelled():
            return ToolOutput("Stopped.", is_error=True)
        error = run.task.exception()
        if isinstance(error, NodeGone):
            return await self._lost(run, context)
        if isinstance(error, NodeFailed):
            return ToolOutput(model_text(error), is_error=True)
        return await run_output(run.target.path, run.task.result(), run.cells)

    async def _lost(self, run: CellRun, context: ToolContext) -> ToolOutput:
        """The visible facts of a run whose page went away."""
        try:
            target = await self._box.targets.of_notebook(run.target.path, context)
            found = await ask(target, "notebook.read", cells=list(run.cells), outputs="brief")
        except ToolFailed:
            return ToolOutput(f"{GONE} Handle {run.handle}.", is_error=True)
        lines = [
            f'<cell id="{cell.get("id")}" state="{cell.get("state")}" count="{cell.get("executionCount")}">\n'
            f"{outputs_text(cell.get('outputs') or (), OUTPUT_CHARS // 4)}\n</cell>"
            for cell in found.get("cells") or ()
        ]
        said = f"{GONE} As {target.name} has the cells now (their outputs may be of an earlier run):"
        return ToolOutput(cut("\n".join([said, *lines]), OUTPUT_CHARS), is_error=True)

    async def run_wait(self, arguments: Mapping[str, Any], context: ToolContext) -> ToolOutput:
        return await self._wait(self._find(arguments, context), int(arguments.get("wait_s", WAIT_S)), context)

    async def run_interrupt(self, arguments: Mapping[str, Any], context: ToolContext) -> Proposal:
        run = self._find(arguments, context)

        async def perform(verdict: Verdict) -> ToolOutput:
            if not await self._box.running.interrupt(run):
                return ToolOutput("It had ended already; nothing was interrupted.")
            await run.wait(10)
            return ToolOutput("Interrupted." if not run.running else "Interrupted; the code has not stopped yet.")

        return Proposal(path=run.target.path, preview={}, bound={"handle": run.handle}, perform=perform, free=True)

    def _find(self, arguments: Mapping[str, Any], context: ToolContext) -> CellRun:
        run = self._box.running.find(context.session_key, handle=str(arguments["handle"]))
        if run is None:
            raise ToolFailed(
                "There is no run with this handle that you started in this session. If the gateway was restarted, "
                "the kernel may still be running it: read the notebook."
            )
        return run

    # -- kernels ----------------------------------------------------------------------------------------------------
    async def kernel_restart(self, arguments: Mapping[str, Any], context: ToolContext) -> Proposal:
        target, _, kernel = await self._kernel(arguments, context)

        async def perform(verdict: Verdict) -> ToolOutput:
            result = await ask(target, "kernel.restart")
            return ToolOutput("The kernel was restarted; all its variables are gone.", details={"kernel": result})

        return Proposal(
            path=target.path,
            preview={"type": "run", "path": target.path, "cells": [], "kernel": kernel, "restarts": True},
            bound={"kernel": _incarnation(kernel)},
            perform=perform,
            excepted="loses every variable of the kernel",
            choices=ONCE,
        )

    async def kernel_execute(self, arguments: Mapping[str, Any], context: ToolContext) -> Proposal:
        target, found, kernel = await self._kernel(arguments, context)
        limit_s = int(arguments.get("timeout_s", 30))

        async def perform(verdict: Verdict) -> ToolOutput:
            code = verdict.edited.get(0, arguments["code"])
            params = {"code": code, "timeoutMs": limit_s * 1000, "silent": False}
            result = await self._interruptible(target, "kernel.execute", params, context)
            return await _scratch_output(result, code, verdict)

        return self._of_code(target, arguments, found, kernel, perform)

    async def try_code(self, arguments: Mapping[str, Any], context: ToolContext) -> Proposal:
        target, found, kernel = await self._kernel(arguments, context)
        if not is_python(found):
            raise ToolFailed("Only a Python kernel can be copied to try code; this one is of another language.")

        async def perform(verdict: Verdict) -> ToolOutput:
            code = verdict.edited.get(0, arguments["code"])
            result = await ask(target, "kernel.try", code=code, seconds=int(arguments.get("seconds", 10)))
            return await _scratch_output(result, code, verdict)

        return self._of_code(target, arguments, found, kernel, perform)

    async def _interruptible(
        self, target: Target, command: str, params: Mapping[str, Any], context: ToolContext
    ) -> Any:
        try:
            return await target(command, progress=context.progress, **params)
        except NodeFailed as exc:
            raise ToolFailed(model_text(exc)) from exc
        except NodeGone as exc:
            raise ToolFailed(GONE) from exc
        except asyncio.CancelledError:
            with contextlib.suppress(NodeFailed, NodeGone, asyncio.TimeoutError):
                await asyncio.shield(asyncio.wait_for(target("notebook.interrupt"), INTERRUPT_S))
            raise

    async def _kernel(
        self, arguments: Mapping[str, Any], context: ToolContext
    ) -> tuple[Target, Mapping[str, Any], Mapping[str, Any]]:
        target = await self._box.targets.of_notebook(arguments["path"], context)
        found = await ask(target, "notebook.read", outputs="none", cells=[])
        kernel = found.get("kernel")
        if not isinstance(kernel, Mapping):
            raise ToolFailed("The notebook has no running kernel. Ask the person to start one.")
        return target, found, kernel

    def _of_code(
        self,
        target: Target,
        arguments: Mapping[str, Any],
        found: Mapping[str, Any],
        kernel: Mapping[str, Any],
        perform: Any,
    ) -> Proposal:
        return Proposal(
            path=target.path,
            preview={"type": "code", "path": target.path, "code": arguments["code"], "kernel": kernel},
            bound={"kernel": _incarnation(kernel)},
            perform=perform,
            excepted=_exception(str(arguments["code"]), found),
            choices=("once", "notebook"),
        )


def chosen(arguments: Mapping[str, Any], found: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The code cells that a call names, in the order of the notebook. Raises ``ToolFailed``."""
    cells = [cell for cell in found.get("cells") or () if isinstance(cell, Mapping)]
    ids = [str(cell["id"]) for cell in cells]
    given = [name for name in ("cells", "range", "stale") if arguments.get(name)]
    if len(given) != 1:
        raise ToolFailed("Give exactly one of cells, range and stale.")
    if given == ["stale"]:
        wanted = {str(cell["id"]) for cell in cells if cell.get("state") in ("edited", "stale")}
    else:
        named = arguments["cells"] if given == ["cells"] else [arguments["range"]["first"], arguments["range"]["last"]]
        if missing := [id_ for id_ in named if id_ not in ids]:
            raise ToolFailed(f"There is no cell {missing[0]} in {found.get('path')}; read the notebook again.")
        wanted = set(named)
        if given == ["range"]:
            wanted = set(ids[ids.index(named[0]) : ids.index(named[1]) + 1])
    code = [cell for cell in cells if str(cell["id"]) in wanted and cell.get("type") == "code"]
    if not code:
        raise ToolFailed("None of these is a code cell to run.")
    return code


async def run_output(path: str, result: Mapping[str, Any], indexes: Mapping[str, int]) -> ToolOutput:
    """The results of a run, for the model and in brief for clients; ``indexes``: those of its cells at its start."""
    results = [each for each in result.get("results") or () if isinstance(each, Mapping)]
    share = OUTPUT_CHARS // max(1, len(results))
    parts, outputs = [], []
    for each in results:
        outputs += list(each.get("outputs") or ())
        body = outputs_text(each.get("outputs") or (), max(1000, share))
        parts.append(
            f'<result cell="{each.get("cell")}" status="{each.get("status")}" count="{each.get("executionCount")}" '
            f'ms="{each.get("ms")}">\n{body or "(no output)"}\n</result>'
        )
    images, notes = await images_of(outputs)
    brief = [
        {name: each.get(name) for name in ("cell", "status", "executionCount", "ms")}
        | ({"index": indexes[str(each["cell"])]} if str(each.get("cell")) in indexes else {})
        for each in results
    ]
    failed = any(each.get("status") != "ok" for each in results)
    return ToolOutput("\n".join([*parts, *notes]), images, {"path": path, "results": brief}, failed)


async def _scratch_output(result: Any, code: str, verdict: Verdict) -> ToolOutput:
    found = result if isinstance(result, Mapping) else {}
    outputs = [each for each in found.get("outputs") or () if isinstance(each, Mapping)]
    images, notes = await images_of(outputs)
    known = ("outputs", "status", "ms", "path")
    rest = {name: value for name, value in found.items() if name not in known and value not in (None, "", [], {})}
    parts = [f"status {found.get('status')}, {found.get('ms')} ms", outputs_text(outputs, OUTPUT_CHARS), *notes]
    parts += [f"{name}: {value}" for name, value in rest.items()]
    if verdict.edited:
        parts.insert(0, f"The person changed the code first; this ran:\n{code}")
    return ToolOutput(cut("\n".join(filter(None, parts)), OUTPUT_CHARS), images, {}, found.get("status") != "ok")


def _incarnation(kernel: Mapping[str, Any]) -> dict[str, Any]:
    return {"id": kernel.get("id"), "restarts": kernel.get("restarts")}


def _exception(code: str, found: Mapping[str, Any]) -> str:
    if not is_python(found):
        return UNKNOWN
    return LEAVES if needs_question(code) else ""


def executing_tools(box: Toolbox) -> Sequence[Tool]:
    """The tools that run code."""
    runner = _Runner(box)
    wait = number(
        f"Seconds to wait for the end; {WAIT_S} if absent. After that it goes on, and you get a handle.", 0, MOST_WAIT_S
    )
    handle = schema({"handle": text("Handle of a run that you started, from cell_run."), "wait_s": wait}, "handle")
    code = text("Code for the kernel.", minLength=1, maxLength=LONGEST_CODE)
    return (
        proposing(
            "cell_run",
            "execute",
            "Run cells of a notebook in the person's kernel; outputs go into the notebook and come back to you. It "
            "stops at the first error. There is no time limit: what takes longer than wait_s goes on, and run_wait "
            "waits for it. Give exactly one of cells, range and stale.",
            schema(
                {
                    "path": PATH,
                    "cells": {"type": "array", "minItems": 1, "maxItems": 500, "items": CELL},
                    "range": {
                        **schema({"first": CELL, "last": CELL}, "first", "last"),
                        "description": "All code cells from the first to the last.",
                    },
                    "stale": {"type": "boolean", "description": "All cells that were edited or went stale."},
                    "wait_s": wait,
                },
                "path",
            ),
            runner.cell_run,
        ),
        reading(
            "run_wait",
            "Wait for a run of cells that goes on; its outputs if it has ended.",
            handle,
            runner.run_wait,
        ),
        proposing(
            "run_interrupt",
            "execute",
            "Interrupt a run of cells that you started. Nothing else can be interrupted.",
            schema({"handle": text("Handle of the run, from cell_run.")}, "handle"),
            runner.run_interrupt,
            lambda arguments: None,
        ),
        proposing(
            "kernel_restart",
            "execute",
            "Restart the notebook's kernel. All variables are lost.",
            schema({"path": PATH}, "path"),
            runner.kernel_restart,
        ),
        proposing(
            "kernel_execute",
            "execute",
            "Run code in the notebook's kernel without a cell and without a prompt number. It acts on the person's "
            "variables; prefer try_code where that is enough.",
            schema({"path": PATH, "code": code, "timeout_s": number("Seconds; 30 if absent.", 1, 600)}, "path", "code"),
            runner.kernel_execute,
        ),
        proposing(
            "try_code",
            "execute",
            "Try code in a forked copy of the notebook's kernel: you get outputs, errors and changed variables, and "
            "the person's variables stay as they are. Files and network are real. Linux and macOS only.",
            schema({"path": PATH, "code": code, "seconds": number("Limit; 10 if absent.", 1, 30)}, "path", "code"),
            runner.try_code,
        ),
    )
