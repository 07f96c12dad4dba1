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
    OkResult,
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
    when: Literal["now", "next"] | None = None
    """Ours: when a reply is being written, `now` lets it read the message before its next step, if it has one; its own
    `chat` `final` then has `foldedInto`. Else, and with `next`, the message waits its turn."""


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
    left_out: Sequence[str] | UnsetType = UNSET
    """Ours: the names of what was attached to a command, which takes nothing along."""


class ChatHistoryParams(Params):
    session_key: Key | None = None
    session_id: Annotated[str, Meta(min_length=1, max_length=128)] | None = None
    """Ours: any transcript, archived ones too."""
    limit: Annotated[int, Meta(ge=1, le=1000)] | None = None
    before_seq: Ms | None = None
    """Ours: the page before this sequence number."""
    epoch: Ms | None = None
    since_seq: Ms | None = None
    """Ours, both or none: what the client has already, so that it is given only what came after (`recovered`)."""


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
    """Ours: a reply that is being written, as far as it is. `text` includes what is kept of a reply that it goes on
    from, and offsets of deltas count from the beginning of it all."""

    run_id: str
    text: str
    thinking: str
    started_at: int
    tools: Sequence[Mapping[str, Any]] | UnsetType = UNSET
    """Tool calls under way, as the newest event of the stream `tool` told of each."""
    media: Sequence[Mapping[str, Any]] | UnsetType = UNSET
    """Attachments that are being read for the model, as the newest event of the stream `media` told of each."""


class Queued(Result):
    """Ours: a send that waits its turn."""

    run_id: str
    text: str
    created_at: int
    when: Literal["now"] | UnsetType = UNSET
    """The running reply reads it before its next step, if it has one."""


class Siblings(Result):
    """Ours: a message of the path shown that has alternatives; `ids` are all of them, itself included, oldest first."""

    message_id: str
    ids: Sequence[str]


class ChatHistoryResult(Result):
    session_key: str
    session_id: str | UnsetType
    messages: Sequence[msgspec.Raw]
    thinking_level: str
    epoch: int
    """Ours: rises when what is shown changes otherwise than by a message at its end."""
    seq: int
    """Ours: the newest sequence number of the transcript."""
    has_more: bool
    """Ours: there are older messages (ask with `beforeSeq`)."""
    in_flight: InFlight | UnsetType = UNSET
    queued: Sequence[Queued] | UnsetType = UNSET
    branches: Sequence[Siblings] | UnsetType = UNSET
    """Ours: of the messages given, those that have alternatives."""
    recovered: bool | UnsetType = UNSET
    """Ours, when `sinceSeq` was given. True: `messages` are all that came after it, and the client has the rest.
    False: this is the newest page, which replaces what the client has."""


MessageId = Annotated[str, Meta(min_length=1, max_length=128)]


class ChatRegenerateParams(Params):
    session_key: Key
    message_id: MessageId
    """A reply; what comes of this is an alternative to it."""
    idempotency_key: RunId
    model: Annotated[str, Meta(max_length=256)] | None = None
    """For this reply alone."""
    thinking: Level | None = None


class ChatEditParams(Params):
    session_key: Key
    message_id: MessageId
    """A user message; the one sent is an alternative to it."""
    message: Text
    idempotency_key: RunId
    attachments: Attachments | None = None


class ChatContinueParams(Params):
    session_key: Key
    message_id: MessageId
    """A reply that was stopped or cut; what comes of this is an alternative to it that begins with its text."""
    idempotency_key: RunId


class ChatMessageParams(Params):
    session_key: Key
    message_id: MessageId


class ChatBranchResult(Result):
    ok: bool
    epoch: int


class ChatDeleteResult(Result):
    ok: bool
    epoch: int
    undo_until: int


class ChatQueueEditParams(Params):
    session_key: Key
    run_id: RunId
    message: Text | None = None
    """The new text; without it, the text stays."""
    when: Literal["now", "next"] | None = None
    """As that of `chat.send`."""


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
    folded_into: str | UnsetType = UNSET
    """Ours: the run that has read the message of this one (`when: "now"`) and answers it too."""


class AgentEvent(Result):
    """`stream` `lifecycle` has `data.phase` `start`, `end`, `error` or (ours) `retry` with `attempt`, `maxAttempts`,
    `waitMs`, `reason`. `stream` `tool` has `data.phase` `start`, `update` or `result`, `toolCallId`, `name` and, of
    ours, `title`, `args`, `output`, `isError`, `denied` (not allowed), `stopped` (by a person), `startedAt`,
    `durationMs`, `progress` (of `update`: what the tool shows meanwhile) and `details` (facts for clients that the
    model is not sent).

    A reply that calls tools is stored in steps, each told by `session.message`: the assistant's message so far
    (`stopReason` `toolUse`, blocks `{type: "toolCall", id, name, arguments, title?}`), then a message of the role
    `toolResult` for each call, with `content` of text and `{type: "image", mimeType, data}` blocks,
    and `details`. After the first of them the run's text begins anew, at offset 0."""

    run_id: str
    stream: str
    data: Mapping[str, Any]
    session_key: str
    seq: int
    ts: int


ROWS: Rows = (
    Method(
        "chat.send",
        ChatSendParams,
        ChatSendResult,
        SCOPE_WRITE,
        "Send a message; acknowledged once it is stored, answered by `chat` events.",
    ),
    Method(
        "chat.history",
        ChatHistoryParams,
        ChatHistoryResult,
        SCOPE_READ,
        "The newest messages of a session, oldest first.",
    ),
    Method(
        "chat.abort",
        ChatAbortParams,
        ChatAbortResult,
        SCOPE_WRITE,
        "Stop a run, or all runs and queued sends of a session; the text so far is kept.",
    ),
    Method(
        "chat.inject",
        ChatInjectParams,
        ChatInjectResult,
        SCOPE_ADMIN,
        "Append an assistant message without a model call.",
    ),
    Method(
        "chat.regenerate",
        ChatRegenerateParams,
        ChatSendResult,
        SCOPE_WRITE,
        "Have a message answered once more; the replies are alternatives.",
        ours=True,
    ),
    Method(
        "chat.edit",
        ChatEditParams,
        ChatSendResult,
        SCOPE_WRITE,
        "Send a message in the place of another; both stay, as alternatives.",
        ours=True,
    ),
    Method(
        "chat.continue",
        ChatContinueParams,
        ChatSendResult,
        SCOPE_WRITE,
        "Go on with a reply that was stopped or cut.",
        ours=True,
    ),
    Method(
        "chat.branch",
        ChatMessageParams,
        ChatBranchResult,
        SCOPE_WRITE,
        "Show the branch with this message, to its newest end.",
        ours=True,
    ),
    Method(
        "chat.delete",
        ChatMessageParams,
        ChatDeleteResult,
        SCOPE_WRITE,
        "Take one message out; what follows it stays. Can be undone for 10 s.",
        ours=True,
    ),
    Method("chat.undelete", ChatMessageParams, ChatBranchResult, SCOPE_WRITE, "Put a deleted message back.", ours=True),
    Method(
        "chat.queue.edit",
        ChatQueueEditParams,
        OkResult,
        SCOPE_WRITE,
        "Change what a message says that waits its turn, or whether the running reply reads it.",
        ours=True,
    ),
    Event("chat", ChatEvent, "Progress and end of a run."),
    Event("agent", AgentEvent, "What the agent does in a run."),
)
