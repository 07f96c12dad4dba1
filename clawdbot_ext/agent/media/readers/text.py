"""Text, code, JSON, Markdown, HTML, SVG, XML: as it is, in whatever encoding, cut where the budget ends."""

from __future__ import annotations

import codecs
from pathlib import Path

from ...context.token_estimate import estimate
from ..errors import MediaError
from ..prompt_framing import framed, trim
from ..types import Facts, Note, Understood
from ..worker_client import Job, Result
from ..worker_main import Report

MOST_BYTES = 8_000_000
"""Limit on what is read of a file; no model reads more."""
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NAMES = {"utf-8-sig": "UTF-8", "utf-8": "UTF-8", "utf-16": "UTF-16", "utf-32": "UTF-32", "cp949": "CP949 (EUC-KR)"}


def probe(job: Job, report: Report) -> Result:
    """The encoding, as a note where it is not UTF-8."""
    _, notes = read(job)
    return Result(facts=Facts(notes=tuple(notes)))


def understand(job: Job, report: Report) -> Result:
    text, notes = read(job)
    kept, left_out = trim(text, job.sight.tokens)
    if left_out:
        notes.append(Note("trimmed", {"shown": len(kept), "total": len(text)}))
        kept += f"\n[cut here for length: {left_out} of {len(text)} characters more]"
    block = framed(job, kept, truncated=bool(left_out))
    return Result(understood=Understood((block,), tuple(notes), estimate(block.text)))


def read(job: Job) -> tuple[str, list[Note]]:
    """A file's text, its line ends as ``\\n``, and notes on how it was read."""
    with Path(job.path).open("rb") as file:
        data = file.read(MOST_BYTES)
    text, notes = decode(data)
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "")
    if not text.strip():
        raise MediaError("MEDIA_EMPTY")
    return text, notes


def decode(data: bytes) -> tuple[str, list[Note]]:
    """Bytes as text. UTF-8 when they are that; else Korean encodings are tried before a guess by statistics."""
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            text = data.decode(encoding, "replace")
            return text, _noted(encoding, text)
    for encoding in ("utf-8", *_utf16(data)):
        try:
            text = _whole(data, encoding).decode(encoding)
        except UnicodeDecodeError:
            continue
        return text, _noted(encoding, text)
    return _guessed(data)


def _whole(data: bytes, encoding: str) -> bytes:
    """Without a character that the cut at ``MOST_BYTES`` left half."""
    if len(data) < MOST_BYTES:
        return data
    return data[: data.rfind(b"\n") + 1] or data if encoding == "utf-8" else data[: len(data) // 2 * 2]


def _utf16(data: bytes) -> tuple[str, ...]:
    """UTF-16 without its mark: every other byte of Western text is 0."""
    even, odd = data[0:4096:2].count(0), data[1:4096:2].count(0)
    if max(even, odd) < 0.3 * len(data[0:4096:2]):
        return ()
    return ("utf-16-le",) if odd > even else ("utf-16-be",)


def _guessed(data: bytes) -> tuple[str, list[Note]]:
    from charset_normalizer import from_bytes

    sample = data[:200_000]
    if _looks_korean(sample):
        text = data.decode("cp949", "replace")
        return text, _noted("cp949", text)
    best = from_bytes(sample).best()
    encoding = best.encoding if best is not None else "latin-1"
    text = data.decode(encoding, "replace")
    return text, [Note("encoding_unsure", {"encoding": _NAMES.get(encoding, encoding)}), *_noted(encoding, text)[1:]]


def _looks_korean(data: bytes) -> bool:
    """Report whether the text is CP949. Statistics mix it up with Chinese and Japanese encodings, whose bytes overlap.
    Real Korean text decodes without an error; what is not ASCII in it is nearly all Hangul, and nearly all of that from
    the 2,350 syllables of EUC-KR, which are the common ones: Japanese bytes give the rare others."""
    try:
        text = data.decode("cp949")
    except UnicodeDecodeError as exc:
        if exc.start < len(data) - 2:
            return False
        text = data[: exc.start].decode("cp949")
    other = [c for c in text if ord(c) > 127]
    hangul = [c for c in other if "가" <= c <= "힣"]
    common = sum(min(c.encode("cp949")) >= 0xA1 for c in hangul)  # EUC-KR's own have both bytes up there
    return bool(other) and len(hangul) >= 0.8 * len(other) and common >= 0.9 * len(hangul)


def _noted(encoding: str, text: str) -> list[Note]:
    name = _NAMES.get(encoding, encoding.upper())
    notes = [] if name == "UTF-8" else [Note("encoding", {"encoding": name})]
    return [*notes, Note("undecodable", {"encoding": name})] if "\ufffd" in text else notes
