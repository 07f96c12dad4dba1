"""Jupyter notebooks of any version: cells in order, with their outputs, pictures and errors, the heavy ones trimmed.

Read as JSON; old formats are upgraded. Nothing of it is executed or rendered: HTML goes to the model as
text, and scripts not at all.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

import msgspec

from ....text_decoding import decode
from ...context.token_estimate import estimate
from ..errors import MediaError
from ..prompt_framing import closing, opening, shortened, trim
from ..types import Block, Facts, ImageBlock, Note, TextBlock, Understood
from ..vision_limits import image_tokens
from ..worker_client import Job, Result
from ..worker_main import Report
from .notebook_text import names_an_object, without_images, without_tags
from .old_notebooks import upgraded
from .text_screen import final_state

OUTPUT_TOKENS = 600
"""Limit on one output; a million printed lines say no more."""
TRACEBACK_TOKENS = 1500
SOURCE_TOKENS = 8000
IMAGE_EDGE = 1000
"""Plots are seen well at this size."""
_PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")
_TEXTS = ("text/markdown", "text/latex", "text/plain", "text/html", "application/json", "image/svg+xml")
"""MIME types in order of preference; a table's plain text is shorter than its HTML."""


def probe(job: Job, report: Report) -> Result:
    notebook = _read(job)
    return Result(facts=Facts(pages=len(notebook["cells"]), codec=f"nbformat {notebook['nbformat']}"))


def understand(job: Job, report: Report) -> Result:
    notebook = _read(job)
    return Result(understood=_Description(job, notebook).understood())


def _read(job: Job) -> dict[str, Any]:
    """The notebook in nbformat 4. Raises ``MEDIA_CORRUPT`` (``json``), ``MEDIA_TRUNCATED``, ``MEDIA_EMPTY``."""
    content = decode(Path(job.path).read_bytes()).text.removeprefix("\ufeff")
    try:
        notebook = _parsed(content)
    except (msgspec.DecodeError, RecursionError) as exc:
        if "truncated" in str(exc):
            raise MediaError("MEDIA_TRUNCATED") from None
        raise MediaError("MEDIA_CORRUPT", variant="json", detail=str(exc)[:200]) from None
    if not isinstance(notebook, dict) or not isinstance(notebook.get("nbformat"), int):
        raise MediaError("MEDIA_CORRUPT", variant="json", detail="it has no nbformat")
    if notebook["nbformat"] < 4:
        notebook = upgraded(notebook)
    if not isinstance(notebook.get("cells"), list):
        raise MediaError("MEDIA_CORRUPT", variant="json", detail="it has no cells")
    if not notebook["cells"]:
        raise MediaError("MEDIA_EMPTY")
    return dict(notebook)


def _parsed(content: str) -> Any:
    """The JSON, strictly; else as Python writes it: with NaN and Infinity, which stay text, and half characters.

    Raises ``msgspec.DecodeError``.
    """
    try:
        return msgspec.json.decode(content)
    except msgspec.DecodeError:
        try:
            return json.loads(content, strict=False, parse_constant=str)
        except ValueError:
            pass
        raise


