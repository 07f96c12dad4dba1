"""From an accepted message to the assistant's message: which model, what it is sent, what is kept of its answer.

``runs`` decides when; ``agent.turn`` does the talking; this is what lies between.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..agent.compaction import AT_PART, effective
from ..agent.context import Fitted, build
from ..agent.continuation import Continuing
from ..agent.models import UnknownModel
from ..agent.prompt import system_prompt
from ..agent.provider import Provider, ProviderError, TurnRequest
from ..agent.tokens import estimate
from ..agent.tools import converse
from ..agent.turn import Looking, TurnEvent
from ..i18n import catalogue
from ..protocol.clock import now_ms
from ..protocol.errors import GatewayError
from ..store.api import RunState, Session
from .compaction import relieve
from .entries import decode, explain
from .media.seeing import see
from .policy import disabled
from .tools import RunTools, offered

if TYPE_CHECKING:
    from .active import ActiveRun
    from .core import Gateway

t = catalogue("gateway")

CONTEXT_MESSAGES = 2000
"""How many stored messages are looked at for the context; what fits the window is decided by tokens."""
BYTES_PER_TOKEN = 6
"""An upper bound that decides how much is read from the store, not what is sent."""


@dataclass(frozen=True)
class Ending:
    """How a run ended: the state in the store, the wire's stop reason, a text for people, facts for programs."""

    state: RunState
    stop_reason: str
    message: str = ""
    error: Mapping[str, Any] | None = None


async def take_turn(gw: Gateway, active: ActiveRun, session: Session, emit: Callable[[TurnEvent], None]) -> Ending:
    """Answer the newest message of ``session``; ``active.reply`` grows meanwhile."""
    options = active.run.options
    locale = str(options.get("locale") or "en")
    config = gw.live()
    try:
        model = await gw.models.choose(options.get("model") or session.settings.get("model"))
        provider: Provider = await gw.providers.get(model.provider)
    except (UnknownModel, ProviderError) as exc:
        why = explain(locale, exc) if isinstance(exc, UnknownModel) else exc.detail
        return Ending("failed", "error", why, {"kind": "model", "hint": t(locale, "run.model")})
    active.reply.provider, active.reply.model = model.provider, model.id
    max_tokens = min(model.max_output, config["agents.defaults.maxTokens"] or model.max_output)
    system = system_prompt(
        config["agents.defaults.systemPrompt"], session.settings.get("systemPrompt"), locale, environment=gw.environment
    )
    if options.get("system"):
        system += "\n\n" + str(options["system"])
    if notices := gw.presence.take_notices(session.key):
        system += "\n\n<notices>\n" + "\n".join(notices) + "\n</notices>"

    async def fit() -> Fitted:
        page = await gw.store.history(
            session_id=active.run.session_id, limit=CONTEXT_MESSAGES, max_bytes=model.context_window * BYTES_PER_TOKEN
        )
        messages = effective([decode(m) for m in page.messages])
        shown = await see(gw, messages, model, locale=locale, tell=lambda data: emit(Looking(data)))
        return build(
            messages, system=system, window=model.context_window, max_output=max_tokens, locale=locale, shown=shown
        )

    fitted = await fit()
    full = fitted.tokens > AT_PART * (model.context_window - max_tokens)
    if (full or fitted.dropped) and await relieve(gw, active, session, model, locale):
        fitted = await fit()
    request = TurnRequest(
        model=model.id,
        system=system,
        messages=fitted.messages,
        max_tokens=max_tokens,
        locale=locale,
        temperature=session.settings.get("temperature"),
        thinking=options.get("thinking") or gw.thinking_level(session),
    )
    if active.kept:
        provider = Continuing(provider, active.kept, active.run.text[len(active.kept) :])
    seconds = (options.get("timeoutMs") or 0) / 1000 or config["agents.defaults.timeoutSeconds"]
    toolless = active.kept or disabled(config, "tools")  # what goes on goes on as text
    desk = RunTools(gw, active, () if toolless else offered(model.provider))
    try:
        outcome = await converse(provider, request, active.reply, emit, desk, limit_s=seconds or None)
    except GatewayError as exc:  # a step could not be stored: what it was is not known to be kept, so it ends here
        return Ending("failed", "error", t(locale, "run.storage", why=exc.message), {"kind": "storage"})
    except asyncio.TimeoutError:
        return Ending(
            "interrupted", "interrupted", t(locale, "run.timeout", seconds=round(seconds)), {"kind": "timeout"}
        )
    return Ending(outcome.state, outcome.stop_reason, outcome.message, outcome.error)


