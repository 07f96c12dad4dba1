"""``sessions.*``: list, open, change, empty, archive, remove."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from ..agent.provider import THINKING_LEVELS
from ..protocol.clock import now_ms
from ..protocol.errors import InvalidRequest, NotFound
from ..protocol.keys import TEMPORARY, is_temporary
from ..protocol.schema import (
    SessionEntryResult,
    SessionIdParams,
    SessionKeyParams,
    SessionKeysParams,
    SessionKeysResult,
    SessionsClearResult,
    SessionsDeleteParams,
    SessionsDeleteResult,
    SessionsForkParams,
    SessionsListParams,
    SessionsListResult,
    SessionsNewParams,
    SessionsPatchParams,
    SessionsPreviewParams,
    SessionsPreviewResult,
    SessionsResolveParams,
    SessionsResolveResult,
    SessionsTranscriptsResult,
)
from ..store.api import Session
from .entries import CLAWDBOT_FIELDS, preview_items, t
from .methods import method
from .policy import require

if TYPE_CHECKING:
    from .client import Client
    from .core import Gateway

UNDO_MS = 10_000
"""How long ``sessions.clear`` and ``sessions.delete`` can be taken back."""

LEVELS: Mapping[str, tuple[str, ...]] = {
    "thinkingLevel": THINKING_LEVELS,
    "verboseLevel": ("off", "on", "full"),
    "reasoningLevel": ("off", "on", "stream"),
    "responseUsage": ("off", "on", "tokens", "full"),
    "elevatedLevel": ("off", "on", "ask", "full"),
}
"""What each level setting may be; the first is the default."""


def new_key(*, temporary: bool = False) -> str:
    """A key nobody has used."""
    if temporary:
        return f"{TEMPORARY}{uuid.uuid4().hex[:12]}"
    return f"agent:main:webchat:{uuid.uuid4().hex[:12]}"


def _key_of(name: str, *, temporary: bool) -> str:
    """A key like those of ``new_key`` that is always the same for a name."""
    return f"{TEMPORARY if temporary else 'agent:main:webchat:'}{hashlib.sha256(name.encode()).hexdigest()[:12]}"


@method("sessions.list")
async def sessions_list(gw: Gateway, client: Client, params: SessionsListParams) -> SessionsListResult:
    now = now_ms()
    sessions = await gw.store.list_sessions(
        limit=params.limit,
        active_since=now - params.active_minutes * 60_000 if params.active_minutes else None,
        search=params.search,
        label=params.label,
        archived=bool(params.include_archived),
    )
    titles, last = params.include_derived_titles is not False, params.include_last_message is not False
    model = gw.models.default()
    return SessionsListResult(
        ts=now,
        path=str(gw.live().home),
        count=len(sessions),
        defaults={"modelProvider": model.provider, "model": model.id, "contextTokens": model.context_window},
        sessions=[{**gw.entry(s, titles=titles, last_message=last), **CLAWDBOT_FIELDS} for s in sessions],
    )


@method("sessions.new")
async def sessions_new(gw: Gateway, client: Client, params: SessionsNewParams) -> SessionEntryResult:
    """Open a session under a key of the caller's or of ours."""
    settings: dict[str, Any] = {}
    if params.model:
        settings["model"] = gw.models.resolve(params.model).spec
    if params.key and params.temporary:
        raise InvalidRequest("a temporary session gets its key from the gateway", reason="KEY_GIVEN")
    if params.temporary:
        require(gw.live(), "temporary")
    key = gw.canonical(params.key) if params.key else new_key(temporary=bool(params.temporary))
    session = await gw.store.create_session(key, settings=settings, now=now_ms())
    if params.label:
        session = await gw.store.patch_session(session.key, {"label": params.label}, now=now_ms())
    gw.tell_session(session, "created")
    return SessionEntryResult(ok=True, key=session.key, entry=gw.entry(session))


