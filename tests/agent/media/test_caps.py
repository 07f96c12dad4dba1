"""Every limit on what is read of a file says that it cut, and where: to the model, and to the person as a note."""

from __future__ import annotations

import io
import json
import types
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
import openpyxl
import pyarrow as pa
import pytest
from openpyxl.comments import Comment
from pyarrow import parquet

from clawdbot_ext.agent.media import api, transcripts
from clawdbot_ext.agent.media.readers import (
    notebook,
    office_parts,
    pdf_extras,
    sound,
    tables,
    text,
    video,
    workbook_files,
    workbooks,
)
from clawdbot_ext.agent.media.worker_client import Segment, Sound, Transcript
from clawdbot_ext.server.hands_node import kernel_code
from clawdbot_ext.server.hands_node.outputs import brief
from tests.agent.media.conftest import BLIND, PAGES, codes, told
from tests.agent.media.test_documents import form
from tests.support import files


class Cap(NamedTuple):
    """A limit: where it stands, its value here, a file that is over it, what is said, and the code of the note."""

    place: Any
    name: str
    value: Any
    file: Callable[[], bytes]
    called: str
    said: str
    note: str
    sight: api.ModelSight = api.ModelSight()


def csv(rows: int = 200, columns: int = 3, cell: str = "x") -> bytes:
    header = ",".join(f"c{number}" for number in range(columns))
    return "\n".join([header, *(",".join([f"{row}{cell}"] * columns) for row in range(rows))]).encode()


def workbook(rows: int = 200, comments: int = 0) -> bytes:
    book = openpyxl.Workbook()
    for row in range(rows):
        book.active.append(["text" * 5, row, f"cell {row}"])
    for row in range(1, comments + 1):
        book.active[f"A{row}"].comment = Comment("what is said of it " * 3, "me")
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def columns_of_arrow() -> bytes:
    out = io.BytesIO()
    parquet.write_table(pa.table({name: list(range(200)) for name in "abcde"}), out)
    return out.getvalue()


def word() -> bytes:
    body = files.WORD["word/document.xml"].replace("ship on Friday", "ship on Friday " * 400)
    return files.office({**files.WORD, "word/document.xml": body})


SIGHT = api.ModelSight()


def few(tokens: int, sight: api.ModelSight = SIGHT) -> api.ModelSight:
    return msgspec.structs.replace(sight, tokens=tokens)


def printing(count: int, length: int = 50) -> bytes:
    outputs = [
        {"output_type": "execute_result", "metadata": {}, "data": {"text/plain": f"{n} " * length}}
        for n in range(count)
    ]
    return files.notebook(files.code("x", *outputs), files.code("last"))


