"""Permission: the one place where it is decided whether a call of a tool is carried out.

The order: the mode of the session (within the administrator's cap), a plan that was allowed, a grant, else a question.
A yes is stored, bound to a digest of exactly what was proposed, used once, and compared again at the moment of doing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, Literal

from ...agent.tools import Tool, ToolCall, ToolContext, ToolFailed, ToolNotAllowed, ToolOutput
from ...config.live import LiveConfig
from ...i18n import catalogue
from ...protocol.clock import now_ms
from ...protocol.errors import NotFound, RateLimited
from ...protocol.keys import AGENT_ID
from ...store.api import Store
from .approvals import AlreadyUsed, Approvals
from .grants import Grants
from .modes import Hands, hands_of
from .plans import Plans
from .proposals import Proposal, ProposingTool, Verdict, approval_id
from .targets import Targets

log = logging.getLogger(__name__)
t = catalogue("agent")

Ruling = Literal["allow", "ask", "refuse", "planned"]


class Permission:
    """Decides about calls, and has the allowed ones carried out."""

    def __init__(
        self,
        config: LiveConfig,
        store: Store,
        approvals: Approvals,
        grants: Grants,
        plans: Plans,
        targets: Targets,
    ) -> None:
        self._config, self._store, self._targets = config, store, targets
        self._approvals, self._grants, self._plans = approvals, grants, plans

    async def hands(self, session_key: str) -> Hands:
        """The mode in force for a session, now."""
        session = await self._store.get_session(session_key)
        return hands_of(self._config(), session.settings if session else {}, now_ms())

    async def carry_out(
        self, tool: Tool, call: ToolCall, context: ToolContext, title: str, keeps: Callable[[], bool]
    ) -> ToolOutput | str:
        """Carry out a call if it is allowed. ``keeps``: see ``Approvals.ask_for_tool``.

        Raises:
            ToolNotAllowed: it was denied, the mode does not have it, or the message is from a guest, who may decide
                nothing. ToolFailed: it could not be done.
        """
        if context.asker.get("guest"):
            raise ToolNotAllowed(t(context.locale, "tool.guest"))
        if tool.kind == "read" and not isinstance(tool, ProposingTool):
            if (await self.hands(context.session_key)).mode == "chat":
                raise ToolNotAllowed(t(context.locale, "tool.mode", mode="chat"))
            return await tool.run(call.arguments, context)
        interrupted = self._approvals.interrupted(context.run_id, context.call_id)
        if interrupted is not None:
            return await self._go_on(tool, call, context, interrupted, keeps)
        proposal = await self._proposal(tool, call, context)
        digest = proposal.digest(call.name, call.arguments, context.session_key)
        id_ = approval_id(context, digest)
        request = self._request(tool, call, context, title, proposal, digest)
        verdict = await self._allowed(tool, call, context, proposal, id_, request)
        if verdict is None:
            verdict = await self._ask(tool, call, context, id_, request, keeps)
            proposal = await self._unchanged(tool, call, context, id_, digest)
        return await self._perform(proposal, verdict, context, digest)

    async def _go_on(
        self, tool: Tool, call: ToolCall, context: ToolContext, record: Mapping[str, Any], keeps: Callable[[], bool]
    ) -> ToolOutput:
        """A call whose question a restart interrupted: the same question, and nothing is looked at before its yes.

        The page comes back by itself after a restart, a little later than the gateway.
        """
        id_, digest = str(record["id"]), str(record["request"]["digest"])
        verdict = await self._ask(tool, call, context, id_, record["request"], keeps)
        await self._targets.wait_for_page(context.asker)
        proposal = await self._unchanged(tool, call, context, id_, digest)
        return await self._perform(proposal, verdict, context, digest)

    async def _perform(self, proposal: Proposal, verdict: Verdict, context: ToolContext, digest: str) -> ToolOutput:
        id_ = verdict.approval_id
        try:
            await self._approvals.use(id_, digest)
        except (AlreadyUsed, NotFound) as exc:
            raise ToolFailed(t(context.locale, "tool.unknown")) from exc
        return await proposal.perform(verdict)

    async def _proposal(self, tool: Tool, call: ToolCall, context: ToolContext) -> Proposal:
        if isinstance(tool, ProposingTool):
            return await tool.prepare(call.arguments, context)

        async def perform(verdict: Verdict) -> ToolOutput:
            output = await tool.run(call.arguments, context)
            return ToolOutput(output) if isinstance(output, str) else output

        return Proposal(path="", preview={}, bound={}, perform=perform, choices=())

    async def _allowed(
        self,
        tool: Tool,
        call: ToolCall,
        context: ToolContext,
        proposal: Proposal,
        id_: str,
        request: Mapping[str, Any],
    ) -> Verdict | None:
        """The yes that needs no question; ``None``: ask. Raises ``ToolNotAllowed``."""
        hands = await self.hands(context.session_key)
        ruling = rule(hands, tool, proposal)
        if ruling == "refuse":
            raise ToolNotAllowed(t(context.locale, "tool.mode", mode=hands.mode))
        by = f"mode:{hands.mode}" if ruling == "allow" else ""
        if ruling == "planned":
            if not await self._plans.take(context.session_key, call.name, call.arguments):
                raise ToolNotAllowed(t(context.locale, "tool.unplanned"))
            by = "plan"
        elif ruling == "ask" and proposal.choices and not proposal.excepted:
            grant = await self._grants.covering(call.name, proposal.path, proposal.cells, context.session_key)
            by = f"grant:{grant.id}" if grant is not None else ""
        elif ruling == "ask" and not isinstance(tool, ProposingTool):
            by = "rule" if await self._approvals.is_allowed(AGENT_ID, f"tool:{call.name}") else ""
        if not by:
            return None
        try:
            await self._approvals.allowed_without_question(id_, request, by)
        except AlreadyUsed as exc:
            raise ToolFailed(t(context.locale, "tool.unknown")) from exc
        return Verdict(id_, by, asked=False)

    async def _ask(
        self,
        tool: Tool,
        call: ToolCall,
        context: ToolContext,
        id_: str,
        request: Mapping[str, Any],
        keeps: Callable[[], bool],
    ) -> Verdict:
        minutes = int(self._config()["hands.questionMinutes"])
        try:
            record = await self._approvals.ask_for_tool(id_, request, timeout_ms=minutes * 60_000, keeps=keeps)
        except RateLimited as exc:
            raise ToolFailed(exc.message) from exc
        except AlreadyUsed as exc:
            raise ToolFailed(t(context.locale, "tool.unknown")) from exc
        if record is None:
            raise ToolNotAllowed(t(context.locale, "tool.expired", seconds=minutes * 60))
        by = str(record.get("resolvedBy", ""))
        if record["decision"] == "deny":
            await self._approvals.drop(id_)
            reason = record.get("reason")
            said = (
                t(context.locale, "tool.denied.reason", reason=reason) if reason else t(context.locale, "tool.denied")
            )
            raise ToolNotAllowed(said)
        await self._keep_scope(tool, call, context, record, by)
        return Verdict(
            id_,
            by,
            accepted=record.get("accepted"),
            edited={int(index): text for index, text in (record.get("edited") or {}).items()},
            answers=record.get("answers") or {},
            reason=record.get("reason") or "",
        )

    async def _keep_scope(
        self,
        tool: Tool,
        call: ToolCall,
        context: ToolContext,
        record: Mapping[str, Any],
        by: str,
    ) -> None:
        """Keep a yes that goes further than this call."""
        if not isinstance(tool, ProposingTool):
            if record["decision"] == "allow-always":
                await self._approvals.always_allow(AGENT_ID, f"tool:{call.name}")
            return
        scope = record.get("scope", "once")
        if scope == "once":
            return
        try:
            await self._grants.add(
                tool=call.name,
                scope=scope,
                by=by,
                path=str(record["pattern"] if scope == "always" else record["request"]["path"]),
                cell=str(record["request"].get("cell", "")),
                session_key=context.session_key,
            )
        except RateLimited as exc:  # the call itself is allowed all the same
            log.warning("a permission was not kept: %s", exc.message)

    async def _unchanged(self, tool: Tool, call: ToolCall, context: ToolContext, id_: str, digest: str) -> Proposal:
        """The proposal made again, at the moment of doing. Raises ``ToolFailed`` if it is not what was allowed."""
        hands = await self.hands(context.session_key)
        try:
            proposal = await self._proposal(tool, call, context)
        except (ToolFailed, asyncio.CancelledError):
            await asyncio.shield(self._approvals.drop(id_))
            raise
        if proposal.digest(call.name, call.arguments, context.session_key) != digest:
            await self._approvals.drop(id_)
            raise ToolFailed(t(context.locale, "tool.changed"))
        if hands.mode in ("chat", "read") and tool.kind != "question":
            await self._approvals.drop(id_)
            raise ToolNotAllowed(t(context.locale, "tool.mode", mode=hands.mode))
        return proposal

    def _request(
        self,
        tool: Tool,
        call: ToolCall,
        context: ToolContext,
        title: str,
        proposal: Proposal,
        digest: str,
    ) -> dict[str, Any]:
        request: dict[str, Any] = {
            "command": tool.command(call.arguments),
            "host": "gateway",
            "agentId": AGENT_ID,
            "kind": "tool",
            "tool": call.name,
            "arguments": call.arguments,
            "title": title,
            "sessionKey": context.session_key,
            "runId": context.run_id,
            "toolCallId": context.call_id,
            "digest": digest,
        }
        if isinstance(tool, ProposingTool):
            request |= {"path": proposal.path, "preview": proposal.preview, "choices": list(_choices(proposal))}
            if len(proposal.cells) == 1:
                request["cell"] = proposal.cells[0]
            if proposal.excepted:
                request["excepted"] = proposal.excepted
        return request | dict(proposal.request)


def _choices(proposal: Proposal) -> tuple[str, ...]:
    if proposal.excepted:
        return ("once",)
    return tuple(scope for scope in proposal.choices if scope != "cell" or len(proposal.cells) == 1)


def rule(hands: Hands, tool: Tool, proposal: Proposal) -> Ruling:
    """The ruling of a mode on a proposal."""
    if hands.mode == "chat":
        return "refuse"
    if proposal.free:
        return "allow"
    if tool.kind == "question":
        return "ask"
    if hands.mode == "read":
        return "refuse"
    if hands.mode == "plan":
        return "planned" if isinstance(tool, ProposingTool) else "ask"
    if hands.mode == "unattended":
        return "allow"
    if hands.mode == "edits":
        return "allow" if tool.kind == "edit" and isinstance(tool, ProposingTool) else "ask"
    if hands.mode == "notebook":
        inside = bool(proposal.path) and proposal.path == hands.notebook and tool.kind in ("edit", "execute")
        return "allow" if inside and not proposal.excepted else "ask"
    return "ask"
