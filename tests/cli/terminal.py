"""A program in a pseudo-terminal, as a person sees it: press keys, wait for what is on the screen."""

from __future__ import annotations

import codecs
import contextlib
import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.cli.screen import Screen

WAIT_S = 60.0
PROMPT = "›"


class Terminal:
    """``python -m clawdbot_ext ARGUMENTS`` in a terminal of 100 × 40."""

    def __init__(
        self,
        arguments: list[str],
        environment: Mapping[str, str],
        *,
        columns: int = 100,
        lines: int = 40,
        kind: str = "xterm-256color",
    ):
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.screen = Screen(columns, lines)
        # Who runs the tests may export the size of another terminal, which rich believes before this one's.
        kept = {name: value for name, value in environment.items() if name not in ("COLUMNS", "LINES")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "clawdbot_ext", *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**kept, "TERM": kind},
            cwd=Path(environment["CLAWDBOT_STATE_DIR"]),
            start_new_session=True,
        )
        os.close(slave)
        self.raw = ""
        """Everything that was written, as it was."""
        self._news = threading.Condition()
        self._ended = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        while True:
            try:
                data = os.read(self._master, 65_536)
            except OSError:  # the other end is closed
                data = b""
            with self._news:
                text = decoder.decode(data)
                self.raw += text
                self.screen.feed(text)
                self._ended = not data
                self._news.notify_all()
            while self.screen.answers:
                os.write(self._master, self.screen.answers.pop(0).encode())
            if not data:
                return

    def send(self, keys: str) -> None:
        """Press keys."""
        os.write(self._master, keys.encode())

    def expect(self, text: str, *, times: int = 1, timeout_s: float = WAIT_S) -> None:
        """Wait until ``text`` is on the screen or above it, at least ``times`` times."""
        self._wait(lambda: self.screen.text.count(text) >= times, repr(text), timeout_s)

    def ready(self, typed: str = "", *, timeout_s: float = WAIT_S) -> None:
        """Wait until the line that is edited is the prompt and ``typed``."""
        self._wait(lambda: self.screen.current == f"{PROMPT} {typed}".rstrip(), f"prompt with {typed!r}", timeout_s)

    def _wait(self, condition: Callable[[], bool], wanted: str, timeout_s: float) -> None:
        ends = time.monotonic() + timeout_s
        with self._news:
            while not condition():
                left = ends - time.monotonic()
                if left <= 0 or self._ended:
                    raise AssertionError(f"no {wanted} on the screen:\n{self.screen.text}")
                self._news.wait(left)

    def wait(self, timeout_s: float = WAIT_S) -> int:
        """The exit code."""
        return self.process.wait(timeout_s)

    def close(self) -> None:
        """End the program, whatever it does."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(WAIT_S)
        self._reader.join(WAIT_S)
        os.close(self._master)
