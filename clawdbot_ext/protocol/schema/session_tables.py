"""``sessions.page``, ``sessions.bulk``, ``sessions.exportMany``: many sessions at once, for tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from .base import SCOPE_READ, SCOPE_WRITE, Key, Method, Ms, Params, Result, Rows
from .search import ExportFormat

SessionKind = Literal["main", "chat", "named", "imported", "temporary"]
SessionSort = Literal["updated", "title", "tokens", "cost", "model"]
MOST_KEYS = 1000


class SessionsPageParams(Params):
    offset: Annotated[int, Meta(ge=0, le=2**31)] = 0
    limit: Annotated[int, Meta(ge=1, le=500)] = 100
    sort: SessionSort = "updated"
    descending: bool = True
    search: Annotated[str, Meta(max_length=256)] | None = None
    """In key, label and title."""
    kinds: Annotated[Sequence[SessionKind], Meta(max_length=8)] = ()
    """Empty: all."""
    since: Ms | None = None
    """Active then or later."""
    until: Ms | None = None
    """Active before then."""
    archived: Literal["without", "only", "with"] = "without"


class SessionRow(Result):
    entry: Mapping[str, Any]
    """As in `sessions.list`."""
    kind: SessionKind
    """Origin, as its key tells it: the main session, a chat, one with a name of its own, an imported one, or one
    that is in memory only."""
    tokens: int
    """Read and written by all replies of the present transcript."""
    unpriced: int
    """Replies whose price was not known: `entry.cost` is of the others."""


class SessionsPageResult(Result):
    ts: int
    total: int
    """Of all that match."""
    offset: int
    rows: Sequence[SessionRow]
    """Pinned ones first."""


class SessionsBulkParams(Params):
    action: Literal["archive", "unarchive", "delete", "undelete"]
    keys: Annotated[Sequence[Key], Meta(min_length=1, max_length=MOST_KEYS)]


class SessionsBulkResult(Result):
    done: Sequence[str]
    failed: Sequence[Mapping[str, Any]]
    """`key` and `error`, as in a response."""
    undo_until: int | UnsetType = UNSET
    """Of `delete`: `undelete` works until then."""


class SessionsExportManyParams(Params):
    format: ExportFormat
    keys: Annotated[Sequence[Key], Meta(min_length=1, max_length=200)]


class SessionsExportManyResult(Result):
    filename: str
    media_type: str
    content: str
    """A ZIP archive, in base64."""
    done: Sequence[str]
    failed: Sequence[Mapping[str, Any]]
    """As in `sessions.bulk`."""
    left: Sequence[str] | UnsetType = UNSET
    """Keys for which the archive had no room: ask again with them."""


ROWS: Rows = (
    Method(
        "sessions.page",
        SessionsPageParams,
        SessionsPageResult,
        SCOPE_READ,
        "A page of the sessions, sorted and filtered, for tables.",
        ours=True,
    ),
    Method(
        "sessions.bulk",
        SessionsBulkParams,
        SessionsBulkResult,
        SCOPE_WRITE,
        "Put many sessions away, or delete them, and the reverse. A deletion can be undone for 60 s.",
        ours=True,
    ),
    Method(
        "sessions.exportMany",
        SessionsExportManyParams,
        SessionsExportManyResult,
        SCOPE_READ,
        "The transcripts of many sessions as an archive, or as several: `left` are for the next.",
        ours=True,
    ),
)
