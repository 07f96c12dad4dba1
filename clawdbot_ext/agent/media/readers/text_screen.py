"""Text as a terminal shows it in the end: progress bars by their last state, lines that were gone back to, colours.

Everything takes time and memory in proportion to the text, whatever it is made of: a line is cells of four bytes that
are overwritten in place, rows far above the cursor become text and are never touched again, and space that only the
cursor makes has a budget.
"""

from __future__ import annotations

import re
from itertools import islice

ROWS = 500
"""Rows that the cursor can go back to at least; no terminal is higher."""
SPACE = 1_000_000
"""Bytes that may be filled between a line's end and the cursor, besides as many as there are characters."""
STYLES = 256
"""Different looks of one stream that are told apart (a byte of each cell); the text of more is plain."""
_CELL, _BLANK = 4, " ".encode("utf-32-le")
_CONTROL = re.compile(r"\n+|\x08+|\x1b\[([0-9;?]{0,64})([ -/]{0,8}[@-~])")
_UNFINISHED = re.compile(r"\x1b(?:\[[0-9;?]{0,64}[ -/]{0,8})?")
_MOVES = re.compile(r"\r(?!\n)|\x08|\x1b\[\d{0,9}[A-GJK]")
_RUN = re.compile(rb"(.)\1*", re.DOTALL)
_ENDS = {22: 1, 23: 3, 24: 4, 25: 5, 27: 7, 28: 8, 29: 9, 39: 30, 49: 40, 55: 53}
"""SGR codes that end what another one began."""


def final_state(text: str) -> str:
    """The lines that a terminal shows in the end, without colours and blanks at their ends."""
    if not _MOVES.search(text):
        return _CONTROL.sub(lambda found: found[0] if found[0][0] == "\n" else "", text.replace("\r", ""))
    screen = TextScreen(colours=False)
    screen.feed(text)
    return "\n".join(line.rstrip() for line in screen.text().split("\n"))


