"""The pictures of outputs for a model: within its limits, larger ones scaled, and those that it does not take named.

Nothing here is trusted: a picture is decoded by ``agent.media`` in a process of its own, and only to be scaled.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import struct
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...agent.media.api import ImageBlock, MediaError, MediaFile, MediaSettings, ModelSight, understand
from ...agent.tools import ToolImage

MAX_IMAGES = 5
MAX_IMAGE_CHARS = 5_000_000
"""Of one image in base64, as the model's API takes it."""
MAX_EDGE = 2000
"""Pixels; larger images are refused where a request has many."""
IMAGE_TYPES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_SIGHT = ModelSight(image_edge=MAX_EDGE, image_tokens=6000)


async def images_of(outputs: Sequence[Mapping[str, Any]]) -> tuple[list[ToolImage], list[str]]:
    """The images of outputs that a model takes, and what is to be said of scaled ones and of those left out."""
    images: list[ToolImage] = []
    notes: list[str] = []
    for output in outputs:
        image = output.get("image")
        if not isinstance(image, Mapping):
            continue
        media_type, data = str(image.get("mediaType", "")), str(image.get("data", "")).replace("\n", "")
        if len(images) >= MAX_IMAGES:
            notes.append(f"[more than {MAX_IMAGES} images: the others are left out]")
            break
        taken, note = await _image(media_type, data, MAX_IMAGES - len(images))
        images += taken
        notes += [note] if note else []
    return images, notes


async def _image(media_type: str, data: str, most: int) -> tuple[list[ToolImage], str]:
    if media_type not in IMAGE_TYPES:
        return [], _left_out(f"{media_type or 'unknown type'} is not a type that is seen")
    try:
        raw = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return [], _left_out("it is no base64")
    size = pixel_size(raw)
    if size is None or min(size) < 1:
        return [], _left_out(f"it is no {media_type}")
    if max(size) <= MAX_EDGE and len(data) <= MAX_IMAGE_CHARS:
        return [ToolImage(media_type, data)], ""
    try:
        blocks = await _scaled(media_type, raw)
    except (MediaError, OSError) as exc:
        return [], _left_out(f"{size[0]} × {size[1]} pixels, and it cannot be scaled: {exc}")
    shown = [ToolImage(block.mime_type, base64.b64encode(block.data).decode()) for block in blocks[:most]]
    parts = f" in {len(blocks)} parts" if len(blocks) > 1 else ""
    seen = f"{blocks[0].width} × {blocks[0].height}"
    return shown, f"[an image of {size[0]} × {size[1]} pixels is shown{parts} at {seen}]"


async def _scaled(media_type: str, raw: bytes) -> list[ImageBlock]:
    """The picture within the limits; a very long one in parts. Raises ``MediaError``, ``OSError``."""
    with tempfile.TemporaryDirectory(prefix="clawdbot-picture-") as folder:
        path = Path(folder, "picture")
        await asyncio.to_thread(path.write_bytes, raw)
        sha256 = hashlib.sha256(raw).hexdigest()
        file = MediaFile(path, "output", media_type, "image", len(raw), sha256)
        understood = await understand(file, sight=_SIGHT, settings=MediaSettings())
    blocks = [block for block in understood.blocks if isinstance(block, ImageBlock)]
    if not blocks:
        raise OSError("there is no picture in it")
    return blocks


def _left_out(why: str) -> str:
    return f"[an image was left out: {why}]"


def pixel_size(raw: bytes) -> tuple[int, int] | None:
    """Width and height by the header; ``None`` for what is no image of a known type."""
    if raw[:8] == b"\x89PNG\r\n\x1a\n" and len(raw) >= 24:
        width, height = struct.unpack(">II", raw[16:24])
        return width, height
    if raw[:6] in (b"GIF87a", b"GIF89a") and len(raw) >= 10:
        width, height = struct.unpack("<HH", raw[6:10])
        return width, height
    if raw[:2] == b"\xff\xd8":
        return _jpeg_size(raw)
    if raw[:4] == b"RIFF" and raw[8:12] == b"WEBP" and len(raw) >= 30:
        return _webp_size(raw)
    return None


def _jpeg_size(raw: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(raw) and raw[at] == 0xFF:
        marker, length = raw[at + 1], struct.unpack(">H", raw[at + 2 : at + 4])[0]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", raw[at + 5 : at + 9])
            return width, height
        at += 2 + length
    return None


def _webp_size(raw: bytes) -> tuple[int, int] | None:
    kind = raw[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(raw[24:27], "little"), 1 + int.from_bytes(raw[27:30], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(raw[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        return struct.unpack("<H", raw[26:28])[0] & 0x3FFF, struct.unpack("<H", raw[28:30])[0] & 0x3FFF
    return None
