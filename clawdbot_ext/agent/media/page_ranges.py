"""The pages of a long document that a question asks for, in English and Korean."""

from __future__ import annotations

import re

_RANGES = (
    re.compile(
        r"\b(?:pages?|pp?\.)\s{0,4}(\d{1,5})"
        r"(?:\s{0,4}(?:-|–|—|~|to|through|until|and)\s{0,4}(\d{1,5}))?",
        re.IGNORECASE,
    ),
    re.compile(r"(\d{1,5})\s{0,4}(?:쪽|페이지)?\s{0,4}(?:-|–|—|~|부터|에서)\s{0,4}(\d{1,5})\s{0,4}(?:쪽|페이지)"),
    re.compile(r"(\d{1,5})\s{0,4}(?:쪽|페이지)()"),
)


def pages_asked(question: str) -> tuple[int, int] | None:
    """The first page and the last that a text names (``pages 120 to 140``, ``120~140쪽``), from 1; ``None`` if none.

    Numbers far apart are read as they stand: the reader cuts what is too much.
    """
    for pattern in _RANGES:
        if match := pattern.search(question):
            first = int(match.group(1))
            last = int(match.group(2) or first)
            return (first, last) if 1 <= first <= last else None
    return None
