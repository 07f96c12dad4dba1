"""``exec.approval.*`` and ``exec.approvals.*``: a person decides whether a command may run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from .base import SCOPE_ADMIN, SCOPE_APPROVALS, Event, Method, Ms, NoParams, OkResult, Params, Result, Rows
from .devices import Id
from .hands import GrantScope

Part = Annotated[str, Meta(max_length=4096)]
Decision = Literal["allow-once", "allow-always", "deny"]


class ApprovalRequestParams(Params):
    command: Annotated[str, Meta(min_length=1, max_length=100_000)]
    id: Id | None = None
    cwd: Part | None = None
    host: Part | None = None
    security: Part | None = None
    ask: Part | None = None
    agent_id: Part | None = None
    resolved_path: Part | None = None
    session_key: Part | None = None
    timeout_ms: Annotated[int, Meta(ge=1, le=3_600_000)] | None = None
    """120,000 if absent."""


class ApprovalResult(Result):
    """`decision` is `null` when no decision was made in time, which is a no."""

    id: str
    decision: str | None
    created_at_ms: int
    expires_at_ms: int


class ApprovalResolveParams(Params):
    """All but `id` and `decision` is ours, and for questions of our own tools."""

    id: Id
    decision: Decision
    reason: Annotated[str, Meta(max_length=4096)] | None = None
    """Of a `deny`, or of a yes to a part: told to the model."""
    scope: GrantScope | None = None
    """How far the yes goes; one of the question's `choices`. `allow-always` without it: the widest of them."""
    pattern: Annotated[str, Meta(min_length=1, max_length=4096)] | None = None
    """Of the scope `always`: the paths that it is for, with `*` and `?`."""
    accepted: Annotated[Sequence[Annotated[int, Meta(ge=0)]], Meta(max_length=1000)] | None = None
    """The indexes of `preview.cells` that may be done; all if absent."""
    edited: Mapping[str, Annotated[str, Meta(max_length=1_000_000)]] | None = None
    """Index of `preview.cells` (`0` for a file or code) → the source that takes the place of the proposed one."""
    answers: Mapping[str, Annotated[str, Meta(max_length=100_000)]] | None = None
    """Of a question to the person: its id → the answer. Of an `input`: `value`."""


class ApprovalsFileResult(Result):
    """The rules by which commands are allowed without asking."""

    path: str
    exists: bool
    hash: str
    file: Mapping[str, Any]


class ApprovalsSetParams(Params):
    file: Mapping[str, Any]
    base_hash: Annotated[str, Meta(max_length=128)] | None = None
    """The `hash` of `exec.approvals.get`; needed once there are rules."""


class ApprovalRequestedEvent(Result):
    """`request` has `command`. Of a tool of ours also `kind` (`tool`, `question`, `input`), `tool`, `title`,
    `arguments`, `sessionKey`, `runId`, `toolCallId`, `path`, `digest`, `preview` and `choices` (see `GrantScope`); of a
    `question` `questions` (`id`, `text`, `choices`, `free`), of an `input` `prompt` and `password`."""

    id: str
    request: Mapping[str, Any]
    created_at_ms: int
    expires_at_ms: int
    """0: it waits as long as it takes. Clients without our caps are told a time in ten years instead."""


class ApprovalResolvedEvent(Result):
    id: str
    decision: str
    ts: int
    resolved_by: str | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    """Ours: `expired` or `withdrawn` without a decision; `decision` is `deny` then. Else what the person wrote."""
    scope: GrantScope | UnsetType = UNSET
    """Ours: how far the yes goes."""


class Approval(Result):
    id: str
    request: Mapping[str, Any]
    created_at_ms: int
    expires_at_ms: int


class ApprovalListResult(Result):
    approvals: Sequence[Approval]


class ApprovalHistoryParams(Params):
    limit: Annotated[int, Meta(ge=1, le=200)] | None = None
    """50 if absent."""
    before: Ms | None = None
    """Only those last written before this time: `next` of the answer before."""


class DecidedApproval(Result):
    """A question that is over. What would have been done is told by its title alone."""

    id: str
    kind: str
    """`tool`, `question`, `input`, or `command` of a program that asked over the wire."""
    title: str
    """The tool's words, or the command."""
    decision: Decision | None
    """`null`: none was made; see `reason`."""
    created_at_ms: int
    resolved_at_ms: int
    """Of the decision, or of the end without one."""
    resolved_by: str
    """The person, or `mode:…`, `grant:…` or `plan:…` that made the question unnecessary; empty: none."""
    tool: str | UnsetType = UNSET
    path: str | UnsetType = UNSET
    session_key: str | UnsetType = UNSET
    scope: GrantScope | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    """`expired`, `withdrawn`, or what the person wrote."""
    used_at_ms: int | UnsetType = UNSET
    """The time at which the yes was used."""


class ApprovalHistoryResult(Result):
    approvals: Sequence[DecidedApproval]
    """The newest first."""
    next: int | UnsetType = UNSET
    """`before` of the next page; absent: there is none."""


class RulesChangedEvent(Result):
    hash: str


ROWS: Rows = (
    Method(
        "exec.approval.request",
        ApprovalRequestParams,
        ApprovalResult,
        SCOPE_APPROVALS,
        "Ask whether a command may run; answered with the decision, or when time is up.",
    ),
    Method("exec.approval.resolve", ApprovalResolveParams, OkResult, SCOPE_APPROVALS, "Decide."),
    Method(
        "exec.approval.list", NoParams, ApprovalListResult, SCOPE_APPROVALS, "What waits for a decision.", ours=True
    ),
    Method(
        "exec.approval.history",
        ApprovalHistoryParams,
        ApprovalHistoryResult,
        SCOPE_APPROVALS,
        "What was decided, by whom and when; kept for `hands.keepDays`.",
        ours=True,
    ),
    Method("exec.approvals.get", NoParams, ApprovalsFileResult, SCOPE_ADMIN, "The rules for commands."),
    Method(
        "exec.approvals.set", ApprovalsSetParams, ApprovalsFileResult, SCOPE_ADMIN, "Replace the rules for commands."
    ),
    Event("exec.approval.requested", ApprovalRequestedEvent, "A command waits for a decision.", scope=SCOPE_APPROVALS),
    Event("exec.approval.resolved", ApprovalResolvedEvent, "A request has been decided.", scope=SCOPE_APPROVALS),
    Event(
        "exec.approvals.changed", RulesChangedEvent, "The rules for commands are others.", ours=True, scope=SCOPE_ADMIN
    ),
)
