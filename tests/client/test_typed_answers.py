"""The meaning of what a person types as an answer."""

from __future__ import annotations

from typing import Any

import pytest

from clawdbot_ext.client.approvals import Approval, AskedQuestion, Decision
from clawdbot_ext.client.typed_answers import Wish, choice, understand

CELLS = [
    {"op": "insert", "cell": "a", "index": 0, "type": "code", "before": None, "after": "x = 1"},
    {"op": "delete", "cell": "b", "index": 1, "type": "code", "before": "y", "after": None},
    {"op": "replace", "cell": "c", "index": 2, "type": "code", "before": "z", "after": "z2"},
]


def approval(cells: list[dict[str, Any]] | None = None, choices: list[str] | None = None) -> Approval:
    preview = {"type": "edit", "path": "a.ipynb", "cells": CELLS if cells is None else cells}
    request = {"title": "Edit", "command": "notebook_edit {}", "kind": "tool", "preview": preview}
    return Approval.from_wire({"id": "1", "request": request | ({"choices": choices} if choices else {})})


@pytest.mark.parametrize(
    ("line", "decision"),
    [
        ("y", Decision.allow()),
        (" YES ", Decision.allow()),
        ("ㅛ", Decision.allow()),
        ("네", Decision.allow()),
        ("n", Decision.deny()),
        ("n the column is called price", Decision.deny("the column is called price")),
        ("ㅜ", Decision.deny()),
        ("1,3", Decision.allow(accepted=[0, 2])),
        ("1-2", Decision.allow(accepted=[0, 1])),
        ("a cell", Decision.allow("cell")),
        ("a always data/*.ipynb", Decision.allow("always", pattern="data/*.ipynb")),
    ],
)
def test_an_answer_is_a_decision(line: str, decision: Decision) -> None:
    assert understand(line, approval(choices=["once", "cell", "notebook", "always"])) == decision


@pytest.mark.parametrize(
    "line", ["", "yes please", "y y", "4", "0", "1-9", "1,x", "maybe", "e 2", "e 9", "a cell x", "no\x00"]
)
def test_nothing_else_is_taken_for_a_yes(line: str) -> None:
    assert understand(line, approval(choices=["once", "cell"])) is None


def test_always_without_a_word_is_the_one_scope_or_a_question() -> None:
    assert understand("a", approval(choices=["once", "notebook"])) == Decision.allow("notebook")
    assert understand("a", approval(choices=["once", "cell", "always"])) == Wish("scope")
    assert understand("a", approval(choices=["once"])) is None
    assert understand("a notebook", approval(choices=["once", "cell"])) is None


def test_what_was_edited_goes_with_the_yes_and_with_the_cells_that_were_picked() -> None:
    edited = {0: "x = 2", 2: "z3"}
    assert understand("y", approval(), edited) == Decision.allow(edited=edited)
    assert understand("3", approval(), edited) == Decision.allow(accepted=[2], edited={2: "z3"})
    assert understand("e 3", approval()) == Wish("edit", 2)
    assert understand("e", approval(CELLS[:1])) == Wish("edit", 0)


def test_a_single_cell_is_not_picked() -> None:
    assert understand("1", approval(CELLS[:1])) is None


@pytest.mark.parametrize(
    ("line", "free", "answer"),
    [
        ("2", False, "blue"),
        ("Blue", False, "blue"),
        ("green", False, None),
        ("green", True, "green"),
        ("  ", True, None),
    ],
)
def test_a_question_takes_a_number_a_choice_or_words_of_ones_own(line: str, free: bool, answer: str | None) -> None:
    assert choice(line, AskedQuestion("q", "Which?", ("red", "blue"), free)) == answer
