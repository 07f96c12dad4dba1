"""The shapes of attachments and of what is made of them. Plain data: no I/O, no libraries.

msgspec structs rather than dataclasses: results cross the border to the worker and go into a cache as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from ...i18n import catalogue

if TYPE_CHECKING:
    from ...config import Config

Kind = Literal["image", "document", "audio", "video", "text", "notebook"]

_t = catalogue("media")


class Note(msgspec.Struct, frozen=True):
    """Something the user should know of how a file was read (it was scaled, cut, converted, is not what it claims).

    ``facts`` fill the text ``note.<code>`` of the catalogue ``media``; they are numbers and strings.
    """

    code: str
    facts: Mapping[str, Any] = msgspec.field(default_factory=dict)

    def text(self, locale: str | None) -> str:
        return _t(locale, f"note.{self.code}", **self.facts)

    def to_wire(self, locale: str | None) -> dict[str, Any]:
        return {"code": self.code, "text": self.text(locale)}


class Identified(msgspec.Struct, frozen=True):
    """The type of a file by its bytes. ``mime_type`` is the true one; a wrong claim is a note."""

    kind: Kind
    mime_type: str
    notes: tuple[Note, ...] = ()


class MediaFile(msgspec.Struct, frozen=True):
    """A stored attachment. ``path`` is where its bytes are, ``name`` what the user calls it (NFC, no folders)."""

    path: Path
    name: str
    mime_type: str
    """As ``identify`` found it."""
    kind: Kind
    size: int
    """In bytes."""
    sha256: str
    """Hexadecimal."""


class Facts(msgspec.Struct, frozen=True):
    """Facts about a file that need no model; ``None`` where one does not apply or is not known."""

    width: int | None = None
    """In pixels, as shown (orientation applied)."""
    height: int | None = None
    duration_ms: int | None = None
    pages: int | None = None
    """Pages of a document, cells of a notebook, frames of an animation."""
    codec: str | None = None
    notes: tuple[Note, ...] = ()


class Picture(msgspec.Struct, frozen=True):
    """An encoded image: ``data`` is a whole PNG, JPEG, WebP or GIF file."""

    data: bytes
    mime_type: str
    width: int
    height: int


class TextBlock(msgspec.Struct, frozen=True, tag="text"):
    """Text for the model. ``truncated``: the file has more."""

    text: str
    truncated: bool = False


class ImageBlock(msgspec.Struct, frozen=True, tag="image"):
    """An image for the model, ready to send. ``label`` says where it is from (``page 3``, ``0:12``, ``cell 4``)."""

    data: bytes
    mime_type: str
    width: int
    height: int
    label: str = ""


class DocumentBlock(msgspec.Struct, frozen=True, tag="document"):
    """A PDF for a model that reads PDFs. ``pages`` counts those in ``data``; ``first`` is the first one's number."""

    data: bytes
    mime_type: str
    title: str
    pages: int
    first: int = 1


Block = TextBlock | ImageBlock | DocumentBlock


class ModelSight(msgspec.Struct, frozen=True):
    """Limits of a model, from ``vision_limits.sight_of``. Sizes are those of one attachment."""

    images: bool = True
    documents: bool = True
    """PDFs as they are."""
    image_edge: int = 1568
    """Longest side in pixels that the model really sees; larger ones are scaled down by the server."""
    image_tokens: int = 1568
    """Most tokens that one image is worth, at one for 28 × 28 pixels."""
    image_bytes: int = 3_750_000
    """Largest encoded image, before base64."""
    max_images: int = 20
    """Most images of one attachment."""
    pdf_pages: int = 100
    pdf_bytes: int = 20_000_000
    """Largest PDF, before base64."""
    tokens: int = 40_000
    """Share of the model's window for one attachment."""


class MediaSettings(msgspec.Struct, frozen=True):
    """The settings ``media.*`` that understanding needs."""

    audio_engine: str = "auto"
    audio_command: tuple[str, ...] = ()
    audio_url: str = ""
    audio_api_key: str = ""
    audio_model: str = ""
    audio_language: str = ""
    audio_device: str = "auto"
    audio_timeout_s: int = 600
    audio_max_minutes: int = 120
    video_max_frames: int = 16
    image_max_edge: int = 0
    pdf_max_pages: int = 100
    pdf_mode: str = "auto"

    @classmethod
    def of(cls, config: Config) -> MediaSettings:
        """The values in force."""
        return cls(
            audio_engine=config["media.audio.engine"],
            audio_command=config["media.audio.command"],
            audio_url=config["media.audio.baseUrl"],
            audio_api_key=config["media.audio.apiKey"],
            audio_model=config["media.audio.model"],
            audio_language=config["media.audio.language"],
            audio_device=config["media.audio.device"],
            audio_timeout_s=config["media.audio.timeoutSeconds"],
            audio_max_minutes=config["media.audio.maxMinutes"],
            video_max_frames=config["media.video.maxFrames"],
            image_max_edge=config["media.image.maxEdge"],
            pdf_max_pages=config["media.pdf.maxPages"],
            pdf_mode=config["media.pdf.mode"],
        )


class Progress(msgspec.Struct, frozen=True):
    """Progress of preparing a file. ``fraction`` is 0–1, or ``None`` where the end is not known; ``stage`` is one of
    ``read``, ``frames``, ``transcribe``, ``download``; ``detail`` is a short fact (``3/12``, a model's name)."""

    stage: str
    fraction: float | None = None
    detail: str = ""


class Understood(msgspec.Struct, frozen=True):
    """The content that the model gets of a file, in this order.

    ``blocks`` begin with a text block that names the file and what follows. ``notes`` are for the user (the model has
    been told in the blocks). ``transcriber`` names what turned speech into text, if anything did. The cost of
    ``blocks`` is about ``tokens``. The same ``cache_key`` always gives the same result, unless ``expires_at_ms`` says
    that another try may give a better one.
    """

    blocks: tuple[Block, ...]
    notes: tuple[Note, ...] = ()
    tokens: int = 0
    facts: Facts = Facts()
    transcriber: str | None = None
    cache_key: str = ""
    expires_at_ms: int = 0
    """In milliseconds since the epoch; 0 for never. Set when a transcriber failed, which may pass."""

    def expired(self, now_ms: int) -> bool:
        """Report whether another attempt could succeed."""
        return 0 < self.expires_at_ms <= now_ms
