"""Tool calls of one run: stored step by step, approved by a person where a tool requires it, emitted to clients.

The agent loop (``agent.loop``) decides which calls are made and when; ``RunToolExecutor`` makes them. Promise P6: a
call is executed at most once for each permission. Its result is stored before the model gets it; a call without a
stored result is never made again, and the model is told that it was cut off.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from ...agent.loop import execute_all
from ...agent.model_catalog import Model
from ...agent.providers.base import ToolSpec
from ...agent.providers.demo_tools import DEMO_TOOLS
from ...agent.tools import (
    Tool,
    ToolCall,
    ToolContext,
    ToolFailed,
    ToolNotAllowed,
    ToolOutput,
    ToolResult,
    shorten,
)
from ...i18n import catalogue
from ...protocol.clock import now_ms
from ...protocol.errors import Unavailable
from ...protocol.outside_json import keepable
from ...store import failpoints
from ...store.api import Finished, StoreDamaged
from .active import ActiveRun
from .context import RunContext
from .events import RunEvents
from .messages import step_message

log = logging.getLogger(__name__)
t = catalogue("agent")

Mark = Literal["denied", "stopped"]
"""Why a call has no result, where that is no failure."""
SMALLEST_WINDOW = 16_000
"""Tokens; in less, the tools for notebooks (some 5,000) would leave a model no room to work in."""
STEP_PATIENCE_S = 30.0
"""Seconds for which a step that storage refuses is tried again before the reply ends …"""
STEP_AGAIN_S = 0.5
"""… and the time between two attempts."""


class RunToolExecutor:
    """The tool executor of one run."""

    def __init__(self, context: RunContext, events: RunEvents, active: ActiveRun, tools: Sequence[Tool]) -> None:
        self._context, self._events, self._active = context, events, active
        self._tools = {tool.spec.name: tool for tool in tools}
        self._locale = str(active.run.options.get("locale") or "en")

    @property
    def specs(self) -> Sequence[ToolSpec]:
        return [tool.spec for tool in self._tools.values()]

    def lock(self, call: ToolCall) -> str | None:
        """See ``ToolExecutor``."""
        tool = self._tools.get(call.name)
        if tool is None or call.problem:
            return None
        try:
            return tool.lock(call.arguments)
        except Exception as exc:  # noqa: BLE001 - arguments of any shape come here; the call itself will say what is wrong
            log.debug("tool %s: no lock key of its arguments: %r", call.name, exc)
            return None

    async def start_step(self, calls: Sequence[ToolCall]) -> None:
        """See ``ToolExecutor``. Raises what the store raises."""
        active = self._active
        titles = {call.id: self._title(call) for call in calls}
        message = step_message(self._context.providers.models, active, titles)
        active.tools = {
            call.id: {
                "toolCallId": call.id,
                "name": call.name,
                "title": titles[call.id],
                "args": call.arguments,
                "phase": "start",
            }
            for call in calls
        }
        active.stream.restart()
        active.reply.begin_again()
        active.prefix = ""  # stored with this step
        try:
            await asyncio.shield(self._store(message))
        except asyncio.CancelledError:
            for call in calls:
                await asyncio.shield(
                    self._done(call, ToolOutput(self._stopped(), is_error=True), now_ms(), self._mark())
                )
            raise
        finally:
            reservation, active.reservation = active.reservation, None
            await asyncio.shield(self._context.budget.settle(reservation, message["usage"]))

    async def finish_step(self, calls: Sequence[ToolCall]) -> None:
        """Finish the step that a restart interrupted: calls that wait for a person go on, of the others it is not known
        how far they came. Raises what the store raises."""
        waiting = [
            call for call in calls if self._context.approvals.interrupted(self._active.run.run_id, call.id) is not None
        ]
        for call in calls:
            if call not in waiting:
                await self._done(call, ToolOutput(t(self._locale, "tool.unknown"), is_error=True), now_ms())
        if waiting:
            await execute_all(self, waiting)

    async def execute(self, call: ToolCall) -> ToolResult:
        """See ``ToolExecutor``. Raises what the store raises."""
        started = now_ms()
        mark: Mark | None = None
        self._emit(call, phase="start", startedAt=started)
        try:
            failpoints.hit("tool.call")
            output = await self._output(call)
            failpoints.hit("tool.called")
        except ToolFailed as exc:
            output, mark = ToolOutput(str(exc), is_error=True), "denied" if isinstance(exc, ToolNotAllowed) else None
        except asyncio.CancelledError as exc:
            if self._active.suspended:  # its question stays, and is answered after the next start
                raise
            if not self._active.stop_reason:  # nothing was stopped: the tool waited for something that was cancelled
                output = self._fault(call, exc)
            else:
                await asyncio.shield(
                    self._done(call, ToolOutput(self._stopped(), is_error=True), started, self._mark())
                )
                raise
        except Exception as exc:  # noqa: BLE001 - a tool may raise anything; the log and the model are told
            output = self._fault(call, exc)
        # Shielded: the result is stored even if the reply is stopped at this very moment.
        await asyncio.shield(self._done(call, output, started, mark))
        return ToolResult(call.id, output.text, output.is_error, output.images, output.details)

    async def _output(self, call: ToolCall) -> ToolOutput:
        """The output of a call that is allowed. Raises ``ToolFailed``, and whatever a tool raises."""
        tool = self._tools.get(call.name)
        if call.problem:
            raise ToolFailed(call.problem)
        if tool is None:
            raise ToolFailed(t(self._locale, "tool.nosuch", name=call.name[:80]))
        output = await self._context.hands.permission.carry_out(
            tool, call, self._call_context(call), self._title(call), lambda: self._active.suspended
        )
        output = ToolOutput(output) if isinstance(output, str) else output
        return replace(output, text=shorten(output.text))

    def _call_context(self, call: ToolCall) -> ToolContext:
        run = self._active.run

        def progress(data: Mapping[str, Any]) -> None:
            if call.id in self._active.tools:  # else it is over, and its card shows the result
                self._emit(call, phase="update", progress=data)

        return ToolContext(
            session_key=run.session_key,
            run_id=run.run_id,
            call_id=call.id,
            locale=self._locale,
            asker=run.options.get("asker") or {},
            progress=progress,
        )

    async def _done(self, call: ToolCall, output: ToolOutput, started: int, mark: Mark | None = None) -> None:
        took = now_ms() - started
        marks: dict[str, Any] = {mark: True} if mark else {}
        if output.details:
            marks["details"] = output.details
        images = [{"type": "image", "mimeType": image.media_type, "data": image.data} for image in output.images]
        await self._store(
            {
                "role": "toolResult",
                "toolCallId": call.id,
                "toolName": call.name,
                "isError": output.is_error,
                "content": [{"type": "text", "text": output.text}, *images],
                "durationMs": took,
                "timestamp": now_ms(),
                **marks,
            }
        )
        self._emit(call, phase="result", output=output.text, isError=output.is_error, durationMs=took, **marks)
        self._active.tools.pop(call.id, None)

    async def _store(self, message: Mapping[str, Any]) -> None:
        message = keepable(message)
        try:
            failpoints.hit("step.store")
            finished = await self._append(message)
            failpoints.hit("step.stored")
        except (Unavailable, StoreDamaged):
            self._active.unstored.append(message)
            raise
        if finished.message is not None and finished.session.epoch:
            self._events.emit_message(finished.session, finished.message)

    async def _append(self, message: Mapping[str, Any]) -> Finished:
        """Store a step. What a tool did cannot be done again, so a disk that is full for a moment is waited for."""
        run_id = self._active.run.run_id
        ends, refused = time.monotonic() + STEP_PATIENCE_S, False
        while True:
            try:
                return await self._context.store.append_step(run_id, message, now=now_ms())
            except Unavailable as exc:
                if time.monotonic() > ends or self._active.stop_reason:
                    raise
                if not refused:
                    log.warning("run %s: a step is not stored yet: %s", run_id, exc)
                refused = True
            await asyncio.sleep(STEP_AGAIN_S)

    def _fault(self, call: ToolCall, exc: BaseException) -> ToolOutput:
        log.error("tool %s failed", call.name, exc_info=exc)
        why = f"{type(exc).__name__}: {exc}" if str(exc) else type(exc).__name__
        return ToolOutput(shorten(t(self._locale, "tool.fault", why=why)), is_error=True)

    def _emit(self, call: ToolCall, **facts: Any) -> None:
        row = self._active.tools.setdefault(call.id, {"toolCallId": call.id, "name": call.name})
        row |= facts
        self._events.emit_agent(self._active, "tool", dict(row))

    def _stopped(self) -> str:
        return t(self._locale, "tool.stopped" if self._active.stop_reason == "rpc" else "tool.shutdown")

    def _mark(self) -> Mark | None:
        return "stopped" if self._active.stop_reason == "rpc" else None

    def _title(self, call: ToolCall) -> str:
        tool = self._tools.get(call.name)
        try:
            return tool.title(call.arguments, self._locale) if tool else call.name
        except Exception as exc:  # noqa: BLE001 - arguments of any shape come here; the call itself will say what is wrong
            log.debug("tool %s: no title of its arguments: %r", call.name, exc)
            return call.name


async def offered(context: RunContext, session_key: str, model: Model) -> Sequence[Tool]:
    """The tools for a turn: those for notebooks and files as the session's mode has them, and the demo's own."""
    demo = DEMO_TOOLS if model.provider == "demo" else ()
    if model.context_window < SMALLEST_WINDOW:
        return demo
    hands = await context.hands.permission.hands(session_key)
    return [*context.hands.catalog.offered(hands), *demo]
