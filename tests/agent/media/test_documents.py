"""PDF and Office documents as the model gets them."""

from __future__ import annotations

import io

import msgspec
import pypdf
import pypdfium2
import pytest
from PIL import Image

from clawdbot_ext.agent.media import api
from tests.agent.media.conftest import BLIND, PAGES, codes, pictures, told
from tests.support import files

LONG = files.pdf([f"Chapter {number}: words" for number in range(1, 301)])


def document(understood: api.Understood) -> api.DocumentBlock:
    return next(block for block in understood.blocks if isinstance(block, api.DocumentBlock))


def page_text(data: bytes, number: int = 0) -> str:
    return pypdfium2.PdfDocument(data)[number].get_textpage().get_text_bounded()


def locked(password: str, algorithm: str = "RC4-128") -> bytes:
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(files.pdf(["Secret plan"])))
    writer.encrypt(user_password=password, owner_password="owner", algorithm=algorithm)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


# -- PDF --------------------------------------------------------------------------------------------------------------
def test_a_pdf_goes_as_it_is_to_a_model_that_reads_pdfs(read) -> None:
    data = files.pdf(["Revenue rose", "Costs fell"])
    understood = read(data, "report.pdf")
    assert document(understood) == api.DocumentBlock(data, "application/pdf", "report.pdf", 2, 1)
    assert codes(understood) == [] and understood.facts.pages == 2
    assert understood.tokens >= 2 * 1500


def test_of_a_long_pdf_the_first_pages_go_and_the_user_is_told_how_to_get_others(read) -> None:
    understood = read(LONG, "book.pdf")
    part = document(understood)
    assert part.first == 1 and 10 < part.pages < 100
    assert len(pypdfium2.PdfDocument(part.data)) == part.pages
    assert f"Pages 1 to {part.pages} of a PDF document of 300 pages" in told(understood)
    note = understood.notes[0]
    assert (note.code, note.facts["last"], note.facts["next"]) == ("pages", part.pages, part.pages + 1)


@pytest.mark.parametrize("question", ["What is on pages 120 to 130?", "120~130쪽을 요약해 줘", "see pp. 120–130"])
def test_the_pages_that_a_question_names_are_the_ones_that_go(read, question: str) -> None:
    understood = read(LONG, "book.pdf", pages=api.pages_asked(question))
    part = document(understood)
    assert (part.first, part.pages) == (120, 11)
    assert "Chapter 120" in page_text(part.data) and "Chapter 130" in page_text(part.data, 10)


def test_questions_without_pages_name_none() -> None:
    assert [api.pages_asked(text) for text in ("summarise", "in 2024-2025 sales", "page 9 to 3")] == [None, None, None]
    assert api.pages_asked("page 7, please") == (7, 7)


def test_pages_that_are_not_there_are_said_to_be_missing(read) -> None:
    with pytest.raises(api.MediaError) as refused:
        read(files.pdf(["a"]), "a.pdf", pages=(5, 6))
    assert (refused.value.media_code, refused.value.facts["pages"]) == ("MEDIA_NO_PAGES", 1)


def test_a_model_that_takes_no_pdf_gets_text_and_pictures_of_the_pages(read) -> None:
    understood = read(files.pdf(["Revenue rose", None]), "a.pdf", sight=PAGES)
    text = told(understood)
    assert "[page 1]\nRevenue rose" in text and "[page 2]\n(no text)" in text
    assert [picture.label for picture in pictures(understood)] == ["page 1", "page 2"]
    assert codes(understood) == ["as_pages"]
    page = Image.open(io.BytesIO(pictures(understood)[1].data)).convert("L")
    assert page.getextrema() == (0, 255)


def test_a_model_without_eyes_gets_the_text(read) -> None:
    understood = read(files.pdf(["Revenue rose"]), "a.pdf", sight=BLIND)
    assert pictures(understood) == [] and "Revenue rose" in told(understood) and codes(understood) == ["as_text"]


