"""``sessions.*``: list, open, change, empty, archive, remove."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ...protocol.clock import now_ms
from ...protocol.errors import InvalidRequest, NotFound
from ...protocol.keys import is_temporary
from ...protocol.schema import (
    Params,
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
from ...store.api import Session
from ...store.plain_words import without_marks
from ..access.policy import require
from ..connections.connection import Connection
from ..hands.modes import mode_changes
from ..registry import method
from ..services import Services
from ..sessions.lifecycle import LEVELS, UNDO_MS, _key_of, clear, delete, level_of, new_key, reset, undelete
from ..wire_forms import preview_items, t


@method("sessions.list")
async def sessions_list(services: Services, caller: Connection, params: SessionsListParams) -> SessionsListResult:
    now = now_ms()
    sessions = await services.store.list_sessions(
        limit=params.limit,
        active_since=now - params.active_minutes * 60_000 if params.active_minutes else None,
        search=params.search,
        label=params.label,
        archived=bool(params.include_archived),
    )
    model = services.providers.models.default()
    rows: list[Any] = services.sessions.rows(
        sessions,
        titles=params.include_derived_titles is not False,
        last_message=params.include_last_message is not False,
    )  # of mappings, encoded
    return SessionsListResult(
        ts=now,
        path=str(services.config().home),
        count=len(sessions),
        defaults={"modelProvider": model.provider, "model": model.id, "contextTokens": model.context_window},
        sessions=rows,
    )


@method("sessions.new")
async def sessions_new(services: Services, caller: Connection, params: SessionsNewParams) -> SessionEntryResult:
    """Open a session under a key of the caller's or of ours."""
    settings: dict[str, Any] = {}
    if params.model:
        settings["model"] = services.providers.models.resolve(params.model).spec
    if params.key and params.temporary:
        raise InvalidRequest("a temporary session gets its key from the gateway", reason="KEY_GIVEN")
    if params.temporary:
        require(services.config(), "temporary")
    key = services.sessions.canonical(params.key) if params.key else new_key(temporary=bool(params.temporary))
    if params.temporary:
        await services.others.claim(key)
    session = await services.store.create_session(key, settings=settings, now=now_ms())
    if params.label:
        session = await services.store.patch_session(session.key, {"label": params.label}, now=now_ms())
    services.sessions.announce(session, "created")
    return SessionEntryResult(ok=True, key=session.key, entry=services.sessions.entry(session))


@method("sessions.patch")
async def sessions_patch(services: Services, caller: Connection, params: SessionsPatchParams) -> SessionEntryResult:
    """Merge settings; what is not named stays."""
    changes = {name: value for name, value in msgspec.to_builtins(params).items() if name != "key"}
    for name, value in changes.items():
        if value is not None and name in LEVELS:
            changes[name] = level_of(name, value)
    if isinstance(changes.get("label"), str):
        changes["label"] = changes["label"].strip() or None
    if isinstance(changes.get("systemPrompt"), str):
        changes["systemPrompt"] = changes["systemPrompt"].strip() or None
    for flag in ("pinned", "archived"):
        if changes.get(flag) is False:
            changes[flag] = None
    if changes.get("model"):
        changes["model"] = services.providers.models.resolve(changes["model"]).spec
    key = services.sessions.canonical(params.key)
    if any(name.startswith("hands") for name in changes):
        present = await services.store.get_session(key)
        mode_changes(services.config(), changes, present.settings if present else {}, now_ms())
        services.access.auth.note("hands", {**caller.audit_fields(), "session": key, "mode": changes["handsMode"]})
    session = await services.store.patch_session(key, changes, now=now_ms())
    services.sessions.announce(session, "updated")
    result = SessionEntryResult(ok=True, key=session.key, entry=services.sessions.entry(session))
    if notes := _notes(services, session, caller.locale, changes):
        result.notes = notes
    return result


def _notes(services: Services, session: Session, locale: str, changes: Mapping[str, Any]) -> list[str]:
    """The parts of a change that have no effect at present."""
    model = services.sessions.model(session)
    if session.settings.get("temperature") is None or not changes.keys() & {"temperature", "model", "thinkingLevel"}:
        return []
    if not model.temperature:
        return [t(locale, "note.temperature.model", name=model.name)]
    if services.sessions.thinking_level(session) != "off":
        return [t(locale, "note.temperature.thinking")]
    return []


@method("sessions.reset")
async def sessions_reset(services: Services, caller: Connection, params: SessionKeyParams) -> SessionEntryResult:
    session = await reset(services, services.sessions.canonical(params.key))
    return SessionEntryResult(ok=True, key=session.key, entry=services.sessions.entry(session))


@method("sessions.clear")
async def sessions_clear(services: Services, caller: Connection, params: SessionKeyParams) -> SessionsClearResult:
    session = await clear(services, services.sessions.canonical(params.key))
    return SessionsClearResult(
        ok=True, key=session.key, entry=services.sessions.entry(session), undo_until=session.clear_undo_until
    )


@method("sessions.undo")
async def sessions_undo(services: Services, caller: Connection, params: SessionKeyParams) -> SessionEntryResult:
    session = await services.store.undo_clear(services.sessions.canonical(params.key), now=now_ms())
    services.sessions.announce(session, "restored")
    return SessionEntryResult(ok=True, key=session.key, entry=services.sessions.entry(session))


