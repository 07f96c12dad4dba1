"""``clawdbot completion``: the script with which a shell completes commands, session keys, models and settings."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import Any

import click
from click.shell_completion import CompletionItem, get_completion_class

from .. import config as settings
from ..client.session_title import main_key, title_of
from ..escapes import one_line
from ..protocol.keys import short_key
from . import exit_codes
from .click_texts import COMPLETING
from .connection import Target, keep_quiet
from .printing import language, out, say

SHELLS = ("bash", "zsh", "fish")
ANSWER_S = 2.0
"""Time that the gateway has for an answer; a shell waits for it with every key."""
MOST = 200

Completer = Callable[[click.Context, click.Parameter, str], "list[CompletionItem]"]


@click.command("completion", help=say("help.completion"))
@click.argument("shell", type=click.Choice(SHELLS))
def command(shell: str) -> None:
    """Print the script of a shell."""
    kind = get_completion_class(shell)
    assert kind is not None
    program = click.get_current_context().find_root().command
    out(kind(program, {}, "clawdbot", COMPLETING).source())


def _ask(ctx: click.Context, method: str, params: Mapping[str, Any]) -> tuple[Mapping[str, Any], str]:
    """The gateway's answer and the key of its main session; empty where there is none in time: a completion says
    nothing of what is wrong."""
    from ..client.gateway_client import GatewayClient

    async def ask(endpoint: Any) -> tuple[Mapping[str, Any], str]:
        async with GatewayClient(endpoint) as client:
            answer: Mapping[str, Any] = await client.request(method, params, timeout_s=ANSWER_S)
            return answer, main_key(client.hello)

    keep_quiet()
    given = {name: ctx.params.get(name) for name in Target._fields}
    try:
        return asyncio.run(asyncio.wait_for(ask(Target(**given).locate()), ANSWER_S))
    except (*exit_codes.EXPECTED, asyncio.TimeoutError):
        return {}, ""


def _sessions(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    asked = {"limit": MOST, "includeDerivedTitles": True}
    answer, main = _ask(ctx, "sessions.list", asked)
    return [
        CompletionItem(key, help=title_of(row, str(row.get("key")), main, language()))
        for row in answer.get("sessions") or ()
        if (key := short_key(str(row.get("key")))).startswith(incomplete) and key == one_line(key)
    ]


def _models(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    rows = _ask(ctx, "models.list", {})[0].get("models") or ()
    known = [(str(row.get("spec") or row.get("id")), one_line(str(row.get("name", "")))) for row in rows]
    return [CompletionItem(spec, help=name) for spec, name in known if incomplete in spec and spec == one_line(spec)]


def _settings(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    names = {setting.name: setting.help for setting in settings.SETTINGS if "<" not in setting.name}
    with contextlib.suppress(settings.ConfigError):  # a wrong file is no reason not to help with mending it
        names |= {name: "" for name in settings.load().names() if name not in names}
    return [CompletionItem(name, help=text) for name, text in names.items() if name.startswith(incomplete)]


def _values(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The choices of the setting that stands before."""
    setting = settings.find(str(ctx.params.get("name") or ctx.params.get("setting")))
    choices = ("true", "false") if setting is not None and setting.type == "boolean" else setting and setting.choices
    return [CompletionItem(choice) for choice in choices or () if choice and choice.startswith(incomplete)]


def _users(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The users who have a space, and everybody whom the settings name."""
    from .users import known_names

    found: list[str] = []
    with contextlib.suppress(*exit_codes.EXPECTED, click.ClickException):
        found = known_names()
    return [CompletionItem(name) for name in found if name.startswith(incomplete) and name == one_line(name)]


BY_NAME: Mapping[str, Completer] = {"session": _sessions, "keys": _sessions, "key": _sessions, "model": _models}
"""Name of a parameter → what completes it."""
OF_CONFIG: Mapping[str, Completer] = {"name": _settings, "value": _values}
OF_USERS: Mapping[str, Completer] = {"user": _users, "setting": _settings, "value": _values}


def prepare(command: click.Command, known: Mapping[str, Completer] = BY_NAME) -> None:
    """Give the parameters of a command, and of those below it, what completes them."""
    if command.name == "config":
        known = OF_CONFIG
    elif command.name == "users":
        known = OF_USERS
    for param in command.params:
        if param.name in known and not isinstance(param.type, click.Choice):
            param._custom_shell_complete = known[param.name]  # what the argument ``shell_complete`` sets
    for inner in getattr(command, "commands", {}).values():
        prepare(inner, known)
