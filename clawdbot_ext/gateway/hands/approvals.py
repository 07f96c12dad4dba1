"""Approvals: questions that a person decides, and the rules by which no question is needed.

Each question and its decision are stored. Our own tools ask by ``ask`` (``gateway.tools``); any client with the scope
may ask over the wire.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from ...protocol.clock import now_ms
from ...protocol.errors import InvalidRequest, RateLimited
from ...protocol.schema import (
    ApprovalRequestedEvent,
    ApprovalResolvedEvent,
    ApprovalResult,
    ApprovalsFileResult,
)
from ...store.api import Store
from ..connections.broadcast import Broadcast
from ..connections.connection import Connection

log = logging.getLogger(__name__)

KIND = "approval"
RULES = "exec-approvals"
TIMEOUT_MS = 120_000
MAX_PENDING = 64
DECIDING_S = 5.0
EMPTY_RULES: dict[str, Any] = {"version": 1, "defaults": {}, "agents": {}}


@dataclass
class Pending:
    """An open question."""

    record: Mapping[str, Any]
    decided: asyncio.Future[str]
    deciding: bool = False
    """A decision has been made and is being stored."""


class Approvals:
    """The open questions of the gateway, and the approval rules."""

    def __init__(self, store: Store, events: Broadcast, rules_path: Callable[[], str]) -> None:
        """``rules_path`` names the file that the rules are in, for people."""
        self._store, self._events, self._rules_path = store, events, rules_path
        self.pending: dict[str, Pending] = {}
        self.changing_rules = asyncio.Lock()
        """Held from reading the rules to writing them, so that no change is lost."""
        self.using = asyncio.Lock()
        """Held from finding a decision to marking it as used."""

    def rows(self) -> list[Mapping[str, Any]]:
        """The open questions, oldest first, as clients are told of them."""
        return [pending.record for pending in self.pending.values() if not pending.deciding]

    async def ask(
        self,
        request: Mapping[str, Any],
        *,
        caller: list[str] | None = None,
        id_: str | None = None,
        timeout_ms: int = TIMEOUT_MS,
    ) -> ApprovalResult:
        """Ask the clients that may decide, and wait; the decision is stored before it is returned; ``None`` is a no.

        Cancelled, it withdraws the question. ``caller`` is the mark of a wire client (``requester``), which alone may
        use the decision.

        Raises:
            InvalidRequest: ``id_`` was used before. RateLimited: too many questions wait.
        """
        pending = self.pending
        id_ = id_ or str(uuid.uuid4())
        if id_ in pending:
            raise _used()
        if len(pending) >= MAX_PENDING:
            raise RateLimited(f"more than {MAX_PENDING} approvals are waiting", retry_after_ms=1000)
        now = now_ms()
        record = {"id": id_, "request": dict(request), "createdAtMs": now, "expiresAtMs": now + timeout_ms}
        stored = record if caller is None else {**record, "requestedBy": caller}
        decided = asyncio.get_running_loop().create_future()
        pending[id_] = Pending(record, decided, deciding=True)  # it cannot be decided before it is shown
        try:
            if await self._store.get_record(KIND, id_) is not None:
                raise _used()
        except BaseException:
            del pending[id_]
            raise
        pending[id_].deciding = False
        reason = "withdrawn"
        try:
            await self._store.put_record(KIND, id_, stored, now=now)
            self._events.emit(
                "exec.approval.requested",
                ApprovalRequestedEvent(id=id_, request=request, created_at_ms=now, expires_at_ms=now + timeout_ms),
            )
            await asyncio.wait({decided}, timeout=timeout_ms / 1000)
            reason = "expired"
            if pending[id_].deciding:  # decided in the last moment: that is being stored
                await asyncio.wait({decided}, timeout=DECIDING_S)
        finally:
            pending.pop(id_, None)
            if not decided.done():
                self._events.emit(
                    "exec.approval.resolved", ApprovalResolvedEvent(id=id_, decision="deny", ts=now_ms(), reason=reason)
                )
                closing = self._store.put_record(
                    KIND, id_, {**stored, "decision": None, "expired": True, "reason": reason}, now=now_ms()
                )
                await asyncio.shield(closing)
        decision = decided.result() if decided.done() else None
        return ApprovalResult(id=id_, decision=decision, created_at_ms=now, expires_at_ms=now + timeout_ms)

    async def rules(self) -> ApprovalsFileResult:
        stored = await self._store.get_record(RULES, RULES)
        rules = dict(EMPTY_RULES if stored is None else stored)
        digest = hashlib.sha256(msgspec.json.encode(rules, order="deterministic")).hexdigest()
        return ApprovalsFileResult(path=self._rules_path(), exists=stored is not None, hash=digest, file=rules)

    async def is_allowed(self, agent: str, pattern: str) -> bool:
        """Whether a person has allowed this for good."""
        return any(entry.get("pattern") == pattern for entry in _allowlist((await self.rules()).file, agent))

    async def always_allow(self, agent: str, pattern: str) -> None:
        """Add to the rules that ``exec.approvals.get`` shows and ``exec.approvals.set`` can take back."""
        async with self.changing_rules:
            rules = dict((await self.rules()).file)
            agents = dict(rules.get("agents") or {})
            entries = [*_allowlist(rules, agent), {"pattern": pattern, "lastUsedAt": now_ms()}]
            own = agents.get(agent)
            agents[agent] = {**(own if isinstance(own, dict) else {}), "allowlist": entries}
            await self._store.put_record(RULES, RULES, {**rules, "agents": agents}, now=now_ms())


def _used() -> InvalidRequest:
    return InvalidRequest("approval id already used", reason="EXISTS")


def _allowlist(rules: Mapping[str, Any], agent: str) -> list[Mapping[str, Any]]:
    own = (rules.get("agents") or {}).get(agent)
    entries = own.get("allowlist") if isinstance(own, Mapping) else None
    return [entry for entry in entries if isinstance(entry, Mapping)] if isinstance(entries, list) else []


def requester(caller: Connection) -> list[str]:
    """The mark of a caller in a stored question: a decision is for no other."""
    return [caller.identity.user if caller.identity is not None else "", caller.device_id or ""]
