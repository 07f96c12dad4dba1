"""``file.*`` of the Jupyter server's node: its contents manager's rules, hashes, bounds, and no way out."""

from __future__ import annotations

import base64
import hashlib
import os
import unicodedata

import pytest

from tests.support.hands import NodeRefused, code, text, write_notebook

pytestmark = pytest.mark.slow


def refused(hands, command, **params):
    with pytest.raises(NodeRefused) as caught:
        hands(command, **params)
    return caught.value


def test_a_directory_is_listed_without_what_is_hidden_or_leads_out(hands, folder, tmp_path):
    (folder / "b.txt").write_text("b")
    (folder / "Sub").mkdir()
    (folder / ".secret").write_text("s")
    (folder / "out").symlink_to(tmp_path)
    (folder / "inside").symlink_to(folder / "b.txt")
    found = hands("file.list", path=folder.name)
    assert [entry["name"] for entry in found["entries"]] == ["Sub", "b.txt", "inside"]
    assert found["entries"][1]["path"] == f"{folder.name}/b.txt" and found["entries"][1]["size"] == 1
    assert not found["truncated"]
    assert folder.name in [entry["name"] for entry in hands("file.list", path="")["entries"]]


def test_a_file_is_read_in_parts_that_divide_no_character(hands, folder):
    data = "가나다 text".encode()
    (folder / "a.txt").write_bytes(data)
    path = f"{folder.name}/a.txt"
    whole = hands("file.read", path=path)
    assert (whole["text"], whole["size"], whole["hash"]) == ("가나다 text", 14, hashlib.sha256(data).hexdigest())
    parts, start = [], 0
    while start < len(data):
        part = hands("file.read", path=path, **{"from": start, "bytes": 4})
        parts.append(part["text"])
        start += 4
    assert "".join(parts) == "가나다 text"


def test_a_text_in_another_encoding_or_with_a_bad_byte_comes_as_text_and_says_so(hands, folder):
    korean = "이름,점수\n가람,90\n"
    for data, encoding, shown in (
        (korean.encode("cp949"), "cp949", korean),
        (korean.encode("utf-16"), "utf-16", korean),
        (korean.encode() + b"\xff", "utf-8", korean + "\ufffd"),
    ):
        (folder / "a.csv").write_bytes(data)
        found = hands("file.read", path=f"{folder.name}/a.csv")
        assert (found["text"], found["encoding"]) == (shown, encoding)
        assert found["hash"] == hashlib.sha256(data).hexdigest() and found["size"] == len(shown.encode())
        hits = hands("file.search", path=folder.name, text="점수")
        assert [hit["text"] for hit in hits["matches"]] == ["이름,점수"]


def test_what_is_no_text_comes_as_base64(hands, folder):
    (folder / "a.bin").write_bytes(b"\xff\x00\x01")
    found = hands("file.read", path=f"{folder.name}/a.bin")
    assert base64.b64decode(found["base64"]) == b"\xff\x00\x01" and "text" not in found


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("../state.txt", "BAD_PATH"),
        ("a/../../x", "BAD_PATH"),
        ("a\\..\\x", "BAD_PATH"),
        ("a\x01b", "BAD_PATH"),
        ("/etc/passwd", "NOT_FOUND"),
        ("~/x", "NOT_FOUND"),
        ("%2e%2e/x", "NOT_FOUND"),
        (".hidden/x", "NOT_FOUND"),
        ("x" * 5000, "BAD_PATH"),
        (7, "BAD_PATH"),
        (None, "BAD_PATH"),
        ("", "NOT_A_FILE"),
    ],
)
def test_no_path_leads_out(hands, server, path, error):
    hidden = server.folder / ".hidden"
    hidden.mkdir(exist_ok=True)
    (hidden / "x").write_text("secret")
    assert refused(hands, "file.read", path=path).code == error
    if path:
        assert refused(hands, "file.write", path=path, text="x", hash=None).code in (error, "NOT_FOUND")
        assert refused(hands, "notebook.read", path=path).code in (error, "NOT_A_NOTEBOOK")


