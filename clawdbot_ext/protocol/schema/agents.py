"""``agent`` and ``agents.*``: a turn asked for by a program, and who answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from .base import SCOPE_READ, SCOPE_WRITE, Key, Level, Method, NoParams, Params, Result, Rows, RunId, Text
from .media import Attachments

Name = Annotated[str, Meta(max_length=128)]


class AgentParams(Params):
    message: Text
    idempotency_key: RunId
    agent_id: Name | None = None
    session_key: Annotated[str, Meta(max_length=512)] | None = None
    session_id: Annotated[str, Meta(max_length=512)] | None = None
    """Used when there is no `sessionKey`: a transcript's id, else the name of a session. Without either the main
    session is meant."""
    thinking: Level | None = None
    timeout: Annotated[int, Meta(ge=0, le=2**53)] | None = None
    """Seconds, a day at most; 0 stands for the configured limit."""
    extra_system_prompt: Text | None = None
    """Added to the system prompt of this turn."""
    attachments: Attachments | None = None
    deliver: bool | None = None
    """Read and without effect: a reply goes to the session's watchers and nowhere else."""


class AgentResult(Result):
    """Sent twice under one request id: `accepted` at once, then how the run ended."""

    run_id: str
    status: str
    """`accepted`, then `ok`, `error` or `aborted`."""
    accepted_at: int | UnsetType = UNSET
    summary: str | UnsetType = UNSET
    result: Mapping[str, Any] | UnsetType = UNSET
    """`payloads` with the texts, `meta` with duration, session, model and usage."""


class AgentWaitParams(Params):
    run_id: RunId
    timeout_ms: Annotated[int, Meta(ge=0, le=3_600_000)] | None = None
    """30,000 if absent."""


class AgentWaitResult(Result):
    run_id: str
    status: str
    """`ok`, `error`, or `timeout` when the run goes on (or is not known)."""
    started_at: int | UnsetType = UNSET
    ended_at: int | UnsetType = UNSET
    error: str | UnsetType = UNSET


class AgentIdentityParams(Params):
    agent_id: Name | None = None
    session_key: Key | None = None


class AgentIdentityResult(Result):
    agent_id: str
    name: str
    avatar: str
    """One character that stands for the agent."""


class AgentsListResult(Result):
    default_id: str
    main_key: str
    scope: str
    agents: Sequence[Mapping[str, Any]]


ROWS: Rows = (
    Method(
        "agent",
        AgentParams,
        AgentResult,
        SCOPE_WRITE,
        "Ask for a turn and wait: one response when it is accepted, a second when it has ended.",
    ),
    Method("agent.wait", AgentWaitParams, AgentWaitResult, SCOPE_WRITE, "Wait for a run to end."),
    Method(
        "agent.identity.get",
        AgentIdentityParams,
        AgentIdentityResult,
        SCOPE_READ,
        "Name and avatar of the agent of a session.",
    ),
    Method("agents.list", NoParams, AgentsListResult, SCOPE_READ, "The agents: one."),
)
