"""``exec.approval.*``: somebody asks, a person decides. ``exec.approvals.*``: the rules by which nobody need be asked.

Each question and its decision are stored. Our own tools ask by ``ask`` (``gateway.tools``); any client with the scope
may ask over the wire.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import shlex
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from ..protocol.clock import now_ms
from ..protocol.errors import InvalidRequest, NotFound, RateLimited, Stale
from ..protocol.schema import (
    Approval,
    ApprovalListResult,
    ApprovalRequestedEvent,
    ApprovalRequestParams,
    ApprovalResolvedEvent,
    ApprovalResolveParams,
    ApprovalResult,
    ApprovalsFileResult,
    ApprovalsSetParams,
    NodeInvokeParams,
    NoParams,
    OkResult,
)
from .methods import method

if TYPE_CHECKING:
    from .client import Client
    from .core import Gateway

log = logging.getLogger(__name__)

KIND = "approval"
RULES = "exec-approvals"
TIMEOUT_MS = 120_000
MAX_PENDING = 64
TAKEN_S = 5.0
EMPTY_RULES: dict[str, Any] = {"version": 1, "defaults": {}, "agents": {}}


@dataclass
class Pending:
    """A question that nobody has decided yet."""

    record: Mapping[str, Any]
    decided: asyncio.Future[str]
    taken: bool = False
    """Somebody has decided, and that is being stored."""


class Approvals:
    """The questions of one gateway that nobody has decided yet."""

    def __init__(self) -> None:
        self.pending: dict[str, Pending] = {}
        self.rules = asyncio.Lock()
        """Held from reading the rules to writing them: nobody's change undoes another's."""
        self.using = asyncio.Lock()
        """Held from finding a decision to marking it as used."""

    def rows(self) -> list[Mapping[str, Any]]:
        """The open questions, oldest first, as clients are told of them."""
        return [pending.record for pending in self.pending.values() if not pending.taken]


async def ask(
    gw: Gateway,
    request: Mapping[str, Any],
    *,
    caller: list[str] | None = None,
    id_: str | None = None,
    timeout_ms: int = TIMEOUT_MS,
) -> ApprovalResult:
    """Ask whoever may decide, and wait; the decision is stored before this returns it, and ``None`` is a no.

    Cancelled, it takes the question back. ``caller`` is who asks over the wire: the decision is for nobody else.

    Raises:
        InvalidRequest: ``id_`` was used before. RateLimited: too many questions wait.
    """
    pending = gw.approvals.pending
    id_ = id_ or str(uuid.uuid4())
    if id_ in pending:
        raise _used()
    if len(pending) >= MAX_PENDING:
        raise RateLimited(f"more than {MAX_PENDING} approvals are waiting", retry_after_ms=1000)
    now = now_ms()
    record = {"id": id_, "request": dict(request), "createdAtMs": now, "expiresAtMs": now + timeout_ms}
    stored = record if caller is None else {**record, "requestedBy": caller}
    decided = asyncio.get_running_loop().create_future()
    pending[id_] = Pending(record, decided, taken=True)  # nobody decides about it before it is shown
    try:
        if await gw.store.get_record(KIND, id_) is not None:
            raise _used()
    except BaseException:
        del pending[id_]
        raise
    pending[id_].taken = False
    reason = "withdrawn"
    try:
        await gw.store.put_record(KIND, id_, stored, now=now)
        gw.broadcast.emit(
            "exec.approval.requested",
            ApprovalRequestedEvent(id=id_, request=request, created_at_ms=now, expires_at_ms=now + timeout_ms),
        )
        await asyncio.wait({decided}, timeout=timeout_ms / 1000)
        reason = "expired"
        if pending[id_].taken:  # decided in the last moment: that is being stored
            await asyncio.wait({decided}, timeout=TAKEN_S)
    finally:
        pending.pop(id_, None)
        if not decided.done():
            gw.broadcast.emit(
                "exec.approval.resolved", ApprovalResolvedEvent(id=id_, decision="deny", ts=now_ms(), reason=reason)
            )
            closing = gw.store.put_record(
                KIND, id_, {**stored, "decision": None, "expired": True, "reason": reason}, now=now_ms()
            )
            await asyncio.shield(closing)
    decision = decided.result() if decided.done() else None
    return ApprovalResult(id=id_, decision=decision, created_at_ms=now, expires_at_ms=now + timeout_ms)


# -- decisions that a node is told of ----------------------------------------------------------------------------------
_DECIDED = frozenset({"approved", "approvaldecision"})
"""What says to a node that a person has allowed the call, without capitals and what may stand between words."""
_CALL = ("cwd", "agentId", "sessionKey")
_ALLOWS = ("allow-once", "allow-always")


async def permitted(gw: Gateway, client: Client, call: NodeInvokeParams) -> Any:
    """The parameters of a ``node.invoke`` as the node gets them: that somebody has allowed it stands there only where
    ``runId`` names a stored decision for exactly this call, which has not been used yet, and then as it was stored."""
    given = call.params
    if not isinstance(given, Mapping):
        return given
    claimed = sorted(name for name in given if _plain(name) in _DECIDED)
    if not claimed:
        return given
    kept = {name: value for name, value in given.items() if name not in claimed}
    decision = await _use_decision(gw, client, call, kept)
    if decision is None:
        log.warning("node.invoke %s: taken out, nobody has decided so: %s", call.command[:64], ", ".join(claimed)[:200])
        gw.auth.note(
            "approval", {**client.who(), "id": str(given.get("runId", "")), "decision": "claimed", "tool": call.command}
        )
        return kept
    return {**kept, "approved": True, "approvalDecision": decision}


def _plain(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())


async def _use_decision(gw: Gateway, client: Client, call: NodeInvokeParams, given: Mapping[str, Any]) -> str | None:
    """The stored decision for a call, used up by this; ``None``: there is none."""
    run_id = given.get("runId")
    if call.command != "system.run" or not isinstance(run_id, str) or not run_id:
        return None
    async with gw.approvals.using:
        record = await gw.store.get_record(KIND, run_id)
        if record is None or record.get("decision") not in _ALLOWS or record.get("usedAtMs"):
            return None
        asked = record["request"]
        same = (
            asked.get("host") == "node"
            and asked.get("command") in _spelt(given)
            and record.get("requestedBy") == _caller(client)
            and now_ms() <= record["expiresAtMs"]
            and all((asked.get(name) or None) == (given.get(name) or None) for name in _CALL)
            and not given.get("env")
        )
        if not same:
            return None
        await gw.store.put_record(KIND, run_id, {**record, "usedAtMs": now_ms()}, now=now_ms())
        return str(record["decision"])


def _spelt(given: Mapping[str, Any]) -> tuple[str, ...]:
    """The command as it was shown to a person: the words that the node runs, and never another text beside them."""
    words = given.get("command")
    if not isinstance(words, list) or not words or not all(isinstance(word, str) for word in words):
        return ()
    of_shell = len(words) == 3 and words[0] == "/bin/sh" and words[1] in ("-c", "-lc")
    possible = (shlex.join(words), *words[2:]) if of_shell else (shlex.join(words),)
    raw = given.get("rawCommand")
    return possible if raw is None or raw in possible else ()


def _caller(client: Client) -> list[str]:
    return [client.identity.user if client.identity is not None else "", client.device_id or ""]


def _used() -> InvalidRequest:
    return InvalidRequest("approval id already used", reason="EXISTS")


@method("exec.approval.request")
async def exec_approval_request(gw: Gateway, client: Client, params: ApprovalRequestParams) -> ApprovalResult:
    """Ask, and wait for the decision; without one in time the answer is ``null``, which is a no."""
    request = {name: value for name, value in msgspec.to_builtins(params).items() if name not in ("id", "timeoutMs")}
    return await ask(
        gw,
        request,
        caller=_caller(client),
        id_=(params.id or "").strip() or None,
        timeout_ms=TIMEOUT_MS if params.timeout_ms is None else params.timeout_ms,
    )


@method("exec.approval.list")
async def exec_approval_list(gw: Gateway, client: Client, params: NoParams) -> ApprovalListResult:
    return ApprovalListResult(approvals=[msgspec.convert(row, Approval) for row in gw.approvals.rows()])


@method("exec.approval.resolve")
async def exec_approval_resolve(gw: Gateway, client: Client, params: ApprovalResolveParams) -> OkResult:
    """Decide once: the first decision stands, and is stored before anybody acts on it."""
    pending = gw.approvals.pending.get(params.id)
    if pending is None or pending.taken:
        raise NotFound("unknown approval id")
    pending.taken = True
    now, who = now_ms(), str(client.info["displayName"])
    record = dict(await gw.store.get_record(KIND, params.id) or {})
    record |= {"decision": params.decision, "resolvedBy": who, "resolvedAtMs": now}
    try:
        await gw.store.put_record(KIND, params.id, record, now=now)
    except BaseException:
        pending.taken = False  # not stored: it can be decided still
        raise
    if not pending.decided.done():
        pending.decided.set_result(params.decision)
    gw.auth.note(
        "approval",
        {
            **client.who(),
            "id": params.id,
            "decision": params.decision,
            "tool": dict(record.get("request") or {}).get("tool"),
        },
    )
    gw.broadcast.emit(
        "exec.approval.resolved", ApprovalResolvedEvent(id=params.id, decision=params.decision, ts=now, resolved_by=who)
    )
    return OkResult(ok=True)


@method("exec.approvals.get")
async def exec_approvals_get(gw: Gateway, client: Client, params: NoParams) -> ApprovalsFileResult:
    return await _rules(gw)


@method("exec.approvals.set")
async def exec_approvals_set(gw: Gateway, client: Client, params: ApprovalsSetParams) -> ApprovalsFileResult:
    """Replace the rules; once there are some, only with the hash of those that the caller has seen."""
    if params.file.get("version", 1) != 1 or not isinstance(params.file.get("agents", {}), dict):
        raise InvalidRequest("exec approvals: version must be 1 and agents an object", reason="INVALID_RULES")
    kept = {name: value for name, value in params.file.items() if name != "socket"}
    async with gw.approvals.rules:
        present = await _rules(gw)
        if present.exists and params.base_hash != present.hash:
            raise Stale("exec approvals changed since last load; re-run exec.approvals.get and retry")
        await gw.store.put_record(RULES, RULES, {**EMPTY_RULES, **kept}, now=now_ms())
        return await _rules(gw)


async def _rules(gw: Gateway) -> ApprovalsFileResult:
    stored = await gw.store.get_record(RULES, RULES)
    rules = dict(EMPTY_RULES if stored is None else stored)
    digest = hashlib.sha256(msgspec.json.encode(rules, order="deterministic")).hexdigest()
    return ApprovalsFileResult(
        path=str(gw.live().home / "gateway.sqlite3"), exists=stored is not None, hash=digest, file=rules
    )


async def is_allowed(gw: Gateway, agent: str, pattern: str) -> bool:
    """Has somebody said that this may always be done?"""
    return any(entry.get("pattern") == pattern for entry in _allowlist((await _rules(gw)).file, agent))


async def always_allow(gw: Gateway, agent: str, pattern: str) -> None:
    """Add to the rules that ``exec.approvals.get`` shows and ``exec.approvals.set`` can take back."""
    async with gw.approvals.rules:
        rules = dict((await _rules(gw)).file)
        agents = dict(rules.get("agents") or {})
        entries = [*_allowlist(rules, agent), {"pattern": pattern, "lastUsedAt": now_ms()}]
        own = agents.get(agent)
        agents[agent] = {**(own if isinstance(own, dict) else {}), "allowlist": entries}
        await gw.store.put_record(RULES, RULES, {**rules, "agents": agents}, now=now_ms())


def _allowlist(rules: Mapping[str, Any], agent: str) -> list[Mapping[str, Any]]:
    own = (rules.get("agents") or {}).get(agent)
    entries = own.get("allowlist") if isinstance(own, Mapping) else None
    return [entry for entry in entries if isinstance(entry, Mapping)] if isinstance(entries, list) else []