@method("sessions.restore")
async def sessions_restore(services: Services, caller: Connection, params: SessionIdParams) -> SessionEntryResult:
    owner = (await services.store.history(session_id=params.session_id, limit=1)).session
    if owner is None:
        raise NotFound(f"no transcript {params.session_id}")
    async with services.runs.stopped(owner.key):
        session = await services.store.restore(params.session_id, now=now_ms())
    services.sessions.announce(session, "restored")
    return SessionEntryResult(ok=True, key=session.key, entry=services.sessions.entry(session))


@method("sessions.transcripts")
async def sessions_transcripts(
    services: Services, caller: Connection, params: SessionKeyParams
) -> SessionsTranscriptsResult:
    key = services.sessions.canonical(params.key)
    rows = [
        {
            "sessionId": t.session_id,
            "createdAt": t.created_at,
            "archivedAt": t.archived_at,
            "messageCount": t.message_count,
            "derivedTitle": without_marks(t.title),
            "lastMessagePreview": t.preview,
        }
        for t in await services.store.transcripts(key)
    ]
    return SessionsTranscriptsResult(key=key, transcripts=rows)


@method("sessions.delete")
async def sessions_delete(services: Services, caller: Connection, params: SessionsDeleteParams) -> SessionsDeleteResult:
    """Remove a session. One that does not exist is no error: ``deleted`` is false, as with the real gateway."""
    key = services.sessions.canonical(params.key)
    undo_until = now_ms() + UNDO_MS
    try:
        archived = await delete(
            services, key, delete_transcript=params.delete_transcript is not False, undo_until=undo_until
        )
    except NotFound:
        return SessionsDeleteResult(ok=True, key=key, deleted=False, archived=[])
    return SessionsDeleteResult(ok=True, key=key, deleted=True, archived=archived, undo_until=undo_until)


@method("sessions.undelete")
async def sessions_undelete(services: Services, caller: Connection, params: SessionKeyParams) -> SessionEntryResult:
    """Restore a deleted session; if its key is in use again, as archived transcripts."""
    session = await undelete(services, services.sessions.canonical(params.key))
    return SessionEntryResult(ok=True, key=session.key, entry=services.sessions.entry(session))


@method("sessions.fork")
async def sessions_fork(services: Services, caller: Connection, params: SessionsForkParams) -> SessionEntryResult:
    """A resend (same ``idempotencyKey``) finds the copy by its key, which is made of that."""
    key = services.sessions.canonical(params.key)
    target = new_key(temporary=is_temporary(key))
    if params.idempotency_key is not None:
        target = _key_of(f"{key}\0{params.idempotency_key}", temporary=is_temporary(key))
    if is_temporary(target):
        await services.others.claim(target)
    session = await services.store.fork(
        key, target, message_id=params.message_id, label=(params.label or "").strip() or None, now=now_ms()
    )
    services.sessions.announce(session, "created")
    return SessionEntryResult(ok=True, key=session.key, entry=services.sessions.entry(session))


@method("sessions.resolve")
async def sessions_resolve(
    services: Services, caller: Connection, params: SessionsResolveParams
) -> SessionsResolveResult:
    """Find a session by exactly one of key, session id and label."""
    given = [v for v in (params.key, params.session_id, params.label) if v]
    if len(given) != 1:
        raise InvalidRequest("give exactly one of key, sessionId and label")
    if params.key:
        session = await services.store.get_session(services.sessions.canonical(params.key))
    else:
        session = await services.store.find_session(session_id=params.session_id, label=params.label)
    if session is None:
        raise NotFound(f"No session found: {given[0]}")
    return SessionsResolveResult(ok=True, key=session.key)


@method("sessions.preview")
async def sessions_preview(
    services: Services, caller: Connection, params: SessionsPreviewParams
) -> SessionsPreviewResult:
    previews = []
    for asked in params.keys:
        key = services.sessions.canonical(asked)
        if is_temporary(key):
            told = await services.others.ask(caller, "sessions.preview", {**_given(params), "keys": [key]}, key)
            if told is not None:
                previews.append({**told["previews"][0], "key": asked})
                continue
        page = await services.store.history(session_key=key, limit=params.limit or 12, max_bytes=1 << 20)
        items = preview_items(page.messages, params.max_chars or 240)
        status = "missing" if page.session is None else "ok" if items else "empty"
        previews.append({"key": asked, "status": status, "items": items})
    return SessionsPreviewResult(ts=now_ms(), previews=previews)


def _given(params: Params) -> dict[str, Any]:
    """Parameters as they were given."""
    return {name: value for name, value in msgspec.to_builtins(params).items() if value is not None}


@method("sessions.subscribe")
async def sessions_subscribe(services: Services, caller: Connection, params: SessionKeysParams) -> SessionKeysResult:
    """Sending into a session subscribes to it, too."""
    caller.subscribe(*(services.sessions.canonical(key) for key in params.keys))
    return SessionKeysResult(ok=True, keys=sorted(caller.subscribed))


@method("sessions.unsubscribe")
async def sessions_unsubscribe(services: Services, caller: Connection, params: SessionKeysParams) -> SessionKeysResult:
    caller.unsubscribe(*(services.sessions.canonical(key) for key in params.keys))
    return SessionKeysResult(ok=True, keys=sorted(caller.subscribed))
