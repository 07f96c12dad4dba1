"""Sessions, and tables of many: part of the interface in ``api``, whose answers are made in ``overviews``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from ..protocol.schema import SessionKind, SessionSort


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """One session with the counters of its current transcript (kept in the row, never computed by scanning)."""

    key: str
    session_id: str
    epoch: int
    """Rises whenever what is shown changes otherwise than by a message at its end: new, reset, clear, undo, restore,
    another branch, a message deleted or brought back. Never used twice for a key."""
    created_at: int
    updated_at: int
    settings: Mapping[str, Any]
    """Settings made by ``sessions.patch``: label, model, thinkingLevel, verboseLevel, sendPolicy, systemPrompt …"""
    message_count: int = 0
    last_seq: int = 0
    input_tokens: int = 0
    """Tokens read by the newest reply, cache included: how full the window is."""
    output_tokens: int = 0
    total_input: int = 0
    total_output: int = 0
    total_cost: float = 0.0
    """US dollars, all replies of the transcript, those of other branches too: they were paid."""
    title: str = ""
    """The first user text that is shown, one line, at most 120 characters."""
    preview: str = ""
    """The newest text that is shown, one line, at most 200 characters."""
    clear_undo_until: int = 0
    """``sessions.undo`` works until then; 0 when there is nothing to undo."""


class SessionQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The sessions that a table shows, and in which order; pinned ones come first."""

    main_key: str
    search: str = ""
    kinds: Sequence[SessionKind] = ()
    """Empty: all."""
    since: int | None = None
    """Active then or later."""
    until: int | None = None
    """Active before then."""
    archived: bool | None = False
    """``None``: both those put away and the others."""
    sort: SessionSort = "updated"
    descending: bool = True


class TableRow(msgspec.Struct, frozen=True, kw_only=True):
    """One session of a table."""

    session: Session
    kind: SessionKind
    unpriced: int
    """Replies under its key whose price was not known."""
    order: tuple[Any, ...]
    """Its place: compared with those of other stores."""


class UsageSum(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens and US dollars of the replies that have everything in front of them in common."""

    of: int | str | None
    """The number of the day, or the key of the session."""
    provider: str
    model: str
    client: str | None
    """The id of the client that asked; ``None`` where it is not known."""
    input: int
    output: int
    cache_read: int
    cache_write: int
    cost: float
    replies: int
    unpriced: int
    """Replies whose price was not known; ``cost`` is of the others."""


class Spending(msgspec.Struct, frozen=True, kw_only=True):
    """The usage of a range of time, by day and by session."""

    days: Sequence[UsageSum]
    sessions: Sequence[UsageSum]
    """The dearest first; the others are together under ``None``."""
    session_count: int
    titles: Mapping[str, str]
    """Key → title, of the sessions that are still there."""


class Spent(NamedTuple):
    """Tokens of every kind, and US dollars of the replies whose price was known, together."""

    tokens: int
    cost: float


class Overviews(Protocol):
    """Questions about many sessions or replies at once."""

    async def sessions(self, query: SessionQuery, *, offset: int, limit: int) -> tuple[int, Sequence[TableRow]]:
        """The number of sessions that match, and those from the place ``offset`` on."""
        ...

    async def spending(self, edges: Sequence[int], session_key: str | None = None, *, named: int) -> Spending:
        """Usage between each two neighbouring ``edges`` (milliseconds, rising), and of the whole range, where so many
        sessions are ``named``."""
        ...

    async def spent_since(self, times: Sequence[int]) -> Sequence[Spent]:
        """Sums of the kept sessions' replies since each of the ``times``, of which the first is the earliest."""
        ...
