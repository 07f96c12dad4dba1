"""``sessions.*``: lists, settings, transcripts, and the events that tell of changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from .base import (
    CAP_SESSION_EVENTS,
    SCOPE_READ,
    SCOPE_WRITE,
    Event,
    Key,
    Level,
    Method,
    Params,
    Result,
    Rows,
    RunId,
)
from .chat import Queued
from .hands import HandsMode, Path


class SessionsListParams(Params):
    limit: Annotated[int, Meta(ge=1, le=10_000)] | None = None
    active_minutes: Annotated[int, Meta(ge=1)] | None = None
    include_global: bool | None = None
    include_unknown: bool | None = None
    include_derived_titles: bool | None = None
    include_last_message: bool | None = None
    label: Annotated[str, Meta(max_length=256)] | None = None
    spawned_by: str | None = None
    agent_id: str | None = None
    search: Annotated[str, Meta(max_length=256)] | None = None
    include_archived: bool | None = None
    """Ours: put away sessions, too."""


class SessionKeyParams(Params):
    key: Key


class SessionsNewParams(Params):
    key: Key | None = None
    label: Annotated[str, Meta(max_length=256)] | None = None
    model: Annotated[str, Meta(max_length=256)] | None = None
    temporary: bool | None = None
    """Never written to disk: gone when it is deleted or the gateway stops. Its key is the gateway's choice."""


class SessionsPatchParams(Params):
    key: Key
    label: Annotated[str, Meta(max_length=256)] | None | UnsetType = UNSET
    thinking_level: Level | None | UnsetType = UNSET
    verbose_level: Level | None | UnsetType = UNSET
    reasoning_level: Level | None | UnsetType = UNSET
    response_usage: Level | None | UnsetType = UNSET
    elevated_level: Level | None | UnsetType = UNSET
    model: Annotated[str, Meta(min_length=1, max_length=256)] | None | UnsetType = UNSET
    send_policy: Literal["allow", "deny"] | None | UnsetType = UNSET
    group_activation: Literal["mention", "always"] | None | UnsetType = UNSET
    pinned: bool | None | UnsetType = UNSET
    """Ours: kept in front by clients; the list's order does not change."""
    archived: bool | None | UnsetType = UNSET
    """Ours: put away; listed only with `includeArchived`."""
    system_prompt: Annotated[str, Meta(max_length=100_000)] | None | UnsetType = UNSET
    """Ours: added to the system prompt of every turn in this session."""
    temperature: Annotated[float, Meta(ge=0, le=2)] | None | UnsetType = UNSET
    """Ours: for models that take one; others are asked without it, and a note says so."""
    auto_title: bool | None | UnsetType = UNSET
    """Ours: `false` keeps the model from naming this session."""
    hands_mode: HandsMode | None | UnsetType = UNSET
    """Ours: how much the assistant may do in notebooks and files without a question. Entries have it as `hands`:
    `mode` as it is in force now, `cap` (the most that the administrator allows), `notebook`, `untilMs`."""
    hands_notebook: Path | None | UnsetType = UNSET
    """Ours: the notebook of the mode `notebook`."""
    hands_minutes: Annotated[int, Meta(ge=1, le=1440)] | None | UnsetType = UNSET
    """Ours: how long the modes `notebook` and `unattended` last; 60 if absent."""


class SessionsDeleteParams(Params):
    key: Key
    delete_transcript: bool | None = None


class SessionsResolveParams(Params):
    key: Key | None = None
    session_id: Annotated[str, Meta(min_length=1, max_length=128)] | None = None
    label: Annotated[str, Meta(min_length=1, max_length=256)] | None = None
    agent_id: str | None = None
    include_global: bool | None = None
    include_unknown: bool | None = None


class SessionsPreviewParams(Params):
    keys: Annotated[Sequence[Key], Meta(max_length=64)]
    limit: Annotated[int, Meta(ge=1, le=50)] | None = None
    max_chars: Annotated[int, Meta(ge=20, le=2000)] | None = None


class SessionIdParams(Params):
    session_id: Annotated[str, Meta(min_length=1, max_length=128)]


class SessionsCompactParams(SessionKeyParams):
    instructions: Annotated[str, Meta(max_length=10_000)] | None = None
    """Ours: what the summary should keep above all."""
    max_lines: Annotated[int, Meta(ge=1)] | None = None
    """Read and without effect: Clawdbot cuts its transcript file to so many lines, ours stays whole."""


class SessionsCompactResult(Result):
    ok: bool
    key: str
    compacted: bool
    reason: str | UnsetType = UNSET
    """Why not, when `compacted` is false."""
    tokens_before: int | UnsetType = UNSET
    tokens_after: int | UnsetType = UNSET


class SessionKeysParams(Params):
    keys: Annotated[Sequence[Key], Meta(max_length=256)]


class SessionKeysResult(Result):
    ok: bool
    keys: Sequence[str]
    """The present subscriptions."""


class SessionEntryResult(Result):
    ok: bool
    key: str
    entry: Mapping[str, Any]
    notes: Sequence[str] | UnsetType = UNSET
    """Ours: what of a change has no effect now, in the client's language."""


class SessionsDeleteResult(Result):
    ok: bool
    key: str
    deleted: bool
    archived: Sequence[str]
    undo_until: int | UnsetType = UNSET
    """Ours: `sessions.undelete` works until then."""


