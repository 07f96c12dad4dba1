"""CSV, TSV and Parquet: whole when small, else the columns, a summary of each, and the first and last rows."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

from ....text_decoding import decode
from ...context.token_estimate import estimate
from ..errors import MediaError
from ..prompt_framing import elsewhere, framed, shortened, trim
from ..types import Facts, Note, Progress, Understood
from ..worker_client import Job, Result
from ..worker_main import Report
from . import text
from .columns import Column, is_value, written

WHOLE_TOKENS = 3000
"""A table that costs no more is sent whole."""
WHOLE_BYTES = 200_000
HEAD_ROWS, TAIL_ROWS = 20, 5
CELL = 200
"""Characters of a cell that are shown."""
MAX_COLUMNS = 200
MAX_ROWS = 10_000_000
"""Rows that are counted."""
MAX_CELLS = 3_000_000
"""Cells that are summed up: some ten seconds. Rows behind them are counted, and the last are shown."""
MAX_BEFORE = 20
"""Lines before a table, its title and the like."""
SAMPLE_CHARS = 20_000
_SEPARATOR = re.compile(r"sep=(.)", re.IGNORECASE)
PARQUET_ROWS = 200_000
"""Rows of a Parquet file that are summed up; it may have billions."""


def probe(job: Job, report: Report) -> Result:
    if job.mime_type.endswith("parquet"):
        file = _parquet(job)
        return Result(facts=Facts(pages=None, codec=f"parquet {file.metadata.num_rows} × {file.metadata.num_columns}"))
    return text.probe(job, report)


def understand(job: Job, report: Report) -> Result:
    if job.mime_type.endswith("parquet"):
        return _understand_parquet(job, report)
    try:
        table, notes = _of_text(job, report)
    except csv.Error:  # not a table after all: a quote that never ends
        return text.understand(job, report)
    if len(table.columns) < 2 or not table.count:
        return text.understand(job, report)
    whole = job.size <= WHOLE_BYTES and not table.more
    content = text.read(job)[0] if whole else ""
    if whole and estimate(content) <= min(WHOLE_TOKENS, job.sight.tokens):
        body = f"{table.schema()}\n\nThe whole table:\n{content.rstrip()}"
        block = framed(job, body, f"A table of {table.count} rows and {len(table.columns)} columns.")
        return Result(understood=Understood((block,), tuple(notes), estimate(block.text)))
    return Result(understood=_summary(job, table, notes, estimated=table.summed < table.count or table.more))


def _of_text(job: Job, report: Report) -> tuple[Table, list[Note]]:
    """The table of a CSV, row by row, and notes on its encoding. Raises ``MEDIA_EMPTY``, ``csv.Error``."""
    with Path(job.path).open("rb") as file:
        decoded = decode(file.read(text.MOST_BYTES))
        if not decoded.text.strip("\ufeff\0 \r\n\t"):
            raise MediaError("MEDIA_EMPTY")
        file.seek(0)
        with io.TextIOWrapper(file, decoded.encoding, "replace", newline="") as lines:
            before, header, rows = _rows(decoded.text, _told(lines, job, report), job.mime_type)
            table = Table.of(header, rows, before=before)
    notes = [*text.notes_on(decoded), *table.notes()]
    if table.more or table.summed < table.count:
        notes.append(Note("table_estimate", {"rows": table.summed}))
    return table, notes


def _told(lines: io.TextIOWrapper, job: Job, report: Report) -> Iterator[str]:
    """Lines without NULs, with progress."""
    size = 0
    for number, line in enumerate(lines):
        size += len(line)
        if number % 50_000 == 49_999:
            report(Progress("read", min(1.0, size / job.size)))
        yield line.replace("\0", "").removeprefix("\ufeff") if number == 0 or "\0" in line else line


def _summary(job: Job, table: Table, notes: list[Note], *, estimated: bool, total: int | None = None) -> Understood:
    count = total if total is not None else table.count
    least = table.more and total is None
    facts = {
        "rows": f"{count}+" if least else count,
        "columns": len(table.columns),
        "shown": len(table.head) + len(table.tail),
    }
    whole = facts["shown"] == count
    notes.append(Note("table", facts))
    about = (
        f"A table of {'more than ' if least else ''}{count} rows and "
        f"{len(table.columns)} columns; you see a summary and "
        + ("all rows." if whole else f"some rows, not all of it. {elsewhere(job)}")
    )
    if estimated:
        about += f" The summary is of the first {table.summed} rows."
    body, left_out = trim(f"{table.schema()}\n\n{table.sample()}", job.sight.tokens)
    if left_out:
        notes.append(Note("trimmed", {"shown": len(body), "total": len(body) + left_out}))
        body += f"\n[cut here for length: {left_out} characters more]"
    block = framed(job, body, about, truncated=not whole or bool(left_out))
    return Understood((block,), tuple(notes), estimate(block.text))


class Table:
    """Columns summed up, and the rows to show."""

    def __init__(self, header: Sequence[str], *, before: str = "", typed: bool = False):
        names = [name.strip() or f"column {i}" for i, name in enumerate(header, 1)]
        self.columns = [Column(shortened(name, CELL)) for name in names]
        self.head: list[Sequence[Any]] = []
        self.tail: deque[Sequence[Any]] = deque(maxlen=TAIL_ROWS)
        self.count = 0
        self.summed = 0
        """The first rows, which the columns sum up."""
        self.ragged = 0
        """Rows with more or fewer cells than there are columns."""
        self.more = False
        """There are rows that were not looked at."""
        self.before = before
        self._typed = typed

    @classmethod
    def of(
        cls, header: Sequence[str], rows: Iterable[Sequence[Any]], *, before: str = "", typed: bool = False
    ) -> Table:
        """Sum up ``rows``, of a CSV or (``typed``) of values; ``before`` are lines that stand in front of it."""
        table = cls(header, before=before, typed=typed)
        for row in rows:
            if table.count == MAX_ROWS:
                table.more = True
                break
            table.add(row)
        return table

    def add(self, row: Sequence[Any]) -> None:
        """Sum up one more row."""
        self.count += 1
        self.ragged += len(row) != len(self.columns)
        if len(self.head) < HEAD_ROWS:
            self.head.append(row)
        else:
            self.tail.append(row)
        if self.summed * min(len(self.columns), MAX_COLUMNS) >= MAX_CELLS:
            return
        self.summed += 1
        for column, value in zip(self.columns[:MAX_COLUMNS], chain(row, _nothing()), strict=False):
            if self._typed:
                column.add_typed(value)
            else:
                column.add(value)

    def schema(self) -> str:
        lines = [f"- {column.name}: {column.summary()}" for column in self.columns[:MAX_COLUMNS]]
        if len(self.columns) > MAX_COLUMNS:
            lines.append(f"- … {len(self.columns) - MAX_COLUMNS} columns more, which are not summed up")
        if self.ragged:
            lines.append(f"{self.ragged} rows have more or fewer cells than there are columns.")
        before = f"Before the table:\n{self.before}\n\n" if self.before else ""
        return f"{before}Columns:\n" + "\n".join(lines)

    def notes(self) -> list[Note]:
        """A note where there are more columns than are summed up."""
        if (count := len(self.columns)) <= MAX_COLUMNS:
            return []
        return [Note("columns_cut", {"columns": count, "shown": MAX_COLUMNS})]

    def sample(self) -> str:
        """The first rows and the last as CSV."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow([column.name for column in self.columns])
        writer.writerows([shortened(written(cell), CELL) for cell in row] for row in self.head)
        left_out = self.count - len(self.head) - len(self.tail)
        if left_out > 0:
            out.write(f"… {left_out} rows left out …\n")
        writer.writerows([shortened(written(cell), CELL) for cell in row] for row in self.tail)
        return f"First{' and last' if self.tail else ''} rows:\n{out.getvalue().rstrip()}"


