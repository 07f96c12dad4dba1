"""Edits over the wire: proposed, seen, allowed, done, undone. The node's notebook is the oracle."""

from __future__ import annotations

from typing import Any

import pytest

from clawdbot_ext.protocol.revision import revision
from tests.support.notebook_node import NotebookNode, notebook
from tests.support.obeying import HandsGateway
from tests.support.strict_api import call
from tests.support.wire import WireError, run

PATH = "분석/a.ipynb"


def edit(*ops: dict[str, Any], path: str = PATH) -> Any:
    return call("notebook_edit", path=path, ops=list(ops))


def replace(cell: str, old: str, new: str) -> dict[str, Any]:
    return {"op": "replace", "cell": cell, "rev": revision(old), "source": new}


def test_an_edit_is_shown_allowed_done_told_and_undone(obeying: HandsGateway) -> None:
    async def main() -> None:
        node = NotebookNode([notebook(PATH, "x = 1", "print(x)", "y = 2")])
        node.notebooks[PATH].find("c1").ran = "print(x)"
        async with obeying.working(node) as (person, _):
            run_id = await person.wish(edit(replace("c0", "x = 1", "x = 5")))
            question = await person.question(run_id)
            request = question["request"]
            assert (question["expiresAtMs"], request["kind"], request["tool"]) == (0, "tool", "notebook_edit")
            (cell,) = request["preview"]["cells"]
            assert (cell["before"], cell["after"], cell["staleAfter"]) == ("x = 1", "x = 5", ["c1"])
            assert request["choices"] == ["once", "cell", "notebook", "always"] and len(request["digest"]) == 64
            assert node.notebooks[PATH].sources()[0] == "x = 1", "nothing is done before the yes"
            await person.decide(question)
            text, message = await person.result(run_id)
            assert node.notebooks[PATH].sources() == ["x = 5", "print(x)", "y = 2"]
            assert "c1" in text and revision("x = 5") in text and not message["isError"]
            assert message["details"] == {"changeId": question["id"], "path": PATH, "cells": 1}
            assert node.applied[0]["meta"] == {"runId": run_id, "by": "test", "approvalId": question["id"]}
            told = await person.wire.wait("hands.changes.changed", lambda p: p["change"]["id"] == question["id"])
            assert told["payload"]["change"]["state"] == "applied"
            (change,) = (await person.wire.call("hands.changes.list", {"path": PATH, "sessionKey": person.key}))[
                "changes"
            ]
            assert change["cells"][0]["before"]["source"] == "x = 1" and change["by"] == "test"
            undone = await person.wire.call("hands.changes.undo", {"id": change["id"]})
            assert undone == {"state": "undone", "problems": []}
            assert node.notebooks[PATH].sources() == ["x = 1", "print(x)", "y = 2"]
            assert obeying.api.refusals == []

    run(main())


def test_a_cell_that_the_person_changed_since_stops_the_edit_and_the_undo(obeying: HandsGateway) -> None:
    async def main() -> None:
        node = NotebookNode([notebook(PATH, "x = 1", "y = 1")])
        async with obeying.working(node) as (person, _):
            stale = await person.wish(edit(replace("c0", "x = 0", "x = 9"), replace("c1", "y = 1", "y = 9")))
            text, message = await person.result(stale)
            assert message["isError"] and "x = 1" in text and node.applied == [], "not even the cell that fits"

            between = await person.wish(edit(replace("c0", "x = 1", "x = 2")))
            question = await person.question(between)
            node.notebooks[PATH].type("c0", "x = 1  # mine")
            await person.decide(question)
            text, message = await person.result(between)
            assert message["isError"] and "x = 1  # mine" in text and node.applied == []
            assert node.notebooks[PATH].sources()[0] == "x = 1  # mine"

            done = await person.wish(edit(replace("c0", "x = 1  # mine", "x = 3"), replace("c1", "y = 1", "y = 3")))
            question = await person.allow(done)
            await person.result(done)
            node.notebooks[PATH].type("c0", "x = 4")
            undone = await person.wire.call("hands.changes.undo", {"id": question["id"]})
            (problem,) = undone["problems"]
            assert problem == {"cell": "c0", "now": "x = 4", "before": "x = 1  # mine", "after": "x = 3"}
            assert undone["state"] == "applied" and node.notebooks[PATH].sources() == ["x = 4", "y = 1"]
            forced = await person.wire.call("hands.changes.undo", {"id": question["id"], "force": True})
            assert forced == {"state": "undone", "problems": []}
            assert node.notebooks[PATH].sources() == ["x = 1  # mine", "y = 1"]

    run(main())


