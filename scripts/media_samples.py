"""Writes ``docs/attachments-samples.md``, what the model received of each kind: ``python -m scripts.media_samples``.

A gateway is started whose model is the scripted Messages API of the tests; files are made, uploaded and asked about as
any client does it, and what arrives at the API is written down. Needs the ``test`` extra, ``ffmpeg`` and ``espeak-ng``.
"""

from __future__ import annotations

import asyncio
import base64
import io
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pypdfium2
from PIL import Image, ImageDraw

from tests.support import files
from tests.support.media import upload
from tests.support.messages_api import MessagesAPI
from tests.support.server import GatewayProcess
from tests.support.wire import wired

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "attachments-samples.md"
IMAGES = ROOT / "docs" / "images" / "attachments"
RECOGNISER = ROOT / "tests" / "support" / "recognise.py"
SHOWN_EDGE = 300
"""Pixels at the longest side of a picture on the page."""
SHOWN_TEXT = 1500
"""Characters of a text on the page."""
INTRODUCTION = """# What the model received

Made by `python -m scripts.media_samples`, which asks a real gateway about a file of each kind and writes down the
content blocks that arrived at the model's API, in their order. How it works: [Attachments](attachments.md). In a chat,
*what the assistant saw* under a message shows the same.
"""


class Sample(NamedTuple):
    """A question about a file."""

    question: str
    path: Path


def main() -> int:
    with tempfile.TemporaryDirectory() as folder, MessagesAPI() as api:
        samples = made(Path(folder))
        config = {
            "media": {"audio": {"command": [sys.executable, str(RECOGNISER), "{{WavPath}}"]}},
            "agents": {"defaults": {"autoTitle": False}},  # a title is asked for too, by the text alone
        }
        gateway = GatewayProcess(
            Path(folder) / "state", config=config, env={"ANTHROPIC_API_KEY": "sk-sample", "ANTHROPIC_BASE_URL": api.url}
        )
        gateway.start()
        try:
            asyncio.run(asyncio.wait_for(asked(gateway, samples), 180))
        finally:
            gateway.stop()
        received = [last_question(body) for body in api.bodies]
    IMAGES.mkdir(parents=True, exist_ok=True)
    sections = [section(sample, blocks) for sample, blocks in zip(samples, received, strict=True)]
    PAGE.write_text("\n".join([INTRODUCTION, *sections]), encoding="utf-8")
    print(PAGE.relative_to(ROOT))
    return 0


async def asked(gateway: GatewayProcess, samples: Sequence[Sample]) -> None:
    """Ask each question in a session of its own, so that a request has one file."""
    async with wired(gateway.ws_url, gateway.token) as wire:
        for number, sample in enumerate(samples):
            stored = upload(gateway, sample.path.name, sample.path.read_bytes())
            await wire.ask(sample.question, key=f"sample-{number}", attachments=[{"mediaId": stored["mediaId"]}])