@method("sessions.patch")
async def sessions_patch(gw: Gateway, client: Client, params: SessionsPatchParams) -> SessionEntryResult:
    """Merge settings; what is not named stays."""
    changes = {name: value for name, value in msgspec.to_builtins(params).items() if name != "key"}
    for name, value in changes.items():
        if value is not None and name in LEVELS and value not in LEVELS[name]:
            raise InvalidRequest(
                f"{name} must be one of {', '.join(LEVELS[name])}", reason="BAD_LEVEL", choices=LEVELS[name]
            )
    if isinstance(changes.get("label"), str):
        changes["label"] = changes["label"].strip() or None
    if isinstance(changes.get("systemPrompt"), str):
        changes["systemPrompt"] = changes["systemPrompt"].strip() or None
    for flag in ("pinned", "archived"):
        if changes.get(flag) is False:
            changes[flag] = None
    if changes.get("model"):
        changes["model"] = gw.models.resolve(changes["model"]).spec
    session = await gw.store.patch_session(gw.canonical(params.key), changes, now=now_ms())
    gw.tell_session(session, "updated")
    result = SessionEntryResult(ok=True, key=session.key, entry=gw.entry(session))
    if notes := _notes(gw, session, client.locale, changes):
        result.notes = notes
    return result


def _notes(gw: Gateway, session: Session, locale: str, changes: Mapping[str, Any]) -> list[str]:
    """What of a change has no effect as things are."""
    model = gw.session_model(session)
    if session.settings.get("temperature") is None or not changes.keys() & {"temperature", "model", "thinkingLevel"}:
        return []
    if not model.temperature:
        return [t(locale, "note.temperature.model", name=model.name)]
    if gw.thinking_level(session) != "off":
        return [t(locale, "note.temperature.thinking")]
    return []


@method("sessions.reset")
async def sessions_reset(gw: Gateway, client: Client, params: SessionKeyParams) -> SessionEntryResult:
    session = await reset(gw, gw.canonical(params.key))
    return SessionEntryResult(ok=True, key=session.key, entry=gw.entry(session))


async def reset(gw: Gateway, key: str) -> Session:
    """Stop what runs, archive the transcript, start an empty one; settings stay."""
    async with gw.runs.stopped(key):
        session = await gw.store.new_transcript(key, now=now_ms())
    gw.tell_session(session, "reset")
    return session


@method("sessions.clear")
async def sessions_clear(gw: Gateway, client: Client, params: SessionKeyParams) -> SessionsClearResult:
    session = await clear(gw, gw.canonical(params.key))
    return SessionsClearResult(ok=True, key=session.key, entry=gw.entry(session), undo_until=session.clear_undo_until)


async def clear(gw: Gateway, key: str) -> Session:
    """Stop what runs and empty the transcript, for good after ``UNDO_MS``."""
    async with gw.runs.stopped(key):
        now = now_ms()
        session = await gw.store.clear(key, undo_until=now + UNDO_MS, now=now)
    gw.sweeper.expect(now + UNDO_MS)
    gw.tell_session(session, "cleared")
    return session


@method("sessions.undo")
async def sessions_undo(gw: Gateway, client: Client, params: SessionKeyParams) -> SessionEntryResult:
    session = await gw.store.undo_clear(gw.canonical(params.key), now=now_ms())
    gw.tell_session(session, "restored")
    return SessionEntryResult(ok=True, key=session.key, entry=gw.entry(session))


@method("sessions.restore")
async def sessions_restore(gw: Gateway, client: Client, params: SessionIdParams) -> SessionEntryResult:
    owner = (await gw.store.history(session_id=params.session_id, limit=1)).session
    if owner is None:
        raise NotFound(f"no transcript {params.session_id}")
    async with gw.runs.stopped(owner.key):
        session = await gw.store.restore(params.session_id, now=now_ms())
    gw.tell_session(session, "restored")
    return SessionEntryResult(ok=True, key=session.key, entry=gw.entry(session))


@method("sessions.transcripts")
async def sessions_transcripts(gw: Gateway, client: Client, params: SessionKeyParams) -> SessionsTranscriptsResult:
    key = gw.canonical(params.key)
    rows = [
        {
            "sessionId": t.session_id,
            "createdAt": t.created_at,
            "archivedAt": t.archived_at,
            "messageCount": t.message_count,
            "derivedTitle": t.title,
            "lastMessagePreview": t.preview,
        }
        for t in await gw.store.transcripts(key)
    ]
    return SessionsTranscriptsResult(key=key, transcripts=rows)


