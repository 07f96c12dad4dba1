"""A small terminal emulator: what a person sees after everything a program wrote, and what scrolled away.

Knows the sequences that prompt_toolkit and rich use; others are ignored. Wide characters take two cells.
"""

from __future__ import annotations

import re
import unicodedata

TOKEN = re.compile(
    r"\x1b\[([0-9;?]*)([@-~])|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-~]|[\r\n\x08\x07]|[^\x1b\r\n\x08\x07]"
)
UNFINISHED = re.compile(r"\x1b(?:\[[0-9;?]*|\][^\x07\x1b]*\x1b?|[ -/]*)?\Z")


class Screen:
    """Cells of ``columns`` × ``lines``; ``answers`` holds what the terminal says back (cursor positions)."""

    def __init__(self, columns: int, lines: int):
        self.columns, self.lines = columns, lines
        self.above: list[str] = []
        """Lines that have scrolled away."""
        self.cells = [[" "] * columns for _ in range(lines)]
        self.row = self.column = 0
        self.answers: list[str] = []
        self._wrap = True
        self._rest = ""

    def feed(self, text: str) -> None:
        """Take output; a sequence that is cut in two is understood."""
        text = self._rest + text
        unfinished = UNFINISHED.search(text)
        self._rest = unfinished[0] if unfinished else ""
        for match in TOKEN.finditer(text[: len(text) - len(self._rest)]):
            token = match[0]
            if match[2]:
                self._control(match[1], match[2])
            elif token == "\r":
                self.column = 0
            elif token == "\n":
                self._line_feed()
            elif token == "\x08":
                self.column = max(0, self.column - 1)
            elif token[0] not in "\x1b\x07":
                self._put(token)

    @property
    def text(self) -> str:
        """All lines, those that have scrolled away first."""
        return "\n".join([*self.above, *(self._line(row) for row in range(self.lines))]).rstrip()

    @property
    def current(self) -> str:
        """The line of the cursor."""
        return self._line(self.row)

    def _line(self, row: int) -> str:
        return "".join(self.cells[row]).rstrip()

    def _put(self, character: str) -> None:
        if unicodedata.combining(character):
            return
        wide = unicodedata.east_asian_width(character) in "WF"
        if self.column + wide >= self.columns:
            if self._wrap and self.column >= self.columns - wide:
                self.column = 0
                self._line_feed()
            self.column = min(self.column, self.columns - 1 - wide)
        self.cells[self.row][self.column] = character
        if wide:
            self.cells[self.row][self.column + 1] = ""
        self.column += 1 + wide

    def _line_feed(self) -> None:
        if self.row < self.lines - 1:
            self.row += 1
            return
        self.above.append(self._line(0))
        self.cells = [*self.cells[1:], [" "] * self.columns]

    def _control(self, parameters: str, kind: str) -> None:
        numbers = [int(number) for number in re.findall(r"\d+", parameters)]
        count = max(1, numbers[0]) if numbers else 1
        if kind == "A":
            self.row = max(0, self.row - count)
        elif kind == "B":
            self.row = min(self.lines - 1, self.row + count)
        elif kind == "C":
            self.column = min(self.columns - 1, self.column + count)
        elif kind == "D":
            self.column = max(0, self.column - count)
        elif kind == "H":
            self.row, self.column = count - 1, (numbers[1] if len(numbers) > 1 else 1) - 1
        elif kind == "J":
            self._erase_display(numbers[0] if numbers else 0)
        elif kind == "K":
            self._erase_line(numbers[0] if numbers else 0)
        elif kind == "n" and numbers == [6]:
            self.answers.append(f"\x1b[{self.row + 1};{self.column + 1}R")
        elif parameters == "?7":
            self._wrap = kind == "h"

    def _erase_display(self, mode: int) -> None:
        rows = {0: range(self.row + 1, self.lines), 1: range(self.row), 2: range(self.lines)}[mode]
        for row in rows:
            self.cells[row] = [" "] * self.columns
        if mode != 2:
            self._erase_line(mode)

    def _erase_line(self, mode: int) -> None:
        first = 0 if mode else min(self.column, self.columns)
        last = self.column + 1 if mode == 1 else self.columns
        self.cells[self.row][first:last] = [" "] * (last - first)
