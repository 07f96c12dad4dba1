"""``chat.*`` over a real socket, answered by the demo provider or a scripted Messages API."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from contextlib import AsyncExitStack

import pytest

from tests.support.wire import WireError, opened, run, text_of, wired

APPEND = ("chat.append", "session.events")
SLOW = "[[tokens=400]] [[delay_ms=20]]"


def test_a_message_is_acknowledged_answered_and_kept(gateway):
    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            run_id, answer = await wire.send("hello [[tokens=5]]")
            assert answer == {"runId": run_id, "status": "started"}
            end = await wire.end(run_id)
            assert end["state"] == "final" and end["sessionKey"] == "agent:main:main"
            history = await wire.call("chat.history", {"sessionKey": "main"})
            assert [m["role"] for m in history["messages"]] == ["user", "assistant"]
            assert history["messages"][0]["content"] == [{"type": "text", "text": "hello [[tokens=5]]"}]
            assert history["messages"][1] == end["message"]
            assert end["message"]["stopReason"] == "stop"
            assert text_of(end["message"]).split() == ["t0", "t1", "t2", "t3", "t4"]
            phases = [f["payload"]["data"]["phase"] for f in wire.events if f["event"] == "agent"]
            assert phases == ["start", "end"]

    run(main())


def test_frames_have_only_the_keys_that_clawdbots_node_client_accepts_and_seq_rises_by_one(gateway):
    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            await wire.ask("[[tokens=50]] [[delay_ms=5]]")
            assert all(set(f) <= {"type", "event", "payload", "seq", "stateVersion"} for f in wire.events)
            assert [f["seq"] for f in wire.events[1:]] == list(range(1, len(wire.events)))

    run(main())


def test_without_our_capability_deltas_carry_the_whole_text_and_come_at_most_every_150_ms(gateway):
    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            began = time.monotonic()
            end = await wire.ask("[[tokens=120]] [[delay_ms=5]]")
            most = (time.monotonic() - began) / 0.15 + 2  # the first and the last come when they are there
            deltas = wire.deltas(end["runId"])
            texts = [d["message"]["content"][0]["text"] for d in deltas]
            assert 2 <= len(texts) <= most and len(set(texts)) == len(texts)
            assert all(text.startswith(earlier) for text, earlier in zip(texts[1:], texts, strict=False))
            assert text_of(end["message"]).startswith(texts[-1])
            assert not [f for f in wire.events if f["event"] == "agent" and f["payload"]["stream"] == "assistant"]

    run(main())


def test_with_chat_append_deltas_join_to_the_reply_at_utf16_offsets(gateway):
    async def main():
        async with wired(gateway.ws_url, gateway.token, caps=APPEND) as wire:
            end = await wire.ask("[[delay_ms=8]] [[text=가나 😀 다라 𝒳 마바 끝 하나 둘 셋 넷 다섯 😀😀 여섯]]")
            joined = ""
            for delta in wire.deltas(end["runId"]):
                assert "message" not in delta and delta["offset"] == len(joined.encode("utf-16-le")) // 2
                joined += delta["text"]
            assert joined == text_of(end["message"])

    run(main())


def test_a_resend_has_one_effect_and_is_told_what_became_of_the_first(gateway):
    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            run_id, _ = await wire.send("again [[tokens=60]] [[delay_ms=10]]")
            _, while_running = await wire.send("again [[tokens=60]] [[delay_ms=10]]", run_id=run_id)
            assert while_running == {"runId": run_id, "status": "in_flight"}
            await wire.end(run_id)
            _, after = await wire.send("again [[tokens=60]] [[delay_ms=10]]", run_id=run_id)
            assert after == {"runId": run_id, "status": "ok", "summary": "completed"}
            history = await wire.call("chat.history", {"sessionKey": "main"})
            assert len(history["messages"]) == 2

    run(main())


@pytest.mark.parametrize(("text", "key"), [("another text", "main"), ("one [[tokens=1]]", "other")])
def test_a_key_that_was_used_for_something_else_is_refused(gateway, text, key):
    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            end = await wire.ask("one [[tokens=1]]")
            with pytest.raises(WireError) as refused:
                await wire.send(text, key=key, run_id=end["runId"])
            assert refused.value.details["reason"] == "IDEMPOTENCY_CONFLICT"

    run(main())


def test_stop_keeps_the_text_so_far_and_says_so(gateway):
    async def main():
        async with wired(gateway.ws_url, gateway.token, caps=APPEND) as wire:
            run_id, _ = await wire.send(SLOW)
            await wire.wait("chat", lambda p: p["state"] == "delta")
            answer = await wire.call("chat.abort", {"sessionKey": "main", "runId": run_id})
            assert answer == {"ok": True, "aborted": True, "runIds": [run_id]}
            end = await wire.end(run_id)
            assert (end["state"], end["stopReason"]) == ("aborted", "rpc")
            history = await wire.call("chat.history", {"sessionKey": "main"})
            kept = history["messages"][-1]
            assert kept["stopReason"] == "aborted" and text_of(kept) and kept == end["message"]
            assert "inFlight" not in history

    run(main())


def test_stopping_nothing_is_no_error(gateway):
    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            assert await wire.call("chat.abort", {"sessionKey": "unknown"}) == {
                "ok": True,
                "aborted": False,
                "runIds": [],
            }

    run(main())


def test_sends_during_a_reply_wait_in_order_and_each_gets_its_own_answer(gateway):
    async def main():
        async with wired(gateway.ws_url, gateway.token, caps=APPEND) as wire:
            first, _ = await wire.send("[[tokens=60]] [[delay_ms=10]]")
            second, answer = await wire.send("[[text=second]]")
            third, answer3 = await wire.send("[[text=third]]")
            assert (answer["queuePosition"], answer3["queuePosition"]) == (1, 2)
            history = await wire.call("chat.history", {"sessionKey": "main"})
            assert [q["runId"] for q in history["queued"]] == [second, third]
            await wire.wait("session.queue", lambda p: len(p["queued"]) == 2)
            ends = [await wire.end(r) for r in (first, second, third)]
            assert [text_of(e["message"]) for e in ends[1:]] == ["second", "third"]
            history = await wire.call("chat.history", {"sessionKey": "main"})
            assert [m["runId"] for m in history["messages"]] == [first, first, second, second, third, third]
            assert "queued" not in history

    run(main())


def test_a_waiting_send_can_be_taken_back(gateway):
    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            first, _ = await wire.send(SLOW)
            second, _ = await wire.send("never")
            assert (await wire.call("chat.abort", {"sessionKey": "main", "runId": second}))["runIds"] == [second]
            assert (await wire.end(second))["state"] == "aborted"
            assert (await wire.call("chat.abort", {"sessionKey": "main"}))["runIds"] == [first]
            history = await wire.call("chat.history", {"sessionKey": "main"})
            assert not [m for m in history["messages"] if m.get("runId") == second]

    run(main())


def test_the_line_is_bounded_and_the_refusal_has_a_code(gateway):
    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            await wire.send(SLOW)
            for _ in range(20):
                await wire.send("waiting")
            with pytest.raises(WireError) as refused:
                await wire.send("one too many")
            assert (refused.value.code, refused.value.details["reason"]) == ("UNAVAILABLE", "QUEUE_FULL")
            assert len((await wire.call("chat.abort", {"sessionKey": "main"}))["runIds"]) == 21

    run(main())


def test_thirty_two_sessions_answer_at_the_same_time_and_none_fails(gateway):
    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            ends = await asyncio.gather(*(wire.ask("[[tokens=50]] [[delay_ms=10]]", key=f"s{i}") for i in range(32)))
            assert [e["state"] for e in ends] == ["final"] * 32
            order = [f["payload"]["runId"] for f in wire.events if f["event"] == "chat"]
            first_end = next(
                i for i, f in enumerate(wire.events) if f["event"] == "chat" and f["payload"]["state"] == "final"
            )
            before = {f["payload"]["runId"] for f in wire.events[:first_end] if f["event"] == "chat"}
            assert len(set(order)) == 32 and len(before) > 16  # they overlapped: one after the other it would be 1

    run(main())


def test_two_clients_see_one_stream_and_a_late_one_misses_nothing(gateway):
    async def main():
        async with (
            wired(gateway.ws_url, gateway.token, caps=APPEND) as a,
            wired(gateway.ws_url, gateway.token, caps=APPEND) as b,
        ):
            run_id, _ = await a.send("[[tokens=80]] [[delay_ms=10]]")
            seen = await b.wait("session.message", lambda p: p["message"].get("runId") == run_id)
            assert seen["payload"]["message"]["role"] == "user"
            await b.wait("chat", lambda p: p["state"] == "delta")
            async with wired(gateway.ws_url, gateway.token, caps=APPEND) as late:
                history = await late.call("chat.history", {"sessionKey": "main"})
                text = history["inFlight"]["text"]
                assert history["inFlight"]["runId"] == run_id and text
                before = len(late.deltas(run_id))
                end = await late.end(run_id)
                for delta in late.deltas(run_id)[before:]:
                    assert delta["offset"] == len(text)
                    text += delta["text"]
                assert text == text_of(end["message"])
            for wire in (a, b):
                end = await wire.end(run_id)
                assert "".join(d["text"] for d in wire.deltas(run_id)) == text_of(end["message"])

    run(main())


def test_an_injected_note_is_stored_and_seen_and_needs_a_session(gateway):
    async def main():
        async with wired(gateway.ws_url, gateway.token, caps=APPEND) as wire:
            with pytest.raises(WireError) as refused:
                await wire.call("chat.inject", {"sessionKey": "unknown", "message": "x"})
            assert refused.value.details["reason"] == "NOT_FOUND"
            await wire.ask("[[tokens=1]]")
            answer = await wire.call("chat.inject", {"sessionKey": "main", "message": "a note", "label": "cron"})
            event = await wire.wait("chat", lambda p: p["runId"] == f"inject-{answer['messageId']}")
            assert event["payload"]["state"] == "final"
            assert text_of(event["payload"]["message"]) == "[cron]\n\na note"
            history = await wire.call("chat.history", {"sessionKey": "main"})
            assert history["messages"][-1]["stopReason"] == "injected"

    run(main())


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"message": "  \n"}, "EMPTY_MESSAGE"),
        ({"message": "x", "thinking": "enormous"}, "BAD_LEVEL"),
        ({"message": "x", "attachments": [{"type": "image", "content": "%%%"}]}, "BAD_BASE64"),
        ({"message": "a\0b"}, None),
        ({"message": 5}, None),
        ({"message": "x", "sessionKey": "a\nb"}, None),
        ({"message": "x", "sessionKey": ""}, None),
    ],
)
def test_a_bad_send_gets_a_code_and_stores_nothing(gateway, params, reason):
    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            with pytest.raises(WireError) as refused:
                await wire.call("chat.send", {"sessionKey": "main", "idempotencyKey": uuid.uuid4().hex, **params})
            assert refused.value.code == "INVALID_REQUEST" and refused.value.details.get("reason") == reason
            assert (await wire.call("chat.history", {"sessionKey": "main"}))["messages"] == []

    run(main())


def test_a_session_that_does_not_take_messages_says_so(gateway):
    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            await wire.call("sessions.patch", {"key": "quiet", "sendPolicy": "deny"})
            with pytest.raises(WireError) as refused:
                await wire.send("hello", key="quiet")
            assert refused.value.details["reason"] == "SEND_DENIED"

    run(main())


def test_an_unknown_session_has_an_empty_history_and_an_unknown_transcript_is_not_found(gateway):
    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            history = await wire.call("chat.history", {"sessionKey": "unknown"})
            assert history["messages"] == [] and history["hasMore"] is False
            with pytest.raises(WireError) as refused:
                await wire.call("chat.history", {"sessionId": "no-such-transcript"})
            assert refused.value.details["reason"] == "NOT_FOUND"

    run(main())


def test_history_pages_backwards_without_gaps(gateway):
    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            await wire.ask("[[tokens=1]]")
            for i in range(30):
                await wire.call("chat.inject", {"sessionKey": "main", "message": f"note {i}"})
            seen, before = [], None
            for _ in range(10):
                page = await wire.call(
                    "chat.history", {"sessionKey": "main", "limit": 7, **({"beforeSeq": before} if before else {})}
                )
                seen = [m["seq"] for m in page["messages"]] + seen
                before = seen[0]
                if not page["hasMore"]:
                    break
            assert len(seen) == 32 and seen == sorted(seen)

    run(main())


def test_an_unknown_method_and_a_missing_scope_keep_the_socket(gateway):
    async def main():
        async with wired(gateway.ws_url, gateway.token, scopes=["operator.read"]) as wire:
            for method, reason in (
                ("no.such", "UNKNOWN_METHOD"),
                ("chat.inject", "MISSING_SCOPE"),
                ("config.get", "MISSING_SCOPE"),
                ("chat.send", "MISSING_SCOPE"),
            ):
                with pytest.raises(WireError) as refused:
                    await wire.call(method, {})
                assert refused.value.details["reason"] == reason
            assert (await wire.call("health"))["ok"] is True

    run(main())


def test_invalid_json_is_answered_and_keeps_the_socket(gateway):
    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            answer = wire.expect("invalid")
            await wire.socket.send("{nonsense")
            error = (await asyncio.wait_for(answer, 10))["error"]
            assert (error["code"], error["details"]["reason"]) == ("INVALID_REQUEST", "INVALID_JSON")
            assert (await wire.call("health"))["ok"] is True


def test_a_long_history_is_read_without_holding_up_other_clients(gateway):
    async def main():
        async with wired(gateway.ws_url, gateway.token) as reader, wired(gateway.ws_url, gateway.token) as other:
            await reader.ask("[[tokens=1]]")
            for i in range(300):
                await reader.call("chat.inject", {"sessionKey": "main", "message": f"note {i} " + "x" * 3000})
            done = []
            reads = [
                asyncio.ensure_future(reader.call("chat.history", {"sessionKey": "main", "limit": 1000}))
                for _ in range(30)
            ]
            for task in reads:
                task.add_done_callback(done.append)
            await reads[0]
            await other.call("health")
            assert len(done) < len(reads)
            assert all(len((await task)["messages"]) == 302 for task in reads)


def test_clients_that_come_cost_those_who_are_there_next_to_nothing(gateway):
    async def main():
        async with wired(gateway.ws_url, gateway.token) as first, AsyncExitStack() as stack:
            for _ in range(40):
                await stack.enter_async_context(wired(gateway.ws_url, gateway.token))
            assert (await first.call("status"))["gateway"]["clients"] == 41
            assert len(first.events) < 12

    run(main())


def test_an_oversized_frame_is_answered_under_its_id_and_keeps_the_socket(gateway):
    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            limit = wire.hello["policy"]["maxPayload"]
            with pytest.raises(WireError) as refused:
                await wire.send("x" * (limit + 1))
            assert refused.value.details["reason"] == "TOO_LARGE"
            assert (await wire.call("health"))["ok"] is True

    run(main())


def test_a_client_that_does_not_read_is_cut_off_and_harms_nobody(gateway):
    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire, opened(gateway.ws_url) as lazy:
            await lazy.handshake(token=gateway.token)
            lazy._reader.cancel()
            lazy.socket.transport.pause_reading()
            await wire.ask("[[tokens=1]]")
            big = "y" * 200_000
            for _ in range(60):  # 12 MB: more than any socket buffer holds besides ours
                await wire.call("chat.inject", {"sessionKey": "main", "message": big})
            assert (await wire.call("status"))["gateway"]["clients"] == 1
            assert (await wire.ask("[[text=still fine]]"))["state"] == "final"

    run(main())


def test_a_silent_or_wrong_first_frame_ends_the_connection(make_gateway):
    gateway = make_gateway(config={"gateway": {"handshakeTimeoutMs": 300}})

    async def main():
        async with opened(gateway.ws_url) as wire:
            assert await wire.closed() == 1008
        async with opened(gateway.ws_url) as wire:
            await wire.socket.recv()
            await wire.socket.send(json.dumps({"type": "req", "id": "1", "method": "health"}))
            answer = json.loads(await wire.socket.recv())
            assert answer["error"]["details"]["reason"] == "NOT_CONNECTED"
            assert await wire.closed() == 1008

    run(main())
