"""A table's columns, summed up value by value: so a file of any length needs little memory, and no pandas."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

DISTINCT = 1000
"""Different values of a column that are counted; beyond that it is said that there are more."""
_INTEGER = re.compile(r"[+-]?\d{1,18}")
_NUMBER = re.compile(r"[+-]?(\d{1,3}(,\d{3})+|\d+)?(\.\d*)?([eE][+-]?\d{1,3})?")
_DATE = re.compile(r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}([T ]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?")
_MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "-", "#n/a"})
_BOOLEAN = frozenset({"true", "false", "yes", "no"})


@dataclass
class Column:
    """One column so far. ``add`` takes text as it is in a CSV, or a Python value."""

    name: str
    count: int = 0
    missing: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    values: Counter[str] = field(default_factory=Counter)
    more: bool = False
    """More different values than ``DISTINCT``."""
    low: float = math.inf
    high: float = -math.inf
    mean: float = 0.0
    squares: float = 0.0
    """Sum of squared distances from the mean (Welford)."""
    numbers: int = 0
    first: str = ""
    last: str = ""
    """Of dates: the earliest and the latest, as they are written."""

    def add(self, value: Any) -> None:
        text = "" if value is None else str(value).strip()
        self.count += 1
        if text.lower() in _MISSING:
            self.missing += 1
            return
        kind = self._kind(text)
        self.kinds[kind] += 1
        if kind in ("integer", "number"):
            self._number(float(text.replace(",", "")))
        elif kind == "date":
            self.first, self.last = min(self.first or text, text), max(self.last, text)
        if text in self.values or len(self.values) < DISTINCT:
            self.values[text] += 1
        else:
            self.more = True

    def _kind(self, text: str) -> str:
        if _INTEGER.fullmatch(text):
            return "integer"
        if text[0] in "+-.0123456789":
            if _DATE.fullmatch(text):
                return "date"
            if _NUMBER.fullmatch(text) and any(c.isdigit() for c in text):
                return "number"
        return "boolean" if text.lower() in _BOOLEAN else "text"

    def _number(self, number: float) -> None:
        if not math.isfinite(number):
            return
        self.numbers += 1
        self.low, self.high = min(self.low, number), max(self.high, number)
        step = number - self.mean
        self.mean += step / self.numbers
        self.squares += step * (number - self.mean)

    @property
    def kind(self) -> str:
        """The kind of nearly all values; ``mixed`` when no kind has 95 % of them, ``empty`` without any."""
        if not self.kinds:
            return "empty"
        numeric = self.kinds["integer"] + self.kinds["number"]
        total = sum(self.kinds.values())
        if numeric >= 0.95 * total:
            return "number" if self.kinds["number"] else "integer"
        kind, most = self.kinds.most_common(1)[0]
        return kind if most >= 0.95 * total else "mixed"

    def summary(self) -> str:
        """One line: kind, missing, different values, and the range or the commonest values."""
        parts = [self.kind]
        if self.missing:
            parts.append(f"missing {self.missing}")
        distinct = f"{DISTINCT}+" if self.more else str(len(self.values))
        parts.append(f"distinct {distinct}")
        if self.kind in ("integer", "number") and self.numbers:
            spread = math.sqrt(self.squares / (self.numbers - 1)) if self.numbers > 1 else 0.0
            parts.append(
                f"min {_short(self.low)}, mean {_short(self.mean)}, max {_short(self.high)}, std {_short(spread)}"
            )
        elif self.kind == "date":
            parts.append(f"{self.first} … {self.last}")
        elif self.values:
            common = ", ".join(f"{value[:40]!r} × {count}" for value, count in self.values.most_common(3))
            parts.append(common)
        return "; ".join(parts)


def _short(number: float) -> str:
    return f"{number:.0f}" if number == int(number) and abs(number) < 1e15 else f"{number:.6g}"
