"""The agent loop: ask the model, run the tools it calls, until it answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from .providers.base import Provider, Reply, TurnRequest
from .tools import MAX_STEPS, Desk, _all, _call, _said, _t, result_block
from .turn import Outcome, TurnEvent, run_turn


async def converse(
    provider: Provider,
    request: TurnRequest,
    reply: Reply,
    emit: Callable[[TurnEvent], None],
    desk: Desk,
    *,
    limit_s: float | None = None,
) -> Outcome:
    """Answer one request, calling tools until the model has its answer; ``reply`` is the newest part of it.

    Args:
        limit_s: how long one call of the model may take; tools and people have their own limits.

    Raises:
        asyncio.TimeoutError: a call of the model took longer.
    """
    request = replace(request, tools=tuple(desk.specs))
    for _ in range(MAX_STEPS):
        outcome = await asyncio.wait_for(run_turn(provider, request, reply, emit), limit_s)
        said = [block for block in reply.content if block.get("type") != "text" or block.get("text")]
        calls = [_call(block, request.locale) for block in said if block.get("type") == "tool_use"]
        if calls and outcome.stop_reason != "toolUse":  # cut off in the middle of them: they are not made
            reply.content = [block for block in reply.content if block.get("type") != "tool_use"]
            calls = []
        if not calls:
            return outcome
        await desk.begin(calls)
        results = await _all([desk.carry_out(call) for call in calls])
        request = replace(
            request,
            messages=[
                *request.messages,
                {"role": "assistant", "content": [_said(block) for block in said]},
                {"role": "user", "content": [result_block(r.call_id, r.text, r.is_error) for r in results]},
            ],
        )
    return Outcome("done", "length", _t(request.locale, "notice.tool_steps", steps=MAX_STEPS))
