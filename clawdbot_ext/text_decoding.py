"""Decoding of text whose encoding is not stated: one function for attachments, pipes, tools and imports.

A mark or a strict decoder decides where one can. Else the encoding is the one that nearly all units belong to (a unit
is what encodes one character), and only the bad ones are replaced; statistics are asked last.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from typing import NamedTuple

BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
SAMPLE = 400_000
"""Bytes that an encoding is guessed from."""
MOST_CONTROLS = 0.002
"""Share of control characters that a text may have: a bell, a form feed, one NUL that a crash left."""
_BAD_IN_UTF8 = re.compile(
    rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}|([\x80-\xff])", re.DOTALL
)
_SHIFTED = ((b"\x1b$)C", "iso2022_kr"), (b"\x1b$", "iso2022_jp_2"))
"""Encodings of seven bits, which a strict UTF-8 decoder takes for plain ASCII."""
_KOREAN_TABLE = re.compile(r"[가-힣]")
_WESTERN = frozenset("àáâãäåæçèéêëìíîïñòóôõöøùúûüßœÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜŒ–—‘’‚“”„†•…€£¥©®™°±²³µ·¼½¾×÷§«»¡¿ªº\xa0")
_SYMBOL_IN_WORD = re.compile(r"[A-Za-z][†•£¥©®±²³µ¼½¾×÷§«»¡¿¹][a-z]")
_SINGLE_BYTE = ("cp1250", "cp1251", "cp1252", "cp1253", "cp1254", "cp1255", "cp1256", "cp874", "koi8_r")
_GUESSABLE = frozenset((*_SINGLE_BYTE, "cp932", "shift_jis", "euc_jp", "gb18030", "big5"))
"""Encodings that statistics choose from: those in which files still come."""


class Decoded(NamedTuple):
    """A text, the codec that it was in, and how sure that is."""

    text: str
    encoding: str
    sure: bool = True
    bad: int = 0
    """Units that were replaced."""


def decode(data: bytes) -> Decoded:
    """Decode bytes, whatever they are. A character that is cut at the very end is left out. Never raises."""
    for mark, encoding in BOMS:
        if data.startswith(mark):
            return _tolerant(data, encoding)
    sample = data[:SAMPLE]
    encoding, sure = _of_bytes(sample, whole=len(sample) == len(data))
    return _tolerant(data, encoding)._replace(sure=sure)


def encoding_of(sample: bytes) -> str:
    """The codec of a text that begins with ``sample``, for reading the text piece by piece."""
    for mark, encoding in BOMS:
        if sample.startswith(mark):
            return encoding
    return _of_bytes(sample[:SAMPLE], whole=False)[0]


def piecewise(sample: bytes) -> str:
    """The codec for pieces out of the middle of a text that begins with ``sample``: without a mark, in its order."""
    order = "be" if sample.startswith((codecs.BOM_UTF32_BE, codecs.BOM_UTF16_BE)) else "le"
    encoding = encoding_of(sample).removesuffix("-sig")
    return f"{encoding}-{order}" if encoding in ("utf-16", "utf-32") else encoding


def is_text(head: bytes) -> bool:
    """Report whether the beginning of a file could be text, in any encoding."""
    if head.startswith(tuple(mark for mark, _ in BOMS)):
        return True
    if _wide(head):
        return True
    body = head.rstrip(b"\0") if len(head) < 65_536 else head
    allowed = max(len(head) * MOST_CONTROLS, 1 if len(body) >= 16 and _strict_utf8(body) else 0)
    shifts = b"\x0e\x0f" if b"\x1b$" in head else b""  # of an encoding of seven bits
    controls = len(body) - len(body.translate(None, _CONTROL_BYTES)) - sum(map(body.count, shifts))
    return len(body) >= (16 if len(body) < len(head) else 1) and controls <= allowed


_CONTROL_BYTES = bytes(set(range(32)) - {7, 8, 9, 10, 12, 13, 27})
"""Bytes that text does not have (bell, backspace and escape occur in terminal logs)."""


def _of_bytes(sample: bytes, *, whole: bool) -> tuple[str, bool]:
    """The codec of a text without a mark, and whether it is sure."""
    if encoding := _wide(sample):
        return encoding, True
    for escape, encoding in _SHIFTED:
        if escape in sample and _decodes(sample, encoding):
            return encoding, True
    if _strict_utf8(sample):
        return "utf-8", True
    good, bad = _utf8_units(sample)
    if good > 4 * bad:
        return "utf-8", True
    if _is_korean(sample):
        return "cp949", True
    if good > bad and good > 1:
        return "utf-8", False
    return _guessed(sample), False


def _strict_utf8(data: bytes) -> bool:
    """Whether it is UTF-8 but for a character that is cut at the end; half a character alone says nothing."""
    return _decodes(data, "utf-8") and (_cut(data) == 0 or not data[: -_cut(data)].isascii())


def _utf8_units(data: bytes) -> tuple[int, int]:
    """The number of characters beyond ASCII that are well-formed UTF-8, and of bytes that belong to none.

    The cut at the end is no bad unit.
    """
    good = bad = 0
    for found in _BAD_IN_UTF8.finditer(data[: len(data) - _cut(data)]):
        if found[1]:
            bad += 1
        else:
            good += 1
    return good, bad


def _cut(data: bytes) -> int:
    """The number of bytes at the end that begin a character of UTF-8 which is not there as a whole."""
    for length in (1, 2, 3):
        end = data[len(data) - length :] if length <= len(data) else b""
        if end and 0xC2 <= end[0] < 0xF5 and all(0x80 <= byte < 0xC0 for byte in end[1:]):
            return length if length < (2 if end[0] < 0xE0 else 3 if end[0] < 0xF0 else 4) else 0
    return 0


def _wide(data: bytes) -> str:
    """UTF-16 or UTF-32 without a mark, empty for neither: read so, all of it are characters that texts have."""
    if not (nuls := data.count(0)) or (nuls < 0.2 * len(data) and _strict_utf8(data)):
        return ""
    for width, encodings in ((4, ("utf-32-le", "utf-32-be")), (2, ("utf-16-le", "utf-16-be"))):
        for encoding in encodings:
            usable = data[: len(data) // width * width][:SAMPLE]
            try:
                text = codecs.getincrementaldecoder(encoding)().decode(usable)
            except UnicodeDecodeError:
                continue
            if usable and _plausible(text):
                return encoding
    return ""


def _plausible(text: str) -> bool:
    """Report whether nearly all characters are ones that texts have, and some are of the commonest."""
    strange = sum(unicodedata.category(c) in ("Cc", "Cn", "Co", "Cs") and c not in "\t\n\r\f\a\b\x1b\0" for c in text)
    nul = text.count("\0")
    common = sum(c < "\x80" or "가" <= c <= "힣" or "぀" <= c <= "ヿ" or "一" <= c <= "鿿" for c in text) - nul
    return strange + nul <= len(text) * 0.01 + (len(text) > 40) and common >= 0.5 * len(text) > 0


def _decodes(data: bytes, encoding: str) -> bool:
    try:
        codecs.getincrementaldecoder(encoding)().decode(data)
    except UnicodeDecodeError:
        return False
    return True


def _is_korean(data: bytes) -> bool:
    """Report whether the text is CP949. Statistics mix it up with Chinese and Japanese encodings, whose bytes overlap.

    Of real Korean text nearly all letters are Hangul, and nearly all of that from the 2,350 syllables of EUC-KR, which
    are the common ones: Japanese bytes give the rare others. Lines, arrows and units count for neither side.
    """
    text = data.decode("cp949", "replace").rstrip("\ufffd")
    bad = text.count("\ufffd")
    letters = [c for c in text if c > "\x7f" and c != "\ufffd" and unicodedata.category(c)[0] == "L"]
    hangul = [c for c in letters if _KOREAN_TABLE.match(c)]
    common = sum(min(c.encode("cp949")) >= 0xA1 for c in hangul)  # EUC-KR's own have both bytes up there
    return (
        bool(hangul) and len(hangul) >= 0.8 * len(letters) and common >= 0.9 * len(hangul) and bad * 10 <= len(hangul)
    )


def _guessed(data: bytes) -> str:
    """Codec of a text that is neither Unicode nor Korean: Western where it reads so, else the guess of statistics.

    UTF-8 where neither knows better: then a few odd bytes are replaced, and the rest is kept.
    """
    if _is_western(data):
        return "cp1252"
    from charset_normalizer import from_bytes

    odd = len(data) - len(data.translate(None, bytes(range(0x80, 0x100))))
    best = from_bytes(data, cp_isolation=list(_GUESSABLE)).best() if odd > max(2, len(data) * 0.005) else None
    return best.encoding if best is not None and best.encoding in _GUESSABLE else "utf-8" if odd < 3 else "cp1252"


def _is_western(data: bytes) -> bool:
    """Report whether the text is CP1252: a few letters with accents among plain ones, no symbol inside a word."""
    text = data.decode("cp1252", "replace")
    odd = [c for c in text if c > "\x7f"]
    letters = sum(c.isascii() and c.isalpha() for c in text)
    return (
        all(c in _WESTERN for c in odd)
        and sum(c.isalpha() for c in odd) <= max(2, 0.4 * letters)
        and not _SYMBOL_IN_WORD.search(text)
    )


def _tolerant(data: bytes, encoding: str) -> Decoded:
    """The text with one replacement character for each bad unit, and without a character that the end cuts."""
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    text = decoder.decode(data)
    bad = text.count("\ufffd")
    if bad and encoding == "utf-8":
        bad -= data.count("\ufffd".encode())  # it was there before
    return Decoded(text, encoding, bad=max(0, bad))