def test_every_operation_is_done_and_taken_back(obeying: HandsGateway) -> None:
    async def main() -> None:
        node = NotebookNode([notebook(PATH, "a = 1", "b = 2", "c = 3", "d = 4")])
        cells = node.notebooks[PATH]
        cells.find("c3").outputs, cells.find("c1").outputs = [{"kind": "stream", "text": "4"}], [{"text": "2"}]
        async with obeying.working(node) as (person, _):
            ops = [
                {"op": "insert", "after": "c0", "type": "markdown", "source": "one"},
                {"op": "insert", "after": "c0", "type": "code", "source": "two"},
                {"op": "patch", "cell": "c0", "rev": revision("a = 1"), "edits": [{"find": "1", "replace": "10"}]},
                {"op": "delete", "cell": "c1", "rev": revision("b = 2")},
                {"op": "move", "cell": "c2", "rev": revision("c = 3"), "after": None},
                {"op": "clear", "cell": "c3", "rev": revision("d = 4")},
            ]
            run_id = await person.wish(edit(*ops))
            question = await person.question(run_id)
            assert question["request"]["choices"] == ["once"] and question["request"]["excepted"]
            await person.decide(question)
            await person.result(run_id)
            assert cells.sources() == ["c = 3", "a = 10", "one", "two", "d = 4"]
            assert cells.find("c3").outputs == []
            await person.wire.call("hands.changes.undo", {"id": question["id"]})
            assert cells.sources() == ["a = 1", "b = 2", "c = 3", "d = 4"]
            assert cells.find("c1").outputs == [{"text": "2"}] and cells.find("c3").outputs

    run(main())


def test_a_part_is_accepted_another_is_changed_and_the_model_is_told(obeying: HandsGateway) -> None:
    async def main() -> None:
        node = NotebookNode([notebook(PATH, "a", "b", "c")])
        async with obeying.working(node) as (person, _):
            run_id = await person.wish(edit(replace("c0", "a", "A"), replace("c1", "b", "B"), replace("c2", "c", "C")))
            question = await person.question(run_id)
            for wrong in ({"accepted": [3]}, {"accepted": []}, {"edited": {"9": "x"}}, {"scope": "nowhere"}):
                with pytest.raises(WireError):
                    await person.decide(question, **wrong)
            await person.decide(question, accepted=[0, 1], edited={"1": "Bee"}, reason="keep c")
            text, _ = await person.result(run_id)
            assert node.notebooks[PATH].sources() == ["A", "Bee", "c"]
            assert "refused operation 3" in text and "changed operation 2" in text and "Bee" in text
            assert "The person says: keep c" in text

            denied = await person.wish(edit(replace("c2", "c", "C")))
            await person.allow(denied, decision="deny", reason="c is right as it is")
            text, message = await person.result(denied)
            assert "c is right as it is" in text and message["denied"] and node.notebooks[PATH].sources()[2] == "c"

    run(main())


def test_a_yes_for_the_notebook_covers_it_in_this_session_and_no_deletion(obeying: HandsGateway) -> None:
    async def main() -> None:
        node = NotebookNode([notebook(PATH, "a", "b"), notebook("other.ipynb", "a")])
        async with obeying.working(node) as (person, _), obeying.person() as other:
            run_id = await person.wish(edit(replace("c0", "a", "A")))
            await person.allow(run_id, scope="notebook")
            await person.result(run_id)
            (grant,) = [g for g in (await person.wire.call("hands.grants.list"))["grants"] if g["path"] == PATH]
            assert (grant["tool"], grant["scope"], grant["by"]) == ("notebook_edit", "notebook", "test")
            run_id = await person.wish(edit(replace("c1", "b", "B")))
            await person.result(run_id)
            assert node.notebooks[PATH].sources() == ["A", "B"]
            asked = [
                await person.wish(edit(replace("c0", "a", "A"), path="other.ipynb")),
                await person.wish(edit({"op": "delete", "cell": "c0", "rev": revision("A")})),
                await other.wish(edit(replace("c0", "A", "AA"))),
            ]
            for who, run_id in zip((person, person, other), asked, strict=True):
                await who.question(run_id)
                await who.wire.call("chat.abort", {"sessionKey": who.key, "runId": run_id})
            await person.wire.call("hands.grants.revoke", {"id": grant["id"]})
            await person.wire.wait("hands.grants.changed", lambda p: grant not in p["grants"])
            run_id = await person.wish(edit(replace("c0", "A", "AAA")))
            await person.question(run_id)
            await person.wire.call("chat.abort", {"sessionKey": person.key})
            assert node.notebooks[PATH].sources() == ["A", "B"]

    run(main())


