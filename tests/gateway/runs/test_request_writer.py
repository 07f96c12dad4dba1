"""Requests of runs over the strict Messages API: each turn begins as the one before, and nothing is refused."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from clawdbot_ext.agent.tools import ToolImage, ToolOutput
from clawdbot_ext.gateway.runs import turn
from tests.support.in_process import InProcess, asking, client_of, in_process, texts, tool, until
from tests.support.strict_api import Says, StrictAPI, call, is_side_request, wants
from tests.support.wire import run

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch) -> None:
    async def look(arguments: Any, context: Any) -> ToolOutput:
        size = int(arguments.get("size", 400))
        text = "  leading blanks, and trailing ones: " + "row 1234567890 " * (size // 15) + " \n"
        images = [ToolImage("image/png", PIXEL)] if arguments.get("image") else []
        return ToolOutput(text, images)

    async def wait(arguments: Any, context: Any) -> str:
        context.progress({"waiting": True})
        await asyncio.Event().wait()
        return ""

    async def offered(*_: Any) -> Any:
        return (tool("look", look), tool("wait", wait))

    monkeypatch.setattr(turn, "offered", offered)


def share_read(api: StrictAPI) -> list[float]:
    """Of each request the part of the one before that was read from the cache."""
    seen = api.turns
    return [new.use.read / old.use.total for old, new in pairwise(seen)]


@pytest.mark.slow
@pytest.mark.parametrize("model", ["claude-sonnet-5-5", "claude-haiku-4-5"])
def test_over_twenty_turns_nearly_all_of_the_prompt_is_read_from_the_cache(
    tmp_path: Path, tools: None, model: str
) -> None:
    async def main(api: StrictAPI) -> None:
        settings = asking(api.url, model, thinking="low")
        async with in_process(tmp_path, settings=settings) as english:
            korean = await client_of(english.gateway, locale="ko", instance="page-2")
            korean.send("/verbose", "subscribe")
            compacted: list[int] = []
            for number in range(20):
                client = korean if number % 3 == 1 else english
                plan = wants(call("look", image=number == 4), call("look"), call("look"))
                calls = plan + "[[tool=look {}]]" if number % 2 else "[[text=  An answer.\n\n```py\n1\n```\n ]]"
                end = await client.ask(f"[[think=let me think ]]{calls} question {number} 질문", f"r{number}")
                assert end["state"] == "final", end
                if number == 12:
                    await english.ask("/compact", "compact")
                    compacted.append(len(api.turns))
            assert api.refusals == []
            shares = share_read(api)
            after = compacted[0] - 1
            low = {n: share for n, share in enumerate(shares) if share < 0.95 and n != after}
            assert low == {}, api.divergences()
            assert len(api.divergences()) == 1, "the compaction"
            assert shares[after] < 0.95
            thought = [b for m in api.bodies[-1]["messages"] for b in m["content"] if b["type"] == "thinking"]
            assert len(thought) > 5, "thinking is sent back as long as it is bound to what stands before it"

    with StrictAPI() as api:
        run(main(api), 120)


async def stopped_in_a_tool(chat: InProcess) -> None:
    chat.send(f"[[think=hm]]{wants(call('wait'))}", "r1")
    await until(lambda: any(event["phase"] == "update" for event in chat.tool_events("r1")))
    await chat.call("chat.abort", {"sessionKey": "main"})
    assert (await chat.end("r1"))["state"] == "aborted"


@pytest.mark.parametrize("model", ["claude-sonnet-5-5", "claude-haiku-4-5", "claude-opus-5-5"])
def test_a_stop_in_a_tool_and_then_any_message_is_a_valid_request(tmp_path: Path, tools: None, model: str) -> None:
    async def main(api: StrictAPI) -> None:
        async with in_process(tmp_path, settings=asking(api.url, model, thinking="low")) as chat:
            await stopped_in_a_tool(chat)
            end = await chat.ask("and now?", "r2")
            assert (end["state"], api.refusals) == ("final", [])
            last = api.bodies[-1]["messages"]
            assert texts(last[-2]["content"]) == "[The user stopped this reply here.]"
            assert last[1]["content"][0]["type"] == "thinking", "bound to the same prefix, so it is still there"
            await chat.call("sessions.patch", {"key": "main", "model": "claude-haiku-5-5"})
            assert (await chat.ask("go on", "r3"))["state"] == "final" and api.refusals == []
            blocks = [b for m in api.bodies[-1]["messages"] for b in m["content"]]
            assert "thinking" not in {b["type"] for b in blocks}, "another model's thinking"

    with StrictAPI() as api:
        run(main(api))


def test_notices_and_instructions_are_in_the_message_and_stay_there(tmp_path: Path, tools: None) -> None:
    async def main(api: StrictAPI) -> None:
        async with in_process(tmp_path, settings=asking(api.url, "claude-sonnet-5-5")) as chat:
            await chat.call("system-event", {"text": "the disk is nearly full"})
            await chat.ask("one", "r1")
            await chat.ask("two", "r2")
            assert api.divergences() == [] and len({str(b.get("system")) for b in api.bodies}) == 1
            first = [b["text"] for b in api.bodies[-1]["messages"][0]["content"]]
            assert first[0].startswith("<time>") and first[1] == "<interface-language>English</interface-language>"
            assert first[2:] == ["<notices>\nthe disk is nearly full\n</notices>", "one"]
            assert [b["text"] for b in api.bodies[-1]["messages"][2]["content"]] == ["two"]

    with StrictAPI() as api:
        run(main(api))


def test_a_message_sent_again_does_not_lose_notices(tmp_path: Path, tools: None) -> None:
    async def main(api: StrictAPI) -> None:
        async with in_process(tmp_path, settings=asking(api.url, "claude-sonnet-5-5")) as chat:
            await chat.ask("one", "r1")
            await chat.call("system-event", {"text": "news"})
            again = {"sessionKey": "main", "message": "one", "idempotencyKey": "r1"}
            assert (await chat.call("chat.send", again))["payload"]["status"] == "ok"
            await chat.ask("two", "r2")
            assert "news" in texts(api.bodies[-1]["messages"][-1]["content"])

    with StrictAPI() as api:
        run(main(api))


def test_a_model_without_vision_gets_no_image_of_a_tool(tmp_path: Path, tools: None) -> None:
    async def main(api: StrictAPI) -> None:
        async with in_process(tmp_path, settings=asking(api.url, "claude-blind")) as chat:
            end = await chat.ask(wants(call("look", image=True)), "r1")
            assert (end["state"], api.refusals) == ("final", [])
            assert "An image was left out" in str(api.bodies[-1])

    with StrictAPI() as api:
        run(main(api))


def test_a_refused_turn_is_explained_and_left_out_from_then_on(tmp_path: Path, tools: None) -> None:
    async def main(api: StrictAPI) -> None:
        async with in_process(tmp_path, settings=asking(api.url, "claude-sonnet-5-5")) as chat:
            await chat.ask("first", "r0")
            end = await chat.ask(f"{wants(call('look'))}[[stop=refusal]] bad thing", "r1")
            assert "This may enable cyber harm." in end["message"]["notice"]
            await chat.ask("something else", "r2")
            sent = str(api.bodies[-1]["messages"])
            assert "bad thing" not in sent and "had declined" in sent and "first" in sent
            assert api.refusals == []

    with StrictAPI() as api:
        run(main(api))


def test_a_pause_of_the_providers_own_tool_is_sent_back_and_goes_on(tmp_path: Path, tools: None) -> None:
    async def main(api: StrictAPI) -> None:
        async with in_process(tmp_path, settings=asking(api.url, "claude-sonnet-5-5", thinking="low")) as chat:
            end = await chat.ask("[[think=hm]][[stop=pause_turn]][[text=It is so.]] search", "r1")
            assert (end["state"], api.refusals) == ("final", [])
            assert api.bodies[1]["messages"][-1]["role"] == "assistant"
            assert api.bodies[1]["messages"][-1]["content"][-1]["input"] == {"query": "x"}
            text = end["message"]["content"][-1]
            assert text["text"] == "It is so." and text["citations"][0]["url"] == "https://example.org/x"
            await chat.ask("thanks", "r2")
            assert api.refusals == [] and api.divergences() == []
            assert "encrypted_index" in str(api.bodies[-1])

    with StrictAPI() as api:
        run(main(api))


def test_the_last_message_of_a_run_says_what_the_whole_run_cost(tmp_path: Path, tools: None) -> None:
    async def main(api: StrictAPI) -> None:
        async with in_process(tmp_path, settings=asking(api.url, "claude-sonnet-5-5")) as chat:
            end = await chat.ask(wants(call("look"), call("look")), "r1")
            whole, last = end["message"]["runUsage"], end["message"]["usage"]
            steps = [m["usage"] for m in await chat.messages() if m["role"] == "assistant"]
            assert whole["steps"] == len(steps) == 3
            for name in ("input", "output", "cacheRead", "cacheWrite", "totalTokens"):
                assert whole[name] == sum(usage[name] for usage in steps)
            assert whole["cost"]["total"] == pytest.approx(sum(usage["cost"]["total"] for usage in steps))
            assert whole["totalTokens"] > last["totalTokens"]
            single = await chat.ask("hello", "r2")
            assert "runUsage" not in single["message"]

    with StrictAPI() as api:
        run(main(api))


def test_a_step_of_many_calls_is_read_from_the_cache_too(tmp_path: Path, tools: None) -> None:
    """The API looks for an earlier prompt 20 blocks back and no further."""

    async def main(api: StrictAPI) -> None:
        async with in_process(tmp_path, settings=asking(api.url, "claude-sonnet-5-5", thinking="low")) as chat:
            await chat.ask("[[think=hm]]" + wants(call("look"), call("look")) * 15, "r1")
            await chat.ask("and?", "r2")
            assert api.refusals == [] and api.divergences() == []
            assert min(share_read(api)) > 0.95

    with StrictAPI() as api:
        run(main(api))


def test_work_that_cannot_be_shortened_is_summed_up_between_two_steps(tmp_path: Path, tools: None) -> None:
    def brain(body: Any) -> Says:
        if is_side_request(body):
            return Says("The summary: steps were made.")
        done = len(api.turns) - 1
        return Says(f"step {done}", [call("look", note="words " * 1500)]) if done < 9 else Says("all done")

    async def main() -> None:
        async with in_process(tmp_path, settings=asking(api.url, "claude-tiny")) as chat:
            end = await chat.ask("the task: count the rows", "r1")
            assert (end["state"], api.refusals) == ("final", []), end
            last = str(api.turns[-1].body["messages"])
            assert "The summary: steps were made." in last and "the task: count the rows" in last and "step 8" in last
            stored = await chat.messages()
            assert any(m.get("compaction", {}).get("auto") for m in stored), "people see it in the transcript"
            streams = [p["data"]["phase"] for p in chat.peer.payloads("agent") if p["stream"] == "compaction"]
            assert streams[:2] == ["start", "end"]
            await chat.ask("and now?", "r2")
            assert api.refusals == [] and "step 8" in str(api.turns[-1].body["messages"])

    with StrictAPI() as api:
        api.brain = brain
        run(main())


def test_on_a_small_window_old_results_are_shortened_and_the_work_is_not_lost(tmp_path: Path, tools: None) -> None:
    """Twelve steps of results that together exceed the window three times over."""

    def brain(body: Any) -> Says:
        blocks = [b for m in body["messages"] for b in m["content"] if b["type"] == "tool_result"]
        if not body.get("tools"):
            return Says("<summary of the work>")
        done = sum(1 for seen in api.turns) - 1
        return Says(f"step {done}", [call("look", size=9000)]) if done < 12 else Says(f"all done, saw {len(blocks)}")

    async def main() -> None:
        async with in_process(tmp_path, settings=asking(api.url, "claude-tiny")) as chat:
            end = await chat.ask("the task: count the rows", "r1")
            assert (end["state"], api.refusals) == ("final", []), end
            assert "all done" in texts(end["message"]["content"])
            assert "the task: count the rows" in str(api.bodies[-1]["messages"]), "word for word, also after a cut"
            assert any("older result left out" in str(body) for body in api.bodies)
            stored = await chat.messages()
            assert len([m for m in stored if m["role"] == "toolResult"]) == 12
            await chat.ask("and now?", "r2")
            sent = str(api.turns[-1].body["messages"])
            assert api.refusals == [] and ("step 11" in sent or "summary of the work" in sent)

    with StrictAPI() as api:
        api.brain = brain
        run(main())


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> dict[str, asyncio.Event]:
    """A tool that ends when the test says so: ``gate["open"].set()``."""
    events: dict[str, asyncio.Event] = {}

    async def hold(arguments: Any, context: Any) -> str:
        events["open"] = asyncio.Event()
        context.progress({"waiting": True})
        await events["open"].wait()
        return "held"

    async def offered(*_: Any) -> Any:
        return (tool("hold", hold),)

    monkeypatch.setattr(turn, "offered", offered)
    return events


async def holding(chat: InProcess, run_id: str) -> None:
    await until(lambda: any(event["phase"] == "update" for event in chat.tool_events(run_id)))


def test_a_message_for_now_is_read_at_the_next_step_and_one_for_later_waits(
    tmp_path: Path, gate: dict[str, asyncio.Event]
) -> None:
    async def main(api: StrictAPI) -> None:
        async with in_process(tmp_path, settings=asking(api.url, "claude-sonnet-5-5", thinking="low")) as chat:
            korean = await client_of(chat.gateway, locale="ko", instance="page-2")
            chat.send(f"[[think=hm]]{wants(call('hold'))} the task", "r1")
            await holding(chat, "r1")
            await chat.call("chat.send", {"sessionKey": "main", "message": "and then this", "idempotencyKey": "r2"})
            steer = {"sessionKey": "main", "message": "no, the other file", "idempotencyKey": "r3", "when": "now"}
            await korean.call("chat.send", steer)
            gate["open"].set()
            assert (await chat.end("r1"))["state"] == "final"
            folded = await korean.end("r3")
            assert (folded["state"], folded["foldedInto"]) == ("final", "r1")
            sent = api.bodies[1]["messages"][-1]["content"]
            assert sent[0]["type"] == "tool_result" and texts(sent[1:]).endswith("no, the other file")
            assert "and then this" not in str(api.bodies[1])
            await chat.end("r2")
            assert "and then this" in str(api.bodies[-1]) and api.refusals == [] and api.divergences() == []
            roles = [(m["role"], m["runId"]) for m in await chat.messages()]
            order = ["user", "assistant", "toolResult", "user", "assistant", "user", "assistant"]
            assert [role for role, _ in roles] == order and roles[3] == ("user", "r3")
            again = await korean.call("chat.send", steer)
            assert again["payload"]["status"] == "ok", "a resend is recognised"

    with StrictAPI() as api:
        run(main(api))


def test_a_message_that_waits_already_can_be_for_now_and_for_later_again(
    tmp_path: Path, gate: dict[str, asyncio.Event]
) -> None:
    async def main(api: StrictAPI) -> None:
        async with in_process(tmp_path, settings=asking(api.url, "claude-sonnet-5-5")) as chat:
            chat.send(wants(call("hold")), "r1")
            await holding(chat, "r1")
            for run_id, text in (("r2", "no, the other file"), ("r3", "and then this")):
                await chat.call("chat.send", {"sessionKey": "main", "message": text, "idempotencyKey": run_id})
            for run_id, when in (("r2", "now"), ("r3", "now"), ("r3", "next")):
                await chat.call("chat.queue.edit", {"sessionKey": "main", "runId": run_id, "when": when})
            queued = (await chat.call("chat.history", {"sessionKey": "main"}))["payload"]["queued"]
            assert [(q["runId"], q["text"], q.get("when")) for q in queued] == [
                ("r2", "no, the other file", "now"),
                ("r3", "and then this", None),
            ]
            gate["open"].set()
            await chat.end("r1")
            assert (await chat.end("r2"))["foldedInto"] == "r1"
            assert "no, the other file" in str(api.bodies[1]) and "and then this" not in str(api.bodies[1])
            await chat.end("r3")
            empty = await chat.call("chat.queue.edit", {"sessionKey": "main", "runId": "r3"})
            assert empty["error"]["details"]["reason"] == "EMPTY_MESSAGE"

    with StrictAPI() as api:
        run(main(api))


def test_a_message_for_now_to_a_reply_without_another_step_is_answered_next(
    tmp_path: Path, gate: dict[str, asyncio.Event]
) -> None:
    async def main(api: StrictAPI) -> None:
        async with in_process(tmp_path, settings=asking(api.url, "claude-sonnet-5-5")) as chat:
            chat.send("[[first_ms=300]][[text=the first]] one", "r1")
            await until(lambda: bool(api.seen))
            end = await chat.ask("[[text=the second]] two", "r2", when="now")
            assert texts(end["message"]["content"]) == "the second" and "foldedInto" not in end

    with StrictAPI() as api:
        run(main(api))


def test_a_stop_takes_back_what_was_to_be_read_now(tmp_path: Path, gate: dict[str, asyncio.Event]) -> None:
    async def main(api: StrictAPI) -> None:
        async with in_process(tmp_path, settings=asking(api.url, "claude-sonnet-5-5")) as chat:
            chat.send(wants(call("hold")), "r1")
            await holding(chat, "r1")
            steer = {"sessionKey": "main", "message": "now!", "idempotencyKey": "r2", "when": "now"}
            await chat.call("chat.send", steer)
            await chat.call("chat.abort", {"sessionKey": "main"})
            assert [(await chat.end(run_id))["state"] for run_id in ("r1", "r2")] == ["aborted", "aborted"]
            assert "now!" not in str(await chat.messages())

    with StrictAPI() as api:
        run(main(api))


@pytest.mark.parametrize("on", [False, True])
def test_web_search_is_offered_when_it_is_switched_on_and_its_citations_are_kept(
    tmp_path: Path, tools: None, on: bool
) -> None:
    async def main(api: StrictAPI) -> None:
        settings = asking(api.url, "claude-sonnet-5-5", **({"webSearch": True, "webFetch": True} if on else {}))
        async with in_process(tmp_path, settings=settings) as chat:
            end = await chat.ask("[[bad=search]][[text=It is so.]] look it up", "r1")
            served = {each["name"]: each["type"] for each in api.bodies[0].get("tools") or () if "type" in each}
            offered = {"web_search": "web_search_20250305", "web_fetch": "web_fetch_20250910"}
            assert served == (offered if on else {})
            search, result, text = end["message"]["content"]
            assert search["block"]["input"] == {"query": "x"} and result["block"]["type"] == "web_search_tool_result"
            assert text["citations"][0]["url"] == "https://example.org/x"
            await chat.ask("thanks", "r2")
            assert api.refusals == [] and api.divergences() == []

    with StrictAPI() as api:
        run(main(api))


def test_what_had_to_be_left_out_is_said_with_the_answer(tmp_path: Path, tools: None) -> None:
    def brain(body: Any) -> Says:
        return Says("" if is_side_request(body) else "fine")  # an empty summary is none

    async def main() -> None:
        async with in_process(tmp_path, settings=asking(api.url, "claude-tiny")) as chat:
            ends = [await chat.ask(f"question {number} " + "word " * 3000, f"r{number}") for number in range(6)]
            assert {end["state"] for end in ends} == {"final"} and api.refusals == []
            assert "notice" not in ends[0]["message"]
            assert "no longer fits" in ends[-1]["message"]["notice"]

    with StrictAPI() as api:
        api.brain = brain
        run(main())
