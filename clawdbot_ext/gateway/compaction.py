"""Compaction of a session: asked for (``/compact``, ``sessions.compact``) or by itself when the window gets full.

It is announced by ``agent`` events of the stream ``compaction``, and kept as a message of the transcript that shows the
summary. The transcript stays whole (``agent.compaction`` says what the model is sent).
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from ..agent import compaction
from ..agent.models import Model
from ..agent.provider import ProviderError
from ..agent.tokens import estimate
from ..i18n import catalogue
from ..protocol.clock import now_ms
from ..protocol.errors import GatewayError, NotFound, Unavailable
from ..protocol.schema import AgentEvent, SessionMessageEvent, SessionsCompactParams, SessionsCompactResult
from ..store.api import Session
from .entries import assistant_message, decode
from .methods import method

if TYPE_CHECKING:
    from .active import ActiveRun
    from .client import Client
    from .core import Gateway

log = logging.getLogger(__name__)
t = catalogue("gateway")

MESSAGES = 2000
"""How many of the newest messages are looked at."""


class Compacted(NamedTuple):
    """What is to be stored: a text for people, and the ``compaction`` field of the message."""

    text: str
    facts: Mapping[str, Any]


@method("sessions.compact")
async def sessions_compact(gw: Gateway, client: Client, params: SessionsCompactParams) -> SessionsCompactResult:
    """As ``/compact``, with the summary stored as a message."""
    key = gw.canonical(params.key)
    session = await gw.store.get_session(key)
    if session is None:
        raise NotFound(f"no session {key}")
    made = await compact(gw, session, locale=client.locale, instructions=params.instructions or "")
    if made is None:
        return SessionsCompactResult(ok=True, key=key, compacted=False, reason="nothing to compact")
    await _store(gw, session, made)
    return SessionsCompactResult(
        ok=True,
        key=key,
        compacted=True,
        tokens_before=made.facts["tokensBefore"],
        tokens_after=made.facts["tokensAfter"],
    )


async def compact(gw: Gateway, session: Session, *, locale: str, instructions: str = "") -> Compacted | None:
    """Summarise all of a session that nobody is answering in. ``None`` when there is nothing to summarise.

    Raises:
        Unavailable: a reply is being written (``BUSY``), or the model could not be asked (``COMPACTION_FAILED``).
    """
    if gw.runs.active(session.key):
        raise Unavailable("a reply is being written; stop it or wait for it", reason="BUSY")
    model = await gw.models.choose(session.settings.get("model"))
    return await _compact(
        gw, session, model, keep_tokens=0, locale=locale, instructions=instructions, run_id=f"compact-{uuid.uuid4()}"
    )


async def relieve(gw: Gateway, active: ActiveRun, session: Session, model: Model, locale: str) -> bool:
    """Compact the older part of a conversation whose window is nearly full, before its newest message is answered.

    Returns whether it was. A failure is logged and no more: the oldest part is left out of the request then.
    """
    keep = int(model.context_window * compaction.KEPT_PART)
    try:
        made = await _compact(
            gw,
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
        await _store(gw, session, made)
    except GatewayError as exc:
        log.warning("run %s: not compacted: %s", active.run.run_id, exc)
        return False
    return True


async def _compact(
    gw: Gateway,
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
    page = await gw.store.history(session_id=session_id or session.session_id, limit=MESSAGES)
    messages = compaction.effective([decode(m) for m in page.messages])
    parts = compaction.split(messages, keep_tokens)
    if parts is None:
        return None
    _announce(gw, session, run_id, {"phase": "start"})
    try:
        provider = await gw.providers.get(model.provider)
        summary = await compaction.summarise(provider, model, parts.old, instructions=instructions, locale=locale)
    except ProviderError as exc:
        _announce(gw, session, run_id, {"phase": "end", "willRetry": False, "error": exc.detail})
        raise Unavailable(exc.detail, reason="COMPACTION_FAILED", kind=exc.kind) from exc
    except asyncio.CancelledError:
        _announce(gw, session, run_id, {"phase": "end", "willRetry": False, "error": "cancelled"})
        raise
    if summary is None:
        _announce(gw, session, run_id, {"phase": "end", "willRetry": False})
        return None
    before = sum(estimate(str(m.get("content", ""))) for m in messages)
    kept = sum(estimate(str(m.get("content", ""))) for m in messages if m["seq"] > parts.after)
    after = estimate(summary.text) + kept
    spent = summary.usage
    facts = {
        "summary": summary.text,
        "after": parts.after,
        "tokensBefore": before,
        "tokensAfter": after,
        "auto": auto,
        "provider": model.provider,
        "model": model.id,
        "usage": {
            "input": spent.input,
            "output": spent.output,
            "cacheRead": spent.cache_read,
            "cacheWrite": spent.cache_write,
            "cost": gw.models.cost(model.provider, model.id, spent),
        },
    }
    _announce(gw, session, run_id, {"phase": "end", "willRetry": False, "tokensBefore": before, "tokensAfter": after})
    head = t(locale, "compact.auto" if auto else "compact.done", before=f"{before:,}", after=f"{after:,}")
    return Compacted(f"{head}\n\n{summary.text}", facts)


async def _store(gw: Gateway, session: Session, made: Compacted) -> None:
    message = assistant_message(made.text, stopReason="command", command="/compact", compaction=made.facts)
    finished = await gw.store.append(session_key=session.key, message=message, now=now_ms())
    stored = finished.message
    assert stored is not None  # append returns what it appended
    gw.broadcast.emit(
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
    gw.tell_session(finished.session, "updated")


def _announce(gw: Gateway, session: Session, run_id: str, data: Mapping[str, Any]) -> None:
    gw.broadcast.emit(
        "agent",
        AgentEvent(run_id=run_id, stream="compaction", data=data, session_key=session.key, seq=0, ts=now_ms()),
        session=session.key,
    )
