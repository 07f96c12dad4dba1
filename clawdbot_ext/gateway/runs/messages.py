"""The messages that a run stores: steps, the final reply, a cut one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from ...agent.context.history import wire_blocks
from ...agent.context.token_estimate import estimate
from ...agent.model_catalog import ModelCatalogue
from ...i18n import catalogue
from ...protocol.clock import now_ms
from ...protocol.schema import Queued
from ...store.api import Run, RunState
from ..wire_forms import text_of, wire_usage
from .active import ActiveRun

t = catalogue("gateway")


@dataclass(frozen=True)
class RunOutcome:
    """The outcome of a run: the state in the store, the wire's stop reason, a text for people, facts for programs."""

    state: RunState
    stop_reason: str
    message: str = ""
    error: Mapping[str, Any] | None = None


def cancelled(active: ActiveRun) -> RunOutcome:
    """The outcome of a run whose task was cancelled: by a client's stop, or because the gateway stops."""
    if active.stop_reason == "rpc":
        return RunOutcome("aborted", "aborted")
    return RunOutcome(
        "interrupted", "interrupted", t(active.run.options.get("locale"), "run.shutdown"), {"kind": "shutdown"}
    )


def cut_by_crash(run: Run) -> dict[str, Any]:
    """The fields stored with a reply that a crash cut off, in the language of the user who asked."""
    facts = {
        "stopReason": "interrupted",
        "timestamp": now_ms(),
        "errorMessage": t(run.options.get("locale"), "run.crash"),
        "toolMessage": t(run.options.get("locale"), "run.crash.tool"),
    }
    if continues := run.options.get("continues"):
        facts["continues"] = continues
    return facts


def final_message(models: ModelCatalogue, active: ActiveRun, outcome: RunOutcome) -> dict[str, Any] | None:
    """The assistant's message as it is stored, or ``None`` when there is nothing to keep (stopped before any text)."""
    reply = active.reply
    content = _content(active)
    if outcome.state == "aborted" and not reply.text and not reply.thinking:
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
        "stopReason": outcome.stop_reason,
        "timestamp": now_ms(),
        "durationMs": now_ms() - active.started_at,
        "usage": wire_usage(usage, models.cost(reply.provider, reply.model, usage)),
    }
    if estimated:
        message["usage"]["estimated"] = True
    if reply.digest and reply.content and not active.prefix:
        message["promptDigest"] = reply.digest
    if active.spent.steps:
        message["runUsage"] = active.spent.with_last(message["usage"])
    if outcome.message:
        message["errorMessage" if outcome.state != "done" else "notice"] = outcome.message
    if outcome.error:
        message["error"] = dict(outcome.error)
    if (continues := active.run.options.get("continues")) and not active.spent.steps:
        message["continues"] = continues
    if reply.provider == "demo":
        message["demo"] = True
    return message


def step_message(models: ModelCatalogue, active: ActiveRun, titles: Mapping[str, str]) -> dict[str, Any]:
    """The assistant's message that calls tools; ``titles`` by the calls' ids."""
    message = final_message(models, active, RunOutcome("done", "toolUse"))
    assert message is not None  # only what was aborted may have nothing
    active.spent.add(message["usage"])
    for block in message["content"]:
        if block["type"] == "toolCall":
            block["title"] = titles[block["id"]]
    return message


def _content(active: ActiveRun) -> list[dict[str, Any]]:
    """The provider's blocks in wire form once the reply is complete, else what was streamed."""
    reply = active.reply
    if reply.content and not active.prefix:
        return wire_blocks(reply.content)
    blocks = [{"type": "thinking", "thinking": reply.thinking}] if reply.thinking else []
    if not reply.content:
        return [*blocks, {"type": "text", "text": active.text}] if active.text else blocks
    return [*blocks, *wire_blocks(_joined(active))]


def _joined(active: ActiveRun) -> list[Mapping[str, Any]]:
    """The blocks of a reply that goes on from another one: that one's text in front, and nothing of it twice.

    Its thinking is left out: it is bound to a prompt that is not in the history.
    """
    blocks = [block for block in active.reply.content if block.get("type") not in ("thinking", "redacted_thinking")]
    first = next((at for at, block in enumerate(blocks) if block.get("type") == "text"), len(blocks))
    later = "".join(str(block["text"]) for block in blocks[first + 1 :] if block.get("type") == "text")
    if not active.text.endswith(later):
        later, blocks = "", [block for block in blocks if block.get("type") != "text"]
    kept = {"type": "text", "text": active.text[: len(active.text) - len(later)]}
    old = blocks[first] if first < len(blocks) and blocks[first].get("type") == "text" else {}
    return [*blocks[:first], {**old, **kept}, *blocks[first + bool(old) :]]


def queued_view(run: Run) -> Queued:
    """A waiting send as clients see it."""
    view = Queued(run_id=run.run_id, text=text_of(msgspec.json.decode(run.message)), created_at=run.created_at)
    if run.options.get("when") == "now":
        view.when = "now"
    return view


def is_guest(run: Run) -> bool:
    """Whether the sender may decide nothing (``Connection.asker``)."""
    return bool((run.options.get("asker") or {}).get("guest"))
