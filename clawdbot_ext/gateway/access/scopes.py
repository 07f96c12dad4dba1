"""Roles and scopes: the rights of a connection, computed from its credential."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from ...protocol.errors import InvalidRequest
from ...protocol.schema import OPERATOR_SCOPES, SCOPE_ADMIN, SCOPE_READ, SCOPE_WRITE, ConnectParams, Role


def expand(scopes: Iterable[str]) -> frozenset[str]:
    """Expand ``scopes``: admin includes everything, writing includes reading; unknown names mean nothing."""
    known = frozenset(scopes) & frozenset(OPERATOR_SCOPES)
    if SCOPE_ADMIN in known:
        return frozenset(OPERATOR_SCOPES)
    return known | {SCOPE_READ} if SCOPE_WRITE in known else known


def granted(params: ConnectParams, role: Role, allowed: frozenset[str]) -> frozenset[str]:
    """Requested ∩ allowed; nothing requested means all that is allowed. A node has its role and no scopes."""
    if role == "node":
        return frozenset()
    return expand(allowed) if params.scopes is None else expand(params.scopes) & expand(allowed)


def role_of(params: ConnectParams) -> Role:
    """Raises ``InvalidRequest`` for a role that is none."""
    role = params.role or "operator"
    if role not in ("operator", "node"):
        raise InvalidRequest(f"invalid role: {role}", reason="WRONG_ROLE")
    return cast("Role", role)
