"""``notebook.*`` of the Jupyter server's node: notebooks that no page has open."""

from __future__ import annotations

import json
import os

import pytest

from clawdbot_ext.protocol.revision import revision
from tests.support.hands import NodeRefused, cells_of, code, text, write_notebook
from tests.support.http import ask
from tests.support.jupyter import TOKEN

pytestmark = pytest.mark.slow
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
META = {"runId": "run-1", "by": "ann", "approvalId": "ap-1"}


def refused(hands, command, **params):
    with pytest.raises(NodeRefused) as caught:
        hands(command, **params)
    return caught.value


def stream(words, name="stdout"):
    return {"output_type": "stream", "name": name, "text": words}


@pytest.fixture
def notebook(folder):
    picture = {"output_type": "display_data", "metadata": {}, "data": {"image/png": PNG, "text/plain": "<Figure>"}}
    cells = [
        text("# Title"),
        code("x = 1", execution_count=3, outputs=[stream("a\r\nb\n"), picture]),
        code("y = 2", execution_count=2, outputs=[stream("old\n" * 2000)]),
        code("z = 3", metadata={"editable": False, "deletable": False}),
    ]
    return write_notebook(folder / "n.ipynb", cells)


@pytest.fixture
def path(folder, notebook):
    return f"{folder.name}/n.ipynb"


# -- reading -----------------------------------------------------------------------------------------------------------
def test_a_notebook_is_read_with_revisions_and_states(hands, path):
    found = hands("notebook.read", path=path, outputs="none")
    assert found["nbformat"] == [4, 5] and not found["readOnly"]
    assert (found["kernel"]["id"], found["kernel"]["status"], found["kernel"]["name"]) == (
        None,
        "not started",
        "python3",
    )
    assert found["language"] == "python" and found["open"] == "no" and found["count"] == 4 and len(found["hash"]) == 64
    rows = found["cells"]
    assert [row["id"] for row in rows] == ["c0", "c1", "c2", "c3"]
    assert [row["rev"] for row in rows] == [revision(row["source"]) for row in rows]
    assert [row.get("state") for row in rows] == [None, "ran", "stale", "never"]
    assert [row["editable"] for row in rows] == [True, True, True, False]
    assert "outputs" not in rows[1]


def test_outputs_are_brief_full_or_in_pages(hands, path, folder):
    brief = hands("notebook.read", path=path, outputs="brief", cells=["c1", "c2"])["cells"]
    assert brief[0]["outputs"][0] == {"kind": "stream", "name": "stdout", "text": "a\nb\n", "mimes": []}
    assert brief[0]["outputs"][1] == {"kind": "display", "text": "<Figure>", "mimes": ["image/png", "text/plain"]}
    assert brief[1]["outputs"][0]["truncatedChars"] == 6000 and len(brief[1]["outputs"][0]["text"]) < 2100
    full = hands("notebook.read", path=path, outputs="full", **{"from": 1, "to": 3})["cells"]
    assert full[0]["outputs"][1]["image"] == {"mediaType": "image/png", "data": PNG}
    assert full[1]["outputs"][0]["text"] == "old\n" * 2000
    write_notebook(folder / "long.ipynb", [code("p", outputs=[stream("0123456789" * 25_000)])])
    long = f"{folder.name}/long.ipynb"
    pages = [hands("cell.output", path=long, cell="c0", page=page) for page in range(3)]
    assert [page["pages"] for page in pages] == [3, 3, 3]
    assert "".join(page["outputs"][0]["text"] for page in pages) == "0123456789" * 25_000
    (cut,) = hands("notebook.read", path=long, outputs="full")["cells"][0]["outputs"]
    assert cut["truncatedChars"] == 150_000
    assert refused(hands, "cell.output", path=long, cell="c0", page=3).code == "INVALID_REQUEST"


