"""Questions for permission in the run of a cell: shown with their preview, answered at the kernel's ``input()``.

``input()`` is answered in JupyterLab, Notebook, VS Code and a terminal. Where there is no one to answer (papermill,
nbconvert) the question is refused at once, with the reason. Another window that answers first ends the prompt.
"""

from __future__ import annotations

import _thread
import contextlib
import getpass
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..client.approvals import (
    Approval,
    CellEdit,
    CodePreview,
    Decision,
    EditPreview,
    FilePreview,
    PlanPreview,
    Scope,
)
from ..client.events import Event
from ..client.text_diff import unified
from ..client.typed_answers import Wish, answers_hint, choice, understand, wider
from ..escapes import one_line, visible
from ..protocol.errors import NotFound
from .magic_output import display_text
from .markup import bundle

if TYPE_CHECKING:
    from ..client.sync import SyncClient

MOST_CHARS = 20_000
"""Characters of a preview that are shown at once."""
OPERATIONS = ("insert", "replace", "move", "delete", "type", "clear")
Texts = Callable[..., str]


class AnsweredElsewhere(Exception):
    """Another window was first, or the question was taken back; ``facts`` are of ``exec.approval.resolved``."""

    def __init__(self, facts: Mapping[str, Any]):
        super().__init__()
        self.facts = facts


