"""Previews of questions and changes in a terminal: a diff per cell, the code that will run, the file that is written.

Control characters and marks that change the reading order are shown as they are written in Python: code that is allowed
by what it looks like must look like what it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from ..client.approvals import (
    MODES,
    Approval,
    CellEdit,
    CodePreview,
    EditPreview,
    FilePreview,
    PlanPreview,
    Preview,
    RunPreview,
)
from ..client.changes import Change, UndoResult
from ..client.text_diff import DiffLine, diff
from ..client.typed_answers import pickable
from ..escapes import one_line, visible
from ..protocol.clock import now_ms
from .printing import texts

say = texts("hands")

MOST_LINES = 200
"""Lines of a preview that are shown at once; ``v`` shows all."""
STYLES = {
    " ": ("dim", "dim"),
    "-": ("red", "bold reverse red"),
    "+": ("green", "bold reverse green"),
    "…": ("dim", "dim"),
}
"""Sign of a line → its style, and that of the words in it that differ."""
INDENT = (0, 0, 0, 2)


def question_lines(
    approval: Approval, edited: Mapping[int, str] | None = None, *, whole: bool = False
) -> list[RenderableType]:
    """Heading and preview of a question for permission; ``edited`` takes the place of what was proposed."""
    shown: list[RenderableType] = [Text(f"? {one_line(approval.title)}", style="bold yellow")]
    if approval.preview is None:
        return [*shown, _indented(Text(visible(approval.command)))]
    lines = list(preview_lines(approval.preview, edited or {}, numbered=pickable(approval) > 0))
    if not whole and len(lines) > MOST_LINES:
        rest = len(lines) - MOST_LINES
        lines = [*lines[:MOST_LINES], Text(say("approval.more", count=rest), style="yellow")]
    return [*shown, *map(_indented, lines)]


def preview_lines(preview: Preview, edited: Mapping[int, str], *, numbered: bool = False) -> Iterator[Text]:
    """A preview, a line each."""
    if isinstance(preview, EditPreview):
        yield _place(preview.path)
        for number, cell in enumerate(preview.cells):
            yield from cell_lines(cell, edited.get(number), number + 1 if numbered else None)
    elif isinstance(preview, RunPreview):
        yield _place(preview.path, preview.kernel)
        for source in preview.cells:
            yield Text(say("approval.cell.run", number=source.index + 1), style="bold")
            yield from _code(source.source)
    elif isinstance(preview, CodePreview):
        if preview.path or preview.kernel:
            yield _place(preview.path, preview.kernel)
        yield from _code(edited.get(0, preview.code))
    elif isinstance(preview, FilePreview):
        yield _place(preview.path)
        if preview.before is None:
            yield Text(say("approval.file.new"), style="bold")
        yield from difference(preview.before, edited.get(0, preview.after))
    elif isinstance(preview, PlanPreview):
        for number, operation in enumerate(preview.operations, 1):
            yield Text(f"{number}. {one_line(operation.title)} ({one_line(operation.tool)})", style="bold")
            yield from _code(operation.text)


def cell_lines(cell: CellEdit, edited: str | None = None, number: int | None = None) -> Iterator[Text]:
    """One operation on a cell: its heading, the difference, and what it does to outputs."""
    known = cell.op if cell.op in ("insert", "replace", "move", "delete", "type", "clear") else "replace"
    head = say(f"approval.cell.{known}", number=cell.index + 1, type=one_line(cell.type))
    mark = f"[{number}] " if number is not None else ""
    changed = f" · {say('approval.cell.edited')}" if edited is not None else ""
    yield Text(f"{mark}{head}{changed}", style="bold")
    if known in ("insert", "replace", "delete"):
        after = None if known == "delete" else cell.after if edited is None else edited
        yield from difference(cell.before, after)
    if cell.stale_after:
        yield Text(say("approval.stale", count=len(cell.stale_after)), style="yellow")


def change_lines(change: Change) -> list[RenderableType]:
    """The differences that a change made, cell by cell."""
    lines: list[RenderableType] = []
    for cell in change.cells:
        lines += cell_lines(cell)
    if change.file is not None:
        lines += difference(change.file.before, change.file.after)
    return lines


def change_summary(change: Change) -> str:
    """``3 cells changed in a.ipynb``."""
    if change.file is not None and not change.cells:
        return say("changes.file", path=one_line(change.path))
    return say("changes.cells", count=len(change.cells), path=one_line(change.path))


def problem_lines(result: UndoResult, how: str) -> list[RenderableType]:
    """The cells that an undo left alone, and what an undo would change in them; ``how`` is the command that does it."""
    lines: list[RenderableType] = []
    for problem in result.problems:
        lines.append(Text(say("changes.problem", cell=one_line(problem.cell)), style="yellow"))
        lines += difference(problem.before, problem.now)
    return [*lines, Text(say("changes.force", command=how), style="yellow")]


def mode_text(hands: Mapping[str, Any]) -> str:
    """The mode of a session as a status line has it; empty where the gateway has none."""
    mode = hands.get("mode")
    if not mode:
        return ""
    text = say(f"mode.{mode}") if mode in MODES else one_line(str(mode))
    if until := hands.get("untilMs"):
        text += f" ({say('mode.left', minutes=max(0, -(-(int(until) - now_ms()) // 60_000)))})"
    return text


def is_alarming(hands: Mapping[str, Any]) -> bool:
    """Report whether the mode of a session is shown in red: nothing is asked."""
    return hands.get("mode") == "unattended"


def plan_lines(steps: Sequence[Mapping[str, object]]) -> list[str]:
    """The assistant's plan, ticked off."""
    marks = {"done": "✓", "doing": "▸", "dropped": "–"}
    return [f"{marks.get(str(step.get('state')), '○')} {one_line(str(step.get('text') or ''))}" for step in steps]


def _place(path: str, kernel: str = "") -> Text:
    parts = [part for part in (one_line(path), one_line(kernel)) if part]
    return Text(" · ".join(parts), style="cyan")


def _code(source: str) -> Iterator[Text]:
    for line in visible(source).splitlines():
        yield Text(line)


def difference(before: str | None, after: str | None) -> Iterator[Text]:
    """The lines that differ, coloured, with the words that differ in them."""
    lines: Sequence[DiffLine] = diff(before, after)
    for line in lines:
        plain, marked = STYLES[line.sign]
        shown = Text(f"{line.sign} ", style=plain)
        for text, differs in line.parts:
            shown.append(visible(text), style=marked if differs else plain)
        yield shown


def _indented(line: RenderableType) -> Padding:
    return Padding(line, INDENT)
