"""The keyboard side of ``clawdbot chat``: the line that is edited, and the keys that stop a reply."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import FileHistory
from prompt_toolkit.input import Input, create_input
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.utils import is_dumb_terminal

from ... import private_files
from ...escapes import clean
from ..files import ATTACH
from ..printing import say

PROMPT = "› "
ESCAPE_S = 0.1
"""Time for which an Esc may be the beginning of another key's sequence."""


class Commands(Completer):
    """Slash commands and what can follow them, as ``commands.list`` has them."""

    def __init__(self) -> None:
        self.rows: Sequence[Mapping[str, Any]] = ()
        self._paths = PathCompleter(expanduser=True)

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        text = document.text_before_cursor
        if not text.startswith("/") or "\n" in text:
            return
        word, space, argument = text[1:].partition(" ")
        if space and f"/{word}" == ATTACH:
            yield from self._paths.get_completions(Document(argument), complete_event)
            return
        for row in self.rows:
            names = [str(row["name"]), *map(str, row.get("aliases") or ())]
            if space and word in names:
                for choice in row.get("choices") or ():
                    if argument.lower() in str(choice).lower():
                        yield Completion(clean(str(choice)), -len(argument))
            elif not space:
                yield from self._names(row, names, word)

    def _names(self, row: Mapping[str, Any], names: list[str], word: str) -> Iterator[Completion]:
        for name in names:
            if name.startswith(word):
                shown = clean(f"/{name} {row.get('argument') or ''}".strip())
                yield Completion(
                    f"/{clean(name)}",
                    -len(word) - 1,
                    display=shown,
                    display_meta=clean(str(row.get("description") or "")),
                )
                return


def history_file(home: Path) -> FileHistory:
    """Input history, kept private in our part of the state directory."""
    path = home / "chat-history"
    private_files.make_directory(home)
    os.close(private_files.open_file(path, os.O_WRONLY | os.O_CREAT))
    return FileHistory(str(path))


def prompt_session(home: Path, commands: Commands, toolbar: Callable[[], list[tuple[str, str]]]) -> PromptSession[str]:
    """The editor: Enter sends, Alt+Enter or Ctrl+J makes a new line, pasted lines stay together."""
    keys = KeyBindings()

    @keys.add("enter")
    def send(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        chosen = buffer.complete_state is not None and buffer.complete_state.current_completion is not None
        buffer.complete_state = None
        if chosen and " " in buffer.text:  # a path or a choice: there may be more to come
            return
        if buffer.text.strip():
            buffer.validate_and_handle()

    # A dumb terminal has no raw mode yet when its prompt is seen: Enter comes as Ctrl+J from there.
    @keys.add("escape", "enter")
    @keys.add("c-j", filter=~Condition(is_dumb_terminal))
    def new_line(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    return PromptSession(
        input=_keyboard(),
        history=history_file(home),
        completer=commands,
        complete_while_typing=True,
        key_bindings=keys,
        multiline=True,
        prompt_continuation="  ",
        bottom_toolbar=lambda: FormattedText(toolbar()),
        reserve_space_for_menu=6,
    )


def _keyboard() -> Input:
    """The keyboard of the editor, which stays in raw mode while lines are printed above it.

    A cooked terminal would echo the keys of that moment and turn their Enter into a line feed, which is a new line.
    """
    keyboard = create_input()
    setattr(keyboard, "cooked_mode", nullcontext)  # noqa: B010 (an instance's own; every class of input has it)
    return keyboard


@contextmanager
def watch_keys(
    on_stop: Callable[[], None], on_typed: Callable[[str], None], on_line: Callable[[str], bool]
) -> Iterator[list[str]]:
    """While a reply is written: Esc and Ctrl+C call ``on_stop``; what else is typed is collected for the next line, and
    told to ``on_typed`` so that it can be seen. Enter gives the line to ``on_line``, which may take it away."""
    typed: list[str] = []
    keyboard = create_input()
    loop = asyncio.get_running_loop()

    def apply(presses: Sequence[Any]) -> None:
        for press in presses:
            if press.key in (Keys.Escape, Keys.ControlC):
                on_stop()
            elif press.key in (Keys.ControlM, Keys.ControlJ):
                *lines, line = "".join(typed).split("\n")
                if on_line(line):
                    typed[:] = [f"{each}\n" for each in lines]
                else:
                    typed.append("\n")
            elif press.key in (Keys.ControlH, Keys.Backspace):
                del typed[-1:]
            elif press.key == Keys.BracketedPaste or len(press.key) == 1:
                typed.append(press.data)
        if presses:
            on_typed("".join(typed))

    def ready() -> None:
        apply(keyboard.read_keys())
        loop.call_later(ESCAPE_S, lambda: apply(keyboard.flush_keys()))

    with keyboard.raw_mode(), keyboard.attach(ready):
        yield typed


def leave_hint() -> str:
    """Hint shown for Ctrl+C on an empty line."""
    return say("chat.leave")
