"""Rows of the store beside the conversations: usage, search hits and files. Part of the interface in ``api``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import msgspec


class UsageRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Usage of one reply: tokens, and US dollars (``None`` where the model's price was not known)."""

    at: int
    session_key: str | None
    provider: str
    model: str
    input: int
    output: int
    cache_read: int
    cache_write: int
    cost: float | None


class StoredHit(msgspec.Struct, frozen=True, kw_only=True):
    """One message that a search found."""

    position: int
    """Rises with every message stored: the search goes on before the last one given."""
    session_key: str
    session_id: str
    seq: int
    message_id: str
    role: str
    created_at: int
    snippet: str
    highlights: Sequence[tuple[int, int]]
    """Positions of the words in ``snippet``, in UTF-16 code units."""
    title: str
    """Of the transcript it is in."""
    label: str | None
    archived: bool
    shown: bool
    """It is on the path that its transcript shows, not on another branch."""


class Media(msgspec.Struct, frozen=True, kw_only=True):
    """One file that a user gave, under one name. Its bytes are in ``files``, by ``sha256``."""

    id: str
    """Random, URL-safe: not to be guessed, though knowing it is not enough to read the file."""
    sha256: str
    owner: str
    """The user who gave it."""
    name: str
    mime_type: str
    kind: str
    """``image``, ``audio``, ``video``, ``document``, ``text`` or ``notebook``."""
    size: int
    """In bytes."""
    facts: Mapping[str, Any]
    """``width``, ``height``, ``durationMs``, ``pages``, ``notes``: as the wire has them, what applies."""
    created_at: int
    seen: str | None = None
    """The cache key of what the model was last given of it."""
    removed_at: int | None = None
    """When the age policy took the file away; ``None`` while it is here."""


MakeRecord: TypeAlias = Callable[[Mapping[str, Any] | None], Mapping[str, Any] | None]
"""Makes another of a record; ``None`` stands for no record."""


class RecordChange(NamedTuple):
    """A record before and after a change."""

    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