def test_a_scan_is_called_one_and_goes_as_pictures(read, probe) -> None:
    scan = files.encoded(Image.new("RGB", (600, 800), "white"), "PDF")
    assert [note.code for note in probe(scan, "scan.pdf").notes] == ["scanned"]
    assert codes(read(scan, "scan.pdf")) == ["scanned"]
    assert codes(read(scan, "scan.pdf", sight=PAGES)) == ["scanned", "as_pages"]
    assert "scanned_blind" in codes(read(scan, "scan.pdf", sight=BLIND))


def test_the_mode_and_number_of_pages_are_settings(read) -> None:
    understood = read(LONG, "a.pdf", settings=api.MediaSettings(pdf_mode="text", pdf_max_pages=3))
    assert "Chapter 3" in told(understood) and "Chapter 4" not in told(understood)
    assert pictures(understood) == [] and understood.notes[0].facts["last"] == 3


def test_the_text_of_a_long_pdf_stays_within_the_budget(read) -> None:
    sight = msgspec.structs.replace(BLIND, tokens=600)
    understood = read(LONG, "a.pdf", sight=sight)
    assert understood.tokens < 900 and understood.notes[0].code == "pages"


def test_a_pdf_with_a_password_says_so(probe) -> None:
    for algorithm in ("RC4-128", "AES-256"):
        with pytest.raises(api.MediaError) as refused:
            probe(locked("geheim", algorithm), "a.pdf")
        assert refused.value.media_code == "MEDIA_ENCRYPTED"
    assert "password" in refused.value.hint_in("en")


def test_a_pdf_that_opens_without_its_password_goes_unlocked(read) -> None:
    """Claude's API refuses every encrypted PDF, also those that any reader opens."""
    part = document(read(locked(""), "a.pdf"))
    assert b"/Encrypt" not in part.data and "Secret plan" in page_text(part.data)


def form(pages: int = 1) -> bytes:
    """A form with a filled text field and a ticked box without pictures of theirs, a comment, and a file inside."""
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(files.pdf([f"Page {number}" for number in range(1, pages + 1)])))
    page = writer.pages[0]
    widgets = [
        {"/FT": "/Tx", "/T": "name", "/V": "Hong 길동\r둘째 줄"},
        {"/FT": "/Btn", "/T": "agree", "/V": "/Yes", "/AS": "/Yes", "/AP": {"/N": {"/Yes": {}, "/Off": {}}}},
        {"/FT": "/Btn", "/T": "spam", "/V": "/Off", "/AS": "/Off", "/AP": {"/N": {"/Yes": {}, "/Off": {}}}},
        {"/FT": "/Ch", "/T": "city", "/V": "Seoul", "/Opt": ["Seoul", "Busan"], "/Ff": 1 << 17},
    ]
    notes, fields = pypdf.generic.ArrayObject(), pypdf.generic.ArrayObject()
    helv = {"/Type": "/Font", "/Subtype": "/Type1", "/BaseFont": "/Helvetica"}
    for number, widget in enumerate(widgets):
        rect = [100, 600 - 40 * number, 300, 630 - 40 * number]
        field = _object(
            {"/Type": "/Annot", "/Subtype": "/Widget", "/Rect": rect, "/F": 4, "/DA": "/Helv 12 Tf 0 g", **widget}
        )
        if "/AP" in field:
            states = field["/AP"]["/N"]
            for state in list(states):
                picture = pypdf.generic.StreamObject()
                picture.update(_object({"/Type": "/XObject", "/Subtype": "/Form", "/BBox": [0, 0, 20, 20]}))
                picture.set_data(b"0 0 20 20 re f" if state == "/Yes" else b"")
                states[pypdf.generic.NameObject(state)] = writer._add_object(picture)
        notes.append(writer._add_object(field))
        fields.append(notes[-1])
    comment = _object({"/Type": "/Annot", "/Subtype": "/Text", "/Rect": [10, 10, 30, 30], "/Contents": "여기 확인"})
    notes.append(writer._add_object(comment))
    page[pypdf.generic.NameObject("/Annots")] = notes
    form = _object({"/NeedAppearances": True, "/DR": {"/Font": {"/Helv": helv}}, "/DA": "/Helv 0 Tf 0 g"})
    form[pypdf.generic.NameObject("/Fields")] = fields
    writer._root_object[pypdf.generic.NameObject("/AcroForm")] = writer._add_object(form)
    writer.add_attachment("data.csv", b"a,b")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def _object(value):
    """A PDF object of Python's values; a text that begins with a slash is a name."""
    generic = pypdf.generic
    if isinstance(value, dict):
        return generic.DictionaryObject({generic.NameObject(key): _object(each) for key, each in value.items()})
    if isinstance(value, list):
        return generic.ArrayObject([_object(each) for each in value])
    if isinstance(value, bool | int):
        return generic.BooleanObject(value) if isinstance(value, bool) else generic.NumberObject(value)
    return generic.NameObject(value) if value.startswith("/") else generic.TextStringObject(value)


