"""Text, code, JSON, Markdown, HTML, SVG, XML: as it is, in any encoding; of a long one the beginning and the end."""

from __future__ import annotations

from pathlib import Path

from ....text_decoding import Decoded, decode, piecewise
from ...context.token_estimate import estimate
from ..errors import MediaError
from ..prompt_framing import elsewhere, framed, trim
from ..types import Facts, Note, Understood
from ..worker_client import Job, Result
from ..worker_main import Report

MOST_BYTES = 8_000_000
"""Limit on what is read of a file; no model reads more."""
END_BYTES = 200_000
"""Read of the end of a file that is longer: a log's last lines say how it went."""
END_SHARE = 0.2
_NAMES = {
    "utf-8-sig": "UTF-8",
    "utf-8": "UTF-8",
    "utf-16": "UTF-16",
    "utf-16-le": "UTF-16",
    "utf-16-be": "UTF-16",
    "utf-32": "UTF-32",
    "cp949": "CP949 (EUC-KR)",
}


def probe(job: Job, report: Report) -> Result:
    """The encoding, as a note where it is not UTF-8."""
    _, notes = read(job)
    return Result(facts=Facts(notes=tuple(notes)))


def understand(job: Job, report: Report) -> Result:
    text, notes = read(job)
    end = _end(job) if job.size > MOST_BYTES else ""
    kept, truncated = text, bool(end) or estimate(text) > job.sight.tokens
    about = ""
    if truncated:
        kept = shortened(text, end or text, job.sight.tokens)
        size = f"{job.size} bytes" if end else f"{len(text)} characters in {text.count(chr(10)) + 1} lines"
        about = f"A text of {size}; you see its beginning and its end. {elsewhere(job)}"
        total = job.size if end else len(text)
        notes.append(Note("trimmed", {"shown": len(kept), "total": total}))
    block = framed(job, kept, about, truncated=truncated)
    return Result(understood=Understood((block,), tuple(notes), estimate(block.text)))


def shortened(text: str, ending: str, tokens: int) -> str:
    """The beginning of ``text`` and the last lines of ``ending``, together about ``tokens``, and what is between."""
    head, _ = trim(text, int(tokens * (1 - END_SHARE)))
    last, _ = trim(ending[-len(head) :][::-1], int(tokens * END_SHARE))
    tail = last[::-1]
    if tail.find("\n") < len(tail) * 0.2:
        tail = tail[tail.find("\n") + 1 :]
    between = f"{len(text) - len(head) - len(tail)} of {len(text)} characters" if ending is text else "the middle"
    return f"{head}\n[cut here for length: {between} left out]\n{tail.rstrip()}"


def _end(job: Job) -> str:
    with Path(job.path).open("rb") as file:
        encoding = piecewise(file.read(END_BYTES))
        file.seek((job.size - END_BYTES) // 4 * 4)
        data = file.read()
    text = data.decode(encoding, "replace")
    return _lines(text[1:])


def read(job: Job) -> tuple[str, list[Note]]:
    """A file's text, its line ends as ``\\n``, and notes on how it was read."""
    with Path(job.path).open("rb") as file:
        data = file.read(MOST_BYTES)
    decoded = decode(data)
    text = _lines(decoded.text)
    if not text.strip():
        raise MediaError("MEDIA_EMPTY")
    return text, notes_on(decoded)


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "").removeprefix("\ufeff")


def notes_on(decoded: Decoded) -> list[Note]:
    """Notes for the user on an encoding other than UTF-8, a guess, and characters that were replaced."""
    name = _NAMES.get(decoded.encoding, decoded.encoding.upper())
    notes = [] if name == "UTF-8" else [Note("encoding" if decoded.sure else "encoding_unsure", {"encoding": name})]
    return [*notes, Note("undecodable", {"encoding": name})] if decoded.bad else notes
