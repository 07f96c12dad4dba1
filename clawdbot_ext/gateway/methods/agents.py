"""``agent``, ``agents.*``: a turn asked for by a program rather than a chat, and who answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ...protocol.clock import now_ms
from ...protocol.errors import InvalidRequest, Unavailable
from ...protocol.keys import AGENT_ID
from ...protocol.schema import (
    AgentIdentityParams,
    AgentIdentityResult,
    AgentParams,
    AgentResult,
    AgentsListResult,
    AgentWaitParams,
    AgentWaitResult,
    ChatSendParams,
    NoParams,
)
from ...store.api import FINAL_STATES, Run
from ..connections.connection import Connection
from ..registry import TwoResponses, method
from ..services import Services
from ..wire_forms import decode, text_of
from .chat import accept_message

NAME, AVATAR = "Clawdbot", "C"
WAIT_MS = 30_000
LONGEST_S = 86_400
"""The longest run; a client that would wait longer for it is not refused."""


@method("agents.list")
def agents_list(services: Services, caller: Connection, params: NoParams) -> AgentsListResult:
    return AgentsListResult(
        default_id=AGENT_ID,
        main_key=services.config()["session.mainKey"],
        scope="per-sender",
        agents=[{"id": AGENT_ID, "name": NAME, "identity": {"name": NAME, "avatar": AVATAR}}],
    )


@method("agent.identity.get")
async def agent_identity_get(
    services: Services, caller: Connection, params: AgentIdentityParams
) -> AgentIdentityResult:
    _check_agent(params.agent_id)
    return AgentIdentityResult(agent_id=AGENT_ID, name=NAME, avatar=AVATAR)


@method("agent")
async def agent(services: Services, caller: Connection, params: AgentParams) -> TwoResponses:
    """Take the message as ``chat.send`` would; answer at once, and again when the run has ended."""
    _check_agent(params.agent_id)
    send = ChatSendParams(
        session_key=await _session_key(services, params),
        message=params.message,
        idempotency_key=params.idempotency_key,
        thinking=params.thinking,
        attachments=params.attachments,
        timeout_ms=min(params.timeout, LONGEST_S) * 1000 if params.timeout else None,
    )
    sent = await accept_message(services, caller, send, instructions=params.extra_system_prompt)
    accepted = AgentResult(run_id=params.idempotency_key, status="accepted", accepted_at=now_ms())
    if sent.run_id is msgspec.UNSET:  # a stop word: done, and no run of its own
        return TwoResponses(accepted, _stopped(params.idempotency_key))
    return TwoResponses(accepted, _outcome(services, params.idempotency_key))


@method("agent.wait")
async def agent_wait(services: Services, caller: Connection, params: AgentWaitParams) -> AgentWaitResult:
    """Wait for a run's end. One that is not known here may still come, so that too ends as ``timeout``."""
    run, _ = await services.runs.events.wait(
        params.run_id, (WAIT_MS if params.timeout_ms is None else params.timeout_ms) / 1000
    )
    if run is None or run.state not in FINAL_STATES:
        return AgentWaitResult(run_id=params.run_id, status="timeout")
    answer = AgentWaitResult(run_id=params.run_id, status="ok" if run.state == "done" else "error")
    answer.started_at = run.started_at or run.created_at
    if run.ended_at is not None:
        answer.ended_at = run.ended_at
    if run.state != "done":
        answer.error = str((run.result or {}).get("summary") or run.state)
    return answer


async def _stopped(run_id: str) -> AgentResult:
    return AgentResult(run_id=run_id, status="ok", summary="completed", result={"payloads": [], "meta": {}})


async def _outcome(services: Services, run_id: str) -> AgentResult:
    """The second response. Raises ``Unavailable`` when the run failed."""
    run, told = await services.runs.events.wait(run_id, None)
    assert run is not None
    if run.state not in ("done", "aborted"):
        raise Unavailable(str((run.result or {}).get("summary") or run.state), reason="RUN_FAILED", runId=run_id)
    message = await _reply(services, run, told)
    usage = {name: count for name, count in message.get("usage", {}).items() if name != "cost"}
    text = text_of(message)
    aborted = run.state == "aborted"
    meta = {
        "durationMs": (run.ended_at or 0) - (run.started_at or run.created_at),
        "aborted": aborted,
        "agentMeta": {
            "sessionId": run.session_id,
            "provider": message.get("provider", ""),
            "model": message.get("model", ""),
            "usage": {**usage, "total": usage.get("totalTokens", 0)} if usage else {},
        },
    }
    return AgentResult(
        run_id=run_id,
        status="aborted" if aborted else "ok",
        summary="aborted" if aborted else "completed",
        result={"payloads": [{"text": text, "mediaUrl": None}] if text else [], "meta": meta},
    )


async def _reply(services: Services, run: Run, told: Any) -> Mapping[str, Any]:
    """The text of a run: the message of its last event, else what the transcript holds of it."""
    if isinstance(told, msgspec.Raw):
        message: Mapping[str, Any] = msgspec.json.decode(told)
        return message
    if isinstance(told, Mapping):
        return told
    page = await services.store.history(session_id=run.session_id, limit=50)
    found = [m for m in page.messages if m.run_id == run.run_id and m.role == "assistant"]
    return decode(found[-1]) if found else {}


def _check_agent(agent_id: str | None) -> None:
    if (agent_id or "").strip().lower() not in ("", AGENT_ID):
        raise InvalidRequest(f"unknown agent id: {agent_id}", reason="UNKNOWN_AGENT")


async def _session_key(services: Services, params: AgentParams) -> str:
    """The session that a program means. An id of no transcript names a session of its own, as in Clawdbot: a refusal
    would make its command line answer by itself, past this gateway."""
    if params.session_key and params.session_key.strip():
        return services.sessions.canonical(params.session_key)
    if params.session_id and params.session_id.strip():
        session = await services.store.find_session(session_id=params.session_id.strip())
        return session.key if session is not None else services.sessions.canonical(params.session_id)
    return services.sessions.main_key()