@pytest.mark.parametrize("sight", [PAGES, BLIND, api.ModelSight()], ids=["pages", "text", "pdf"])
def test_what_is_filled_in_and_commented_in_a_pdf_is_told(read, sight: api.ModelSight) -> None:
    understood = read(form(), "form.pdf", sight=sight)
    text = told(understood)
    assert "[form field 'name': Hong 길동 / 둘째 줄]" in text and "[form field 'city': Seoul]" in text
    assert "[form field 'agree': ticked]" in text and "[form field 'spam': not ticked]" in text
    assert "[comment] 여기 확인" in text and api.Note("embedded_files", {"count": 1}) in understood.notes


def test_a_page_of_a_form_is_drawn_and_taken_out_with_what_is_filled_in(read) -> None:
    def ink(picture: Image.Image, place: tuple[float, float, float, float]) -> int:
        width, height = picture.size
        box = (place[0] * width / 612, place[1] * height / 792, place[2] * width / 612, place[3] * height / 792)
        return picture.convert("L").crop(tuple(map(round, box))).histogram()[0]

    name, box = (100, 792 - 630, 300, 792 - 600), (100, 792 - 590, 300, 792 - 560)
    page = Image.open(io.BytesIO(pictures(read(form(), "form.pdf", sight=PAGES))[0].data))
    assert ink(page, name) and ink(page, box)
    part = document(read(form(3), "form.pdf", pages=(1, 2))).data
    alone = pypdfium2.PdfDocument(part)[0].render(scale=2).to_pil()
    assert ink(alone, box)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (files.pdf(["a", "b"])[:300], "MEDIA_TRUNCATED"),
        (b"%PDF-1.7\n" + b"rubbish " * 99 + b"\n%%EOF", "MEDIA_CORRUPT"),
        (files.pdf([]), "MEDIA_NO_PAGES"),
    ],
    ids=["cut", "rubbish", "no pages"],
)
def test_a_damaged_pdf_says_what_is_wrong(probe, content: bytes, code: str) -> None:
    with pytest.raises(api.MediaError) as refused:
        probe(content, "a.pdf")
    assert refused.value.media_code == code


def test_a_page_as_large_as_a_house_is_no_larger_a_picture(read) -> None:
    sent = pictures(read(files.pdf(["a"], size=(14_400, 14_400)), "a.pdf", sight=PAGES))[0]
    assert max(sent.width, sent.height) <= 1568


# -- Office -----------------------------------------------------------------------------------------------------------
def test_a_word_document_goes_as_markdown(read) -> None:
    understood = read(files.office(files.WORD), "minutes.docx")
    assert "ship on Friday" in told(understood) and codes(understood) == ["office"]


def test_a_workbook_goes_as_tables(read) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    for row in (["city", "people"], ["서울", 9_400_000], ["부산", 3_300_000]):
        book.active.append(row)
    out = io.BytesIO()
    book.save(out)
    assert "| 서울 | 9400000 |" in told(read(out.getvalue(), "cities.xlsx"))


