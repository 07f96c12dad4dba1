"""Attachments in a request to a model: which of a conversation's are shown again, and in what form.

Everything that was shown once is part of the prompt that the provider keeps in its cache, so an attachment is sent with
every turn as long as there is room. When there is none left, a good part of the oldest goes at once, for the reason for
which ``context`` drops messages so; what goes leaves a line that names it.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..media.api import DocumentBlock, ImageBlock, TextBlock, Understood

MAPPING = (dict, Mapping)
"""For ``isinstance`` on each block of a long conversation: nearly all are ``dict``, which an abstract class takes ten
times as long to tell."""
SHARE = 0.5
"""The part of the window that attachments may take together."""
MAX_BYTES = 20_000_000
"""Of images and documents in one request, before base64. The Messages API takes requests of 32 MB."""
MAX_IMAGES, MAX_LARGE_IMAGES, LARGE_EDGE = 100, 20, 2000
"""The API takes 100 images in a request; images over 2,000 px at a side only where there are at most 20."""
SLACK = 0.4
"""Share of the room that may stay unused so that the beginning stays the same for many turns."""


@dataclass(frozen=True)
class AttachmentContent:
    """An attachment as the model gets it: Messages API content blocks, and what they cost."""

    blocks: Sequence[Mapping[str, Any]]
    tokens: int
    bytes: int = 0
    images: int = 0
    large: bool = False
    """One of the images is over ``LARGE_EDGE``."""


def attachments(message: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The blocks of a user's wire message that stand for files."""
    content = message.get("content")
    if message.get("role") == "user" and isinstance(content, list | tuple):
        for block in content:
            if isinstance(block, MAPPING) and isinstance(block.get("mediaId"), str):
                yield block


def shown(understood: Understood) -> AttachmentContent:
    """Make content blocks of a prepared file. Encodes images: call it in a thread."""
    blocks = [_block(block) for block in understood.blocks]
    images = [block for block in understood.blocks if isinstance(block, ImageBlock)]
    size = sum(len(block.data) for block in understood.blocks if not isinstance(block, TextBlock))
    return AttachmentContent(
        blocks,
        understood.tokens,
        size,
        len(images),
        any(max(image.width, image.height) > LARGE_EDGE for image in images),
    )


def _block(block: TextBlock | ImageBlock | DocumentBlock) -> dict[str, Any]:
    if isinstance(block, TextBlock):
        return {"type": "text", "text": block.text}
    source = {"type": "base64", "media_type": block.mime_type, "data": base64.b64encode(block.data).decode("ascii")}
    if isinstance(block, ImageBlock):
        return {"type": "image", "source": source}
    return {"type": "document", "source": source, "title": block.title}


def placeholder(text: str) -> AttachmentContent:
    """One line instead of a file that cannot be shown."""
    return AttachmentContent([{"type": "text", "text": text}], 1 + len(text) // 2)


def named(block: Mapping[str, Any], why: str = "it was shown earlier in this conversation") -> AttachmentContent:
    """The line that stands for an attachment that is not sent (again)."""
    return placeholder(f"[attachment {block.get('name')!r} ({block.get('mimeType')}) is not repeated here: {why}]")


def fitting(found: Sequence[tuple[str, AttachmentContent]], window: int) -> set[str]:
    """Select the attachments to show: the ids of the newest that fit together, of ``(id, shown)`` oldest first.

    Where to begin is chosen as ``context`` does: by the ids alone among the places that leave little room unused, so
    that the next turns begin there too.
    """
    full: list[float] = []
    """Share of the room used from each attachment to the end."""
    tokens = size = images = 0
    large = False
    for _, each in reversed(found):
        tokens, size, images, large = tokens + each.tokens, size + each.bytes, images + each.images, large or each.large
        most = MAX_LARGE_IMAGES if large else MAX_IMAGES
        full.insert(0, max(tokens / (window * SHARE), size / MAX_BYTES, images / most))
    fits = [number for number, part in enumerate(full) if part <= 1]
    if not fits:
        return {id_ for id_, _ in found[-1:]}
    stable = [number for number in fits if full[number] >= 1 - SLACK] or fits[:1]
    start = 0 if fits[0] == 0 else min(stable, key=lambda number: zlib.crc32(found[number][0].encode()))
    return {id_ for id_, _ in found[start:]}
