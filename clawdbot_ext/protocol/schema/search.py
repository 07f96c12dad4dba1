"""``sessions.search`` and ``sessions.export``: finding what was said, and taking it along."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from .base import SCOPE_READ, SCOPE_WRITE, Key, Method, Ms, Params, Result, Rows

ExportFormat = Literal["markdown", "json", "html", "ipynb"]


class SessionsSearchParams(Params):
    query: Annotated[str, Meta(min_length=1, max_length=256)]
    """Words, all of which a message must have; the last may be the beginning of one."""
    limit: Annotated[int, Meta(ge=1, le=100)] | None = None
    before: Ms | None = None
    """`next` of the page before."""


class SearchHit(Result):
    """One message. `highlights` are `[start, end]` in `snippet`, in UTF-16 code units."""

    session_key: str
    session_id: str
    seq: int
    message_id: str
    role: str
    timestamp: int
    snippet: str
    highlights: Sequence[Sequence[int]]
    archived: bool
    """It is not in the current transcript of its session: read it by `sessionId`, or restore that."""
    shown: bool
    """Whether it is on the path that is shown. If not, `chat.branch` shows it (of the current transcript)."""
    label: str | UnsetType = UNSET
    derived_title: str | UnsetType = UNSET


class SessionsSearchResult(Result):
    hits: Sequence[SearchHit]
    next: int | UnsetType = UNSET
    """The position of the next page; absent on the last one."""


class SessionsExportParams(Params):
    format: ExportFormat
    key: Key | None = None
    session_id: Annotated[str, Meta(min_length=1, max_length=128)] | None = None
    """Any transcript, archived ones too."""
    embed: bool = False
    """Put attachments into the file (images; into JSON all kinds, as `media`), as far as there is room."""


class SessionsExportResult(Result):
    filename: str
    media_type: str
    content: str


class SessionsImportParams(Params):
    content: str
    """The file's text."""
    name: Annotated[str, Meta(max_length=512)] | None = None
    format: Literal["auto", "clawdbot-jupyter", "clawdbot-jsonl"] = "auto"
    label: Annotated[str, Meta(max_length=120)] | None = None
    """The title of the conversation, if the file has none: Clawdbot has labels in `sessions.json`."""


class SessionsImportResult(Result):
    ok: bool
    keys: Sequence[str]
    messages: int
    """The number of added messages: none when the file was imported before."""
    skipped: Sequence[Mapping[str, Any]]
    """The items left out, `line` (or the `file` of a message, which stays by name) and `reason`, the first hundred."""


ROWS: Rows = (
    Method(
        "sessions.search",
        SessionsSearchParams,
        SessionsSearchResult,
        SCOPE_READ,
        "Messages of all sessions that have these words, newest first.",
        ours=True,
    ),
    Method(
        "sessions.import",
        SessionsImportParams,
        SessionsImportResult,
        SCOPE_WRITE,
        "Take in a conversation: our JSON export, or a JSONL transcript of Clawdbot's. Again: nothing twice.",
        ours=True,
    ),
    Method(
        "sessions.export",
        SessionsExportParams,
        SessionsExportResult,
        SCOPE_READ,
        "A transcript as a file: Markdown, our JSON, a web page by itself, or a notebook.",
        ours=True,
    ),
)
