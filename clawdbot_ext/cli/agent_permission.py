"""Permission in ``clawdbot agent``: rules of the command line, then the person at the terminal, else a refusal."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, cast

from rich.console import RenderableType

from ..client.approvals import Approval, Decision, Mode, same_session
from ..protocol.clock import now_ms
from .printing import note, texts

if TYPE_CHECKING:
    from ..client.gateway_client import GatewayClient

say = texts("hands")


class Permission:
    """Decides the questions of one run. ``refused`` are those that there was no person for."""

    def __init__(self, client: GatewayClient, rules: Sequence[str], *, wait: bool, before_asking: Any = None):
        """``rules`` are ``TOOL`` or ``TOOL:PATH``, both with ``*`` and ``?``. ``wait`` leaves what no rule allows to
        another window. ``before_asking`` is called before a question is shown."""
        self._client, self._rules, self._wait, self._before = client, rules, wait, before_asking
        self._one_at_a_time = asyncio.Lock()
        self.refused: list[Approval] = []

    async def decide(self, approval: Approval) -> Decision | None:
        """The decision; ``None``: it is another window's, or the run was stopped."""
        from .reading import is_person_there

        if approval.kind == "tool" and self.allows(approval):
            return Decision.allow()
        if self._wait:
            note(say("agent.waits", title=approval.title))
            return None
        if not is_person_there():
            self.refused.append(approval)
            return Decision.deny(say("agent.refusal"))
        async with self._one_at_a_time:
            return await self._ask(approval)

    def allows(self, approval: Approval) -> bool:
        """Report whether a rule of the command line allows the call."""
        for rule in self._rules:
            tool, colon, path = rule.partition(":")
            if approval.tool and fnmatchcase(approval.tool, tool) and (not colon or fnmatchcase(approval.path, path)):
                return True
        return False

    async def _ask(self, approval: Approval) -> Decision | None:
        from .approval_prompt import Terminal, decide
        from .chat.markdown import console
        from .reading import read_line, terminal_on_stderr

        errors = console(sys.stderr)

        def show(lines: Sequence[RenderableType]) -> None:
            for line in lines:
                errors.print(line)

        if self._before is not None:
            self._before()
        with terminal_on_stderr():
            try:
                return await decide(approval, Terminal(show, read_line))
            except EOFError:
                return Decision.deny()
            except KeyboardInterrupt:  # raised in a task it would end the loop before the run is stopped
                params = {"sessionKey": approval.session_key, "runId": approval.run_id}
                await self._client.request("chat.abort", params)
                return None
            except asyncio.CancelledError:
                note(say("approval.elsewhere"))
                raise


@asynccontextmanager
async def mode_of_session(client: GatewayClient, key: str, mode: str | None, notebook: str) -> AsyncIterator[None]:
    """Set the permission mode of a session for a while, and put the one before back, unless another client has changed
    it meanwhile."""
    if mode is None:
        yield
        return
    before = await _hands(client, key)
    await client.approvals.set_mode(cast("Mode", mode), session_key=key, notebook=notebook)
    try:
        yield
    finally:
        if (await _hands(client, key)).get("mode") == mode:
            await _restore(client, key, before)


async def _hands(client: GatewayClient, key: str) -> dict[str, Any]:
    rows = (await client.request("sessions.list", {"search": key}))["sessions"]
    row: dict[str, Any] = next((each for each in rows if same_session(str(each["key"]), key)), {})
    return dict(row.get("hands") or {})


async def _restore(client: GatewayClient, key: str, before: dict[str, Any]) -> None:
    left_ms = int(before.get("untilMs") or 0) - now_ms()
    minutes = max(1, left_ms // 60_000) if before.get("untilMs") else None
    mode = before.get("mode") if before.get("untilMs") is None or left_ms > 0 else None
    await client.approvals.set_mode(
        cast("Mode | None", mode), session_key=key, notebook=str(before.get("notebook") or ""), minutes=minutes
    )