def test_what_cannot_be_read_is_refused_with_the_reason(hands, folder, path):
    assert refused(hands, "notebook.read", path=f"{folder.name}/none.ipynb").code == "NOT_FOUND"
    (folder / "broken.ipynb").write_text("{")
    assert refused(hands, "notebook.read", path=f"{folder.name}/broken.ipynb").code == "NOT_READABLE"
    with (folder / "huge.ipynb").open("wb") as file:
        file.truncate(101 * 1024 * 1024)
    assert refused(hands, "notebook.read", path=f"{folder.name}/huge.ipynb").code == "TOO_LARGE"
    assert refused(hands, "notebook.read", path=path, cells=["nope"]).code == "NO_SUCH_CELL"
    assert refused(hands, "notebook.read", path=path, outputs="all").code == "INVALID_REQUEST"


# -- editing -----------------------------------------------------------------------------------------------------------
def apply(hands, path, *ops, meta=META):
    return hands("notebook.apply", path=path, ops=list(ops), meta=meta)


def rev(source):
    return revision(source)


def test_a_batch_is_applied_whole_and_says_what_was_before(hands, path, notebook):
    found = apply(
        hands,
        path,
        {"op": "replace", "cell": "c1", "rev": rev("x = 1"), "source": "x = 10"},
        {"op": "insert", "after": "c1", "cell": {"id": "new1", "type": "markdown", "source": "## 새로"}},
        {"op": "move", "cell": "c2", "rev": rev("y = 2"), "after": None},
        {"op": "type", "cell": "c0", "rev": rev("# Title"), "to": "raw"},
        {"op": "insert", "after": "end", "cell": {"source": "last"}},
    )
    cells = cells_of(notebook)
    assert [cell["source"] for cell in cells] == ["y = 2", "# Title", "x = 10", "## 새로", "z = 3", "last"]
    assert cells[1]["cell_type"] == "raw" and cells[2]["execution_count"] == 3 and cells[2]["outputs"]
    assert cells[2]["metadata"]["clawdbot"] == {"run": "run-1", "by": "ann", "approval": "ap-1"}
    assert "clawdbot" not in cells[0]["metadata"] and "trusted" not in cells[2]["metadata"]
    replaced, inserted, moved, _, last = found["changes"]
    assert replaced["before"]["source"] == "x = 1" and replaced["before"]["executionCount"] == 3
    assert replaced["after"] == {"source": "x = 10", "type": "code", "index": 1, "rev": rev("x = 10")}
    assert inserted["cell"] == "new1" and inserted["before"] is None and inserted["index"] == 2
    assert moved["before"]["index"] == 3 and moved["after"]["index"] == 0
    assert last["cell"] == cells[5]["id"] and not found["dirty"]
    states = {row["id"]: row.get("state") for row in hands("notebook.read", path=path)["cells"]}
    assert states["c1"] == "edited"
    back = apply(hands, path, {"op": "replace", "cell": "c1", "rev": rev("x = 10"), "source": "x = 1"}, meta={})
    assert back["changes"][0]["before"]["source"] == "x = 10"
    assert {r["id"]: r.get("state") for r in hands("notebook.read", path=path)["cells"]}["c1"] == "ran"


def test_one_wrong_revision_changes_nothing_and_gives_the_present_text(hands, path, notebook):
    before = notebook.read_bytes()
    conflict = refused(
        hands,
        "notebook.apply",
        path=path,
        ops=[
            {"op": "replace", "cell": "c1", "rev": rev("x = 1"), "source": "good"},
            {"op": "delete", "cell": "c2", "rev": rev("another")},
            {"op": "delete", "cell": "gone", "rev": rev("")},
        ],
    )
    assert conflict.code == "CONFLICT" and notebook.read_bytes() == before
    assert conflict.facts["conflicts"] == [
        {"cell": "c2", "rev": rev("y = 2"), "source": "y = 2"},
        {"cell": "gone", "rev": None, "source": None},
    ]


def test_a_file_changed_between_read_and_edit_is_a_conflict_only_where_it_matters(hands, path, notebook):
    kept = json.loads(notebook.read_text())
    kept["cells"][0]["source"] = "# By a person"
    notebook.write_text(json.dumps(kept))
    apply(hands, path, {"op": "replace", "cell": "c1", "rev": rev("x = 1"), "source": "x = 5"})
    assert [cell["source"] for cell in cells_of(notebook)][:2] == ["# By a person", "x = 5"]
    assert (
        refused(hands, "notebook.apply", path=path, ops=[{"op": "clear", "cell": "c0", "rev": rev("# Title")}]).code
        == "CONFLICT"
    )


