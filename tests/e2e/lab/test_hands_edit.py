"""Reading and editing in an open notebook: the live document, never the person's place in it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from playwright.sync_api import Route, expect

from .hands import Hands, Refused
from .page import cells, panel, run, wait_until
from .server import TOKEN

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.timeout(180)]

PLACE = """() => { const panel = document.querySelector(".jp-NotebookPanel:not(.lm-mod-hidden)");
    const active = panel.querySelector(".jp-mod-active"), focus = document.activeElement;
    return { editing: panel.querySelector(".jp-Notebook").matches(".jp-mod-editMode"),
             focused: active.contains(focus), inEditor: !!focus.closest(".cm-content"),
             last: [...active.querySelectorAll(".cm-line")].at(-1).textContent,
             top: Math.round(active.getBoundingClientRect().top) }; }"""
"""Off-screen cells are not in the document."""


LAST_NODE = """{ const Real = WebSocket; globalThis.WebSocket = class extends Real { constructor(...given) {
    super(...given); if (String(given[0]).endsWith("?role=node")) globalThis.lastNode = this; } }; }"""


def rewrite(lab, name: str, change) -> None:
    """Change the file of a notebook before it is opened."""
    file = lab.work / name
    notebook = json.loads(file.read_text())
    change(notebook)
    file.write_text(json.dumps(notebook))


def test_the_page_lists_and_reads_its_notebooks(hands):
    page, ask = hands("read.ipynb", "1 + 1", ("2", [{"output_type": "stream", "name": "stdout", "text": "x" * 3000}]))
    (listed,) = ask("notebook.list")["notebooks"]
    assert listed["path"] == "read.ipynb" and listed["current"] and listed["visible"] and listed["cells"] == 2
    assert not listed["readOnly"] and not listed["collaborative"] and listed["language"] == "python"
    assert listed["kernel"]["name"] == "python3" and listed["kernel"]["restarts"] == 0
    read = ask("notebook.read", path="read.ipynb", outputs="brief")
    first, second = read["cells"]
    assert read["nbformat"] == [4, 5] and read["active"] == "cell0" and read["total"] == 2
    assert (first["id"], first["source"], first["state"], first["outputs"]) == ("cell0", "1 + 1", "never", [])
    (output,) = second["outputs"]
    assert (output["kind"], output["name"], output["truncatedChars"]) == ("stream", "stdout", 1000)
    run(page, 0)
    wait_until(page, lambda: ask.read("read.ipynb")[0]["state"] == "ran")
    first = ask.read("read.ipynb", **{"from": 0, "to": 1})[0]
    assert first["executionCount"] == 1 and first["outputs"][0]["kind"] == "result"
    assert first["outputs"][0]["text"] == "2" and first["outputs"][0]["mimes"] == ["text/plain"]
    assert "outputs" not in ask.read("read.ipynb", outputs="none")[0]
    with pytest.raises(Refused) as refused:
        ask.read("other.ipynb")
    assert refused.value.code == "NOT_OPEN"
    with pytest.raises(Refused) as refused:
        ask.read("read.ipynb", cells=["nowhere"])
    assert refused.value.facts["code"] == "NO_SUCH_CELL" and refused.value.facts["cell"] == "nowhere"


def test_a_batch_is_one_step_of_undo_a_cell_and_one_of_the_notebook(hands):
    page, ask = hands("batch.ipynb", "a = 1", "b = 2", "c = 3", "d = 4")
    page.locator(".jp-Notebook .jp-InputPrompt").nth(3).click()
    changes = ask.apply(
        "batch.ipynb",
        {"op": "replace", "cell": "cell0", "source": "a = 10"},
        {"op": "insert", "after": "cell0", "cell": {"id": "new", "type": "code", "source": "n = 0"}},
        {"op": "delete", "cell": "cell1"},
        {"op": "type", "cell": "cell2", "to": "markdown"},
        {"op": "move", "cell": "cell0", "after": "end"},
    )
    wait_until(page, lambda: cells(page) == ["n = 0", "c = 3", "d = 4", "a = 10"])
    rows = ask.read("batch.ipynb")
    assert [(row["id"], row["type"]) for row in rows] == [
        ("new", "code"),
        ("cell2", "markdown"),
        ("cell3", "code"),
        ("cell0", "code"),
    ]
    assert [(change["op"], change["cell"], change["index"]) for change in changes] == [
        ("replace", "cell0", 3),
        ("insert", "new", 0),
        ("delete", "cell1", 1),
        ("type", "cell2", 1),
        ("move", "cell0", 3),
    ]
    assert changes[0]["before"]["source"] == "a = 1" and changes[0]["after"]["source"] == "a = 10"
    assert changes[2]["before"]["source"] == "b = 2" and changes[2]["after"] is None
    page.keyboard.press("z")
    wait_until(page, lambda: cells(page) == ["a = 1", "b = 2", "c = 3", "d = 4"])
    page.keyboard.press("Shift+Z")
    wait_until(page, lambda: cells(page) == ["n = 0", "c = 3", "d = 4", "a = 10"])


def test_ctrl_z_takes_the_edit_back_between_what_the_person_typed(hands):
    page, ask = hands("typed.ipynb", "x = 1")
    page.locator(".jp-Notebook .cm-content").first.click()
    page.keyboard.press("Control+End")
    page.keyboard.type("  # mine")
    ask.apply("typed.ipynb", {"op": "replace", "cell": "cell0", "source": "x = 2  # mine"})
    wait_until(page, lambda: cells(page) == ["x = 2  # mine"])
    page.keyboard.type("!")
    assert cells(page) == ["x = 2  # mine!"], "the cursor is where it was"
    seen = []
    for _ in range(3):
        page.keyboard.press("Control+z")
        seen.append(cells(page)[0])
    assert seen == ["x = 2  # mine", "x = 1  # mine", "x = 1"]


def test_a_mismatch_changes_nothing_and_gives_the_present_text(hands):
    page, ask = hands("conflict.ipynb", "a = 1", "b = 2")
    old = ask.rev("conflict.ipynb", "cell1")
    page.locator(".jp-Notebook .cm-content").nth(1).click()
    page.keyboard.press("Control+End")
    page.keyboard.type("0")
    with pytest.raises(Refused) as refused:
        ask.apply(
            "conflict.ipynb",
            {"op": "replace", "cell": "cell0", "source": "a = 100"},
            {"op": "delete", "cell": "cell1", "rev": old},
            {"op": "clear", "cell": "gone", "rev": old},
        )
    assert refused.value.code == "CONFLICT"
    assert refused.value.facts["conflicts"] == [
        {"cell": "cell1", "rev": ask.rev("conflict.ipynb", "cell1"), "source": "b = 20"},
        {"cell": "gone", "rev": None, "source": None},
    ]
    with pytest.raises(Refused) as refused:
        ask.apply(
            "conflict.ipynb",
            {"op": "replace", "cell": "cell0", "source": "a = 100"},
            {"op": "insert", "after": "nowhere", "cell": {"source": "n"}},
        )
    assert (refused.value.code, refused.value.facts["cell"]) == ("NO_SUCH_CELL", "nowhere")
    assert cells(page) == ["a = 1", "b = 20"]


def test_read_only_cells_and_notebooks_are_left_alone(hands, open_notebook, lab):
    def lock(notebook: dict[str, Any]) -> None:
        notebook["cells"][0]["metadata"] = {"editable": False}
        notebook["cells"][1]["metadata"] = {"deletable": False}

    lab.write("locked.ipynb", "a = 1", "b = 2")
    rewrite(lab, "locked.ipynb", lock)
    page, ask = hands("locked.ipynb", "a = 1", "b = 2", write=False)
    assert [row["editable"] for row in ask.read("locked.ipynb")] == [False, True]
    for operation in (
        {"op": "replace", "cell": "cell0", "source": "a = 2"},
        {"op": "type", "cell": "cell0", "to": "raw"},
        {"op": "delete", "cell": "cell1"},
    ):
        with pytest.raises(Refused) as refused:
            ask.apply("locked.ipynb", operation)
        assert (refused.value.code, refused.value.facts["cell"]) == ("NOT_EDITABLE", operation["cell"])
    assert cells(page) == ["a = 1", "b = 2"]


def test_the_cursor_the_selection_and_the_view_stay(hands):
    page, ask = hands("place.ipynb", *(f"v{n} = {n}" for n in range(40)))
    page.locator(".jp-Notebook .cm-content").nth(12).scroll_into_view_if_needed()
    page.locator(".jp-Notebook .cm-content").nth(12).click()
    page.keyboard.press("Control+End")
    page.keyboard.type("1")
    before = page.evaluate(PLACE)
    assert before["inEditor"] and before["editing"] and before["last"] == "v12 = 121"
    long = "\n".join(f"line {n}" for n in range(15))
    ask.apply(
        "place.ipynb",
        {"op": "insert", "after": None, "cell": {"type": "markdown", "source": long}},
        {"op": "insert", "after": "cell5", "cell": {"source": long}},
        {"op": "replace", "cell": "cell11", "source": long},
        {"op": "replace", "cell": "cell12", "source": "first = 0\nv12 = 121"},
        {"op": "delete", "cell": "cell3"},
        {"op": "move", "cell": "cell12", "after": "cell15"},
    )
    page.keyboard.type("2")
    wait_until(
        page,
        lambda: (
            [row["source"] for row in ask.read("place.ipynb") if row["id"] == "cell12"] == ["first = 0\nv12 = 1212"]
        ),
    )
    page.wait_for_timeout(300)
    after = page.evaluate(PLACE)
    ids = [row["id"] for row in ask.read("place.ipynb", outputs="none")]
    assert ids.index("cell12") == ids.index("cell15") + 1, "moved, though the person types in it"
    assert after["last"] == "v12 = 1212" and after["editing"] and after["focused"] and after["inEditor"]
    assert abs(after["top"] - before["top"]) <= 2


def test_a_cell_that_goes_away_under_the_cursor_gives_its_keys_to_no_other(hands):
    page, ask = hands("gone.ipynb", "a = 1", "b = 2", "c = 3")
    page.locator(".jp-Notebook .cm-content").nth(1).click()
    expect(page.locator(".jp-Notebook .cm-content").nth(1)).to_be_focused()
    ask.apply("gone.ipynb", {"op": "delete", "cell": "cell1"})
    wait_until(page, lambda: cells(page) == ["a = 1", "c = 3"])
    page.keyboard.type("ddxx")
    assert cells(page) == ["a = 1", "c = 3"]


def test_a_far_cell_a_hidden_tab_and_an_old_format(hands, lab):
    page, ask = hands("far.ipynb", *(f"v{n} = {n}" for n in range(300)))
    shown = page.locator(".jp-Notebook .jp-Cell").count()
    ask.apply("far.ipynb", {"op": "replace", "cell": "cell280", "source": "far = 1"})
    assert ask.read("far.ipynb", cells=["cell280"])[0]["source"] == "far = 1"
    assert page.locator(".jp-Notebook .jp-Cell").count() <= max(shown, 300)

    lab.write("old.ipynb", "o = 1", "p = 2")

    def age(notebook: dict[str, Any]) -> None:
        notebook["nbformat_minor"] = 4
        for cell in notebook["cells"]:
            del cell["id"]

    rewrite(lab, "old.ipynb", age)
    page.locator(".jp-DirListing-item", has_text="old.ipynb").dblclick()
    wait_until(page, lambda: len(ask("notebook.list")["notebooks"]) == 2)
    listed = {each["path"]: each for each in ask("notebook.list")["notebooks"]}
    assert not listed["far.ipynb"]["visible"] and listed["old.ipynb"]["current"]
    ask.apply("far.ipynb", {"op": "delete", "cell": "cell281"})
    assert len(ask.read("far.ipynb")) == 299
    read = ask("notebook.read", path="old.ipynb", outputs="none")
    assert read["nbformat"] == [4, 4]
    first = read["cells"][0]["id"]
    ask.apply("old.ipynb", {"op": "replace", "cell": first, "source": "o = 10"})
    ask.apply("old.ipynb", {"op": "insert", "after": first, "cell": {"source": "q = 0"}})
    assert [row["source"] for row in ask.read("old.ipynb")] == ["o = 10", "q = 0", "p = 2"]
    page.keyboard.press("Control+s")
    wait_until(page, lambda: "q = 0" in (lab.work / "old.ipynb").read_text())
    assert "id" not in json.loads((lab.work / "old.ipynb").read_text())["cells"][0]


def test_an_edited_cell_says_which_run_did_it_and_a_deleted_one_comes_back_whole(hands, lab):
    html = {"output_type": "display_data", "metadata": {}, "data": {"text/html": "<b>bold</b>", "text/plain": "bold"}}
    page, ask = hands("signed.ipynb", ("a = 1", [html]), "b = 2")
    ask.apply("signed.ipynb", {"op": "replace", "cell": "cell1", "source": "b = 3"}, approvalId="yes-1")
    (change,) = ask.apply("signed.ipynb", {"op": "delete", "cell": "cell0"})
    before = change["before"]
    assert before["outputs"][0]["data"]["text/plain"] == "bold" and before["index"] == 0
    cell = {"id": "cell0", "type": "code", "source": before["source"], "metadata": before["metadata"]}
    back = {"op": "insert", "after": None, "cell": {**cell, "outputs": before["outputs"], "executionCount": 7}}
    ask("notebook.apply", path="signed.ipynb", ops=[back], meta={})
    page.keyboard.press("Control+s")
    wait_until(page, lambda: '"approval"' in (lab.work / "signed.ipynb").read_text())
    first, second = json.loads((lab.work / "signed.ipynb").read_text())["cells"]
    assert second["metadata"] == {"clawdbot": {"run": "run-1", "by": "ann", "approval": "yes-1"}}
    assert (first["id"], first["execution_count"]) == ("cell0", 7)
    assert first["outputs"][0]["data"]["text/html"] == ["<b>bold</b>"]
    assert "clawdbot" not in first["metadata"]


def test_notebook_7_has_the_same_hands(hands):
    page, ask = hands("seven-hands.ipynb", "a = 1", at="notebooks")
    ask.apply("seven-hands.ipynb", {"op": "replace", "cell": "cell0", "source": "a = 7"})
    expect(page.locator(".jp-Notebook .cm-line").first).to_have_text("a = 7")
    assert ask("notebook.list")["notebooks"][0]["path"] == "seven-hands.ipynb"


def test_a_changed_cell_has_a_mark_that_takes_no_focus_and_goes_with_the_next_edit(hands):
    page, ask = hands("marked.ipynb", "a = 1", "b = 2", "c = 3")
    page.locator(".jp-Notebook .cm-content").nth(1).click()
    before = page.evaluate(PLACE)
    ask.apply(
        "marked.ipynb",
        {"op": "replace", "cell": "cell0", "source": "a = 10"},
        {"op": "replace", "cell": "cell1", "source": "b = 20"},
        {"op": "move", "cell": "cell2", "after": None},
    )
    marks = page.get_by_role("note").filter(has_text="The assistant changed this cell.")
    expect(marks).to_have_count(2)
    assert {**page.evaluate(PLACE), "last": "", "top": 0} == {**before, "last": "", "top": 0}
    page.keyboard.press("Control+End")
    page.keyboard.type("0")
    expect(marks).to_have_count(1)
    marks.get_by_role("button", name="Close").focus()
    page.keyboard.press("Enter")
    expect(marks).to_have_count(0)
    assert [cell["source"] for cell in ask.read("marked.ipynb")] == ["c = 3", "a = 10", "b = 200"]

    ask.apply("marked.ipynb", {"op": "replace", "cell": "cell0", "source": "a = 11"}, runId="unknown")
    marks.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("The change is not known any more.")).to_be_visible()
    expect(marks).to_have_count(1)


def test_a_large_notebook_is_read_whole(hands):
    numbers = {"output_type": "stream", "name": "stdout", "text": "1,[{" * 500}
    plot = {"output_type": "display_data", "metadata": {}, "data": {"image/png": "A" * 3_000_000, "text/plain": "p"}}
    cells = [*((f"v{n} = {n}", [numbers]) for n in range(300)), *((f"plot({n})", [plot]) for n in range(3))]
    _, ask = hands("large.ipynb", *cells)
    assert sum(len(cell["outputs"][0]["text"]) for cell in ask.read("large.ipynb")) == 600_003
    seen = [bool(cell["outputs"][0].get("image")) for cell in ask.read("large.ipynb", outputs="full", **{"from": 300})]
    assert seen == [True, True, False], "as many as the answer has room for, the other is named"


def test_a_read_only_notebook_says_so_and_a_second_page_is_noticed(hands, lab, browser):
    page, ask = hands("shared.ipynb", "a = 1")
    assert ask("notebook.list")["notebooks"][0]["elsewhere"] is False
    second = browser.new_page(viewport={"width": 1400, "height": 860}, locale="en-US")
    second.goto(f"{lab.url}lab/workspaces/other/tree/shared.ipynb?token={TOKEN}&reset")
    other = Hands(ask.client, second)
    wait_until(second, lambda: len(other("notebook.list")["notebooks"]) == 1)
    assert other.node != ask.node and {other.node, ask.node} <= set(ask.nodes())
    # Lab looks at its list of kernels every ten seconds; nothing more is asked for this.
    wait_until(page, lambda: ask("notebook.list")["notebooks"][0]["elsewhere"] is True)
    second.context.close()

    def locked(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json={**answer.json(), "writable": False})

    page.route(re.compile(r"/api/contents/shared\.ipynb\?"), locked)
    page.reload()
    ask = Hands(ask.client, page)
    wait_until(page, lambda: [each["readOnly"] for each in ask("notebook.list")["notebooks"]] == [True])
    with pytest.raises(Refused) as refused:
        ask.apply("shared.ipynb", {"op": "replace", "cell": "cell0", "source": "a = 2"})
    assert refused.value.code == "READ_ONLY" and cells(page) == ["a = 1"]
    page.unroute_all(behavior="ignoreErrors")  # a request that is on its way would fail the next test


def test_the_page_and_its_chat_are_one_client_and_it_comes_back_after_the_gateway(hands):
    page, ask = hands("back.ipynb", "a = 1")
    page.add_init_script(LAST_NODE)
    page.reload()
    expect(page.locator(".jp-Notebook .jp-Cell").first).to_be_visible()  # Lab has put its panels in order by then
    panel(page)
    ask = Hands(ask.client, page)
    present = [row for row in ask.client.request("system-presence") if row.get("instanceId") == ask.node]
    assert [row["roles"] for row in present] == [["operator"]] and ask.node in ask.nodes()
    page.context.set_offline(True)
    page.evaluate("() => lastNode.close()")
    wait_until(page, lambda: ask.node not in ask.nodes())
    page.context.set_offline(False)  # the page hears of it
    wait_until(page, lambda: ask.node in ask.nodes())
    assert ask.read("back.ipynb")[0]["source"] == "a = 1"
