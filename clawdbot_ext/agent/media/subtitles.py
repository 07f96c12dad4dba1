"""Transcripts as speech recognisers write them: plain text, SRT, VTT, whisper's brackets, OpenAI's JSON."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from .worker_client import Segment

_TIME = r"(?:(\d{1,3}):)?(\d{1,2}):(\d{1,2})(?:[.,](\d{1,3}))?"
_CUE = re.compile(rf"\[?\s{{0,9}}{_TIME}\s{{0,9}}-->\s{{0,9}}{_TIME}[^\]\n]*?\]?[ \t]*(.*)$")
"""A line of times, alone (SRT, VTT) or with its text behind it (whisper)."""


def parse(output: str) -> tuple[Segment, ...] | str:
    """The segments of ``output``, or its plain text where it has no times. Empty text when nothing was heard."""
    output = output.strip().removeprefix("\ufeff")
    if output.startswith(("{", "[{")):
        try:
            return from_json(json.loads(output))
        except (ValueError, RecursionError):
            pass  # a text that only looks like JSON
    segments = tuple(_cues(output.splitlines()))
    return segments or output


def from_json(answer: Any) -> tuple[Segment, ...] | str:
    """The same of OpenAI's ``json`` and ``verbose_json``. Raises ``ValueError`` when it is neither."""
    rows = answer if isinstance(answer, list) else answer.get("segments") if isinstance(answer, Mapping) else None
    segments = tuple(_rows(rows)) if isinstance(rows, list) else ()
    if segments:
        return segments
    text = answer.get("text") if isinstance(answer, Mapping) else None
    if not isinstance(text, str):
        raise ValueError("neither segments nor text")
    return text.strip()


def _rows(rows: list[Any]) -> Iterator[Segment]:
    for row in rows:
        if not isinstance(row, Mapping) or not isinstance(row.get("text"), str) or not row["text"].strip():
            continue
        start, end = (_ms(row.get(name)) for name in ("start", "end"))
        yield Segment(start, max(start, end), row["text"].strip())


def _ms(seconds: Any) -> int:
    usable = isinstance(seconds, int | float) and math.isfinite(seconds) and 0 <= seconds < 1e6
    return int(seconds * 1000) if usable else 0


def _cues(lines: list[str]) -> Iterator[Segment]:
    start = end = 0
    texts: list[str] = []
    begun = False
    for line in [*lines, "00:00 --> 00:00"]:
        match = _CUE.match(line.lstrip())
        if match is None:
            if begun and line.strip() and not line.strip().isdigit():  # a number alone counts the next cue
                texts.append(line.strip())
            continue
        if begun and texts:
            yield Segment(start, end, " ".join(texts))
        begun, texts = True, [match.group(9).strip()] if match.group(9).strip() else []
        start, end = _position(*match.groups()[:4]), _position(*match.groups()[4:8])


def _position(hours: str | None, minutes: str, seconds: str, fraction: str | None) -> int:
    return ((int(hours or 0) * 60 + int(minutes)) * 60 + int(seconds)) * 1000 + int((fraction or "0").ljust(3, "0"))
