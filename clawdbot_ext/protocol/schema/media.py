"""``media.*`` and attachments: files that users send along. The bytes travel by HTTP (``docs/media.md``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from .base import SCOPE_READ, Key, Method, NoParams, Params, Result, Rows

MediaId = Annotated[str, Meta(min_length=1, max_length=128)]
MAX_ATTACHMENTS = 100
"""Of one message, whatever the settings say."""


class CellSource(Params):
    """A notebook that an attachment was made from, and the cell of it if it is about one."""

    path: Annotated[str, Meta(min_length=1, max_length=4096)]
    """Of the notebook, as the contents API names it."""
    id: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    """The cell's id (nbformat 4.5)."""
    revision: Annotated[str, Meta(max_length=64)] | None = None
    """A sum of the cell's text at that time, as the client takes it."""


MAX_CELLS = 100
"""That one attachment is made from, and that are told apart."""


class Attachment(Params):
    """One file of a message: exactly one of `mediaId`, `content` and `path` says which."""

    media_id: MediaId | None = None
    """Ours: a file that was uploaded before."""
    content: str | None = None
    """The bytes in base64, with or without a `data:` prefix."""
    path: Annotated[str, Meta(min_length=1, max_length=4096)] | None = None
    """Ours: a file of the Jupyter server, as its contents API names it."""
    mime_type: Annotated[str, Meta(max_length=256)] | None = None
    """The type claimed by the sender; the bytes decide."""
    file_name: Annotated[str, Meta(max_length=4096)] | None = None
    type: Annotated[str, Meta(max_length=64)] | None = None
    """Read and without effect."""
    cells: Annotated[Sequence[CellSource], Meta(max_length=MAX_CELLS)] | None = None
    """Ours: where in which notebook it is from. Kept with the message, so that an answer finds its cell again."""


Attachments = Annotated[Sequence[Attachment], Meta(max_length=MAX_ATTACHMENTS)]


class MediaLimitsResult(Result):
    max_bytes: Mapping[str, int]
    """By kind: `image`, `document`, `audio`, `video`, `text`. A notebook counts as a document."""
    max_count: int
    """Attachments of one message."""
    max_total_bytes: int
    """Of all attachments of one message."""
    accept: Sequence[str]
    """File name endings with their dot, for a file chooser."""
    hear: bool
    """Something here turns speech into text."""
    see: bool
    """The model that answers by default takes images."""


class MediaSawParams(Params):
    media_id: MediaId
    session_key: Key | None = None
    """Read and without effect: what the model was given of a file is kept with the file."""
    message_id: Annotated[str, Meta(max_length=128)] | None = None


class MediaSawResult(Result):
    media_id: str
    parts: Sequence[Mapping[str, Any]]
    """`{type:"text", text, truncated?}`, `{type:"image", mediaId, width, height, label?}` or
    `{type:"document", pages, first}`, in the order in which the model got them."""
    notes: Sequence[Mapping[str, Any]]
    """`{code, text}`: what was changed or left out."""
    transcriber: str | UnsetType = UNSET
    """The program or service that transcribed the speech."""


ROWS: Rows = (
    Method(
        "media.limits",
        NoParams,
        MediaLimitsResult,
        SCOPE_READ,
        "What may be attached, how large and how many.",
        ours=True,
    ),
    Method(
        "media.saw", MediaSawParams, MediaSawResult, SCOPE_READ, "What the model was given of an attachment.", ours=True
    ),
)
