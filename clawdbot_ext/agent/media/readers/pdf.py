"""PDF: as it is for models that read PDFs, else its text and pictures of its pages. By PDFium (pypdfium2).

A long document is cut to the pages asked for, or to as many from the first as the budget holds. A page is rendered at
the size that is sent, so its dimensions cannot make it large.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pypdfium2
from pypdfium2 import raw

from ...context.token_estimate import estimate
from ..errors import MediaError
from ..prompt_framing import closing, opening, trim
from ..types import Block, DocumentBlock, Facts, ImageBlock, Note, Progress, TextBlock, Understood
from ..vision_limits import image_tokens
from ..worker_client import Job, Result
from ..worker_main import Report
from . import images
from .pdf_extras import MARKS, embedded_files, filled_in, flattened

PAGE_IMAGE_TOKENS = 1568
"""Tokens of a page's picture where the server makes it (by its documentation: as an image, besides the text)."""
SPARSE = 20
"""Pages with fewer characters than this are shown as pictures before others: a slide, a full-page figure."""
SCANNED = 4
"""A page with fewer characters than this has no text: page numbers alone have more, with what scanners stamp on."""


def probe(job: Job, report: Report) -> Result:
    document = _open(job)
    text = _text(document, 0)
    notes = (Note("scanned"),) if len(text) < SCANNED and _has_picture(document) else ()
    return Result(facts=Facts(pages=len(document), codec="pdf", notes=notes))


def thumbnail(job: Job, report: Report) -> Result:
    return Result(picture=images.small(_rendered(_open(job), 0, job.edge, 1_000_000), job.edge))


def understand(job: Job, report: Report) -> Result:
    document = _open(job)
    total = len(document)
    native = job.sight.documents and job.settings.pdf_mode == "auto"
    with_images = job.sight.images and job.settings.pdf_mode != "text"
    texts = list(_within_budget(document, job, PAGE_IMAGE_TOKENS if native else 0, report))
    if not texts:
        raise MediaError("MEDIA_NO_PAGES", variant="range", pages=total)
    first = texts[0][0]
    notes: list[Note] = []
    scanned = all(len(text) < SCANNED for _, text in texts)
    if scanned and not with_images:
        notes.append(Note("scanned_blind"))
    elif scanned:
        notes.append(Note("scanned"))
    data = _as_pdf(document, job, first, len(texts)) if native else None
    if data is not None:
        blocks, tokens = _document(job, data, first, texts, total)
    else:
        blocks, tokens, shown, left_out = _pages(document, job, texts, total, with_images, report)
        texts = texts[:shown]
        count = sum(isinstance(block, ImageBlock) for block in blocks)
        notes.append(Note("as_pages" if count else "as_text"))
        if 0 < count < len(texts):
            notes.append(Note("page_pictures", {"count": count, "total": len(texts)}))
        if left_out:
            notes.append(Note("page_cut", {"page": texts[-1][0] + 1, "count": left_out}))
    notes += embedded_files(document)
    last = texts[-1][0]
    if (first, last) != (0, total - 1):
        more = last + 2 if last + 1 < total else 1
        notes.insert(
            0,
            Note(
                "pages",
                {
                    "first": first + 1,
                    "last": last + 1,
                    "total": total,
                    "next": more,
                    "next_last": min(total, more + len(texts) - 1),
                },
            ),
        )
    return Result(understood=Understood(blocks, tuple(notes), tokens, Facts(pages=total, codec="pdf")))


def _open(job: Job) -> Any:
    """The document.

    Raises:
        MediaError: ``MEDIA_ENCRYPTED``, ``MEDIA_TRUNCATED``, ``MEDIA_CORRUPT``, ``MEDIA_NO_PAGES``.
    """
    try:
        document = pypdfium2.PdfDocument(job.path)
        document.init_forms()  # before any page is opened: else forms are drawn empty
        pages = len(document)
    except pypdfium2.PdfiumError as exc:
        if "assword" in str(exc) or "ecurity" in str(exc):
            raise MediaError("MEDIA_ENCRYPTED") from None
        raise MediaError(_why(job)) from None
    if not pages:
        raise MediaError("MEDIA_NO_PAGES")
    return document


def _why(job: Job) -> str:
    """The code of a document that PDFium refuses: it has no pages, no end, or is damaged."""
    with Path(job.path).open("rb") as file:
        head = file.read(65_536)
        file.seek(max(0, job.size - 2048))
        tail = file.read()
    if b"%%EOF" not in tail:
        return "MEDIA_TRUNCATED"
    return "MEDIA_NO_PAGES" if re.search(rb"/Count\s+0\b", head + tail) else "MEDIA_CORRUPT"


def _text(document: Any, number: int) -> str:
    """The text of a page, counted from 0, and what is filled in and commented on it; empty where it is damaged."""
    try:
        page = document[number]
        text: str = page.get_textpage().get_text_bounded()
    except pypdfium2.PdfiumError:
        return ""
    text = text.replace("\r\n", "\n").replace("\ufffe", "-").replace("\x00", "").strip()
    return "\n".join(filter(None, [text, *filled_in(document, page)]))


def _has_picture(document: Any) -> bool:
    try:
        return any(True for _ in document[0].get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE], max_depth=2))
    except pypdfium2.PdfiumError:
        return False


