"""Parsing of the line of ``%clawdbot`` and ``%%clawdbot``: options, and how IPython is kept from reading it as its own.

IPython takes a line that ends in ``?`` for a call for help, and a cell magic with nothing below for a mistake. Both are
ours to answer, save ``%clawdbot?`` and ``%%clawdbot?``, which ask IPython for help.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from .magic_errors import UsageProblem

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

LONG = {"-s": "--session", "-m": "--model", "-h": "--help"}
FLAGS = ("--insert", "--raw", "--keep-going", "--help")
VALUED = ("--session", "--model", "--var")
OPTIONS = ("-s", "-m", "--var", "--insert", "--raw", "--keep-going")
"""As they are completed and named in messages."""
_WORD = re.compile(r"\s*(--|-[A-Za-z]|--[\w-]+)(?:=|(?=\s|$))")
_VALUE = re.compile(r"\s*(\"[^\"]*\"|'[^']*'|[^\s\"']\S*)")
_BARE_CELL = re.compile(r"%%clawdbot(?:[ \t]+(\S[^\n]*))?")
_HELP = re.compile(r"%clawdbot\s*\?{1,2}\s*")


class Options:
    """Options given with the question."""

    def __init__(self) -> None:
        self.session = ""
        self.model = ""
        self.variables: list[str] = []
        self.insert = False
        """Put the code of the answer into the next cell."""
        self.raw = False
        """Send the text as it stands, without values in it."""
        self.keep_going = False
        """Show a failure as text, so that the cells behind go on."""
        self.help = False

    @property
    def only_for_questions(self) -> str:
        """The option that was given and means nothing where nothing is asked; else empty."""
        given = (
            ("--session", self.session),
            ("--model", self.model),
            ("--var", self.variables),
            ("--insert", self.insert),
        )
        return next((name for name, value in given if value), "")


def parse(line: str, options: Options, t: Callable[..., str]) -> str:
    """Take the options from the beginning of ``line``; what follows them. ``--`` ends them.

    Raises:
        UsageProblem: an option is not known, or its value is missing.
    """
    while (word := re.match(r"\s*(-\S*)", line)) and not re.match(r"-(?:\d|$)", word[1]):
        found = _WORD.match(line)
        name = LONG.get(found[1], found[1]) if found else word[1]
        if name == "--":
            return line[word.end() :].strip()
        if name in FLAGS and found is not None and not found[0].endswith("="):
            setattr(options, name[2:].replace("-", "_"), True)
        elif name in VALUED and found is not None:
            value = _VALUE.match(line, found.end())
            if value is None:
                raise UsageProblem(t("noValue", word=found[1]))
            _set_option(options, name, value[1].strip("\"'"))
            line = line[value.end() :]
            continue
        else:
            raise UsageProblem(t("badOption", word=word[1], known=" ".join(OPTIONS)) + near(word[1], FLAGS + VALUED, t))
        line = line[found.end() :]
    return line.strip()


def _set_option(options: Options, name: str, value: str) -> None:
    if name == "--var":
        options.variables.append(value)
    elif name == "--session":
        options.session = value
    else:
        options.model = value


def near(word: str, known: Sequence[str], t: Callable[..., str]) -> str:
    """`` Did you mean …?`` with the nearest of ``known``, or nothing."""
    found = difflib.get_close_matches(word, known, 1)
    return " " + t("near", word=found[0]) if found else ""


class Transformers:
    """Hooks of a shell for our lines before it reads them: ``install`` and ``remove``."""

    def __init__(self, shell: InteractiveShell):
        self._manager = shell.input_transformer_manager
        self._line = _line_transformer()

    def install(self) -> None:
        self._manager.token_transformers.append(self._line)
        setattr(bare_cell, "has_side_effects", True)  # noqa: B010 - IPython's mark: not while a cell is typed
        self._manager.cleanup_transforms.insert(0, bare_cell)

    def remove(self) -> None:
        for transformers, ours in (
            (self._manager.token_transformers, self._line),
            (self._manager.cleanup_transforms, bare_cell),
        ):
            transformers[:] = [each for each in transformers if each is not ours]


def bare_cell(lines: list[str]) -> list[str]:
    """A ``%%clawdbot`` without a question comes to us, too; IPython would say that the cell is empty, in its words."""
    found = _BARE_CELL.fullmatch("".join(lines).strip())
    if found is None or ((found[1] or "").strip("? ") == "" and found[1]):
        return lines
    return [f"get_ipython().run_cell_magic('clawdbot', {(found[1] or '').strip()!r}, '\\n')\n"]


def _line_transformer() -> Any:
    from IPython.core.inputtransformer2 import EscapedCommand, HelpEnd

    class ClawdbotLine(EscapedCommand):
        """``%clawdbot … ?`` as a magic, before ``HelpEnd`` takes it for a call for help."""

        priority = HelpEnd.priority - 1

        @classmethod
        def find(cls, tokens_by_line: Any) -> Any:
            for line in tokens_by_line:
                words = [token for token in line if token.string.strip()]
                if [token.string for token in words[:2]] == ["%", "clawdbot"] and not _HELP.fullmatch(
                    words[0].line[words[0].start[1] :]
                ):
                    return cls(words[0].start)
            return None

    return ClawdbotLine
