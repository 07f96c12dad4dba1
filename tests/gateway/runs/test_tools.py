"""Tools over a real socket: the demo's own, allowed or not, stopped, cut off by a crash."""

from __future__ import annotations

import asyncio

import pytest

from clawdbot_ext.agent.tools import Tool, ToolImage, ToolOutput
from clawdbot_ext.gateway.runs import turn
from tests.support.in_process import in_process, texts, tool
from tests.support.wire import WireError, run, text_of, wired

CAPS = ("chat.append", "session.events")


def connect(gateway, **more):
    return wired(gateway.ws_url, gateway.token, caps=CAPS, **more)


def stages(wire, run_id):
    """The tool events of a run, in order: (phase, name)."""
    return [
        (f["payload"]["data"]["phase"], f["payload"]["data"]["name"])
        for f in wire.events
        if f["event"] == "agent" and f["payload"]["stream"] == "tool" and f["payload"]["runId"] == run_id
    ]


async def history(wire, key="main"):
    return (await wire.call("chat.history", {"sessionKey": key}))["messages"]


async def asked(wire, run_id):
    return (await wire.wait("exec.approval.requested", lambda p: p["request"].get("runId") == run_id))["payload"]


def test_a_tool_that_needs_no_permission_runs_and_is_stored_in_steps(standing_gateway):
    async def main():
        async with connect(standing_gateway) as wire:
            run_id, _ = await wire.send("what time is it?", key="clock")
            end = await wire.end(run_id)
            assert end["state"] == "final" and "The tool answered" in text_of(end["message"])
            question, step, result, answer = await history(wire, "clock")
            assert [m["role"] for m in (question, step, result, answer)] == [
                "user",
                "assistant",
                "toolResult",
                "assistant",
            ]
            call = step["content"][-1]
            assert step["stopReason"] == "toolUse"
            assert (call["type"], call["name"], call["arguments"]) == ("toolCall", "demo_clock", {}) and call["title"]
            assert (result["toolCallId"], result["isError"]) == (call["id"], False) and result["durationMs"] >= 0
            assert text_of(result) in text_of(answer) and answer["id"] == end["message"]["id"]
            assert {m["runId"] for m in (question, step, result, answer)} == {run_id}
            assert stages(wire, run_id) == [("start", "demo_clock"), ("result", "demo_clock")]
            offsets = [d["offset"] for d in wire.deltas(run_id)]
            assert offsets.count(0) == 2  # each step's text begins anew
            told = [f["payload"]["message"]["id"] for f in wire.events if f["event"] == "session.message"]
            assert told == [m["id"] for m in (question, step, result)]  # the last comes with the end

    run(main())


def test_a_tool_waits_for_permission_which_a_reload_still_shows(standing_gateway):
    async def main():
        async with connect(standing_gateway) as wire:
            run_id, _ = await wire.send("use a tool: 6 * 7", key="ask")
            question = await asked(wire, run_id)
            request = question["request"]
            assert request["command"] == 'demo_calculate {"expression": "6 * 7"}'
            assert request["sessionKey"] == "agent:main:ask" and request["tool"] == "demo_calculate"
            async with connect(standing_gateway) as other:
                assert [a["id"] for a in other.hello["snapshot"]["approvals"]] == [question["id"]]
                assert (await other.call("exec.approval.list"))["approvals"][0]["request"] == request
                flying = (await other.call("chat.history", {"sessionKey": "ask"}))["inFlight"]
                assert flying["text"] == "" and [t["phase"] for t in flying["tools"]] == ["start"]
                assert flying["tools"][0]["toolCallId"] == request["toolCallId"]
                await other.call("exec.approval.resolve", {"id": question["id"], "decision": "allow-once"})
            end = await wire.end(run_id)
            assert "**42**" in text_of(end["message"])
            resolved = (await wire.wait("exec.approval.resolved", lambda p: p["id"] == question["id"]))["payload"]
            assert resolved["decision"] == "allow-once"
            with pytest.raises(WireError) as again:
                await wire.call("exec.approval.resolve", {"id": question["id"], "decision": "deny"})
            assert again.value.details["reason"] == "NOT_FOUND"
            async with connect(standing_gateway, scopes=["operator.read"]) as reader:
                assert "approvals" not in reader.hello["snapshot"]

    run(main())


def test_a_no_is_told_to_the_model_and_kept(standing_gateway):
    async def main():
        async with connect(standing_gateway) as wire:
            run_id, _ = await wire.send("도구를 써 줘", key="deny")
            question = await asked(wire, run_id)
            await wire.call("exec.approval.resolve", {"id": question["id"], "decision": "deny"})
            end = await wire.end(run_id)
            assert end["state"] == "final" and "did not allow it" in text_of(end["message"])
            result = (await history(wire, "deny"))[2]
            assert result["isError"] is True and "denied it" in text_of(result)
            assert result["denied"] is True
            assert text_of(result) not in text_of(end["message"]), "what the model is told is not what people read"

    run(main())