class TextScreen:
    """The screen that a stream is written to, piece by piece. Without any movement the text stays as it came."""

    def __init__(self, *, colours: bool = True):
        self._colours = colours
        self._raw: list[str] | None = []
        """The text as it came; ``None`` once the cursor moved."""
        self._pending = ""
        """An escape sequence that is not complete yet."""
        self._gone: list[str] = []
        """Rows above those that can be reached."""
        self._size = 0
        """Characters in ``_raw`` or ``_gone``."""
        self._said = 0
        """The style in which the last row of ``_gone`` ends."""
        self._rows = [bytearray()]
        self._row = self._column = self._style = 0
        self._look: dict[int, str] = {}
        """The codes in force, by their place."""
        self._looks, self._numbers = [""], {"": 0}
        self._space = SPACE

    def __len__(self) -> int:
        """About the number of characters on it."""
        return self._size + sum(len(row) // _CELL + 1 for row in self._rows)

    def feed(self, text: str) -> None:
        """Write the next piece of the stream."""
        text = self._pending + text
        self._pending = ""
        escape = text.rfind("\x1b", max(0, len(text) - 80))
        if escape >= 0 and _UNFINISHED.fullmatch(text, escape):
            self._pending, text = text[escape:], text[:escape]
        if self._raw is not None:
            if not _MOVES.search(text):
                self._raw.append(text)
                self._size += len(text)
                return
            text = "".join([*self._raw, text])
            self._raw, self._size = None, 0
        self._space += len(text)
        at = 0
        for found in _CONTROL.finditer(text):
            if found.start() > at:
                self._print(text[at : found.start()])
            at = found.end()
            first = found[0][0]
            if first == "\n":
                self._new_lines(len(found[0]))
            elif first == "\b":
                self._column = max(0, self._column - len(found[0]))
            else:
                self._obey(found[1], found[2])
        if at < len(text):
            self._print(text[at:])

    def text(self) -> str:
        """All of it now."""
        if self._raw is not None:
            return "".join(self._raw)
        lines, said = list(self._gone), self._said
        for row in self._rows:
            line, said = self._rendered(row, said)
            lines.append(line)
        return "\n".join(lines) + ("\x1b[0m" if said else "")

    def drop(self, count: int) -> int:
        """Let about the oldest ``count`` characters go, and return how many went."""
        before = len(self)
        if self._raw is not None:
            self._raw = ["".join(self._raw)[count:]]
            self._size = len(self._raw[0])
            return before - len(self)
        lines = 0
        while lines < len(self._gone) and count > 0:
            count -= len(self._gone[lines]) + 1
            lines += 1
        self._size -= sum(len(line) + 1 for line in self._gone[:lines])
        del self._gone[:lines]
        while count > 0 and self._row > 0:
            count -= len(self._rows[0]) // _CELL + 1
            del self._rows[0]
            self._row -= 1
        if count > 0:
            del self._rows[0][: count * _CELL]
            self._column = max(0, self._column - count)
        return before - len(self)

    # -- writing ------------------------------------------------------------------------------------------------------
    def _print(self, text: str) -> None:
        """Write a text that may go back to the line's beginning; then only what stays is written."""
        first, *later = text.split("\r")
        self._write(first)
        if later:
            stays = later[-1]
            for piece in reversed(later[:-1]):
                if len(piece) > len(stays):
                    stays += piece[len(stays) :]
            self._column = 0
            self._write(stays)
            self._column = len(later[-1])

    def _write(self, text: str) -> None:
        if not text:
            return
        row, cells = self._rows[self._row], bytearray(text.encode("utf-32-le", "surrogatepass"))
        if self._style:
            cells[3::_CELL] = bytes([self._style]) * len(text)
        self._column = self._filled(row, self._column)
        start = self._column * _CELL
        row[start : start + len(cells)] = cells
        self._column += len(text)

    def _filled(self, row: bytearray, column: int) -> int:
        """Make a row reach to a column, if there is space, and return the one from which on it can be written."""
        gap = column * _CELL - len(row)
        if gap > self._space:
            return len(row) // _CELL
        if gap > 0:
            self._space -= gap
            row += _BLANK * (gap // _CELL)
        return column

    def _new_lines(self, count: int) -> None:
        self._column = 0
        for _ in range(count):
            self._row += 1
            if self._row == len(self._rows):
                self._rows.append(bytearray())
                if self._row >= 2 * ROWS:
                    self._let_go(ROWS)

    def _let_go(self, count: int) -> None:
        """Make text of the first rows, which are out of reach."""
        for row in islice(self._rows, count):
            line, self._said = self._rendered(row, self._said)
            self._gone.append(line)
            self._size += len(line) + 1
        del self._rows[:count]
        self._row -= count

    def _obey(self, argument: str, what: str) -> None:
        """Do what an escape sequence says: move, erase, look. All others do nothing that stays."""
        if what == "m" and self._colours:
            self._restyle(argument)
            return
        if argument and not argument.isdigit():
            return
        given = min(int(argument), 1_000_000) if argument else 0
        count = max(1, given)
        if what in ("A", "F"):
            self._row = max(0, self._row - count)
        elif what in ("B", "E"):
            self._row = min(len(self._rows) - 1, self._row + count)
        elif what == "C":
            self._column += count
        elif what == "D":
            self._column = max(0, self._column - count)
        elif what in ("J", "K"):
            self._erase(what, given)
        if what in ("E", "F"):
            self._column = 0
        elif what == "G":
            self._column = count - 1

    def _erase(self, what: str, part: int) -> None:
        row = self._rows[self._row]
        if part == 0:
            del row[self._column * _CELL :]
            if what == "J":
                del self._rows[self._row + 1 :]
        elif what == "K" and part == 1:
            end = min(self._column * _CELL, len(row))
            if end <= self._space:
                self._space -= end
                row[:end] = _BLANK * (end // _CELL)
        elif what == "K":
            row.clear()

    # -- looks --------------------------------------------------------------------------------------------------------
    def _restyle(self, argument: str) -> None:
        """Take the codes of a ``CSI … m``: what each begins, in the place of what was before."""
        if not argument or argument == "0":
            self._look, self._style = {}, 0
            return
        codes = iter(int(code[:4] or 0) for code in argument.split(";") if code.isdigit() or not code)
        for code in codes:
            if code == 0:
                self._look = {}
            elif code in (38, 48):
                kind = next(codes, 0)
                colour = [code, kind, *islice(codes, {5: 1, 2: 3}.get(kind, 0))]
                self._look = {**self._look, code - 8: ";".join(map(str, colour))}
            elif code in _ENDS:
                self._look = {place: each for place, each in self._look.items() if place != _ENDS[code]}
            elif place := _place(code):
                self._look = {**self._look, place: str(code)}
        look = ";".join(self._look.values())
        if look not in self._numbers and len(self._looks) < STYLES:
            self._numbers[look] = len(self._looks)
            self._looks.append(look)
        self._style = self._numbers.get(look, 0)

    def _rendered(self, row: bytearray, said: int) -> tuple[str, int]:
        """A row as text with the sequences of its looks, given the look before it, and the look at its end."""
        styles = row[3::_CELL]
        if not said and not styles.strip(b"\0"):
            return row.decode("utf-32-le", "surrogatepass"), 0
        plain = bytearray(row)
        plain[3::_CELL] = bytes(len(styles))
        text = plain.decode("utf-32-le", "surrogatepass")
        parts: list[str] = []
        for run in _RUN.finditer(styles):
            style = styles[run.start()]
            if style != said:
                parts.append(("\x1b[0m" if said else "") + (f"\x1b[{self._looks[style]}m" if style else ""))
            parts.append(text[run.start() : run.end()])
            said = style
        return "".join(parts), said


def _place(code: int) -> int:
    """The first code that sets the same as ``code``; 0 for one that is not known."""
    if 30 <= code <= 37 or 90 <= code <= 97:
        return 30
    if 40 <= code <= 47 or 100 <= code <= 107:
        return 40
    same = {1: 1, 2: 1, 3: 3, 4: 4, 21: 4, 5: 5, 6: 5, 7: 7, 8: 8, 9: 9, 53: 53}
    return same.get(code, 0)
