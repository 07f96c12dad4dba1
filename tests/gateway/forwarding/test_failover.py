"""A gateway that dies, leaves, is cut off or loses messages: nothing of a conversation is lost or there twice."""

from __future__ import annotations

import asyncio
import random
import uuid
from typing import Any

import msgspec

from clawdbot_ext.gateway.forwarding.messages import Event, decode, encode
from tests.support.gateways import Gateways
from tests.support.in_process import KEY, InProcess, texts, until

from .conftest import SECONDS, dictated, text_of


def ends(client: InProcess, run_id: str) -> list[dict[str, Any]]:
    return [p for p in client.peer.payloads("chat") if p["runId"] == run_id and p["state"] != "delta"]


def closed(client: InProcess) -> list[int]:
    return [frame["closed"] for frame in client.peer.frames if "closed" in frame]


async def transcript(made: Gateways) -> list[tuple[str, str, str]]:
    page = await made.database.history(session_key=KEY, limit=1000)
    bodies = [msgspec.json.decode(message.body) for message in page.messages]
    return [(body["role"], texts(body["content"]), body.get("stopReason", "")) for body in bodies]


def test_when_the_home_dies_in_mid_reply_its_text_is_kept_and_what_waits_goes_on(drive):
    async def scenario(made: Gateways) -> None:
        a, b = made.all
        asker = await b.client()
        run_id = await dictated(made, asker)
        watcher, waiting = await a.client(caps=["session.events", "chat.append"]), uuid.uuid4().hex
        await watcher.call("chat.send", {"sessionKey": "main", "message": "later", "idempotencyKey": waiting})
        made.script.say("Half of it")
        await until(lambda: text_of(watcher, run_id) == "Half of it")
        await b.gateway.services.store.save_partial(run_id, text="Half of it", thinking="")
        made.kill(b)
        again = await a.client()
        await until(lambda: closed(watcher) == [1012])
        history = await again.call("chat.history", {"sessionKey": "main"})
        assert history["ok"], history
        resent = await again.call("chat.send", {"sessionKey": "main", "message": "later", "idempotencyKey": waiting})
        assert resent["payload"]["status"] in ("in_flight", "ok")
        await until(lambda: ends(again, waiting) or resent["payload"]["status"] == "ok")
        assert a.has_home(KEY)
        lines = await transcript(made)
        assert lines[:2] == [("user", "[[dictated]] go on", ""), ("assistant", "Half of it", "interrupted")]
        assert (
            [line[:2] for line in lines[2:3]] == [("user", "later")] and lines[3][0] == "assistant" and len(lines) == 4
        )

    drive(scenario)


def test_a_send_whose_home_dies_before_the_answer_is_settled_by_its_idempotency_key(drive):
    async def scenario(made: Gateways) -> None:
        a, b = made.all
        await (await b.client()).call("sessions.new", {"key": "main"})
        sender, run_id = await a.client(), uuid.uuid4().hex
        await sender.call("chat.history", {"sessionKey": "main"})
        b.member.send = lambda target, message, *, at_once=True: None  # type: ignore[method-assign]
        number = sender.request("chat.send", {"sessionKey": "main", "message": "hi", "idempotencyKey": run_id})
        await b.gateway.services.runs.events.wait(run_id, SECONDS)
        made.kill(b)
        await until(lambda: any(f.get("id") == number for f in sender.peer.frames))
        answers = [f for f in sender.peer.frames if f.get("id") == number]
        assert len(answers) == 1 and answers[0]["ok"]
        lines = await transcript(made)
        assert [line for line in lines if line[0] == "user"] == [("user", "hi", "")]

    drive(scenario)


def test_a_client_that_has_only_the_answer_to_its_send_resumes_when_the_home_dies(drive):
    async def scenario(made: Gateways) -> None:
        a, b = made.all
        await (await b.client()).call("sessions.new", {"key": "main"})
        sender, run_id, passes = await a.client(), uuid.uuid4().hex, b.member.send

        def without_events(target: str, message: bytes, *, at_once: bool = True) -> None:
            if kept := [each for each in decode(message) if not isinstance(each, Event)]:
                passes(target, encode(kept))

        b.member.send = without_events  # type: ignore[method-assign]
        answer = await sender.call("chat.send", {"sessionKey": "main", "message": "hi", "idempotencyKey": run_id})
        assert answer["ok"]
        await b.gateway.services.runs.events.wait(run_id, SECONDS)
        made.kill(b)
        await until(lambda: closed(sender) == [1012])

    drive(scenario)


