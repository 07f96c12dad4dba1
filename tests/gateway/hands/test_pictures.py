"""Pictures of outputs are within a model's limits: larger ones are scaled, and what is no picture is named."""

from __future__ import annotations

import asyncio
import base64
import random
import struct
import zlib
from typing import Any

import pytest

from clawdbot_ext.gateway.hands.pictures import MAX_EDGE, MAX_IMAGE_CHARS, images_of, pixel_size


def png(width: int, height: int, *, noise: bool = False) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    row = random.Random(1).randbytes if noise else bytes
    rows = b"".join(b"\0" + row(width) for _ in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    packed = zlib.compress(rows, 1)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def output(raw: bytes, media_type: str = "image/png") -> dict[str, Any]:
    return {"image": {"mediaType": media_type, "data": base64.b64encode(raw).decode()}}


def test_what_the_model_takes_goes_as_it_is_and_what_is_no_picture_is_named() -> None:
    plain = png(40, 30)
    given = [output(plain), output(b"x"), output(plain, "image/svg+xml"), {"image": {"mediaType": "image/png"}}]
    images, notes = asyncio.run(images_of(given))
    assert [base64.b64decode(image.data) for image in images] == [plain]
    assert len(notes) == 3 and all("left out" in note for note in notes)
    images, notes = asyncio.run(images_of([output(plain)] * 7))
    assert len(images) == 5 and "others are left out" in notes[0]


@pytest.mark.slow
def test_a_picture_that_is_too_large_is_scaled_and_the_model_told() -> None:
    wide, heavy = png(2600, 1300), png(1990, 1990, noise=True)
    assert len(base64.b64encode(heavy)) > MAX_IMAGE_CHARS
    bomb = png(20, 20).replace(struct.pack(">II", 20, 20), struct.pack(">II", 60_000, 60_000))
    images, notes = asyncio.run(images_of([output(wide), output(heavy), output(bomb)]))
    assert len(images) == 2 and [note.split(" pixels")[0] for note in notes[:2]] == [
        "[an image of 2600 × 1300",
        "[an image of 1990 × 1990",
    ]
    for image in images:
        size = pixel_size(base64.b64decode(image.data))
        assert size is not None and max(size) <= MAX_EDGE and len(image.data) <= MAX_IMAGE_CHARS
    assert "left out: 60000 × 60000 pixels" in notes[2]
