"""A reply on standard output: once, as it was written for a pipe and rendered on a terminal."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Run
from tests.cli.terminal import Terminal
from tests.support.server import GatewayProcess


def test_a_reply_of_two_messages_is_printed_once(cli: Run) -> None:
    done = cli("agent", "-m", "tool 6*7", "--session", "twice", "--allow", "demo_calculate")
    first, second = done.stdout.splitlines()
    assert (
        done.returncode == 0 and first.startswith("I'll use a tool") and second.startswith("The tool answered: **42**")
    )


@pytest.mark.slow
def test_a_terminal_gets_markdown_rendered_and_broken_between_words(gateway: GatewayProcess) -> None:
    for command in (["agent", "-m", "markdown", "--session", "shown"], ["sessions", "show", "shown"]):
        terminal = Terminal(command, gateway.environment, columns=40)
        try:
            assert terminal.wait() == 0
            terminal.expect("rendered while it streams.")
            lines = [line.strip() for line in terminal.screen.text.splitlines()]
        finally:
            terminal.close()
        assert "A heading" in lines and "**bold**, *italic*" not in terminal.screen.text
        assert "▌ A quotation that says: what you see" in lines and "▌ here is rendered while it streams." in lines
