"""Every method, event and shape of the wire: the single source.

From these tables come validation (``gateway.methods``), scopes, the ``features`` of ``hello-ok``, the reference in
``docs/reference`` and the TypeScript types of the browser client (``scripts/generate.py``). Field names are the wire's
(camelCase by ``rename``). Unknown fields from a client are ignored. Source: the recorded frames of Clawdbot
2026.1.24-3 for what it has; what is ours says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

PROTOCOL_VERSION = 3

CAP_APPEND = "chat.append"
"""Ours: ``chat`` deltas carry ``{offset, text}`` (UTF-16 code units) instead of the whole text so far."""
CAP_SESSION_EVENTS = "session.events"
"""Ours: ``session.message``, ``session.changed`` and ``session.queue`` events."""
CAP_SWITCH = "session.switch"
"""Ours: the client can follow ``switchTo``, so ``/new`` opens a new key instead of a new transcript."""

SCOPE_READ, SCOPE_WRITE, SCOPE_ADMIN = "operator.read", "operator.write", "operator.admin"
SCOPE_APPROVALS, SCOPE_PAIRING = "operator.approvals", "operator.pairing"
OPERATOR_SCOPES = (SCOPE_READ, SCOPE_WRITE, SCOPE_ADMIN, SCOPE_APPROVALS, SCOPE_PAIRING)

Key = Annotated[str, Meta(min_length=1, max_length=512, description="A session key; `main` is an alias.")]
RunId = Annotated[str, Meta(min_length=1, max_length=256)]
Ms = Annotated[int, Meta(ge=0, le=2**53)]
Level = Annotated[str, Meta(min_length=1, max_length=32)]
Text = Annotated[str, Meta(max_length=1_000_000)]


class Params(msgspec.Struct, rename="camel", kw_only=True):
    """Base of all parameter shapes."""


class Result(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=False):
    """Base of all result and event shapes; unset fields are left out."""


# -- connect --------------------------------------------------------------------------------------------------------
class ClientInfo(Params):
    id: Annotated[str, Meta(min_length=1, max_length=128)]
    version: Annotated[str, Meta(max_length=128)]
    platform: Annotated[str, Meta(max_length=128)]
    mode: Annotated[str, Meta(max_length=64)]
    display_name: Annotated[str, Meta(max_length=256)] | None = None
    instance_id: Annotated[str, Meta(max_length=256)] | None = None
    device_family: Annotated[str, Meta(max_length=128)] | None = None
    model_identifier: Annotated[str, Meta(max_length=128)] | None = None


class ConnectAuth(Params):
    token: Annotated[str, Meta(max_length=4096)] | None = None
    password: Annotated[str, Meta(max_length=4096)] | None = None


class DeviceIdentity(Params):
    id: Annotated[str, Meta(max_length=256)]
    public_key: Annotated[str, Meta(max_length=256)]
    signature: Annotated[str, Meta(max_length=512)]
    signed_at: int
    nonce: Annotated[str, Meta(max_length=256)] | None = None


class ConnectParams(Params):
    min_protocol: int
    max_protocol: int
    client: ClientInfo
    caps: Sequence[Annotated[str, Meta(max_length=64)]] = ()
    role: Annotated[str, Meta(max_length=32)] | None = None
    scopes: Sequence[Annotated[str, Meta(max_length=64)]] | None = None
    auth: ConnectAuth | None = None
    device: DeviceIdentity | None = None
    locale: Annotated[str, Meta(max_length=64)] | None = None
    user_agent: Annotated[str, Meta(max_length=1024)] | None = None


# -- chat -----------------------------------------------------------------------------------------------------------
class ChatSendParams(Params):
    session_key: Key
    message: Text
    idempotency_key: RunId
    thinking: Level | None = None
    deliver: bool | None = None
    attachments: Sequence[Mapping[str, Any]] | None = None
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


# -- sessions -------------------------------------------------------------------------------------------------------
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


class SessionKeyParams(Params):
    key: Key


class SessionsNewParams(Params):
    key: Key | None = None
    label: Annotated[str, Meta(max_length=256)] | None = None
    model: Annotated[str, Meta(max_length=256)] | None = None


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


class SessionEntryResult(Result):
    ok: bool
    key: str
    entry: Mapping[str, Any]


class SessionsDeleteResult(Result):
    ok: bool
    key: str
    deleted: bool
    archived: Sequence[str]


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


# -- configuration, models, system ----------------------------------------------------------------------------------
class NoParams(Params):
    """Nothing is read."""


class ConfigGetParams(Params):
    pass


class ConfigSetParams(Params):
    raw: Annotated[str, Meta(min_length=1, max_length=1_000_000)]
    base_hash: Annotated[str, Meta(max_length=128)] | None = None


class ConfigPatchParams(Params):
    raw: Annotated[str, Meta(min_length=1, max_length=1_000_000)]
    """JSON5 of an object that is merged into the file; `null` removes a key."""
    base_hash: Annotated[str, Meta(max_length=128)] | None = None
    session_key: str | None = None
    note: str | None = None
    restart_delay_ms: Ms | None = None


class ModelsListResult(Result):
    models: Sequence[Mapping[str, Any]]


class CommandsListParams(Params):
    session_key: Key | None = None


class CommandsListResult(Result):
    commands: Sequence[Mapping[str, Any]]


class LinkCreateResult(Result):
    code: str
    path: str
    """Relative to the gateway's base URL, with the code in it."""
    expires_at: int


