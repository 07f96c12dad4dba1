"""Notebooks and files that people have open in a room (jupyter-server-ydoc): it is edited, never the file under it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest

from clawdbot_ext.protocol.revision import revision
from tests.support.aio import until
from tests.support.hands import Hands, NodeRefused, cells_of, code, text, write_notebook
from tests.support.jupyter import EXTENSIONS, JupyterProcess
from tests.support.wire import run

pytest.importorskip("jupyter_server_ydoc", reason="needs jupyter-server-ydoc, of the extra `test`")
from tests.support.rooms import opened

pytestmark = pytest.mark.slow
LIMIT_S = 40


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> Iterator[Hands]:
    """The node of a server with collaboration."""
    server = JupyterProcess(tmp_path_factory.mktemp("rooms") / "state")
    server.extensions = {**EXTENSIONS, "jupyter_server_ydoc": True, "jupyter_server_fileid": True}
    server.traits = {
        "BaseFileIdManager": {"root_dir": str(server.folder)},
        "ArbitraryFileIdManager": {"db_path": str(server.folder / ".ids.db")},
        "YDocExtension": {"document_save_delay": 0.2},
        "SQLiteYStore": {"db_path": str(server.folder / ".ystore.db")},
    }
    server.start()
    yield Hands(server)
    server.stop()


def saved(notebook):
    """The cells that the room has saved; none while it is writing."""
    try:
        return cells_of(notebook)
    except ValueError:
        return []


def sources(page):
    return [cell["source"] for cell in page.document.source["cells"]]


def test_an_edit_is_made_in_the_room_and_the_page_sees_it(shared):
    cells = [text("# Hi"), code("x = 1"), code("print(6 * 7)\n2"), code("gone")]
    notebook = write_notebook(shared.root / "n.ipynb", cells)

    async def main():
        async with shared.connected() as wire, opened(shared.server, "n.ipynb") as page:
            await page.until(lambda: len(page.document.ycells) == 4)
            shared_text = page.document.ycells[1]["source"]
            shared_text += "  # by a person"
            await until(lambda: any(c["source"] == "x = 1  # by a person" for c in saved(notebook)), LIMIT_S)
            found = await shared.ask(wire, "notebook.read", path="n.ipynb")
            assert found["cells"][1]["source"] == "x = 1  # by a person"
            assert found["collaborative"] and found["open"] == "room" and "hash" not in found
            stale = {"op": "replace", "cell": "c1", "rev": revision("x = 1"), "source": "y"}
            with pytest.raises(NodeRefused, match="CONFLICT"):
                await shared.ask(wire, "notebook.apply", path="n.ipynb", ops=[stale])
            ops = [
                {"op": "replace", "cell": "c1", "rev": found["cells"][1]["rev"], "source": "x = 10  # by a person"},
                {"op": "insert", "after": "c1", "cell": {"id": "made", "type": "markdown", "source": "## 새로"}},
                {"op": "delete", "cell": "c3", "rev": revision("gone")},
                {"op": "move", "cell": "c0", "rev": revision("# Hi"), "after": "made"},
            ]
            answer = await shared.ask(
                wire, "notebook.apply", path="n.ipynb", ops=ops, meta={"runId": "r", "by": "ann", "approvalId": "a"}
            )
            assert [change["op"] for change in answer["changes"]] == ["replace", "insert", "delete", "move"]
            await page.until(lambda: sources(page)[:3] == ["x = 10  # by a person", "## 새로", "# Hi"])
            assert page.document.source["cells"][0]["metadata"]["clawdbot"]["run"] == "r"
            ran = await shared.ask(
                wire, "notebook.run", path="n.ipynb", cells=["c2"], revs={"c2": revision(cells[2]["source"])}
            )
            assert ran["results"][0]["status"] == "ok" and ran["results"][0]["saved"]
            await page.until(lambda: len(page.document.source["cells"][3].get("outputs", ())) == 2)
            last = page.document.source["cells"][3]
            assert last["execution_count"] == 1 and "".join(last["outputs"][0]["text"]) == "42\n"
            await until(lambda: any(cell.get("outputs") for cell in saved(notebook)), LIMIT_S)

    run(main(), LIMIT_S)
    kept = cells_of(notebook)
    assert [cell["source"] for cell in kept][:2] == ["x = 10  # by a person", "## 새로"]


def test_a_text_in_a_room_is_read_and_written_there(shared):
    (shared.root / "a.py").write_text("one\ntwo\n")

    async def main():
        async with shared.connected() as wire, opened(shared.server, "a.py", notebook=False) as page:
            await page.until(lambda: page.document.source == "one\ntwo\n")
            found = await shared.ask(wire, "file.read", path="a.py")
            assert found["hash"] == hashlib.sha256(b"one\ntwo\n").hexdigest()
            with pytest.raises(NodeRefused, match="EXISTS"):
                await shared.ask(wire, "file.write", path="a.py", text="x", hash=None)
            with pytest.raises(NodeRefused, match="CONFLICT"):
                await shared.ask(wire, "file.write", path="a.py", text="x", hash="0" * 64)
            await shared.ask(wire, "file.write", path="a.py", text="one\n둘\ntwo\n", hash=found["hash"])
            await page.until(lambda: page.document.source == "one\n둘\ntwo\n")
            await until(lambda: (shared.root / "a.py").read_text() == "one\n둘\ntwo\n", LIMIT_S)

    run(main(), LIMIT_S)


def test_a_document_that_is_in_no_room_is_edited_in_its_file(shared):
    notebook = write_notebook(shared.root / "closed.ipynb", [code("a")])
    op = {"op": "replace", "cell": "c0", "rev": revision("a"), "source": "b"}
    assert shared("notebook.apply", path="closed.ipynb", ops=[op])["hash"]
    assert cells_of(notebook)[0]["source"] == "b"
