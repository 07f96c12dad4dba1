"""One cell of a workbook as text: what Excel shows of it, without what a display format takes away."""

from __future__ import annotations

import re
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Any

from .columns import written

UNCOMPUTED = "(not computed)"
_QUOTED = re.compile(r'"[^"]{0,255}"|\\.|\[[^\[\]]{0,255}\]')


def has_formula(cell: Any) -> bool:
    """Report whether a cell, read with its formulas, has one."""
    return bool(getattr(cell, "data_type", "n") == "f")


def is_uncomputed(formula: Any, value: Any) -> bool:
    """Report whether no result was saved; one that is an empty text was."""
    return value.value is None and getattr(value, "data_type", "n") not in ("str", "s")


def shown(formula: Any, value: Any) -> str:
    """The text of a cell, given it as read with formulas and as read with results; empty for a blank one."""
    if not has_formula(formula):
        return plain(formula)
    source = formula.value
    text = str(getattr(source, "text", None) or source)
    area = getattr(source, "ref", None)
    text = f"{{{text}}} in {area}" if area and area != getattr(formula, "coordinate", "") else text
    return f"{text} {UNCOMPUTED}" if is_uncomputed(formula, value) else f"{plain(value)} [{text}]".lstrip()


def computed(formula: Any, value: Any) -> Any:
    """The value of a cell for a summary: a formula without a result stands for itself."""
    if has_formula(formula) and is_uncomputed(formula, value):
        return shown(formula, value)
    return getattr(value, "value", None)


def plain(cell: Any) -> str:
    """A value as text."""
    value = getattr(cell, "value", None)
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int | float):
        return number(value, _format(cell))
    if isinstance(value, timedelta):
        return str(value)
    if isinstance(value, datetime) and value.time() == time() and not _has_clock(cell):
        return value.date().isoformat()
    return written(value)


def number(value: Any, number_format: str) -> str:
    """A number with the 15 digits that Excel keeps; a percentage as one, with all of its digits."""
    exact = Decimal(f"{value:.15g}") if isinstance(value, float) else Decimal(value)
    percent = "%" in _QUOTED.sub("", number_format)
    text = f"{exact * 100 if percent else exact:f}"
    if len(text) > 25:  # 1e300 has three hundred zeros
        return repr(value)
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return f"{text or '0'}%" if percent else text or "0"


def _has_clock(cell: Any) -> bool:
    return "h" in _QUOTED.sub("", _format(cell)).lower()


def _format(cell: Any) -> str:
    """The number format of a cell; empty where it names one that is not there."""
    try:
        return str(getattr(cell, "number_format", "") or "")
    except IndexError:
        return ""
