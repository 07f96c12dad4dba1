"""Excel workbooks by openpyxl: every cell as what it is, with its formula, on its place.

Text stays text, also where it looks like a number; numbers have the 15 digits that Excel keeps; of a formula both the
last result and the formula are told, and where a program saved no results, that there are none. A large sheet goes by
its columns, a summary and the first and last rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Any

from ...context.token_estimate import estimate
from ..errors import MediaError
from ..prompt_framing import elsewhere, framed, shortened, trim
from ..types import Facts, Note, Progress, Understood
from ..worker_client import Job, Result
from ..worker_main import Report
from . import office
from .office_parts import cut_parts, shape_texts
from .tables import Table
from .workbook_cells import computed, has_formula, is_uncomputed, shown
from .workbook_files import BROKEN, Books, opened

SHEET_TOKENS = 1500
"""Room that a sheet has at least, however many there are."""
MOST_ROWS = 200_000
"""Rows of a sheet that are read: a minute's work."""
COMMENT = 500
DRAWINGS = re.compile(r"xl/(?:drawings|charts|diagrams)/.{1,200}\.xml")
"""Parts with text beside the cells."""
LISTED = 40
"""Merged areas, comments, links and names that are listed, of each kind."""


def probe(job: Job, report: Report) -> Result:
    return office.probe(job, report)


