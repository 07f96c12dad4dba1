"""The agent loop: call the model, run the tools it calls, call it again, until it answers.

Above sits the gateway, which implements ``ToolExecutor`` and writes the requests: it stores each step, and makes the
next request of what is stored. Below lie ``turn`` (one model call with its retries) and the tools. A tool call runs at
most once: nothing here tries one again, and a call that a crash or a stop cut off is reported to the model as cut off.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from ..i18n import catalogue
from .providers.base import Provider, Reply, TurnRequest
from .tools import ToolCall, ToolExecutor, ToolResult
from .turn import Outcome, RetryPolicy, TurnEvent, run_turn

MAX_STEPS = 50
"""Rounds of tool calls in one reply: a model that goes round in circles must come to an end."""

NextRequest = Callable[[bool], Awaitable[TurnRequest]]
"""Makes the request of the next step, of everything that is stored by then. Called with ``True`` when the one before
was refused as too large: it is to be smaller."""
_DEFAULT = RetryPolicy()
_t = catalogue("agent")


async def run_agent_loop(
    provider: Provider,
    next_request: NextRequest,
    reply: Reply,
    emit: Callable[[TurnEvent], None],
    executor: ToolExecutor,
    *,
    limit_s: float | None = None,
    policy: RetryPolicy = _DEFAULT,
) -> Outcome:
    """Answer, calling tools until the model has its answer; ``reply`` is the newest part of it.

    Args:
        limit_s: how long one call of the model may take; tools and people have their own limits.

    Raises:
        asyncio.TimeoutError: a call of the model took longer.
    """
    locale = "en"
    for _ in range(MAX_STEPS):
        request = await next_request(False)
        locale = request.locale
        outcome = await asyncio.wait_for(run_turn(provider, request, reply, emit, policy=policy), limit_s)
        if _too_large(outcome) and (smaller := await next_request(True)).messages != request.messages:
            outcome = await asyncio.wait_for(run_turn(provider, smaller, reply, emit, policy=policy), limit_s)
        if outcome.stop_reason == "pause":  # of the provider's own tools: it goes on when it is given its reply back
            await executor.start_step([])
            continue
        calls = [_tool_call(block, locale) for block in reply.content if block.get("type") == "tool_use"]
        if calls and outcome.stop_reason != "toolUse":  # cut off in the middle of them: they are not made
            reply.content = [block for block in reply.content if block.get("type") != "tool_use"]
            calls = []
        if not calls:
            return outcome
        await executor.start_step(calls)
        await execute_all(executor, calls)
    return Outcome("done", "length", _t(locale, "notice.tool_steps", steps=MAX_STEPS))


def _too_large(outcome: Outcome) -> bool:
    return outcome.state == "failed" and outcome.error is not None and outcome.error.get("kind") == "too_large"


def _tool_call(block: Mapping[str, Any], locale: str) -> ToolCall:
    """A ``tool_use`` block as a call; a block marked ``invalid`` gets the problem that the model is told."""
    problem = _t(locale, "tool.arguments") if "invalid" in block else ""
    return ToolCall(str(block["id"]), str(block["name"]), block["input"], problem)


async def execute_all(executor: ToolExecutor, calls: Sequence[ToolCall]) -> list[ToolResult]:
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