LINES = "\n".join(f"line {number}" for number in range(3000)).encode()
CAPS = {
    "rows of a CSV": Cap(tables, "MAX_ROWS", 50, csv, "a.csv", "more than 50 rows", "table_estimate"),
    "cells of a CSV": Cap(
        tables, "MAX_CELLS", 90, csv, "a.csv", "summary is of the first 30 rows", "table_estimate", few(400)
    ),
    "columns of a CSV": Cap(tables, "MAX_COLUMNS", 2, csv, "a.csv", "… 1 columns more, which are not", "columns_cut"),
    "characters of a CSV's cell": Cap(
        tables, "CELL", 10, lambda: csv(cell="y" * 99), "a.csv", "0yyyyyyyyy… (90 characters more)", "table"
    ),
    "characters of a CSV": Cap(tables, "WHOLE_TOKENS", 0, csv, "a.csv", "[cut here for length: ", "trimmed", few(60)),
    "rows of a Parquet file": Cap(
        tables, "PARQUET_ROWS", 50, columns_of_arrow, "a.parquet", "summary is of the first 50 rows", "table_estimate"
    ),
    "columns of a Parquet file": Cap(
        tables, "MAX_COLUMNS", 2, columns_of_arrow, "a.parquet", "… 3 columns more, which are not", "columns_cut"
    ),
    "rows of a sheet": Cap(
        workbooks, "MOST_ROWS", 100, workbook, "a.xlsx", "only the first 100 rows of the sheet were read", "sheet_rows"
    ),
    "rows of a large sheet": Cap(
        workbooks,
        "MOST_ROWS",
        100,
        workbook,
        "a.xlsx",
        "more than 99 rows below the header",
        "table_estimate",
        few(400),
    ),
    "cells of a sheet": Cap(
        tables, "MAX_CELLS", 90, workbook, "a.xlsx", "summary is of the first 30 rows", "table_estimate", few(400)
    ),
    "columns of a sheet": Cap(
        tables, "MAX_COLUMNS", 2, workbook, "a.xlsx", "… 1 columns more, which are not", "columns_cut", few(400)
    ),
    "characters of a sheet": Cap(
        workbooks, "SHEET_TOKENS", 10, workbook, "a.xlsx", "[cut here for length: ", "sheets_summarised", few(100)
    ),
    "facts beside a sheet": Cap(workbooks, "LISTED", 2, lambda: workbook(9, 5), "a.xlsx", ", and 3 more", "workbook"),
    "characters of a comment": Cap(
        workbooks,
        "COMMENT",
        20,
        lambda: workbook(9, 1),
        "a.xlsx",
        "what is said of it w… (36 characters more)",
        "workbook",
    ),
    "a workbook too large for more than its cells": Cap(
        workbook_files,
        "LARGE",
        0,
        lambda: workbook(9, 1),
        "a.xlsx",
        "comments, links and what is hidden",
        "sheet_details",
    ),
    "bytes of an Office part": Cap(
        office_parts, "MOST_BYTES", 100, word, "a.docx", "first 5 MB only of word/document.xml", "parts_cut"
    ),
    "characters of a document": Cap(
        office_parts, "MOST_BYTES", 10**7, word, "a.docx", "[cut here for length: ", "trimmed", few(300)
    ),
    "pages of a PDF": Cap(
        pdf_extras,
        "MOST_CHARS",
        1,
        lambda: files.pdf(["a b c"] * 9),
        "a.pdf",
        "you do not see the others",
        "pages",
        few(40, BLIND),
    ),
    "characters of a PDF's page": Cap(
        pdf_extras,
        "MOST_CHARS",
        1,
        lambda: files.pdf(["word " * 900], size=(60_000, 792)),
        "a.pdf",
        "characters of this page more]",
        "page_cut",
        few(50, BLIND),
    ),
    "pictures of a PDF's pages": Cap(
        pdf_extras,
        "MOST_CHARS",
        1,
        lambda: files.pdf(["a b c"] * 9),
        "a.pdf",
        "pictures of 2 of these 9 pages",
        "page_pictures",
        msgspec.structs.replace(PAGES, max_images=2),
    ),
    "characters of a form's value": Cap(pdf_extras, "MOST_CHARS", 4, form, "a.pdf", "Hong… (", "as_text", BLIND),
    "outputs of a cell": Cap(
        notebook,
        "OUTPUT_TOKENS",
        60,
        lambda: printing(40),
        "a.ipynb",
        "outputs of this cell more]",
        "outputs_trimmed",
        few(400),
    ),
    "characters of an output": Cap(
        notebook, "OUTPUT_TOKENS", 600, lambda: printing(1, 5000), "a.ipynb", "characters left out …", "outputs_trimmed"
    ),
    "characters of a cell": Cap(
        notebook,
        "SOURCE_TOKENS",
        10,
        lambda: files.notebook(files.code("x = 1\n" * 99)),
        "a.ipynb",
        " characters more",
        "sources_trimmed",
    ),
    "cells of a notebook": Cap(
        notebook, "OUTPUT_TOKENS", 60, lambda: printing(40), "a.ipynb", "1 of 2 cells more]", "cells_trimmed", few(400)
    ),
    "characters of a text": Cap(
        text, "END_SHARE", 0.2, lambda: LINES, "a.txt", "[cut here for length: ", "trimmed", few(200)
    ),
    "bytes of a text": Cap(
        text, "MOST_BYTES", 5000, lambda: LINES * 10, "a.txt", "its beginning and its end", "trimmed"
    ),
}


