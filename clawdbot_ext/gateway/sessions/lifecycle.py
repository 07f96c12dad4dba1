"""New, reset and cleared sessions, for methods and slash commands."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping, Sequence

from ...agent.providers.base import THINKING_LEVELS, thinking_level
from ...protocol.clock import now_ms
from ...protocol.errors import InvalidRequest
from ...protocol.keys import TEMPORARY, is_temporary
from ...store.api import Session
from ..services import Services

UNDO_MS = 10_000
"""The time within which ``sessions.clear`` and ``sessions.delete`` can be undone."""


LEVELS: Mapping[str, tuple[str, ...]] = {
    "thinkingLevel": THINKING_LEVELS,
    "verboseLevel": ("off", "on", "full"),
    "reasoningLevel": ("off", "on", "stream"),
    "responseUsage": ("off", "on", "tokens", "full"),
    "elevatedLevel": ("off", "on", "ask", "full"),
}
"""The values of each level setting; the first is the default."""


def level_of(setting: str, word: str) -> str:
    """The value that ``word`` names. Raises ``InvalidRequest`` for none."""
    level = thinking_level(word) if setting == "thinkingLevel" else word
    if level not in LEVELS[setting]:
        name, choices = "thinking" if setting == "thinkingLevel" else setting, LEVELS[setting]
        raise InvalidRequest(f"{name} must be one of {', '.join(choices)}", reason="BAD_LEVEL", choices=choices)
    return str(level)


def new_key(*, temporary: bool = False) -> str:
    """A new, unused session key."""
    if temporary:
        return f"{TEMPORARY}{uuid.uuid4().hex[:12]}"
    return f"agent:main:webchat:{uuid.uuid4().hex[:12]}"


def _key_of(name: str, *, temporary: bool) -> str:
    """A key like those of ``new_key`` that is always the same for a name."""
    return f"{TEMPORARY if temporary else 'agent:main:webchat:'}{hashlib.sha256(name.encode()).hexdigest()[:12]}"


async def reset(services: Services, key: str) -> Session:
    """Stop what runs, archive the transcript, start an empty one; settings stay."""
    async with services.runs.stopped(key):
        session = await services.store.new_transcript(key, now=now_ms())
    services.sessions.announce(session, "reset")
    return session


async def clear(services: Services, key: str) -> Session:
    """Stop what runs and empty the transcript, for good after ``UNDO_MS``."""
    async with services.runs.stopped(key):
        now = now_ms()
        session = await services.store.clear(key, undo_until=now + UNDO_MS, now=now)
    services.sessions.sweeper.expect(now + UNDO_MS)
    services.sessions.announce(session, "cleared")
    return session


async def delete(services: Services, key: str, *, delete_transcript: bool = True, undo_until: int) -> Sequence[str]:
    """Stop what runs and remove the session, for good after ``undo_until``; returns the transcripts that are kept.

    Raises ``NotFound``, ``InvalidRequest`` (``MAIN_SESSION``).
    """
    if key == services.sessions.main_key():
        raise InvalidRequest(f"Cannot delete the main session ({key}).", reason="MAIN_SESSION")
    async with services.runs.stopped(key):
        archived = await services.store.delete_session(
            key, delete_transcript=delete_transcript, undo_until=undo_until, now=now_ms()
        )
    services.sessions.sweeper.expect(undo_until)
    if is_temporary(key):
        services.media.expect_release(undo_until)
    services.sessions.announce_deleted(key)
    return archived


async def undelete(services: Services, key: str) -> Session:
    """Bring a deleted session back. Raises ``NotFound``."""
    session = await services.store.undelete_session(key, now=now_ms())
    services.sessions.announce(session, "restored")
    return session
