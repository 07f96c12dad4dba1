"""A table's columns, summed up value by value: so a file of any length needs little memory, and no pandas.

A CSV has only text, whose kind is read off it; a value from a file with types (a workbook, Parquet) is of its own.
Extremes are told as they are written: what is shown of a number or a date is in the file.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

DISTINCT = 1000
"""Different values of a column that are counted; beyond that it is said that there are more."""
EXACT_DIGITS = 15
"""A number with no more digits is the same as a float."""
_INTEGER = re.compile(r"[+-]?(0|[1-9]\d{0,30})")
_NUMBER = re.compile(r"[+-]?(\d{1,3}(,\d{3})+|0|[1-9]\d*)?(\.\d*)?([eE][+-]?\d{1,3})?")
_DATE = re.compile(
    r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})\.?(?:[T ](\d{1,2}):(\d{2})(?::(\d{2})(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?"
)
_MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "-", "#n/a"})
_BOOLEAN = frozenset({"true", "false", "yes", "no"})


@dataclass
class Column:
    """One column so far. ``add`` takes text as it is in a CSV, ``add_typed`` a value that has its type."""

    name: str
    count: int = 0
    missing: Counter[str] = field(default_factory=Counter)
    """The texts that stand for a missing value, each with its count; an empty text for empty cells."""
    kinds: Counter[str] = field(default_factory=Counter)
    values: Counter[str] = field(default_factory=Counter)
    more: bool = False
    """More different values than ``DISTINCT``."""
    low: dict[str, tuple[Any, str]] = field(default_factory=dict)
    """By kind, since values of two kinds have no order."""
    high: dict[str, tuple[Any, str]] = field(default_factory=dict)
    """Of numbers and dates: the extremes, and how they are written."""
    mean: float = 0.0
    squares: float = 0.0
    """Sum of squared distances from the mean (Welford)."""
    numbers: int = 0

    def add(self, value: str | None) -> None:
        text = (value or "").strip()
        self.count += 1
        if text.lower() in _MISSING:
            self.missing[text] += 1
            return
        kind = _kind(text)
        if kind in ("integer", "number"):
            plain = text.replace(",", "")
            self._number(int(plain) if kind == "integer" else float(plain), text)
        elif kind == "date":
            self._extremes("date", _moment(text), text)
        self._count(kind, text)

    def add_typed(self, value: Any) -> None:
        self.count += 1
        if value is None:
            self.missing[""] += 1
        elif isinstance(value, float) and math.isnan(value):
            self.missing["NaN"] += 1
        elif isinstance(value, bool):
            self._count("boolean", str(value).lower())
        elif isinstance(value, int | float | Decimal):
            self._number(value, str(value))
            self._count("integer" if isinstance(value, int) else "number", str(value))
        elif isinstance(value, date | time):
            shown, kind = written(value), "date" if isinstance(value, date) else "time"
            self._extremes(kind, shown, shown)
            self._count(kind, shown)
        else:
            self._count("text" if isinstance(value, str) else type(value).__name__, str(value))

    def _count(self, kind: str, text: str) -> None:
        self.kinds[kind] += 1
        if text in self.values or len(self.values) < DISTINCT:
            self.values[text] += 1
        else:
            self.more = True

    def _number(self, number: float | Decimal, text: str) -> None:
        try:
            near = float(number)
        except OverflowError:
            return
        if not math.isfinite(near):
            return
        self.numbers += 1
        self._extremes("number", number, text if len(text) > EXACT_DIGITS else _canonical(number))
        step = near - self.mean
        self.mean += step / self.numbers
        self.squares += step * (near - self.mean)

    def _extremes(self, kind: str, value: Any, text: str) -> None:
        if kind not in self.low or value < self.low[kind][0]:
            self.low[kind] = value, text
        if kind not in self.high or value > self.high[kind][0]:
            self.high[kind] = value, text

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
        kind = self.kind
        parts = [kind]
        if kind == "mixed" or (len(self.kinds) > 1 and {*self.kinds} != {"integer", "number"}):
            parts.append(", ".join(f"{count} {name}" for name, count in self.kinds.most_common()))
        if self.missing:
            marks = ", ".join(f"{mark} {count}" for mark, count in self.missing.most_common() if mark)
            parts.append(f"missing {sum(self.missing.values())}" + (f" ({marks})" if marks else ""))
        distinct = f"{DISTINCT}+" if self.more else str(len(self.values))
        parts.append(f"distinct {distinct}")
        if kind in ("integer", "number") and self.numbers:
            spread = math.sqrt(self.squares / (self.numbers - 1)) if self.numbers > 1 else 0.0
            low, high = self.low["number"][1], self.high["number"][1]
            parts.append(f"min {low}, mean {_short(self.mean)}, max {high}, std {_short(spread)}")
        elif kind in ("date", "time") and kind in self.low:
            parts.append(f"{self.low[kind][1]} … {self.high[kind][1]}")
        elif self.values:
            common = ", ".join(
                f"{value[:40]!r}{'…' if len(value) > 40 else ''} × {count}"
                for value, count in self.values.most_common(3)
            )
            parts.append(common)
        return "; ".join(parts)


def is_value(text: str) -> bool:
    """Report whether a cell's text is a number or a date, so that it names no column."""
    return bool(text.strip()) and _kind(text.strip()) in ("integer", "number", "date")


def written(value: Any) -> str:
    """A value as text: nothing for ``None``, dates by ISO 8601, a date without a time where that is midnight."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(" ").removesuffix(" 00:00:00")
    return value.isoformat() if isinstance(value, date | time) else str(value)


def _kind(text: str) -> str:
    """The kind of a text: one with leading zeros is an identifier, no number."""
    if _INTEGER.fullmatch(text):
        return "integer"
    if text[0] in "+-.0123456789":
        if _DATE.fullmatch(text) and _moment(text):
            return "date"
        if _NUMBER.fullmatch(text) and any(c.isdigit() for c in text):
            return "number"
    return "boolean" if text.lower() in _BOOLEAN else "text"


def _moment(text: str) -> tuple[int, ...]:
    """A date to compare by; empty where there is no such month, day or hour."""
    found = _DATE.fullmatch(text)
    assert found is not None
    numbers = [int(part or 0) for part in found.groups()[:6]]
    fraction = int(float(found[7] or 0) * 1_000_000_000)
    valid = 1 <= numbers[1] <= 12 and 1 <= numbers[2] <= 31 and numbers[3] < 25 and numbers[4] < 60
    return (*numbers, fraction) if valid else ()


def _canonical(number: float | Decimal) -> str:
    """A number with all of its digits, and without a fraction of zero."""
    whole = isinstance(number, float) and number == int(number) and abs(number) < 1e15
    return str(int(number) if whole else number)


def _short(number: float) -> str:
    """A mean or a spread: six digits, and all of those before the point."""
    if number == int(number) and abs(number) < 1e15:
        return f"{number:.0f}"
    return f"{number:.3f}" if 1e6 <= abs(number) < 1e15 else f"{number:.6g}"
