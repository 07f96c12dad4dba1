"""``exec.approval.*`` and ``exec.approvals.*``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ...protocol.clock import now_ms
from ...protocol.errors import InvalidRequest, Stale
from ...protocol.schema import (
    Approval,
    ApprovalHistoryParams,
    ApprovalHistoryResult,
    ApprovalListResult,
    ApprovalRequestParams,
    ApprovalResolveParams,
    ApprovalResult,
    ApprovalsFileResult,
    ApprovalsSetParams,
    DecidedApproval,
    NoParams,
    OkResult,
)
from ..connections.connection import Connection
from ..hands.approvals import EMPTY_RULES, KIND, RULES, TIMEOUT_MS, hash_of_rules, requester
from ..registry import method
from ..services import Services

HISTORY_LIMIT = 50
LONGEST_TITLE = 500
"""Characters: a command may be a whole program."""


@method("exec.approval.request")
async def exec_approval_request(
    services: Services, caller: Connection, params: ApprovalRequestParams
) -> ApprovalResult:
    """Ask, and wait for the decision; without one in time the answer is ``null``, which is a no."""
    request = {name: value for name, value in msgspec.to_builtins(params).items() if name not in ("id", "timeoutMs")}
    return await services.runs.approvals.ask(
        request,
        caller=requester(caller),
        id_=(params.id or "").strip() or None,
        timeout_ms=TIMEOUT_MS if params.timeout_ms is None else params.timeout_ms,
    )


@method("exec.approval.list")
async def exec_approval_list(services: Services, caller: Connection, params: NoParams) -> ApprovalListResult:
    return ApprovalListResult(
        approvals=[msgspec.convert(row, Approval) for row in services.runs.approvals.rows(caller)]
    )


@method("exec.approval.history")
async def exec_approval_history(
    services: Services, caller: Connection, params: ApprovalHistoryParams
) -> ApprovalHistoryResult:
    """A page of what is over, by the time of the last write. Open questions are in ``exec.approval.list``."""
    limit = params.limit or HISTORY_LIMIT
    before = params.before if params.before is not None else now_ms() + 1
    times = [each for each in await services.store.record_times(KIND) if each[1] < before]
    page: list[DecidedApproval] = []
    answer = ApprovalHistoryResult(approvals=page)
    last = 0
    for id_, at in reversed(times):
        if len(page) >= limit and at < last:  # those of one millisecond are on one page
            answer.next = last
            break
        if services.runs.approvals.is_open(id_):
            continue
        if (record := await services.store.get_record(KIND, id_)) is not None:  # removed in between
            page.append(_decided(record, at))
            last = at
    return answer


def _decided(record: Mapping[str, Any], at: int) -> DecidedApproval:
    request = record["request"]
    row = DecidedApproval(
        id=record["id"],
        kind=str(request.get("kind") or "command"),
        title=str(request.get("title") or request.get("command") or "")[:LONGEST_TITLE],
        decision=record.get("decision"),
        created_at_ms=record["createdAtMs"],
        resolved_at_ms=record.get("resolvedAtMs") or at,
        resolved_by=str(record.get("resolvedBy") or ""),
    )
    for field, value in (
        ("tool", request.get("tool")),
        ("path", request.get("path")),
        ("session_key", request.get("sessionKey")),
        ("scope", record.get("scope")),
        ("reason", record.get("reason")),
        ("used_at_ms", record.get("usedAtMs")),
    ):
        if value:
            setattr(row, field, value)
    return row


@method("exec.approval.resolve")
async def exec_approval_resolve(services: Services, caller: Connection, params: ApprovalResolveParams) -> OkResult:
    """Decide once: the first decision stands, and is stored before it takes effect."""
    record = await services.runs.approvals.decide(params, str(caller.info["displayName"]))
    services.access.auth.note(
        "approval",
        {
            **caller.audit_fields(),
            "id": params.id,
            "decision": params.decision,
            "tool": dict(record.get("request") or {}).get("tool"),
        },
    )
    return OkResult(ok=True)


@method("exec.approvals.get")
async def exec_approvals_get(services: Services, caller: Connection, params: NoParams) -> ApprovalsFileResult:
    return await services.runs.approvals.rules()


@method("exec.approvals.set")
async def exec_approvals_set(services: Services, caller: Connection, params: ApprovalsSetParams) -> ApprovalsFileResult:
    """Replace the rules; once there are some, only with the hash of those that the caller has seen."""
    if params.file.get("version", 1) != 1 or not isinstance(params.file.get("agents", {}), dict):
        raise InvalidRequest("exec approvals: version must be 1 and agents an object", reason="INVALID_RULES")
    kept = {name: value for name, value in params.file.items() if name != "socket"}

    def replaced(present: Mapping[str, Any] | None) -> Mapping[str, Any]:
        if present is not None and params.base_hash != hash_of_rules(present):
            raise Stale("exec approvals changed since last load; re-run exec.approvals.get and retry")
        return {**EMPTY_RULES, **kept}

    await services.store.change_record(RULES, RULES, replaced, now=now_ms())
    rules = await services.runs.approvals.tell_rules()
    services.access.auth.note("approval", {**caller.audit_fields(), "id": RULES, "decision": "rules"})
    return rules
