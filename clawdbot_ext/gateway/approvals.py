"""``exec.approval.*``: somebody asks, a person decides. ``exec.approvals.*``: the rules by which nobody need be asked.

Each question and its decision are stored. The tools that ask are not here; any client with the scope may ask.
"""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from typing import TYPE_CHECKING, Any

import msgspec

from ..protocol.clock import now_ms
from ..protocol.errors import InvalidRequest, NotFound, RateLimited, Stale
from ..protocol.schema import (
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
EMPTY_RULES: dict[str, Any] = {"version": 1, "defaults": {}, "agents": {}}


class Approvals:
    """The questions of one gateway that nobody has decided yet."""

    def __init__(self) -> None:
        self.pending: dict[str, asyncio.Future[str]] = {}


@method("exec.approval.request")
async def exec_approval_request(gw: Gateway, client: Client, params: ApprovalRequestParams) -> ApprovalResult:
    """Ask, and wait for the decision; without one in time the answer is ``null``, which is a no."""
    pending = gw.approvals.pending
    id_ = (params.id or "").strip() or str(uuid.uuid4())
    if id_ in pending or await gw.store.get_record(KIND, id_) is not None:
        raise InvalidRequest("approval id already used", reason="EXISTS")
    if len(pending) >= MAX_PENDING:
        raise RateLimited(f"more than {MAX_PENDING} approvals are waiting", retry_after_ms=1000)
    now, timeout_ms = now_ms(), TIMEOUT_MS if params.timeout_ms is None else params.timeout_ms
    request = {name: value for name, value in msgspec.to_builtins(params).items() if name not in ("id", "timeoutMs")}
    record = {"id": id_, "request": request, "createdAtMs": now, "expiresAtMs": now + timeout_ms}
    pending[id_] = decided = asyncio.get_running_loop().create_future()
    try:
        await gw.store.put_record(KIND, id_, record, now=now)
        gw.broadcast.emit("exec.approval.requested", ApprovalRequestedEvent(
            id=id_, request=request, created_at_ms=now, expires_at_ms=now + timeout_ms))
        await asyncio.wait({decided}, timeout=timeout_ms / 1000)
    finally:
        pending.pop(id_, None)
    decision = decided.result() if decided.done() else None
    if decision is None:
        await gw.store.put_record(KIND, id_, {**record, "decision": None, "expired": True}, now=now_ms())
    return ApprovalResult(id=id_, decision=decision, created_at_ms=now, expires_at_ms=now + timeout_ms)


@method("exec.approval.resolve")
async def exec_approval_resolve(gw: Gateway, client: Client, params: ApprovalResolveParams) -> OkResult:
    """Decide once: the first decision stands, and is stored before anybody acts on it."""
    decided = gw.approvals.pending.pop(params.id, None)
    if decided is None or decided.done():
        raise NotFound("unknown approval id")
    now, who = now_ms(), str(client.info["displayName"])
    record = dict(await gw.store.get_record(KIND, params.id) or {})
    record |= {"decision": params.decision, "resolvedBy": who, "resolvedAtMs": now}
    await gw.store.put_record(KIND, params.id, record, now=now)
    if not decided.done():
        decided.set_result(params.decision)
    gw.broadcast.emit("exec.approval.resolved", ApprovalResolvedEvent(
        id=params.id, decision=params.decision, ts=now, resolved_by=who))
    return OkResult(ok=True)


@method("exec.approvals.get")
async def exec_approvals_get(gw: Gateway, client: Client, params: NoParams) -> ApprovalsFileResult:
    return await _rules(gw)


@method("exec.approvals.set")
async def exec_approvals_set(gw: Gateway, client: Client, params: ApprovalsSetParams) -> ApprovalsFileResult:
    """Replace the rules; once there are some, only with the hash of those that the caller has seen."""
    present = await _rules(gw)
    if present.exists and params.base_hash != present.hash:
        raise Stale("exec approvals changed since last load; re-run exec.approvals.get and retry")
    if params.file.get("version", 1) != 1 or not isinstance(params.file.get("agents", {}), dict):
        raise InvalidRequest("exec approvals: version must be 1 and agents an object", reason="INVALID_RULES")
    kept = {name: value for name, value in params.file.items() if name != "socket"}
    await gw.store.put_record(RULES, RULES, {**EMPTY_RULES, **kept}, now=now_ms())
    return await _rules(gw)


async def _rules(gw: Gateway) -> ApprovalsFileResult:
    stored = await gw.store.get_record(RULES, RULES)
    rules = dict(EMPTY_RULES if stored is None else stored)
    digest = hashlib.sha256(msgspec.json.encode(rules, order="deterministic")).hexdigest()
    return ApprovalsFileResult(path=str(gw.live().home / "gateway.sqlite3"), exists=stored is not None, hash=digest,
                               file=rules)
