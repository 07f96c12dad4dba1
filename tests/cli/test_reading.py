"""Modes of the terminal around the lines that a person types."""

from __future__ import annotations

import os
import pty
import sys
import termios
from collections.abc import Iterator

import pytest

from clawdbot_ext.cli import reading
from clawdbot_ext.cli.chat.input import Commands, prompt_session


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The other end of the terminal that standard input is."""
    master, slave = pty.openpty()
    with os.fdopen(slave, "r") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield master
    os.close(master)


def keys_are_raw(terminal: int) -> tuple[bool, bool]:
    """``(Enter stays a carriage return, nothing is echoed)``."""
    mode = termios.tcgetattr(terminal)
    return not mode[0] & termios.ICRNL, not mode[3] & termios.ECHO


def test_the_editor_stays_in_raw_mode_while_lines_are_printed_above_it(terminal, tmp_path) -> None:
    """An Enter of that moment was a new line, and its keys stood on the screen twice."""
    keyboard = prompt_session(tmp_path, Commands(), lambda: "").input
    with keyboard.raw_mode():
        assert keys_are_raw(terminal) == (True, True)
        with keyboard.cooked_mode():  # as prompt_toolkit does around everything that is printed
            assert keys_are_raw(terminal) == (True, True)
    assert keys_are_raw(terminal) == (False, False)


def test_a_conversation_reads_keys_as_typed_and_gives_programs_the_terminal_they_expect(terminal) -> None:
    with reading.keys_as_typed():
        assert keys_are_raw(terminal) == (True, True)
        with pytest.raises(KeyboardInterrupt), reading.keys_for_programs():
            assert keys_are_raw(terminal) == (False, False)
            raise KeyboardInterrupt
        assert keys_are_raw(terminal) == (True, True)
    assert keys_are_raw(terminal) == (False, False)
