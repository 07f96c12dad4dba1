"""``chat.*``, and the path of a message from the socket to the model.

A ``chat.send`` goes through these modules, in this order:

1. ``server/handlers/websocket.py``: a text frame arrives on the socket.
2. ``gateway/connections/connection.py``: handshake done, within the rate limits; one task a request.
3. ``gateway/dispatch.py``: role, scope, policy, parameters; the handler is called; errors become wire errors.
4. This module: ``accept_message`` runs a slash command, or resolves the attachments and submits a run.
5. ``gateway/runs/manager.py``: ``submit`` stores message and run in one transaction, then starts or queues the run.
6. ``gateway/runs/execution.py``: ``execute`` emits the run's events and stores its end.
7. ``gateway/runs/turn.py``: ``answer_turn`` chooses the model and builds its request.
8. ``agent/loop.py``: the model is called, then its tools, until it has its answer.

The response to ``chat.send`` is sent after step 5. Step 6 feeds the growing reply to
``gateway/connections/reply_stream.py``, which sends the deltas, and emits the final ``chat`` event by
``gateway/runs/events.py``.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from ...protocol.clock import now_ms
from ...protocol.errors import InvalidRequest, NotFound
from ...protocol.keys import is_temporary
from ...protocol.schema import (
    ChatAbortParams,
    ChatAbortResult,
    ChatEvent,
    ChatHistoryParams,
    ChatHistoryResult,
    ChatInjectParams,
    ChatInjectResult,
    ChatSendParams,
    ChatSendResult,
    InFlight,
    SessionMessageEvent,
    Siblings,
)
from ...store.api import Accepted, BranchPoint, HistoryPage
from ..commands.table import run_command, split_command
from ..connections.connection import Connection
from ..media.attachments import content_of, names_of, owner_of, request_part, resolve
from ..registry import method
from ..runs.manager import recorded
from ..services import Services, after_response
from ..sessions.lifecycle import level_of
from ..wire_forms import assistant_message

DEFAULT_LIMIT = 200
MAX_HISTORY_BYTES = 6 * 1024 * 1024
"""A history answer stays below what a client takes in one frame; older messages follow by ``beforeSeq``."""


@method("chat.send")
async def chat_send(services: Services, caller: Connection, params: ChatSendParams) -> ChatSendResult:
    """Accept a message. When this returns it is on disk; the answer comes as ``chat`` events with the key as run id."""
    return await accept_message(services, caller, params)


async def accept_message(
    services: Services,
    caller: Connection,
    params: ChatSendParams,
    *,
    instructions: str | None = None,
    place: BranchPoint | None = None,
) -> ChatSendResult:
    """Accept a message for ``chat.send``, ``chat.edit``, ``agent`` or a node's request.

    ``instructions`` go with the message to the model, which is told whose they are; ``place`` is where in the tree the
    message goes, if not at the end.

    The run carries the channel ``webchat``: its reply goes to the session's watchers and nowhere else, whatever
    ``deliver`` says.
    """
    key = services.sessions.canonical(params.session_key)
    caller.subscribe(key)
    if not params.message.strip() and not params.attachments:
        raise InvalidRequest("message is empty", reason="EMPTY_MESSAGE")
    thinking = level_of("thinkingLevel", params.thinking) if params.thinking else None
    where = (place.kind, place.message_id) if place else ()
    if command := split_command(params.message):  # whatever is attached: beside a notebook something always is
        return await run_command(
            services,
            caller,
            command,
            session_key=key,
            run_id=params.idempotency_key,
            request_hash=hash_of(key, params.message, *where),
            left_out=await names_of(services.media, owner_of(caller.identity), params.attachments or ()),
        )
    files = await resolve(
        services.media,
        services.host.read_file,
        params.attachments or (),
        owner=owner_of(caller.identity),
        locale=caller.locale,
    )
    if files and is_temporary(key):
        await services.media.hold([file.id for file in files])
    request_hash = hash_of(key, params.message + request_part(files), *where)
    notices = services.peers.presence.pop_notices(key)
    notes = {"language": caller.locale, **({"notices": notices} if notices else {})}
    if instructions:
        notes["instructions"] = instructions
    accepted: Accepted | None = None
    try:
        accepted, position = await services.runs.submit(
            run_id=params.idempotency_key,
            session_key=key,
            request_hash=request_hash,
            place=place,
            message={
                "role": "user",
                "content": content_of(params.message, files, caller.locale),
                "timestamp": now_ms(),
                "notes": notes,
            },
            options={
                "thinking": thinking,
                "locale": caller.locale,
                "client": caller.info["id"],
                "timeoutMs": params.timeout_ms,
                "channel": "webchat",
                "asker": caller.asker(),
                **({"when": params.when} if params.when else {}),
            },
        )
    finally:
        if accepted is None or accepted.existing:
            services.peers.presence.keep_notices(notices)
    if accepted.existing:
        return recorded(accepted.run)
    if place is not None:
        services.sessions.announce(accepted.session, "edited")
    services.sessions.note(accepted.session)
    result = ChatSendResult(run_id=params.idempotency_key, status="started")
    if position:
        result.queue_position = position
    elif accepted.session.created_at == accepted.run.created_at:
        after_response(lambda: services.sessions.announce(accepted.session, "created"))
    return result


def hash_of(*parts: str) -> str:
    """The hash that tells a resend from another request under the same idempotency key."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


