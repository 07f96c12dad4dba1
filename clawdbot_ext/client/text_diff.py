"""Differences between two texts by line, and within a line by word: as data, for a terminal and for a notebook."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

CONTEXT = 3
"""Unchanged lines shown around a change."""
MOST_LINES = 2_000
"""Lines of a changed part that are compared; a longer one is shown as removed and added. Comparing is quadratic."""
MOST_CHARS = 1_000
"""Characters of a line that is compared by word."""
ALIKE = 0.4
"""Similarity of two lines, from 0 to 1, at which words are marked; lines less alike are changed as a whole."""
_WORDS = re.compile(r"\w+|\s+|[^\w\s]")
Sign = Literal[" ", "-", "+", "…"]


@dataclass(frozen=True)
class DiffLine:
    """A line: unchanged, removed, added, or ``…`` for lines left out. ``parts`` are texts and whether they differ."""

    sign: Sign
    parts: tuple[tuple[str, bool], ...]

    @property
    def text(self) -> str:
        return "".join(text for text, _ in self.parts)


def diff(before: str | None, after: str | None, context: int = CONTEXT) -> list[DiffLine]:
    """The lines of both texts around their differences; ``None`` is a text that is not there."""
    old, new = (before or "").splitlines(), (after or "").splitlines()
    if old == new:
        return []
    head = _common(old, new)
    tail = _common(old[head:][::-1], new[head:][::-1])
    middle = _changed(old[head : len(old) - tail], new[head : len(new) - tail])
    lines = [*map(_same, old[:head]), *middle, *map(_same, old[len(old) - tail :])]
    return list(_shortened(lines, context))


def unified(before: str | None, after: str | None, context: int = CONTEXT) -> str:
    """The difference as text, as in a ``diff`` block of Markdown."""
    return "\n".join(f"{line.sign}{line.text}" for line in diff(before, after, context))


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    count = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        count += 1
    return count


def _changed(old: list[str], new: list[str]) -> Iterator[DiffLine]:
    if max(len(old), len(new)) > MOST_LINES:
        yield from (DiffLine("-", ((line, False),)) for line in old)
        yield from (DiffLine("+", ((line, False),)) for line in new)
        return
    for tag, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag == "equal":
            yield from map(_same, old[a:b])
            continue
        removed = [DiffLine("-", ((line, False),)) for line in old[a:b]]
        added = [DiffLine("+", ((line, False),)) for line in new[c:d]]
        if b - a == d - c:  # line by line: what changed in each
            pairs = [_by_word(one, other) for one, other in zip(old[a:b], new[c:d], strict=True)]
            removed, added = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        yield from removed
        yield from added


def _by_word(old: str, new: str) -> tuple[DiffLine, DiffLine]:
    plain = DiffLine("-", ((old, False),)), DiffLine("+", ((new, False),))
    if max(len(old), len(new)) > MOST_CHARS:
        return plain
    ours, theirs = _WORDS.findall(old), _WORDS.findall(new)
    matcher = SequenceMatcher(None, ours, theirs, autojunk=False)
    if matcher.ratio() < ALIKE:
        return plain
    removed: list[tuple[str, bool]] = []
    added: list[tuple[str, bool]] = []
    for tag, a, b, c, d in matcher.get_opcodes():
        if a < b:
            removed.append(("".join(ours[a:b]), tag != "equal"))
        if c < d:
            added.append(("".join(theirs[c:d]), tag != "equal"))
    return DiffLine("-", tuple(removed)), DiffLine("+", tuple(added))


def _same(line: str) -> DiffLine:
    return DiffLine(" ", ((line, False),))


def _shortened(lines: Sequence[DiffLine], context: int) -> Iterator[DiffLine]:
    """``lines`` without those far from a change."""
    near = [False] * len(lines)
    for number, line in enumerate(lines):
        if line.sign != " ":
            near[max(0, number - context) : number + context + 1] = [True] * (
                min(len(lines), number + context + 1) - max(0, number - context)
            )
    left_out = False
    for line, shown in zip(lines, near, strict=True):
        if shown:
            yield line
        elif not left_out:
            yield DiffLine("…", ())
        left_out = not shown