class SessionsForkParams(Params):
    key: Key
    message_id: Annotated[str, Meta(min_length=1, max_length=128)] | None = None
    """The last message of the copy; without it all that is shown is copied."""
    label: Annotated[str, Meta(max_length=256)] | None = None
    idempotency_key: RunId | None = None
    """Makes a resend safe: it is answered with the copy that is there."""


class SessionsClearResult(Result):
    ok: bool
    key: str
    entry: Mapping[str, Any]
    undo_until: int


class SessionsListResult(Result):
    ts: int
    path: str
    count: int
    defaults: Mapping[str, Any]
    sessions: Sequence[Mapping[str, Any]]


class SessionsResolveResult(Result):
    ok: bool
    key: str


class SessionsPreviewResult(Result):
    ts: int
    previews: Sequence[Mapping[str, Any]]


class SessionsTranscriptsResult(Result):
    key: str
    transcripts: Sequence[Mapping[str, Any]]


class SessionMessageEvent(Result):
    """A message was stored in a session's current transcript."""

    session_key: str
    session_id: str
    epoch: int
    seq: int
    message: msgspec.Raw


SessionChange = Literal["created", "updated", "reset", "cleared", "restored", "deleted", "branched", "edited"]


class SessionChangedEvent(Result):
    """`entry` is as in `sessions.list`; absent when `reason` is `deleted`. A client that shows the session reads its
    history again when the entry's `epoch` is not the one it has."""

    key: str
    reason: SessionChange
    entry: Mapping[str, Any] | UnsetType = UNSET


class SessionQueueEvent(Result):
    session_key: str
    queued: Sequence[Queued]


ROWS: Rows = (
    Method("sessions.list", SessionsListParams, SessionsListResult, SCOPE_READ, "Sessions, newest first."),
    Method("sessions.new", SessionsNewParams, SessionEntryResult, SCOPE_WRITE, "Open a new session key.", ours=True),
    Method(
        "sessions.patch",
        SessionsPatchParams,
        SessionEntryResult,
        SCOPE_WRITE,
        "Change a session's settings; `null` returns one to its default.",
    ),
    Method(
        "sessions.reset",
        SessionKeyParams,
        SessionEntryResult,
        SCOPE_WRITE,
        "Start a new transcript under the same key; the old one is archived and restorable.",
    ),
    Method(
        "sessions.clear",
        SessionKeyParams,
        SessionsClearResult,
        SCOPE_WRITE,
        "Empty the transcript; can be undone for 10 s.",
        ours=True,
    ),
    Method(
        "sessions.undo",
        SessionKeyParams,
        SessionEntryResult,
        SCOPE_WRITE,
        "Take the last `sessions.clear` back.",
        ours=True,
    ),
    Method(
        "sessions.restore",
        SessionIdParams,
        SessionEntryResult,
        SCOPE_WRITE,
        "Make an archived transcript the current one of its session.",
        ours=True,
    ),
    Method(
        "sessions.transcripts",
        SessionKeyParams,
        SessionsTranscriptsResult,
        SCOPE_READ,
        "A session's transcripts, archived ones too.",
        ours=True,
    ),
    Method(
        "sessions.delete",
        SessionsDeleteParams,
        SessionsDeleteResult,
        SCOPE_WRITE,
        "Remove a session; the main one cannot be removed. Can be undone for 10 s.",
    ),
    Method(
        "sessions.undelete",
        SessionKeyParams,
        SessionEntryResult,
        SCOPE_WRITE,
        "Bring a deleted session back.",
        ours=True,
    ),
    Method(
        "sessions.fork",
        SessionsForkParams,
        SessionEntryResult,
        SCOPE_WRITE,
        "Copy what a session shows, up to a message, into a new session.",
        ours=True,
    ),
    Method(
        "sessions.resolve",
        SessionsResolveParams,
        SessionsResolveResult,
        SCOPE_READ,
        "Find a session key by key, session id or label.",
    ),
    Method(
        "sessions.compact",
        SessionsCompactParams,
        SessionsCompactResult,
        SCOPE_WRITE,
        "Have the model summarise the conversation so far; it goes on from the summary, the transcript stays.",
    ),
    Method(
        "sessions.subscribe",
        SessionKeysParams,
        SessionKeysResult,
        SCOPE_READ,
        "Get these sessions' events; for clients with the cap `sessions.subscribe`, who get no other's.",
        ours=True,
    ),
    Method(
        "sessions.unsubscribe",
        SessionKeysParams,
        SessionKeysResult,
        SCOPE_READ,
        "Get these sessions' events no more.",
        ours=True,
    ),
    Method(
        "sessions.preview",
        SessionsPreviewParams,
        SessionsPreviewResult,
        SCOPE_READ,
        "The last few messages of several sessions, shortened.",
    ),
    Event("session.message", SessionMessageEvent, "A message was stored.", CAP_SESSION_EVENTS, ours=True),
    Event(
        "session.changed", SessionChangedEvent, "A session was made, changed or removed.", CAP_SESSION_EVENTS, ours=True
    ),
    Event("session.queue", SessionQueueEvent, "The sends that wait in a session.", CAP_SESSION_EVENTS, ours=True),
)
