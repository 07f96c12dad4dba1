"""Compaction of a session: asked for (``/compact``, ``sessions.compact``) or by itself when the window gets full.

It is announced by ``agent`` events of the stream ``compaction``, and kept as a message of the transcript that shows the
summary. The transcript stays whole (``agent.compaction`` says what the model is sent).
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Mapping
from typing import Any, NamedTuple

from ...agent.context import compaction
from ...agent.context.token_estimate import estimate
from ...agent.model_catalog import Model
from ...agent.providers.base import ProviderError, Usage
from ...i18n import catalogue
from ...protocol.clock import now_ms
from ...protocol.errors import GatewayError, Unavailable
from ...protocol.schema import AgentEvent, SessionMessageEvent
from ...store.api import Session
from ..wire_forms import assistant_message, decode
from .active import ActiveRun
from .context import RunContext

log = logging.getLogger(__name__)
t = catalogue("gateway")

MESSAGES = 2000
"""The number of newest messages that are read."""


class Compacted(NamedTuple):
    """The message to store: a text for people, and its ``compaction`` field."""

    text: str
    facts: Mapping[str, Any]


async def compact(context: RunContext, session: Session, *, locale: str, instructions: str = "") -> Compacted | None:
    """Summarise all of a session in which no reply is being written (the caller has checked).

    ``None`` when there is nothing to summarise.


    Raises:
        Unavailable: the model could not be asked (``COMPACTION_FAILED``).
    """
    model = await context.providers.models.choose(session.settings.get("model"))
    return await _compact(
        context,
        session,
        model,
        keep_tokens=0,
        locale=locale,
        instructions=instructions,
        run_id=f"compact-{uuid.uuid4()}",
    )


async def compact_if_needed(
    context: RunContext, active: ActiveRun, session: Session, model: Model, locale: str
) -> bool:
    """Compact the older part of a conversation whose window is nearly full, before its newest message is answered.

    Returns whether it was. A failure is logged and no more: the oldest part is left out of the request then.
    """
    keep = int(model.context_window * compaction.KEPT_PART)
    try:
        made = await _compact(
            context,
            session,
            model,
            keep_tokens=keep,
            locale=locale,
            run_id=active.run.run_id,
            session_id=active.run.session_id,
            auto=True,
        )
        if made is None:
            return False
        await store_summary(context, session, made)
    except GatewayError as exc:
        log.warning("run %s: not compacted: %s", active.run.run_id, exc)
        return False
    return True


async def _compact(
    context: RunContext,
    session: Session,
    model: Model,
    *,
    keep_tokens: int,
    locale: str,
    run_id: str,
    instructions: str = "",
    session_id: str | None = None,
    auto: bool = False,
) -> Compacted | None:
    page = await context.store.history(session_id=session_id or session.session_id, limit=MESSAGES)
    messages = compaction.effective([decode(m) for m in page.messages])
    parts = compaction.split(messages, keep_tokens)
    if parts is None:
        return None
    before = sum(estimate(str(m.get("content", ""))) for m in messages)
    spent: Mapping[str, Any] | None = None
    reservation = await context.budget.admit(model, session.key, prompt=before, most=compaction.SUMMARY_TOKENS)
    _announce(context, session, run_id, {"phase": "start"})
    try:
        provider = await context.providers.get(model.provider)
        summary = await compaction.summarise(provider, model, parts.old, instructions=instructions, locale=locale)
        spent = _usage(context, model, summary.usage) if summary is not None else None
    except ProviderError as exc:
        _announce(context, session, run_id, {"phase": "end", "willRetry": False, "error": exc.detail})
        raise Unavailable(exc.detail, reason="COMPACTION_FAILED", kind=exc.kind) from exc
    except asyncio.CancelledError:
        _announce(context, session, run_id, {"phase": "end", "willRetry": False, "error": "cancelled"})
        raise
    finally:
        await context.budget.settle(reservation, spent)
    if summary is None:
        _announce(context, session, run_id, {"phase": "end", "willRetry": False})
        return None
    kept = sum(estimate(str(m.get("content", ""))) for m in messages if m["seq"] > parts.after)
    after = estimate(summary.text) + kept
    facts = {
        "summary": summary.text,
        "after": parts.after,
        **({"question": parts.question} if parts.question is not None else {}),
        "tokensBefore": before,
        "tokensAfter": after,
        "auto": auto,
        "provider": model.provider,
        "model": model.id,
        "usage": spent,
    }
    _announce(
        context, session, run_id, {"phase": "end", "willRetry": False, "tokensBefore": before, "tokensAfter": after}
    )
    head = t(locale, "compact.auto" if auto else "compact.done", before=f"{before:,}", after=f"{after:,}")
    return Compacted(f"{head}\n\n{summary.text}", facts)


def _usage(context: RunContext, model: Model, spent: Usage) -> Mapping[str, Any]:
    """Tokens and cost of a summary in wire form."""
    return {
        "input": spent.input,
        "output": spent.output,
        "cacheRead": spent.cache_read,
        "cacheWrite": spent.cache_write,
        "cost": context.providers.models.cost(model.provider, model.id, spent),
    }


async def store_summary(context: RunContext, session: Session, made: Compacted) -> None:
    """Append a summary to the transcript, and tell the session's clients."""
    message = assistant_message(made.text, stopReason="command", command="/compact", compaction=made.facts)
    finished = await context.store.append(session_key=session.key, message=message, now=now_ms())
    stored = finished.message
    assert stored is not None  # append returns what it appended
    context.events.emit(
        "session.message",
        SessionMessageEvent(
            session_key=session.key,
            session_id=stored.session_id,
            epoch=finished.session.epoch,
            seq=stored.seq,
            message=stored.body,
        ),
        session=session.key,
    )
    context.announce(finished.session, "updated")


def _announce(context: RunContext, session: Session, run_id: str, data: Mapping[str, Any]) -> None:
    context.events.emit(
        "agent",
        AgentEvent(run_id=run_id, stream="compaction", data=data, session_key=session.key, seq=0, ts=now_ms()),
        session=session.key,
    )
