"""``sessions.search``: which messages have these words."""

from __future__ import annotations

from ...protocol.schema import SearchHit, SessionsSearchParams, SessionsSearchResult
from ...store.api import StoredHit
from ...store.plain_words import without_marks
from ..connections.connection import Connection
from ..registry import method
from ..services import Services

DEFAULT_LIMIT = 20


@method("sessions.search")
async def sessions_search(services: Services, caller: Connection, params: SessionsSearchParams) -> SessionsSearchResult:
    limit = params.limit or DEFAULT_LIMIT
    found = await services.store.search(params.query, limit=limit + 1, before=params.before)
    result = SessionsSearchResult(hits=[_wire(hit) for hit in found[:limit]])
    if len(found) > limit:
        result.next = found[limit - 1].position
    return result


def _wire(hit: StoredHit) -> SearchHit:
    shown = SearchHit(
        session_key=hit.session_key,
        session_id=hit.session_id,
        seq=hit.seq,
        message_id=hit.message_id,
        role=hit.role,
        timestamp=hit.created_at,
        snippet=hit.snippet,
        highlights=hit.highlights,
        archived=hit.archived,
        shown=hit.shown,
    )
    if hit.label:
        shown.label = hit.label
    if hit.title:
        shown.derived_title = without_marks(hit.title)
    return shown
