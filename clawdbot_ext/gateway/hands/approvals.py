"""Approvals: questions that a person decides, and the rules by which no question is needed.

Each question and its decision are stored. Our own tools ask by ``ask_for_tool``: their questions are stored before
they are shown, wait as long as it takes, and are there again after a restart. Any client with the scope may ask over
the wire (``ask``), with a time limit.

A decision is used once (``use``). Two records keep that: the question with its decision and the time of its use (kind
``approval``, for good), and, until it is used or comes to nothing, an entry that finds it at the next start
(``approval-open``).
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import uuid
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from ...protocol.clock import now_ms
from ...protocol.errors import InvalidRequest, NotFound, RateLimited
from ...protocol.keys import is_temporary
from ...protocol.schema import (
    CAP_SESSION_EVENTS,
    ApprovalRequestedEvent,
    ApprovalResolvedEvent,
    ApprovalResolveParams,
    ApprovalResult,
    ApprovalsFileResult,
    RulesChangedEvent,
)
from ...store import failpoints
from ...store.api import Store
from ..connections.broadcast import Broadcast
from ..connections.connection import Connection
from .decisions import check_decision

log = logging.getLogger(__name__)

KIND = "approval"
OPEN = "approval-open"
RULES = "exec-approvals"
TIMEOUT_MS = 120_000
MAX_PENDING = 64
DECIDING_S = 5.0
NO_LIMIT_SHOWN_MS = 10 * 365 * 24 * 3600 * 1000
"""How far ahead the end of a question without a limit is for clients that need one."""
EMPTY_RULES: dict[str, Any] = {"version": 1, "defaults": {}, "agents": {}}


class Tell(Protocol):
    """Tells that a question waits, or does so no more."""

    def __call__(self, record: Mapping[str, Any], *, waits: bool) -> None: ...


def _tell_none(record: Mapping[str, Any], *, waits: bool) -> None:
    """There is no other gateway."""


class AlreadyUsed(Exception):
    """The permission was used before: whatever it was for has begun, and how far it came is not known."""


@dataclass
class Pending:
    """An open question."""

    record: Mapping[str, Any]
    decided: asyncio.Future[Mapping[str, Any]]
    """The stored record, with its decision."""
    deciding: bool = False
    """A decision has been made and is being stored, or the question is not shown yet."""
    shown: bool = True


class Approvals:
    """The open questions of the gateway, and the approval rules."""

    def __init__(self, store: Store, events: Broadcast, rules_path: Callable[[], str]) -> None:
        """``rules_path`` names the file that the rules are in, for people."""
        self._store, self._events, self._rules_path = store, events, rules_path
        self.pending: dict[str, Pending] = {}
        self.elsewhere: dict[str, Mapping[str, Any]] = {}
        """Open questions of other gateways, by id."""
        self.tell: Tell = _tell_none
        """Tells the other gateways that a question waits, or does so no more."""
        self._interrupted: dict[tuple[str, str], Mapping[str, Any]] = {}

    # -- asking -----------------------------------------------------------------------------------------------------
    def rows(self, client: Connection | None = None) -> list[Mapping[str, Any]]:
        """The open questions, oldest first, as a client is told of them."""
        rows = self.own_rows()
        if self.elsewhere:
            rows = sorted([*rows, *self.elsewhere.values()], key=lambda row: int(row["createdAtMs"]))
        return [row if client is None or _knows_no_limit(client) else _with_end(row) for row in rows]

    def own_rows(self) -> list[Mapping[str, Any]]:
        """The open questions of this gateway, as they are stored."""
        return [pending.record for pending in self.pending.values() if not pending.deciding]

    def is_open(self, id_: str) -> bool:
        """Whether a question waits, at any gateway."""
        return id_ in self.pending or id_ in self.elsewhere

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
        id_ = id_ or str(uuid.uuid4())
        now = now_ms()
        record = {"id": id_, "request": dict(request), "createdAtMs": now, "expiresAtMs": now + timeout_ms}
        stored = record if caller is None else {**record, "requestedBy": caller}
        pending = await self._open(record)
        try:
            if await self._store.get_record(KIND, id_) is not None:
                raise _used()
        except BaseException:
            del self.pending[id_]
            raise
        decided = await self._wait(pending, stored, timeout_ms)
        decision = None if decided is None else str(decided["decision"])
        return ApprovalResult(id=id_, decision=decision, created_at_ms=now, expires_at_ms=now + timeout_ms)

    async def ask_for_tool(
        self, id_: str, request: Mapping[str, Any], *, timeout_ms: int = 0, keeps: Callable[[], bool] = lambda: False
    ) -> Mapping[str, Any] | None:
        """Ask on behalf of one of our tools; the stored record with its decision, ``None`` when its time is up.

        The same id again is the same question: it goes on waiting, or its decision is there already.

        Args:
            timeout_ms: 0: as long as it takes.
            keeps: whether the question stays open when the caller is cancelled (the gateway stops, the run goes on
                after the next start).

        Raises:
            RateLimited: too many questions wait. AlreadyUsed: the decision was used.
        """
        pending = self.pending.get(id_)
        if pending is None:
            stored = await self._store.get_record(KIND, id_)
            if stored is not None:
                if stored.get("usedAtMs"):
                    raise AlreadyUsed(id_)
                return stored if stored.get("decision") else None
            now = now_ms()
            record = {
                "id": id_,
                "request": dict(request),
                "createdAtMs": now,
                "expiresAtMs": now + timeout_ms if timeout_ms else 0,
            }
            pending = await self._open(record)
        elif end := int(pending.record["expiresAtMs"]):  # of before a restart: its time goes on
            timeout_ms = max(1, end - now_ms())
        durable = request.get("kind") != "input"  # the cell that asks is not waited for after a restart
        return await self._wait(pending, pending.record, timeout_ms, durable=durable, keeps=keeps)

    async def _open(self, record: Mapping[str, Any]) -> Pending:
        """Take a place for a question that is not shown yet. Raises ``InvalidRequest``, ``RateLimited``."""
        if record["id"] in self.pending:
            raise _used()
        if len(self.pending) >= MAX_PENDING:
            raise RateLimited(f"more than {MAX_PENDING} approvals are waiting", retry_after_ms=1000)
        # It cannot be decided before it is shown.
        pending = Pending(record, asyncio.get_running_loop().create_future(), deciding=True, shown=False)
        self.pending[str(record["id"])] = pending
        return pending

    async def _wait(
        self,
        pending: Pending,
        stored: Mapping[str, Any],
        timeout_ms: int,
        *,
        durable: bool = False,
        keeps: Callable[[], bool] = lambda: False,
    ) -> Mapping[str, Any] | None:
        id_ = str(stored["id"])
        reason, kept = "withdrawn", False
        try:
            if not pending.shown:
                await self._show(pending, stored, durable)
            await asyncio.wait({pending.decided}, timeout=timeout_ms / 1000 if timeout_ms else None)
            reason = "expired"
            if pending.deciding:  # decided in the last moment: that is being stored
                await asyncio.wait({pending.decided}, timeout=DECIDING_S)
        except asyncio.CancelledError:
            kept = durable and keeps()
            raise
        finally:
            if not kept:
                self.pending.pop(id_, None)
                if not pending.decided.done():
                    await asyncio.shield(self._withdraw(stored, reason, durable))
        return pending.decided.result() if pending.decided.done() else None

    async def _show(self, pending: Pending, stored: Mapping[str, Any], durable: bool) -> None:
        """Store a question, then show it."""
        id_, now = str(stored["id"]), now_ms()
        await self._store.put_record(KIND, id_, stored, now=now)
        if durable and not is_temporary(str(stored["request"].get("sessionKey", ""))):
            await self._store.put_record(OPEN, id_, {"id": id_}, now=now)
        pending.deciding, pending.shown = False, True
        self.tell(pending.record, waits=True)
        self._events.emit("exec.approval.requested", _event(pending.record), only=_knows_no_limit)
        self._events.emit("exec.approval.requested", _event(_with_end(pending.record)), only=_needs_end)

    async def _withdraw(self, stored: Mapping[str, Any], reason: str, durable: bool) -> None:
        id_ = str(stored["id"])
        self.tell(stored, waits=False)
        self._events.emit(
            "exec.approval.resolved", ApprovalResolvedEvent(id=id_, decision="deny", ts=now_ms(), reason=reason)
        )
        closed = {**stored, "decision": None, "expired": True, "reason": reason}
        await self._store.put_record(KIND, id_, closed, now=now_ms())
        if durable:
            await self._store.delete_record(OPEN, id_)

    # -- deciding ---------------------------------------------------------------------------------------------------
    async def decide(self, params: ApprovalResolveParams, by: str) -> Mapping[str, Any]:
        """Decide once: the first decision stands, and is stored before it takes effect. The stored record.

        Raises:
            NotFound: there is no such question, or it is decided already. InvalidRequest: no answer to this question.
        """
        pending = self.pending.get(params.id)
        if pending is None or pending.deciding:
            raise NotFound("unknown approval id")
        decision = check_decision(pending.record["request"], params)
        pending.deciding = True
        now = now_ms()
        try:
            record = dict(await self._store.get_record(KIND, params.id) or {})
            record |= {**decision, "resolvedBy": by, "resolvedAtMs": now}
            await self._store.put_record(KIND, params.id, record, now=now)
        except BaseException:
            pending.deciding = False  # not stored: it can be decided still
            raise
        if not pending.decided.done():
            pending.decided.set_result(record)
        self.tell(record, waits=False)
        event = ApprovalResolvedEvent(id=params.id, decision=params.decision, ts=now, resolved_by=by)
        if decision.get("scope", "once") != "once":
            event.scope = decision["scope"]
        if decision.get("reason"):
            event.reason = decision["reason"]
        self._events.emit("exec.approval.resolved", event)
        return record

    async def allowed_without_question(self, id_: str, request: Mapping[str, Any], by: str) -> None:
        """Keep a permission that a mode, a grant or a plan gives, so that it is used and found like any other.

        Raises ``AlreadyUsed``."""
        stored = await self._store.get_record(KIND, id_)
        if stored is not None and stored.get("usedAtMs"):
            raise AlreadyUsed(id_)
        now = now_ms()
        record = {"id": id_, "request": dict(request), "createdAtMs": now, "expiresAtMs": 0}
        record |= {"decision": "allow-once", "scope": "once", "resolvedBy": by, "resolvedAtMs": now}
        await self._store.put_record(KIND, id_, record, now=now)

    async def use(self, id_: str, digest: str) -> None:
        """Use a permission, at the moment of doing what it is for; it is stored as used first.

        Raises ``AlreadyUsed``; ``NotFound`` where no yes with this digest is stored."""
        now = now_ms()

        def used(record: Mapping[str, Any] | None) -> Mapping[str, Any]:
            allowed = record is not None and record.get("decision") in ("allow-once", "allow-always")
            if record is None or not allowed or record["request"].get("digest") != digest:
                raise NotFound("no such permission")
            if record.get("usedAtMs"):
                raise AlreadyUsed(id_)
            return {**record, "usedAtMs": now}

        failpoints.hit("approval.use")
        await self._store.change_record(KIND, id_, used, now=now)
        failpoints.hit("approval.used")
        await self._store.delete_record(OPEN, id_)

    async def drop(self, id_: str) -> None:
        """Note that a decision comes to nothing: it was a no, or what it was for has changed."""
        await self._store.delete_record(OPEN, id_)

    # -- after a start ----------------------------------------------------------------------------------------------
    async def load(self, sessions: Collection[str] | None = None) -> frozenset[str]:
        """Take up the questions that a restart interrupted, and yeses that were not used; with ``sessions`` only
        theirs. The runs that wait for them."""
        runs = set()
        for entry in await self._store.list_records(OPEN):
            id_ = str(entry["id"])
            record = await self._store.get_record(KIND, id_)
            if sessions is not None and record is not None and record["request"].get("sessionKey") not in sessions:
                continue
            if record is None or record.get("usedAtMs") or record.get("expired"):
                await self._store.delete_record(OPEN, id_)
                continue
            run_id, call_id = str(record["request"].get("runId")), str(record["request"].get("toolCallId"))
            runs.add(run_id)
            self._interrupted[run_id, call_id] = record
            if not record.get("decision") and id_ not in self.pending:
                self.pending[id_] = Pending(record, asyncio.get_running_loop().create_future())
                self.tell(record, waits=True)
        return frozenset(runs)

    def abandon(self) -> None:
        """Know of no question any more: another gateway has taken them over."""
        self.pending.clear()
        self._interrupted.clear()

    def interrupted(self, run_id: str, call_id: str) -> Mapping[str, Any] | None:
        """The question of a call that a restart interrupted, as it was stored."""
        return self._interrupted.get((run_id, call_id))

    def waits_for_person(self, run_id: str) -> bool:
        """Whether a run waits for a question that stays open when the gateway stops."""
        requests = [pending.record["request"] for pending in self.pending.values() if not pending.deciding]
        return any(
            request.get("runId") == run_id
            and request.get("kind") in ("tool", "question")
            and not is_temporary(str(request.get("sessionKey", "")))
            for request in requests
        )

    async def withdraw_of(self, run_id: str) -> None:
        """Take back what was loaded for a run that does not go on."""
        for id_, record in [(record["id"], record) for (run, _), record in self._interrupted.items() if run == run_id]:
            if self.pending.pop(id_, None) is not None:
                await self._withdraw(record, "withdrawn", durable=True)
            await self.drop(id_)

    # -- rules ------------------------------------------------------------------------------------------------------
    async def rules(self) -> ApprovalsFileResult:
        stored = await self._store.get_record(RULES, RULES)
        rules = dict(EMPTY_RULES if stored is None else stored)
        return ApprovalsFileResult(
            path=self._rules_path(), exists=stored is not None, hash=hash_of_rules(rules), file=rules
        )

    async def tell_rules(self) -> ApprovalsFileResult:
        """Emit that the rules are others, and return them."""
        rules = await self.rules()
        self._events.emit("exec.approvals.changed", RulesChangedEvent(hash=rules.hash))
        return rules

    async def is_allowed(self, agent: str, pattern: str) -> bool:
        """Whether a person has allowed this for good."""
        return any(entry.get("pattern") == pattern for entry in _allowlist((await self.rules()).file, agent))

    async def always_allow(self, agent: str, pattern: str) -> None:
        """Add to the rules that ``exec.approvals.get`` shows and ``exec.approvals.set`` can take back."""
        now = now_ms()

        def more(stored: Mapping[str, Any] | None) -> Mapping[str, Any]:
            rules = dict(stored or EMPTY_RULES)
            agents = dict(rules.get("agents") or {})
            entries = [*_allowlist(rules, agent), {"pattern": pattern, "lastUsedAt": now}]
            own = agents.get(agent)
            agents[agent] = {**(own if isinstance(own, dict) else {}), "allowlist": entries}
            return {**rules, "agents": agents}

        await self._store.change_record(RULES, RULES, more, now=now)
        await self.tell_rules()


def hash_of_rules(rules: Mapping[str, Any]) -> str:
    """The hash by which a client says which rules it has seen."""
    return hashlib.sha256(msgspec.json.encode(rules, order="deterministic")).hexdigest()


def _used() -> InvalidRequest:
    return InvalidRequest("approval id already used", reason="EXISTS")


def _event(row: Mapping[str, Any]) -> ApprovalRequestedEvent:
    return ApprovalRequestedEvent(
        id=row["id"], request=row["request"], created_at_ms=row["createdAtMs"], expires_at_ms=row["expiresAtMs"]
    )


def _needs_end(client: Connection) -> bool:
    return not _knows_no_limit(client)


def _knows_no_limit(client: Connection) -> bool:
    return CAP_SESSION_EVENTS in client.caps


def _with_end(record: Mapping[str, Any]) -> Mapping[str, Any]:
    if record["expiresAtMs"]:
        return record
    return {**record, "expiresAtMs": record["createdAtMs"] + NO_LIMIT_SHOWN_MS}


def _allowlist(rules: Mapping[str, Any], agent: str) -> list[Mapping[str, Any]]:
    own = (rules.get("agents") or {}).get(agent)
    entries = own.get("allowlist") if isinstance(own, Mapping) else None
    return [entry for entry in entries if isinstance(entry, Mapping)] if isinstance(entries, list) else []


def requester(caller: Connection) -> list[str]:
    """The mark of a caller in a stored question: a decision is for no other."""
    return [caller.identity.user if caller.identity is not None else "", caller.device_id or ""]
