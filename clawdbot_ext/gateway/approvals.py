"""``exec.approval.*``: somebody asks, a person decides. ``exec.approvals.*``: the rules by which nobody need be asked.

Each question and its decision are stored. Our own tools ask by ``ask`` (``gateway.tools``); any client with the scope
may ask over the wire.
"""

from __future__ import annotations

import asyncio
import hashlib
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
    NoParams,
    OkResult,
)
from .methods import method

if TYPE_CHECKING:
    from .client import Client
    from .core import Gateway

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

    def rows(self) -> list[Mapping[str, Any]]:
        """The open questions, oldest first, as clients are told of them."""
        return [pending.record for pending in self.pending.values() if not pending.taken]


async def ask(
    gw: Gateway, request: Mapping[str, Any], *, id_: str | None = None, timeout_ms: int = TIMEOUT_MS
) -> ApprovalResult:
    """Ask whoever may decide, and wait; the decision is stored before this returns it, and ``None`` is a no.

    Cancelled, it takes the question back.

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
        await gw.store.put_record(KIND, id_, record, now=now)
        gw.broadcast.emit("exec.approval.requested", ApprovalRequestedEvent(
            id=id_, request=request, created_at_ms=now, expires_at_ms=now + timeout_ms))
        await asyncio.wait({decided}, timeout=timeout_ms / 1000)
        reason = "expired"
        if pending[id_].taken:  # decided in the last moment: that is being stored
            await asyncio.wait({decided}, timeout=TAKEN_S)
    finally:
        pending.pop(id_, None)
        if not decided.done():
            gw.broadcast.emit("exec.approval.resolved", ApprovalResolvedEvent(
                id=id_, decision="deny", ts=now_ms(), reason=reason))
            closing = gw.store.put_record(KIND, id_, {**record, "decision": None, "expired": True, "reason": reason},
                                          now=now_ms())
            await asyncio.shield(closing)
    decision = decided.result() if decided.done() else None
    return ApprovalResult(id=id_, decision=decision, created_at_ms=now, expires_at_ms=now + timeout_ms)


def _used() -> InvalidRequest:
    return InvalidRequest("approval id already used", reason="EXISTS")


@method("exec.approval.request")
async def exec_approval_request(gw: Gateway, client: Client, params: ApprovalRequestParams) -> ApprovalResult:
    """Ask, and wait for the decision; without one in time the answer is ``null``, which is a no."""
    request = {name: value for name, value in msgspec.to_builtins(params).items() if name not in ("id", "timeoutMs")}
    return await ask(gw, request, id_=(params.id or "").strip() or None,
                     timeout_ms=TIMEOUT_MS if params.timeout_ms is None else params.timeout_ms)


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
    gw.auth.note("approval", {**client.who(), "id": params.id, "decision": params.decision,
                              "tool": dict(record.get("request") or {}).get("tool")})
    gw.broadcast.emit("exec.approval.resolved", ApprovalResolvedEvent(
        id=params.id, decision=params.decision, ts=now, resolved_by=who))
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
    return ApprovalsFileResult(path=str(gw.live().home / "gateway.sqlite3"), exists=stored is not None, hash=digest,
                               file=rules)


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