def test_a_change_whose_home_dies_before_the_answer_fails_with_a_retryable_error(drive):
    async def scenario(made: Gateways) -> None:
        a, b = made.all
        await (await b.client()).call("sessions.new", {"key": "main"})
        client = await a.client(locale="ko")
        await client.call("chat.history", {"sessionKey": "main"})
        made.hub.members[b.member.member].dead = True  # takes nothing any more
        number = client.request("sessions.patch", {"key": "main", "label": "x"})
        await until(lambda: any(link.asked for link in a.gateway.forwarding.links.values()))
        made.kill(b)
        await until(lambda: any(f.get("id") == number for f in client.peer.frames))
        error = next(f for f in client.peer.frames if f.get("id") == number)["error"]
        assert (error["code"], error["details"]["reason"], error["retryable"]) == ("UNAVAILABLE", "GATEWAY_GONE", True)
        assert "게이트웨이" in error["details"]["text"]
        patched = await client.call("sessions.patch", {"key": "main", "label": "x"})
        assert patched["ok"] and a.has_home(KEY)

    drive(scenario)


def test_a_socket_cut_at_any_place_of_a_reply_resumes_at_the_other_gateway(drive):
    """200 places: the text so far of ``chat.history`` and the deltas after it are the reply, whole and once."""

    async def scenario(made: Gateways) -> None:
        chance, writer = random.Random(18), await made.all[1].client(caps=["chat.append"])
        run_id = await dictated(made, writer)
        said, client, history = "", None, None
        for place in range(200):
            word = chance.choice(["한글 ", "word ", "😀", "\n", "`code` "]) * chance.randint(1, 3)
            said += word
            made.script.say(word)
            if chance.random() < 0.5:
                await asyncio.sleep(0)
            if client is not None:
                client.peer.connection.on_disconnect()
            client = await made.all[place % 2].client(caps=["chat.append"])
            history = await client.call("chat.history", {"sessionKey": "main"})
            assert said.startswith(history["payload"]["inFlight"]["text"])
        made.script.say(None)
        assert texts((await client.end(run_id))["message"]["content"]) == said
        assert text_of(client, run_id, history) == said == text_of(writer, run_id)

    drive(scenario)


def test_a_gateway_that_leaves_hands_on_what_waits_and_tells_its_clients(drive):
    async def scenario(made: Gateways) -> None:
        a, b = made.all
        watcher, client = await a.client(), await b.client()
        run_id, waiting = await dictated(made, client), uuid.uuid4().hex
        await watcher.call("chat.send", {"sessionKey": "main", "message": "later", "idempotencyKey": waiting})
        stopping = asyncio.create_task(b.gateway.stop("SIGTERM"))
        await until(lambda: client.peer.payloads("shutdown"))
        assert client.peer.payloads("shutdown")[0]["restartExpectedMs"] == 500
        last = watcher.request(
            "chat.send", {"sessionKey": "main", "message": "last", "idempotencyKey": uuid.uuid4().hex}
        )
        made.script.say("The whole reply", None)
        await asyncio.wait_for(stopping, SECONDS)
        assert closed(client) == [1012] and closed(watcher) == [] and watcher.peer.payloads("shutdown") == []
        assert (await watcher.end(waiting))["state"] == "final" and a.has_home(KEY)
        assert texts((await watcher.end(run_id))["message"]["content"]) == "The whole reply"
        assert [line[1] for line in await transcript(made)][:3] == ["[[dictated]] go on", "The whole reply", "later"]
        await until(lambda: any(frame.get("id") == last and frame["ok"] for frame in watcher.peer.frames))
        made.all.remove(b)

    drive(scenario)


def test_a_gateway_taken_for_dead_stops_writing_and_its_clients_resume(drive):
    async def scenario(made: Gateways) -> None:
        a, b = made.all
        client, watcher = await b.client(), await a.client()
        run_id = await dictated(made, client)
        made.script.say("so far")
        await until(lambda: watcher.peer.payloads("chat"))
        await b.gateway.services.store.save_partial(run_id, text="so far", thinking="")
        b.store.fenced = True
        made.hub.fence(b.member)
        assert closed(client) == [1012] and not b.has_home(KEY)
        b.store.fenced = False  # it has joined again, under another number
        made.script.say(" and more", None)
        await until(lambda: closed(watcher) == [1012])
        back = await b.client()
        await back.call("chat.history", {"sessionKey": "main"})
        assert await transcript(made) == [("user", "[[dictated]] go on", ""), ("assistant", "so far", "interrupted")]
        assert (await back.ask("hello", uuid.uuid4().hex))["state"] == "final" and a.has_home(KEY)

    drive(scenario)


def test_after_messages_were_lost_clients_resume_and_requests_are_made_again(drive):
    async def scenario(made: Gateways) -> None:
        a, b = made.all
        asker, watcher = await b.client(), await a.client()
        await dictated(made, asker)
        await watcher.call("chat.history", {"sessionKey": "main"})
        lost: list[bytes] = []
        b.member.lose = lambda target, message: not lost and not lost.append(message)
        number = watcher.request("chat.history", {"sessionKey": "main"})
        await until(lambda: closed(watcher) == [1012])
        again = await a.client()
        answer = await again.call("chat.history", {"sessionKey": "main"})
        assert answer["payload"]["inFlight"]["text"] == "" and lost
        assert not any(f.get("id") == number for f in watcher.peer.frames)
        made.script.say("done", None)
        await until(lambda: again.peer.payloads("chat"))

    drive(scenario)