def cancelled(active: ActiveRun) -> Ending:
    """The ending of a run whose task was cancelled: by somebody's stop, or because the gateway stops."""
    if active.stop_reason == "rpc":
        return Ending("aborted", "aborted")
    return Ending(
        "interrupted", "interrupted", t(active.run.options.get("locale"), "run.shutdown"), {"kind": "shutdown"}
    )


def final_message(gw: Gateway, active: ActiveRun, ending: Ending) -> dict[str, Any] | None:
    """The assistant's message as it is stored, or ``None`` when there is nothing to keep (stopped before any text)."""
    reply = active.reply
    content = _content(active)
    if ending.state == "aborted" and not reply.text and not reply.thinking:
        return None
    usage, estimated = reply.usage, not reply.content and bool(reply.text or reply.thinking)
    if estimated:  # the provider counts a reply only at its end, and this one has none
        usage = replace(usage, output=max(usage.output, estimate(reply.text) + estimate(reply.thinking)))
    message: dict[str, Any] = {
        "role": "assistant",
        "content": content,
        "api": "anthropic-messages",
        "provider": reply.provider,
        "model": reply.model,
        "stopReason": ending.stop_reason,
        "timestamp": now_ms(),
        "durationMs": now_ms() - active.started_at,
        "usage": {
            "input": usage.input,
            "output": usage.output,
            "cacheRead": usage.cache_read,
            "cacheWrite": usage.cache_write,
            "totalTokens": usage.input + usage.output + usage.cache_read + usage.cache_write,
            "cost": gw.models.cost(reply.provider, reply.model, usage),
        },
    }
    if estimated:
        message["usage"]["estimated"] = True
    if ending.message:
        message["errorMessage" if ending.state != "done" else "notice"] = ending.message
    if ending.error:
        message["error"] = dict(ending.error)
    if continues := active.run.options.get("continues"):
        message["continues"] = continues
    if reply.provider == "demo":
        message["demo"] = True
    return message


def step_message(gw: Gateway, active: ActiveRun, titles: Mapping[str, str]) -> dict[str, Any]:
    """The assistant's message that calls tools; ``titles`` by the calls' ids."""
    message = final_message(gw, active, Ending("done", "toolUse"))
    assert message is not None  # only what was aborted may have nothing
    for block in message["content"]:
        if block["type"] == "toolCall":
            block["title"] = titles[block["id"]]
    return message


def _content(active: ActiveRun) -> list[dict[str, Any]]:
    """The provider's blocks in wire form once the reply is complete and all there is, else what was streamed."""
    reply = active.reply
    if active.kept or not reply.content:
        blocks = [{"type": "thinking", "thinking": reply.thinking}] if reply.thinking else []
        return [*blocks, {"type": "text", "text": active.text}] if active.text else blocks
    wire: list[dict[str, Any]] = []
    for block in reply.content:
        kind = block.get("type")
        if kind == "text":
            if block["text"]:
                wire.append({"type": "text", "text": block["text"]})
        elif kind == "thinking":
            wire.append(
                {
                    "type": "thinking",
                    "thinking": block.get("thinking", ""),
                    "thinkingSignature": block.get("signature", ""),
                }
            )
        elif kind == "tool_use":
            wire.append({"type": "toolCall", "id": block["id"], "name": block["name"], "arguments": block["input"]})
            if "invalid" in block:
                wire[-1]["invalidArguments"] = block["invalid"]
    return wire
