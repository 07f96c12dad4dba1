"""``prompts.*`` and ``files.list``: what a composer offers to put into a message."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from .base import SCOPE_READ, SCOPE_WRITE, Method, NoParams, OkResult, Params, Result, Rows

Path = Annotated[str, Meta(max_length=4096)]
PromptId = Annotated[str, Meta(min_length=1, max_length=64)]


class Prompt(Result):
    """One prompt of the user's own library."""

    id: str
    name: str
    text: str
    updated_at: int


class PromptsListResult(Result):
    prompts: Sequence[Prompt]


class PromptsSetParams(Params):
    name: Annotated[str, Meta(min_length=1, max_length=100)]
    text: Annotated[str, Meta(min_length=1, max_length=100_000)]
    id: PromptId | None = None
    """Of the prompt to replace; absent: a new one."""


class PromptsSetResult(Result):
    prompt: Prompt


class PromptsDeleteParams(Params):
    id: PromptId


class FilesListParams(Params):
    path: Path | None = None
    """A directory, from the server's root; absent: the root. Separated by `/`."""
    query: Annotated[str, Meta(max_length=256)] | None = None
    """Names that contain this, looked for in the directory and below."""
    limit: Annotated[int, Meta(ge=1, le=1000)] | None = None
    """200 if absent; 50 with a query."""


class FileEntry(Result):
    path: str
    """From the server's root."""
    name: str
    type: Literal["file", "directory", "notebook"]
    size: int | UnsetType = UNSET
    """Bytes."""
    modified: int | UnsetType = UNSET


class FilesListResult(Result):
    path: str
    entries: Sequence[FileEntry]
    """Directories first, then by name; the best match first with a query. What Jupyter hides is left out."""
    truncated: bool
    """There is more than `limit`, or more than is looked through."""


ROWS: Rows = (
    Method("prompts.list", NoParams, PromptsListResult, SCOPE_READ, "The user's prompts, by name.", ours=True),
    Method("prompts.set", PromptsSetParams, PromptsSetResult, SCOPE_WRITE, "Keep a prompt.", ours=True),
    Method("prompts.delete", PromptsDeleteParams, OkResult, SCOPE_WRITE, "Remove a prompt.", ours=True),
    Method(
        "files.list",
        FilesListParams,
        FilesListResult,
        SCOPE_READ,
        "Files of the Jupyter server, as its file browser shows them.",
        ours=True,
    ),
)
