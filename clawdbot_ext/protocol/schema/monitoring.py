"""Presence, heartbeats, logs and usage: what an operator looks at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from .base import (
    SCOPE_ADMIN,
    SCOPE_READ,
    SCOPE_WRITE,
    AnyResult,
    Event,
    Key,
    Method,
    Ms,
    NoParams,
    OkResult,
    Params,
    Result,
    Rows,
)

Short = Annotated[str, Meta(max_length=256)]
Tags = Annotated[Sequence[Short], Meta(max_length=64)]


class SystemEventParams(Params):
    """A device's report on itself; a text that does not begin with `Node:` is a notice for the main session."""

    text: Annotated[str, Meta(min_length=1, max_length=10_000)]
    device_id: Short | None = None
    instance_id: Short | None = None
    host: Short | None = None
    ip: Short | None = None
    mode: Short | None = None
    version: Short | None = None
    platform: Short | None = None
    device_family: Short | None = None
    model_identifier: Short | None = None
    last_input_seconds: float | None = None
    reason: Short | None = None
    roles: Tags | None = None
    scopes: Tags | None = None
    tags: Tags | None = None


class HeartbeatsParams(Params):
    enabled: bool


class HeartbeatsResult(Result):
    ok: bool
    enabled: bool
    """Always false: this gateway has no heartbeats."""


class WakeParams(Params):
    mode: Literal["now", "next-heartbeat"]
    text: Annotated[str, Meta(min_length=1, max_length=10_000)]


class LogsTailParams(Params):
    cursor: Annotated[int, Meta(ge=0, le=2**53)] | None = None
    """The end of the last answer; absent: the end of the file."""
    limit: Annotated[int, Meta(ge=1, le=5000)] | None = None
    max_bytes: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None


class LogsTailResult(Result):
    file: str
    cursor: int
    size: int
    lines: Sequence[str]
    """JSON objects: `time`, `_meta` with `logLevelName` and `name`, the subsystem under `"0"`, the message under
    `"1"`."""
    truncated: bool
    """Lines in front were left out."""
    reset: bool
    """The cursor was of a file that was rotated away: read from the end of the new one."""


class LimitLeft(Result):
    """A spending limit; US dollars or tokens."""

    limit: Literal["limits.dailyTokens", "limits.monthlyTokens", "limits.monthlyCost"]
    max: float
    used: float
    left: float
    resets_at: Ms
    begins: str
    """The same time for people, with the time zone."""
    text: str
    """A line about it, in the client's language."""


class UsageStatusResult(Result):
    updated_at: int
    providers: Sequence[Mapping[str, Any]]
    """None: the provider's quotas are not known."""
    limits: Sequence[LimitLeft]


class UsageCostParams(Params):
    days: Annotated[float, Meta(ge=0, le=3660)] | Annotated[str, Meta(max_length=16)] | None = None
    """30 if absent; today counts as one."""


class UsageCostResult(Result):
    updated_at: int
    days: int
    daily: Sequence[Mapping[str, Any]]
    """`date` (of the gateway's time zone), `input`, `output`, `cacheRead`, `cacheWrite`, `totalTokens`, `totalCost`,
    `missingCostEntries`."""
    totals: Mapping[str, Any]


class SessionsUsageParams(Params):
    key: Key | None = None
    """One session; absent: all."""
    limit: Annotated[int, Meta(ge=1, le=1000)] | None = None
    days: Annotated[int, Meta(ge=1, le=3660)] | None = None


class SessionsUsageResult(Result):
    updated_at: int
    sessions: Sequence[Mapping[str, Any]]
    totals: Mapping[str, Any]


class UsageBreakdownParams(Params):
    edges: Annotated[Sequence[Ms], Meta(min_length=2, max_length=3661)]
    """Beginnings of the days in the reader's time zone, rising; the last one is the end of the range."""
    session_key: Key | None = None
    """Of one session; absent: of all."""
    sessions: Annotated[int, Meta(ge=0, le=1000)] = 200
    """So many sessions are named, the dearest; the others are together under `null`."""


class UsageRow(Result):
    """The replies that have day or session, model and client in common."""

    provider: str
    model: str
    client: str | None
    """The id that the client gave; `null` for titles, summaries and what was not written down."""
    input: int
    output: int
    cache_read: int
    cache_write: int
    cost: float
    """US dollars, of the replies whose price is known."""
    replies: int
    unpriced: int
    """Replies whose price is not known."""
    day: int | UnsetType = UNSET
    """In `days`: it begins at `edges[day]`."""
    session: str | None | UnsetType = UNSET
    """In `sessions`: the key."""


class UsageBreakdownResult(Result):
    updated_at: int
    days: Sequence[UsageRow]
    sessions: Sequence[UsageRow]
    """The dearest first."""
    session_count: int
    """Of all."""
    titles: Mapping[str, str]
    """Key → title, of the sessions named that are still there."""


class PresenceEvent(Result):
    presence: Sequence[Mapping[str, Any]]


ROWS: Rows = (
    Method("system-presence", NoParams, Sequence[Mapping[str, Any]], SCOPE_READ, "Who is connected, and was lately."),
    Method(
        "system-event",
        SystemEventParams,
        OkResult,
        SCOPE_ADMIN,
        "Tell of a device, or leave a notice that the main session's next turn is told.",
    ),
    Method("last-heartbeat", NoParams, AnyResult, SCOPE_READ, "The last heartbeat: `null`, there are none."),
    Method("set-heartbeats", HeartbeatsParams, HeartbeatsResult, SCOPE_ADMIN, "Heartbeats on or off: they stay off."),
    Method("wake", WakeParams, OkResult, SCOPE_WRITE, "Leave a notice that the main session's next turn is told."),
    Method("logs.tail", LogsTailParams, LogsTailResult, SCOPE_READ, "The newest lines of the log."),
    Method(
        "usage.status",
        NoParams,
        UsageStatusResult,
        SCOPE_READ,
        "What is left of the gateway's spending limits (`limits`); the providers' quotas are not known to it.",
    ),
    Method("usage.cost", UsageCostParams, UsageCostResult, SCOPE_READ, "Tokens and dollars by day."),
    Method(
        "usage.breakdown",
        UsageBreakdownParams,
        UsageBreakdownResult,
        SCOPE_READ,
        "Tokens and dollars of a range of time, by day and by session, each by model and client.",
        ours=True,
    ),
    Method("sessions.usage", SessionsUsageParams, SessionsUsageResult, SCOPE_READ, "Tokens and dollars by session."),
    Event("presence", PresenceEvent, "A client connected or disconnected; the frame carries `stateVersion`.", own=True),
)
