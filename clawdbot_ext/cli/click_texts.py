"""Click's own words (``Usage:``, ``Missing argument`` …) in the language of the terminal.

Click looks its texts up by the names ``_`` and ``ngettext`` of its modules, which stand for gettext's functions. They
are put in place of those for this process; a text that the catalogue ``click`` has not stays Click's.
"""

from __future__ import annotations

from types import ModuleType

import click
import click.core
import click.decorators
import click.exceptions
import click.formatting
import click.parser
import click.types

from ..i18n import catalogue
from .printing import language

_MODULES: tuple[ModuleType, ...] = (
    click.core,
    click.decorators,
    click.exceptions,
    click.formatting,
    click.parser,
    click.types,
)
_t = catalogue("click")
COMPLETING = "_CLAWDBOT_COMPLETE"
"""The environment variable by which a shell asks for completions."""


def translate() -> None:
    """From now on, click speaks the terminal's language."""
    click.types.IntRange.name, click.types.FloatRange.name = "integer", "number"  # it says "integer range" for a word
    for module in _MODULES:
        for name, function in (("_", _word), ("ngettext", _counted)):
            if hasattr(module, name):
                setattr(module, name, function)


def help_hint(ctx: click.Context) -> str:
    """Click's line on where to find help."""
    words = {"command": ctx.command_path, "option": ctx.help_option_names[0]}
    return _word("Try '{command} {option}' for help.").format(**words)


def no_such_command(name: str) -> str:
    """Click's line for a command that does not exist, as for its groups' commands."""
    return _word("No such command {name!r}.").format(name=name)


def _word(text: str) -> str:
    try:
        return _t(language(), text)
    except KeyError:
        return text


def _counted(one: str, many: str, count: int) -> str:
    return _word(one if count == 1 else many)
