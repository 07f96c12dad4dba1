"""Asking a person in a terminal: shows a question with its preview and reads the answer, until it is a decision.

``decide`` may be cancelled at any moment, because another window can be faster.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple

import click
from rich.console import RenderableType
from rich.text import Text

from ..client.approvals import (
    Approval,
    AskedQuestion,
    CodePreview,
    Decision,
    EditPreview,
    FilePreview,
    Scope,
)
from ..client.typed_answers import answers_hint, choice, understand, wider
from ..escapes import clean, one_line
from .approval_view import question_lines
from .printing import texts

say = texts("hands")

SKIP = "/skip"
"""Declines a question of the assistant, or of a running cell."""
SUFFIXES = {"code": ".py", "markdown": ".md"}


class Terminal(NamedTuple):
    """Ways to a person: ``show`` prints, ``read`` edits a line (a prompt, whether it is secret).

    ``read`` raises ``KeyboardInterrupt`` for Ctrl+C and ``EOFError`` for Ctrl+D.
    """

    show: Callable[[Sequence[RenderableType]], None]
    read: Callable[[str, bool], Awaitable[str]]


async def decide(approval: Approval, terminal: Terminal) -> Decision:
    """Show a question to the person and read the decision. Raises what ``Terminal.read`` raises."""
    if approval.kind == "question":
        return await _questions(approval, terminal)
    if approval.kind == "input":
        terminal.show([Text(f"? {one_line(approval.title or say('approval.input'))}", style="bold yellow")])
        prompt = clean(approval.prompt) or say("approval.inputPrompt")
        return Decision.answer(await terminal.read(f"{prompt.rstrip()} ", approval.password))
    return await _permission(approval, terminal)


def told(decision: Decision) -> str:
    """The decision in a line."""
    if decision.answers:
        return say("approval.answered")
    if decision.decision == "deny":
        return say("approval.denied")
    return say("approval.allowed") if decision.scope in (None, "once") else say(f"approval.allowed.{decision.scope}")


def closed(facts: Mapping[str, Any]) -> str:
    """The end of a question that was settled elsewhere, in a line; ``facts`` are of ``exec.approval.resolved``."""
    reason = facts.get("reason")
    if not facts.get("resolvedBy"):
        return say("approval.expired" if reason == "expired" else "approval.withdrawn")
    key = "approval.elsewhere.no" if facts.get("decision") == "deny" else "approval.elsewhere.yes"
    return say(key, who=one_line(str(facts["resolvedBy"])))


async def _permission(approval: Approval, terminal: Terminal) -> Decision:
    edited: dict[int, str] = {}
    terminal.show(question_lines(approval))
    while True:
        terminal.show([Text(answers_hint(approval, say), style="dim")])
        line = await terminal.read(say("approval.prompt"), False)
        meant = understand(line, approval, edited)
        if isinstance(meant, Decision):
            return meant
        if meant is None:
            if line.strip():
                terminal.show([Text(say("approval.notUnderstood", answer=line.strip()[:40]), style="yellow")])
        elif meant.kind == "view":
            terminal.show(question_lines(approval, edited, whole=True))
        elif meant.kind == "edit":
            await _edit(approval, meant.index, edited, terminal)
        elif (decision := await _scope(approval, edited, terminal)) is not None:
            return decision


async def _edit(approval: Approval, index: int, edited: dict[int, str], terminal: Terminal) -> None:
    """Have the person change a part of the proposal in their editor, and show what it is now."""
    proposed, suffix = _proposal(approval, index)
    try:
        text = await _edited(edited.get(index, proposed), suffix)
    except click.ClickException as exc:
        terminal.show([Text(say("approval.noEditor", problem=exc.format_message()), style="red")])
        return
    if text is not None:
        text = text if proposed.endswith("\n") else text.removesuffix("\n")  # editors end the last line
        edited.pop(index, None)
        if text != proposed:
            edited[index] = text
    terminal.show(question_lines(approval, edited))


async def _edited(text: str, suffix: str) -> str | None:
    """``text`` as the editor left it; ``None`` where nothing was saved. Cancelled, it waits for the editor, which has
    the terminal."""
    from .reading import keys_for_programs

    with keys_for_programs():
        editing = asyncio.ensure_future(asyncio.to_thread(click.edit, text, extension=suffix))
        try:
            return await asyncio.shield(editing)
        except asyncio.CancelledError:
            await asyncio.wait({editing})
            raise


def _proposal(approval: Approval, index: int) -> tuple[str, str]:
    """The text that is proposed, and the suffix of a file for it."""
    preview = approval.preview
    if isinstance(preview, EditPreview):
        cell = preview.cells[index]
        return cell.after or "", SUFFIXES.get(cell.type, ".txt")
    if isinstance(preview, FilePreview):
        stem, dot, suffix = preview.path.rpartition(".")
        return preview.after, f".{suffix}" if stem and dot and suffix.isalnum() else ".txt"
    return (preview.code if isinstance(preview, CodePreview) else ""), ".py"


async def _scope(approval: Approval, edited: dict[int, str], terminal: Terminal) -> Decision | None:
    """The yes with the scope that the person chose; ``None``: back to the question."""
    scopes = wider(approval)
    rows = [f"  {number}  {say(f'approval.scope.{scope}')}" for number, scope in enumerate(scopes, 1)]
    terminal.show([Text("\n".join([say("approval.howFar"), *rows]))])
    line = (await terminal.read(say("approval.prompt"), False)).strip()
    if not line.isdecimal() or not 0 < int(line) <= len(scopes):
        return None
    scope: Scope = scopes[int(line) - 1]
    pattern = ""
    if scope == "always" and approval.path:
        pattern = (await terminal.read(say("approval.pattern", path=one_line(approval.path)), False)).strip()
        pattern = pattern or approval.path
    return Decision.allow(scope, pattern=pattern, edited=edited)


async def _questions(approval: Approval, terminal: Terminal) -> Decision:
    """The answers to the assistant's own questions."""
    answers: dict[str, str] = {}
    for question in approval.questions:
        terminal.show(_question_lines(question))
        while True:
            line = await terminal.read(say("approval.prompt"), False)
            if line.strip() == SKIP:
                return Decision.deny()
            if (answer := choice(line, question)) is not None:
                answers[question.id] = answer
                break
            terminal.show([Text(say("approval.choose", count=len(question.choices)), style="yellow")])
    return Decision.answer(answers)


def _question_lines(question: AskedQuestion) -> list[RenderableType]:
    rows = [f"  {number}  {one_line(text)}" for number, text in enumerate(question.choices, 1)]
    hint = say("approval.hint.choices" if rows else "approval.hint.text", skip=SKIP)
    shown: list[RenderableType] = [Text(f"? {clean(question.text)}", style="bold yellow"), *map(Text, rows)]
    return [*shown, Text(hint, style="dim")]
