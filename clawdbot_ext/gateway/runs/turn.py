"""The answer to an accepted message: choice of the model, its request, and the outcome.

``runs.execution`` calls ``answer_turn``, which calls the agent loop (``agent.loop``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ...agent.context.builder import Fitted, build
from ...agent.context.compaction import AT_PART, effective
from ...agent.context.continuation import Continuing
from ...agent.context.system_prompt import system_prompt
from ...agent.loop import run_agent_loop
from ...agent.model_catalog import UnknownModel
from ...agent.providers.base import Provider, ProviderError, ThinkingLevel, TurnRequest
from ...agent.turn import MediaProgress, TurnEvent
from ...config import Config
from ...protocol.errors import GatewayError
from ...store.api import Session
from ..access.policy import disabled
from ..media.preparation import prepare_attachments
from ..wire_forms import decode, explain
from .active import ActiveRun
from .compaction import compact_if_needed
from .context import RunContext
from .events import RunEvents
from .messages import RunOutcome, t
from .tools import RunToolExecutor, offered

CONTEXT_MESSAGES = 2000
"""The number of stored messages read for the context; the part that fits the window is decided by tokens."""
BYTES_PER_TOKEN = 6
"""An upper bound that decides how much is read from the store, not what is sent."""


def thinking_level(config: Config, session: Session | None) -> ThinkingLevel:
    """The session's own level, else the default's."""
    own: ThinkingLevel | None = session.settings.get("thinkingLevel") if session else None
    return own or config["agents.defaults.thinking"]


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
    max_tokens = min(model.max_output, config["agents.defaults.maxTokens"] or model.max_output)
    system = system_prompt(
        config["agents.defaults.systemPrompt"],
        session.settings.get("systemPrompt"),
        locale,
        environment=context.environment,
    )
    if options.get("system"):
        system += "\n\n" + str(options["system"])
    if notices := context.pop_notices(session.key):
        system += "\n\n<notices>\n" + "\n".join(notices) + "\n</notices>"

    async def fit() -> Fitted:
        page = await context.store.history(
            session_id=active.run.session_id, limit=CONTEXT_MESSAGES, max_bytes=model.context_window * BYTES_PER_TOKEN
        )
        messages = effective([decode(m) for m in page.messages])
        shown = await prepare_attachments(
            context.media, messages, model, locale=locale, emit=lambda data: emit(MediaProgress(data))
        )
        return build(
            messages, system=system, window=model.context_window, max_output=max_tokens, locale=locale, shown=shown
        )

    fitted = await fit()
    full = fitted.tokens > AT_PART * (model.context_window - max_tokens)
    if (full or fitted.dropped) and await compact_if_needed(context, active, session, model, locale):
        fitted = await fit()
    request = TurnRequest(
        model=model.id,
        system=system,
        messages=fitted.messages,
        max_tokens=max_tokens,
        locale=locale,
        temperature=session.settings.get("temperature"),
        thinking=options.get("thinking") or thinking_level(config, session),
    )
    if active.prefix:
        provider = Continuing(provider, active.prefix, active.run.text[len(active.prefix) :])
    seconds = (options.get("timeoutMs") or 0) / 1000 or config["agents.defaults.timeoutSeconds"]
    toolless = active.prefix or disabled(config, "tools")  # what goes on goes on as text
    executor = RunToolExecutor(context, events, active, () if toolless else offered(model.provider))
    try:
        outcome = await run_agent_loop(provider, request, active.reply, emit, executor, limit_s=seconds or None)
    except GatewayError as exc:  # a step could not be stored: what it was is not known to be kept, so it ends here
        return RunOutcome("failed", "error", t(locale, "run.storage", why=exc.message), {"kind": "storage"})
    except asyncio.TimeoutError:
        return RunOutcome(
            "interrupted", "interrupted", t(locale, "run.timeout", seconds=round(seconds)), {"kind": "timeout"}
        )
    return RunOutcome(outcome.state, outcome.stop_reason, outcome.message, outcome.error)