class _Description:
    """The blocks of one notebook, cell by cell, until the budget ends."""

    def __init__(self, job: Job, notebook: dict[str, Any]):
        self.job, self.notebook = job, notebook
        self.blocks: list[Block] = []
        self.text = ""
        self.left = job.sight.tokens
        self.pictures = 0
        self.trimmed = self.sources_cut = 0

    def understood(self) -> Understood:
        cells = self.notebook["cells"]
        self._say(self._introduction())
        shown = 0
        for number, cell in enumerate(cells, 1):
            if self.left <= 0:
                break
            if isinstance(cell, Mapping):
                self._cell(number, cell)
            shown += 1
        notes = []
        if self.trimmed:
            notes.append(Note("outputs_trimmed", {"count": self.trimmed}))
        if self.sources_cut:
            notes.append(Note("sources_trimmed", {"count": self.sources_cut}))
        if shown < len(cells):
            notes.append(Note("cells_trimmed", {"shown": shown, "total": len(cells)}))
            self._say(f"\n[cut here for length: {len(cells) - shown} of {len(cells)} cells more]")
        self.blocks.append(TextBlock(f"{self.text}\n{closing(self.job)}".strip(), shown < len(cells)))
        tokens = sum(estimate(block.text) if isinstance(block, TextBlock) else _cost(block) for block in self.blocks)
        facts = Facts(pages=len(cells), codec=f"nbformat {self.notebook['nbformat']}")
        return Understood(tuple(self.blocks), tuple(notes), tokens, facts)

    def _introduction(self) -> str:
        metadata = _mapping(self.notebook.get("metadata"))
        language = (
            _mapping(metadata.get("language_info")).get("name")
            or _mapping(metadata.get("kernelspec")).get("language")
            or "an unknown language"
        )
        cells = [cell for cell in self.notebook["cells"] if isinstance(cell, Mapping)]
        errors = [
            str(i)
            for i, cell in enumerate(cells, 1)
            for output in _outputs(cell)
            if output.get("output_type") == "error"
        ]
        counts = [cell["execution_count"] for cell in cells if isinstance(cell.get("execution_count"), int)]
        facts = f"A Jupyter notebook in {language} with {len(cells)} cells (nbformat {self.notebook['nbformat']})."
        if errors:
            facts += f" Errors in cell {', '.join(dict.fromkeys(errors))}."
        if counts and counts != sorted(counts):
            facts += " Its cells were not run from top to bottom: see the numbers in brackets."
        return f"{opening(self.job)}\n{facts}"

    def _say(self, text: str) -> None:
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")  # JSON may have half characters
        self.text += ("\n" if self.text else "") + text
        self.left -= estimate(text)

    def _cell(self, number: int, cell: Mapping[str, Any]) -> None:
        kind = str(cell.get("cell_type") or "raw")
        count = cell.get("execution_count")
        run = f" [{count}]" if isinstance(count, int) else " [not run]" if kind == "code" else ""
        source, images = without_images(_joined(cell.get("source")))
        source, left_out = trim(source, SOURCE_TOKENS)
        self.sources_cut += bool(left_out)
        self._say(f"\n[cell {number}: {kind}{run}]\n{source}" + (f"\n… {left_out} characters more" if left_out else ""))
        for name, files in _mapping(cell.get("attachments")).items():
            images += [(mime, _joined(data), f"attachment:{name}") for mime, data in _mapping(files).items()]
        self._images(number, images)
        outputs = list(_merged(_outputs(cell)))
        for at, output in enumerate(outputs):
            if self.left <= 0:
                self.trimmed += len(outputs) - at
                self._say(f"[cut here for length: {len(outputs) - at} outputs of this cell more]")
                return
            self._output(number, output)

    def _images(self, number: int, images: list[tuple[str, str, str]]) -> None:
        """Images inside a text, behind it; a line for each that cannot be shown."""
        for mime, data, name in images:
            if not self._picture(number, mime, data, name):
                self._say(f"[{name}: {mime}, not shown]")

    def _output(self, number: int, output: Mapping[str, Any]) -> None:
        kind = output.get("output_type")
        if kind == "stream":
            self._shortened(str(output.get("name") or "output"), final_state(_joined(output.get("text"))))
        elif kind == "error":
            trace = output.get("traceback")
            text = "\n".join(map(str, trace)) if isinstance(trace, list) else ""
            text = final_state(text) or f"{output.get('ename')}: {output.get('evalue')}"
            self._shortened("error", text, TRACEBACK_TOKENS)
        else:
            data = _mapping(output.get("data"))
            for mime in _PICTURES:
                if mime in data and self._picture(number, mime, data[mime], "output"):
                    return
                if mime in data and any(name in data for name in _TEXTS):
                    self._say(f"[output: {mime}, not shown]")
            self._data(number, data)

    def _data(self, number: int, data: Mapping[str, Any]) -> None:
        texts = [name for name in _TEXTS if name in data]
        if len(texts) > 1 and texts[0] == "text/plain" and names_an_object(_joined(data["text/plain"])):
            texts = [*texts[1:], "text/plain"]
        if not texts:
            if data:
                self.trimmed += 1
                self._say(f"[output: {shortened(', '.join(sorted(map(str, data))), 200)}, not shown]")
            return
        value = data[texts[0]]
        text = _joined(value) if isinstance(value, str | list) else json.dumps(value, ensure_ascii=False)
        text, images = without_images(text)
        if texts[0] == "text/html":
            text = without_tags(text)
        self._shortened("output", final_state(text))
        self._images(number, images)

    def _shortened(self, label: str, text: str, tokens: int = OUTPUT_TOKENS) -> None:
        """An output's beginning and end: the end of a log says how it went."""
        if estimate(text) > tokens:
            head, _ = trim(text, tokens * 2 // 3)
            tail = trim(text[::-1], tokens // 3)[0][::-1]
            self.trimmed += 1
            text = f"{head}\n… {max(0, len(text) - len(head) - len(tail))} characters left out …\n{tail}"
        self._say(f"[{label}]\n{text.rstrip()}")

    def _picture(self, number: int, mime: str, value: Any, name: str) -> bool:
        """Add an image; ``False`` when it cannot be, and what it says as text has to do."""
        sight = self.job.sight
        if not sight.images or self.pictures >= sight.max_images:
            self.trimmed += 1
            return False
        block = _decoded(self.job, mime, _joined(value), number)
        if block is None or _cost(block) > self.left:
            self.trimmed += 1
            return False
        self._say(f"[{name}: a picture of {block.width} × {block.height} pixels]")
        self.blocks += [TextBlock(self.text.strip()), block]
        self.text, self.pictures, self.left = "", self.pictures + 1, self.left - _cost(block)
        return True


def _decoded(job: Job, mime: str, encoded: str, number: int) -> ImageBlock | None:
    if mime not in _PICTURES:
        return None
    try:
        from PIL import Image

        from . import images
    except ImportError:  # the extra ``media``
        return None
    try:
        data = base64.b64decode(encoded, validate=False)
        picture = Image.open(io.BytesIO(data), formats=[mime.partition("/")[2].upper()])
        images.check_pixels(*picture.size)
        picture.load()
    except (binascii.Error, OSError, SyntaxError, ValueError, EOFError, MediaError):
        return None
    sight = msgspec.structs.replace(job.sight, image_edge=min(IMAGE_EDGE, job.sight.image_edge))
    return images.encoded(
        picture, sight, job.settings.image_max_edge, lossless=mime == "image/png", label=f"cell {number}"
    )


def _cost(block: Block) -> int:
    return image_tokens(block.width, block.height) if isinstance(block, ImageBlock) else 0


def _outputs(cell: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    outputs = cell.get("outputs")
    return (output for output in outputs if isinstance(output, Mapping)) if isinstance(outputs, list) else iter(())


def _merged(outputs: Iterator[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Outputs with the pieces of one stream put together: a progress bar comes in many."""
    for stream, group in groupby(
        outputs, lambda output: output.get("output_type") == "stream" and [output.get("name")]
    ):
        if stream is False:
            yield from group
        else:
            pieces = list(group)
            yield {**pieces[0], "text": "".join(_joined(piece.get("text")) for piece in pieces)}


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _joined(value: Any) -> str:
    """nbformat's multi-line strings: a string, or a list of lines with their ends."""
    return "".join(map(str, value)) if isinstance(value, list) else value if isinstance(value, str) else ""
