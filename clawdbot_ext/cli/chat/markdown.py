"""Markdown that grows, in a terminal: what is finished is printed for good, only the tail is drawn again.

The finished part scrolls away like any other output, so a reply may be longer than the screen; the tail lives in a rich
``Live`` of a few lines below it. One write a frame, marked as one for terminals that know how, keeps it from
flickering.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar, TextIO

from markdown_it.token import Token
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.markdown import Heading, Markdown, MarkdownElement
from rich.segment import Segment
from rich.text import Text

from ...client.markdown_parser import parser
from ...escapes import clean

if TYPE_CHECKING:
    from typing_extensions import Self

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
THINKING_LINES = 3
"""Lines of the model's thinking that are shown until it begins to answer."""
MARGIN_LINES = 4
"""Rows of the screen that the tail leaves free: the status line and earlier output."""


def finished(text: str, start: int = 0) -> int:
    """Up to where ``text`` will not change its look whatever follows: the last blank line between two blocks.

    ``start`` is an earlier answer. A blank line inside a fence, or before an indented line (the rest of a list item),
    ends no block.
    """
    fence, end, position, after_blank = "", start, start, False
    for line in text[start:].splitlines(keepends=True):
        complete = line.endswith("\n")
        bare = line.strip()
        if after_blank and bare and not fence and not line[0].isspace():
            end = position
        marker = _FENCE.match(line)
        if fence:
            if marker and marker[1].startswith(fence) and bare == marker[1] and complete:
                fence = ""
        elif marker:
            fence = marker[1]
        after_blank = not bare and not fence and complete
        position += len(line)
    return end