def test_slides_go_as_their_text(read) -> None:
    import pptx

    slides = pptx.Presentation()
    slides.slides.add_slide(slides.slide_layouts[5]).shapes.title.text = "Roadmap 2027"
    out = io.BytesIO()
    slides.save(out)
    assert "Roadmap 2027" in told(read(out.getvalue(), "talk.pptx"))


def test_what_a_converter_passes_over_is_told_too(read) -> None:
    """Comments, headers, text boxes and deleted text of a Word document; notes of slides are the converter's own."""
    namespace = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    body = files.WORD["word/document.xml"].replace(
        "</w:body>",
        "<w:p><w:del><w:r><w:delText>old date</w:delText></w:r></w:del></w:p></w:body>",
    )
    header = f'<w:hdr xmlns:w="{namespace}"><w:p><w:r><w:t>대외비</w:t></w:r></w:p></w:hdr>'
    note = '<w:comment w:id="0"><w:p><w:r><w:t>R&amp;D 확인</w:t></w:r></w:p></w:comment>'
    comment = f'<w:comments xmlns:w="{namespace}">{note}</w:comments>'
    parts = {**files.WORD, "word/document.xml": body, "word/header1.xml": header, "word/comments.xml": comment}
    text = told(read(files.office({**parts, "word/media/image1.png": b"x"}), "minutes.docx"))
    assert "[header] 대외비" in text and "[comment] R&D 확인" in text and "[deleted] old date" in text
    assert text.count("ship on Friday") == 1 and "nor are its 1 pictures" in text


def test_a_document_that_its_converter_refuses_goes_as_plain_text(read) -> None:
    namespace = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    without_id = f'<w:comments xmlns:w="{namespace}"><w:comment><w:p/></w:comment></w:comments>'
    assert "[text] Minutes" in told(read(files.office({**files.WORD, "word/comments.xml": without_id}), "minutes.docx"))


def test_entities_that_would_grow_without_end_are_not_read(read) -> None:
    laughs = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 10))
    xml = f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY l0 "ha">{laughs}]><x>&l9;</x>'
    bomb = {**files.WORD, "word/document.xml": xml}
    with pytest.raises(api.MediaError) as refused:
        read(files.office(bomb), "a.docx")
    assert (refused.value.media_code, refused.value.variant) == ("MEDIA_BOMB", "xml")


def test_an_empty_document_says_so(read) -> None:
    empty = {
        **files.WORD,
        "word/document.xml": files.WORD["word/document.xml"].replace("Minutes of the meeting: ship on Friday", ""),
    }
    with pytest.raises(api.MediaError) as refused:
        read(files.office(empty), "a.docx")
    assert refused.value.media_code == "MEDIA_EMPTY"


@pytest.mark.parametrize("first", [{"mimetype": "application/epub+zip"}, {}], ids=["as it should be", "packed again"])
def test_a_book_is_read_chapter_by_chapter_also_without_its_type(read, first: dict[str, str]) -> None:
    package = "http://www.idpf.org/2007/opf"
    container = (
        '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles><rootfile '
        'full-path="a/book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
    )
    items = "".join(f'<item id="c{n}" href="c{n}.xhtml" media-type="application/xhtml+xml"/>' for n in (2, 1))
    spine = '<spine><itemref idref="c1"/><itemref idref="c2"/></spine>'
    opf = f'<package xmlns="{package}" version="3.0"><manifest>{items}</manifest>{spine}</package>'
    chapters = {f"a/c{n}.xhtml": f"<html><body><h1>제{n}장</h1></body></html>" for n in (1, 2)}
    book = files.office({**first, "META-INF/container.xml": container, "a/book.opf": opf, **chapters})
    text = told(read(book, "book.epub"))
    assert 'type="application/epub+zip"' in text and 0 < text.index("제1장") < text.index("제2장")
