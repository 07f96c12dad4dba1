"""Asking for permission: what is shown, and what is made of the answers, edits and choices."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Sequence
from typing import Any

import click
import pytest
from rich.console import Console, RenderableType

from clawdbot_ext.cli import approval_prompt
from clawdbot_ext.cli.approval_prompt import Terminal, decide
from clawdbot_ext.client.approvals import Approval, Decision
from tests.support.wire import run

CELLS = [
    {
        "op": "replace",
        "cell": "a",
        "index": 0,
        "type": "code",
        "before": "x = load('a')",
        "after": "x = load('b')",
        "staleAfter": ["c", "d"],
    },
    {"op": "delete", "cell": "b", "index": 1, "type": "markdown", "before": "# Old", "after": None},
]


class Person:
    """Types ``lines``, one after another; what they saw is ``screen``."""

    def __init__(self, *lines: str | BaseException):
        self._lines = list(lines)
        self.prompts: list[tuple[str, bool]] = []
        self._out = io.StringIO()
        self._console = Console(file=self._out, width=100)

    @property
    def screen(self) -> str:
        return self._out.getvalue()

    def show(self, lines: Sequence[RenderableType]) -> None:
        for line in lines:
            self._console.print(line)

    async def read(self, prompt: str, secret: bool) -> str:
        self.prompts.append((prompt, secret))
        line = self._lines.pop(0)
        if isinstance(line, BaseException):
            raise line
        return line

    def decides(self, request: dict[str, Any]) -> Decision:
        approval = Approval.from_wire({"id": "1", "request": request})
        return run(decide(approval, Terminal(self.show, self.read)))


def edit(cells: list[dict[str, Any]] = CELLS, **more: Any) -> dict[str, Any]:
    preview = {"type": "edit", "path": "analysis.ipynb", "cells": cells}
    return {"title": "Edit 2 cells", "kind": "tool", "command": "notebook_edit {…}", "preview": preview, **more}


def test_an_edit_is_shown_cell_by_cell_with_what_it_does_to_outputs() -> None:
    person = Person("y")
    assert person.decides(edit()) == Decision.allow()
    for shown in (
        "? Edit 2 cells",
        "analysis.ipynb",
        "[1] cell 1 (code) changes",
        "- x = load('a')",
        "+ x = load('b')",
        "2 outputs below will no longer fit",
        "[2] cell 2 (markdown) is deleted",
        "- # Old",
        "1,3 only these",
    ):
        assert shown in person.screen


def test_the_proposal_is_edited_before_the_yes(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[str, str]] = []

    def editor(text: str, extension: str) -> str:
        given.append((text, extension))
        return "x = load('c')\n"

    monkeypatch.setattr(click, "edit", editor)
    person = Person("e 1", "y")
    assert person.decides(edit()) == Decision.allow(edited={0: "x = load('c')"})
    assert given == [("x = load('b')", ".py")]
    assert "edited by you" in person.screen and "+ x = load('c')" in person.screen


def test_an_editor_that_saves_nothing_or_fails_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(click, "edit", lambda text, extension: None)
    assert Person("e 1", "y").decides(edit()) == Decision.allow()

    def broken(text: str, extension: str) -> str:
        raise click.ClickException("no such program")

    monkeypatch.setattr(click, "edit", broken)
    person = Person("e 1", "n")
    assert person.decides(edit()) == Decision.deny()
    assert "no such program" in person.screen


def test_cells_are_picked_and_a_no_has_its_reason() -> None:
    assert Person("2").decides(edit()) == Decision.allow(accepted=[1])
    assert Person("n use polars").decides(edit()) == Decision.deny("use polars")


def test_how_far_a_yes_goes_is_asked_where_there_is_a_choice() -> None:
    person = Person("a", "3", "")
    request = edit(choices=["once", "cell", "notebook", "always"], path="analysis.ipynb")
    assert person.decides(request) == Decision.allow("always", pattern="analysis.ipynb")
    assert "this notebook, in this session" in person.screen
    assert Person("a", "nothing of it", "n").decides(request) == Decision.deny()


def test_what_runs_is_shown_and_hidden_characters_are_seen() -> None:
    cells = [{"cell": "a", "index": 4, "source": "print('\u202egnp.exe')\nx = '\x1b[2J'"}]
    person = Person("y")
    person.decides(
        {"title": "Run", "preview": {"type": "run", "path": "a.ipynb", "cells": cells, "kernel": "Python 3"}}
    )
    assert "run cell 5" in person.screen and "a.ipynb · Python 3" in person.screen
    assert "\\u202egnp.exe" in person.screen and "\\x1b[2J" in person.screen
    assert "\u202e" not in person.screen and "\x1b" not in person.screen


def test_a_long_preview_is_cut_and_v_shows_all() -> None:
    person = Person("v", "n")
    person.decides({"title": "Code", "preview": {"type": "code", "code": "\n".join(f"line{n}" for n in range(500))}})
    assert "300 more lines (v shows all)" in person.screen
    assert person.screen.count("line499") == 1


def test_a_question_of_the_assistant_takes_a_choice_and_free_words() -> None:
    questions = [
        {"id": "colour", "text": "Which colour?", "choices": ["red", "blue"], "free": False},
        {"id": "why", "text": "Why?", "choices": [], "free": True},
    ]
    person = Person("green", "2", "because")
    assert person.decides({"kind": "question", "questions": questions}) == Decision.answer(
        {"colour": "blue", "why": "because"}
    )
    assert "Type a number from 1 to 2." in person.screen
    assert Person("/skip").decides({"kind": "question", "questions": questions}).decision == "deny"


def test_input_of_a_running_cell_is_read_and_a_password_unseen() -> None:
    person = Person("hunter2")
    asked = {"kind": "input", "prompt": "Password:", "password": True, "title": "Cell 3"}
    assert person.decides(asked) == Decision.answer("hunter2")
    assert person.prompts == [("Password: ", True)]


def test_cancelled_in_the_editor_it_waits_until_the_editor_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else two programs would read the same keyboard."""
    import threading

    left, entered = threading.Event(), threading.Event()

    def editor(text: str, extension: str) -> str:
        entered.set()
        assert left.wait(5)
        return text

    monkeypatch.setattr(click, "edit", editor)

    async def main() -> None:
        person = Person("e 1")
        approval = Approval.from_wire({"id": "1", "request": edit()})
        task = asyncio.ensure_future(approval_prompt.decide(approval, Terminal(person.show, person.read)))
        await asyncio.to_thread(entered.wait, 5)
        task.cancel()
        done, _ = await asyncio.wait({task}, timeout=0.05)
        assert not done
        left.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main())
