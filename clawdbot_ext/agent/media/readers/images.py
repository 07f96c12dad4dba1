"""Images: turned upright, scaled to what the model sees, in sRGB, without metadata, in a format that it takes.

The size is read from the header and refused before anything is decoded (``MAX_PIXELS``); of a JPEG no more is decoded
than is needed (``draft``: a half, a quarter or an eighth of its size, never less than asked for). What is sent is
always encoded anew: neither GPS position nor anything hidden behind the picture leaves the machine.
"""

from __future__ import annotations

import io
import math
from typing import Any

from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from ..errors import MediaError
from ..prompt_framing import closing, opening
from ..types import Facts, ImageBlock, ModelSight, Note, Picture, TextBlock, Understood
from ..vision_limits import image_tokens
from ..worker_client import Job, Result
from ..worker_main import Report
from . import tiles
from .pixels import not_finite, srgb

MAX_PIXELS = 100_000_000
"""Of one frame: 400 MB once decoded. Cameras reach 100 million; 20,000 × 20,000 is four times that."""
MAX_ANIMATION_FRAMES = 6
"""Frames sent of an animation or of a TIFF with pages."""
LEGIBLE = 0.3
"""Scaled to less, letters of an ordinary size are gone."""
_LOSSLESS = {"PNG", "GIF", "BMP"}
"""Formats of screenshots and charts, where JPEG would blur the letters."""

Image.MAX_IMAGE_PIXELS = None  # refused by ``_open``, with a text of ours
ImageFile.LOAD_TRUNCATED_IMAGES = False


def probe(job: Job, report: Report) -> Result:
    """Width and height as shown; frames of an animation. Decodes the image once, to know that it can be."""
    with _open(job) as image:
        frames = int(getattr(image, "n_frames", 1))
        _, (width, height), incomplete = _upright(image, job, 64)
        notes = (Note("incomplete"),) if incomplete else ()
        return Result(
            facts=Facts(
                width, height, pages=frames if frames > 1 else None, codec=(image.format or "").lower(), notes=notes
            )
        )


def thumbnail(job: Job, report: Report) -> Result:
    with _open(job) as image:
        return Result(picture=small(_upright(image, job, job.edge)[0], job.edge))


def understand(job: Job, report: Report) -> Result:
    with _open(job) as image:
        frames = int(getattr(image, "n_frames", 1))
        codec = (image.format or "").lower()
        if frames == 1 and job.sight.images and tiles.wanted(image.size, job.sight, job.settings.image_max_edge):
            return _in_tiles(image, job, codec)
        notes: list[Note] = []
        numbers = _sampled(frames, min(MAX_ANIMATION_FRAMES, max(1, job.sight.max_images)))
        if not job.sight.images:
            numbers, notes = [0], [Note("no_vision")]
        blocks: list[ImageBlock] = []
        size = image.size
        for number in numbers:
            image.seek(number)
            picture, shown, incomplete = _upright(image, job, job.sight.image_edge if frames == 1 else 0)
            notes += _flaws(picture, incomplete)
            size = shown if number == 0 else size
            label = f"frame {number + 1} of {frames}" if len(numbers) > 1 else ""
            blocks.append(
                encoded(
                    picture,
                    job.sight,
                    job.settings.image_max_edge,
                    lossless=image.format in _LOSSLESS,
                    label=label,
                    share=len(numbers),
                )
            )
        notes += _notes(image, blocks[0], size, frames, len(numbers), job)
        facts = Facts(size[0], size[1], pages=frames if frames > 1 else None, codec=codec)
    return Result(understood=_understood(job, blocks if job.sight.images else [], size, frames, notes, facts))


def _in_tiles(image: Any, job: Job, codec: str) -> Result:
    """A long page (a screenshot that was scrolled, a panorama) piece by piece, so that it can be read."""
    picture, size, incomplete = _upright(image, job, 0)
    boxes = tiles.boxes(size, job.sight, job.settings.image_max_edge)
    lossless = image.format in _LOSSLESS
    blocks = [
        encoded(
            picture.crop(box),
            job.sight,
            job.settings.image_max_edge,
            lossless=lossless,
            label=f"part {number} of {len(boxes)}",
            share=len(boxes),
        )
        for number, box in enumerate(boxes, 1)
    ]
    notes = [*_flaws(picture, incomplete), Note("tiled", {"width": size[0], "height": size[1], "count": len(boxes)})]
    facts = Facts(size[0], size[1], codec=codec)
    return Result(understood=_understood(job, blocks, size, 1, notes, facts))


