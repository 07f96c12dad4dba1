"""Opening workbooks: twice, once for the formulas and once for their results, and in spite of parts that are broken."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import MediaError
from ..worker_client import Job

LARGE = 24_000_000
"""Bytes of XML from which on sheets are read piece by piece, without what is beside their cells."""
_STRICT = (b"http://purl.oclc.org/ooxml/", b"http://schemas.openxmlformats.org/")
"""The namespaces of the strict variant of the format, and of the usual one, which openpyxl knows."""
_RENAMED = (
    (b"/officeDocument/relationships", b"/officeDocument/2006/relationships"),
    (b"/spreadsheetml/main", b"/spreadsheetml/2006/main"),
    (b"/drawingml/main", b"/drawingml/2006/main"),
)


BROKEN = (KeyError, ValueError, TypeError, AttributeError, IndexError, SyntaxError, OSError, zipfile.BadZipFile)
"""Errors that openpyxl raises for a part that it does not expect."""
_CELLS_BEGIN = re.compile(rb"<(?:\w{1,20}:)?sheetData\b")
_ROOT = re.compile(rb"<(?:\w{1,20}:)?worksheet\b[^<>]{0,5000}>")
CONTENTS = "[Content_Types].xml"


class Books(NamedTuple):
    """One workbook as read with formulas and with their results."""

    formulas: Any
    values: Any
    read_only: bool
    without_styles: bool = False


def opened(job: Job) -> Books:
    """Open a workbook; where a part beside the cells is broken, without such parts, and then without styles.

    Raises:
        MediaError: ``MEDIA_NEEDS`` without openpyxl, ``MEDIA_CORRUPT``.
    """
    try:
        import openpyxl
    except ImportError:
        raise MediaError("MEDIA_NEEDS", type="xlsx", extra="office", instead="CSV, PDF") from None
    size, strict = _measured(job.path)
    data = _rewritten(job.path, usual=True) if strict else Path(job.path).read_bytes()
    for read_only, styles, repaired in (
        (False, True, False),
        (False, True, True),
        (True, True, True),
        (True, False, True),
    ):
        if size > LARGE and not read_only:
            continue
        try:
            if repaired:
                data = _rewritten(job.path, usual=strict, styles=styles, cells_only=read_only)
            formulas, values = (
                openpyxl.load_workbook(io.BytesIO(data), read_only=read_only, data_only=results)
                for results in (False, True)
            )
            for sheet in [*formulas.worksheets, *values.worksheets] if read_only else ():
                sheet.reset_dimensions()  # programs write wrong ones
            return Books(formulas, values, read_only, not styles)
        except BROKEN:
            continue
    raise MediaError("MEDIA_CORRUPT")


def _measured(path: str) -> tuple[int, bool]:
    """The bytes of XML in the sheets, and whether the format is the strict variant."""
    try:
        with zipfile.ZipFile(path) as archive:
            sheets = [entry for entry in archive.infolist() if "sheet" in entry.filename]
            book = next((name for name in archive.namelist() if name.endswith("workbook.xml")), "")
            strict = bool(book) and _STRICT[0] in archive.read(book)[:20_000]
            return sum(entry.file_size for entry in sheets), strict
    except (zipfile.BadZipFile, OSError, NotImplementedError, EOFError):
        raise MediaError("MEDIA_CORRUPT") from None


def _rewritten(path: str, *, usual: bool, styles: bool = True, cells_only: bool = False) -> bytes:
    """The file with the usual namespaces, with no styles but the default, or with nothing but cells in its sheets.

    Its parts get the names that its table of contents has, whose case Excel does not mind.
    """
    out = io.BytesIO()
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(out, "w") as target:
        contents = source.read(CONTENTS).decode("utf-8", "replace") if CONTENTS in source.namelist() else ""
        known = {name.lower(): name for name in re.findall(r'PartName="/([^"]{1,300})"', contents)}
        for entry in source.infolist():
            if not styles and entry.filename.endswith("/styles.xml"):
                continue
            data = source.read(entry)
            if usual and entry.filename.endswith((".xml", ".rels")):
                data = data.replace(*_STRICT)
                for old, new in _RENAMED:
                    data = data.replace(_STRICT[1] + old[1:], _STRICT[1] + new[1:])
            if cells_only and "sheet" in entry.filename:
                data = _cells_alone(data)
            target.writestr(known.get(entry.filename.lower(), entry.filename), data)
    return out.getvalue()


def _cells_alone(sheet: bytes) -> bytes:
    """The XML of a sheet with its cells and nothing else."""
    root, begin = _ROOT.search(sheet), _CELLS_BEGIN.search(sheet)
    end = sheet.rfind(b"sheetData>")
    if root is None or begin is None or end < begin.end():
        return sheet
    name = root[0][1:].split(b"worksheet", 1)[0] + b"worksheet"
    return root[0] + sheet[begin.start() : end] + b"sheetData></" + name + b">"
