"""A line read from the person at the terminal, wherever standard input and output lead."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from prompt_toolkit import PromptSession
from prompt_toolkit.application import create_app_session
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.input import create_input
from prompt_toolkit.output import create_output


async def read_line(prompt: str, secret: bool) -> str:
    """The line that a person types, without its end; ``secret``: unseen.

    Raises:
        KeyboardInterrupt: Ctrl+C. EOFError: Ctrl+D.
    """
    session: PromptSession[str] = PromptSession(is_password=secret)
    return str(await session.prompt_async(FormattedText([("bold", prompt)])))


def is_person_there() -> bool:
    """Report whether a person sees standard error and can type there, even where input and output are files.

    False for a background job, which would be stopped for reading.
    """
    if not sys.stderr.isatty():
        return False
    if sys.platform == "win32":
        return sys.stdin.isatty()
    try:
        return os.tcgetpgrp(sys.stderr.fileno()) == os.getpgrp()
    except OSError:  # a terminal that controls no jobs
        return True


@contextmanager
def terminal_on_stderr() -> Iterator[None]:
    """Questions are asked on standard error here, so that the output of a command stays its result."""
    with create_app_session(
        input=create_input(always_prefer_tty=True), output=create_output(stdout=sys.stderr, always_prefer_tty=True)
    ):
        yield


@contextmanager
def keys_as_typed() -> Iterator[None]:
    """Terminal mode for a conversation: outside the editor, too, no key is echoed and Enter stays a carriage return."""
    with _terminal_mode(on=False):
        yield


@contextmanager
def keys_for_programs() -> Iterator[None]:
    """Terminal mode that a program, such as a text editor, expects when it starts."""
    with _terminal_mode(on=True):
        yield


@contextmanager
def _terminal_mode(*, on: bool) -> Iterator[None]:
    """Echo, and Enter as a line feed."""
    if sys.platform == "win32" or not sys.stdin.isatty():
        yield
        return
    import termios

    before = termios.tcgetattr(sys.stdin)
    mode = [*before]
    mode[0] = mode[0] | termios.ICRNL if on else mode[0] & ~termios.ICRNL
    mode[3] = mode[3] | termios.ECHO if on else mode[3] & ~termios.ECHO
    termios.tcsetattr(sys.stdin, termios.TCSANOW, mode)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
