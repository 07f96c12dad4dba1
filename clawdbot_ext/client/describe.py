"""Description of a kernel's value for the assistant: a frame by schema and head, a figure as a picture, else its repr.

Runs inside the user's kernel, which JupyterLab's panel sends this file to: it needs nothing but the standard library.
Nothing else is imported that is not there already: a value's kind is told by its class, so that neither pandas nor
matplotlib is loaded for the question.

A large value is described within about a second: of a long frame the figures are those of every so-many-th row, and
nested values are written out until the time is up. The description says so.
"""

from __future__ import annotations

import base64
import inspect
import io
import json
import reprlib
import time
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

MOST_CHARACTERS = 6_000
"""Of one description."""
MOST_INLINE = 120
"""Of a value that stands on the same line as its name."""
HEAD_ROWS = 8
MOST_COLUMNS = 60
MOST_NAMES = 200
FIGURE_DPI = 110
MOST_CELLS = 500_000
"""Of a frame, that gaps are counted in and figures made of; it takes a tenth of a second to two."""
MOST_ITEMS = 1_000
"""Of a list, a dictionary or a set."""
REPR_S = 0.5
"""Time limit, in seconds, for writing nested values out."""

NamedFile = tuple[str, bytes]
"""A name and the content, as the client's ``attachments`` take it."""


def describe(name: str, value: Any) -> str:
    """A description in Markdown. Never raises: a value that cannot be shown is described by its type."""
    return _described(name, value, {})


def _described(name: str, value: Any, out: dict[str, int]) -> str:
    """``out`` is told what is not in it: ``characters``, ``items``, ``columns``, and ``rows`` when only every
    so-many-th was looked at."""
    kind = _qualified(value)
    try:
        if isinstance(value, type) or (callable(value) and hasattr(value, "__qualname__")):
            text = _code(value, out)
        elif isinstance(value, ModuleType):
            text = f", version {getattr(value, '__version__', 'unknown')}"
        elif _is_frame(value):
            text = f", {_frame(value, out)}"
        elif hasattr(value, "dtype") and hasattr(value, "shape"):
            text = f", shape {tuple(value.shape)}, dtype {value.dtype}{_shown(repr(value), out)}"
        elif isinstance(value, (str, bytes, Mapping, Sequence, set, frozenset)):
            text = f", {len(value)} items{_shown(_bounded(value, out), out)}"
        else:
            text = _shown(repr(value), out)
    except Exception as exc:  # noqa: BLE001 - a foreign __repr__ may raise anything
        text = f", (it cannot be shown: {type(exc).__name__})"
    return f"`{name}`: {kind}{text}"


def files_of(name: str, value: Any) -> list[NamedFile]:
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


def told(name: str, value: Any) -> str:
    """The panel's request to a kernel, answered as JSON: ``text``, ``leftOut`` and of what is a picture ``picture``, a
    PNG."""
    left_out: dict[str, int] = {}
    answer: dict[str, Any] = {"text": _described(name, value, left_out), "leftOut": left_out}
    if _figure_of(value) is not None or _derives(value, "PIL.Image", "Image"):
        answer["picture"] = base64.b64encode(files_of(name, value)[0][1]).decode()
    return json.dumps(answer)


HIDDEN = frozenset({"In", "Out", "exit", "quit", "open", "get_ipython"})
"""IPython's own."""


def listed(namespace: Mapping[str, Any]) -> str:
    """The variables of a namespace as people speak of them, as JSON: no modules, classes or functions."""
    found = [
        {"name": name, "type": type(value).__name__}
        for name, value in list(namespace.items())
        if not name.startswith("_")
        and name not in HIDDEN
        and not isinstance(value, (type, ModuleType))
        and not (callable(value) and hasattr(value, "__qualname__"))
    ]
    return json.dumps(found[-MOST_NAMES:])