def test_no_link_leads_out(hands, folder, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.txt").write_text("secret")
    (outside / "n.ipynb").write_text("{}")
    (folder / "link.txt").symlink_to(outside / "a.txt")
    (folder / "dir").symlink_to(outside)
    (folder / "n.ipynb").symlink_to(outside / "n.ipynb")
    (folder / "loop").symlink_to(folder / "loop")
    for path in ("link.txt", "dir/a.txt"):
        assert refused(hands, "file.read", path=f"{folder.name}/{path}").code == "OUTSIDE"
    assert refused(hands, "file.write", path=f"{folder.name}/dir/new.txt", text="x", hash=None).code == "OUTSIDE"
    assert refused(hands, "file.write", path=f"{folder.name}/link.txt", text="x", hash=None).code == "OUTSIDE"
    assert refused(hands, "notebook.read", path=f"{folder.name}/n.ipynb").code == "OUTSIDE"
    assert refused(hands, "notebook.create", path=f"{folder.name}/dir/new.ipynb").code == "OUTSIDE"
    assert refused(hands, "file.read", path=f"{folder.name}/loop").code in ("BAD_PATH", "NOT_FOUND", "OUTSIDE")
    assert sorted(os.listdir(outside)) == ["a.txt", "n.ipynb"] and (outside / "a.txt").read_text() == "secret"
    assert hands("file.search", text="secret", path=folder.name)["matches"] == []


def test_a_pipe_and_a_device_are_no_files(hands, folder):
    os.mkfifo(folder / "pipe")
    assert refused(hands, "file.read", path=f"{folder.name}/pipe").code in ("NOT_READABLE", "NOT_FOUND", "NOT_A_FILE")


def test_a_file_is_written_only_as_it_was_read(hands, folder):
    path = f"{folder.name}/a.py"
    made = hands("file.write", path=path, text="one\n", hash=None)
    assert (folder / "a.py").read_text() == "one\n" and made["hash"] == hashlib.sha256(b"one\n").hexdigest()
    assert refused(hands, "file.write", path=path, text="two", hash=None).code == "EXISTS"
    (folder / "a.py").write_text("by a person\n")
    conflict = refused(hands, "file.write", path=path, text="two", hash=made["hash"])
    assert conflict.code == "CONFLICT" and conflict.facts["hash"] == hashlib.sha256(b"by a person\n").hexdigest()
    assert (folder / "a.py").read_text() == "by a person\n"
    assert hands("file.write", path=path, text="두\n", hash=conflict.facts["hash"])["hash"]
    assert (folder / "a.py").read_text() == "두\n"
    (folder / "a.py").unlink()
    assert refused(hands, "file.write", path=path, text="x", hash="0" * 64).code == "CONFLICT"
    assert refused(hands, "file.write", path=f"{folder.name}/no/x", text="x", hash=None).code == "NOT_FOUND"
    assert refused(hands, "file.write", path=f"{folder.name}/x.ipynb", text="{}", hash=None).code == "NOT_A_FILE"
    assert refused(hands, "file.write", path=path, text="x" * 6_000_000, hash=None).code == "TOO_LARGE"


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_korean_name_is_found_in_either_form(hands, folder, form):
    other = "NFC" if form == "NFD" else "NFD"
    on_disk = [unicodedata.normalize(form, name) for name in ("자료", "회의록.txt")]
    (folder / on_disk[0]).mkdir()
    (folder / on_disk[0] / on_disk[1]).write_text(unicodedata.normalize(form, "예산 회의"))
    write_notebook(folder / on_disk[0] / f"{on_disk[0]}.ipynb", [code("1", outputs=[])])
    typed = unicodedata.normalize(other, f"{folder.name}/자료")
    there = f"{folder.name}/{on_disk[0]}"
    listed = hands("file.list", path=typed)
    assert listed["path"] == there and [each["name"] for each in listed["entries"]] == [
        f"{on_disk[0]}.ipynb",
        on_disk[1],
    ]
    found = hands("file.read", path=unicodedata.normalize(other, f"{typed}/회의록.txt"))
    assert found["path"] == f"{there}/{on_disk[1]}"
    query = {"text": unicodedata.normalize(other, "예산"), "glob": unicodedata.normalize(other, "*회의록*")}
    assert [each["path"] for each in hands("file.search", path=typed, **query)["matches"]] == [found["path"]]
    assert hands("file.write", path=found["path"], text="새 글", hash=found["hash"])["path"] == found["path"]
    again = unicodedata.normalize(other, found["path"])
    assert refused(hands, "file.write", path=again, text="x", hash=None).code == "EXISTS"
    made = hands("file.write", path=unicodedata.normalize(other, f"{typed}/새.txt"), text="x", hash=None)
    assert made["path"].startswith(f"{there}/")
    assert hands("notebook.read", path=unicodedata.normalize(other, f"{typed}/자료.ipynb"))["path"].startswith(there)
    assert sorted(os.listdir(folder)) == [on_disk[0]] and len(os.listdir(folder / on_disk[0])) == 3


def test_search_finds_lines_and_cells_within_its_bounds(hands, folder):
    (folder / "a.py").write_text("x = 1\nNEEDLE = 2\n")
    (folder / "b.bin").write_bytes(b"\0needle")
    (folder / "deep").mkdir()
    (folder / "deep" / "c.txt").write_text("a needle\n" * 100)
    write_notebook(folder / "n.ipynb", [text("# hay"), code("y = 1\nneedle(y)", outputs=[])])
    found = hands("file.search", text="needle", path=folder.name)
    by_file = {}
    for match in found["matches"]:
        by_file.setdefault(match["path"].removeprefix(f"{folder.name}/"), []).append(match)
    assert set(by_file) == {"a.py", "deep/c.txt", "n.ipynb"} and not found["truncated"]
    assert by_file["a.py"] == [{"path": f"{folder.name}/a.py", "line": 2, "text": "NEEDLE = 2"}]
    assert len(by_file["deep/c.txt"]) == 20 and found["partly"] == [f"{folder.name}/deep/c.txt"]
    (cell,) = by_file["n.ipynb"]
    assert (cell["cell"], cell["index"], cell["line"], cell["text"]) == ("c1", 1, 2, "needle(y)")
    assert {m["path"] for m in hands("file.search", text="needle", glob="*.py", path=folder.name)["matches"]} == {
        f"{folder.name}/a.py"
    }
    assert refused(hands, "file.search", text=" ").code == "INVALID_REQUEST"
