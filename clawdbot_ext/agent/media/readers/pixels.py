"""Pixels as they are shown: in sRGB, eight bits a channel, upright pictures of any mode."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image, ImageMath

GREATEST = 3.4e38
"""About the largest float of 32 bits."""


def srgb(picture: Any) -> Any:
    """The picture in sRGB, as RGB or (where something is transparent) RGBA, and with no metadata."""
    transparent = picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info
    profile = picture.info.get("icc_profile")
    if picture.mode in ("I;16", "I;16B", "I", "F"):
        picture = _eight_bits(picture)
    if profile and picture.mode in ("RGB", "RGBA", "CMYK", "L"):
        picture = _converted(picture, profile)
    mode = "RGBA" if transparent else "RGB"
    picture = picture if picture.mode == mode else picture.convert(mode)
    if transparent and picture.getchannel("A").getextrema()[0] == 255:
        picture = picture.convert("RGB")
    if picture.info:
        picture = picture.copy()
        picture.info = {}
    return picture


def _converted(picture: Any, profile: bytes) -> Any:
    """From the colours of an ICC profile to sRGB; as it is when the profile is damaged."""
    from PIL import ImageCms

    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = "RGBA" if picture.mode == "RGBA" else "RGB"
        return ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"), outputMode=mode)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return picture


def not_finite(picture: Any) -> int:
    """The number of pixels that are no finite number (NaN, infinity); only images of floats have such."""
    if picture.mode != "F":
        return 0
    finite: int = _finite(picture).histogram()[255]
    return int(picture.width * picture.height - finite)


def _finite(picture: Any) -> Any:
    """A mask, white where an image of floats has a finite number: a comparison with NaN is false."""
    return ImageMath.lambda_eval(lambda at: at["convert"]((abs(at["picture"]) < GREATEST) * 255, "L"), picture=picture)


def _eight_bits(picture: Any) -> Any:
    """Scientific images (16 bits, floats) stretched to what can be shown; what is not finite is black."""
    picture = picture.convert("F")
    mask = _finite(picture).convert("1")
    low = _filled(picture, mask, GREATEST).getextrema()[0]
    high = _filled(picture, mask, -GREATEST).getextrema()[1]
    if not low < high:
        return mask.convert("L").point(lambda value: value // 2)
    shown = _filled(picture, mask, low)
    return shown.point(lambda value: value * (255 / (high - low)) - low * 255 / (high - low)).convert("L")


def _filled(picture: Any, mask: Any, value: float) -> Any:
    """The picture with ``value`` wherever the mask is black."""
    filled = Image.new("F", picture.size, value)
    filled.paste(picture, None, mask)
    return filled
