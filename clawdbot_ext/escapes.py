"""Escape sequences and control characters of texts from outside: taken out for a terminal, made visible for a log.

A text from elsewhere must not be able to clear the screen, set the title, write a line that looks
like ours, or have a line read in another order than it is stored in. Everything here takes linear time.
"""

from __future__ import annotations

import re

_STRING = "(?:\x1b[\\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x80-\x9f]{0,4096}"
"""The beginning of OSC, DCS and their like: window titles, links, pasting into the clipboard."""
_CSI = "(?:\x1b\\[|\x9b)[0-?]{0,64}[ -/]{0,8}"
"""The beginning of colours, cursor movements and modes."""
_SEQUENCES = re.compile(f"{_CSI}[@-~]|{_STRING}(?:\x07|\x1b\\\\|\x9c)|\x1b[ -/]{{0,8}}[0-~]")
_UNFINISHED = re.compile(f"(?:{_CSI}|{_STRING}\x1b?|\x1b[ -/]{{0,8}}|\r)\\Z")
LONGEST_UNFINISHED = 4200
"""Characters at the end of a text that may be the beginning of a sequence."""
_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""C0 but tab and newline, DEL, C1, other ends of lines, the marks that change the order in which a line is read, and
halves of characters, which no terminal can be sent."""


def clean(text: str) -> str:
    """``text`` without ANSI sequences and control characters (tab and newline stay)."""
    if text.isascii() and text.isprintable():
        return text
    return _CONTROLS.sub("", _SEQUENCES.sub("", text.replace("\r\n", "\n")))


def visible(text: str) -> str:
    """``text`` with its control characters as they are written in Python (``\\x1b``); tab and newline stay."""
    if text.isascii() and text.isprintable():
        return text
    return _CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def one_line(text: str, longest: int = 1000) -> str:
    """``text`` cleaned, on one line of at most ``longest`` characters."""
    text = " ".join(clean(text).split())
    return text if len(text) <= longest else text[: longest - 1] + "…"


class Cleaner:
    """``clean`` for text that comes in pieces: a sequence that is cut in two is still one."""

    def __init__(self) -> None:
        self._pending = ""

    def feed(self, text: str) -> str:
        """The text that can be printed now."""
        text = self._pending + text
        self._pending = ""
        if unfinished := _UNFINISHED.search(text, max(0, len(text) - LONGEST_UNFINISHED)):
            self._pending, text = unfinished[0], text[: unfinished.start()]
        return clean(text)

    def finish(self) -> str:
        """The rest, at the end of the text."""
        rest, self._pending = self._pending, ""
        return clean(rest)
