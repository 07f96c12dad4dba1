"""Real files of every kind, made where a test needs them: by Pillow, by hand, by FFmpeg."""

from __future__ import annotations

import base64
import io
import json
import struct
import subprocess
import wave
import zipfile
import zlib
from array import array
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from tests.support.tools import require


def png(picture: Image.Image) -> bytes:
    return encoded(picture, "PNG")


def encoded(picture: Image.Image, form: str, **options: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, form, **options)
    return out.getvalue()


def photo(width: int = 400, height: int = 300) -> Image.Image:
    """A picture whose corner says which way is up: red in the upper left, on noise that does not compress away."""
    picture = Image.effect_noise((width, height), 60).convert("RGB")
    ImageDraw.Draw(picture).rectangle((0, 0, width // 4, height // 4), fill=(255, 0, 0))
    return picture


def bomb(width: int, height: int) -> bytes:
    """A PNG of that many black-and-white pixels: a few hundred KB that are half a gigabyte once decoded."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress(bytes((width // 8 + 1) * height), 9)
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def pdf(pages: Sequence[str | None], *, size: tuple[int, int] = (612, 792)) -> bytes:
    """A PDF with a line of text on each page; ``None`` is a page with a filled rectangle and no text (as a scan)."""
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b""]
    kids = []
    font = b"<< /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >>"
    for text in pages:
        kids.append(len(objects) + 1)
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %d %d] /Contents %d 0 R /Resources %s >>"
            % (*size, len(objects) + 2, font)
        )
        content = b"100 100 200 300 re f" if text is None else f"BT /F1 18 Tf 72 700 Td ({text}) Tj ET".encode()
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content))
    objects[1] = b"<< /Type /Pages /Count %d /Kids [%s] >>" % (len(pages), b" ".join(b"%d 0 R" % kid for kid in kids))
    out = io.BytesIO(b"%PDF-1.4\n")
    out.seek(0, 2)
    places = []
    for number, body in enumerate(objects, 1):
        places.append(out.tell())
        out.write(b"%d 0 obj\n%s\nendobj\n" % (number, body))
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    end = out.tell()
    out.write(
        b"xref\n0 %d\n0000000000 65535 f \n%strailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n"
        % (len(objects) + 1, table, len(objects) + 1, end)
    )
    return out.getvalue()


def notebook(*cells: Mapping[str, Any], minor: int = 5) -> bytes:
    content = {
        "nbformat": 4,
        "nbformat_minor": minor,
        "metadata": {"language_info": {"name": "python"}},
        "cells": [{"metadata": {}, "id": f"c{i}", **cell} for i, cell in enumerate(cells)],
    }
    return json.dumps(content).encode()


def code(source: str, *outputs: Mapping[str, Any], count: int | None = 1) -> dict[str, Any]:
    return {"cell_type": "code", "source": source, "execution_count": count, "outputs": list(outputs)}


def plot(picture: Image.Image) -> dict[str, Any]:
    return {
        "output_type": "display_data",
        "metadata": {},
        "data": {"image/png": base64.b64encode(png(picture)).decode(), "text/plain": "<Figure size 400x300>"},
    }


def error(name: str, value: str) -> dict[str, Any]:
    red = f"\x1b[31m{name}\x1b[0m"
    return {
        "output_type": "error",
        "ename": name,
        "evalue": value,
        "traceback": [f"{red} Traceback (most recent call last)", f"{red}: {value}"],
    }


def printed(text: str) -> dict[str, Any]:
    return {"output_type": "stream", "name": "stdout", "text": text}


def office(parts: Mapping[str, str | bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return out.getvalue()


_OPEN_XML = "http://schemas.openxmlformats.org"
_PACKAGE = f"{_OPEN_XML}/package/2006"
_WORD_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
WORD = {
    "[Content_Types].xml": f'<?xml version="1.0"?><Types xmlns="{_PACKAGE}/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/>'
    f'<Override PartName="/word/document.xml" ContentType="{_WORD_TYPE}"/></Types>',
    "_rels/.rels": f'<?xml version="1.0"?><Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="r1" '
    f'Type="{_OPEN_XML}/officeDocument/2006/relationships/officeDocument" Target="word/document.xml"/>'
    "</Relationships>",
    "word/document.xml": f'<?xml version="1.0"?><w:document xmlns:w="{_OPEN_XML}/wordprocessingml/2006/main">'
    "<w:body><w:p><w:r>"
    "<w:t>Minutes of the meeting: ship on Friday</w:t></w:r></w:p></w:body></w:document>",
}
"""The parts of a Word document."""


def tone(seconds: float, *, loud: float = 0.5, rate: int = 16_000) -> bytes:
    """A WAV of a 400 Hz square wave; ``loud`` 0 is silence."""
    half = rate // 800
    high = int(32767 * loud)
    samples = array("h", (high if i // half % 2 else -high for i in range(int(seconds * rate))))
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())
    return out.getvalue()


def speech(path: Path, text: str) -> Path:
    """Spoken ``text``; the ending of ``path`` says whether as WAV, MP3 or M4A."""
    wav = path.with_suffix(".espeak.wav")
    subprocess.run([require("espeak-ng"), "-v", "en-us", "-s", "120", "-w", str(wav), text], check=True, timeout=60)
    ffmpeg("-i", str(wav), str(path))
    wav.unlink()
    return path


def clip(path: Path, colours: Sequence[str], seconds: float = 1.0, *, sound: Path | None = None) -> Path:
    """A clip of one colour after another, cut hard; with ``sound`` under it."""
    inputs: list[str] = []
    for colour in colours:
        inputs += ["-f", "lavfi", "-i", f"color={colour}:s=320x180:d={seconds}:r=10"]
    chain = "".join(f"[{i}:v]" for i in range(len(colours))) + f"concat=n={len(colours)}:v=1[v]"
    tail = ["-i", str(sound)] if sound else []
    maps = ["-map", "[v]", *(["-map", f"{len(colours)}:a"] if sound else [])]
    ffmpeg(*inputs, *tail, "-filter_complex", chain, *maps, "-pix_fmt", "yuv420p", str(path))
    return path


def ffmpeg(*arguments: str) -> None:
    subprocess.run([require("ffmpeg"), "-v", "error", "-y", "-nostdin", *arguments], check=True, timeout=60)
