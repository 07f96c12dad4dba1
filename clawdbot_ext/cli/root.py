"""The program: its commands, its version, and what happens when one fails."""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from .._version import __version__
from . import exits
from .output import fail, say

COMMANDS = {
    "gateway": "gateway:group", "web": "web:command", "chat": "chat:command", "agent": "agent:command",
    "sessions": "sessions:group", "import": "importing:command", "models": "models:group", "config": "config:group",
    "status": "status:status",
    "health": "status:health", "doctor": "doctor:command", "call": "call:command", "events": "call:events",
    "devices": "devices:group", "node": "node:command",
}
"""Name → module and attribute, imported when the command is used."""


class Commands(click.Group):
    """A group whose commands are imported late and whose misspelt ones are guessed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(f".{module}", __package__), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], COMMANDS, n=1, cutoff=0.5)
            hint = say("error.nearest", suggestion=f"clawdbot {near[0]}") if near else say("usage.help")
            raise click.UsageError(f"{say('usage.noCommand', name=args[0])} {hint}", ctx)
        return super().resolve_command(ctx, args)


@click.group("clawdbot", cls=Commands, help=say("help.clawdbot"), epilog=say("help.exits"),
             context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, "--version", "-V", message="clawdbot %(version)s (Clawdbot for Jupyter)",
                      help=say("help.version"))
def program() -> None:
    """See ``help``."""


def run(argv: Sequence[str] | None = None) -> int:
    """Run the program with ``argv`` (``sys.argv`` if ``None``); returns the exit code. Only bugs raise."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure: Any = getattr(stream, "reconfigure", None)
        if reconfigure is not None:  # a lone surrogate, or a terminal without UTF-8, must not end a command
            reconfigure(errors="replace")
    try:
        code = program.main(None if argv is None else list(argv), prog_name="clawdbot", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as exc:
        exc.show()
        return exc.exit_code
    except (click.Abort, KeyboardInterrupt):
        return exits.CTRL_C
    except BrokenPipeError:  # `clawdbot … | head`: nobody reads any more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exits.FAILED
    except exits.EXPECTED as exc:
        code, text = exits.explain(exc)
        fail(text)
    return code if isinstance(code, int) else exits.OK