@method("sessions.delete")
async def sessions_delete(gw: Gateway, client: Client, params: SessionsDeleteParams) -> SessionsDeleteResult:
    """Remove a session. One that does not exist is no error: ``deleted`` is false, as with the real gateway."""
    key = gw.canonical(params.key)
    if key == gw.main_key():
        raise InvalidRequest(f"Cannot delete the main session ({key}).", reason="MAIN_SESSION")
    try:
        async with gw.runs.stopped(key):
            now = now_ms()
            archived = await gw.store.delete_session(
                key, delete_transcript=params.delete_transcript is not False, undo_until=now + UNDO_MS, now=now
            )
    except NotFound:
        return SessionsDeleteResult(ok=True, key=key, deleted=False, archived=[])
    gw.sweeper.expect(now + UNDO_MS)
    if is_temporary(key):
        gw.media.expect_release(now + UNDO_MS)
    gw.tell_deleted(key)
    return SessionsDeleteResult(ok=True, key=key, deleted=True, archived=archived, undo_until=now + UNDO_MS)


@method("sessions.undelete")
async def sessions_undelete(gw: Gateway, client: Client, params: SessionKeyParams) -> SessionEntryResult:
    """Where the key is in use again, what was deleted comes back as archived transcripts."""
    session = await gw.store.undelete_session(gw.canonical(params.key), now=now_ms())
    gw.tell_session(session, "restored")
    return SessionEntryResult(ok=True, key=session.key, entry=gw.entry(session))


@method("sessions.fork")
async def sessions_fork(gw: Gateway, client: Client, params: SessionsForkParams) -> SessionEntryResult:
    """A resend (same ``idempotencyKey``) finds the copy by its key, which is made of that."""
    key = gw.canonical(params.key)
    target = new_key(temporary=is_temporary(key))
    if params.idempotency_key is not None:
        target = _key_of(f"{key}\0{params.idempotency_key}", temporary=is_temporary(key))
    session = await gw.store.fork(
        key, target, message_id=params.message_id, label=(params.label or "").strip() or None, now=now_ms()
    )
    gw.tell_session(session, "created")
    return SessionEntryResult(ok=True, key=session.key, entry=gw.entry(session))


@method("sessions.resolve")
async def sessions_resolve(gw: Gateway, client: Client, params: SessionsResolveParams) -> SessionsResolveResult:
    """Find a session by exactly one of key, session id and label."""
    given = [v for v in (params.key, params.session_id, params.label) if v]
    if len(given) != 1:
        raise InvalidRequest("give exactly one of key, sessionId and label")
    if params.key:
        session = await gw.store.get_session(gw.canonical(params.key))
    else:
        session = await gw.store.find_session(session_id=params.session_id, label=params.label)
    if session is None:
        raise NotFound(f"No session found: {given[0]}")
    return SessionsResolveResult(ok=True, key=session.key)


@method("sessions.preview")
async def sessions_preview(gw: Gateway, client: Client, params: SessionsPreviewParams) -> SessionsPreviewResult:
    previews = []
    for asked in params.keys:
        page = await gw.store.history(session_key=gw.canonical(asked), limit=params.limit or 12, max_bytes=1 << 20)
        items = preview_items(page.messages, params.max_chars or 240)
        status = "missing" if page.session is None else "ok" if items else "empty"
        previews.append({"key": asked, "status": status, "items": items})
    return SessionsPreviewResult(ts=now_ms(), previews=previews)


@method("sessions.subscribe")
async def sessions_subscribe(gw: Gateway, client: Client, params: SessionKeysParams) -> SessionKeysResult:
    """Sending into a session subscribes to it, too."""
    client.subscribed.update(gw.canonical(key) for key in params.keys)
    return SessionKeysResult(ok=True, keys=sorted(client.subscribed))


@method("sessions.unsubscribe")
async def sessions_unsubscribe(gw: Gateway, client: Client, params: SessionKeysParams) -> SessionKeysResult:
    client.subscribed.difference_update(gw.canonical(key) for key in params.keys)
    return SessionKeysResult(ok=True, keys=sorted(client.subscribed))
