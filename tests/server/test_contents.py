"""Files of the Jupyter server as the gateway lists and reads them: names that are no UTF-8, or written another way."""

from __future__ import annotations

import asyncio
import os
import unicodedata
from pathlib import Path

import pytest
from jupyter_server.services.contents.filemanager import AsyncFileContentsManager

from clawdbot_ext.gateway.methods.files import _find
from clawdbot_ext.server import contents
from clawdbot_ext.store.db import fold

pytestmark = pytest.mark.skipif(os.uname().sysname == "Darwin", reason="macOS refuses names that are no UTF-8")

NFD = unicodedata.normalize("NFD", "회의록.txt")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "good.txt").write_text("good")
    (tmp_path / NFD).write_text("decomposed")
    for name, text in (("보고서.csv".encode("cp949"), "cp949"), (b"odd \xff name.txt", "odd")):
        with open(os.path.join(os.fsencode(tmp_path), name), "w", encoding="utf-8") as file:
            file.write(text)
    os.mkdir(os.path.join(os.fsencode(tmp_path), "자료".encode("cp949")))
    with open(os.path.join(os.fsencode(tmp_path), "자료".encode("cp949"), b"in.txt"), "w", encoding="utf-8") as file:
        file.write("inside")
    return tmp_path


def test_a_name_that_is_no_utf8_has_a_readable_one_and_spoils_no_other(root: Path) -> None:
    entries = asyncio.run(contents.listing(AsyncFileContentsManager(root_dir=str(root)))(""))
    assert {entry.name for entry in entries} == {"good.txt", NFD, "보고서.csv", "odd \ufffd name.txt", "자료"}
    for entry in entries:
        entry.path.encode()


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("good.txt", b"good"),
        ("보고서.csv", b"cp949"),
        ("odd \ufffd name.txt", b"odd"),
        ("자료/in.txt", b"inside"),
        (NFD, b"decomposed"),
        ("회의록.txt", b"decomposed"),
    ],
)
def test_a_file_is_read_by_the_name_that_was_shown_or_typed(root: Path, path: str, text: bytes) -> None:
    read = contents.reading(AsyncFileContentsManager(root_dir=str(root)))
    assert asyncio.run(read(path, 100)) == text


@pytest.mark.parametrize("query", ["회의록", unicodedata.normalize("NFD", "회의")])
def test_a_name_is_found_however_its_syllables_are_written(root: Path, query: str) -> None:
    listing = contents.listing(AsyncFileContentsManager(root_dir=str(root)))
    found, whole = asyncio.run(_find(listing, "", fold(query)))
    assert [entry.name for entry in found] == [NFD] and whole


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_folder_is_listed_and_read_in_whichever_form_it_is_typed(tmp_path: Path, form: str) -> None:
    other = "NFC" if form == "NFD" else "NFD"
    names = [unicodedata.normalize(form, name) for name in ("자료", "3월", "회의록.txt")]
    (tmp_path / names[0] / names[1]).mkdir(parents=True)
    (tmp_path / names[0] / names[1] / names[2]).write_text("text")
    manager = AsyncFileContentsManager(root_dir=str(tmp_path))
    typed = unicodedata.normalize(other, "자료/3월")
    (entry,) = asyncio.run(contents.listing(manager)(typed))
    assert entry.path == "/".join(names)
    assert asyncio.run(contents.reading(manager)(unicodedata.normalize(other, entry.path), 100)) == b"text"
    found, _ = asyncio.run(_find(contents.listing(manager), typed, fold(unicodedata.normalize(other, "회의"))))
    assert [each.path for each in found] == [entry.path]
    assert asyncio.run(contents.on_disk(manager, f"{typed}/새 글")) == "/".join([*names[:2], "새 글"])
