"""Runs of cells that the assistant started: they go on while the model does other things, until they end.

A handle is for one run in one session. Handles are in memory: after a restart of the gateway none waits for what a
kernel may still be doing, and the model is told so.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..connections.nodes import NodeFailed, NodeGone
from .targets import Target

MAX_KEPT = 200
"""Ended runs whose results are still known; the oldest are forgotten."""
INTERRUPT_S = 5.0

Progress = Callable[[Mapping[str, Any]], None]


@dataclass
class CellRun:
    """One run of cells in a kernel."""

    handle: str
    session_key: str
    run_id: str
    """The chat run that started it."""
    target: Target
    cells: Mapping[str, int]
    """Id → index at the start, in the order of the run."""
    task: asyncio.Task[Mapping[str, Any]] = field(init=False)
    listen: Progress = field(default=lambda data: None)
    """Told of the progress: the card of the call that waits."""

    @property
    def running(self) -> bool:
        return not self.task.done()

    async def wait(self, seconds: float) -> bool:
        """Wait for its end; whether it has ended. Never raises what it ended with."""
        await asyncio.wait({self.task}, timeout=seconds)
        return self.task.done()


class Running:
    """The runs of cells that the assistant started."""

    def __init__(self) -> None:
        self._runs: dict[str, CellRun] = {}

    def start(
        self,
        *,
        session_key: str,
        run_id: str,
        target: Target,
        cells: Mapping[str, int],
        work: Callable[[Progress], Awaitable[Mapping[str, Any]]],
    ) -> CellRun:
        """Begin; ``work`` runs the cells and reports its progress."""
        run = CellRun(uuid.uuid4().hex[:12], session_key, run_id, target, cells)

        def report(data: Mapping[str, Any]) -> None:
            run.listen(data)  # to the call that waits now

        async def main() -> Mapping[str, Any]:
            return await work(report)

        run.task = asyncio.create_task(main(), name=f"cells {run.handle}")
        run.task.add_done_callback(_heard)
        self._runs[run.handle] = run
        for handle in [each for each, kept in self._runs.items() if not kept.running][:-MAX_KEPT]:
            del self._runs[handle]
        return run

    def find(self, session_key: str, handle: str | None = None, path: str | None = None) -> CellRun | None:
        """The run with a handle, or the newest of a notebook, in a session."""
        for run in reversed(self._runs.values()):
            if run.session_key == session_key and (run.handle == handle if handle else run.target.path == path):
                return run
        return None

    def going_on(self, session_key: str) -> bool:
        """Whether cells of a session run, or have run lately: their handles are known here alone."""
        return any(run.session_key == session_key and run.running for run in self._runs.values())

    async def interrupt(self, run: CellRun) -> bool:
        """Interrupt the kernel, if the run is still going on."""
        if not run.running:
            return False
        with contextlib.suppress(NodeFailed, NodeGone, asyncio.TimeoutError):
            await asyncio.wait_for(run.target("notebook.interrupt"), INTERRUPT_S)
        return True

    async def stop_of(self, run_id: str) -> None:
        """Stop what a chat run started: its kernels are interrupted, and no handle waits any more."""
        mine = [run for run in self._runs.values() if run.run_id == run_id and run.running]
        await asyncio.gather(*(self.interrupt(run) for run in mine))

    async def close(self) -> None:
        """Wait for nothing any more; kernels go on."""
        tasks = [run.task for run in self._runs.values() if run.running]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=1)


def _heard(task: asyncio.Task[Mapping[str, Any]]) -> None:
    """Whatever it ended with is for the call that waits, if one does."""
    if not task.cancelled():
        task.exception()