def _flaws(picture: Any, incomplete: bool) -> list[Note]:
    notes = [Note("incomplete")] if incomplete else []
    if count := not_finite(picture):
        notes.append(
            Note("not_finite", {"count": count, "percent": f"{100 * count / (picture.width * picture.height):.3g}"})
        )
    return notes


def _understood(
    job: Job, blocks: list[ImageBlock], size: tuple[int, int], frames: int, notes: list[Note], facts: Facts
) -> Understood:
    """The images behind a line that says what they are."""
    text = f"An image of {size[0]} × {size[1]} pixels."
    codes = {note.code: note for note in notes}
    if frames > 1:
        text = f"An animation of {frames} frames of {size[0]} × {size[1]} pixels; {len(blocks)} of them follow."
    if not blocks:
        text += " You cannot see images with this model: say so rather than guess what it shows."
    elif "tiled" in codes:
        text += (
            f" It follows in {len(blocks)} parts from {'top to bottom' if size[1] > size[0] else 'left to right'}, "
            f"each of which begins {tiles.OVERLAP} pixels before the end of the one before."
        )
    elif "scaled" in codes:
        text += f" You see it scaled to {blocks[0].width} × {blocks[0].height}."
        if max(size) * LEGIBLE > max(blocks[0].width, blocks[0].height):
            text += " Small writing cannot be read at this size: say so, and ask for a part of it, rather than guess."
    if "incomplete" in codes:
        text += " The file ends early; the grey part is missing."
    if "not_finite" in codes:
        text += (
            f" {codes['not_finite'].facts['count']} of its pixels are no finite number (NaN or infinity) and shown "
            "black; the others are scaled from their least to their greatest value."
        )
    first = TextBlock(f"{opening(job)}\n{text}" + ("" if blocks else f"\n{closing(job)}"))
    last = (TextBlock(closing(job)),) if blocks else ()
    tokens = 60 + sum(image_tokens(block.width, block.height) for block in blocks)
    return Understood((first, *blocks, *last), tuple(notes), tokens, facts)


def _notes(image: Any, sent: ImageBlock, size: tuple[int, int], frames: int, count: int, job: Job) -> list[Note]:
    notes: list[Note] = []
    if not job.sight.images:
        return notes
    if frames > 1:
        code = "first_page_of_many" if image.format in ("TIFF", "MPO") else "animated"
        notes.append(Note(code, {"frames": frames, "sent": count}))
    if (sent.width, sent.height) != size:
        notes.append(
            Note("scaled", {"from_width": size[0], "from_height": size[1], "width": sent.width, "height": sent.height})
        )
    if job.mime_type not in ("image/png", "image/jpeg", "image/gif", "image/webp"):
        notes.append(Note("converted", {"original": job.mime_type, "sent": sent.mime_type}))
    return notes


def _open(job: Job) -> Any:
    """The image, its size checked and nothing decoded.

    Raises:
        MediaError: ``MEDIA_CORRUPT``, ``MEDIA_TOO_MANY_PIXELS``, or ``MEDIA_NEEDS`` for HEIC without its extra.
    """
    if job.mime_type == "image/heic":
        _register_heif(job)
    try:
        image = Image.open(job.path, formats=_formats(job.mime_type))
        width, height = image.size
    except UnidentifiedImageError:
        raise MediaError("MEDIA_CORRUPT") from None
    check_pixels(width, height)
    return image


