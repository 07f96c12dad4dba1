"""Two gateways on one database: requests, events and questions of a session, whichever of them a client is at."""

from __future__ import annotations

import json
import uuid

import msgspec

from clawdbot_ext.protocol.frames import Request
from tests.support.gateways import Gateways
from tests.support.in_process import KEY, texts, until

from .conftest import dictated, text_of


def test_a_reply_at_one_gateway_is_seen_at_the_other_in_each_form_of_deltas(drive):
    async def scenario(made: Gateways) -> None:
        a, b = made.all
        writer = await b.client()
        appends = await a.client(caps=["session.events", "chat.append"])
        repeats = await a.client()
        native = await a.client(client={"id": "clawdbot-ios"})
        run_id = await dictated(made, writer)
        assert b.has_home(KEY) and not a.has_home(KEY)
        made.script.say("Hello ", "세계", " 😀")
        await until(lambda: text_of(appends, run_id) == "Hello 세계 😀")
        made.script.say(" and", " the end", None)
        for client in (appends, repeats, native, writer):
            end = await client.end(run_id)
            assert texts(end["message"]["content"]) == "Hello 세계 😀 and the end"
        assert text_of(appends, run_id) == "Hello 세계 😀 and the end"
        shown = [p["message"] for p in repeats.peer.payloads("chat") if p["runId"] == run_id and p["state"] == "delta"]
        assert all("Hello 세계 😀 and the end".startswith(texts(message["content"])) for message in shown)
        told = [p["data"]["text"] for p in native.peer.payloads("agent") if p["stream"] == "assistant"]
        assert told and told[-1] == "Hello 세계 😀 and the end"
        for client in (appends, repeats, native):
            seqs = [frame["seq"] for frame in client.peer.frames if frame.get("type") == "event" and "seq" in frame]
            assert seqs == list(range(1, len(seqs) + 1))
            stored = [p["message"]["role"] for p in client.peer.payloads("session.message")]
            assert stored == ["user"]

    drive(scenario)


def test_sends_at_both_gateways_wait_for_each_other_and_are_stopped_from_either(drive):
    async def scenario(made: Gateways) -> None:
        a, b = made.all
        one, other = await a.client(), await b.client()
        first = await dictated(made, one)
        waiting = uuid.uuid4().hex
        answer = await other.call("chat.send", {"sessionKey": "main", "message": "later", "idempotencyKey": waiting})
        assert answer["payload"]["queuePosition"] == 1
        listed = await other.call("sessions.list", {})
        row = listed["payload"]["sessions"][0]
        assert (row["running"], row["queued"]) == (True, 1)
        history = await other.call("chat.history", {"sessionKey": "main"})
        assert history["payload"]["inFlight"]["runId"] == first
        stopped = await other.call("chat.abort", {"sessionKey": "main", "runId": first})
        assert stopped["payload"]["runIds"] == [first]
        assert (await one.end(first))["state"] == "aborted"
        assert (await other.end(waiting))["state"] == "final"
        resent = await other.call("chat.send", {"sessionKey": "main", "message": "later", "idempotencyKey": waiting})
        assert resent["payload"]["status"] == "ok"

    drive(scenario)


def test_a_client_is_listed_once_at_every_gateway(drive):
    async def scenario(made: Gateways) -> None:
        a, b = made.all
        one, other = await a.client(client={"displayName": "One"}), await b.client(client={"displayName": "Two"})
        for client in (one, other):
            rows = (await client.call("system-presence", {}))["payload"]
            assert sorted(row["host"] for row in rows if row["mode"] != "gateway") == ["One", "Two"]
            listed = (await client.call("clients.list", {}))["payload"]["clients"]
            assert len(listed) == 2 and sum(row["isSelf"] for row in listed) == 1
        names = [event["event"] for event in one.peer.frames if event.get("event") in ("tick", "health")]
        assert names.count("health") == 1

    drive(scenario)


