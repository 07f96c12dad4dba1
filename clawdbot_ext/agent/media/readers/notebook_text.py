"""Text of notebooks made readable: HTML without tags, images out of the text."""

from __future__ import annotations

import html
import re

_UNREAD = re.compile(r"<(script|style)\b", re.IGNORECASE)
_UNREAD_END = {name: re.compile(rf"</{name}\s{{0,9}}>", re.IGNORECASE) for name in ("script", "style")}
_BLOCK_END = re.compile(r"</(?:p|div|tr|li|h[1-6]|table|ul|ol|pre)\s{0,9}>|<br\s{0,9}/?>", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]{0,500}>")
_IMAGE_TAG = re.compile(r"<img\b[^<>]{0,2000}>", re.IGNORECASE)
_ALT = re.compile(r"\balt\s{0,9}=\s{0,9}(?:\"([^\"]{0,300})\"|'([^']{0,300})')", re.IGNORECASE)
_DATA_URI = re.compile(r"data:([\w.+-]{1,60}/[\w.+-]{1,60})(?:;[\w=-]{1,60}){0,3};base64,([A-Za-z0-9+/=_-]{64,})")


def without_images(text: str) -> tuple[str, list[tuple[str, str, str]]]:
    """The text with a word for every ``data:`` URI in it, and those that are images: type, base64, name."""
    images: list[tuple[str, str, str]] = []

    def word(found: re.Match[str]) -> str:
        mime = found[1].lower()
        if not mime.startswith("image/"):
            return f"[{mime}, {len(found[2])} characters of base64]"
        images.append((mime, found[2], f"image {len(images) + 1}"))
        return f"[image {len(images)}]"

    return _DATA_URI.sub(word, text), images


def without_tags(markup: str) -> str:
    """The text of HTML, line by line; in one pass, however many scripts it opens and never closes."""
    kept, at, never_ends = [], 0, set()
    for begun in _UNREAD.finditer(markup):
        name = begun[1].lower()
        if begun.start() < at or name in never_ends:
            continue
        if ended := _UNREAD_END[name].search(markup, begun.end()):
            kept.append(markup[at : begun.start()])
            at = ended.end()
        else:
            never_ends.add(name)
    text = _IMAGE_TAG.sub(_image_word, " ".join([*kept, markup[at:]]))
    lines = html.unescape(_TAG.sub(" ", _BLOCK_END.sub("\n", text))).split("\n")
    return "\n".join(stripped for line in lines if (stripped := line.strip()))


def _image_word(tag: re.Match[str]) -> str:
    alt = _ALT.search(tag[0])
    inside = re.search(r"\[image \d+\]", tag[0])
    name = (alt[1] or alt[2] or "") if alt else ""
    return f" {inside[0] if inside else '[image]'} {name} "


def names_an_object(text: str) -> bool:
    """Report whether a text only says of what class an output is, as IPython's ``HTML`` does."""
    return text.startswith("<") and text.rstrip().endswith("object>") and len(text) < 200