def last_question(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Its blocks, without the note of the time, which the page would change with."""
    blocks = next(message["content"] for message in reversed(body["messages"]) if message["role"] == "user")
    return [block for block in blocks if not block.get("text", "").startswith("<time>")]


# -- the page ---------------------------------------------------------------------------------------------------------
def section(sample: Sample, blocks: Sequence[Mapping[str, Any]]) -> str:
    lines = [f"## {sample.question}", "", f"Attached: `{sample.path.name}`", ""]
    for number, block in enumerate(blocks, 1):
        lines += [f"**{number}.** " + described(sample, number, block), ""]
    return "\n".join(lines)


def described(sample: Sample, number: int, block: Mapping[str, Any]) -> str:
    """One content block: text as it is, a picture small, a document by its pages."""
    if block["type"] == "text":
        text = block["text"]
        cut = f"\n… ({len(text) - SHOWN_TEXT} characters more)" if len(text) > SHOWN_TEXT else ""
        return f"`text`\n\n~~~text\n{text[:SHOWN_TEXT]}{cut}\n~~~"
    data = base64.b64decode(block["source"]["data"])
    facts = f"`{block['type']}`, {block['source']['media_type']}, {len(data):,} bytes"
    if block["type"] == "document":
        return f"{facts}, {len(pypdfium2.PdfDocument(data))} pages, title “{block.get('title', '')}”"
    picture = Image.open(io.BytesIO(data))
    name = f"{sample.path.stem}-{number}.png"
    shown = picture.convert("RGB")
    shown.thumbnail((SHOWN_EDGE, SHOWN_EDGE))
    shown.quantize(64).save(IMAGES / name, optimize=True)
    return (
        f"{facts}, {picture.width} × {picture.height} pixels\n\n"
        f"![{sample.path.name}, block {number}](images/attachments/{name})"
    )


# -- the files --------------------------------------------------------------------------------------------------------
def made(folder: Path) -> list[Sample]:
    return [
        Sample("Analyse this image", chart(folder / "sales.jpg")),
        Sample("What is said in this recording?", files.speech(folder / "note.mp3", "close every window")),
        Sample("What happens in this clip?", clip(folder)),
        Sample(
            "Summarise this PDF, pages 2 to 4",
            written(
                folder / "report.pdf",
                files.pdf(
                    [f"Section {number} of the report: revenue rose by {number} percent" for number in range(1, 9)]
                ),
            ),
        ),
        Sample("What is wrong in this notebook?", written(folder / "analysis.ipynb", notebook())),
        Sample("What is in this table?", written(folder / "measurements.csv", table())),
        Sample("Summarise these minutes", written(folder / "minutes.docx", files.office(files.WORD))),
        Sample(
            "Translate this note", written(folder / "메모.txt", "내일 오전 열 시에 회의가 있습니다.\n".encode("cp949"))
        ),
    ]


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def bars(width: int, height: int) -> Image.Image:
    picture = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(picture)
    step = width // 8
    for number, part in enumerate((0.35, 0.5, 0.42, 0.7, 0.9)):
        left = step + number * (step + step // 4)
        draw.rectangle((left, height * (1 - part), left + step, height - 10), fill=(60, 110, 200))
    draw.line((10, height - 10, width - 10, height - 10), fill="black", width=max(2, height // 200))
    return picture


def chart(path: Path) -> Path:
    """As a phone stores it: lying on its side, with a note of which way is up, and far larger than a model sees."""
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = bars(4000, 3000).transpose(Image.Transpose.ROTATE_90)
    return written(path, files.encoded(picture, "JPEG", exif=exif))


def clip(folder: Path) -> Path:
    """Three scenes, each its own picture, with speech under them."""
    speech = files.speech(folder / "clip.wav", "close every window")
    inputs: list[str] = []
    for number, colour in enumerate(("steelblue", "firebrick", "seagreen")):
        picture = Image.new("RGB", (640, 360), colour)
        ImageDraw.Draw(picture).ellipse((60 + number * 180, 120, 180 + number * 180, 240), fill="white")
        slide = written(folder / f"slide{number}.png", files.png(picture))
        inputs += ["-loop", "1", "-t", "2", "-r", "10", "-i", str(slide)]
    path = folder / "clip.mp4"
    files.ffmpeg(
        *inputs,
        "-i",
        str(speech),
        "-filter_complex",
        "[0][1][2]concat=n=3:v=1[v]",
        "-map",
        "[v]",
        "-map",
        "3:a",
        "-pix_fmt",
        "yuv420p",
        str(path),
    )
    return path


def notebook() -> bytes:
    return files.notebook(
        {"cell_type": "markdown", "source": "# Sales of 2026"},
        files.code("df = pd.read_csv('measurements.csv')", files.printed("5 rows\n"), count=1),
        files.code("df['sales'].plot.bar()", files.plot(bars(640, 400)), count=2),
        files.code("df['total'].sum()", files.error("KeyError", "'total'"), count=3),
    )


def table() -> bytes:
    rows = [f"2026-01-{day % 28 + 1:02},{20 + day % 7},{'Seoul' if day % 2 else 'Busan'}" for day in range(800)]
    return "\n".join(["date,temperature,city", *rows]).encode()


if __name__ == "__main__":
    sys.exit(main())