@method("chat.history")
async def chat_history(services: Services, caller: Connection, params: ChatHistoryParams) -> ChatHistoryResult:
    """The newest messages, with the reply that is being written as far as it is."""
    if (params.session_key is None) == (params.session_id is None):
        raise InvalidRequest("invalid chat.history params: must have required property 'sessionKey' (or 'sessionId')")
    key = services.sessions.canonical(params.session_key) if params.session_key is not None else None
    limit = params.limit or DEFAULT_LIMIT
    resuming = params.epoch is not None and params.since_seq is not None and params.before_seq is None
    page = None
    if resuming:
        page = await services.store.history(
            session_key=key,
            session_id=params.session_id,
            limit=limit,
            since_seq=params.since_seq,
            max_bytes=MAX_HISTORY_BYTES,
        )
        page = page if _recovers(page, params) else None
    recovered = page is not None
    if page is None:
        page = await services.store.history(
            session_key=key,
            session_id=params.session_id,
            limit=limit,
            before_seq=params.before_seq,
            max_bytes=MAX_HISTORY_BYTES,
        )
    session = page.session
    if params.session_id is not None and session is None and page.session_id is None:
        raise NotFound(f"no transcript {params.session_id}")
    key = key or (session.key if session else "")
    result = ChatHistoryResult(
        session_key=key,
        session_id=page.session_id or msgspec.UNSET,
        messages=[m.body for m in page.messages],
        thinking_level=services.sessions.thinking_level(session),
        epoch=session.epoch if session else 0,
        seq=session.last_seq if session else 0,
        has_more=page.has_more,
    )
    if resuming:
        result.recovered = recovered
    if page.branches:
        result.branches = [Siblings(message_id=b.message_id, ids=b.ids) for b in page.branches]
    current = session is None or session.session_id == page.session_id
    active = services.runs.active(key) if current else None
    if active and params.before_seq is None and active.run.session_id == page.session_id:
        result.in_flight = InFlight(
            run_id=active.run.run_id,
            text=active.stream.text,
            thinking=active.stream.thinking,
            started_at=active.started_at,
        )
        if active.tools:
            result.in_flight.tools = list(active.tools.values())
        if active.media:
            result.in_flight.media = list(active.media.values())
        active.stream.caught_up(caller)
    if current and (queued := services.runs.unanswered(key)):
        result.queued = queued
    return result


def _recovers(page: HistoryPage, params: ChatHistoryParams) -> bool:
    """Whether the page after ``sinceSeq`` has everything that the client lacks."""
    session = page.session
    return (
        session is not None
        and session.session_id == page.session_id
        and session.epoch == params.epoch
        and params.since_seq is not None
        and params.since_seq <= session.last_seq
        and not page.has_more
    )


@method("chat.abort")
async def chat_abort(services: Services, caller: Connection, params: ChatAbortParams) -> ChatAbortResult:
    """Stop a run, or all of a session's. A run that has ended, or never was, is no error: ``aborted`` is false."""
    stopped = await services.runs.abort(services.sessions.canonical(params.session_key), params.run_id)
    return ChatAbortResult(ok=True, aborted=bool(stopped), run_ids=stopped)


@method("chat.inject")
async def chat_inject(services: Services, caller: Connection, params: ChatInjectParams) -> ChatInjectResult:
    """Put an assistant message into an existing session; all its watchers see it."""
    key = services.sessions.canonical(params.session_key)
    text = f"[{params.label}]\n\n{params.message}" if params.label else params.message
    fields: dict[str, Any] = {"stopReason": "injected", "usage": {"input": 0, "output": 0, "totalTokens": 0}}
    if params.label:
        fields["label"] = params.label
    finished = await services.store.append(session_key=key, message=assistant_message(text, **fields), now=now_ms())
    stored = finished.message
    assert stored is not None  # append returns what it appended
    services.events.emit(
        "chat",
        ChatEvent(run_id=f"inject-{stored.id}", session_key=key, seq=0, state="final", message=stored.body),
        session=key,
    )
    services.events.emit(
        "session.message",
        SessionMessageEvent(
            session_key=key,
            session_id=stored.session_id,
            epoch=finished.session.epoch,
            seq=stored.seq,
            message=stored.body,
        ),
        session=key,
    )
    services.sessions.announce(finished.session, "updated")
    return ChatInjectResult(ok=True, message_id=stored.id)