def test_errors_of_a_session_elsewhere_come_in_the_readers_language(drive):
    async def scenario(made: Gateways) -> None:
        a, b = made.all
        await (await b.client()).call("sessions.new", {"key": "notes"})
        reader = await a.client(locale="ko")
        answer = await reader.call("chat.branch", {"sessionKey": "notes", "messageId": "none"})
        assert b.has_home("agent:main:notes") and not answer["ok"]
        assert answer["error"]["details"]["text"]

    drive(scenario)


def test_a_client_has_elsewhere_the_rights_of_its_connection_and_no_more(drive):
    async def scenario(made: Gateways) -> None:
        a, b = made.all
        owner, reader = await b.client(), await a.client(scopes=["operator.read"])
        await owner.ask("hello", uuid.uuid4().hex)
        assert b.has_home(KEY)
        assert (await reader.call("chat.history", {"sessionKey": "main"}))["ok"]
        question = owner.request("exec.approval.request", {"command": "ls", "id": "q-1", "timeoutMs": 60_000})
        await until(lambda: owner.peer.payloads("exec.approval.requested"))
        send = {"sessionKey": "main", "message": "x", "idempotencyKey": uuid.uuid4().hex}
        for method, params in (
            ("chat.send", send),
            ("exec.approval.resolve", {"id": "q-1", "decision": "allow-once"}),
            ("exec.approval.list", {}),
            ("sessions.patch", {"key": "main", "label": "x"}),
        ):
            refused = await reader.call(method, params)
            assert refused["error"]["details"]["reason"] == "MISSING_SCOPE", method
        assert reader.peer.payloads("exec.approval.requested") == []
        # A gateway that passes on what it should not is refused all the same: the rights are looked at there, too.
        (link,) = a.gateway.forwarding.links.values()
        got: list[bytes] = []
        request = Request("1", "chat.send", msgspec.Raw(json.dumps(send).encode()))
        assert await link.ask(reader.peer.connection, request, KEY, got.append).outcome == "done"
        assert b"MISSING_SCOPE" in got[0]
        decided = await owner.call("exec.approval.resolve", {"id": "q-1", "decision": "deny"})
        assert decided["ok"] and question

    drive(scenario)


def test_deltas_are_held_back_for_a_client_that_reads_slowly_elsewhere(drive):
    async def scenario(made: Gateways) -> None:
        a, b = made.all
        writer, slow = await b.client(), await a.client(caps=["session.events", "chat.append"])
        run_id = await dictated(made, writer)
        unread = [slow.gateway.services.config()["gateway.maxBufferedBytes"] // 4]
        slow.peer.buffered = lambda: unread[0]  # type: ignore[method-assign]
        there = next(client for client in b.gateway.services.events.connections if client.remote)
        made.script.say("one ")
        await until(there.congested)
        held = len(slow.peer.payloads("chat"))
        made.script.say("two ")
        await until(lambda: "two" in str(writer.peer.payloads("chat")))
        assert len(slow.peer.payloads("chat")) == held
        unread[0] = 0
        a.gateway.forwarding.tick()
        await until(lambda: not there.congested())
        made.script.say("three", None)
        await slow.end(run_id)
        assert text_of(slow, run_id) == "one two three"

    drive(scenario)


def test_a_long_message_goes_whole_to_a_home_elsewhere(drive):
    async def scenario(made: Gateways) -> None:
        a, b = made.all
        owner, sender = await b.client(), await a.client()
        await owner.call("sessions.new", {"key": "main"})
        text, run_id = "긴 글 " * 100_000, uuid.uuid4().hex
        sent = {"sessionKey": "main", "message": text, "idempotencyKey": run_id}
        assert (await sender.call("chat.send", sent))["ok"]
        assert (await sender.end(run_id))["state"] == "final"
        stored = owner.peer.payloads("session.message")[0]["message"]
        assert texts(stored["content"]).strip() == text.strip() and b.has_home(KEY)

    drive(scenario)
