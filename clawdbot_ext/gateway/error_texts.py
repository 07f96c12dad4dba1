"""Translated error messages, in the language of the client: ``details.text`` beside the English ``message``.

``message`` stays as it is on the wire, since Clawdbot's clients look into it. As gettext has it, the English text is
the key of the catalogue ``refusals``; its placeholders take what stands in their places.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from ..i18n import catalogue, language, preload, texts
from ..protocol.errors import GatewayError

AREA = "refusals"
LONGEST = 1_000
"""Characters of a message that is translated; those of ours that quote a client are shorter."""
_t = catalogue(AREA)
_PLACE = re.compile(r"\{(\w+)\}")


def to_wire(error: GatewayError, locale: str | None) -> dict[str, Any]:
    """The ``error`` object for a client of that language; English ones get it as it was raised."""
    wire = error.to_wire()
    if language(locale) != "en" and (text := sentence(error.message, locale)):
        wire["details"] = {**wire.get("details", {}), "text": text}
    return wire


def told(error: Exception, locale: str | None) -> str:
    """Return the text of an error for a person at the gateway's own machine."""
    return sentence(str(error), locale) or str(error)


def prepare() -> None:
    """Read everything that is needed to tell an error, before there is one."""
    preload("gateway", "agent", AREA)
    _patterns()


def sentence(message: str, locale: str | None) -> str | None:
    """The English ``message`` in another language; ``None`` where there is no translation."""
    if len(message) > LONGEST:
        return None
    for pattern, key in _patterns():
        if found := pattern.fullmatch(message):
            return _t(locale, key, **found.groupdict())
    return None


@cache
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    """The texts as patterns, those with most fixed words first."""
    keys = sorted(texts(AREA, "en"), key=lambda key: -len(_PLACE.sub("", key)))
    return [(_pattern(key), key) for key in keys]


def _pattern(key: str) -> re.Pattern[str]:
    words = _PLACE.split(key)  # fixed words and names by turns
    return re.compile("".join(f"(?P<{word}>.*)" if at % 2 else re.escape(word) for at, word in enumerate(words)), re.S)