def test_modes_decide_what_is_asked(obeying: HandsGateway) -> None:
    async def main() -> None:
        node = NotebookNode([notebook(PATH, "a", "b")])
        async with obeying.working(node) as (person, _):
            await person.mode("edits")
            run_id = await person.wish(edit(replace("c0", "a", "A")))
            _, message = await person.result(run_id)
            assert not message["isError"] and node.applied[-1]["meta"]["by"] == "mode:edits"
            await person.mode("read")
            run_id = await person.wish(edit(replace("c0", "A", "AA")))
            text, message = await person.result(run_id)
            assert message["denied"] and "read" in text and len(node.applied) == 1
            await person.mode("notebook", handsNotebook=PATH)
            run_id = await person.wish(
                edit(replace("c0", "A", "AA")), call("cell_run", path=PATH, cells=["c0"], wait_s=5)
            )
            assert [m["isError"] for m in await person.results(run_id)] == [False, False]
            node.notebooks[PATH].type("c1", "!rm -r data")
            for step in (
                call("cell_run", path=PATH, cells=["c1"]),
                call("kernel_execute", path=PATH, code="import subprocess"),
                call("kernel_restart", path=PATH),
                edit({"op": "delete", "cell": "c0", "rev": revision("AA")}),
            ):
                run_id = await person.wish(step)
                assert (await person.question(run_id))["request"]["excepted"]
                await person.wire.call("chat.abort", {"sessionKey": person.key, "runId": run_id})
            await person.mode("chat")
            run_id = await person.wish(call("notebook_list"))
            assert await person.results(run_id) == [], "no tool is offered"

    run(main())


def test_a_plan_allows_exactly_its_operations_once(obeying: HandsGateway) -> None:
    async def main() -> None:
        node = NotebookNode([notebook(PATH, "a", "b")])
        async with obeying.working(node, mode="plan") as (person, _):
            first, second = edit(replace("c0", "a", "A")), edit(replace("c1", "b", "B"))
            run_id = await person.wish(second)
            text, message = await person.result(run_id)
            assert message["isError"] and "plan" in text
            operations = [{"tool": first.name, "arguments": dict(first.input)}]
            listed = call("plan", steps=[{"text": "A", "state": "todo"}], operations=operations)
            run_id = await person.wish(listed, first, first, second)
            question = await person.question(run_id)
            assert question["request"]["preview"]["operations"][0]["tool"] == "notebook_edit"
            await person.decide(question)
            errors = [m["isError"] for m in await person.results(run_id)]
            assert errors == [False, False, True, True] and node.notebooks[PATH].sources() == ["A", "b"]

    run(main())


def test_files_are_written_with_the_hash_that_was_seen_and_never_outside(obeying: HandsGateway) -> None:
    async def main() -> None:
        node = NotebookNode(files={"notes.txt": "one\n"})
        async with obeying.working(node, server=True) as (person, _):
            run_id = await person.wish(call("file_write", path="notes.txt", text="two\n"))
            text, message = await person.result(run_id)
            assert message["isError"] and "hash" in text
            known = text.split("hash ")[1].split(")")[0]
            run_id = await person.wish(
                call("file_patch", path="notes.txt", hash=known, edits=[{"find": "one", "replace": "two"}])
            )
            question = await person.allow(run_id)
            assert question["request"]["preview"] | {} == {
                "type": "file",
                "path": "notes.txt",
                "before": "one\n",
                "after": "two\n",
            }
            await person.result(run_id)
            assert node.files["notes.txt"] == "two\n"
            assert (await person.wire.call("hands.changes.undo", {"id": question["id"]}))["state"] == "undone"
            assert node.files["notes.txt"] == "one\n"
            for path in ("../x", "/etc/passwd", "a/../../x", "~/x", "a\\b", "a/./b", "x\n.txt", "nb.ipynb"):
                run_id = await person.wish(call("file_write", path=path, text="x"))
                assert (await person.result(run_id))[1]["isError"], path
            assert list(node.files) == ["notes.txt"]

    run(main())
