"""Decisions over the wire: two people at once, a limit of time, paths given for good, and work without any question."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing

import pytest

from clawdbot_ext.gateway.connections.broadcast import Broadcast
from clawdbot_ext.gateway.hands.approvals import KIND, OPEN, Approvals
from clawdbot_ext.protocol.clock import now_ms
from clawdbot_ext.protocol.revision import revision
from clawdbot_ext.store.memory import MemoryStore
from tests.support.notebook_node import NotebookNode, notebook
from tests.support.obeying import HandsGateway
from tests.support.server import GatewayProcess
from tests.support.strict_api import Call, StrictAPI, call
from tests.support.wire import WireError, run

PATH = "a.ipynb"


def edit(old: str, new: str, path: str = PATH) -> Call:
    ops = [{"op": "replace", "cell": "c0", "rev": revision(old), "source": new}]
    return call("notebook_edit", path=path, ops=ops)


def test_of_two_answers_at_once_one_counts_and_is_the_one_that_is_told(obeying: HandsGateway) -> None:
    async def main() -> None:
        node = NotebookNode([notebook(PATH, "x = 0")])
        async with obeying.working(node) as (person, _), obeying.person("phone") as other:
            for number in range(6):
                before = node.notebooks[PATH].sources()[0]
                run_id = await person.wish(edit(before, f"x = {number + 1}"))
                question = await person.question(run_id)
                answers = (
                    person.decide(question, edited={"0": f"mine = {number}"}),
                    other.decide(question, "deny" if number % 2 else "allow-once", reason="no"),
                )
                done = await asyncio.gather(*(answers if number < 3 else reversed(answers)), return_exceptions=True)
                mine, theirs = done if number < 3 else reversed(done)
                (refused,) = [each for each in (mine, theirs) if each is not None]
                assert isinstance(refused, WireError) and refused.details["reason"] == "NOT_FOUND"
                await person.result(run_id)
                wanted = f"mine = {number}" if mine is None else before if number % 2 else f"x = {number + 1}"
                assert node.notebooks[PATH].sources() == [wanted]
                (told,) = [
                    frame["payload"]
                    for frame in other.wire.events
                    if frame["event"] == "exec.approval.resolved" and frame["payload"]["id"] == question["id"]
                ]
                assert told["decision"] == ("deny" if theirs is None and number % 2 else "allow-once")

    run(main())


def test_a_question_has_a_limit_only_where_one_is_set(obeying: HandsGateway) -> None:
    async def main() -> None:
        node = NotebookNode([notebook(PATH, "x = 0")])
        async with obeying.working(node) as (person, _):

            async def limited(minutes: int) -> int:
                base = (await person.wire.call("config.get"))["hash"]
                changed = json.dumps({"hands": {"questionMinutes": minutes or None}})
                await person.wire.call("config.patch", {"raw": changed, "baseHash": base})
                run_id = await person.wish(edit("x = 0", "x = 1"))
                question = await person.question(run_id)
                await person.wire.call("chat.abort", {"sessionKey": person.key})
                await person.wire.end(run_id)
                end: int = question["expiresAtMs"]
                return end and end - int(question["createdAtMs"])

            assert await limited(7) == 7 * 60_000
            assert await limited(0) == 0

    run(main())


def test_a_limit_goes_on_over_a_restart_and_its_end_is_told_and_final() -> None:
    async def main() -> None:
        store, events = MemoryStore(), Broadcast()
        await store.open()
        now, request = now_ms(), {"kind": "tool", "sessionKey": "s", "runId": "r", "toolCallId": "c"}
        record = {"id": "q", "request": request, "createdAtMs": now - 60_000, "expiresAtMs": now + 50}
        await store.put_record(KIND, "q", record, now=now)
        await store.put_record(OPEN, "q", {"id": "q"}, now=now)
        approvals = Approvals(store, events, lambda: "rules")
        assert await approvals.load() == {"r"} and [row["id"] for row in approvals.rows()] == ["q"]
        assert await approvals.ask_for_tool("q", request, timeout_ms=3_600_000) is None, "not an hour more"
        stored = await store.get_record(KIND, "q")
        assert stored is not None and stored["expired"] and stored["decision"] is None and approvals.rows() == []
        assert await approvals.ask_for_tool("q", request, timeout_ms=3_600_000) is None, "it is not asked again"
        assert await store.list_records(OPEN) == []
        await store.close()

    asyncio.run(asyncio.wait_for(main(), 30))


@pytest.mark.parametrize(
    ("path", "pattern", "covers", "not_covers"),
    [
        ("data/a.ipynb", "data/*", "data/b.ipynb", "other/a.ipynb"),
        ("plan [v1].ipynb", None, "plan [v1].ipynb", "plan v.ipynb"),
        ("plan [v1].ipynb", "plan [v1].ipynb", "plan [v1].ipynb", "plan v.ipynb"),
        ("all*.ipynb", None, "all*.ipynb", "all of them.ipynb"),
    ],
)
def test_a_yes_for_good_is_for_the_paths_that_were_shown(
    obeying: HandsGateway, path: str, pattern: str | None, covers: str, not_covers: str
) -> None:
    async def main() -> None:
        node = NotebookNode([notebook(each, "x = 0") for each in {path, covers, not_covers}])
        async with obeying.working(node) as (person, _):
            run_id = await person.wish(edit("x = 0", "x = 1", path))
            question = await person.question(run_id)
            with pytest.raises(WireError) as refused:
                await person.decide(question, "allow-always", scope="always", pattern="elsewhere/*")
            assert refused.value.details["reason"] == "BAD_PATTERN"
            chosen = {} if pattern is None else {"pattern": pattern}
            await person.decide(question, "allow-always", scope="always", **chosen)
            _, message = await person.result(run_id)
            assert not message["isError"]
            (grant,) = [g for g in (await person.wire.call("hands.grants.list"))["grants"] if g["scope"] == "always"]
            node.notebooks[covers].type("c0", "x = 0")
            run_id = await person.wish(edit("x = 0", "x = 2", covers))
            await person.result(run_id)
            assert node.applied[-1]["meta"]["by"] == f"grant:{grant['id']}"
            run_id = await person.wish(edit("x = 0", "x = 2", not_covers))
            await person.question(run_id)
            await person.wire.call("chat.abort", {"sessionKey": person.key})
            await person.wire.end(run_id)
            await person.wire.call("hands.grants.revoke", {"id": grant["id"]})

    run(main())


@pytest.mark.slow
def test_unattended_asks_nothing_in_its_session_and_ends_by_itself_in_the_middle_of_a_run(
    make_gateway: Callable[..., GatewayProcess], strict_api: StrictAPI
) -> None:
    env = {"ANTHROPIC_API_KEY": "sk-test", "ANTHROPIC_BASE_URL": strict_api.url}
    free = HandsGateway(make_gateway(env={**env, "CLAWDBOT_POLICY_MAX_HANDS_MODE": "unattended"}), strict_api)

    def end_now(key: str) -> None:
        with closing(sqlite3.connect(free.gateway.home / "gateway.sqlite3", timeout=30)) as conn, conn:
            (text,) = conn.execute("SELECT settings FROM sessions WHERE key LIKE ?", (f"%{key}",)).fetchone()
            settings = {**json.loads(text), "handsUntilMs": now_ms() - 1}
            conn.execute("UPDATE sessions SET settings = ? WHERE key LIKE ?", (json.dumps(settings), f"%{key}"))

    async def main() -> None:
        node = NotebookNode([notebook(PATH, "x = 0", "!rm -r data", "wait")], {"f.txt": "old"})
        async with free.working(node, server=True) as (person, _), free.person(node.instance) as other:
            patched = await person.wire.call(
                "sessions.patch", {"key": person.key, "handsMode": "unattended", "handsMinutes": 5}
            )
            hands = patched["entry"]["hands"]
            assert hands["mode"] == "unattended" and 0 < hands["untilMs"] - now_ms() <= 5 * 60_000
            steps = (
                edit("x = 0", "x = 1"),
                call("cell_run", path=PATH, cells=["c1"], wait_s=30),
                call("kernel_execute", path=PATH, code="import subprocess"),
                call("kernel_restart", path=PATH),
                call("notebook_edit", path=PATH, ops=[{"op": "delete", "cell": "c1", "rev": revision("!rm -r data")}]),
                call("file_write", path="new.txt", text="new"),
            )
            run_id = await person.wish(*steps)
            assert [m["isError"] for m in await person.results(run_id)] == [False] * len(steps)
            asked = [f for f in person.wire.events if f["event"] == "exec.approval.requested"]
            assert asked == [] and node.notebooks[PATH].sources() == ["x = 1", "wait"]
            records = free.records()
            assert {record["resolvedBy"] for record in records} == {"mode:unattended"} and len(records) == len(steps)
            assert all(record["usedAtMs"] for record in records), "each has a stored yes all the same"

            run_id = await other.wish(edit("x = 1", "x = 2"))
            await other.question(run_id)
            await other.wire.call("chat.abort", {"sessionKey": other.key})

            run_id = await person.wish(call("cell_run", path=PATH, cells=["c2"], wait_s=60), edit("x = 1", "x = 2"))
            await asyncio.wait_for(node.started.wait(), 30)
            end_now(person.key)
            node.released.set()
            question = await person.question(run_id)
            assert question["request"]["tool"] == "notebook_edit" and node.notebooks[PATH].sources()[0] == "x = 1"
            rows = (await person.wire.call("sessions.list"))["sessions"]
            assert [row["hands"]["mode"] for row in rows if row["key"].endswith(person.key)] == ["ask"]
            await person.decide(question, "deny")
            await person.result(run_id)

    run(main(), 90)
