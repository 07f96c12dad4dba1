"""Stopping at the worst moment: while a send is being stored, started or ended, by several clients at once."""

from __future__ import annotations

import asyncio
import json
import uuid

from tests.support.wire import Wire, run, wired

SLOW = "[[tokens=3000]] [[delay_ms=5]] [[first_ms=50]]"
CAPS = ("chat.append", "session.events")


async def at_once(wire: Wire, *requests: tuple[str, dict]) -> list[dict]:
    """Send several requests without waiting for an answer; the response frames."""
    answers = []
    for method, params in requests:
        request_id = uuid.uuid4().hex
        answers.append(wire.expect(request_id))
        await wire.socket.send(json.dumps({"type": "req", "id": request_id, "method": method, "params": params}))
    return [await asyncio.wait_for(answer, 10) for answer in answers]


def send(key: str, text: str = SLOW) -> tuple[str, dict]:
    return "chat.send", {"sessionKey": key, "message": text, "idempotencyKey": uuid.uuid4().hex}


def test_a_stop_right_behind_a_send_stops_it(gateway):
    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            for number in range(10):
                key = f"s{number}"
                first, second = send(key), send(key)
                *_, stopped = await at_once(wire, first, second, ("chat.abort", {"sessionKey": key}))
                assert stopped["payload"]["runIds"] == [first[1]["idempotencyKey"], second[1]["idempotencyKey"]]
            assert (await wire.call("health"))["runs"] == {"running": 0, "queued": 0}

    run(main())


def test_two_clients_that_stop_a_full_line_at_once_both_get_an_answer(gateway):
    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            sends = await at_once(wire, *[send("main") for _ in range(15)])
            assert all(answer["ok"] for answer in sends)
            stop = ("chat.abort", {"sessionKey": "main"})
            one, two = await at_once(wire, stop, stop)
            assert one["ok"] and two["ok"]
            assert len(one["payload"]["runIds"]) + len(two["payload"]["runIds"]) == 15

    run(main())


def test_the_line_is_as_long_as_configured_however_fast_the_sends_come(make_gateway):
    gateway = make_gateway(config={"session": {"maxQueued": 3}})

    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            answers = await at_once(wire, *[send("main") for _ in range(30)])
            assert sum(answer["ok"] for answer in answers) == 4
            assert {a["error"]["details"]["reason"] for a in answers if not a["ok"]} == {"QUEUE_FULL"}
            assert (await wire.call("health"))["runs"] == {"running": 1, "queued": 3}

    run(main())


def test_what_is_sent_while_a_session_is_reset_is_answered_in_the_new_transcript(gateway):
    async def main():
        async with wired(gateway.ws_url, gateway.token, caps=CAPS) as wire:
            for number in range(20):
                await at_once(wire, send("main"), send("main"))
                reset, sent = await at_once(wire, ("sessions.reset", {"key": "main"}), send("main", "[[text=here]]"))
                run_id = sent["payload"]["runId"]
                assert (await wire.end(run_id))["state"] == "final", number
                history = await wire.call("chat.history", {"sessionKey": "main"})
                assert history["sessionId"] == reset["payload"]["entry"]["sessionId"]
                assert [m["runId"] for m in history["messages"]] == [run_id, run_id]

    run(main())