def test_always_is_remembered_until_the_rule_is_taken_back(standing_gateway):
    async def main():
        async with connect(standing_gateway) as wire:
            run_id, _ = await wire.send("calculate 1 + 1", key="always")
            await wire.call(
                "exec.approval.resolve", {"id": (await asked(wire, run_id))["id"], "decision": "allow-always"}
            )
            await wire.end(run_id)
            end = await wire.ask("calculate 2 + 3", key="always")
            assert "**5**" in text_of(end["message"])
            rules = await wire.call("exec.approvals.get")
            assert rules["file"]["agents"]["main"]["allowlist"][0]["pattern"] == "tool:demo_calculate"
            await wire.call("exec.approvals.set", {"file": {"version": 1, "agents": {}}, "baseHash": rules["hash"]})
            run_id, _ = await wire.send("calculate 2 + 4", key="always")
            await asked(wire, run_id)
            await wire.call("chat.abort", {"sessionKey": "always"})

    run(main())


def test_stopping_while_it_waits_takes_the_question_back_and_runs_nothing(standing_gateway):
    async def main():
        async with connect(standing_gateway) as wire:
            run_id, _ = await wire.send("tools please: 2 * 3", key="stop")  # two at a time, one of them asks
            question = await asked(wire, run_id)
            await wire.wait("agent", lambda p: p["stream"] == "tool" and p["data"]["phase"] == "result")
            await wire.call("chat.abort", {"sessionKey": "stop"})
            end = await wire.end(run_id)
            assert end["state"] == "aborted"
            gone = (await wire.wait("exec.approval.resolved", lambda p: p["id"] == question["id"]))["payload"]
            assert (gone["decision"], gone["reason"]) == ("deny", "withdrawn")
            assert (await wire.call("exec.approval.list"))["approvals"] == []
            step, *results = (await history(wire, "stop"))[1:]
            by_id = {r["toolCallId"]: r for r in results}
            done, stopped = (by_id[c["id"]] for c in step["content"] if c["type"] == "toolCall")
            assert done["isError"] is False and stopped["isError"] is True and "Stopped" in text_of(stopped)
            assert stopped["stopped"] is True and "stopped" not in done
            with pytest.raises(WireError):
                await wire.call("exec.approval.resolve", {"id": question["id"], "decision": "allow-once"})

    run(main())


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        ("[[tool=no.such]]", "no tool no.such"),
        ("[[tool=demo_calculate]][[expression=__import__]]", "numbers and"),
    ],
)
def test_a_tool_that_fails_says_so_to_the_model(standing_gateway, wish, said):
    async def main():
        async with connect(standing_gateway) as wire:
            run_id, _ = await wire.send(wish, key="fail")
            if "calculate" in wish:
                await wire.call(
                    "exec.approval.resolve", {"id": (await asked(wire, run_id))["id"], "decision": "allow-once"}
                )
            end = await wire.end(run_id)
            assert end["state"] == "final" and said in text_of(end["message"])

    run(main())


def test_a_question_that_a_crash_interrupts_is_answered_after_it_and_the_tool_runs_once(gateway):
    async def before():
        async with connect(gateway) as wire:
            run_id, _ = await wire.send("use a tool: 3 * 3")
            await asked(wire, run_id)
            return run_id

    run_id = run(before())
    gateway.kill()
    gateway.start()

    async def after():
        async with connect(gateway) as wire:
            (question,) = wire.hello["snapshot"]["approvals"]
            assert question["request"]["runId"] == run_id
            await wire.call("exec.approval.resolve", {"id": question["id"], "decision": "allow-once"})
            assert (await wire.end(run_id))["state"] == "final"
            _, step, result, end = await history(wire)
            assert result["toolCallId"] == step["content"][-1]["id"] and text_of(result) == "9"
            assert end["runId"] == run_id and not (await wire.call("exec.approval.list"))["approvals"]
            assert (await wire.ask("[[text=on we go]]"))["state"] == "final"

    run(after())


def test_an_outside_client_may_ask_as_before(standing_gateway):
    async def main():
        async with connect(standing_gateway) as agent, connect(standing_gateway) as person:
            waiting = agent.call("exec.approval.request", {"command": "rm -r build", "timeoutMs": 5000})
            answer = asyncio.ensure_future(waiting)
            question = (
                await person.wait("exec.approval.requested", lambda p: p["request"]["command"] == "rm -r build")
            )["payload"]
            await person.call("exec.approval.resolve", {"id": question["id"], "decision": "allow-once"})
            assert (await answer)["decision"] == "allow-once"
            late = await agent.call("exec.approval.request", {"command": "ls", "timeoutMs": 1})
            assert late["decision"] is None
            gone = await person.wait("exec.approval.resolved", lambda p: p["id"] == late["id"])
            assert gone["payload"]["reason"] == "expired"

    run(main())