def understand(job: Job, report: Report) -> Result:
    office.check(job)
    report(Progress("read", None, "xlsx"))
    books = opened(job)
    sheets = [_Sheet(books, name) for name in books.formulas.sheetnames]
    left = job.sight.tokens
    parts: list[str] = []
    for number, sheet in enumerate(sheets):
        report(Progress("read", number / len(sheets), sheet.name))
        room = max(SHEET_TOKENS, left // (len(sheets) - number))
        parts.append(sheet.text(room))
        left -= estimate(parts[-1])
    beside = _of_workbook(books, job)
    if not beside and not any(sheet.count or sheet.more for sheet in sheets):
        raise MediaError("MEDIA_EMPTY")
    parts += beside
    content, left_out = trim("\n\n".join(parts), job.sight.tokens)
    if left_out:
        content += f"\n[cut here for length: {left_out} characters more]"
    large = [sheet.name for sheet in sheets if sheet.summarised]
    truncated = bool(left_out or large)
    about = (
        f"A workbook of {len(sheets)} sheets: the rows with their numbers, the columns with their letters. [=…] is the "
        "formula of the result before it." + (f" {elsewhere(job)}" if truncated else "")
    )
    block = framed(job, content, about, truncated=truncated)
    notes = [*_notes(sheets, books), *([Note("trimmed", _amount(content, left_out))] if left_out else [])]
    if large_parts := cut_parts(job.path, DRAWINGS):
        notes.append(Note("parts_cut", {"names": ", ".join(large_parts)}))
    return Result(understood=Understood((block,), tuple(notes), estimate(block.text), Facts(codec="xlsx")))


def _amount(content: str, left_out: int) -> dict[str, int]:
    return {"shown": len(content), "total": len(content) + left_out}


def _notes(sheets: Sequence[_Sheet], books: Books) -> list[Note]:
    notes = [Note("workbook")]
    if uncomputed := sum(sheet.uncomputed for sheet in sheets):
        notes.append(Note("not_computed", {"count": uncomputed}))
    if large := [sheet.name for sheet in sheets if sheet.summarised]:
        notes.append(Note("sheets_summarised", {"names": _names(large)}))
    if cut := [sheet.name for sheet in sheets if sheet.cut]:
        notes.append(Note("sheet_rows", {"rows": MOST_ROWS, "names": _names(cut)}))
    notes += [note for sheet in sheets for note in sheet.notes]
    if books.read_only:
        notes.append(Note("sheet_details"))
    if any(sheet.damaged for sheet in sheets):
        notes.append(Note("sheet_damaged"))
    if books.without_styles:
        notes.append(Note("no_styles"))
    return notes


def _names(names: Sequence[str]) -> str:
    more = f" … (+{len(names) - 10})" if len(names) > 10 else ""
    return ", ".join(name[:31] for name in names[:10]) + more


class _Sheet:
    """One sheet, read once, row by row."""

    def __init__(self, books: Books, name: str):
        self.name = name
        self._formulas, self._values = books.formulas[name], books.values[name]
        self._whole = not books.read_only
        self.count = 0
        """Cells with something in them."""
        self.uncomputed = 0
        self.damaged = self.more = False
        """Something beside cells."""
        self.summarised = False
        self.cut = False
        """There are rows below ``MOST_ROWS``."""
        self.notes: list[Note] = []
        self._as_text: list[str] = []

    def text(self, tokens: int) -> str:
        """The sheet as it is told, in about ``tokens``."""
        if not hasattr(self._formulas, "iter_rows"):  # a sheet that is a chart
            self.more = True
            return f"## Sheet {self.name!r}: a chart, not shown"
        rows = self._rows()
        lines: list[str] = []
        size, kept = 0, []
        for at, cells in rows:
            kept.append((at, cells))
            lines.append(_line(str(at), [text for _, text in cells]))
            size += estimate(lines[-1])
            if size > tokens:
                self.summarised = True
                break
        body = self._summary(chain(kept, rows), tokens) if self.summarised else _table(lines, kept)
        state = getattr(self._formulas, "sheet_state", "visible")
        hidden = "" if state == "visible" else " (hidden)"
        about = self._about() if self._whole else []
        self.more = bool(about)
        about += ["[the sheet is damaged here: more of it cannot be read]"] if self.damaged else []
        about += [f"[only the first {MOST_ROWS} rows of the sheet were read; there are more]"] if self.cut else []
        about += [] if self._whole else ["[merged cells, comments, links and what is hidden were not read]"]
        head = f"## Sheet {self.name!r}{hidden}"
        return "\n".join([head, body if self.count else "(empty)", *about])

    def _rows(self) -> Iterator[tuple[int, list[tuple[Any, str]]]]:
        """Rows that are not blank: their number, and for each cell up to the last one its value and its text."""
        for number, (formulas, values) in enumerate(self._pairs(), 1):
            if number > MOST_ROWS:
                self.cut = True
                return
            cells = []
            for formula, value in zip(formulas, values, strict=False):
                text = shown(formula, value)
                if text:
                    self.count += 1
                    if self._whole and formula.data_type == "s" and _like_a_number(text):
                        self._as_text.append(formula.coordinate)
                if has_formula(formula):
                    self.uncomputed += is_uncomputed(formula, value)
                cells.append((computed(formula, value), text))
            while cells and not cells[-1][1]:
                cells.pop()
            if cells:
                yield number, cells

    def _pairs(self) -> Iterator[tuple[Any, Any]]:
        """Rows with formulas and with results, as far as they can be read."""
        pairs = zip(self._formulas.iter_rows(), self._values.iter_rows(), strict=False)
        while True:
            try:
                yield next(pairs)
            except StopIteration:
                return
            except BROKEN:
                self.damaged = True
                return

    def _summary(self, rows: Iterator[tuple[int, list[tuple[Any, str]]]], tokens: int) -> str:
        """Columns, their summary, the first and last rows. The first row that is as wide as most is the header."""
        first = list(islice(rows, 50))
        width = max(len(cells) for _, cells in first)
        start = next((i for i, (_, cells) in enumerate(first) if len(cells) > 1 and 2 * len(cells) > width), 0)
        before = "\n".join(" | ".join(text for _, text in cells if text) for _, cells in first[:start])
        header = [text for _, text in first[start][1]]
        header += [""] * (width - len(header))
        data = (
            [value for value, _ in cells] + [None] * (width - len(cells))
            for _, cells in chain(first[start + 1 :], rows)
        )
        table = Table.of(header, data, before=before, typed=True)
        more = "more than " if self.cut else ""
        told = f"{more}{table.count} rows below the header in row {first[start][0]}; you see a summary and some rows."
        self.notes = table.notes()
        if self.cut or table.summed < table.count:
            told += f" The summary is of the first {table.summed} rows."
            self.notes.append(Note("table_estimate", {"rows": table.summed}))
        body, left_out = trim(f"{table.schema()}\n\n{table.sample()}", tokens)
        return f"{told}\n{body}" + (f"\n[cut here for length: {left_out} characters more]" if left_out else "")

    def _about(self) -> list[str]:
        """Facts beside the cells: merged areas, hidden rows and columns, comments, links, tables, pictures."""
        sheet = self._formulas
        hidden = [letter for letter, each in sheet.column_dimensions.items() if each.hidden]
        rows = [str(number) for number, each in sheet.row_dimensions.items() if each.hidden]
        pictures = len(getattr(sheet, "_images", ())), len(getattr(sheet, "_charts", ()))
        cells = [cell for row in sheet.iter_rows() for cell in row if cell.comment or cell.hyperlink]
        comments = [f"{cell.coordinate}: {_comment(cell.comment.text)}" for cell in cells if cell.comment]
        links = [
            f"{cell.coordinate}: {target}"
            for cell in cells
            if cell.hyperlink and (target := cell.hyperlink.target or cell.hyperlink.location) and target != cell.value
        ]
        return [
            f"{label}: {_listed(found)}"
            for label, found in (
                ("Merged cells", [str(area) for area in sheet.merged_cells.ranges]),
                ("Numbers stored as text in", self._as_text),
                ("Hidden columns", hidden),
                ("Hidden rows", rows),
                ("Comments", comments),
                ("Links", links),
                ("Tables", [f"{table.displayName} {table.ref}" for table in sheet.tables.values()]),
                ("Not shown", [f"{n} {what}" for n, what in zip(pictures, ("pictures", "charts"), strict=True) if n]),
            )
            if found
        ]


def _of_workbook(books: Books, job: Job) -> list[str]:
    """Names that formulas use, and text in shapes and charts, which stand beside the cells."""
    names = [f"{name} = {each.attr_text}" for name, each in books.formulas.defined_names.items() if not each.hidden]
    found = [("Names", names), ("Text in shapes and charts", shape_texts(job.path, DRAWINGS))]
    found.append(("Only the first 5 MB were read of", cut_parts(job.path, DRAWINGS)))
    return [f"{label}: {_listed(each)}" for label, each in found if each]


def _listed(found: Sequence[str]) -> str:
    more = f", and {len(found) - LISTED} more" if len(found) > LISTED else ""
    return ", ".join(found[:LISTED]) + more


def _comment(text: str) -> str:
    """A comment without what Excel puts before those of a thread for programs that know no threads."""
    said = text.partition("Comment:\n")[2] if text.startswith("[Threaded comment]") else text
    return shortened(" ".join(said.split()), COMMENT)


def _like_a_number(text: str) -> bool:
    return text.lstrip("+-").replace(".", "", 1).isdigit() and text.isascii()


def _table(lines: list[str], rows: Sequence[tuple[int, Sequence[Any]]]) -> str:
    """A Markdown table with the letters of the columns."""
    from openpyxl.utils import get_column_letter

    width = max((len(cells) for _, cells in rows), default=0)
    letters = _line("", [get_column_letter(number) for number in range(1, width + 1)])
    return "\n".join([letters, "|---" * (width + 1) + "|", *lines])


def _line(number: str, cells: Sequence[str]) -> str:
    escaped = (text.replace("|", "\\|").replace("\r\n", "\n").replace("\n", "<br>") for text in cells)
    return "| " + " | ".join([number, *escaped]) + " |"
