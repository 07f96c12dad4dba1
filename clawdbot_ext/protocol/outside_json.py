"""JSON from outside (providers, files, nodes, kernels) as values that can be stored, sent and shown.

Programs write more than strict JSON and than what SQLite and UTF-8 can hold: NaN, halves of surrogate pairs, NUL,
integers without bounds, nesting without end. It is read all the same, and each such value is replaced by the nearest
one that can be kept, so that it costs itself and not the text around it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

MAX_DEPTH = 100
"""Levels of nesting that are kept: everything that reads JSON, a browser or SQLite, takes as many."""
_UNKEEPABLE = re.compile("[\0\ud800-\udfff]")


def parse(text: str | bytes) -> Any:
    """Read JSON into values that can be kept. Raises ``ValueError``: it is none, or nested too deeply."""
    return _kept(read(text), MAX_DEPTH, strict=True)


def read(text: str | bytes) -> Any:
    """Read JSON as programs write it; halves of characters and NUL are left in it. Raises ``ValueError``."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    try:
        return json.loads(text, strict=False, parse_int=_int, parse_float=_float, parse_constant=lambda _: None)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def keepable(value: Any) -> Any:
    """``value`` with everything replaced that cannot be kept; what is nested deeper than ``MAX_DEPTH`` is ``None``."""
    return _kept(value, MAX_DEPTH, strict=False)


def whole_characters(text: str) -> str:
    """``text`` with halves of characters joined where both are there; other halves, and NUL, become U+FFFD."""
    if _UNKEEPABLE.search(text) is None:
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").replace("\0", "\ufffd")


def _kept(value: Any, left: int, *, strict: bool) -> Any:
    if isinstance(value, str):
        return whole_characters(value)
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else _about(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if not isinstance(value, (Mapping, list, tuple)):
        return value
    if not left:
        if strict:
            raise ValueError("nested too deeply")
        return None
    if isinstance(value, Mapping):
        return {_kept(name, left, strict=strict): _kept(item, left - 1, strict=strict) for name, item in value.items()}
    return [_kept(item, left - 1, strict=strict) for item in value]


def _int(digits: str) -> int | float | None:
    return _float(digits) if len(digits) > 20 else int(digits)


def _float(digits: str) -> float | None:
    about = float(digits)
    return about if math.isfinite(about) else None


def _about(number: int) -> float | None:
    try:
        return float(number)
    except OverflowError:
        return None