def _nothing() -> Iterator[None]:
    """Filler for the missing end of a short row."""
    while True:
        yield None


def _rows(sample: str, lines: Iterator[str], mime_type: str) -> tuple[str, Sequence[str], Iterator[Sequence[str]]]:
    """The lines before a table, its header, and its rows.

    A line ``sep=;`` (Excel's) says what divides cells. Lines before the table have another number of cells than it. A
    first row of numbers and dates is no header.
    """
    csv.field_size_limit(10_000_000)
    first = sample.removeprefix("\ufeff").split("\n", 1)[0].strip().strip('"')
    named = _SEPARATOR.fullmatch(first)
    if named:
        next(lines, None)
        sample = sample.partition("\n")[2]
    delimiter = "\t" if mime_type == "text/tab-separated-values" else _delimiter(sample)
    delimiter = named[1] if named else delimiter
    rows = (row for row in csv.reader(lines, delimiter=delimiter) if row)
    width = _width(sample, delimiter)[1]
    before: list[str] = []
    header = next(rows, [])
    while len(header) == 1 < width and len(before) < MAX_BEFORE:
        before.append(header[0])
        header = next(rows, [])
    if header and all(is_value(cell) for cell in header if cell.strip()) and any(cell.strip() for cell in header):
        return "\n".join(before), [f"column {i}" for i in range(1, len(header) + 1)], chain([header], rows)
    return "\n".join(before), header, rows