@pytest.mark.parametrize(
    ("op", "error"),
    [
        ({"op": "replace", "cell": "c3", "rev": rev("z = 3"), "source": "q"}, "NOT_EDITABLE"),
        ({"op": "delete", "cell": "c3", "rev": rev("z = 3")}, "NOT_EDITABLE"),
        ({"op": "insert", "after": "nope", "cell": {"source": ""}}, "NO_SUCH_CELL"),
        ({"op": "explode", "cell": "c1", "rev": ""}, "INVALID_REQUEST"),
        ({"op": "insert", "after": None, "cell": {"type": "evil"}}, "INVALID_REQUEST"),
        ({"op": "insert", "after": None, "cell": {"id": "a b!", "source": ""}}, "INVALID_NOTEBOOK"),
        ({"op": "replace", "cell": "c1", "rev": rev("x = 1")}, "INVALID_REQUEST"),
    ],
)
def test_an_operation_that_cannot_be_done_changes_nothing(hands, path, notebook, op, error):
    before = notebook.read_bytes()
    good = {"op": "replace", "cell": "c1", "rev": rev("x = 1"), "source": "good"}
    assert refused(hands, "notebook.apply", path=path, ops=[good, op]).code == error
    assert notebook.read_bytes() == before
    assert refused(hands, "notebook.apply", path=path, ops=[]).code == "INVALID_REQUEST"


def test_a_deleted_cell_comes_back_with_its_id_and_outputs(hands, path, notebook):
    (change,) = apply(hands, path, {"op": "delete", "cell": "c2", "rev": rev("y = 2")})["changes"]
    assert change["after"] is None and len(cells_of(notebook)) == 3
    was = change["before"]
    cell = {"id": "c2", **{name: was[name] for name in ("type", "source", "metadata", "outputs", "executionCount")}}
    apply(hands, path, {"op": "insert", "after": "c1", "cell": cell}, meta={})
    back = cells_of(notebook)[2]
    assert back["id"] == "c2" and back["execution_count"] == 2 and back["outputs"][0]["output_type"] == "stream"
    assert back["metadata"] == {}


def test_a_read_only_file_is_not_edited(hands, path, notebook, folder):
    if os.geteuid() == 0:
        pytest.skip("root may write everything")
    notebook.chmod(0o400)
    assert hands("notebook.read", path=path)["readOnly"]
    op = {"op": "clear", "cell": "c1", "rev": rev("x = 1")}
    assert refused(hands, "notebook.apply", path=path, ops=[op]).code == "READ_ONLY"


def test_a_copy_is_kept_before_the_first_edit_and_before_one_after_a_persons(hands, path, notebook, server):
    notebook.write_text(notebook.read_text().replace("# Title", "# Only here"))
    first = notebook.read_bytes()
    apply(hands, path, {"op": "replace", "cell": "c1", "rev": rev("x = 1"), "source": "one"})
    apply(hands, path, {"op": "replace", "cell": "c1", "rev": rev("one"), "source": "two"})
    (folder,) = {f.parent for f in server.state.rglob("*-n.ipynb") if f.read_bytes() == first}
    assert len(list(folder.iterdir())) == 1, "what the assistant made itself is not kept"
    kept = json.loads(notebook.read_text())
    kept["cells"][0]["source"] = "# By a person"
    notebook.write_text(json.dumps(kept))
    apply(hands, path, {"op": "replace", "cell": "c1", "rev": rev("two"), "source": "three"})
    assert len(list(folder.iterdir())) == 2
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o600}


