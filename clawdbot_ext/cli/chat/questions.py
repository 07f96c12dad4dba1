"""Questions that wait for a person, in ``clawdbot chat``: those of the session on show are asked, others are named.

They are asked one at a time. One goes away when another window is faster; Ctrl+C stops its run, which takes it back;
Ctrl+D sets it aside for ``/answer`` or another window.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal

from rich.console import RenderableType
from rich.text import Text

from ...client.approvals import Approval, Approvals, Decision, same_session, settle
from ...client.interface import ConnectedClient
from ...escapes import one_line
from ...protocol.errors import GatewayError
from ...protocol.keys import short_key
from ..approval_prompt import Terminal, closed, decide, told
from ..printing import texts

say = texts("hands")

Left = Literal["stop", "aside"]


class Questions:
    """The open questions. ``requested`` and ``resolved`` apply the gateway's events, ``ask_all`` asks."""

    def __init__(
        self,
        client: ConnectedClient,
        terminal: Terminal,
        session_key: Callable[[], str],
        abort: Callable[[str], Awaitable[None]],
    ):
        """``abort`` stops a run."""
        self._client, self._terminal, self._key, self._abort = client, terminal, session_key, abort
        self._open: dict[str, Approval] = {}
        self._aside: set[str] = set()
        self._named: set[str] = set()
        """Ids of other sessions' questions that were named."""
        self._asking: tuple[str, asyncio.Task[Decision | Left]] | None = None
        self._news = asyncio.Event()

    @property
    def waiting(self) -> int:
        """The number of open questions of the session on show."""
        return len(self._own())

    @property
    def due(self) -> bool:
        """Report whether one can be asked now: it was not set aside."""
        return any(approval.id not in self._aside for approval in self._own())

    async def wait(self) -> None:
        """Wait until a question is due."""
        while not self.due:
            self._news.clear()
            await self._news.wait()

    # -- hearing ----------------------------------------------------------------------------------------------------
    def requested(self, record: Mapping[str, Any]) -> Approval | None:
        """Add a question; it is returned where it belongs to the session on show and was not known. Raises
        ``NotUnderstood``."""
        approval = Approval.from_wire(record)
        known = approval.id in self._open
        self._open[approval.id] = approval
        if same_session(approval.session_key, self._key()):
            self._news.set()
            return None if known else approval
        if approval.id not in self._named:
            self._named.add(approval.id)
            self._say(_named(approval), "yellow")
        return None

    def resolved(self, facts: Mapping[str, Any]) -> None:
        """Remove a question that was settled or withdrawn."""
        id_ = str(facts.get("id"))
        approval = self._open.pop(id_, None)
        self._aside.discard(id_)
        self._named.discard(id_)
        if approval is None:
            return
        if self._asking is not None and self._asking[0] == id_:
            self._asking[1].cancel()
            self._say(closed(facts))
        elif same_session(approval.session_key, self._key()) and facts.get("resolvedBy"):
            self._say(f"{one_line(approval.title)}: {closed(facts)}")

    async def sync(self) -> None:
        """Read what is open now: at the start, and after a lost connection."""
        try:
            rows = (await self._client.request("exec.approval.list"))["approvals"]
        except GatewayError:  # these credentials may not decide, or the gateway has no questions
            return
        for id_ in set(self._open) - {str(row["id"]) for row in rows}:
            self.resolved({"id": id_})
        for row in rows:
            self.requested(row)

    # -- asking -----------------------------------------------------------------------------------------------------
    def reopen(self) -> None:
        """Ask again what was set aside."""
        self._aside.clear()
        self._news.set()

    async def ask_all(self) -> None:
        """Ask what is due, oldest first, until nothing is. Raises as ``settle``."""
        while approval := next((each for each in self._own() if each.id not in self._aside), None):
            await self._ask(approval)

    async def _ask(self, approval: Approval) -> None:
        task = asyncio.ensure_future(self._read(approval))
        self._asking = (approval.id, task)
        try:
            answer = await task
        except asyncio.CancelledError:
            if approval.id in self._open:  # it is this conversation that ends
                raise
            return
        finally:
            self._asking = None
            task.cancel()
        if answer == "aside":
            self._aside.add(approval.id)
            self._say(say("approval.aside"))
        elif answer == "stop":
            self._open.pop(approval.id, None)
            await self._abort(approval.run_id) if approval.run_id else await self._settle(approval, Decision.deny())
        elif isinstance(answer, Decision):
            await self._settle(approval, answer)

    async def _settle(self, approval: Approval, decision: Decision) -> None:
        self._open.pop(approval.id, None)
        try:
            first = await settle(self._client, approval.id, decision)
        except GatewayError:
            self._open[approval.id] = approval  # refused: it is open still
            self._aside.add(approval.id)
            raise
        self._say(told(decision) if first else say("approval.elsewhere"))

    async def _read(self, approval: Approval) -> Decision | Left:
        """The answer. A task that raises ``KeyboardInterrupt`` would end the loop, so keys are values here."""
        try:
            return await decide(approval, self._terminal)
        except KeyboardInterrupt:
            return "stop"
        except EOFError:
            return "aside"

    def _own(self) -> Sequence[Approval]:
        return [each for each in self._open.values() if same_session(each.session_key, self._key())]

    def _say(self, text: str, style: str = "dim") -> None:
        line: RenderableType = Text(text, style=style)
        self._terminal.show([line])


def other_questions(approvals: Sequence[Approval], session_key: str) -> list[RenderableType]:
    """The open questions of other sessions, a line each."""
    others = [each for each in approvals if not same_session(each.session_key, session_key)]
    return [Text(_named(each), style="yellow") for each in others]


async def show_others(client: ConnectedClient, session_key: str, terminal: Terminal) -> None:
    """Name the open questions of other sessions, or say that there are none. Raises as ``GatewayClient.request``."""
    lines = other_questions(await Approvals(client).list(), session_key)
    terminal.show(lines or [Text(say("approvals.none"), style="dim")])


def _named(approval: Approval) -> str:
    session = one_line(short_key(approval.session_key))
    if not session:
        return say("approval.program", title=one_line(approval.title), id=one_line(approval.id))
    return say("approval.other", session=session, title=one_line(approval.title))