class Prompt:
    """The prompts of one question. ``end``, from another thread, ends the one that waits."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting = False
        self._facts: Mapping[str, Any] | None = None

    def read(self, prompt: str, *, secret: bool = False) -> str:
        """Raises ``AnsweredElsewhere``; ``EOFError`` and ``NotImplementedError`` where there is no input."""
        try:
            with self._lock:
                self._check()
                self._waiting = True
            try:
                return getpass.getpass(prompt) if secret else input(prompt)
            finally:
                with self._lock:
                    self._waiting = False
        except KeyboardInterrupt:
            self._check()
            raise

    def end(self, facts: Mapping[str, Any]) -> None:
        """Have the prompt end with ``AnsweredElsewhere``."""
        with self._lock:  # held by `read` when it stops waiting: an interrupt never comes after it
            self._facts = facts
            if self._waiting:
                _interrupt_main()

    def _check(self) -> None:
        if self._facts is not None:
            raise AnsweredElsewhere(self._facts)


def _interrupt_main() -> None:
    """Wake the main thread, where cells run, out of a read; as an interrupt of the kernel does."""
    main = threading.main_thread().ident
    if sys.platform == "win32" or main is None:
        _thread.interrupt_main()
    else:
        signal.pthread_kill(main, signal.SIGINT)


class CellPermission:
    """Asks the questions of one run. ``refused`` are those that there was no person for."""

    def __init__(self, client: SyncClient, t: Texts):
        """``t`` has the texts of ``locale/hands``."""
        self._client, self._t = client, t
        self.refused: list[Approval] = []

    def ask(self, approval: Approval) -> None:
        """Show a question, read the answer and settle it.

        Raises ``KeyboardInterrupt`` where the cell is interrupted, and as ``SyncClient.request``.
        """
        shown = "" if approval.kind == "question" else markdown(approval, self._t)
        handle = display_text(shown, display_id=True) if shown else None
        with self._heard(approval.id) as prompt:
            try:
                decision = self._decision(approval, prompt)
                told = self._told(decision)
            except AnsweredElsewhere as exc:
                self._result(handle, shown, self._closed(exc.facts))
                return
            except (EOFError, NotImplementedError):
                self.refused.append(approval)
                decision, told = Decision.deny(self._t("agent.refusal")), self._t("approval.denied")
        try:
            self._client.approvals.resolve(approval.id, decision)
        except NotFound:
            told = self._t("approval.elsewhere")
        self._result(handle, shown, told)

    @contextlib.contextmanager
    def _heard(self, approval_id: str) -> Iterator[Prompt]:
        """A prompt that ends when the question is settled elsewhere."""
        prompt = Prompt()

        def hear(event: Event) -> None:
            if event.name == "exec.approval.resolved" and event.payload.get("id") == approval_id:
                prompt.end(event.payload)

        stop = self._client.subscribe(hear)
        try:
            yield prompt
        finally:
            stop()

    def _result(self, handle: Any, shown: str, told: str) -> None:
        if handle is None:
            display_text(f"*{told}*")
        else:
            handle.update(bundle(f"{shown}\n\n*{told}*"), raw=True)

    def _decision(self, approval: Approval, prompt: Prompt) -> Decision:
        if approval.kind == "question":
            return self._answers(approval, prompt)
        if approval.kind == "input":
            asked = one_line(approval.prompt) or self._t("approval.inputPrompt")
            return Decision.answer(prompt.read(f"{asked} ", secret=approval.password))
        hint = answers_hint(approval, self._t, edits=False)
        while True:
            meant = understand(prompt.read(f"{hint} › "), approval)
            if isinstance(meant, Decision):
                return meant
            if isinstance(meant, Wish) and meant.kind == "view":
                display_text(markdown(approval, self._t, most=None))
            elif isinstance(meant, Wish) and meant.kind == "scope" and (chosen := self._scope(approval, prompt)):
                return chosen

    def _scope(self, approval: Approval, prompt: Prompt) -> Decision | None:
        scopes: list[Scope] = wider(approval)
        rows = ", ".join(f"{number} {self._t(f'approval.scope.{scope}')}" for number, scope in enumerate(scopes, 1))
        line = prompt.read(f"{self._t('approval.howFar')} {rows} › ").strip()
        if not line.isdecimal() or not 0 < int(line) <= len(scopes):
            return None
        scope = scopes[int(line) - 1]
        return Decision.allow(scope, pattern=approval.path if scope == "always" else "")

    def _answers(self, approval: Approval, prompt: Prompt) -> Decision:
        answers: dict[str, str] = {}
        for question in approval.questions:
            rows = "".join(f"\n{number}. {one_line(text)}" for number, text in enumerate(question.choices, 1))
            display_text(f"**{question.text}**\n{rows}")
            answer: str | None = None
            while answer is None:
                answer = choice(prompt.read(f"{self._t('approval.prompt')} "), question)
            answers[question.id] = answer
        return Decision.answer(answers)

    def _told(self, decision: Decision) -> str:
        if decision.answers:
            return self._t("approval.answered")
        if decision.decision == "deny":
            return self._t("approval.denied")
        scope = decision.scope
        return self._t("approval.allowed" if scope in (None, "once") else f"approval.allowed.{scope}")

    def _closed(self, facts: Mapping[str, Any]) -> str:
        if not facts.get("resolvedBy"):
            return self._t("approval.expired" if facts.get("reason") == "expired" else "approval.withdrawn")
        key = "approval.elsewhere.no" if facts.get("decision") == "deny" else "approval.elsewhere.yes"
        return self._t(key, who=one_line(str(facts["resolvedBy"])))


def markdown(approval: Approval, t: Texts, most: int | None = MOST_CHARS) -> str:
    """A question with its preview as Markdown; ``most``: characters of the preview, ``None`` for all."""
    preview = approval.preview
    if approval.kind == "input":
        body = ""
    elif isinstance(preview, EditPreview):
        body = "\n\n".join(_cell(cell, number, len(preview.cells), t) for number, cell in enumerate(preview.cells, 1))
        body = f"{_plain(preview.path)}\n\n{body}"
    elif isinstance(preview, CodePreview):
        body = f"{_plain(preview.path)} {_plain(preview.kernel)}\n\n{_fenced(preview.code, 'python')}".strip()
    elif isinstance(preview, FilePreview):
        new = f" ({t('approval.file.new')})" if preview.before is None else ""
        body = f"{_plain(preview.path)}{new}\n\n{_fenced(unified(preview.before, preview.after), 'diff')}"
    elif isinstance(preview, PlanPreview):
        body = "\n\n".join(
            f"**{number}.** {_plain(each.title)} ({_plain(each.tool)})\n\n{_fenced(each.text, 'json')}"
            for number, each in enumerate(preview.operations, 1)
        )
    elif preview is not None:
        cells = "\n\n".join(
            f"{t('approval.cell.run', number=cell.index + 1)}\n\n{_fenced(cell.source, 'python')}"
            for cell in preview.cells
        )
        body = f"{_plain(preview.path)} {_plain(preview.kernel)}\n\n{cells}"
    else:
        body = _fenced(approval.command, "")
    if most is not None and len(body) > most:
        lines = body[most:].count("\n") + 1
        body = f"{body[:most]}\n{_open_fence(body[:most])}\n\n{t('approval.more', count=lines)}"
    title = approval.title or (t("approval.input") if approval.kind == "input" else "")
    return f"**? {_plain(title)}**\n\n{body}".strip()


def _cell(cell: CellEdit, number: int, count: int, t: Texts) -> str:
    known = cell.op if cell.op in OPERATIONS else "replace"
    head = t(f"approval.cell.{known}", number=cell.index + 1, type=_plain(cell.type))
    parts = [f"[{number}] {head}" if count > 1 else head]
    if known in ("insert", "replace", "delete"):
        parts.append(_fenced(unified(cell.before, None if known == "delete" else cell.after), "diff"))
    if cell.stale_after:
        parts.append(f"*{t('approval.stale', count=len(cell.stale_after))}*")
    return "\n\n".join(parts)


def _plain(text: str) -> str:
    """A text from outside on one line, without Markdown in it."""
    return "".join(f"\\{letter}" if letter in "\\`*_[]<>#|!" else letter for letter in one_line(text))


def _fenced(text: str, language: str) -> str:
    """A block of code, whatever stands in it. Hidden characters are written out."""
    shown = visible(text)
    fence = "```"
    while fence in shown:
        fence += "`"
    return f"{fence}{language}\n{shown}\n{fence}"


def _open_fence(text: str) -> str:
    """The fence that is still open at the end of a text that was cut."""
    is_open = ""
    for line in text.splitlines():
        marks = line[: len(line) - len(line.lstrip("`"))]
        if len(marks) >= 3:
            is_open = "" if is_open and marks.startswith(is_open) else is_open or marks
    return is_open
