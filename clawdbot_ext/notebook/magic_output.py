"""Output of the magics: an output of the notebook that grows, or lines in a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any

from ..client.reply import Chunk
from .magic_errors import without_controls
from .markup import bundle

REDRAW_S = 0.1
"""Interval at which a growing reply is drawn, in seconds."""
REDRAW_SHARE = 0.2
"""Share of the time that drawing may take, as a long reply is drawn anew each time."""


class LiveOutput:
    """One output that grows, drawn at most every ``REDRAW_S``, and less often when drawing takes long."""

    def __init__(self) -> None:
        self.text = ""
        self._note = ""
        self._handle: Any = None
        self._next_at = 0.0

    def append(self, chunk: Chunk) -> None:
        if chunk.part == "thinking":
            return
        self.text = chunk.text if chunk.replaces else self.text + chunk.text
        self._note = ""
        if time.monotonic() >= self._next_at:
            self._draw(self.text)

    def note(self, text: str) -> None:
        """Something that is shown until the text goes on."""
        self._note = text
        self._draw(f"{self.text}\n\n*{text}*")

    def finish(self, text: str) -> None:
        self.text = text
        if text or self._handle is not None:
            self._draw(text)

    def _draw(self, text: str) -> None:
        begun = time.monotonic()
        if self._handle is None:
            self._handle = display_text(text, display_id=True)
        else:
            self._handle.update(bundle(text), raw=True)
        drawn = time.monotonic()
        self._next_at = drawn + max(REDRAW_S, (drawn - begun) / REDRAW_SHARE)


class PrintedOutput(LiveOutput):
    """The same in a terminal, where nothing can be drawn again: text is printed as it comes, a note once."""

    def append(self, chunk: Chunk) -> None:
        if chunk.part == "thinking":
            return
        self._note = ""
        if chunk.replaces:
            self.text = ""
            _print("\n")
        self.text += chunk.text
        _print(chunk.text)

    def note(self, text: str) -> None:
        if text != self._note:
            self._note = text
            _print(f"\n({text})\n" if self.text else f"({text})\n")

    def finish(self, text: str) -> None:
        rest = text[len(self.text) :] if text.startswith(self.text) else f"\n{text}"
        if text:
            _print(f"{rest}\n")
        self.text = text


def _print(text: str) -> None:
    sys.stdout.write(without_controls(text))
    sys.stdout.flush()


def growing(shell: Any) -> LiveOutput:
    """The output for a reply in this shell."""
    terminal = any(base.__name__ == "TerminalInteractiveShell" for base in type(shell).__mro__)
    return PrintedOutput() if terminal else LiveOutput()


def display_text(text: str, *, display_id: bool | None = None) -> Any:
    """Show Markdown from anywhere in an output, harmlessly."""
    return display_bundle(bundle(text), display_id=display_id)


def display_bundle(shown: Mapping[str, str], *, display_id: bool | None = None) -> Any:
    """Show one thing by its MIME types; the handle to draw it again, where ``display_id`` asks for one."""
    from IPython.display import display

    return display(shown, raw=True, display_id=display_id)  # type: ignore[no-untyped-call]
