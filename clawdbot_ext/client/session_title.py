"""Titles of sessions, as lists, headings, searches and completions show them.

The page has the same rule in ``static/src/elements/sessions/title.ts``; one table of cases tests both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..i18n import catalogue
from ..protocol.keys import canonical, main_session_key

_text = catalogue("sessions")


def main_key(hello: Mapping[str, Any]) -> str:
    """The key of a gateway's main session, by its answer to ``connect``."""
    defaults = hello.get("snapshot", {}).get("sessionDefaults", {})
    return str(defaults.get("mainSessionKey") or canonical("main", str(defaults.get("mainKey") or "main")))


def full_key(key: str, hello: Mapping[str, Any]) -> str:
    """The one spelling of a key that was typed, as that gateway has it. Raises ``InvalidRequest`` as ``canonical``."""
    found = canonical(key)
    return main_key(hello) if found == main_session_key() else found


def title_of(entry: Mapping[str, Any] | None, key: str, main_key: str, locale: str | None) -> str:
    """The name that a session was given; for the main session its own, else a summary of its beginning.

    ``entry`` is a row of ``sessions.list`` or a hit of ``sessions.search``, ``None`` where there is none yet.
    """
    facts = entry or {}
    if given := facts.get("label") or facts.get("displayName"):
        return str(given)
    if key == main_key:
        return _text(locale, "main")
    return str(facts.get("derivedTitle") or _text(locale, "untitled"))
