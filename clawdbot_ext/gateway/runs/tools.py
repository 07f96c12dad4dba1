"""Tool calls of one run: stored step by step, approved by a person where a tool requires it, emitted to clients.

The agent loop (``agent.loop``) decides which calls are made and when; ``RunToolExecutor`` makes them. Promise P6: a
call is executed at most once for each permission. Its result is stored before the model gets it; a call without a
stored result is never made again, and the model is told that it was cut off.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from ...agent.providers.base import ToolSpec
from ...agent.providers.demo_tools import DEMO_TOOLS
from ...agent.tools import Tool, ToolCall, ToolFailed, ToolNotAllowed, ToolResult, shorten
from ...i18n import catalogue
from ...protocol.clock import now_ms
from ...protocol.errors import RateLimited
from ...protocol.keys import AGENT_ID
from .active import ActiveRun
from .approvals import TIMEOUT_MS
from .context import RunContext
from .events import RunEvents
from .messages import step_message

t = catalogue("agent")


class RunToolExecutor:
    """The tool executor of one run."""

    def __init__(self, context: RunContext, events: RunEvents, active: ActiveRun, tools: Sequence[Tool]) -> None:
        self._context, self._events, self._active = context, events, active
        self._tools = {tool.spec.name: tool for tool in tools}
        self._locale = str(active.run.options.get("locale") or "en")

    @property
    def specs(self) -> Sequence[ToolSpec]:
        return [tool.spec for tool in self._tools.values()]

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
        try:
            await asyncio.shield(self._store(message))
        except asyncio.CancelledError:
            for call in calls:
                await asyncio.shield(self._done(call, self._stopped(), True, now_ms()))
            raise

    async def execute(self, call: ToolCall) -> ToolResult:
        """See ``ToolExecutor``. Raises what the store raises."""
        started = now_ms()
        denied = False
        self._emit(call, phase="start", startedAt=started)
        try:
            text, failed = shorten(await self._made(call)), False
        except ToolFailed as exc:
            text, failed, denied = str(exc), True, isinstance(exc, ToolNotAllowed)
        except asyncio.CancelledError:
            await asyncio.shield(self._done(call, self._stopped(), True, started))
            raise
        # Shielded: the result is stored even if the reply is stopped at this very moment.
        await asyncio.shield(self._done(call, text, failed, started, denied))
        return ToolResult(call.id, text, failed)

    async def _made(self, call: ToolCall) -> str:
        """The output of a call that is allowed. Raises ``ToolFailed``."""
        tool = self._tools.get(call.name)
        if call.problem:
            raise ToolFailed(call.problem)
        if tool is None:
            raise ToolFailed(t(self._locale, "tool.nosuch", name=call.name[:80]))
        if tool.asks:
            await self._permission(tool, call)
        return await tool.run(call.arguments, self._locale)

    async def _permission(self, tool: Tool, call: ToolCall) -> None:
        """Returns once a person, or a rule that a person made, allows the call. Raises ``ToolNotAllowed``."""
        rule = f"tool:{call.name}"
        if await self._context.approvals.is_allowed(AGENT_ID, rule):
            return
        run = self._active.run
        try:
            answer = await self._context.approvals.ask(
                {
                    "command": tool.command(call.arguments),
                    "host": "gateway",
                    "agentId": AGENT_ID,
                    "tool": call.name,
                    "arguments": call.arguments,
                    "title": self._title(call),
                    "sessionKey": run.session_key,
                    "runId": run.run_id,
                    "toolCallId": call.id,
                },
            )
        except RateLimited as exc:
            raise ToolFailed(exc.message) from exc
        if answer.decision is None:
            raise ToolNotAllowed(t(self._locale, "tool.expired", seconds=TIMEOUT_MS // 1000))
        if answer.decision == "deny":
            raise ToolNotAllowed(t(self._locale, "tool.denied"))
        if answer.decision == "allow-always":
            await self._context.approvals.always_allow(AGENT_ID, rule)

    async def _done(self, call: ToolCall, text: str, failed: bool, started: int, denied: bool = False) -> None:
        took = now_ms() - started
        marks = {"denied": True} if denied else {}
        await self._store(
            {
                "role": "toolResult",
                "toolCallId": call.id,
                "toolName": call.name,
                "isError": failed,
                "content": [{"type": "text", "text": text}],
                "durationMs": took,
                "timestamp": now_ms(),
                **marks,
            }
        )
        self._emit(call, phase="result", output=text, isError=failed, durationMs=took, **marks)
        self._active.tools.pop(call.id, None)

    async def _store(self, message: Mapping[str, Any]) -> None:
        finished = await self._context.store.append_step(self._active.run.run_id, message, now=now_ms())
        if finished.message is not None and finished.session.epoch:
            self._events.emit_message(finished.session, finished.message)

    def _emit(self, call: ToolCall, **facts: Any) -> None:
        row = self._active.tools.setdefault(call.id, {"toolCallId": call.id, "name": call.name})
        row |= facts
        self._events.emit_agent(self._active, "tool", dict(row))

    def _stopped(self) -> str:
        return t(self._locale, "tool.stopped" if self._active.stop_reason == "rpc" else "tool.shutdown")

    def _title(self, call: ToolCall) -> str:
        tool = self._tools.get(call.name)
        return tool.title(call.arguments, self._locale) if tool else call.name


def offered(provider: str) -> Sequence[Tool]:
    """The tools for the models of a provider: so far the demo's own."""
    return DEMO_TOOLS if provider == "demo" else ()
