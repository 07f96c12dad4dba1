"""Answers that a person types to a question: one line in, a decision or a wish out. For the terminal and the notebook.

The letters are the first of the English words, or the Korean words; a letter typed with the Korean keyboard still on
(``ㅛ`` for ``y``) is understood. Nothing else is taken for a yes: what is typed may have been meant for another line.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, cast

from .approvals import Approval, AskedQuestion, CodePreview, Decision, EditPreview, FilePreview, Scope

YES = frozenset({"y", "yes", "ㅛ", "네", "예", "응"})
NO = frozenset({"n", "no", "ㅜ", "아니", "아니요", "아니오"})
ALWAYS = frozenset({"a", "always", "ㅁ", "항상"})
EDIT = frozenset({"e", "edit", "ㄷ", "수정", "편집"})
VIEW = frozenset({"v", "view", "ㅍ", "전체"})
SCOPES: dict[str, Scope] = {
    "cell": "cell",
    "notebook": "notebook",
    "always": "always",
    "셀": "cell",
    "노트북": "notebook",
}
"""Words after ``a``: how far the yes goes."""
_NUMBERS = re.compile(r"\d{1,4}(?:-\d{1,4})?(?:[,\s]+\d{1,4}(?:-\d{1,4})?)*")


@dataclass(frozen=True)
class Wish:
    """Something that is no decision yet: ``edit`` a cell of the proposal, ``view`` all of it, or choose a ``scope``."""

    kind: Literal["edit", "view", "scope"]
    index: int = 0
    """Of ``edit``: the index in the preview."""


def editable(approval: Approval) -> list[int]:
    """The indexes of the preview whose text a person may change before the yes."""
    preview = approval.preview
    if isinstance(preview, EditPreview):
        return [number for number, cell in enumerate(preview.cells) if cell.op in ("insert", "replace")]
    return [0] if isinstance(preview, (CodePreview, FilePreview)) else []


def pickable(approval: Approval) -> int:
    """The number of parts that can be accepted apart from each other; 0 where it is all or nothing."""
    count = len(approval.preview.cells) if isinstance(approval.preview, EditPreview) else 0
    return count if count > 1 else 0


def wider(approval: Approval) -> list[Scope]:
    """The scopes of a yes beyond this once."""
    return [scope for scope in approval.choices if scope != "once"]


def answers_hint(approval: Approval, t: Callable[..., str], *, edits: bool = True) -> str:
    """The answers that a question takes, on a line; ``t`` has the texts of ``locale/hands``."""
    parts = [t("approval.key.yes")]
    if scopes := wider(approval):
        one = t(f"approval.scope.{scopes[0]}") if len(scopes) == 1 else t("approval.scope.choose")
        parts.append(t("approval.key.always", scope=one))
    parts.append(t("approval.key.no"))
    if edits and editable(approval):
        parts.append(t("approval.key.edit"))
    if pickable(approval):
        parts.append(t("approval.key.pick"))
    return " · ".join(parts)


def understand(line: str, approval: Approval, edited: dict[int, str] | None = None) -> Decision | Wish | None:
    """The meaning of ``line`` as an answer to a question for permission; ``None`` where it has none.

    ``edited`` is what the person has changed of the proposal so far, and goes with a yes.
    """
    word, _, rest = line.strip().partition(" ")
    word, rest = word.casefold(), rest.strip()
    if word in NO:
        return Decision.deny(rest)
    if word in YES and not rest:
        return Decision.allow(edited=edited)
    if word in ALWAYS:
        return _always(rest, approval, edited)
    if word in VIEW and not rest:
        return Wish("view")
    if word in EDIT:
        return _edit(rest, approval)
    if (count := pickable(approval)) and _NUMBERS.fullmatch(line.strip()):
        picked = _picked(line, count)
        kept = {number: source for number, source in (edited or {}).items() if number in picked}
        return Decision.allow(accepted=picked, edited=kept) if picked else None
    return None


def _always(rest: str, approval: Approval, edited: dict[int, str] | None) -> Decision | Wish | None:
    scopes = wider(approval)
    word, _, pattern = rest.partition(" ")
    if not rest and len(scopes) == 1:
        return Decision.allow(scopes[0], edited=edited)
    if not rest:
        return Wish("scope") if scopes else None
    scope = SCOPES.get(word.casefold()) or cast("Scope", word.casefold())
    if scope not in scopes or (pattern and scope != "always"):
        return None
    return Decision.allow(scope, pattern=pattern.strip(), edited=edited)


def _edit(rest: str, approval: Approval) -> Wish | None:
    known = editable(approval)
    if not rest and len(known) == 1:
        return Wish("edit", known[0])
    return Wish("edit", int(rest) - 1) if rest.isdecimal() and int(rest) - 1 in known else None


def _picked(line: str, count: int) -> list[int]:
    """The indexes that ``1,3-4`` names; none where one of them is not there."""
    picked: set[int] = set()
    for part in re.split(r"[,\s]+", line.strip()):
        first, _, last = part.partition("-")
        picked |= set(range(int(first) - 1, int(last or first)))
    return sorted(picked) if picked and min(picked) >= 0 and max(picked) < count else []


def choice(line: str, question: AskedQuestion) -> str | None:
    """The answer to one of the assistant's questions: the number of a choice, its text, or a text of its own."""
    text = line.strip()
    if text.isdecimal() and 0 < int(text) <= len(question.choices):
        return question.choices[int(text) - 1]
    same = next((each for each in question.choices if each.casefold() == text.casefold()), None)
    return same or (text if text and question.free else None)
