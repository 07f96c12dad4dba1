"""Cutting a long image into parts: scaled down whole, a page of twenty screens would be 85 pixels wide."""

from __future__ import annotations

import math

from ..types import ModelSight
from ..vision_limits import PATCH, image_tokens

TALL, WIDE = 2.5, 4.0
"""Beyond these ratios of its sides an image is a strip, which is read along its length: a page that was scrolled, a
chart of a long time. A panorama of a landscape is none yet."""
READABLE = 0.6
"""A strip whose whole is scaled to less is cut."""
SMALLEST = 0.4
"""Parts are not scaled to less."""
OVERLAP = 40
"""Pixels of the image that two neighbours share: a line of text is whole in one of them."""
SHARE = 0.9
"""The part of the tokens for an attachment that the parts may take."""


def wanted(image: tuple[int, int], sight: ModelSight, max_edge: int = 0) -> bool:
    """Report whether an image of this size goes in parts: as one it would be too small, and parts can be had."""
    width, height = image
    edge = min(sight.image_edge, max_edge or sight.image_edge)
    strip = height > TALL * width or width > WIDE * height
    return strip and edge < READABLE * max(image) and len(boxes(image, sight, max_edge)) > 1


def boxes(image: tuple[int, int], sight: ModelSight, max_edge: int = 0) -> list[tuple[int, int, int, int]]:
    """The parts of an image, in order, as ``(left, top, right, bottom)``; none where there would be too many."""
    width, height = image
    long, short = max(image), min(image)
    edge = min(sight.image_edge, max_edge or sight.image_edge)
    for percent in range(100, int(SMALLEST * 100) - 1, -5):
        scale = percent / 100
        across = math.ceil(short * scale / PATCH)
        along = min(edge, sight.image_tokens // across * PATCH) / scale
        if short * scale > edge or along <= 3 * OVERLAP:
            continue
        count = max(1, math.ceil((long - OVERLAP) / (along - OVERLAP)))
        step = (long - OVERLAP) / count
        size = step + OVERLAP
        cost = count * image_tokens(math.ceil(short * scale), math.ceil(size * scale))
        if count <= sight.max_images and cost <= sight.tokens * SHARE:
            ends = [(round(number * step), min(long, round(number * step + size))) for number in range(count)]
            return [(0, a, width, b) if height > width else (a, 0, b, height) for a, b in ends]
    return []
