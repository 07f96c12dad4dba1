"""``chat.*``: messages, and the events of the runs that answer them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from .base import (
    SCOPE_ADMIN,
    SCOPE_READ,
    SCOPE_WRITE,
    Event,
    Key,
    Level,
    Method,
    Ms,
    Params,
    Result,
    Rows,
    RunId,
    Text,
)
from .media import Attachments


class ChatSendParams(Params):
    session_key: Key
    message: Text
    idempotency_key: RunId
    thinking: Level | None = None
    deliver: bool | None = None
    attachments: Attachments | None = None
    timeout_ms: Ms | None = None


class ChatSendResult(Result):
    run_id: str | UnsetType = UNSET
    status: str | UnsetType = UNSET
    """`started`; on a resend `in_flight` while it runs, else `ok`, `error` or `aborted`."""
    queue_position: int | UnsetType = UNSET
    """Ours: how many sends of the session go first; absent when the run started at once."""
    summary: str | UnsetType = UNSET
    switch_to: str | UnsetType = UNSET
    """Ours, with the cap `session.switch`: the key to show next (the answer to `/new`)."""
    ok: bool | UnsetType = UNSET
    aborted: bool | UnsetType = UNSET
    run_ids: Sequence[str] | UnsetType = UNSET


class ChatHistoryParams(Params):
    session_key: Key | None = None
    session_id: Annotated[str, Meta(min_length=1, max_length=128)] | None = None
    """Ours: any transcript, archived ones too."""
    limit: Annotated[int, Meta(ge=1, le=1000)] | None = None
    before_seq: Ms | None = None
    """Ours: the page before this sequence number."""


class ChatAbortParams(Params):
    session_key: Key
    run_id: RunId | None = None


class ChatAbortResult(Result):
    ok: bool
    aborted: bool
    run_ids: Sequence[str]


class ChatInjectParams(Params):
    session_key: Key
    message: Annotated[str, Meta(min_length=1, max_length=1_000_000)]
    label: Annotated[str, Meta(max_length=100)] | None = None


class ChatInjectResult(Result):
    ok: bool
    message_id: str


class InFlight(Result):
    """Ours: a reply that is being written, as far as it is."""

    run_id: str
    text: str
    thinking: str
    started_at: int


class Queued(Result):
    """Ours: a send that waits its turn."""

    run_id: str
    text: str
    created_at: int


class ChatHistoryResult(Result):
    session_key: str
    session_id: str | UnsetType
    messages: Sequence[msgspec.Raw]
    thinking_level: str
    epoch: int
    """Ours: rises when the session's current transcript changes."""
    seq: int
    """Ours: the newest sequence number of the transcript."""
    has_more: bool
    """Ours: there are older messages (ask with `beforeSeq`)."""
    in_flight: InFlight | UnsetType = UNSET
    queued: Sequence[Queued] | UnsetType = UNSET


class ChatEvent(Result):
    """A run's progress. A delta has `message` with the whole text so far, or with the cap `chat.append` `offset` and
    `text` of `part`. `final`, `aborted` and `error` end the run; `message` is what was stored, if anything."""

    run_id: str
    session_key: str
    seq: int
    state: Literal["delta", "final", "aborted", "error"]
    message: Any | UnsetType = UNSET
    offset: int | UnsetType = UNSET
    """Ours: where `text` goes, in UTF-16 code units."""
    text: str | UnsetType = UNSET
    part: Literal["text", "thinking"] | UnsetType = UNSET
    error_message: str | UnsetType = UNSET
    error: Mapping[str, Any] | UnsetType = UNSET
    """Ours: `{kind, status?, requestId?, hint}` of a provider's error."""
    stop_reason: str | UnsetType = UNSET


class AgentEvent(Result):
    """`stream` `lifecycle` has `data.phase` `start`, `end`, `error` or (ours) `retry` with `attempt`, `maxAttempts`,
    `waitMs`, `reason`."""

    run_id: str
    stream: str
    data: Mapping[str, Any]
    session_key: str
    seq: int
    ts: int


ROWS: Rows = (
    Method("chat.send", ChatSendParams, ChatSendResult, SCOPE_WRITE,
           "Send a message; acknowledged once it is stored, answered by `chat` events."),
    Method("chat.history", ChatHistoryParams, ChatHistoryResult, SCOPE_READ,
           "The newest messages of a session, oldest first."),
    Method("chat.abort", ChatAbortParams, ChatAbortResult, SCOPE_WRITE,
           "Stop a run, or all runs and queued sends of a session; the text so far is kept."),
    Method("chat.inject", ChatInjectParams, ChatInjectResult, SCOPE_ADMIN,
           "Append an assistant message without a model call."),
    Event("chat", ChatEvent, "Progress and end of a run."),
    Event("agent", AgentEvent, "What the agent does in a run."),
)