def test_one_id_asks_one_question_also_when_two_come_at_once(standing_gateway):
    """Else a decision about what a person saw could be taken for one about something else."""

    async def main():
        async with connect(standing_gateway) as agent, connect(standing_gateway) as person:

            def ask(command):
                return asyncio.ensure_future(
                    agent.call("exec.approval.request", {"id": "the-same", "command": command, "timeoutMs": 5000})
                )

            answers = [ask(command) for command in ("one", "two")]
            question = (await person.wait("exec.approval.requested", lambda p: p["id"] == "the-same"))["payload"]
            await person.call("exec.approval.resolve", {"id": "the-same", "decision": "allow-once"})
            one, two = await asyncio.gather(*answers, return_exceptions=True)
            assert question["request"]["command"] == "one" and one["decision"] == "allow-once"
            assert isinstance(two, WireError) and two.details["reason"] == "EXISTS"
            shown = [f for f in person.events if f["event"] == "exec.approval.requested"]
            assert [f["payload"]["id"] for f in shown].count("the-same") == 1

    run(main())


def test_rules_that_are_written_at_the_same_time_do_not_undo_each_other(standing_gateway):
    async def main():
        async with connect(standing_gateway) as wire:
            before = await wire.call("exec.approvals.get")
            file = {"file": {"version": 1, "agents": {"main": {"allowlist": [{"pattern": "seed"}]}}}}
            seen = (await wire.call("exec.approvals.set", {**file, "baseHash": before["hash"]}))["hash"]
            writes = [
                wire.call(
                    "exec.approvals.set", {"file": {"version": 1, "agents": {f"agent{number}": {}}}, "baseHash": seen}
                )
                for number in range(8)
            ]
            answers = await asyncio.gather(*writes, return_exceptions=True)
            assert sum(not isinstance(answer, WireError) for answer in answers) == 1
            rules = await wire.call("exec.approvals.get")
            await wire.call("exec.approvals.set", {"file": before["file"], "baseHash": rules["hash"]})

    run(main())


def test_a_line_of_questions_that_is_full_fails_the_tool_and_not_the_reply(gateway):
    async def main():
        async with connect(gateway) as agent, connect(gateway) as person:
            asking = [
                asyncio.ensure_future(agent.call("exec.approval.request", {"command": "x", "timeoutMs": 60_000}))
                for _ in range(64)
            ]
            while len((await person.call("exec.approval.list"))["approvals"]) < 64:
                pass
            end = await person.ask("calculate 1 + 1")
            assert end["state"] == "final"
            result = next(m for m in await history(person) if m["role"] == "toolResult")
            assert result["isError"] and "waiting" in text_of(result)
            for each in asking:
                each.cancel()

    run(main())


# -- any tool: in this process, with tools of the test ----------------------------------------------------------------
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="


def offer(monkeypatch: pytest.MonkeyPatch, *tools: Tool) -> None:
    async def offered(*_):
        return tools

    monkeypatch.setattr(turn, "offered", offered)


@pytest.mark.parametrize(
    "fault", [KeyError("cell"), asyncio.CancelledError(), RuntimeError(""), AssertionError("x" * 300_000)]
)
def test_whatever_a_tool_raises_is_a_stored_error_for_the_model_and_the_run_goes_on(tmp_path, monkeypatch, fault):
    async def fail(arguments, context):
        raise fault

    def bad(arguments, *_):
        return arguments["missing"]

    broken = tool("broken", fail, lock=bad)
    offer(monkeypatch, Tool(broken.spec, fail, bad, kind="read", lock=bad))

    async def main():
        async with in_process(tmp_path) as chat:
            end = await chat.ask("[[tool=broken]]", "r")
            assert end["state"] == "final" and "Not finished" in texts(end["message"]["content"])
            _, step, result, _ = await chat.messages()
            assert result["isError"] is True and len(texts(result["content"])) < 101_000
            assert result["toolCallId"] == step["content"][-1]["id"]
            assert chat.tool_events("r")[-1]["isError"] is True

    run(main())


def test_progress_images_and_details_reach_those_they_are_for(tmp_path, monkeypatch):
    contexts = []

    async def plot(arguments, context):
        contexts.append(context)
        context.progress({"text": "1 of 2"})
        return ToolOutput("a plot", [ToolImage("image/png", PIXEL)], {"changeId": "c1"})

    offer(monkeypatch, tool("plot", plot))

    async def main():
        async with in_process(tmp_path) as chat:
            await chat.ask("[[tool=plot]]", "r")
            result = (await chat.messages())[2]
            assert result["details"] == {"changeId": "c1"}
            assert result["content"][1] == {"type": "image", "mimeType": "image/png", "data": PIXEL}
            contexts[0].progress({"text": "too late"})
            events = chat.tool_events("r")
            assert [e["phase"] for e in events] == ["start", "update", "result"]
            assert events[1]["progress"] == {"text": "1 of 2"} and events[2]["details"] == {"changeId": "c1"}
            assert (contexts[0].run_id, contexts[0].session_key) == ("r", "agent:main:main")
            assert contexts[0].asker["instanceId"] == "page-1"

    run(main())
