"""The agent loop: call the model, run the tools it calls, call it again, until it answers.

Above sits the gateway, which implements ``ToolExecutor``: it stores each step, asks people where a tool needs it, and
tells clients. Below lie ``turn`` (one model call with its retries) and the tools. A tool call runs at most once:
nothing here tries one again, and a call that a crash or a stop cut off is reported to the model as cut off.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..i18n import catalogue
from .providers.base import Provider, Reply, TurnRequest
from .tools import ToolCall, ToolExecutor, ToolResult, result_block
from .turn import Outcome, TurnEvent, run_turn

MAX_STEPS = 50
"""Rounds of tool calls in one reply: a model that goes round in circles must come to an end."""

_t = catalogue("agent")


async def run_agent_loop(
    provider: Provider,
    request: TurnRequest,
    reply: Reply,
    emit: Callable[[TurnEvent], None],
    executor: ToolExecutor,
    *,
    limit_s: float | None = None,
) -> Outcome:
    """Answer one request, calling tools until the model has its answer; ``reply`` is the newest part of it.

    Args:
        limit_s: how long one call of the model may take; tools and people have their own limits.

    Raises:
        asyncio.TimeoutError: a call of the model took longer.
    """
    request = replace(request, tools=tuple(executor.specs))
    for _ in range(MAX_STEPS):
        outcome = await asyncio.wait_for(run_turn(provider, request, reply, emit), limit_s)
        said = [block for block in reply.content if block.get("type") != "text" or block.get("text")]
        calls = [_tool_call(block, request.locale) for block in said if block.get("type") == "tool_use"]
        if calls and outcome.stop_reason != "toolUse":  # cut off in the middle of them: they are not made
            reply.content = [block for block in reply.content if block.get("type") != "tool_use"]
            calls = []
        if not calls:
            return outcome
        await executor.start_step(calls)
        results = await _execute_all(executor, calls)
        request = replace(
            request,
            messages=[
                *request.messages,
                {"role": "assistant", "content": [_for_model(block) for block in said]},
                {"role": "user", "content": [result_block(r.call_id, r.text, r.is_error, r.images) for r in results]},
            ],
        )
    return Outcome("done", "length", _t(request.locale, "notice.tool_steps", steps=MAX_STEPS))


def _tool_call(block: Mapping[str, Any], locale: str) -> ToolCall:
    """A ``tool_use`` block as a call; a block marked ``invalid`` gets the problem that the model is told."""
    problem = _t(locale, "tool.arguments") if "invalid" in block else ""
    return ToolCall(str(block["id"]), str(block["name"]), block["input"], problem)


def _for_model(block: Mapping[str, Any]) -> dict[str, Any]:
    """A block of the reply as it goes back to the model, without our own mark ``invalid``."""
    return {name: value for name, value in block.items() if name != "invalid"}


async def _execute_all(executor: ToolExecutor, calls: Sequence[ToolCall]) -> list[ToolResult]:
    """All results, in order. Calls with one lock key run one after the other, others side by side; when storing one
    fails or the caller is cancelled, the others are stopped first."""
    locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def execute(call: ToolCall, key: str | None) -> ToolResult:
        if key is None:
            return await executor.execute(call)
        async with locks[key]:  # first come, first served: tasks start in the order of the calls
            return await executor.execute(call)

    tasks = [asyncio.ensure_future(execute(call, executor.lock(call))) for call in calls]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