@pytest.mark.parametrize("cap", CAPS)
def test_a_limit_says_that_it_cut_and_where(read, monkeypatch, cap: str) -> None:
    place, name, value, file, called, said, note, sight = CAPS[cap]
    monkeypatch.setattr(place, name, value)
    understood = read(file(), called, sight=sight)
    assert said in told(understood)
    assert note in codes(understood)
    for each in understood.notes:
        assert each.text("en") != each.text("ko") and "{" not in each.text("en") + each.text("ko")


def test_what_is_within_the_limits_says_nothing(read) -> None:
    for content, name in (
        (csv(), "a.csv"),
        (workbook(9), "a.xlsx"),
        (files.pdf(["a"]), "a.pdf"),
        (LINES[:500], "a.txt"),
    ):
        understood = read(content, name)
        assert not {*codes(understood)} & {"trimmed", "columns_cut", "sheet_rows", "table_estimate", "page_cut"}
        assert "more" not in told(understood) and "cut" not in told(understood)


def test_a_clip_that_is_longer_than_it_says_and_its_many_cuts(read, tmp_path, monkeypatch) -> None:
    clip = files.clip(tmp_path / "clip.mp4", ["red", "blue", "white", "black"])
    monkeypatch.setattr(video, "MAX_CUTS", 2)
    monkeypatch.setattr(video, "MAX_LOOKS", 16)
    understood = read(clip, "clip.mp4")
    assert "0:01.0, 0:02.0 and 1 times more." in told(understood)
    assert "Only its first 0:03 were looked at" in told(understood) and "video_cut" in codes(understood)


def test_a_recording_without_end_is_read_in_part(understand, file, monkeypatch) -> None:
    from clawdbot_ext.agent.media import worker_client, worker_main

    monkeypatch.setattr(sound, "MAX_MS", 3000)
    job = worker_client.job_for(
        file(files.tone(6), "a.wav"),
        "understand",
        worker_client.Limits(),
        sight=api.ModelSight(),
        settings=api.MediaSettings(),
    )
    result = worker_main.perform(job, lambda progress: None)
    assert result.understood is not None and result.sound is not None
    assert codes(result.understood) == ["sound_cut"]
    heard = Transcript(tuple(Segment(n * 100, n * 100 + 99, "words " * 9) for n in range(300)), "engine", "en")
    notes = list(result.understood.notes)
    short = msgspec.structs.replace(job, sight=few(200))
    told_of = told(transcripts._recording(short, result.sound, heard, notes))
    assert "Only its first 0:03 were read; there is more." in told_of and "[cut here for length: " in told_of
    assert "transcript_trimmed" in [note.code for note in notes]


def test_a_damaged_recording_is_called_damaged_to_the_model_too() -> None:
    heard = Sound(2000, "mp3", 16_000, 1, -20.0, -10.0, 0.0)
    assert "damaged at 0:02.0" in transcripts.described(heard, [api.Note("cut_short", {"at": "0:02.0"})])


def test_what_hands_shortens_says_so_too() -> None:
    outputs = [{"output_type": "stream", "name": "stdout", "text": f"{number}\n"} for number in range(60)]
    shown = brief(outputs)
    assert len(shown) == 50 and shown[-1]["text"].endswith("… 10 outputs more …")
    assert brief(outputs[:50])[-1]["text"] == "49\n"
    (row,) = json.loads(kernel_code.variables({"number": 10**200}))["variables"]
    assert row["summary"].endswith("… (81 characters more)")
    frame = types.SimpleNamespace(shape=(3, 20), columns=[f"column {number}" for number in range(20)])
    (row,) = json.loads(kernel_code.variables({"frame": frame}))["variables"]
    assert row["summary"].endswith("column 11 and 8 more")
