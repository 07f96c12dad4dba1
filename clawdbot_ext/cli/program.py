"""The program: its commands, its version, and what happens when one fails."""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

import click

from .._version import __version__
from . import exit_codes
from .click_texts import COMPLETING, help_hint, no_such_command, translate
from .printing import fail, say


class Row(NamedTuple):
    """A command of the table."""

    target: str
    """Module and attribute, imported when the command is used."""
    text: str
    """Key of its line in the list of commands: ``short.…`` whole, of ``help.…`` the first sentence."""


COMMANDS = {
    "gateway": Row("gateway:group", "short.gateway"),
    "web": Row("web:command", "short.web"),
    "chat": Row("chat.command:command", "short.chat"),
    "agent": Row("agent:command", "short.agent"),
    "sessions": Row("sessions:group", "help.sessions"),
    "approvals": Row("approvals:group", "help.approvals"),
    "changes": Row("changes:group", "help.changes"),
    "import": Row("import_:command", "help.import"),
    "models": Row("models:group", "help.models"),
    "config": Row("config:group", "help.config"),
    "status": Row("status:status", "help.status"),
    "health": Row("status:health", "help.health"),
    "doctor": Row("doctor:command", "help.doctor"),
    "backup": Row("storage:backup", "help.backup"),
    "restore": Row("storage:restore", "help.restore"),
    "storage": Row("storage_copy:group", "help.storage"),
    "users": Row("users:group", "help.users"),
    "security": Row("security:group", "short.security"),
    "call": Row("call:command", "help.call"),
    "events": Row("call:events", "help.events"),
    "devices": Row("devices:group", "help.devices"),
    "node": Row("node:command", "help.node"),
    "token": Row("credentials:token", "help.token.group"),
    "password": Row("credentials:password", "help.password.group"),
    "logout": Row("credentials:logout", "help.logout"),
    "completion": Row("completion:command", "help.completion"),
    "tunnel": Row("ssh.tunnel:command", "short.tunnel"),
}


LOOK_HERE = ("doctor", "audit")
"""Commands that ask the gateway, too, and whose report is about the machine that they run on."""


class Commands(click.Group):
    """A group whose commands are imported late and whose misspelt ones are guessed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].target.partition(":")
        command: click.Command = getattr(importlib.import_module(f".{module}", __package__), attribute)
        if COMPLETING in os.environ:
            from .completion import prepare

            prepare(command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands by their texts: half of the time of ``--help`` was for importing them all."""
        commands = {name: _listed(name, row.text) for name, row in COMMANDS.items()}
        _Listing(commands=commands).format_commands(ctx, formatter)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if not ctx.resilient_parsing and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], COMMANDS, n=1, cutoff=0.5)
            hint = say("error.nearest", suggestion=f"clawdbot {near[0]}") if near else say("usage.help")
            raise click.UsageError(f"{no_such_command(args[0])} {hint}", ctx)
        name, command, rest = super().resolve_command(ctx, args)
        if command is not None and ctx.params.get("ssh") is not None and not ctx.resilient_parsing:
            _refuse_what_is_local(ctx, command, rest)
        return name, command, rest


class _Listing(click.Group):
    """Commands in the order of the table."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


def _listed(name: str, key: str) -> click.Command:
    text = say(key)
    return click.Command(name, short_help=text) if key.startswith("short.") else click.Command(name, help=text)


def _refuse_what_is_local(ctx: click.Context, command: click.Command, rest: list[str]) -> None:
    """``--ssh`` is for commands that ask a gateway; ``web`` would open a page whose way ends with the command."""
    if command.name == "web":
        raise click.UsageError(say("usage.sshWeb"), ctx)
    words = iter(rest)
    while isinstance(command, click.Group):
        inner = next((found for word in words if (found := command.get_command(ctx, word))), None)
        if inner is None:
            break
        command = inner
    asks = any(param.name == "url" for param in command.params) and command.name not in LOOK_HERE
    if not asks and not {"--help", "-h"} & set(rest):
        raise click.UsageError(say("usage.sshLocal", command=command.name), ctx)


@click.group(
    "clawdbot",
    cls=Commands,
    help=say("help.clawdbot"),
    epilog=say("help.exits"),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(
    __version__, "--version", "-V", message="clawdbot %(version)s (Clawdbot for Jupyter)", help=say("help.version")
)
@click.option("--ssh", metavar="[USER@]HOST[:PORT]", help=say("help.ssh"))
@click.option("--remote-command", metavar="COMMAND", help=say("help.remoteCommand"))
@click.pass_context
def program(ctx: click.Context, ssh: str | None, remote_command: str | None) -> None:
    """See ``help``."""
    if ssh is None:
        if remote_command is not None:
            raise click.UsageError(say("usage.remoteCommand"), ctx)
        return
    from .ssh.process import REMOTE_COMMAND, Host
    from .ssh.tunnel import Remote

    ctx.obj = Remote(Host.parse(ssh), remote_command or REMOTE_COMMAND)
    ctx.call_on_close(ctx.obj.close)


def run(argv: Sequence[str] | None = None) -> int:
    """Run the program with ``argv`` (``sys.argv`` if ``None``); returns the exit code. Only bugs raise."""
    translate()
    for stream in (sys.stdout, sys.stderr):
        reconfigure: Any = getattr(stream, "reconfigure", None)
        if reconfigure is not None:  # a lone surrogate, or a terminal without UTF-8, must not end a command
            reconfigure(errors="replace")
    try:
        code = program.main(None if argv is None else list(argv), prog_name="clawdbot", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as exc:
        if isinstance(exc, click.UsageError) and exc.ctx is not None:
            click.echo(f"{exc.ctx.get_usage()}\n{help_hint(exc.ctx)}", err=True)
        fail(exc.format_message())
        return exc.exit_code
    except (click.Abort, KeyboardInterrupt):
        return exit_codes.CTRL_C
    except BrokenPipeError:  # `clawdbot … | head`: the reader has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exit_codes.FAILED
    except exit_codes.EXPECTED as exc:
        code, text = exit_codes.explain(exc)
        fail(text)
    return code if isinstance(code, int) else exit_codes.OK
