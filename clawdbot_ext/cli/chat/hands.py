"""Commands of ``clawdbot chat`` about the assistant's hands: its mode, its changes and its questions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.text import Text

from ...client.approvals import MODES, Approvals, same_session
from ...client.changes import Change, Changes
from ...client.interface import ConnectedClient
from ...protocol.clock import now_ms
from ..approval_prompt import Terminal
from ..approval_view import change_lines, change_summary, mode_text, problem_lines
from ..printing import ago, texts
from .questions import Questions, show_others

say = texts("hands")

NAMES = ("mode", "changes", "undo", "keep", "answer")
LISTED = 10
"""Changes that ``/changes`` lists."""
RISKY = ("unattended", "notebook")


def rows() -> list[dict[str, Any]]:
    """The commands, as ``commands.list`` has the gateway's."""
    arguments = {"mode": "[MODE] [NOTEBOOK]", "changes": "[ID]", "undo": "[ID] [force]", "keep": "[ID]"}
    return [
        {
            "name": name,
            "description": say(f"hands.help.{name}"),
            **({"argument": arguments[name]} if name in arguments else {}),
            **({"choices": MODES} if name == "mode" else {}),
        }
        for name in NAMES
    ]


class HandsCommands:
    """The commands of one conversation."""

    def __init__(
        self, client: ConnectedClient, terminal: Terminal, session_key: Callable[[], str], questions: Questions
    ):
        self._client, self._terminal, self._key, self._questions = client, terminal, session_key, questions
        self._changes = Changes(client)
        self.hands: Mapping[str, Any] = {}
        """``hands`` of the session's entry, as it was told last."""

    async def run(self, text: str) -> bool:
        """Do what a line says; ``False`` for a line that is none of these commands. Raises as
        ``GatewayClient.request``."""
        word, *arguments = text.split()
        if not word.startswith("/") or word[1:] not in NAMES:
            return False
        if word == "/mode":
            await self._mode(arguments)
        elif word == "/changes":
            await self._list(arguments)
        elif word == "/undo":
            await self._undo(arguments)
        elif word == "/keep":
            await self._keep(arguments)
        else:
            await self._answer()
        return True

    def heard(self, name: str, payload: Mapping[str, Any]) -> bool:
        """Apply an event; ``False`` for one that is about something else. Raises as reading malformed events does."""
        if name == "exec.approval.resolved":
            self._questions.resolved(payload)
            return True
        if name == "hands.changes.changed":
            change = Change.from_wire(payload["change"])
            if same_session(change.session_key, self._key()):
                self._print_change(change)
            return True
        if name == "session.changed" and payload.get("key") == self._key() and "entry" in payload:
            self.hands = payload["entry"].get("hands") or {}
        return False

    def _print_change(self, change: Change) -> None:
        if change.state == "applied":
            self._say(say("changes.applied", what=change_summary(change)), "green")
        else:
            self._say(say(f"changes.{change.state}", what=change_summary(change)))

    async def _mode(self, arguments: Sequence[str]) -> None:
        if not arguments:
            rows = [f"  {mode:<11} {say(f'mode.{mode}.help')}" for mode in MODES]
            now = mode_text(self.hands) or say("mode.none")
            cap = self.hands.get("cap")
            limit = [say("mode.cap", mode=str(cap))] if cap and cap != MODES[-1] else []
            self._say("\n".join([say("mode.now", mode=now), *rows, *limit]), "")
            return
        mode, *rest = arguments
        if mode not in MODES:
            self._say(say("mode.unknown", mode=mode[:40], known=", ".join(MODES)), "yellow")
            return
        self.hands = await Approvals(self._client).set_mode(
            mode,
            session_key=self._key(),
            notebook=" ".join(rest),
        )
        self._say(say("mode.now", mode=mode_text(self.hands)), "red" if mode in RISKY else "green")

    async def _list(self, arguments: Sequence[str]) -> None:
        found = await self._changes.list(session_key=self._key(), limit=LISTED)
        if arguments:
            change = self._chosen(found, arguments[0])
            self._terminal.show(change_lines(change) if change else [])
        elif not found:
            self._say(say("changes.none"))
        now = now_ms()
        for each in [] if arguments else found:
            state = say(f"changes.state.{each.state}")
            self._say(f"{each.id[:8]}  {change_summary(each)} · {state} · {ago(each.created_at_ms, now)}", "")

    async def _undo(self, arguments: Sequence[str]) -> None:
        force = "force" in arguments
        ids = [word for word in arguments if word != "force"]
        found = [each for each in await self._changes.list(session_key=self._key()) if each.state != "undone"]
        change = self._chosen(found, ids[0] if ids else "")
        if change is not None:
            result = await self._changes.undo(change.id, force=force)
            if result.problems:
                self._terminal.show(problem_lines(result, f"/undo {change.id[:8]} force"))

    async def _keep(self, arguments: Sequence[str]) -> None:
        found = [each for each in await self._changes.list(session_key=self._key()) if each.state == "applied"]
        change = self._chosen(found, arguments[0] if arguments else "")
        if change is not None:
            await self._changes.keep(change.id)

    def _chosen(self, changes: Sequence[Change], begun: str) -> Change | None:
        """The newest change, or the one whose id begins so; says it where there is none."""
        change = next((each for each in changes if each.id.startswith(begun)), None)
        if change is None:
            self._say(say("changes.nosuch", id=begun) if begun else say("changes.none"), "yellow")
        return change

    async def _answer(self) -> None:
        if self._questions.waiting:
            self._questions.reopen()
        else:
            await show_others(self._client, self._key(), self._terminal)

    def _say(self, text: str, style: str = "dim") -> None:
        self._terminal.show([Text(text, style=style)])
