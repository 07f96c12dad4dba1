"""A program in a pseudo-terminal, as a person sees it: send keys, wait for text."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Mapping
from pathlib import Path

WAIT_S = 15.0
ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-~]|\r")
CURSOR_QUERY = b"\x1b[6n"


class Terminal:
    """``python -m clawdbot_ext ARGUMENTS`` in a terminal of 100 × 30."""

    def __init__(self, arguments: list[str], environment: Mapping[str, str], *, columns: int = 100, lines: int = 30):
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        environment = {**environment, "TERM": "xterm-256color", "PYTHONUNBUFFERED": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "clawdbot_ext", *arguments], stdin=slave, stdout=slave, stderr=slave,
            env=environment, cwd=Path(environment["CLAWDBOT_STATE_DIR"]), start_new_session=True)
        os.close(slave)
        self.raw = ""
        self._news = threading.Condition()
        self._ended = False
        self._seen = 0
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        data = b""
        while True:
            try:
                more = os.read(self._master, 65_536)
            except OSError:
                more = b""
            if not more:
                break
            data += more
            for _ in range(more.count(CURSOR_QUERY)):  # answer as a terminal does
                os.write(self._master, b"\x1b[1;1R")
            with self._news:
                self.raw = data.decode("utf-8", "replace")
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    @property
    def text(self) -> str:
        """Everything printed so far, without what moves the cursor or colours."""
        return ESCAPES.sub("", self.raw)

    def send(self, keys: str) -> None:
        """Press keys."""
        os.write(self._master, keys.encode())

    def expect(self, wanted: str, timeout_s: float = WAIT_S) -> str:
        """Wait until ``wanted`` is printed after what was expected last; what was printed up to it."""
        ends = time.monotonic() + timeout_s
        with self._news:
            while True:
                text = self.text
                found = text.find(wanted, self._seen)
                if found >= 0:
                    before, self._seen = text[self._seen:found], found + len(wanted)
                    return before
                left = ends - time.monotonic()
                if left <= 0 or self._ended:
                    raise AssertionError(f"no {wanted!r} in:\n{text[self._seen:]}\n--- raw: {self.raw[-500:]!r}")
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