class GatewayStopParams(Params):
    restart: bool | None = None
    reason: Annotated[str, Meta(max_length=200)] | None = None


class OkResult(Result):
    ok: bool


AnyResult = Mapping[str, Any]


class Method(msgspec.Struct, frozen=True):
    """One row: the wire's name, its shapes, the scope a caller needs, one sentence, and whether it is ours."""

    name: str
    params: type[Params]
    result: Any
    scope: str
    help: str
    ours: bool = False


_METHODS = (
    Method("chat.send", ChatSendParams, ChatSendResult, SCOPE_WRITE,
           "Send a message; acknowledged once it is stored, answered by `chat` events."),
    Method("chat.history", ChatHistoryParams, ChatHistoryResult, SCOPE_READ,
           "The newest messages of a session, oldest first."),
    Method("chat.abort", ChatAbortParams, ChatAbortResult, SCOPE_WRITE,
           "Stop a run, or all runs and queued sends of a session; the text so far is kept."),
    Method("chat.inject", ChatInjectParams, ChatInjectResult, SCOPE_ADMIN,
           "Append an assistant message without a model call."),
    Method("sessions.list", SessionsListParams, SessionsListResult, SCOPE_READ, "Sessions, newest first."),
    Method("sessions.new", SessionsNewParams, SessionEntryResult, SCOPE_WRITE, "Open a new session key.", ours=True),
    Method("sessions.patch", SessionsPatchParams, SessionEntryResult, SCOPE_WRITE,
           "Change a session's settings; `null` returns one to its default."),
    Method("sessions.reset", SessionKeyParams, SessionEntryResult, SCOPE_WRITE,
           "Start a new transcript under the same key; the old one is archived and restorable."),
    Method("sessions.clear", SessionKeyParams, SessionsClearResult, SCOPE_WRITE,
           "Empty the transcript; can be undone for 10 s.", ours=True),
    Method("sessions.undo", SessionKeyParams, SessionEntryResult, SCOPE_WRITE,
           "Take the last `sessions.clear` back.", ours=True),
    Method("sessions.restore", SessionIdParams, SessionEntryResult, SCOPE_WRITE,
           "Make an archived transcript the current one of its session.", ours=True),
    Method("sessions.transcripts", SessionKeyParams, SessionsTranscriptsResult, SCOPE_READ,
           "A session's transcripts, archived ones too.", ours=True),
    Method("sessions.delete", SessionsDeleteParams, SessionsDeleteResult, SCOPE_WRITE,
           "Remove a session; the main one cannot be removed."),
    Method("sessions.resolve", SessionsResolveParams, SessionsResolveResult, SCOPE_READ,
           "Find a session key by key, session id or label."),
    Method("sessions.preview", SessionsPreviewParams, SessionsPreviewResult, SCOPE_READ,
           "The last few messages of several sessions, shortened."),
    Method("models.list", NoParams, ModelsListResult, SCOPE_READ, "The models that can be chosen."),
    Method("commands.list", CommandsListParams, CommandsListResult, SCOPE_READ,
           "The slash commands, with descriptions in the client's language.", ours=True),
    Method("health", NoParams, AnyResult, SCOPE_READ, "Is the gateway well?"),
    Method("status", NoParams, AnyResult, SCOPE_READ, "Sessions, model and provider at a glance."),
    Method("config.get", ConfigGetParams, AnyResult, SCOPE_ADMIN, "The configuration, secrets redacted."),
    Method("config.set", ConfigSetParams, AnyResult, SCOPE_ADMIN, "Replace the configuration file."),
    Method("config.patch", ConfigPatchParams, AnyResult, SCOPE_ADMIN, "Merge into the configuration file."),
    Method("config.schema", NoParams, AnyResult, SCOPE_READ, "JSON Schema and UI hints of the configuration."),
    Method("auth.link", NoParams, LinkCreateResult, SCOPE_ADMIN,
           "A login code for one use within 60 s (`clawdbot web`).", ours=True),
    Method("gateway.stop", GatewayStopParams, OkResult, SCOPE_ADMIN, "Stop or restart this gateway.", ours=True),
)
METHODS: Mapping[str, Method] = {m.name: m for m in _METHODS}


