"""Runs of cells over the wire: shown as they go, waited for, stopped, cut off, asked for input."""

from __future__ import annotations

from tests.support.aio import until
from tests.support.notebook_node import NotebookNode, notebook
from tests.support.obeying import HandsGateway
from tests.support.strict_api import call
from tests.support.wire import run, text_of

PATH = "a.ipynb"


def test_cells_run_after_a_yes_with_progress_on_the_card(obeying: HandsGateway) -> None:
    async def main() -> None:
        node = NotebookNode([notebook(PATH, "one", "raise two", "three")])
        async with obeying.working(node) as (person, _):
            run_id = await person.wish(call("cell_run", path=PATH, range={"first": "c0", "last": "c2"}))
            question = await person.question(run_id)
            preview = question["request"]["preview"]
            assert [cell["source"] for cell in preview["cells"]] == ["one", "raise two", "three"]
            assert preview["type"] == "run" and preview["kernel"]["id"] == "k1" and node.ran == []
            await person.decide(question)
            text, message = await person.result(run_id)
            assert [each["cell"] for each in node.ran] == ["c0", "c1"], "it stops at the first error"
            assert message["isError"] and "raise two: failed" in text
            statuses = [each["status"] for each in message["details"]["results"]]
            assert statuses == ["ok", "error"] and message["details"]["path"] == PATH
            assert [each["index"] for each in message["details"]["results"]] == [0, 1]
            updates = [
                frame["payload"]["data"]["progress"]
                for frame in person.wire.events
                if frame["event"] == "agent" and frame["payload"]["data"].get("phase") == "update"
            ]
            assert [each["cell"] for each in updates] == ["c0", "c1"]

    run(main())


def test_a_kernel_that_was_restarted_or_a_cell_that_changed_voids_the_yes(obeying: HandsGateway) -> None:
    async def main() -> None:
        node = NotebookNode([notebook(PATH, "one", "two")])
        async with obeying.working(node) as (person, _):
            for change in ("kernel", "source"):
                run_id = await person.wish(call("cell_run", path=PATH, cells=["c0"]))
                question = await person.question(run_id)
                if change == "kernel":
                    node.notebooks[PATH].restarts += 1
                else:
                    node.notebooks[PATH].type("c0", "import os")
                await person.decide(question)
                text, message = await person.result(run_id)
                assert message["isError"] and "changed" in text and node.ran == []

    run(main())


def test_a_long_run_goes_on_under_a_handle_and_is_waited_for_or_interrupted(obeying: HandsGateway) -> None:
    async def main() -> None:
        node = NotebookNode([notebook(PATH, "wait", "two")])
        async with obeying.working(node, mode="ask") as (person, _):
            run_id = await person.wish(call("cell_run", path=PATH, cells=["c0"], wait_s=0))
            await person.allow(run_id)
            _, message = await person.result(run_id)
            handle = message["details"]["handle"]
            assert message["details"]["running"] and not message["isError"]
            node.released.set()
            run_id = await person.wish(call("run_wait", handle=handle, wait_s=20))
            text, message = await person.result(run_id)
            assert "waited" in text and not message["isError"]
            node.released.clear()
            node.started.clear()
            run_id = await person.wish(call("cell_run", path=PATH, cells=["c0"], wait_s=0))
            await person.allow(run_id)
            _, message = await person.result(run_id)
            handle = message["details"]["handle"]
            run_id = await person.wish(call("run_interrupt", handle=handle), call("run_wait", handle=handle))
            results = await person.results(run_id)
            assert not results[0]["isError"] and results[1]["isError"] and node.interrupts == 1
            assert "KeyboardInterrupt" in text_of(results[1])
            run_id = await person.wish(call("run_interrupt", handle="nothing"))
            assert (await person.result(run_id))[1]["isError"] and node.interrupts == 1

    run(main(), 60)


def test_stop_interrupts_the_kernel_and_tells_the_node(obeying: HandsGateway) -> None:
    async def main() -> None:
        node = NotebookNode([notebook(PATH, "wait")])
        async with obeying.working(node) as (person, _):
            run_id = await person.wish(call("cell_run", path=PATH, cells=["c0"], wait_s=600))
            await person.allow(run_id)
            await node.started.wait()
            await person.wire.call("chat.abort", {"sessionKey": person.key, "runId": run_id})
            await until(lambda: node.interrupts >= 1)
            (result,) = await person.results(run_id)
            assert result["isError"]

    run(main())


def test_a_page_that_is_closed_in_mid_run_leaves_the_outcome_unknown(obeying: HandsGateway) -> None:
    async def main() -> None:
        node = NotebookNode([notebook(PATH, "wait")])
        async with obeying.working(node) as (person, _):
            run_id = await person.wish(call("cell_run", path=PATH, cells=["c0"], wait_s=600))
            await person.allow(run_id)
            await node.started.wait()
            await node.drop()
            text, message = await person.result(run_id)
            assert message["isError"] and "not known" in text and "may still be running" in text

    run(main())


def test_input_of_a_running_cell_is_asked_of_the_person(obeying: HandsGateway) -> None:
    async def main() -> None:
        node = NotebookNode([notebook(PATH, "input")])
        async with obeying.working(node) as (person, _):
            run_id = await person.wish(call("cell_run", path=PATH, cells=["c0"], wait_s=60))
            await person.allow(run_id)
            question = await person.question(run_id, 2)
            request = question["request"]
            assert (request["kind"], request["prompt"], request["password"]) == ("input", "name? ", False)
            await person.decide(question, answers={"value": "은하"})
            text, message = await person.result(run_id)
            assert "hello 은하" in text and not message["isError"]

    run(main())


def test_questions_to_the_person_are_answered_in_any_window(obeying: HandsGateway) -> None:
    async def main() -> None:
        questions = [{"id": "which", "text": "Which?", "choices": ["a", "b"]}, {"id": "why", "text": "Why?"}]
        async with obeying.person() as person, obeying.person() as phone:
            run_id = await person.wish(call("ask_person", questions=questions))
            question = await person.question(run_id)
            shown = question["request"]["questions"]
            assert question["request"]["kind"] == "question" and [each["free"] for each in shown] == [False, True]
            await phone.decide(question, answers={"which": "b", "why": "because"})
            text, message = await person.result(run_id)
            assert "because" in text and message["details"]["answers"] == {"which": "b", "why": "because"}

    run(main())
