"""Notebooks, cells and outputs as text and images for a model, within a budget that the model is told of.

Nothing here is trusted: it is the content of a notebook, and goes to the model as data.
"""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from ...agent.tools import ToolImage
from .names import names_of

MAX_IMAGES = 5
MAX_IMAGE_CHARS = 5_000_000
"""Of one image in base64, as the model's API takes it."""
MAX_EDGE = 2000
"""Pixels; larger images are refused where a request has many."""
IMAGE_TYPES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})


def cut(text: str, limit: int) -> str:
    """At most ``limit`` characters: the beginning and the end, with the number of those left out."""
    if len(text) <= limit:
        return text
    head, tail = limit * 2 // 3, limit // 3
    return f"{text[:head]}\n[… {len(text) - head - tail} characters left out …]\n{text[-tail:] if tail else ''}"


def outputs_text(outputs: Sequence[Mapping[str, Any]], limit: int) -> str:
    """Outputs as text; images are named, not shown."""
    parts = []
    for output in outputs:
        kind = str(output.get("kind", "display"))
        name = f' name="{escape(str(output["name"]))}"' if output.get("name") and kind == "stream" else ""
        mimes = [str(mime) for mime in output.get("mimes") or ()]
        image = ' image="true"' if output.get("image") or any(mime.startswith("image/") for mime in mimes) else ""
        text = str(output.get("text") or "")
        left = output.get("truncatedChars")
        more = f"\n[… {left} more characters: cell_output has them …]" if left else ""
        body = f"\n{text}{more}\n" if text or more else ""
        if not body and not image:
            body = f"\n[{', '.join(mimes) or 'empty'}]\n"
        parts.append(f'<output kind="{kind}"{name}{image}>{body}</output>')
    return cut("\n".join(parts), limit)


def images_of(outputs: Sequence[Mapping[str, Any]]) -> tuple[list[ToolImage], list[str]]:
    """The images of outputs that a model takes, and why others were left out."""
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
        if problem := image_problem(media_type, data):
            notes.append(f"[an image was left out: {problem}]")
        else:
            images.append(ToolImage(media_type, data))
    return images, notes


def image_problem(media_type: str, data: str) -> str:
    """Why a model does not take an image; empty: it does."""
    if media_type not in IMAGE_TYPES:
        return f"{media_type or 'unknown type'} is not a type that is seen"
    if len(data) > MAX_IMAGE_CHARS:
        return f"{len(data) // 1_000_000} MB in base64"
    try:
        raw = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return "it is no base64"
    size = pixel_size(raw)
    if size is None:
        return f"it is no {media_type}"
    return f"{size[0]} × {size[1]} pixels" if max(size) > MAX_EDGE or min(size) < 1 else ""


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


def kernel_text(kernel: Any) -> str:
    """A kernel in a few words."""
    if not isinstance(kernel, Mapping):
        return "no kernel"
    named = kernel.get("displayName") or kernel.get("name") or "kernel"
    return f"kernel {named} ({kernel.get('status', 'unknown')})"


def cell_text(cell: Mapping[str, Any], *, names: bool, output_chars: int) -> str:
    """One cell with its attributes, source and outputs."""
    source = str(cell.get("source") or "")
    facts: dict[str, Any] = {
        "id": cell.get("id"),
        "rev": cell.get("rev"),
        "index": cell.get("index"),
        "type": cell.get("type"),
    }
    if cell.get("type") == "code":
        facts["state"] = cell.get("state")
        if cell.get("executionCount") is not None:
            facts["count"] = cell["executionCount"]
        if names:
            found = names_of(source)
            facts["defines"], facts["uses"] = " ".join(found.defines), " ".join(found.uses)
    if cell.get("editable") is False:
        facts["editable"] = "false"
    head = " ".join(f'{name}="{escape(str(value))}"' for name, value in facts.items() if value not in (None, ""))
    outputs = cell.get("outputs")
    shown = "\n" + outputs_text(outputs, output_chars) if outputs else ""
    return f"<cell {head}>\n{source}{shown}\n</cell>"


def cell_line(cell: Mapping[str, Any]) -> str:
    """One cell in a line, for those that have no room."""
    lines = str(cell.get("source") or "").strip().splitlines()
    return f"{cell.get('index')} {cell.get('id')} {cell.get('type')}: {(lines[0] if lines else '(empty)')[:80]}"


def notebook_text(found: Mapping[str, Any], limit: int) -> str:
    """A notebook's cells within ``limit`` characters; those without room in a line each, then only counted."""
    cells = [cell for cell in found.get("cells") or () if isinstance(cell, Mapping)]
    kernel = found.get("kernel")
    python = is_python(found)
    parts = [
        f"{found.get('path')}: {len(cells)} cells shown, {kernel_text(kernel)}"
        + (", read-only" if found.get("readOnly") else "")
        + (f", active cell {found['active']}" if found.get("active") else "")
    ]
    room = limit - len(parts[0])
    rest: list[str] = []
    for cell in cells:
        text = "" if rest else cell_text(cell, names=python, output_chars=max(500, limit // 4))
        if not rest and len(text) <= room:
            parts.append(text)
            room -= len(text) + 1
        else:
            rest.append(cell_line(cell))
    if rest:
        if len(parts) == 1:  # the first cell alone is too long
            parts.append(cut(cell_text(cells[0], names=python, output_chars=500), room))
            rest, room = rest[1:], 0
        listed = "\n".join(rest[:100])
        parts.append(
            f"[The other {len(rest)} cells have no room in {limit} characters; read them by cells or by from and to:]\n"
            f"{cut(listed, max(2000, room))}"
        )
    return "\n".join(parts)


def is_python(found: Mapping[str, Any]) -> bool:
    language = found.get("language")
    kernel = found.get("kernel")
    if language is None and isinstance(kernel, Mapping):
        language = kernel.get("language") or kernel.get("name")
    return language is None or "python" in str(language).lower()