def check_pixels(width: int, height: int) -> None:
    """Raises ``MEDIA_TOO_MANY_PIXELS``; call it before decoding."""
    if width * height > MAX_PIXELS:
        raise MediaError("MEDIA_TOO_MANY_PIXELS", width=width, height=height, limit=MAX_PIXELS // 1_000_000)


def _upright(image: Any, job: Job, edge: int) -> tuple[Any, tuple[int, int], bool]:
    """The current frame turned upright, its size as people see it, and whether its end is missing.

    With ``edge``, a JPEG may come smaller than it is, but not smaller than that many pixels.
    """
    whole = image.size
    if edge:
        image.draft("RGB", (edge, edge))
    loaded, incomplete = decoded(image, job)
    picture = ImageOps.exif_transpose(loaded)
    if image.format not in ("JPEG", "MPO") or incomplete:
        return picture, picture.size, incomplete
    lying = loaded.getexif().get(0x0112, 1) in (5, 6, 7, 8)
    return picture, (whole[1], whole[0]) if lying else whole, incomplete


def _formats(mime_type: str) -> list[str]:
    """Only the decoder that the bytes asked for: every other one is surface for an attack."""
    return [{"image/heic": "HEIF"}.get(mime_type, mime_type.partition("/")[2].upper())]


def _register_heif(job: Job) -> None:
    try:
        import pillow_heif
    except ImportError:
        raise MediaError("MEDIA_NEEDS", type=job.mime_type, extra="heic", instead="JPEG, PNG") from None
    pillow_heif.register_heif_opener()


def decoded(image: Any, job: Job) -> tuple[Any, bool]:
    """The current frame, decoded, and whether its end is missing.

    Of a file that ends early what there is is used, when it is at least the top of the picture.

    Raises:
        MediaError: ``MEDIA_TRUNCATED``, ``MEDIA_CORRUPT``.
    """
    try:
        image.load()
    except (OSError, SyntaxError, ValueError, EOFError, IndexError) as exc:
        if "truncated" not in str(exc) and not isinstance(exc, EOFError):
            raise MediaError("MEDIA_CORRUPT") from None
        return _partly(job), True
    return image, False


def _partly(job: Job) -> Any:
    """The readable part of a truncated picture. Raises ``MEDIA_TRUNCATED`` when there is none."""
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    try:
        image = Image.open(job.path, formats=_formats(job.mime_type))
        image.load()
    except (OSError, SyntaxError, ValueError, EOFError, IndexError):
        raise MediaError("MEDIA_TRUNCATED") from None
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = False
    extrema = image.convert("L").getextrema()
    if extrema[0] == extrema[1]:  # one colour all over: nothing of the picture is there
        raise MediaError("MEDIA_TRUNCATED")
    return image


def _sampled(frames: int, most: int) -> list[int]:
    """Frame numbers spread over an animation, the first and last among them."""
    if frames <= most:
        return list(range(frames))
    return sorted({round(i * (frames - 1) / max(1, most - 1)) for i in range(most)})


def fitting(width: int, height: int, edge: int, tokens: int) -> tuple[int, int]:
    """The largest size of the same shape within ``edge`` pixels and ``tokens``; never larger than it is."""
    scale = min(1.0, edge / max(width, height))
    while True:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        cost = image_tokens(*size)
        if cost <= tokens or max(size) <= 28:
            return size
        scale *= min(0.99, math.sqrt(tokens / cost))


def encoded(
    picture: Any, sight: ModelSight, max_edge: int = 0, *, lossless: bool = False, label: str = "", share: int = 1
) -> ImageBlock:
    """A decoded picture as the model takes it.

    Args:
        max_edge: the setting ``media.image.maxEdge``; 0 for the model's own limit.
        lossless: it has letters or lines, so PNG is tried first.
        share: among how many images the token budget is shared.
    """
    edge = min(sight.image_edge, max_edge or sight.image_edge)
    tokens = min(sight.image_tokens, max(64, sight.tokens // share))
    picture = srgb(picture)
    while True:
        size = fitting(picture.width, picture.height, edge, tokens)
        scaled = picture if size == picture.size else picture.resize(size, Image.Resampling.LANCZOS)
        data, mime = _bytes(scaled, sight.image_bytes, lossless)
        if len(data) <= sight.image_bytes or edge < 200:
            return ImageBlock(data, mime, size[0], size[1], label)
        edge = int(max(size) * 0.8)


def small(picture: Any, edge: int) -> Picture:
    """A thumbnail: WebP, which keeps transparency and is a third of a PNG."""
    picture = srgb(picture)
    picture.thumbnail((edge, edge), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    picture.save(out, "WEBP", quality=80, method=3)
    return Picture(out.getvalue(), "image/webp", picture.width, picture.height)


def _bytes(picture: Any, most: int, lossless: bool) -> tuple[bytes, str]:
    """The encoded picture: PNG where that is exact and small enough, WebP with transparency, else JPEG."""
    if lossless or picture.mode == "RGBA":
        out = io.BytesIO()
        picture.save(out, "PNG", optimize=picture.width * picture.height < 1_000_000)
        if out.tell() <= most:
            return out.getvalue(), "image/png"
    out = io.BytesIO()
    if picture.mode == "RGBA":
        picture.save(out, "WEBP", quality=90)
        return out.getvalue(), "image/webp"
    picture.save(out, "JPEG", quality=88, optimize=True)
    return out.getvalue(), "image/jpeg"
