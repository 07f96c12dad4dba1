"""What the assistant is told of a value in a kernel: a frame by schema and head, a figure as a picture, else its repr.

Runs inside the user's kernel. Nothing is imported that is not there already: a value's kind is told by its class, so
that neither pandas nor matplotlib is loaded for the question.
"""

from __future__ import annotations

import inspect
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

MOST_CHARACTERS = 6_000
"""Of one description."""
MOST_INLINE = 120
"""Of a value that stands on the same line as its name."""
HEAD_ROWS = 8
MOST_COLUMNS = 60
FIGURE_DPI = 110

File = tuple[str, bytes]
"""A name and the content, as the client's ``attachments`` take it."""


def describe(name: str, value: Any) -> str:
    """A description in Markdown. Never raises: a value that cannot be shown is described by its type."""
    kind = _qualified(value)
    try:
        if isinstance(value, type) or (callable(value) and hasattr(value, "__qualname__")):
            text = _code(value)
        elif isinstance(value, ModuleType):
            text = f", version {getattr(value, '__version__', 'unknown')}"
        elif _is_frame(value):
            text = f", {_frame(value)}"
        elif hasattr(value, "dtype") and hasattr(value, "shape"):
            text = f", shape {tuple(value.shape)}, dtype {value.dtype}{_shown(repr(value))}"
        elif isinstance(value, (str, bytes, Mapping, Sequence, set, frozenset)):
            text = f", {len(value)} items{_shown(repr(value))}"
        else:
            text = _shown(repr(value))
    except Exception as exc:  # noqa: BLE001 - somebody else's __repr__ may raise anything
        text = f", (it cannot be shown: {type(exc).__name__})"
    return f"`{name}`: {kind}{text}"


def files_of(name: str, value: Any) -> list[File]:
    """A value as attachments: pictures for what is one, the file for a path, a description for all else.

    Raises:
        OSError: a path that cannot be read.
    """
    if isinstance(value, Path):
        return [(value.name, value.read_bytes())]
    figure = _figure_of(value)
    if figure is not None:
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=FIGURE_DPI, bbox_inches="tight")
        return [(f"{name}.png", buffer.getvalue())]
    if _derives(value, "PIL.Image", "Image"):
        buffer = io.BytesIO()
        value.save(buffer, format="PNG")
        return [(f"{name}.png", buffer.getvalue())]
    return [(f"{name}.md", describe(name, value).encode())]


def _frame(value: Any) -> str:
    """pandas and polars: shape, columns with types and gaps, the first rows, the spread of the numbers."""
    rows, columns = value.shape
    # By position: pandas may have two columns of one name, and a name picks both.
    shown = value.iloc[:, :MOST_COLUMNS] if hasattr(value, "iloc") else value[:, :MOST_COLUMNS]
    lines = [f"{rows} rows × {columns} columns", ""]
    for number, column in enumerate(shown.columns):
        series = shown.iloc[:, number] if hasattr(shown, "iloc") else shown[:, number]
        missing = series.isna().sum() if hasattr(series, "isna") else series.null_count()
        lines.append(f"- `{column}`: {series.dtype}" + (f", {missing} missing" if missing else ""))
    if columns > MOST_COLUMNS:
        lines.append(f"- … and {columns - MOST_COLUMNS} more columns")
    head = shown.head(HEAD_ROWS)
    lines += ["", "First rows:", "", _fence(head.to_string() if hasattr(head, "to_string") else str(head))]
    if rows and columns and hasattr(value, "describe"):
        lines += ["", "Summary:", "", _fence(str(shown.describe()))]
    return "\n".join(lines)


def _code(value: Any) -> str:
    """A class or a function: how it is called, and what its author says of it."""
    try:
        called = f"{value.__qualname__}{inspect.signature(value)}"
    except (TypeError, ValueError):  # some built-in ones do not tell
        called = str(value.__qualname__)
    said = inspect.getdoc(value) or ""
    return _shown(f"{called}\n\n{said}".strip())


def _figure_of(value: Any) -> Any:
    if _derives(value, "matplotlib.figure", "Figure"):
        return value
    if _derives(value, "matplotlib.axes", "Axes"):
        return value.figure
    return None


def _is_frame(value: Any) -> bool:
    return _derives(value, "pandas", "DataFrame") or _derives(value, "polars", "DataFrame")


def _derives(value: Any, package: str, name: str) -> bool:
    """Is it, or does it derive from, the class ``name`` of ``package``?"""
    bases = type(value).__mro__
    return any(base.__name__ == name and f"{base.__module__}.".startswith(f"{package}.") for base in bases)


def _qualified(value: Any) -> str:
    module = type(value).__module__
    return type(value).__qualname__ if module == "builtins" else f"{module}.{type(value).__qualname__}"


def _shown(text: str) -> str:
    """A short value on the same line, another in a block of its own."""
    if len(text) <= MOST_INLINE and text.isprintable() and "`" not in text:
        return f", `{text}`"
    return f"\n\n{_fence(text)}"


def _fence(text: str) -> str:
    if len(text) > MOST_CHARACTERS:
        half = MOST_CHARACTERS // 2
        text = f"{text[:half]}\n[… {len(text) - MOST_CHARACTERS} characters left out …]\n{text[-half:]}"
    return f"```\n{text.replace('```', '` ` `')}\n```"
