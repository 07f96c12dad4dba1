"""Session keys as Clawdbot writes them: ``agent:<agent>:<rest>``, with ``main`` as an alias."""

from __future__ import annotations

import unicodedata

from .errors import InvalidRequest

AGENT_ID = "main"
"""The one agent of this gateway, as ``agents.list`` names it."""

MAX_KEY_CHARS = 256
TEMPORARY = f"agent:{AGENT_ID}:temporary:"
"""The prefix of keys of temporary sessions, which are never on disk."""


def canonical(key: str, main_key: str = "main") -> str:
    """The one spelling of a session key: ``main`` → ``agent:main:main``, ``notes`` → ``agent:main:notes``.

    Raises:
        InvalidRequest: empty, longer than ``MAX_KEY_CHARS``, or with control characters.
    """
    key = unicodedata.normalize("NFC", key.strip())
    if not key:
        raise InvalidRequest("session key is empty")
    if len(key) > MAX_KEY_CHARS:
        raise InvalidRequest(f"session key is longer than {MAX_KEY_CHARS} characters")
    if any(unicodedata.category(c) in ("Cc", "Cs") for c in key):
        raise InvalidRequest("session key has control characters")
    if key in ("main", f"agent:{AGENT_ID}:main"):
        return main_session_key(main_key)
    if key.startswith("agent:"):
        return key
    return f"agent:{AGENT_ID}:{key}"


def main_session_key(main_key: str = "main") -> str:
    """The key of the session that every home opens with (``session.mainKey``)."""
    return f"agent:{AGENT_ID}:{main_key}"


def short_key(key: str) -> str:
    """A key as people type it: without the agent, of which there is one."""
    return key.removeprefix(f"agent:{AGENT_ID}:")


def is_temporary(key: str) -> bool:
    """Whether a (canonical) key is that of a temporary session, in memory only."""
    return key.startswith(TEMPORARY)
