"""Directives in a message, ``[[name=value]]``: how a test or a demonstration asks a scripted provider to behave.

Understood by ``demo.DemoProvider`` and by the scripted Messages API of the test suite; no other provider looks at them.
The last user text of a request counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_BEGINNING = re.compile(r"\[\[\s{0,9}([a-z_]{1,40})\s{0,9}(=|\]\])")


def last_user_text(messages: Sequence[Mapping[str, Any]]) -> str:
    """The text of the newest user message of a Messages API request (its last text block), or ``""``."""
    for message in reversed(messages):
        if message.get("role") != "user":
            continue
        content = message.get("content")
        if isinstance(content, str):
            return content
        texts = [b.get("text", "") for b in content or () if isinstance(b, Mapping) and b.get("type") == "text"]
        return str(texts[-1]) if texts else ""
    return ""


def parse(text: str) -> dict[str, str]:
    """``{"tokens": "3"}`` for ``"[[tokens=3]] hello"``; a directive without a value has the value ``"1"``."""
    return {name: value for _, _, name, value in _found(text)}


def strip(text: str) -> str:
    """The text without its directives."""
    kept, at = [], 0
    for start, end, _, _ in _found(text):
        kept.append(text[at:start])
        at = end
    return "".join([*kept, text[at:]]).strip()


LONGEST_WISH = 300
"""Characters; a longer paragraph is a text to read, in which a word is no wish."""


def wish(text: str) -> str:
    """The person's own words, in which a key word counts: the first paragraph, and none of a long one. What is piped in
    or quoted below it wishes for nothing."""
    first = re.split(r"\n\s*\n|\n(?=```)", strip(text), maxsplit=1)[0]
    return first if len(first) <= LONGEST_WISH else ""


def _found(text: str) -> Iterator[tuple[int, int, str, str]]:
    """Start, end, name and value of each directive."""
    at = 0
    while begun := _BEGINNING.search(text, at):
        at, value = begun.end(), "1"
        if begun[2] == "=":
            closed = text.find("]]", at)
            if closed < 0:
                return
            value, at = text[at:closed], closed + 2
        yield begun.start(), at, begun[1], value


def number(directives: Mapping[str, str], name: str, default: float) -> float:
    """The value of a numeric directive; ``default`` when it is absent or no number."""
    try:
        return float(directives[name])
    except (KeyError, ValueError):
        return default