def test_cells_of_an_older_format_keep_ids_that_are_not_in_the_file(hands, folder):
    notebook = write_notebook(folder / "old.ipynb", [code("a"), code("b"), code("a")], minor=4)
    path = f"{folder.name}/old.ipynb"
    found = hands("notebook.read", path=path)
    ids = [row["id"] for row in found["cells"]]
    assert found["nbformat"] == [4, 4] and not found["idsInFile"] and len(set(ids)) == 3
    assert [row["id"] for row in hands("notebook.read", path=path)["cells"]] == ids
    answer = apply(
        hands,
        path,
        {"op": "insert", "after": ids[0], "cell": {"source": "new"}},
        {"op": "replace", "cell": ids[2], "rev": rev("a"), "source": "a2"},
    )
    made = answer["changes"][0]["cell"]
    now = [row["id"] for row in hands("notebook.read", path=path)["cells"]]
    assert now == [ids[0], made, ids[1], ids[2]]
    kept = json.loads(notebook.read_text())
    assert kept["nbformat_minor"] == 4 and not any("id" in cell for cell in kept["cells"])
    kept["cells"].insert(0, {**code("by a person"), "source": ["by a person"]})
    notebook.write_text(json.dumps(kept))
    assert [row["id"] for row in hands("notebook.read", path=path)["cells"]][1:] == now
    apply(hands, path, {"op": "delete", "cell": made, "rev": rev("new")})
    assert [cell["source"] for cell in cells_of(notebook)] == ["by a person", "a", "b", "a2"]


def test_a_notebook_of_format_3_is_read_and_not_converted_by_an_edit(hands, folder):
    cell = {"cell_type": "code", "input": "a = 1", "outputs": [], "language": "python", "collapsed": False}
    old = {"nbformat": 3, "nbformat_minor": 0, "metadata": {"name": "x"}, "worksheets": [{"cells": [cell]}]}
    (folder / "v3.ipynb").write_text(json.dumps(old))
    path = f"{folder.name}/v3.ipynb"
    (row,) = hands("notebook.read", path=path)["cells"]
    assert row["source"] == "a = 1"
    op = {"op": "insert", "after": "end", "cell": {"source": "b"}}
    assert refused(hands, "notebook.apply", path=path, ops=[op]).code == "READ_ONLY"
    assert json.loads((folder / "v3.ipynb").read_text()) == old


def test_a_notebook_is_created_once_and_with_a_kernel_that_exists(hands, folder):
    path = f"{folder.name}/made.ipynb"
    cells = [{"type": "markdown", "source": "# Hi"}, {"id": "mine", "source": "1 + 1"}]
    made = hands("notebook.create", path=path, cells=cells, meta=META)
    assert made["path"] == path
    kept = json.loads((folder / "made.ipynb").read_text())
    assert kept["metadata"]["kernelspec"]["name"] == "python3" and kept["cells"][1]["id"] == "mine"
    assert refused(hands, "notebook.create", path=path).code == "EXISTS"
    assert refused(hands, "notebook.create", path=f"{folder.name}/a.txt").code == "INVALID_REQUEST"
    assert refused(hands, "notebook.create", path=f"{folder.name}/no/a.ipynb").code == "NOT_FOUND"
    assert refused(hands, "notebook.create", path=f"{folder.name}/k.ipynb", kernelName="cobol").code == "NO_KERNEL"
    assert hands("notebook.save", path=path) == {"dirty": False}


def test_a_notebook_with_a_session_may_be_open_and_is_not_written_under(hands, server, path, notebook):
    body = {"path": path, "name": "n.ipynb", "type": "notebook", "kernel": {"name": "python3"}}
    headers = [("Authorization", f"token {TOKEN}"), ("Content-Type", "application/json")]
    made = ask(server.port, "POST", f"{server.base_url}api/sessions", headers=headers, body=json.dumps(body).encode())
    assert made.status == 201
    session = json.loads(made.body)
    try:
        op = {"op": "clear", "cell": "c1", "rev": rev("x = 1")}
        assert refused(hands, "notebook.apply", path=path, ops=[op]).code == "MAYBE_OPEN"
        (row,) = [row for row in hands("notebook.list")["notebooks"] if row["path"] == path]
        assert row["open"] == "maybe" and row["kernel"]["name"] == "python3" and row["kernel"]["restarts"] == 0
        assert hands("notebook.read", path=path)["open"] == "maybe"
    finally:
        ask(server.port, "DELETE", f"{server.base_url}api/sessions/{session['id']}", headers=headers)
    assert apply(hands, path, {"op": "clear", "cell": "c1", "rev": rev("x = 1")})["changes"]
