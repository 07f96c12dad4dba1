"""Parts of a PDF that lie over its pages or beside them: values of forms, comments, embedded files."""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pypdfium2
from pypdfium2 import raw

from ..prompt_framing import shortened
from ..types import Note

MARKS = ("[form field ", "[comment] ")
"""Beginnings of the lines that ``filled_in`` makes."""
MOST_CHARS = 2000
"""Of one value or comment."""
_TICKS = {raw.FPDF_FORMFIELD_CHECKBOX, raw.FPDF_FORMFIELD_RADIOBUTTON}
_NO_VALUE = {raw.FPDF_FORMFIELD_PUSHBUTTON, raw.FPDF_FORMFIELD_SIGNATURE}


def filled_in(document: Any, page: Any) -> Iterator[str]:
    """A line for each field of a form on a page that has a value, and for each comment. ``document`` has its forms."""
    for index in range(raw.FPDFPage_GetAnnotCount(page.raw)):
        note = raw.FPDFPage_GetAnnot(page.raw, index)
        if not note:
            continue
        try:
            if raw.FPDFAnnot_GetSubtype(note) == raw.FPDF_ANNOT_WIDGET:
                line = _field(document, note)
            else:
                comment = _comment(note)
                line = f"{MARKS[1]}{comment}" if comment else ""
        finally:
            raw.FPDFPage_CloseAnnot(note)
        if line:
            yield line


def _comment(note: Any) -> str:
    return _one_line(_string(lambda *rest: raw.FPDFAnnot_GetStringValue(note, b"Contents", *rest)))


def _field(document: Any, note: Any) -> str:
    if document.formenv is None:
        return ""
    form = document.formenv.raw
    kind = raw.FPDFAnnot_GetFormFieldType(form, note)
    name = _one_line(_string(lambda *rest: raw.FPDFAnnot_GetFormFieldName(form, note, *rest)))
    if kind in _NO_VALUE:
        return ""
    if kind in _TICKS:
        option = _one_line(_string(lambda *rest: raw.FPDFAnnot_GetFormFieldExportValue(form, note, *rest)))
        option = f" ({option})" if option and option not in ("Yes", "On") else ""
        return f"{MARKS[0]}{name!r}{option}: {'ticked' if raw.FPDFAnnot_IsChecked(form, note) else 'not ticked'}]"
    value = _one_line(_string(lambda *rest: raw.FPDFAnnot_GetFormFieldValue(form, note, *rest)))
    return f"{MARKS[0]}{name!r}: {value}]" if value else f"{MARKS[0]}{name!r}: empty]"


def _one_line(text: str) -> str:
    return " / ".join(shortened(text, MOST_CHARS).split("\r")).replace("\n", " / ").strip()


def _string(ask: Callable[..., int]) -> str:
    """A string of PDFium's: asked for its length in bytes first, then for its UTF-16."""
    size = ask(None, 0)
    if size <= 2:
        return ""
    buffer = ctypes.create_string_buffer(size)
    ask(ctypes.cast(buffer, ctypes.POINTER(raw.FPDF_WCHAR)), size)
    return buffer.raw[: size - 2].decode("utf-16-le", "replace").replace("\x00", "")


def flattened(path: str, numbers: Iterable[int]) -> Any:
    """The document with these pages' forms and comments drawn into them: taken out of it, pages lose both."""
    with contextlib.suppress(pypdfium2.PdfiumError):
        document = pypdfium2.PdfDocument(path)
        document.init_forms()
        for number in numbers:
            page = document[number]
            raw.FPDFPage_Flatten(page.raw, raw.FLAT_NORMALDISPLAY)
            page.close()
        return document
    return None


def embedded_files(document: Any) -> list[Note]:
    """A note on files inside the document, which are not read, and on a form of a kind that is not."""
    notes = []
    if count := raw.FPDFDoc_GetAttachmentCount(document.raw):
        notes.append(Note("embedded_files", {"count": count}))
    if document.get_formtype() in (raw.FORMTYPE_XFA_FULL, raw.FORMTYPE_XFA_FOREGROUND):
        notes.append(Note("xfa_form"))
    return notes