def _within_budget(document: Any, job: Job, per_page: int, report: Report) -> Iterator[tuple[int, str]]:
    """Page numbers from 0 with their texts: those asked for, as far as the budget and the limits reach.

    The first page is always among them. What was asked for may be up to the limit of pages; by default, too.
    """
    first, last = job.pages or (1, len(document))
    last = min(last, len(document), first - 1 + min(job.settings.pdf_max_pages, job.sight.pdf_pages))
    left = job.sight.tokens
    for number in range(first - 1, last):
        text = _text(document, number)
        left -= estimate(text) + per_page + 10
        if left < 0 and number > first - 1:
            return
        yield number, text
        if number % 10 == 9:
            report(Progress("read", (number - first + 2) / max(1, last - first + 1), f"{number + 1}/{len(document)}"))


# -- for models that read PDFs ----------------------------------------------------------------------------------------
def _as_pdf(document: Any, job: Job, first: int, count: int) -> bytes | None:
    """The chosen pages as a PDF without encryption; ``None`` when it is larger than the model takes."""
    locked = raw.FPDF_GetSecurityHandlerRevision(document.raw) != -1
    if count == len(document) and not locked:
        return Path(job.path).read_bytes() if job.size <= job.sight.pdf_bytes else None
    out = io.BytesIO()
    part = pypdfium2.PdfDocument.new()
    try:
        part.import_pages(
            flattened(job.path, range(first, first + count)) or document, pages=list(range(first, first + count))
        )
        part.save(out)
    except pypdfium2.PdfiumError:
        return None
    return out.getvalue() if out.tell() <= job.sight.pdf_bytes else None


def _document(
    job: Job, data: bytes, first: int, texts: list[tuple[int, str]], total: int
) -> tuple[tuple[Block, ...], int]:
    told = _extent(first, len(texts), total) + " It follows as a PDF."
    tokens = sum(estimate(text) + PAGE_IMAGE_TOKENS for _, text in texts)
    return (
        TextBlock(f"{opening(job)}\n{told}{_marks(texts)}"),
        DocumentBlock(data, "application/pdf", job.name, len(texts), first + 1),
        TextBlock(closing(job)),
    ), tokens


def _marks(texts: list[tuple[int, str]]) -> str:
    """Values of forms and comments, which a picture of the page does not always show."""
    lines = [
        f"[page {number + 1}] {line}" for number, text in texts for line in text.split("\n") if line.startswith(MARKS)
    ]
    return "\n" + "\n".join(lines) if lines else ""


def _extent(first: int, count: int, total: int) -> str:
    if count == total:
        return f"A PDF document of {total} page{'s' if total > 1 else ''}."
    return (
        f"Pages {first + 1} to {first + count} of a PDF document of {total} pages; you do not see the others. "
        f"The first page that you see is page {first + 1}."
    )


# -- for all others ---------------------------------------------------------------------------------------------------
def _pages(
    document: Any, job: Job, texts: list[tuple[int, str]], total: int, with_images: bool, report: Report
) -> tuple[tuple[Block, ...], int, int, int]:
    """The pages one by one: text, and pictures of as many as the budget allows, those without text first.

    Returns the blocks, their tokens, how many of the pages are in them, and the characters cut off the last one.
    """
    pictures = _pictures(document, job, texts, report) if with_images else {}
    told = _extent(texts[0][0], len(texts), total) + (
        f" Its text follows, with pictures of {len(pictures)} of these {len(texts)} pages."
        if pictures
        else " Only its text follows; you do not see its pages."
    )
    blocks: list[Block] = []
    text, left_out, shown = f"{opening(job)}\n{told}", 0, 0
    left = max(500, job.sight.tokens - sum(image_tokens(p.width, p.height) for p in pictures.values()))
    tokens = job.sight.tokens - left if pictures else 0
    for number, words in texts:
        shown += 1
        kept, left_out = trim(words, left)
        left -= estimate(kept) + 6
        text += f"\n\n[page {number + 1}]\n" + (kept or "(no text)")
        if number in pictures:
            blocks += [TextBlock(text.strip()), pictures[number]]
            text = ""
        if left_out or left <= 0:
            text += f"\n[cut here for length: {left_out} characters of this page more]" if left_out else ""
            break
    blocks.append(TextBlock(f"{text}\n{closing(job)}".strip(), bool(left_out)))
    tokens += sum(estimate(block.text) for block in blocks if isinstance(block, TextBlock))
    return tuple(blocks), tokens, shown, left_out


def _pictures(document: Any, job: Job, texts: list[tuple[int, str]], report: Report) -> dict[int, ImageBlock]:
    words = sum(estimate(text) for _, text in texts)
    room = max(job.sight.tokens - words, job.sight.tokens // 2)
    most = min(job.sight.max_images, max(1, room // 800))
    wanted = sorted(texts, key=lambda page: (len(page[1]) >= SPARSE, page[0]))[:most]
    made = {}
    for done, (number, _) in enumerate(sorted(wanted)):
        report(Progress("read", done / len(wanted), f"{number + 1}/{len(document)}"))
        try:
            picture = _rendered(document, number, job.sight.image_edge, job.sight.image_tokens)
        except pypdfium2.PdfiumError:
            continue
        sight = msgspec.structs.replace(job.sight, tokens=room)
        made[number] = images.encoded(
            picture, sight, job.settings.image_max_edge, lossless=True, label=f"page {number + 1}", share=len(wanted)
        )
    return made


def _rendered(document: Any, number: int, edge: int, tokens: int) -> Any:
    """A picture of a page, at most ``edge`` pixels at either side."""
    page = document[number]
    width, height = (max(1.0, float(side)) for side in page.get_size())
    wanted = images.fitting(round(width * 4), round(height * 4), edge, tokens)
    scale = min(wanted[0] / width, wanted[1] / height)
    if width * scale < 1 or height * scale < 1:  # thousands of times longer than wide
        raise MediaError("MEDIA_CORRUPT")
    return page.render(scale=scale).to_pil()
