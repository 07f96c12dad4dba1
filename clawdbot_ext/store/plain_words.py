"""Markdown without its marks, for one line of it: titles, previews and snippets of what was found.

Not a renderer: what looks like a mark and may be none (``2 * 3``, ``__init__``, ``$5 and $10``) stays.
"""

from __future__ import annotations

import re

MOST_CHARS = 100_000
"""Longer texts keep their marks: nothing that is written on one line needs so much."""

_FENCE = re.compile(r"[ \t]{0,9}(`{3,20}|~{3,20})([^`\n]*)")
_LINE_MARKS = re.compile(r"[ \t]{0,20}(?:#{1,6}[ \t]+|>[ \t]?|(?:[-*+]|\d{1,9}[.)])[ \t]+(?:\[[ xX]\][ \t]+)?)")
_RULE = re.compile(
    r"[ \t]{0,9}(?:[-*_=][ \t]?){3,200}|[ \t]{0,9}\|?(?:[ \t]?:?-{1,200}:?[ \t]?\|){1,100}[ \t:|-]{0,200}"
)
_ANY_MARK = re.compile(r"[\[*~_$\\`]")
"""One of these is in whatever ``_CODE`` or ``_INLINE`` finds; most lines have none."""
_CODE = re.compile(r"(`{1,4})([^`\n]{1,400})\1")
_INLINE = (
    (re.compile(r"!?\[([^\[\]\n]{0,300})\]\([^()\s]{0,1000}(?:[ \t]\"[^\"\n]{0,200}\")?\)"), r"\1"),
    (re.compile(r"\*\*(?=[^\s*])([^*\n]{1,400})(?<!\s)\*\*"), r"\1"),
    (re.compile(r"~~(?=[^\s~])([^~\n]{1,400})(?<!\s)~~"), r"\1"),
    (re.compile(r"(?<![\w*\\])\*(?=[^\s*])([^*\n]{1,400})(?<!\s)\*(?!\w)"), r"\1"),
    (re.compile(r"(?<![\w\\])_(?=[^\s_])([^_\n]{1,400})(?<!\s)_(?!\w)"), r"\1"),
    (re.compile(r"\$\$([^$\n]{1,400})\$\$|\\[(\[]([^\n]{1,200}?)\\[)\]]"), r"\1\2"),
    (re.compile(r"(?<![\w$\\])\$(?=[^\s\d$])([^$\n]{0,200}[^\s$])\$(?!\w)"), r"\1"),
    (re.compile(r"\\([!-/:-@\[-`{-~])"), r"\1"),
)


def without_marks(text: str) -> str:
    """``text`` as a reader would say it: the words of links, emphasis and code, each line without what begins it."""
    if len(text) > MOST_CHARS:
        return text
    lines: list[str] = []
    fence = ""
    for line in text.split("\n"):
        opened = _FENCE.fullmatch(line)
        if opened and not fence:
            fence = opened[1]
        elif opened and opened[1].startswith(fence) and not opened[2].strip():
            fence = ""
        elif fence:
            lines.append(line)
        elif not _RULE.fullmatch(line):
            lines.append(_without_inline(line))
    return "\n".join(lines)


def _without_inline(line: str) -> str:
    begun = _LINE_MARKS.match(line)
    if begun:
        line = line[begun.end() :]
    elif line.lstrip().startswith("|"):
        line = line.replace("|", " ")
    if _ANY_MARK.search(line) is None:
        return line
    pieces = _CODE.split(line)  # text, the run of backticks, code, text, …
    for at in range(0, len(pieces), 3):
        for pattern, words in _INLINE:
            pieces[at] = pattern.sub(words, pieces[at])
    return "".join(piece for at, piece in enumerate(pieces) if at % 3 != 1)
