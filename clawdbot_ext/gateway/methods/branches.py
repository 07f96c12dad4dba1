"""``chat.regenerate``, ``edit``, ``continue``, ``branch``, ``delete``, ``undelete``: the conversation as a tree.

What starts a run, or moves the path that is shown, is refused with ``BUSY`` while a reply is being written: it would
take the ground from under that reply. A client that wants both stops it first (``chat.abort``).
"""

from __future__ import annotations

from typing import Any

from ...protocol.clock import now_ms
from ...protocol.errors import InvalidRequest
from ...protocol.schema import (
    ChatBranchResult,
    ChatContinueParams,
    ChatDeleteResult,
    ChatEditParams,
    ChatMessageParams,
    ChatQueueEditParams,
    ChatRegenerateParams,
    ChatSendParams,
    ChatSendResult,
    OkResult,
)
from ...store.api import BranchPoint
from ..commands.table import split_command
from ..connections.connection import Connection
from ..registry import method
from ..runs.manager import recorded
from ..services import Services
from ..sessions.lifecycle import level_of
from .chat import accept_message, hash_of

UNDO_MS = 10_000
"""The time within which ``chat.delete`` can be undone."""


@method("chat.regenerate")
async def chat_regenerate(services: Services, caller: Connection, params: ChatRegenerateParams) -> ChatSendResult:
    thinking = level_of("thinkingLevel", params.thinking) if params.thinking else None
    model = services.providers.models.resolve(params.model).spec if params.model else None
    place = BranchPoint(kind="regenerate", message_id=params.message_id)
    return await _answer(
        services,
        caller,
        params.session_key,
        params.idempotency_key,
        place,
        {"model": model, "thinking": thinking},
    )


@method("chat.continue")
async def chat_continue(services: Services, caller: Connection, params: ChatContinueParams) -> ChatSendResult:
    place = BranchPoint(kind="continue", message_id=params.message_id)
    return await _answer(
        services, caller, params.session_key, params.idempotency_key, place, {"continues": params.message_id}
    )


async def _answer(
    services: Services, caller: Connection, session_key: str, run_id: str, place: BranchPoint, wishes: dict[str, Any]
) -> ChatSendResult:
    """Start a run without a message of its own."""
    key = services.sessions.canonical(session_key)
    caller.subscribe(key)
    told = [str(wishes[name]) for name in sorted(wishes) if wishes[name] is not None]
    accepted, _ = await services.runs.submit(
        run_id=run_id,
        session_key=key,
        request_hash=hash_of(key, place.kind, place.message_id, *told),
        message={},
        options={
            "locale": caller.locale,
            "client": caller.info["id"],
            "channel": "webchat",
            "asker": caller.asker(),
            **wishes,
        },
        place=place,
    )
    if accepted.existing:
        return recorded(accepted.run)
    services.sessions.announce(accepted.session, "branched")
    return ChatSendResult(run_id=run_id, status="started")


@method("chat.edit")
async def chat_edit(services: Services, caller: Connection, params: ChatEditParams) -> ChatSendResult:
    """As ``chat.send``, a command included."""
    sent = ChatSendParams(
        session_key=params.session_key,
        message=params.message,
        attachments=params.attachments,
        idempotency_key=params.idempotency_key,
    )
    return await accept_message(services, caller, sent, place=BranchPoint(kind="edit", message_id=params.message_id))


@method("chat.branch")
async def chat_branch(services: Services, caller: Connection, params: ChatMessageParams) -> ChatBranchResult:
    key = services.sessions.canonical(params.session_key)
    async with services.runs.idle(key):
        session = await services.store.show_branch(key, params.message_id, now=now_ms())
    services.sessions.announce(session, "branched")
    return ChatBranchResult(ok=True, epoch=session.epoch)


@method("chat.delete")
async def chat_delete(services: Services, caller: Connection, params: ChatMessageParams) -> ChatDeleteResult:
    """Again, while it can be undone: nothing more, and until when."""
    key = services.sessions.canonical(params.session_key)
    async with services.runs.idle(key):
        now = now_ms()
        removed = await services.store.delete_message(key, params.message_id, undo_until=now + UNDO_MS, now=now)
    services.sessions.sweeper.expect(removed.undo_until)
    services.sessions.announce(removed.session, "edited")
    return ChatDeleteResult(ok=True, epoch=removed.session.epoch, undo_until=removed.undo_until)


@method("chat.undelete")
async def chat_undelete(services: Services, caller: Connection, params: ChatMessageParams) -> ChatBranchResult:
    """Possible while a reply is being written, too, unless it would show another branch."""
    key = services.sessions.canonical(params.session_key)
    busy = services.runs.busy(key)
    session = await services.store.undelete_message(key, params.message_id, busy=busy, now=now_ms())
    services.sessions.announce(session, "edited")
    return ChatBranchResult(ok=True, epoch=session.epoch)


@method("chat.queue.edit")
async def chat_queue_edit(services: Services, caller: Connection, params: ChatQueueEditParams) -> OkResult:
    """Raises ``InvalidRequest`` (``NOT_QUEUED``, ``EMPTY_MESSAGE``, ``COMMAND``)."""
    if params.message is not None or params.when is None:
        if not (params.message or "").strip():
            raise InvalidRequest("message is empty", reason="EMPTY_MESSAGE")
        if split_command(params.message or ""):
            raise InvalidRequest("a command does not wait its turn; send it by itself", reason="COMMAND")
    await services.runs.edit(
        services.sessions.canonical(params.session_key),
        params.run_id,
        params.message,
        when=params.when,
        guest="guest" in caller.asker(),
    )
    return OkResult(ok=True)
