"""``chat.regenerate``, ``edit``, ``continue``, ``branch``, ``delete``, ``undelete``: the conversation as a tree.

What starts a run, or moves the path that is shown, is refused with ``BUSY`` while a reply is being written: it would
take the ground from under that reply. Whoever wants both stops it first (``chat.abort``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..agent.provider import THINKING_LEVELS
from ..protocol.clock import now_ms
from ..protocol.errors import InvalidRequest
from ..protocol.schema import (
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
from ..store.api import Place
from .chat import accept_message, hash_of
from .commands import split_command
from .methods import method
from .runs import recorded

if TYPE_CHECKING:
    from .client import Client
    from .core import Gateway

UNDO_MS = 10_000
"""How long ``chat.delete`` can be taken back."""


@method("chat.regenerate")
async def chat_regenerate(gw: Gateway, client: Client, params: ChatRegenerateParams) -> ChatSendResult:
    if params.thinking is not None and params.thinking not in THINKING_LEVELS:
        raise InvalidRequest(f"thinking must be one of {', '.join(THINKING_LEVELS)}", reason="BAD_LEVEL")
    model = gw.models.resolve(params.model).spec if params.model else None
    place = Place(kind="regenerate", message_id=params.message_id)
    return await _answer(
        gw, client, params.session_key, params.idempotency_key, place, {"model": model, "thinking": params.thinking}
    )


@method("chat.continue")
async def chat_continue(gw: Gateway, client: Client, params: ChatContinueParams) -> ChatSendResult:
    place = Place(kind="continue", message_id=params.message_id)
    return await _answer(
        gw, client, params.session_key, params.idempotency_key, place, {"continues": params.message_id}
    )


async def _answer(
    gw: Gateway, client: Client, session_key: str, run_id: str, place: Place, wishes: dict[str, Any]
) -> ChatSendResult:
    """Start a run without a message of its own."""
    key = gw.canonical(session_key)
    client.subscribed.add(key)
    told = [str(wishes[name]) for name in sorted(wishes) if wishes[name] is not None]
    accepted, _ = await gw.runs.submit(
        run_id=run_id,
        session_key=key,
        request_hash=hash_of(key, place.kind, place.message_id, *told),
        message={},
        options={"locale": client.locale, "client": client.info["id"], "channel": "webchat", **wishes},
        place=place,
    )
    if accepted.existing:
        return recorded(accepted.run)
    gw.tell_session(accepted.session, "branched")
    return ChatSendResult(run_id=run_id, status="started")


@method("chat.edit")
async def chat_edit(gw: Gateway, client: Client, params: ChatEditParams) -> ChatSendResult:
    """As ``chat.send``, a command included."""
    sent = ChatSendParams(
        session_key=params.session_key,
        message=params.message,
        attachments=params.attachments,
        idempotency_key=params.idempotency_key,
    )
    return await accept_message(gw, client, sent, place=Place(kind="edit", message_id=params.message_id))


@method("chat.branch")
async def chat_branch(gw: Gateway, client: Client, params: ChatMessageParams) -> ChatBranchResult:
    key = gw.canonical(params.session_key)
    async with gw.runs.idle(key):
        session = await gw.store.show_branch(key, params.message_id, now=now_ms())
    gw.tell_session(session, "branched")
    return ChatBranchResult(ok=True, epoch=session.epoch)


@method("chat.delete")
async def chat_delete(gw: Gateway, client: Client, params: ChatMessageParams) -> ChatDeleteResult:
    """Again, while it can be undone: nothing more, and until when."""
    key = gw.canonical(params.session_key)
    async with gw.runs.idle(key):
        now = now_ms()
        removed = await gw.store.delete_message(key, params.message_id, undo_until=now + UNDO_MS, now=now)
    gw.sweeper.expect(removed.undo_until)
    gw.tell_session(removed.session, "edited")
    return ChatDeleteResult(ok=True, epoch=removed.session.epoch, undo_until=removed.undo_until)


@method("chat.undelete")
async def chat_undelete(gw: Gateway, client: Client, params: ChatMessageParams) -> ChatBranchResult:
    """Possible while a reply is being written, too, unless it would show another branch."""
    key = gw.canonical(params.session_key)
    busy = gw.runs.busy(key)
    session = await gw.store.undelete_message(key, params.message_id, busy=busy, now=now_ms())
    gw.tell_session(session, "edited")
    return ChatBranchResult(ok=True, epoch=session.epoch)


@method("chat.queue.edit")
async def chat_queue_edit(gw: Gateway, client: Client, params: ChatQueueEditParams) -> OkResult:
    """Raises ``InvalidRequest`` (``NOT_QUEUED``, ``EMPTY_MESSAGE``, ``COMMAND``)."""
    if not params.message.strip():
        raise InvalidRequest("message is empty", reason="EMPTY_MESSAGE")
    if split_command(params.message):
        raise InvalidRequest("a command does not wait its turn; send it by itself", reason="COMMAND")
    await gw.runs.edit(gw.canonical(params.session_key), params.run_id, params.message)
    return OkResult(ok=True)
