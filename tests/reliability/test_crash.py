"""State after kill -9 and after SIGTERM: everything acknowledged, with a cut reply shown as cut."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.wire import run, text_of, wired

SLOW = "[[tokens=2000]] [[delay_ms=5]]"


@pytest.mark.parametrize("first", [True, False], ids=["new session", "session with history"])
def test_kill_in_mid_reply_keeps_the_message_and_the_partial_reply(gateway, first):
    async def before():
        async with wired(gateway.ws_url, gateway.token, caps=["chat.append"]) as wire:
            if not first:
                await wire.ask("[[tokens=2]]")
            run_id, _ = await wire.send(SLOW)
            await wire.wait("chat", lambda p: p["state"] == "delta" and p["offset"] > 200)
            gateway.kill()
            return run_id, "".join(d["text"] for d in wire.deltas(run_id))

    run_id, seen = run(before())
    gateway.start()

    async def after():
        async with wired(gateway.ws_url, gateway.token) as wire:
            messages = (await wire.call("chat.history", {"sessionKey": "main"}))["messages"]
            user, cut = messages[-2:]
            assert (user["role"], user["runId"]) == ("user", run_id)
            assert cut["stopReason"] == "interrupted" and cut["runId"] == run_id and cut["errorMessage"]
            kept = text_of(cut)
            assert seen.startswith(kept[: len(seen)]) and len(kept) > 0
            # 250 ms at 5 ms a token is 50 tokens, each at most 6 characters; doubled for a busy machine
            assert len(seen) - len(kept) < 600
            _, again = await wire.send(SLOW, run_id=run_id)
            assert again["status"] == "error"
            assert (await wire.ask("[[text=go on]]"))["state"] == "final"

    run(after())


def test_a_send_that_was_waiting_when_the_gateway_died_is_answered_after_the_restart(gateway):
    async def before():
        async with wired(gateway.ws_url, gateway.token) as wire:
            await wire.send(SLOW)
            waiting, _ = await wire.send("[[text=not forgotten]]")
            gateway.kill()
            return waiting

    waiting = run(before())
    gateway.start()

    async def after():
        async with wired(gateway.ws_url, gateway.token) as wire:
            for _ in range(100):
                messages = (await wire.call("chat.history", {"sessionKey": "main"}))["messages"]
                if messages[-1].get("runId") == waiting and messages[-1]["role"] == "assistant":
                    break
                await asyncio.sleep(0.05)
            assert text_of(messages[-1]) == "not forgotten"

    run(after())


def test_a_resend_after_a_restart_has_no_second_effect(gateway):
    async def before():
        async with wired(gateway.ws_url, gateway.token) as wire:
            return (await wire.ask("[[tokens=3]]"))["runId"]

    run_id = run(before())
    gateway.kill()
    gateway.start()

    async def after():
        async with wired(gateway.ws_url, gateway.token) as wire:
            _, answer = await wire.send("[[tokens=3]]", run_id=run_id)
            assert answer == {"runId": run_id, "status": "ok", "summary": "completed"}
            assert len((await wire.call("chat.history", {"sessionKey": "main"}))["messages"]) == 2

    run(after())


def test_sigterm_says_goodbye_lets_a_short_reply_end_and_closes_with_1012(gateway):
    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            run_id, _ = await wire.send("[[tokens=60]] [[delay_ms=10]]")
            await wire.wait("chat", lambda p: p["state"] == "delta")
            gateway.terminate()
            assert (await wire.wait("shutdown"))["payload"]["reason"]
            assert (await wire.end(run_id))["state"] == "final"
            assert await wire.closed() in (1001, 1012)

    run(main())
    assert gateway.wait() == 0


def test_sigterm_ends_a_long_reply_as_interrupted_with_its_text(gateway):
    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            run_id, _ = await wire.send("[[tokens=100000]] [[delay_ms=20]]")
            await wire.wait("chat", lambda p: p["state"] == "delta")
            gateway.terminate()
            end = await wire.end(run_id, timeout=60)
            assert end["state"] == "error" and end["message"]["stopReason"] == "interrupted" and text_of(end["message"])

    run(main())
    assert gateway.wait() == 0