class PlainHeading(Heading):
    """A heading at the left, as it was written, instead of in a box in the middle."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        self.text.justify = "left"
        if self.tag == "h1":
            self.text.stylize("underline")
        yield self.text


def _pictures_in_words(tokens: Sequence[Token]) -> Iterator[Token]:
    """A picture as what it is called and where it is: rich would print it in front of its paragraph, and no address."""
    for token in tokens:
        if token.type == "image":
            address = str(token.attrs.get("src", ""))
            shown = "" if address.startswith("data:") else f" ({address})"
            yield Token("text", "", 0, content=f"🖼 {token.content}{shown}")
        else:
            token.children = list(_pictures_in_words(token.children)) if token.children else token.children
            yield token


class ReplyMarkdown(Markdown):
    """Markdown for a conversation in a terminal."""

    elements: ClassVar[dict[str, type[MarkdownElement]]] = {
        **Markdown.elements,
        "heading_open": PlainHeading,
    }

    def __init__(self, markup: str):
        super().__init__("", hyperlinks=False, code_theme="ansi_dark")
        self.markup, self.parsed = markup, list(_pictures_in_words(parser().parse(markup)))


class Trimmed:
    """A renderable without the blanks that rich puts around and behind its lines: what is copied is what was said.

    With ``screen`` only the last lines, as many as there is room for.
    """

    def __init__(self, content: RenderableType, *, screen: bool = False):
        self._content, self._screen = content, screen

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = console.render_lines(self._content, options, pad=False)
        while lines and _blank(lines[0]):
            del lines[0]
        while lines and _blank(lines[-1]):
            del lines[-1]
        if self._screen:
            lines = lines[-max(1, console.size.height - MARGIN_LINES) :]
        for line in lines:
            yield from _without_end_blanks(line)
            yield Segment.line()


def _blank(line: list[Segment]) -> bool:
    return not any(segment.text.strip() for segment in line)


def _without_end_blanks(line: list[Segment]) -> list[Segment]:
    kept = list(line)
    while kept and not kept[-1].text.strip():
        kept.pop()
    if kept:
        last = kept.pop()
        kept.append(Segment(last.text.rstrip(" "), last.style, last.control))
    return kept


def rendered(text: str, *, screen: bool = False) -> Trimmed:
    """Markdown of a text from outside. Links show their address: what is clicked is what is read."""
    return Trimmed(ReplyMarkdown(clean(text)), screen=screen)


class Synchronized:
    """A terminal that shows each write at once (DEC mode 2026); terminals that do not know the mode ignore it."""

    def __init__(self, stream: TextIO):
        self._stream = stream

    def write(self, text: str) -> int:
        return self._stream.write(f"\x1b[?2026h{text}\x1b[?2026l") if text else 0

    def flush(self) -> None:
        self._stream.flush()

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()

    @property
    def encoding(self) -> str:
        return self._stream.encoding


def console(stream: TextIO) -> Console:
    """A console for conversations: nothing in a text is markup, an emoji name or a number to colour."""
    target = Synchronized(stream) if stream.isatty() else stream
    return Console(file=target, markup=False, emoji=False, highlight=False)  # type: ignore[arg-type]  # as much as it uses


class GrowingReply:
    """One reply on the screen. ``show`` the whole text so far, as often as wanted; ``end`` with all of it.

    ``status`` is a line below the text, for what is going on; it disappears at the end.
    """

    def __init__(self, console: Console):
        self._console = console
        self._text = ""
        self._printed = 0
        self.newest = ""
        """The text so far, drawn or not."""
        self.run_id = ""
        """The run that writes it."""
        self.thinking = ""
        self.status = ""
        self.plan: Sequence[str] = ()
        """The steps of the assistant's plan, ticked off, above the status."""
        self._typed = ""
        self._paused = False
        self._live = self._drawing()

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._live.stop()

    def show(self, text: str | None = None) -> None:
        """Draw: print what is finished, put the rest and the status below it."""
        if text is not None:
            self._set_text(text)
        if self._paused:
            return
        if text is not None:
            end = finished(self._text, self._printed)
            if end > self._printed:
                self._print(self._text[self._printed : end])
                self._printed = end
        parts: list[RenderableType] = []
        if tail := self._text[self._printed :]:
            parts.append(rendered(tail, screen=True))
        elif self.thinking:
            thought = "\n".join(clean(self.thinking).splitlines()[-THINKING_LINES:])
            parts.append(Trimmed(Text(thought, style="dim italic"), screen=True))
        parts += [Text(clean(step)) for step in self.plan]
        if self.status:
            parts.append(Text(clean(self.status), style="dim"))
        if self._typed:
            parts.append(Trimmed(Text(clean(self._typed)), screen=True))
        self._live.update(Group(*parts), refresh=True)

    def show_typed(self, text: str) -> None:
        """Draw what is typed meanwhile below it all."""
        self._typed = text
        if self._live.is_started:
            self.show()

    def end(self, text: str) -> None:
        """Print what is left of the whole ``text``, and stop drawing."""
        self._set_text(text)
        self._live.update(Group(), refresh=True)
        self._live.stop()
        self._print_rest()
        if self.plan:
            self._console.print(Text("\n".join(map(clean, self.plan))))

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave the screen to something else: all of the text so far is printed, and nothing is drawn meanwhile."""
        self._set_text(self.newest)
        self._live.update(Group(), refresh=True)
        self._live.stop()
        self._print_rest()
        self._paused = True
        try:
            yield
        finally:
            self._paused = False
            self._live = self._drawing()
            self._live.start()

    def _print_rest(self) -> None:
        if rest := self._text[self._printed :].strip("\n"):
            self._print(rest)
        self._printed = len(self._text)

    def _drawing(self) -> Live:
        return Live(console=self._console, transient=True, auto_refresh=False, vertical_overflow="crop")

    def _set_text(self, text: str) -> None:
        """Go on with ``text``; when it does not begin with what is printed already, print all of it anew."""
        if not text.startswith(self._text[: self._printed]):
            self._printed = 0
        self._text = text

    def _print(self, text: str) -> None:
        self._console.print(rendered(text))
        self._console.print()
