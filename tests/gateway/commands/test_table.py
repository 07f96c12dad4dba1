"""Slash commands: the gateway answers, the model never hears of them."""

from __future__ import annotations

import uuid

import pytest

from tests.support.wire import run, text_of, wired

FULL = ("chat.append", "session.events", "session.switch")


@pytest.mark.parametrize("command", ["/status", "/models", "/model", "/help", "/commands"])
def test_an_answer_is_one_final_marked_as_a_command_and_kept(gateway, command):
    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            end = await wire.ask(command)
            assert end["state"] == "final" and not wire.deltas(end["runId"])
            assert end["message"]["stopReason"] == "command" and text_of(end["message"])
            messages = (await wire.call("chat.history", {"sessionKey": "main"}))["messages"]
            assert [m["role"] for m in messages] == ["assistant"] and messages[0]["command"].startswith("/")

    run(main())


def test_status_names_the_channels_and_the_level_in_words(gateway):
    async def main():
        for locale, channels, level in (("en", "Channels: ", "Thinking: off"), ("ko", "채널: ", "생각 수준: 끔")):
            async with wired(gateway.ws_url, gateway.token, locale=locale) as wire:
                text = text_of((await wire.ask("/status"))["message"])
                assert channels in text and level in text

    run(main())


def test_command_answers_speak_the_clients_language(gateway):
    async def main():
        async with wired(gateway.ws_url, gateway.token, locale="ko-KR") as ko:
            assert "명령" in text_of((await ko.ask("/help"))["message"])
        async with wired(gateway.ws_url, gateway.token, locale="fr") as other:
            assert "Commands" in text_of((await other.ask("/help"))["message"])

    run(main())


def test_commands_never_reach_the_model(scripted_gateway):
    gateway, api = scripted_gateway

    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            await wire.ask("[[text=first]]")
            for command in ("/status", "/clear", "/nwe", "/help"):
                await wire.ask(command)
            await wire.ask("[[text=second]]")
            sent = str([body["messages"] for body in api.bodies])
            assert not [word for word in ("/status", "/clear", "/nwe", "/help", "Commands:") if word in sent]

    run(main())


def test_text_that_only_looks_like_a_command_is_sent(gateway):
    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            for text in ("/usr/bin/python is missing", "//zzz what is this", " /status"):
                end = await wire.ask(text + " [[text=answered]]")
                assert text_of(end["message"]) == "answered" and "command" not in end["message"]

    run(main())


def test_a_misspelt_command_is_answered_with_the_nearest_one(gateway):
    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            assert "/status" in text_of((await wire.ask("/statsu"))["message"])

    run(main())


def test_new_switches_a_client_that_can_and_archives_for_one_that_cannot(gateway):
    async def main():
        async with wired(gateway.ws_url, gateway.token, caps=FULL) as wire:
            await wire.ask("[[text=kept]]")
            run_id, answer = await wire.send("/new")
            assert answer["switchTo"].startswith("agent:main:webchat:")
            assert text_of((await wire.call("chat.history", {"sessionKey": "main"}))["messages"][-1]) == "kept"
            _, again = await wire.send("/new", run_id=run_id)
            assert again["switchTo"] == answer["switchTo"]
        async with wired(gateway.ws_url, gateway.token) as wire:
            old = (await wire.call("chat.history", {"sessionKey": "main"}))["sessionId"]
            end = await wire.ask("/new")
            assert end["state"] == "final"
            history = await wire.call("chat.history", {"sessionKey": "main"})
            assert history["messages"] == [] and history["sessionId"] != old

    run(main())


def test_clear_and_reset_leave_nothing_on_the_page(gateway):
    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            for command in ("/clear", "/reset"):
                await wire.ask("[[tokens=1]]")
                assert (await wire.ask(command))["state"] == "final"
                assert (await wire.call("chat.history", {"sessionKey": "main"}))["messages"] == []

    run(main())


@pytest.mark.parametrize("word", ["/stop", "stop", "STOP"])
def test_stop_stops_and_answers_in_the_response(gateway, word):
    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            _, nothing = await wire.send(word)
            assert nothing == {"ok": True, "aborted": False, "runIds": []}
            run_id, _ = await wire.send("[[tokens=500]] [[delay_ms=20]]")
            await wire.wait("chat", lambda p: p["state"] == "delta")
            _, answer = await wire.send(word)
            assert answer == {"ok": True, "aborted": True, "runIds": [run_id]}

    run(main())


def test_model_changes_the_session_and_an_unknown_one_says_what_there_is(gateway):
    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            spec = (await wire.call("models.list"))["models"][-1]["spec"]
            await wire.ask(f"/model {spec}")
            entry = (await wire.call("sessions.list"))["sessions"][0]
            assert entry["modelOverride"] == spec
            assert text_of((await wire.ask("/model no-such-model"))["message"])
            assert (await wire.call("sessions.list"))["sessions"][0]["modelOverride"] == spec
            await wire.ask("/model default")
            assert "modelOverride" not in (await wire.call("sessions.list"))["sessions"][0]

    run(main())


def test_the_command_list_describes_every_command_in_the_clients_language(gateway):
    async def main():
        async with wired(gateway.ws_url, gateway.token, locale="ko") as wire:
            rows = (await wire.call("commands.list"))["commands"]
            assert {r["name"] for r in rows} >= {"new", "reset", "clear", "status", "models", "model", "help", "stop"}
            assert all(r["description"] for r in rows)
            assert next(r for r in rows if r["name"] == "model")["choices"]

    run(main())


def test_an_unknown_model_is_refused_in_the_clients_language(gateway):
    async def main():
        async with wired(gateway.ws_url, gateway.token, locale="ko") as wire:
            assert "모델이 없어요" in text_of((await wire.ask("/model demoo"))["message"])

    run(main())


CELL = {"fileName": "cell-1.md", "mimeType": "text/markdown", "content": "Y2VsbA=="}


@pytest.mark.parametrize("word", ["/status", "/model default", "/statsu", "/clear", "/think high"])
@pytest.mark.parametrize("method", ["chat.send", "agent"])
def test_a_command_is_one_whatever_is_attached_and_says_what_was_left_out(scripted_gateway, word, method):
    gateway, api = scripted_gateway
    before = len(api.bodies)

    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            attached = [CELL, {"mediaId": "no-such-file"}]
            if method == "agent":
                key = f"agent-{uuid.uuid4()}"
                await wire.call(
                    "agent", {"message": word, "sessionKey": "beside", "attachments": attached, "idempotencyKey": key}
                )
                end = await wire.end(key)
            else:
                end = await wire.ask(word, key="beside", attachments=attached)
            said = text_of(end["message"])
            assert end["message"]["command"] == word.split()[0]
            assert said.endswith("Left out, since commands take no attachments: `cell-1.md`, `no-such-file`")

    run(main())
    assert len(api.bodies) == before, "the model was asked"


@pytest.mark.parametrize("word", ["/stop", "wait"])
def test_a_stop_stops_whatever_is_attached(gateway, word):
    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            assert word.removeprefix("/") in ["stop", *(await wire.call("commands.list"))["stopWords"]]
            run_id, _ = await wire.send("[[tokens=500]] [[delay_ms=20]]")
            await wire.wait("chat", lambda p: p["state"] == "delta")
            _, answer = await wire.send(word, attachments=[CELL])
            assert answer == {"ok": True, "aborted": True, "runIds": [run_id], "leftOut": ["cell-1.md"]}

    run(main())
