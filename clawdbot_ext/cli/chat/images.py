"""Images in terminals that can show them: kitty's protocol, iTerm2's, or sixel.

Detection goes by what terminals say of themselves in the environment, and is conservative: where it is not sure (in
tmux, in a pipe, in a terminal that is not known) there is a line of text instead. Nothing is ever asked of the
terminal, since its answer would end up in what the user types.
"""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Literal

from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import ControlType, Segment

if TYPE_CHECKING:
    from PIL.Image import Image

Protocol = Literal["kitty", "iterm", "sixel"]
MAX_WIDTH, MAX_HEIGHT = 480, 320
"""Pixels of a picture in the conversation: some 50 columns and 16 lines."""
COLOURS = 128
_KITTY_CHUNK = 4096


def protocol(environment: Mapping[str, str] = os.environ) -> Protocol | None:
    """The image protocol of this terminal, if it surely has one."""
    term, program = environment.get("TERM", ""), environment.get("TERM_PROGRAM", "")
    if "TMUX" in environment or term.startswith(("screen", "tmux", "dumb")) or "STY" in environment:
        return None
    if term in ("xterm-kitty", "xterm-ghostty") or "KITTY_WINDOW_ID" in environment or program == "ghostty":
        return "kitty"
    if program in ("iTerm.app", "WezTerm") or environment.get("LC_TERMINAL") == "iTerm2":
        return "iterm"
    if term.startswith(("foot", "mlterm", "contour")) or "sixel" in term:
        return "sixel"
    return None


class Picture:
    """An image as something that Rich prints."""

    def __init__(self, escape: str):
        self._escape = escape

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        # As a control segment the sequence is neither measured nor cut to the width of the terminal.
        yield Segment(self._escape, None, [(ControlType.CARRIAGE_RETURN,)])
        yield Segment.line()


def picture(data: bytes, how: Protocol) -> Picture | None:
    """``None`` for bytes that are no image."""
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:  # the extra ``media``
        return None
    try:
        with Image.open(io.BytesIO(data)) as opened:
            image = opened.convert("RGB")
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError):
        return None
    image.thumbnail((MAX_WIDTH, MAX_HEIGHT))
    return Picture({"kitty": _kitty, "iterm": _iterm, "sixel": _sixel}[how](image))


def _png(image: Image) -> str:
    target = io.BytesIO()
    image.save(target, "PNG")
    return base64.b64encode(target.getvalue()).decode()


def _kitty(image: Image) -> str:
    """``q=2``: the terminal must not answer."""
    data = _png(image)
    parts = [data[start : start + _KITTY_CHUNK] for start in range(0, len(data), _KITTY_CHUNK)]
    frames = []
    for number, part in enumerate(parts):
        first = "a=T,f=100,q=2," if number == 0 else ""
        frames.append(f"\x1b_G{first}m={int(number < len(parts) - 1)};{part}\x1b\\")
    return "".join(frames)


def _iterm(image: Image) -> str:
    return f"\x1b]1337;File=inline=1;width={image.width}px;height={image.height}px:{_png(image)}\x07"


def _sixel(image: Image) -> str:
    """Six rows at a time, each colour's columns as one character, runs of the same character shortened."""
    indexed = image.quantize(COLOURS)
    palette = indexed.getpalette() or []
    pixels = indexed.tobytes()
    used = sorted(set(pixels))
    colours = [
        f"#{n};2;" + ";".join(str(round(level * 100 / 255)) for level in palette[3 * n : 3 * n + 3]) for n in used
    ]
    bands = (_band(pixels, image.width, image.height, top) for top in range(0, image.height, 6))
    return f'\x1bPq"1;1;{image.width};{image.height}' + "".join(colours) + "-".join(bands) + "\x1b\\"


def _band(pixels: bytes, width: int, height: int, top: int) -> str:
    rows = [pixels[y * width : (y + 1) * width] for y in range(top, min(top + 6, height))]
    lines = []
    for colour in sorted(set(b"".join(rows))):
        bits = bytearray(width)
        for number, row in enumerate(rows):
            for x, pixel in enumerate(row):
                if pixel == colour:
                    bits[x] |= 1 << number
        lines.append(f"#{colour}" + "".join(_runs(bits)))
    return "$".join(lines)


def _runs(bits: bytearray) -> Iterator[str]:
    start = 0
    while start < len(bits):
        end = start
        while end < len(bits) and bits[end] == bits[start]:
            end += 1
        sign = chr(63 + bits[start])
        yield f"!{end - start}{sign}" if end - start > 3 else sign * (end - start)
        start = end
