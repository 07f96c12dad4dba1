"""Exceptions of asyncio tasks that nothing retrieved: failures without a witness, in a test or a process of its own.

asyncio logs them when the task is collected, to no handler that a test would see.
"""

from __future__ import annotations

import logging

NEVER = "was never retrieved"


class Unretrieved(logging.Handler):
    """Collects what asyncio logs of them in this process."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if NEVER in text:
            cause = record.exc_info[1] if record.exc_info else None
            self.found.append(f"{text}\n{cause!r}")

    def listen(self) -> None:
        """Begin, for the whole process."""
        logging.getLogger("asyncio").addHandler(self)

    def taken(self) -> list[str]:
        """Those since the last call."""
        found, self.found = self.found, []
        return found


unretrieved = Unretrieved()
"""The one that tests/conftest.py has listen."""


def check_output(output: str) -> None:
    """Raises ``AssertionError`` if a process printed of one."""
    if NEVER in output:
        raise AssertionError(f"a task's exception was never retrieved:\n{output[-20_000:]}")
