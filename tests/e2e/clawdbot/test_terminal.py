"""``clawdbot tui`` in tmux, unmodified, against our gateway."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator

import pytest

from tests.support.tools import require

WAIT_S = 60.0
"""Node takes its time on a loaded machine."""


class Terminal:
    """A program in a tmux session of its own server."""

    def __init__(self, name: str, command: list[str]):
        self._tmux = [require("tmux"), "-L", name, "-f", "/dev/null"]
        subprocess.run([*self._tmux, "new-session", "-d", "-s", "t", "-x", "110", "-y", "45", *command], check=True)

    def screen(self) -> str:
        return subprocess.run([*self._tmux, "capture-pane", "-p", "-t", "t"], capture_output=True, text=True).stdout

    def keys(self, *keys: str) -> None:
        subprocess.run([*self._tmux, "send-keys", "-t", "t", *keys], check=True)

    def write(self, text: str) -> None:
        self.keys("-l", text)
        self.shows(re.escape(text))  # Enter in the same read would be part of a paste
        self.keys("Enter")

    def shows(self, pattern: str) -> str:
        """Wait until the screen shows it; the screen."""
        ends = time.monotonic() + WAIT_S
        while time.monotonic() < ends:
            if re.search(pattern, screen := self.screen()):
                return screen
            time.sleep(0.05)
        pytest.fail(f"never shown: {pattern}\n{self.screen()}", pytrace=False)

    def close(self) -> None:
        subprocess.run([*self._tmux, "kill-server"], stderr=subprocess.DEVNULL)


@pytest.fixture
def tui(claw, tmp_path) -> Iterator[Terminal]:
    words = [f"{name}={value}" for name, value in {**claw.environment, "TERM": "xterm-256color"}.items()]
    terminal = Terminal(f"claw-{os.getpid()}-{tmp_path.name}", ["env", "-i", *words, *claw.words("tui")])
    try:
        terminal.shows("connected \\| idle")
        yield terminal
    finally:
        terminal.close()


def save(terminal, pictures, name):
    if pictures:
        (pictures / f"{name}.txt").write_text(terminal.screen())


def test_it_loads_sends_streams_and_shows_the_reply(tui, pictures):
    tui.write("hello [[text=the reply in the terminal]]")
    tui.shows("the reply in the terminal\\s")
    tui.shows("connected \\| idle")
    save(tui, pictures, "tui")


def test_escape_stops_a_reply(tui):
    tui.write("slow please")
    tui.shows("streaming")
    tui.keys("Escape")
    tui.shows("run aborted")


@pytest.mark.parametrize(
    ("command", "shows"),
    [
        ("/status", "Gateway status"),
        ("/models", "demo/demo"),
        ("/sessions", "main"),
        ("/think high", "high"),
        ("/new", r"tokens (0|\?)/200k"),
    ],
)
def test_a_command_of_the_terminal_works(tui, command, shows):
    tui.write(command)
    tui.shows(shows)
    assert "failed" not in tui.screen().lower()