def _delimiter(content: str) -> str:
    """The character that divides the first lines most evenly: Excel in many countries writes semicolons."""
    best = max(",;\t|", key=lambda delimiter: _width(content, delimiter))
    return best if _width(content, best)[1] > 1 else ","


def _width(content: str, delimiter: str) -> tuple[float, int]:
    """The share of the first rows that have as many cells as most, if those are several, and how many that is."""
    lines = content[:SAMPLE_CHARS].splitlines(keepends=True)[:50]
    try:
        widths = [len(row) for row in csv.reader(lines, delimiter=delimiter) if row]
    except csv.Error:
        return 0.0, 0
    if not widths:
        return 0.0, 0
    width, count = Counter(widths).most_common(1)[0]
    return (count / len(widths) if width > 1 else 0.0), width


def _parquet(job: Job) -> Any:
    """The open file. Raises ``MEDIA_NEEDS`` without pyarrow, ``MEDIA_TRUNCATED``, ``MEDIA_CORRUPT``."""
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        raise MediaError("MEDIA_NEEDS", type="Parquet", extra="parquet", instead="CSV") from None
    try:
        return parquet.ParquetFile(job.path)
    except (ArrowException, OSError, ValueError) as exc:
        short = "footer" in str(exc).lower() or "magic" in str(exc).lower()
        raise MediaError("MEDIA_TRUNCATED" if short else "MEDIA_CORRUPT") from None


def _understand_parquet(job: Job, report: Report) -> Result:
    file = _parquet(job)
    total = file.metadata.num_rows
    names = [f"{field.name} ({field.type})" for field in file.schema_arrow]
    table = Table.of(names, islice(_parquet_rows(file, report), PARQUET_ROWS), typed=True)
    notes = table.notes()
    if total > table.summed:
        notes.append(Note("table_estimate", {"rows": table.summed}))
    return Result(understood=_summary(job, table, notes, estimated=total > table.summed, total=total))


def _parquet_rows(file: Any, report: Report) -> Iterator[Sequence[Any]]:
    """Rows by position, since two columns may have one name."""
    done = 0
    for batch in file.iter_batches(batch_size=4096):
        done += batch.num_rows
        report(Progress("read", min(1.0, done / max(1, min(PARQUET_ROWS, file.metadata.num_rows)))))
        yield from zip(*(_plain(column) for column in batch.columns), strict=True)


def _plain(array: Any) -> list[Any]:
    """The values of an Arrow array. Nanoseconds, which Python's own times do not have, become text."""
    import pyarrow as pa
    from pyarrow import compute

    type_ = array.type
    if pa.types.is_dictionary(type_):
        return _plain(array.dictionary_decode())
    if pa.types.is_temporal(type_) and getattr(type_, "unit", "") == "ns":
        texts: list[Any] = (
            compute.cast(array, pa.string()).to_pylist()
            if not pa.types.is_duration(type_)
            else [None if value is None else f"{value} ns" for value in array.cast(pa.int64()).to_pylist()]
        )
        return texts
    if pa.types.is_struct(type_):
        fields = [_plain(field) for field in array.flatten()]
        names = [type_.field(i).name for i in range(type_.num_fields)]
        rows = zip(*fields, strict=True) if fields else [()] * len(array)
        valid = array.is_valid().to_pylist()
        return [dict(zip(names, row, strict=True)) if ok else None for row, ok in zip(rows, valid, strict=True)]
    if pa.types.is_list(type_) or pa.types.is_large_list(type_):
        return [None if not item.is_valid else _plain(item.values) for item in array]
    values: list[Any] = array.to_pylist()
    return values
