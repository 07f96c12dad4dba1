"""``hands.*``: permissions given for good, and what the assistant changed."""

from __future__ import annotations

from ...protocol.schema import (
    ChangeIdParams,
    ChangesListParams,
    ChangesListResult,
    ChangesUndoParams,
    ChangesUndoResult,
    GrantIdParams,
    GrantsListResult,
    NoParams,
    OkResult,
)
from ..connections.connection import Connection
from ..hands.undo import undo
from ..registry import method
from ..services import Services

LIMIT = 50
"""Changes of an answer when the caller names no limit."""


@method("hands.grants.list")
async def hands_grants_list(services: Services, caller: Connection, params: NoParams) -> GrantsListResult:
    return GrantsListResult(grants=await services.runs.hands.grants.list())


@method("hands.grants.revoke")
async def hands_grants_revoke(services: Services, caller: Connection, params: GrantIdParams) -> OkResult:
    await services.runs.hands.grants.revoke(params.id)
    services.access.auth.note("approval", {**caller.audit_fields(), "id": params.id, "decision": "revoked"})
    return OkResult(ok=True)


@method("hands.changes.list")
async def hands_changes_list(services: Services, caller: Connection, params: ChangesListParams) -> ChangesListResult:
    key = None if params.session_key is None else services.sessions.canonical(params.session_key)
    return ChangesListResult(
        changes=await services.runs.hands.changes.list(session_key=key, path=params.path, limit=params.limit or LIMIT)
    )


@method("hands.changes.undo")
async def hands_changes_undo(services: Services, caller: Connection, params: ChangesUndoParams) -> ChangesUndoResult:
    hands = services.runs.hands
    result = await undo(
        hands.changes,
        hands.targets,
        await hands.changes.get(params.id),
        by=str(caller.info["displayName"]),
        asker={"instanceId": caller.info["instanceId"]},
        force=bool(params.force),
        cells=params.cells,
    )
    services.access.auth.note("change", {**caller.audit_fields(), "id": params.id, "action": "undo"})
    return result


@method("hands.changes.keep")
async def hands_changes_keep(services: Services, caller: Connection, params: ChangeIdParams) -> OkResult:
    await services.runs.hands.changes.keep(params.id)
    return OkResult(ok=True)
