"""Output of a reply while it grows: as it was written for a pipe, as Markdown on a terminal."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TextIO

import click

from ..escapes import Cleaner, clean
from ..protocol.citations import cited, in_lines
from .printing import note, say

if TYPE_CHECKING:
    from .chat.markdown import GrowingReply

FRAME_S = 1 / 15
"""Between two drawings of a growing reply."""


class Printer:
    """Collects the reply and prints nothing; ``text`` is all of the message so far."""

    def __init__(self) -> None:
        self.text = ""

    def append(self, text: str, *, replaces: bool) -> None:
        """Take more of the message, or with ``replaces`` all of it anew."""
        self.text = text if replaces else self.text + text

    def begin_again(self) -> None:
        """Begin another message: the text before a tool's call is one of its own."""
        self.finish()
        self.text = ""

    def end_line(self) -> None:
        """Leave the terminal to something else, which begins on a new line."""

    def finish(self) -> None:
        """Print what is left."""

    def end(self, message: Mapping[str, Any]) -> None:
        """Finish; ``message`` is the reply as it was stored."""
        self.finish()


class ShowingPrinter(Printer):
    """A printer that shows the reply, and at its end what it cites, beside what is piped on."""

    def end(self, message: Mapping[str, Any]) -> None:
        super().end(message)
        if sources := in_lines(cited(message)[1]):
            note("\n".join((say("chat.sources"), *map(clean, sources))))


class PlainPrinter(ShowingPrinter):
    """Prints the reply as it comes, without what could steer a terminal."""

    def __init__(self) -> None:
        super().__init__()
        self._cleaner = Cleaner()
        self._open_line = False

    def append(self, text: str, *, replaces: bool) -> None:
        super().append(text, replaces=replaces)
        self._write(("\n" if replaces else "") + self._cleaner.feed(text))

    def finish(self) -> None:
        self._write(self._cleaner.finish())
        self.end_line()

    def end_line(self) -> None:
        if self._open_line:
            self._write("\n")

    def _write(self, text: str) -> None:
        if text:
            click.echo(text, nl=False)
            self._open_line = not text.endswith("\n")


class TerminalPrinter(ShowingPrinter):
    """Draws the reply as ``clawdbot chat`` does: rendered, and wrapped between words."""

    def __init__(self, stream: TextIO):
        from .chat.markdown import console

        super().__init__()
        self._console = console(stream)
        self._reply: GrowingReply | None = None
        self._begins = 0
        """The index in ``text`` at which the part that is being drawn begins; all before it is printed."""
        self._drawn_at = 0.0

    def append(self, text: str, *, replaces: bool) -> None:
        from .chat.markdown import GrowingReply

        if replaces:
            self.end_line()
            self._begins = 0
        super().append(text, replaces=replaces)
        if self._reply is None:
            self._reply = GrowingReply(self._console)
            self._reply.__enter__()
        if time.monotonic() - self._drawn_at >= FRAME_S:
            self._reply.show(self.text[self._begins :])
            self._drawn_at = time.monotonic()

    def begin_again(self) -> None:
        super().begin_again()
        self._begins = 0

    def end_line(self) -> None:
        if self._reply is not None:
            self._reply.end(self.text[self._begins :])
            self._reply, self._begins = None, len(self.text)

    finish = end_line


def printer_for(stream: TextIO, *, quiet: bool) -> Printer:
    """The printer for standard output; ``quiet``: something else is printed in the end."""
    return Printer() if quiet else TerminalPrinter(stream) if stream.isatty() else PlainPrinter()
