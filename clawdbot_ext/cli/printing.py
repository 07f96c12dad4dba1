"""Output of the command line: texts in the user's language, tables, JSON, and nothing that steers the terminal.

Texts of the model, of other clients and of the gateway are cleaned of control characters and ANSI sequences: a reply
must not be able to clear the screen, set the title or write a line that looks like ours.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, TextIO

import click

from ..escapes import clean, one_line
from ..i18n import catalogue, environment_language


@cache
def _language() -> str:
    return environment_language()


def language() -> str:
    """The language of this terminal, as the gateway is told it."""
    return _language()


def texts(area: str) -> Callable[..., str]:
    """The function ``say(key, **facts)`` of a catalogue; facts from outside are cleaned."""
    t = catalogue(area)

    def say(key: str, /, **facts: Any) -> str:
        return t(_language(), key, **{name: clean(str(value)) for name, value in facts.items()})

    return say


say = texts("cli")


# -- printing ---------------------------------------------------------------------------------------------------------
def out(text: str = "") -> None:
    """A line on standard output."""
    click.echo(text)


def for_people(text: str, stream: TextIO, indent: str = "") -> str:
    """``text`` wrapped for ``stream`` where that is a terminal, which would break it inside words."""
    if not stream.isatty():
        return text
    return wrapped(text, shutil.get_terminal_size().columns, indent)


def note(text: str) -> None:
    """A line for people, on standard error: it is no part of the result."""
    click.echo(for_people(text, sys.stderr), err=True)


def indented(text: str) -> str:
    """``text`` with its further lines indented."""
    return text.replace("\n", "\n  ")


def fail(text: str) -> None:
    """An error, on standard error. Further lines are indented: none of them can pass for a message of its own."""
    text = for_people(f"clawdbot: {indented(text)}", sys.stderr, "  ").removeprefix("clawdbot:")
    click.echo(f"{click.style('clawdbot:', fg='red')}{text}", err=True)


MARKS = 8
"""Characters that share a column at most, in what is shortened: a letter and its marks."""
_UNSAFE_IN_JSON = re.compile("[\x7f-\x9f\u061c\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def print_json(value: Any) -> None:
    """``value`` as JSON: readable in any script, with everything escaped that could act on a terminal."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    click.echo(_UNSAFE_IN_JSON.sub(lambda match: f"\\u{ord(match[0]):04x}", text))


def width(text: str) -> int:
    """The columns of ``text`` in a terminal: Korean and most emoji take two, marks that join a letter none."""
    from rich.cells import cell_len

    return cell_len(text)


def pad(text: str, columns: int) -> str:
    """``text`` with blanks up to ``columns``."""
    return text + " " * max(0, columns - width(text))


def shorten(text: str, columns: int) -> str:
    """``text`` on one line of at most ``columns``."""
    from rich.cells import set_cell_size

    text = " ".join(clean(text).split())
    whole = text[: MARKS * columns]  # however long a title is, no more than fits is measured
    if len(whole) == len(text) and width(text) <= columns:
        return text
    return set_cell_size(whole, columns - 1).rstrip() + "…" if columns > 0 else ""


def wrapped(text: str, columns: int, indent: str = "") -> str:
    """``text`` with its lines broken between words, the further ones indented; a word that is too long stays whole."""
    return "\n".join(_wrapped_line(line, columns, indent) for line in text.split("\n"))


def _wrapped_line(line: str, columns: int, indent: str) -> str:
    if width(line) <= columns:
        return line
    rows, row = [], ""
    for word in re.findall(r"\s*\S+|\s+", line):  # the second for what ends the line: linear time
        if word.isspace():
            continue
        if row and width(row) + width(word) > columns:
            rows.append(row)
            row = indent + word.lstrip()
        else:
            row += word
    return "\n".join([*rows, row])


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns under their titles; the last one is not padded."""
    cells = [list(head), *([one_line(cell) for cell in row] for row in rows)]
    widths = [max(width(row[column]) for row in cells) for column in range(len(head))]
    for number, row in enumerate(cells):
        line = "  ".join(pad(cell, columns) for cell, columns in zip(row, widths, strict=True)).rstrip()
        click.echo(click.style(line, bold=True) if number == 0 else line)


def facts(rows: Sequence[tuple[str, str]]) -> None:
    """``name  value`` lines, aligned."""
    rows = [(one_line(name), one_line(str(value))) for name, value in rows]
    columns = max((width(name) for name, _ in rows), default=0)
    for name, value in rows:
        click.echo(f"{click.style(pad(name, columns), dim=True)}  {value}")


def ago(ms: int, now_ms: int) -> str:
    """Time elapsed since then, in the largest unit that fits."""
    seconds = max(0, (now_ms - ms) // 1000)
    for unit, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= size:
            return say(f"ago.{unit}", count=seconds // size)
    return say("ago.now")


def duration(ms: int) -> str:
    """A length of time in its two largest units."""
    minutes, seconds = divmod(max(0, ms) // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "m"), (seconds, "s")]
    shown = [say(f"unit.{unit}", count=number) for number, unit in parts if number][:2]
    return " ".join(shown) or say("unit.s", count=0)


def is_terminal() -> bool:
    """Report whether both input and output are a terminal."""
    return sys.stdin.isatty() and sys.stdout.isatty()
