"""The answer to an accepted message: choice of the model, its request, and the outcome.

``runs.execution`` calls ``answer_turn``, which calls the agent loop (``agent.loop``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Literal

from ...agent.context.continuation import Continuing
from ...agent.loop import run_agent_loop
from ...agent.model_catalog import UnknownModel
from ...agent.providers.base import Provider, ProviderError
from ...agent.turn import RetryPolicy, TurnEvent
from ...protocol.errors import GatewayError, LimitReached
from ...store.api import Session, StoreDamaged
from ..access.policy import disabled
from ..error_texts import sentence
from ..wire_forms import explain
from .active import ActiveRun
from .context import RunContext
from .events import RunEvents
from .messages import RunOutcome, t
from .request_writer import RequestWriter
from .server_tools import server_tools
from .tools import RunToolExecutor, offered


async def answer_turn(
    context: RunContext, events: RunEvents, active: ActiveRun, session: Session, emit: Callable[[TurnEvent], None]
) -> RunOutcome:
    """Answer the newest message of ``session``; ``active.reply`` grows meanwhile."""
    options = active.run.options
    locale = str(options.get("locale") or "en")
    config = context.config()
    try:
        model = await context.providers.models.choose(options.get("model") or session.settings.get("model"))
        provider: Provider = await context.providers.get(model.provider)
    except (UnknownModel, ProviderError) as exc:
        why = explain(locale, exc) if isinstance(exc, UnknownModel) else exc.detail
        return RunOutcome("failed", "error", why, {"kind": "model", "hint": t(locale, "run.model")})
    active.reply.provider, active.reply.model = model.provider, model.id
    seconds = (options.get("timeoutMs") or 0) / 1000 or config["agents.defaults.timeoutSeconds"]
    toolless = disabled(config, "tools")
    tools = () if toolless else await offered(context, session.key, model)
    executor = RunToolExecutor(context, events, active, tools)
    chatting = (await context.hands.permission.hands(session.key)).mode == "chat"
    specs = [*executor.specs, *(() if toolless or chatting else server_tools(config, model.provider))]
    writer = RequestWriter(
        context, active, session, model, specs, emit, thinking=options.get("thinking"), patience_s=seconds
    )
    if active.prefix:
        space = active.run.text[len(active.prefix) :]
        provider = Continuing(provider, active.prefix, space, lambda: bool(active.prefix))
    try:
        await executor.finish_step(active.pending)
        outcome = await run_agent_loop(
            provider,
            writer.next_request,
            active.reply,
            emit,
            executor,
            limit_s=seconds or None,
            policy=RetryPolicy(first_token_s=seconds or RetryPolicy.first_token_s),
        )
    except (LimitReached, UnknownModel) as exc:  # between two requests
        return _refused(active, exc, locale)
    except (GatewayError, StoreDamaged) as exc:  # a step could not be stored, or what it follows not be read
        why = exc.detail if isinstance(exc, StoreDamaged) else sentence(exc.message, locale) or exc.message
        return RunOutcome("failed", "error", t(locale, "run.storage", why=why), {"kind": "storage"})
    except asyncio.TimeoutError:
        return RunOutcome(
            "interrupted", "interrupted", t(locale, "run.timeout", seconds=round(seconds)), {"kind": "timeout"}
        )
    return RunOutcome(outcome.state, outcome.stop_reason, outcome.message or writer.notice, outcome.error)


def _refused(active: ActiveRun, error: GatewayError, locale: str) -> RunOutcome:
    """The outcome where no further request may be made; with steps before it, they and their text are kept."""
    why = sentence(error.message, locale) or explain(locale, error)
    state: Literal["interrupted", "failed"] = "interrupted" if active.spent.steps else "failed"
    if not isinstance(error, LimitReached):
        facts: dict[str, Any] = {"kind": "model", "hint": t(locale, "run.model")}
    else:
        facts = {"kind": "limit", "hint": why, **error.facts}
    return RunOutcome(state, "interrupted" if state == "interrupted" else "error", why, facts)
