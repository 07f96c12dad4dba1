"""Workbooks: every cell as what it is, formulas with and without results, and what stands beside the cells."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from datetime import date, datetime, time, timedelta

import msgspec
import openpyxl
import pytest
from openpyxl.chart import BarChart
from openpyxl.comments import Comment
from openpyxl.drawing.image import Image as SheetImage
from openpyxl.worksheet.formula import ArrayFormula
from openpyxl.worksheet.table import Table

from clawdbot_ext.agent.media import api
from tests.agent.media.conftest import codes, told
from tests.support import files


def saved(book: openpyxl.Workbook, **changes: Callable[[str], str]) -> bytes:
    """The file, its parts (by the end of their name) changed."""
    out = io.BytesIO()
    book.save(out)
    return changed(out.getvalue(), changes) if changes else out.getvalue()


def changed(data: bytes, changes: dict[str, Callable[[str], str]]) -> bytes:
    parts = {}
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for name in archive.namelist():
            part = archive.read(name)
            for end, change in changes.items():
                if name.endswith(f"{end}.xml"):
                    part = change(part.decode()).encode()
            parts[name] = part
    return files.office(parts)


def moment(hour: int = 0, minute: int = 0) -> datetime:
    """A time in March, without a zone, as workbooks have them."""
    return datetime.combine(date(2024, 3, 1), time(hour, minute))


def of(*rows: list, formats: dict[str, str] | None = None) -> openpyxl.Workbook:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    for cell, number_format in (formats or {}).items():
        book.active[cell].number_format = number_format
    return book


def results(values: dict[str, str]) -> Callable[[str], str]:
    """Gives formulas saved results: openpyxl writes none."""

    def change(xml: str) -> str:
        for cell, result in values.items():
            kind, _, value = result.rpartition(":")
            xml = re.sub(
                rf'<c r="{cell}"([^>]*)>(<f.*?)<v ?/>|<c r="{cell}"([^>]*)>(<f.*?)<v></v>',
                lambda m, kind=kind, value=value, cell=cell: (
                    f'<c r="{cell}"{m[1] or m[3] or ""}{f" t={chr(34)}{kind}{chr(34)}" if kind else ""}>'
                    f"{m[2] or m[4]}<v>{value}</v>"
                ),
                xml,
            )
        return xml

    return change


@pytest.mark.parametrize(
    ("value", "number_format", "text"),
    [
        (123456789.123, "General", "123456789.123"),
        (1200.0, "General", "1200"),
        (0.1 + 0.2, "General", "0.3"),
        (0.125, "0.0%", "12.5%"),
        (0.07, "0%", "7%"),
        (1234.5, "#,##0", "1234.5"),
        (12345678901234, "0", "12345678901234"),
        (1e300, "General", "1e+300"),
        ("03187", "General", "03187"),
        ("12E4", "General", "12E4"),
        ("NA", "General", "NA"),
        ("None", "General", "None"),
        ("12345678901234567890", "@", "12345678901234567890"),
        ("a|b\nc", "General", "a\\|b<br>c"),
        (True, "General", "TRUE"),
        ("#DIV/0!", "General", "#DIV/0!"),
        (date(2024, 3, 1), "yyyy-mm-dd", "2024-03-01"),
        (moment(9, 30), "yyyy-mm-dd hh:mm", "2024-03-01 09:30:00"),
        (moment(), "yyyy-mm-dd hh:mm", "2024-03-01"),
        (time(9, 30), "hh:mm", "09:30:00"),
        (timedelta(hours=30), "[h]:mm", "1 day, 6:00:00"),
    ],
)
def test_a_cell_is_what_it_is(read, value, number_format: str, text: str) -> None:
    book = of(["head", None, "end"], [value, None, "x"], formats={"A2": number_format})
    assert f"| 2 | {text} |  | x |" in told(read(saved(book), "a.xlsx")).replace(" 00:00:00", "")


def test_a_formula_is_told_with_its_result_or_that_there_is_none(read) -> None:
    book = of(["apple", 1200, 3, "=B1*C1", '=IF(B1>0,"","x")', "=A1", "=NOW()"])
    book.active["H1"] = ArrayFormula("H1:H2", "=B1:B2*2")
    data = saved(book, sheet1=results({"D1": "3600", "E1": "str:", "F1": "str:apple"}))
    understood = read(data, "a.xlsx")
    assert '| 1200 | 3 | 3600 [=B1*C1] | [=IF(B1>0,"","x")] | apple [=A1] | =NOW() (not computed) |' in told(understood)
    assert "{=B1:B2*2} in H1:H2 (not computed)" in told(understood)
    assert codes(understood) == ["workbook", "not_computed"] and understood.notes[1].facts == {"count": 2}


def test_rows_and_columns_keep_their_numbers_and_blanks_stay_blank(read) -> None:
    book = of(["이름", "점수"], [], [None, 5], [None, None])
    book.create_sheet("빈 시트")
    text = told(read(saved(book), "a.xlsx"))
    assert "|  | A | B |" in text and "| 3 |  | 5 |" in text and "| 2 |" not in text and "nan" not in text.lower()
    assert "## Sheet '빈 시트'\n(empty)" in text


def test_what_stands_beside_the_cells_is_told(read) -> None:
    book = of(["code", "where", "what"], ["00123", "link", 5])
    sheet = book.active
    sheet.merge_cells("D1:E1")
    sheet["C2"].comment = Comment("확인 필요", "kim")
    sheet["B2"].hyperlink = "https://example.com/x"
    sheet.column_dimensions["B"].hidden = True
    sheet.row_dimensions[2].hidden = True
    sheet.add_table(Table(displayName="Sales", ref="A1:C2"))
    sheet.add_image(SheetImage(io.BytesIO(files.png(files.photo(20, 20)))), "E5")
    book.defined_names["Rate"] = openpyxl.workbook.defined_name.DefinedName("Rate", attr_text="Sheet!$C$2")
    book.create_sheet("secret").sheet_state = "hidden"
    book.create_chartsheet("plot").add_chart(BarChart())
    text = told(read(saved(book), "a.xlsx"))
    for line in (
        "Merged cells: D1:E1",
        "Comments: C2: 확인 필요",
        "Links: B2: https://example.com/x",
        "Hidden columns: B",
        "Hidden rows: 2",
        "Tables: Sales A1:C2",
        "Not shown: 1 pictures",
        "Numbers stored as text in: A2",
        "Names: Rate = Sheet!$C$2",
        "## Sheet 'secret' (hidden)",
        "## Sheet 'plot': a chart, not shown",
    ):
        assert line in text


def test_a_large_sheet_goes_as_summary_beside_small_ones_that_go_whole(read) -> None:
    book = of(
        ["분기 매출"],
        ["우편번호", "금액", "날짜"],
        *[[f"0{n:04}", n / 4, date(2024, 1, 1 + n % 9)] for n in range(900)],
    )
    book.create_sheet("small").append(["all", "of", "it"])
    understood = read(saved(book), "a.xlsx", sight=msgspec.structs.replace(api.ModelSight(), tokens=6000))
    text = told(understood)
    assert "900 rows below the header in row 2" in text and "Before the table:\n분기 매출" in text
    assert "- 우편번호: text; distinct 900; '00000' × 1" in text
    assert "- 금액: number; distinct 900; min 0, mean 112.375, max 224.75" in text
    assert "- 날짜: date; distinct 9; 2024-01-01 … 2024-01-09" in text
    assert "00899,224.75,2024-01-09" in text and "| 1 | all | of | it |" in text
    assert codes(understood) == ["workbook", "sheets_summarised"] and "attachment_read" in text


def test_a_sheet_read_piece_by_piece_is_the_same(read, monkeypatch) -> None:
    rows = [["id", "when", "share"], ["007", moment(3, 4), 0.25], [None, None, None], ["x", "=B2", 1]]
    data = saved(of(*rows, formats={"C2": "0%"}))
    whole = told(read(data, "a.xlsx"))
    monkeypatch.setattr("clawdbot_ext.agent.media.readers.workbook_files.LARGE", 0)
    pieces = told(read(data, "a.xlsx"))
    assert "| 2 | 007 | 2024-03-01 03:04:00 | 25% |" in pieces
    assert [line for line in whole.splitlines() if line.startswith("|")] == [
        line for line in pieces.splitlines() if line.startswith("|")
    ]


STRICT = {
    "http://schemas.openxmlformats.org/spreadsheetml/2006/main": "http://purl.oclc.org/ooxml/spreadsheetml/main",
    "http://schemas.openxmlformats.org/officeDocument/2006/relationships": "http://purl.oclc.org/ooxml/officeDocument/"
    "relationships",
}


def strict(text: str) -> str:
    for usual, other in STRICT.items():
        text = text.replace(usual, other)
    return text


@pytest.mark.parametrize(
    "damage",
    [
        {"workbook": strict, "sheet1": strict, "sharedStrings": strict, "styles": strict},
        {"styles": lambda xml: xml.replace("</styleSheet>", "")},
        {"sheet1": lambda xml: xml.replace("</worksheet>", '<dataValidations count="1"><dataValidation type="odd"/>'
                                           "</dataValidations></worksheet>")},
        {"sheet1": lambda xml: xml.replace("<dimension", '<dimension ref="A1"/><was')},
        {"sheet1": lambda xml: xml.replace("</sheetData>", '<row r="3"><c t="s"><v>77</v></c></row></sheetData>')},
    ],
    ids=["strict", "styles", "validation", "dimension", "cell"],
)  # fmt: skip
def test_one_broken_part_costs_no_cells(read, damage) -> None:
    data = saved(of(["이름", "점수"], ["가람", 90]), **damage)
    assert "| 2 | 가람 | 90 |" in told(read(data, "a.xlsx"))


def test_parts_may_have_other_names_and_folders_than_excels(read) -> None:
    data = saved(of(["이름", "점수"], ["가람", 90]))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    elsewhere = {
        name.replace("xl/", "wtf/"): part.replace(b"/xl/", b"/wtf/").replace(b'"xl/', b'"wtf/')
        for name, part in parts.items()
    }
    assert "| 2 | 가람 | 90 |" in told(read(files.office(elsewhere), "a.xlsx"))
    other_case = {name.replace("sharedStrings", "SharedStrings"): part for name, part in parts.items()}
    assert "| 2 | 가람 | 90 |" in told(read(files.office(other_case), "a.xlsx"))


def test_a_workbook_with_nothing_in_it_is_empty(read) -> None:
    with pytest.raises(api.MediaError) as refused:
        read(saved(openpyxl.Workbook()), "a.xlsx")
    assert refused.value.media_code == "MEDIA_EMPTY"


@pytest.mark.parametrize(
    ("parts", "code", "variant"),
    [
        (
            {"[Content_Types].xml": '<x ContentType="application/vnd.ms-excel.sheet.binary.macroEnabled.main"/>'},
            "",
            "other_office",
        ),
        ({"mimetype": "application/vnd.oasis.opendocument.spreadsheet"}, "", "other_office"),
    ],
)
def test_other_office_formats_are_called_by_their_name(file, parts: dict[str, str], code: str, variant: str) -> None:
    with pytest.raises(api.MediaError) as refused:
        file(files.office(parts), "a.xlsb")
    assert (refused.value.media_code, refused.value.variant) == ("MEDIA_UNSUPPORTED", variant)


def test_an_office_file_with_a_password_is_called_locked(file) -> None:
    ole = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600) + "EncryptedPackage".encode("utf-16-le") + bytes(90)
    with pytest.raises(api.MediaError) as refused:
        file(ole, "a.xlsx")
    assert refused.value.media_code == "MEDIA_ENCRYPTED"
