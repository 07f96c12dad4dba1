"""Types of slash commands: a call, its answer, a row of the table in ``commands.table``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from ...i18n import catalogue
from ..connections.connection import Connection
from ..services import Services

t = catalogue("gateway")


class Answer(NamedTuple):
    """The answer of a command. ``keep``: stored as a message of the transcript. ``switch_to``: the key to show next.
    ``stopped``: the stopped runs; the answer is in the response alone."""

    text: str
    keep: bool = True
    switch_to: str | None = None
    stopped: list[str] | None = None
    fields: Mapping[str, Any] = {}
    """More of the stored message."""


class Call(NamedTuple):
    """One use of a command."""

    services: Services
    caller: Connection
    key: str
    argument: str

    def say(self, text_key: str, /, **facts: Any) -> str:
        return t(self.caller.locale, text_key, **facts)


class Command(NamedTuple):
    name: str
    run: Callable[[Call], Awaitable[Answer]]
    argument: str = ""
    """Catalogue key of the argument's name, or empty when there is none."""
    choices: str | tuple[str, ...] = ""
    """The source of completions for the argument: ``models``, the words themselves, or nothing."""
    aliases: tuple[str, ...] = ()
