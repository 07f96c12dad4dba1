"""Parser of Markdown from outside, for terminals and notebooks, in the dialect of the page.

Raw HTML is text (``ssh <user>@<host>``), tables and ``~~`` are known, and emphasis ends in front of a Korean particle.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from markdown_it.rules_inline.emphasis import tokenize

_BREAK = re.compile(r"<br\s{0,9}/?>", re.IGNORECASE)
_UNSPACED = re.compile(
    r"[\u1100-\u11ff\u3040-\u30ff\u3130-\u318f\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff]"
)
"""Letters of scripts in which words touch what is emphasised."""


def parser(**more: Any) -> MarkdownIt:
    """A new parser; ``more`` are further arguments of ``MarkdownIt``."""
    made = MarkdownIt("commonmark", {"html": False, "xhtmlOut": False}, **more)
    made.enable(["table", "strikethrough"])
    made.inline.ruler.at("emphasis", _emphasis)
    made.inline.ruler.before("autolink", "line_break", _line_break)
    return made


def _line_break(state: StateInline, silent: bool) -> bool:
    """``<br>``, which models write in the cells of a table: the one tag that is read."""
    found = _BREAK.match(state.src, state.pos)
    if found is None:
        return False
    if not silent:
        state.push("hardbreak", "br", 0)
    state.pos = found.end()
    return True


def _emphasis(state: StateInline, silent: bool) -> bool:
    """CommonMark's rule, but for ``**중요(필수)**입니다``: between punctuation and such a letter a run of ``*`` may end
    emphasis, and between such a letter and punctuation begin it."""
    start, known = state.pos, len(state.delimiters)
    found = tokenize(state, silent)
    if found and not silent and state.src[start] == "*":
        before, after = state.src[start - 1 : start], state.src[state.pos : state.pos + 1]
        closes = _is_punctuation(before) and _UNSPACED.match(after) is not None
        opens = _is_punctuation(after) and _UNSPACED.match(before) is not None
        for delimiter in state.delimiters[known:]:
            delimiter.close = delimiter.close or closes
            delimiter.open = delimiter.open or opens
    return found


def _is_punctuation(character: str) -> bool:
    return bool(character) and unicodedata.category(character)[0] in "PS"
