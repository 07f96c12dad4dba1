"""The program: its list of commands says of each what the command itself says, and imports none of them."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest

from clawdbot_ext.cli.program import COMMANDS, program


@pytest.mark.parametrize("name", COMMANDS)
def test_a_line_of_the_list_is_the_short_help_of_its_command(name: str) -> None:
    context = click.Context(program)
    command = program.get_command(context, name)
    assert command is not None and not command.hidden
    formatter = click.HelpFormatter(width=300)
    program.format_commands(context, formatter)
    assert f"  {name:<{max(map(len, COMMANDS))}}  {command.get_short_help_str(290)}\n" in formatter.getvalue()


def test_the_help_imports_no_command() -> None:
    code = (
        "import sys\nfrom clawdbot_ext.cli import main\ncode = main(['--help'])\n"
        "from clawdbot_ext.cli.program import COMMANDS\n"
        "modules = {f'clawdbot_ext.cli.{row.target.partition(\":\")[0]}' for row in COMMANDS.values()}\n"
        "print('LOADED', sorted(modules & set(sys.modules)), code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "LOADED [] 0" in done.stdout, done.stdout + done.stderr
