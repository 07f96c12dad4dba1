"""Lines that contain a text, for a model: found in any case of the letters and any form of Unicode, shown around it."""

from __future__ import annotations

import unicodedata

LEAD = 3
"""The part of the room before the hit, as a divisor: what follows it says more."""


def folded(text: str) -> str:
    """A text in the form in which it is compared. macOS writes Hangul in another form than keyboards do."""
    return text.casefold() if text.isascii() else unicodedata.normalize("NFC", text).casefold()


def around(line: str, wanted: str, width: int) -> str | None:
    """The part of ``line`` with its first hit, about ``width`` characters, its cuts marked; ``None`` without one.

    A longer line says at which character the hit is, and how many more there are. ``wanted`` is folded.
    """
    text = folded(line)
    at = text.find(wanted)
    if at < 0:
        return None
    shown = (line if line.isascii() else unicodedata.normalize("NFC", line)).rstrip()
    if len(shown) <= width:
        return shown
    if len(text) != len(shown):
        at = _unfolded(shown, at)
    start = max(0, min(at - width // LEAD, len(shown) - width))
    end = min(len(shown), max(start + width, at + len(wanted)))
    more = text.count(wanted) - 1
    place = f"character {at + 1} of {len(shown)}" + (f", {more} more in this line" if more else "")
    return f"[{place}] {'…' if start else ''}{shown[start:end]}{'…' if end < len(shown) else ''}"


def _unfolded(text: str, at: int) -> int:
    """The position in ``text`` of one in its folded form, in which a letter may have become two (``ß``)."""
    length = 0
    for index, character in enumerate(text):
        length += len(character.casefold())
        if length > at:
            return index
    return max(0, len(text) - 1)
