"""The undo of what was created: a notebook or a file goes away again, unless something of the person's is in it."""

from __future__ import annotations

import pytest

from clawdbot_ext.protocol.revision import revision
from tests.support.notebook_node import NotebookNode, notebook
from tests.support.obeying import HandsGateway
from tests.support.strict_api import call
from tests.support.wire import run

CELLS = [{"type": "code", "source": "x = 1"}, {"type": "markdown", "source": "# 제목"}]


@pytest.mark.parametrize("server", [False, True], ids=["page", "server"])
def test_a_created_notebook_is_a_change_and_its_undo_deletes_it(obeying: HandsGateway, server: bool) -> None:
    async def main() -> None:
        node = NotebookNode()
        async with obeying.working(node, server=server) as (person, _):
            run_id = await person.wish(call("notebook_create", path="new.ipynb", cells=CELLS))
            question = await person.question(run_id)
            await person.decide(question, accepted=[0, 1], edited={"0": "x = 2"})
            text, message = await person.result(run_id)
            assert message["details"] == {"changeId": question["id"], "path": "new.ipynb", "cells": 2}
            made = node.notebooks["new.ipynb"]
            assert made.sources() == ["x = 2", "# 제목"] and "changed operation 1" in text
            assert all(cell.id in text and cell.rev in text for cell in made.cells), "it can go on without a read"
            (change,) = (await person.wire.call("hands.changes.list", {"sessionKey": person.key}))["changes"]
            assert change["created"] and [each["after"]["source"] for each in change["cells"]] == made.sources()

            made.type(made.cells[1].id, "# mine")
            undo = {"id": question["id"]}
            undone = await person.wire.call("hands.changes.undo", undo)
            problem = {"cell": made.cells[1].id, "now": "# mine", "before": None, "after": "# 제목"}
            assert undone == {"state": "applied", "problems": [problem]} and "new.ipynb" in node.notebooks
            undone = await person.wire.call("hands.changes.undo", {**undo, "force": True})
            assert undone == {"state": "undone", "problems": []} and node.notebooks == {}

    run(main())


def test_a_written_file_is_deleted_by_its_undo_and_kept_where_it_was_changed(obeying: HandsGateway) -> None:
    async def main() -> None:
        node = NotebookNode()
        async with obeying.working(node, server=True) as (person, _):
            ids = []
            for path in ("a.txt", "b.txt"):
                run_id = await person.wish(call("file_write", path=path, text="one\n"))
                ids.append({"id": (await person.allow(run_id))["id"]})
                await person.result(run_id)
            node.files["b.txt"] = "mine\n"
            undone = await person.wire.call("hands.changes.undo", ids[0])
            assert undone == {"state": "undone", "problems": []} and list(node.files) == ["b.txt"]
            undone = await person.wire.call("hands.changes.undo", ids[1])
            assert undone["problems"] == [{"cell": "", "now": "mine\n", "before": None, "after": "one\n"}]
            undone = await person.wire.call("hands.changes.undo", {**ids[1], "force": True})
            assert undone == {"state": "undone", "problems": []} and node.files == {}
            assert (await person.wire.call("hands.changes.undo", ids[1]))["state"] == "undone", (
                "nothing the second time"
            )

    run(main())


def test_revisions_of_a_created_notebook_serve_the_next_edit(obeying: HandsGateway) -> None:
    async def main() -> None:
        node = NotebookNode()
        async with obeying.working(node, mode="edits") as (person, _):
            run_id = await person.wish(call("notebook_create", path="next.ipynb", cells=CELLS[:1]))
            await person.result(run_id)
            (cell,) = node.notebooks["next.ipynb"].cells
            op = {"op": "replace", "cell": cell.id, "rev": revision("x = 1"), "source": "x = 3"}
            run_id = await person.wish(call("notebook_edit", path="next.ipynb", ops=[op]))
            text, message = await person.result(run_id)
            assert not message["isError"] and cell.source == "x = 3", text

    run(main())


@pytest.mark.parametrize("first", ["type", "clear", "move"])
def test_operations_on_one_cell_are_taken_back_together(obeying: HandsGateway, first: str) -> None:
    """The earlier one found the text of the later one and called it the person's."""

    async def main() -> None:
        node = NotebookNode([notebook("one.ipynb", "a", "b")])
        async with obeying.working(node, mode="edits") as (person, _):
            cell = node.notebooks["one.ipynb"].cells[1]
            cell.outputs, rev = [{"output_type": "stream", "name": "stdout", "text": "1"}], revision("b")
            more = {"type": {"to": "markdown"}, "move": {"after": None}}.get(first, {})
            ops = [{"op": first, "cell": cell.id, "rev": rev, **more}]
            ops += [{"op": "replace", "cell": cell.id, "rev": rev, "source": "d"}]
            run_id = await person.wish(call("notebook_edit", path="one.ipynb", ops=ops))
            text, message = await person.result(run_id)
            assert not message["isError"] and node.notebooks["one.ipynb"].find(cell.id).source == "d", text
            (change,) = (await person.wire.call("hands.changes.list", {"sessionKey": person.key}))["changes"]
            undone = await person.wire.call("hands.changes.undo", {"id": change["id"]})
            assert undone == {"state": "undone", "problems": []}
            found = node.notebooks["one.ipynb"]
            assert found.sources() == ["a", "b"] and [each.type for each in found.cells] == ["code", "code"]
            assert found.cells[1].outputs or first != "clear"

    run(main())
