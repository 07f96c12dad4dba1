"""``sessions.compact``."""

from __future__ import annotations

from ...protocol.errors import NotFound
from ...protocol.schema import SessionsCompactParams, SessionsCompactResult
from ..connections.connection import Connection
from ..registry import method
from ..runs.compaction import compact, store_summary
from ..runs.manager import too_busy
from ..services import Services


@method("sessions.compact")
async def sessions_compact(
    services: Services, caller: Connection, params: SessionsCompactParams
) -> SessionsCompactResult:
    """As ``/compact``, with the summary stored as a message."""
    key = services.sessions.canonical(params.key)
    session = await services.store.get_session(key)
    if session is None:
        raise NotFound(f"no session {key}")
    if services.runs.active(key):
        raise too_busy()
    made = await compact(services.runs.context, session, locale=caller.locale, instructions=params.instructions or "")
    if made is None:
        return SessionsCompactResult(ok=True, key=key, compacted=False, reason="nothing to compact")
    await store_summary(services.runs.context, session, made)
    return SessionsCompactResult(
        ok=True,
        key=key,
        compacted=True,
        tokens_before=made.facts["tokensBefore"],
        tokens_after=made.facts["tokensAfter"],
    )
