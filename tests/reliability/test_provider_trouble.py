"""The user's view of a provider that fails: the cause, in time, and never a cut reply dressed as a whole one."""

from __future__ import annotations

import pytest

from tests.support.wire import run, text_of, wired


@pytest.mark.parametrize(
    ("status", "kind"), [(400, "invalid"), (401, "auth"), (403, "auth"), (404, "not_found"), (413, "too_large")]
)
def test_what_no_retry_cures_is_told_at_once_and_kept(scripted_gateway, status, kind):
    gateway, api = scripted_gateway

    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            end = await wire.ask(f"[[error={status}]]")
            assert end["state"] == "error" and end["errorMessage"] and end["error"]["kind"] == kind
            assert end["error"]["hint"] and end["error"]["status"] == status
            kept = (await wire.call("chat.history", {"sessionKey": "main"}))["messages"]
            assert [m["role"] for m in kept] == ["user", "assistant"]
            assert kept[1]["stopReason"] == "error" and kept[1]["errorMessage"] == end["errorMessage"]
            assert len(api.bodies) == 1
            assert (await wire.ask("[[text=fine again]]"))["state"] == "final"

    run(main())


def test_an_overloaded_provider_is_tried_again_visibly_and_the_user_sees_one_answer(scripted_gateway):
    gateway, api = scripted_gateway

    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            end = await wire.ask("[[error_once=529]] [[text=at last]]")
            assert end["state"] == "final" and text_of(end["message"]) == "at last"
            retries = [
                f["payload"]["data"]
                for f in wire.events
                if f["event"] == "agent" and f["payload"]["data"].get("phase") == "retry"
            ]
            assert [r["attempt"] for r in retries] == [2] and retries[0]["reason"] == "overloaded"
            assert len(api.bodies) == 2

    run(main())


@pytest.mark.parametrize(
    "directive", ["[[drop=5]]", "[[cut=clean]] [[after=5]]"], ids=["connection cut", "ends without a stop reason"]
)
def test_a_cut_reply_is_interrupted_never_done(scripted_gateway, directive):
    gateway, api = scripted_gateway

    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            end = await wire.ask(f"[[tokens=20]] {directive}")
            assert end["state"] == "error" and end["message"]["stopReason"] == "interrupted"
            assert text_of(end["message"]).split() == ["t0", "t1", "t2", "t3", "t4"]
            assert len(api.bodies) == 1

    run(main())


def test_a_wait_for_the_provider_can_be_stopped(scripted_gateway):
    gateway, _ = scripted_gateway

    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            run_id, _ = await wire.send("[[error=429]] [[retry_after=30]]")
            await wire.wait("agent", lambda p: p["data"].get("phase") == "retry")
            assert (await wire.call("chat.abort", {"sessionKey": "main"}))["aborted"] is True
            assert (await wire.end(run_id))["state"] == "aborted"

    run(main())


def test_the_model_is_sent_the_conversation_and_no_key_shows_anywhere(scripted_gateway):
    gateway, api = scripted_gateway

    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            await wire.ask("my name is 민준 [[text=hello 민준]]")
            end = await wire.ask("who am I? [[tokens=3]]")
            body = api.bodies[-1]
            texts = str(body["messages"])
            assert [m["role"] for m in body["messages"]] == ["user", "assistant", "user"]
            assert "민준" in texts and "who am I" in texts and body["stream"] is True and body["system"]
            assert end["message"]["usage"]["output"] == 3 and end["message"]["model"] == body["model"]
            everything = f"{wire.events} {await wire.call('config.get')} {await wire.call('status')}"
            assert gateway.api_key not in everything and gateway.token not in everything

    run(main())
