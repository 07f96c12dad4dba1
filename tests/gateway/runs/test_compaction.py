"""Compaction: the model goes on from a summary, the transcript stays whole."""

from __future__ import annotations

import json

import pytest

from clawdbot_ext.agent.context.compaction import effective, split
from tests.support.wire import WireError, run, text_of, wired


def user(seq: int, text: str) -> dict:
    return {"role": "user", "seq": seq, "content": [{"type": "text", "text": text}], "timestamp": seq}


def reply(seq: int, text: str, **more) -> dict:
    return {**user(seq, text), "role": "assistant", "usage": {"input": 900}, **more}


def test_the_conversation_goes_on_from_the_newest_summary():
    stored = [
        user(1, "a"),
        reply(2, "b"),
        user(3, "c"),
        reply(4, "d"),
        reply(5, "done", command="/compact", compaction={"summary": "S", "after": 2}),
        user(6, "e"),
    ]
    got = effective(stored)
    assert [m["seq"] for m in got] == [2, 3, 4, 6]
    assert "S" in got[0]["content"][0]["text"] and got[0]["role"] == "user"
    assert "usage" not in got[2], "it was counted with what is out of sight now"


def test_what_is_kept_begins_with_a_user_message_and_holds_the_newest():
    talk = [user(1, "x" * 4000), reply(2, "y" * 4000), user(3, "x" * 400), reply(4, "y"), user(5, "z" * 40_000)]
    assert split(talk, 0).after == 5
    assert split(talk, 10).after == 4
    assert split(talk, 13_000).after == 2
    assert split(talk, 10**6) is None
    assert split([user(1, "only a question")], 0) is None


def test_compact_summarises_with_the_model_keeps_the_transcript_and_is_announced(scripted_gateway):
    gateway, api = scripted_gateway

    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            await wire.ask("my dog is called Rex [[text=noted]]")
            end = await wire.ask("/compact the name of the dog [[text=The dog is Rex.]]")
            assert "The dog is Rex." in text_of(end["message"]) and end["message"]["command"] == "/compact"
            asked = json.dumps(api.bodies[-1]["messages"])
            assert "my dog is called Rex" in asked and "Above all keep: the name of the dog" in asked
            phases = [
                e["payload"]["data"]["phase"]
                for e in wire.events
                if e["event"] == "agent" and e["payload"]["stream"] == "compaction"
            ]
            assert phases == ["start", "end"]
            await wire.ask("and now [[text=ok]]")
            sent = json.dumps(api.bodies[-1]["messages"])
            assert "The dog is Rex." in sent and "noted" not in sent and "my dog is called" not in sent
            kept = [text_of(m) for m in (await wire.call("chat.history", {"sessionKey": "main"}))["messages"]]
            assert kept[0].startswith("my dog") and "noted" in kept and kept[-1] == "ok"
            cost = await wire.call("usage.cost")
            assert cost["totals"]["totalTokens"] == sum(row["totalTokens"] for row in cost["daily"]) > 0
            models = (await wire.call("sessions.usage"))["sessions"]
            assert models[0]["replies"] == 3, "the summary is counted too"

    run(main())


def test_nothing_to_compact_and_a_running_reply_are_said(scripted_gateway):
    gateway, _ = scripted_gateway

    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            assert "nothing" in text_of((await wire.ask("/compact"))["message"])
            run_id, _ = await wire.send("[[tokens=100]] [[delay_ms=40]]", key="busy")
            await wire.wait("chat", lambda p: p["runId"] == run_id)
            with pytest.raises(WireError) as refused:
                await wire.call("sessions.compact", {"key": "busy"})
            assert refused.value.details["reason"] == "BUSY"
            await wire.call("chat.abort", {"sessionKey": "busy"})

    run(main())


def test_a_summary_that_fails_changes_nothing(scripted_gateway):
    gateway, api = scripted_gateway

    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            await wire.ask("one [[text=two]]")
            with pytest.raises(WireError) as failed:
                await wire.call("sessions.compact", {"key": "main", "instructions": "[[error=400]]"})
            assert failed.value.details["reason"] == "COMPACTION_FAILED"
            await wire.ask("three [[text=four]]")
            assert "one" in json.dumps(api.bodies[-1]["messages"])

    run(main())


def test_a_window_that_gets_full_is_compacted_before_the_answer(make_gateway, messages_api):
    models = [{"id": "small", "contextWindow": 4000, "maxTokens": 500}]
    gateway = make_gateway(
        config={
            "models": {
                "providers": {"local": {"api": "anthropic-messages", "baseUrl": messages_api.url, "models": models}}
            }
        }
    )

    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            for number in range(8):
                await wire.ask(f"question {number} " + "word " * 250 + "[[text=fine]]")
            phases = [
                e["payload"]["data"]
                for e in wire.events
                if e["event"] == "agent" and e["payload"]["stream"] == "compaction"
            ]
            assert [p["phase"] for p in phases[:2]] == ["start", "end"]
            messages = (await wire.call("chat.history", {"sessionKey": "main"}))["messages"]
            assert sum(m["role"] == "user" for m in messages) == 8, "the transcript is whole"
            assert any(m.get("compaction", {}).get("auto") for m in messages)
            assert "<summary>" in json.dumps(messages_api.bodies[-1]["messages"])
            assert messages[-1]["role"] == "assistant" and text_of(messages[-1]) == "fine"

    run(main())
