"""A file's type comes from its bytes: never from its name or its sender."""

from __future__ import annotations

import io
import tarfile
import unicodedata

import pytest

from clawdbot_ext.agent.media import api
from clawdbot_ext.agent.media.mime_types import clean_name
from clawdbot_ext.agent.media.sniffing import identify_file
from tests.support import files

ISO = b"\x00\x00\x00\x20ftyp"


@pytest.fixture
def identify(tmp_path):
    def by(content: bytes, name: str = "x", claimed: str | None = None) -> api.Identified:
        path = tmp_path / "x"
        path.write_bytes(content)
        return identify_file(path, name, claimed)

    return by


@pytest.mark.parametrize(
    ("content", "kind", "mime"),
    [
        (files.png(files.photo(8, 8)), "image", "image/png"),
        (files.encoded(files.photo(8, 8), "JPEG"), "image", "image/jpeg"),
        (files.encoded(files.photo(8, 8), "WEBP"), "image", "image/webp"),
        (files.encoded(files.photo(8, 8), "TIFF"), "image", "image/tiff"),
        (files.encoded(files.photo(8, 8), "BMP"), "image", "image/bmp"),
        (ISO + b"heic\0\0\0\0mif1heic" + bytes(40), "image", "image/heic"),
        (ISO + b"mif1\0\0\0\0mif1avif" + bytes(40), "image", "image/avif"),
        (ISO + b"M4A \0\0\0\0M4A mp42" + bytes(40), "audio", "audio/mp4"),
        (ISO + b"isom\0\0\0\0isommp42" + bytes(40), "video", "video/mp4"),
        (ISO + b"qt  \0\0\0\0qt  " + bytes(40), "video", "video/quicktime"),
        (b"\x1aE\xdf\xa3" + b"webm A_OPUS", "audio", "audio/webm"),
        (b"\x1aE\xdf\xa3" + b"webm V_VP9 A_OPUS", "video", "video/webm"),
        (files.tone(0.1), "audio", "audio/wav"),
        (b"\xff\xfb\x90\x64" + bytes(64), "audio", "audio/mpeg"),
        (b"ID3\x04\0\0\0\0\0\0" + bytes(64), "audio", "audio/mpeg"),
        (b"ID3\x04\0\0\0\0\0\0" + b"\xff\xf1\x5c\x40" + bytes(64), "audio", "audio/aac"),
        (b"ID3\x04\0\0\0\0\1\0" + bytes(128) + b"\xff\xf1\x5c\x40" + bytes(64), "audio", "audio/aac"),
        (b"ID3\x03\0\0\0\0\0\x04" + bytes(4) + b"fLaC" + bytes(64), "audio", "audio/flac"),
        (b"junk\n" + files.pdf(["a"]), "document", "application/pdf"),
        (
            files.office(files.WORD),
            "document",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        ),
        (files.notebook(files.code("1")), "notebook", "application/x-ipynb+json"),
        ("안녕하세요".encode("cp949"), "text", "text/plain"),
        ("plain".encode("utf-16-le"), "text", "text/plain"),
        (b"BM is how this sentence begins, and MZ comes later", "text", "text/plain"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_bytes_say_what_a_file_is(identify, content: bytes, kind: str, mime: str) -> None:
    found = identify(content)
    assert (found.kind, found.mime_type) == (kind, mime)


@pytest.mark.parametrize(
    ("name", "mime"),
    [
        ("a.csv", "text/csv"),
        ("a.PY", "text/x-python"),
        ("README.md", "text/markdown"),
        ("noending", "text/plain"),
        ("a.svg", "image/svg+xml"),
        ("a.ipynb", "text/plain"),
        (".bashrc", "text/plain"),
    ],
)
def test_text_is_told_apart_by_its_name(identify, name: str, mime: str) -> None:
    assert identify(b"a,b\n1,2\n", name).mime_type == mime


def test_a_wrong_name_or_claim_becomes_a_note_and_changes_nothing(identify) -> None:
    picture = files.png(files.photo(8, 8))
    assert identify(picture, "photo.jpg").notes[0].facts == {"claimed": ".jpg", "actual": "image/png"}
    assert identify(picture, "photo", "application/pdf").mime_type == "image/png"
    assert identify(b"just words", "photo.jpg").notes[0].code == "type_mismatch"
    assert identify(files.tone(0.1), "a.wav", "audio/x-wav").notes == ()
    assert identify(ISO + b"qt  " + bytes(40), "a.mp4").notes == ()


def test_a_polyglot_is_what_it_begins_as(identify, read) -> None:
    """A GIF with a web page in it, a JPEG with a ZIP behind it: what is sent is made anew from the picture."""
    both = files.encoded(files.photo(40, 30), "JPEG") + files.office({"evil.html": "<script>alert(1)</script>"})
    assert identify(both, "a.html", "text/html").mime_type == "image/jpeg"
    sent = read(both, "a.jpg").blocks[1]
    assert b"PK\x03\x04" not in sent.data
    gif = b"GIF89a/*" + b"*/=1;alert(1)//" + bytes(50)
    assert identify(gif, "a.js").mime_type == "image/gif"


@pytest.mark.parametrize(
    ("content", "name", "variant"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "보고서.hwp", "hwp"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "old.doc", "legacy"),
        (files.office({"mimetype": "application/hwp+zip", "Contents/x.xml": "<a/>"}), "a.hwpx", "hwp"),
        (files.office({"a.txt": "x"}), "a.zip", "archive"),
        (b"MZ\x90\x00" + bytes(100), "setup.exe", "program"),
        (b"\x7fELF" + bytes(100), "ls", "program"),
        (bytes(range(256)) * 4, "model.bin", ""),
    ],
    ids=["hwp", "doc", "hwpx", "zip", "exe", "elf", "unknown"],
)
def test_what_nothing_reads_is_refused_with_what_to_do(identify, content: bytes, name: str, variant: str) -> None:
    with pytest.raises(api.MediaError) as refused:
        identify(content, name)
    assert (refused.value.media_code, refused.value.status) == ("MEDIA_UNSUPPORTED", 415)
    assert refused.value.variant == variant
    assert refused.value.hint_in("ko") != refused.value.hint_in("en")


def test_a_tar_is_an_archive_too(identify) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a"), io.BytesIO())
    with pytest.raises(api.MediaError) as refused:
        identify(out.getvalue(), "a.tar")
    assert refused.value.variant == "archive"


def test_an_empty_file_says_so(identify) -> None:
    with pytest.raises(api.MediaError) as refused:
        identify(b"", "a.png")
    assert refused.value.to_wire()["details"]["reason"] == "MEDIA_EMPTY"


def test_an_office_file_that_would_unpack_to_gigabytes_is_not_opened(identify) -> None:
    bomb = files.office({**files.WORD, "word/media/x.bin": bytes(30_000_000)})
    assert len(bomb) < 100_000
    with pytest.raises(api.MediaError) as refused:
        identify(bomb, "a.docx")
    assert (refused.value.media_code, refused.value.status) == ("MEDIA_BOMB", 413)


def test_a_cut_office_file_is_incomplete(identify) -> None:
    with pytest.raises(api.MediaError) as refused:
        identify(files.office(files.WORD)[:400], "a.docx")
    assert refused.value.media_code == "MEDIA_TRUNCATED"


def test_names_are_made_harmless() -> None:
    assert clean_name(unicodedata.normalize("NFD", "한글.txt")) == "한글.txt"
    assert clean_name("../../etc/pass\x00wd\n") == "passwd"
    assert clean_name("C:\\Users\\me\\photo.png") == "photo.png"
    assert clean_name("gpj\u202e.exe") == "gpj.exe"
    assert clean_name("..") == "file"
    assert len(clean_name("a" * 500 + ".png")) <= 200 and clean_name("a" * 500 + ".png").endswith(".png")


def test_every_kind_can_be_chosen_in_a_file_dialog() -> None:
    assert {".png", ".heic", ".mp3", ".m4a", ".mov", ".pdf", ".ipynb", ".csv", ".parquet", ".docx"} <= set(api.ACCEPT)
    assert not {".hwp", ".zip", ".exe"} & set(api.ACCEPT)
