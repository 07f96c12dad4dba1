"""Titles of sessions, as lists, searches and completions show them; the page has the same rule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..config import load
from ..protocol.keys import canonical
from .printing import say

PREFIX = "agent:main:"


def main_key() -> str:
    """The key of the main session, as this machine is configured."""
    return canonical("main", load()["session.mainKey"])


def title_of(entry: Mapping[str, Any], main_key: str = f"{PREFIX}main") -> str:
    """The name that a session was given; for the main session its own, else a summary of its beginning."""
    key = str(entry.get("key") or entry.get("sessionKey") or "")
    if label := entry.get("label") or entry.get("displayName"):
        return str(label)
    if key == main_key:
        return say("sessions.main")
    return str(entry.get("derivedTitle") or say("sessions.untitled"))


def short_key(key: str) -> str:
    """A key as people type it: without the agent, of which there is one."""
    return key.removeprefix(PREFIX)