# -- events ---------------------------------------------------------------------------------------------------------
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


class TickEvent(Result):
    ts: int


class ShutdownEvent(Result):
    reason: str
    restart_expected_ms: int | UnsetType = UNSET


class SessionMessageEvent(Result):
    """A message was stored in a session's current transcript."""

    session_key: str
    session_id: str
    epoch: int
    seq: int
    message: msgspec.Raw


SessionChange = Literal["created", "updated", "reset", "cleared", "restored", "deleted"]


class SessionChangedEvent(Result):
    """`entry` is as in `sessions.list`; absent when `reason` is `deleted`."""

    key: str
    reason: SessionChange
    entry: Mapping[str, Any] | UnsetType = UNSET


class SessionQueueEvent(Result):
    session_key: str
    queued: Sequence[Queued]


class ChallengeEvent(Result):
    nonce: str
    ts: int


class Event(msgspec.Struct, frozen=True):
    name: str
    payload: Any
    help: str
    cap: str | None = None
    """Only clients that announced this capability get it."""
    ours: bool = False


_EVENTS = (
    Event("connect.challenge", ChallengeEvent, "The first frame of a connection."),
    Event("chat", ChatEvent, "Progress and end of a run."),
    Event("agent", AgentEvent, "What the agent does in a run."),
    Event("tick", TickEvent, "The gateway lives; at least every `policy.tickIntervalMs`."),
    Event("health", AnyResult, "The same as the method `health`, after `hello-ok`."),
    Event("presence", AnyResult, "Who is connected."),
    Event("shutdown", ShutdownEvent, "The gateway stops; the socket closes with 1012."),
    Event("session.message", SessionMessageEvent, "A message was stored.", CAP_SESSION_EVENTS, ours=True),
    Event("session.changed", SessionChangedEvent, "A session was made, changed or removed.", CAP_SESSION_EVENTS,
          ours=True),
    Event("session.queue", SessionQueueEvent, "The sends that wait in a session.", CAP_SESSION_EVENTS, ours=True),
)
EVENTS: Mapping[str, Event] = {e.name: e for e in _EVENTS}
