"""``commands.list`` and ``commands.complete``."""

from __future__ import annotations

from collections.abc import Mapping

from ...protocol.errors import NotFound
from ...protocol.schema import CommandsCompleteParams, CommandsCompleteResult, CommandsListParams, CommandsListResult
from ..commands.base import Command
from ..commands.table import BY_NAME, COMMANDS, STOP_WORDS, rows, t
from ..connections.connection import Connection
from ..registry import method
from ..services import Services

MAX_OPTIONS = 50


@method("commands.list")
async def commands_list(services: Services, caller: Connection, params: CommandsListParams) -> CommandsListResult:
    """The commands, with what can follow each."""
    models = [m.spec for m in await services.providers.models.list()]
    listed = rows(caller.locale)
    for row, command in zip(listed, COMMANDS, strict=True):
        row["choices"] = models if command.choices == "models" else list(command.choices)
    return CommandsListResult(commands=listed, stop_words=sorted(STOP_WORDS))


@method("commands.complete")
async def commands_complete(
    services: Services, caller: Connection, params: CommandsCompleteParams
) -> CommandsCompleteResult:
    """Complete the argument of a command: words that begin with the text first, then those that contain it.

    Raises ``NotFound`` for a word that is no command.
    """
    command = BY_NAME.get(params.command.removeprefix("/").lower())
    if command is None:
        raise NotFound(f"no command /{params.command}")
    options = await _options(services, caller, command)
    wanted = params.text.strip().casefold()
    fitting = [o for o in options if wanted in f"{o['value']} {o.get('description', '')}".casefold()]
    fitting.sort(key=lambda o: not _begins(o, wanted))
    return CommandsCompleteResult(options=fitting[:MAX_OPTIONS])


def _begins(option: Mapping[str, str], wanted: str) -> bool:
    value = option["value"].casefold()
    return value.startswith(wanted) or value.rpartition("/")[2].startswith(wanted)


async def _options(services: Services, caller: Connection, command: Command) -> list[dict[str, str]]:
    if command.choices == "models":
        extra = [{"value": "default", "description": t(caller.locale, "option.default")}]
        models = [{"value": m.spec, "description": m.name} for m in await services.providers.models.list()]
        return models + extra if command.name == "model" else models
    level = f"option.{command.name}"
    return [{"value": word, "description": t(caller.locale, f"{level}.{word}")} for word in command.choices]
