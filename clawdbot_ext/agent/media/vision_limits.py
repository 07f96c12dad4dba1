"""Limits of Claude models on images and PDFs.

Source: *Images and vision* and *PDF support* at platform.claude.com/docs (read 2026-11); what one image of the higher
resolution may cost is not from there, but what its documented 3.75 megapixels come to. An image costs one token for
each 28 × 28 pixels, rounded up at either side; beyond the model's native resolution the server scales it down, so more
than that is only upload. The native resolution is 1,568 px at the long side and about as many tokens; from Opus 4.7 on
2,576 px and some 4,800 tokens. Images over 8,000 px at a side are refused, and over 2,000 px where a request has more
than 20. One image may have 5 MB in base64 on every platform. A request has 32 MB at most, and 100 PDF pages with a
window of 200,000 tokens, 600 with a larger one; a page costs 1,500–3,000 tokens of text and an image besides; a PDF
with a password is refused. Formats: JPEG, PNG, GIF, WebP.
"""

from __future__ import annotations

import math

from ..known_models import lookup
from ..providers.base import ModelInfo
from .types import ModelSight

PATCH = 28
"""Pixels at a side that make one token."""
SMALL_WINDOW = 200_000
_STANDARD_RESOLUTION = frozenset({"claude-opus-4-6", "claude-sonnet-4-6", "claude-haiku-4-5", "claude-opus-4-5"})
_MANY = 20
_MANY_EDGE = 2000
SHARE = 0.4
"""The part of the window that all attachments of a message may take together."""
MOST_TOKENS = 120_000
"""… and no more than this, since tokens cost money."""


def image_tokens(width: int, height: int) -> int:
    """The cost in tokens of an image of this size."""
    return math.ceil(width / PATCH) * math.ceil(height / PATCH)


def sight_of(model: ModelInfo, *, attachments: int = 1, images_before: int = 0) -> ModelSight:
    """The limits of ``model`` on one of ``attachments`` sent together.

    ``images_before`` counts the images that the conversation has already: past 20 in a request they must be smaller.
    A model that is not Claude's is believed when it says that it sees images, and given pages and text for PDFs.
    """
    images = "image" in model.input
    claude = lookup(model.id) is not None or "claude" in model.id.lower()
    high = claude and not _standard(model.id)
    edge, tokens = (2576, 4784) if high else (1568, 1568)
    count = max(1, attachments)
    most = max(1, (_MANY - min(images_before, _MANY - 1)) // count) if images else 0
    if images_before >= _MANY or count > _MANY:
        edge = min(edge, _MANY_EDGE)
    budget = min(MOST_TOKENS, int(model.context_window * SHARE)) // count
    return ModelSight(
        images=images,
        documents=images and claude,
        image_edge=edge,
        image_tokens=tokens,
        max_images=most,
        pdf_pages=100 if model.context_window <= SMALL_WINDOW else 600,
        pdf_bytes=20_000_000 // count,
        tokens=max(1000, budget),
    )


def _standard(model_id: str) -> bool:
    """Report whether the model is older than the higher resolution."""
    known = lookup(model_id)
    return known.id in _STANDARD_RESOLUTION if known is not None else "claude-3" in model_id or "-4-2" in model_id
