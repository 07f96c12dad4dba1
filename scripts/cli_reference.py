"""``docs/reference/cli.md``: every command with its arguments and options, in English.

The texts of the command line are chosen when it is imported, by the environment; hence the process of its own. The page
is not ``--help`` itself, whose layout changes with the version of click.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import click

HEAD = """\
<!-- Written by `python -m scripts.generate` from clawdbot_ext/cli/: edit that. tests/test_docs.py compares. -->

# Commands

What the commands are for, and exit codes, are in [command line](../cli.md). `--help` shows the same in your language.
`jupyter clawdbot` takes the options of `clawdbot gateway run`.
"""


def page() -> str:
    """The whole page."""
    env = {**os.environ, "LC_ALL": "C.UTF-8"}
    made = subprocess.run([sys.executable, "-m", __name__], env=env, capture_output=True, text=True, check=True)
    return made.stdout


def sections() -> Iterator[str]:
    """The head, then a section for each command."""
    from clawdbot_ext.cli.program import program

    yield HEAD
    for path, command in commands(program, ("clawdbot",)):
        yield f"## {' '.join(path)}\n"
        yield f"{_one_line(command.help)}\n"
        usage = [_argument(param) for param in command.params if isinstance(param, click.Argument)]
        usage += ["COMMAND …"] if isinstance(command, click.Group) else []
        yield f"`{' '.join([*path, '[OPTIONS]', *usage])}`\n"
        rows = [_option(param) for param in command.params if isinstance(param, click.Option) and not param.hidden]
        if rows:
            yield "\n".join(["| option | |", "| --- | --- |", *rows]) + "\n"


def commands(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command below ``command`` that is not hidden, with the words that call it."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None and not inner.hidden:
                yield from commands(inner, (*path, name))


def _argument(param: click.Argument) -> str:
    name = (param.metavar or param.name or "").upper()
    name = f"{name}…" if param.nargs != 1 else name
    return name if param.required else f"[{name}]"


def _option(param: click.Option) -> str:
    names = ", ".join(f"`{name}`" for name in (*param.opts, *param.secondary_opts))
    choices = (
        f" One of {', '.join(f'`{choice}`' for choice in param.type.choices)}."
        if isinstance(param.type, click.Choice)
        else ""
    )
    value = "" if param.is_flag or choices else f" {param.metavar or param.type.name.partition(' ')[0].upper()}"
    return f"| {names}{value} | {_one_line(param.help)}{choices} |".replace("|  |", "| |")


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write("\n".join(sections()))
