"""CSV, TSV and Parquet: whole when small, else the columns, a summary of each, and the first and last rows."""

from __future__ import annotations

import csv
import io
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any

from ...context.token_estimate import estimate
from ..errors import MediaError
from ..prompt_framing import framed, trim
from ..types import Facts, Note, Understood
from ..worker_client import Job, Result
from ..worker_main import Report
from . import text
from .columns import Column

WHOLE_TOKENS = 3000
"""A table that costs no more is sent whole."""
HEAD_ROWS, TAIL_ROWS = 20, 5
CELL = 200
"""Characters of a cell that are shown."""
MAX_COLUMNS = 200
MAX_ROWS = 2_000_000
PARQUET_ROWS = 200_000
"""Rows of a Parquet file that are summed up; it may have billions."""


def probe(job: Job, report: Report) -> Result:
    if job.mime_type.endswith("parquet"):
        file = _parquet(job)
        return Result(facts=Facts(pages=None, codec=f"parquet {file.metadata.num_rows} × {file.metadata.num_columns}"))
    return text.probe(job, report)


def understand(job: Job, report: Report) -> Result:
    if job.mime_type.endswith("parquet"):
        return _understand_parquet(job)
    content, notes = text.read(job)
    cut = job.size > text.MOST_BYTES
    rows = _rows(content, job.mime_type)
    try:
        header = next(rows, [])
        table = Table.of(header, rows)
    except csv.Error:  # not a table after all: a NUL, a quote that never ends
        return text.understand(job, report)
    if len(header) < 2 or not table.count:
        return text.understand(job, report)
    if cut:
        notes.append(Note("table_estimate", {"rows": table.count}))
    if not cut and estimate(content) <= min(WHOLE_TOKENS, job.sight.tokens):
        body = f"{table.schema()}\n\nThe whole table:\n{content.rstrip()}"
        block = framed(job, body, f"A table of {table.count} rows and {len(header)} columns.")
        return Result(understood=Understood((block,), tuple(notes), estimate(block.text)))
    return Result(understood=_summary(job, table, notes, estimated=cut))


def _summary(job: Job, table: Table, notes: list[Note], *, estimated: bool, total: int | None = None) -> Understood:
    count = total if total is not None else table.count
    notes.append(
        Note(
            "table",
            {
                "rows": f"{count}+" if estimated and total is None else count,
                "columns": len(table.columns),
                "shown": len(table.head) + len(table.tail),
            },
        )
    )
    about = (
        f"A table of {'more than ' if estimated and total is None else ''}{count} rows and "
        f"{len(table.columns)} columns; you see a summary and some rows, not all of it."
    )
    if estimated:
        about += f" The summary is of the first {table.count} rows."
    body, left_out = trim(f"{table.schema()}\n\n{table.sample()}", job.sight.tokens)
    if left_out:
        body += "\n[cut here for length]"
    block = framed(job, body, about, truncated=True)
    return Understood((block,), tuple(notes), estimate(block.text))


class Table:
    """Columns summed up, and the rows to show."""

    def __init__(self, header: Sequence[str]):
        names = [name.strip() or f"column {i}" for i, name in enumerate(header, 1)]
        self.columns = [Column(name[:CELL]) for name in names]
        self.head: list[Sequence[Any]] = []
        self.tail: deque[Sequence[Any]] = deque(maxlen=TAIL_ROWS)
        self.count = 0

    @classmethod
    def of(cls, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> Table:
        table = cls(header)
        for row in islice(rows, MAX_ROWS):
            table.count += 1
            if len(table.head) < HEAD_ROWS:
                table.head.append(row)
            else:
                table.tail.append(row)
            for column, value in zip(table.columns[:MAX_COLUMNS], chain(row, _nothing()), strict=False):
                column.add(value)
        return table

    def schema(self) -> str:
        lines = [f"- {column.name}: {column.summary()}" for column in self.columns[:MAX_COLUMNS]]
        if len(self.columns) > MAX_COLUMNS:
            lines.append(f"- … {len(self.columns) - MAX_COLUMNS} columns more")
        return "Columns:\n" + "\n".join(lines)

    def sample(self) -> str:
        """The first rows and the last as CSV."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow([column.name for column in self.columns])
        writer.writerows([str(cell)[:CELL] for cell in row] for row in self.head)
        left_out = self.count - len(self.head) - len(self.tail)
        if left_out > 0:
            out.write(f"… {left_out} rows left out …\n")
        writer.writerows([str(cell)[:CELL] for cell in row] for row in self.tail)
        return f"First{' and last' if self.tail else ''} rows:\n{out.getvalue().rstrip()}"


def _nothing() -> Iterator[None]:
    """Filler for the missing end of a short row."""
    while True:
        yield None


def _rows(content: str, mime_type: str) -> Iterator[list[str]]:
    csv.field_size_limit(10_000_000)
    delimiter = "\t" if mime_type == "text/tab-separated-values" else _delimiter(content)
    return (row for row in csv.reader(io.StringIO(content), delimiter=delimiter) if row)


def _delimiter(content: str) -> str:
    """The character that divides the first lines most evenly: Excel in many countries writes semicolons."""
    lines = [line for line in content[:20_000].split("\n")[:20] if line.strip()]

    def evenness(delimiter: str) -> tuple[int, int]:
        counts = [line.count(delimiter) for line in lines]
        return (min(counts), sum(counts)) if counts else (0, 0)

    best = max(",;\t|", key=evenness)
    return best if evenness(best)[1] else ","


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


def _understand_parquet(job: Job) -> Result:
    file = _parquet(job)
    total = file.metadata.num_rows
    rows = (tuple(row.values()) for batch in file.iter_batches(batch_size=4096) for row in batch.to_pylist())
    table = Table.of(file.schema_arrow.names, islice(rows, PARQUET_ROWS))
    types = {field.name: str(field.type) for field in file.schema_arrow}
    for column in table.columns:
        column.name = f"{column.name} ({types.get(column.name, '?')})"
    notes: list[Note] = []
    if total > table.count:
        notes.append(Note("table_estimate", {"rows": table.count}))
    return Result(understood=_summary(job, table, notes, estimated=total > table.count, total=total))