def _frame(value: Any, out: dict[str, int]) -> str:
    """pandas and polars: shape, columns with types and gaps, the first rows, the spread of the numbers."""
    rows, columns = value.shape
    # By position: pandas may have two columns of one name, and a name picks both.
    shown = value.iloc[:, :MOST_COLUMNS] if hasattr(value, "iloc") else value[:, :MOST_COLUMNS]
    step = -(-rows * min(columns, MOST_COLUMNS) // MOST_CELLS) if rows else 1
    looked = shown if step <= 1 else shown.iloc[::step] if hasattr(shown, "iloc") else shown[::step]
    lines = [f"{rows} rows × {columns} columns", ""]
    if step > 1:
        out["rows"] = step
        lines += [f"It is large: gaps and summary are those of every {step}th row, {len(looked)} in all.", ""]
    for number, column in enumerate(looked.columns):
        series = looked.iloc[:, number] if hasattr(looked, "iloc") else looked[:, number]
        missing = series.isna().sum() if hasattr(series, "isna") else series.null_count()
        lines.append(f"- `{column}`: {series.dtype}" + (f", {missing} missing" if missing else ""))
    if columns > MOST_COLUMNS:
        out["columns"] = columns - MOST_COLUMNS
        lines.append(f"- … and {columns - MOST_COLUMNS} more columns")
    head = shown.head(HEAD_ROWS)
    lines += ["", "First rows:", "", _fence(head.to_string() if hasattr(head, "to_string") else str(head), out)]
    if rows and columns and hasattr(value, "describe"):
        lines += ["", "Summary:", "", _fence(str(looked.describe()), out)]
    return "\n".join(lines)


def _code(value: Any, out: dict[str, int]) -> str:
    """A class or a function: how it is called, and what its author says of it."""
    try:
        called = f"{value.__qualname__}{inspect.signature(value)}"
    except (TypeError, ValueError):  # some built-in ones do not tell
        called = str(value.__qualname__)
    said = inspect.getdoc(value) or ""
    return _shown(f"{called}\n\n{said}".strip(), out)


def _figure_of(value: Any) -> Any:
    if _derives(value, "matplotlib.figure", "Figure"):
        return value
    if _derives(value, "matplotlib.axes", "Axes"):
        return value.figure
    return None


def _is_frame(value: Any) -> bool:
    return _derives(value, "pandas", "DataFrame") or _derives(value, "polars", "DataFrame")


def _derives(value: Any, package: str, name: str) -> bool:
    """Report whether it is, or derives from, the class ``name`` of ``package``."""
    bases = type(value).__mro__
    return any(base.__name__ == name and f"{base.__module__}.".startswith(f"{package}.") for base in bases)


def _qualified(value: Any) -> str:
    module = type(value).__module__
    return type(value).__qualname__ if module == "builtins" else f"{module}.{type(value).__qualname__}"


class _Repr(reprlib.Repr):
    """``repr`` of builtin collections that ends when the time is up."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 20
        self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = self.maxdeque = self.maxdict = MOST_ITEMS
        self.maxstring = self.maxother = self.maxlong = MOST_CHARACTERS
        self._until = time.monotonic() + REPR_S

    def repr1(self, x: Any, level: int) -> str:
        return self.fillvalue if time.monotonic() > self._until else super().repr1(x, level)

    def repr_dict(self, x: dict[Any, Any], level: int) -> str:
        """In its own order, which the base class takes from it."""
        parts = [
            f"{self.repr1(key, level - 1)}: {self.repr1(value, level - 1)}"
            for key, value in islice(x.items(), self.maxdict)
        ]
        return f"{{{', '.join([*parts, self.fillvalue] if len(x) > self.maxdict else parts)}}}"

    fillvalue = "…"


def _bounded(value: Any, out: dict[str, int]) -> str:
    """The ``repr`` of a value with a length, of one that is too long its beginning and end."""
    if isinstance(value, (str, bytes)) and len(value) > MOST_CHARACTERS:
        half = MOST_CHARACTERS // 2
        out["characters"] = len(value) - MOST_CHARACTERS
        return f"{value[:half]!r}\n[… {len(value) - MOST_CHARACTERS} characters left out …]\n{value[-half:]!r}"
    if type(value) not in (dict, list, tuple, set, frozenset):  # others know best how they are shown
        return repr(value)
    if len(value) > MOST_ITEMS:
        out["items"] = len(value) - MOST_ITEMS
    return _Repr().repr(value)


def _shown(text: str, out: dict[str, int]) -> str:
    """A short value on the same line, another in a block of its own."""
    if len(text) <= MOST_INLINE and text.isprintable() and "`" not in text:
        return f", `{text}`"
    return f"\n\n{_fence(text, out)}"


def _fence(text: str, out: dict[str, int]) -> str:
    if len(text) > MOST_CHARACTERS + 200:  # of what was shortened before, nothing is lost again
        out["characters"] = out.get("characters", 0) + len(text) - MOST_CHARACTERS
        half = MOST_CHARACTERS // 2
        text = f"{text[:half]}\n[… {len(text) - MOST_CHARACTERS} characters left out …]\n{text[-half:]}"
    return f"```\n{text.replace('```', '` ` `')}\n```"
