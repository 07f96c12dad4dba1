"""Titles that the model gives, and sessions that are never on disk."""

from __future__ import annotations

import base64
import re

import pytest

from clawdbot_ext.agent.context.title import tidy, worth_a_title
from tests.support.aio import until
from tests.support.in_process import asking, in_process
from tests.support.strict_api import StrictAPI, is_side_request
from tests.support.wire import WireError, run, text_of, wired

CAPS = ("session.events",)


@pytest.mark.parametrize(
    ("said", "title"),
    [
        ('"Sales by month."', "Sales by month"),
        ("**제목: 월별 매출**\n", "월별 매출"),
        ("\n\n# Plans\nmore", "Plans"),
        ("“Deep   sea”", "Deep sea"),
        ("", ""),
        ("x" * 80, "x" * 59 + "…"),
    ],
)
def test_what_a_model_says_becomes_a_line(said, title):
    assert tidy(said) == title


@pytest.mark.parametrize(
    ("text", "worth"),
    [
        ("hello", False),
        ("안녕", False),
        ("?!", False),
        ("plot this", True),
        ("매출데이터분석", True),
        ("매출 분석", True),
    ],
)
def test_one_word_is_not_worth_a_title(text, worth):
    assert worth_a_title(text) is worth


@pytest.fixture
def scripted_gateway(make_gateway, messages_api):
    """One that asks for titles, as it does unless told otherwise."""
    env = {"ANTHROPIC_API_KEY": "sk-canary-key", "ANTHROPIC_BASE_URL": messages_api.url}
    return make_gateway(env=env), messages_api


def titles_asked(api):
    return [body for body in api.bodies if body["max_tokens"] == 40]


def questions(api):
    """The beginnings of the messages for which a title was asked."""
    found = [re.search(r"월별 매출을 그려 줘|please name this", str(body["messages"])) for body in titles_asked(api)]
    return [match and match[0] for match in found]


def test_a_session_is_named_once_after_its_first_reply(scripted_gateway):
    gateway, api = scripted_gateway

    async def main():
        async with wired(gateway.ws_url, gateway.token, caps=CAPS) as wire:

            async def named(key: str, title: str) -> None:
                await wire.ask(f"please name this [[text={title}]]", key=key)
                await wire.wait("session.changed", lambda p: p["entry"].get("derivedTitle") == title)

            await wire.ask("월별 매출을 그려 줘 [[text=월별 매출]]", key="a")  # of which the title's request is told
            changed = await wire.wait("session.changed", lambda p: p["entry"].get("derivedTitle") == "월별 매출")
            assert "title" not in changed["payload"]["entry"]
            sent = titles_asked(api)[0]
            assert "tools" not in sent and "월별 매출을 그려 줘" in str(sent["messages"])
            await wire.ask("and by year?", key="a")
            await wire.ask("hello", key="one")
            await wire.ask("/status", key="command")
            await wire.call("sessions.patch", {"key": "off", "autoTitle": False})
            await wire.ask("a session without a title please", key="off")
            await named("second", "the second title")
            assert questions(api) == ["월별 매출을 그려 줘", "please name this"], "one request for each new session"

            async def switch(on: str) -> None:
                patch = '{"agents":{"defaults":{"autoTitle":' + on + "}}}"
                await wire.call("config.patch", {"raw": patch, "baseHash": (await wire.call("config.get"))["hash"]})

            await switch("false")
            await wire.ask("this one stays without a title", key="none")
            await switch("true")
            temporary = (await wire.call("sessions.new", {"temporary": True}))["key"]
            await wire.ask("nor does a temporary one get one", key=temporary)
            await named("third", "the third title")
            assert len(titles_asked(api)) == 3, "titles come in the order of the replies, so none is still to come"
            await wire.call("sessions.reset", {"key": "a"})
            listed = {s["key"]: s for s in (await wire.call("sessions.list"))["sessions"]}
            assert "derivedTitle" not in listed["agent:main:a"]

    run(main())


def test_a_title_that_cannot_be_made_is_no_trouble(scripted_gateway):
    gateway, api = scripted_gateway

    async def main():
        async with wired(gateway.ws_url, gateway.token, caps=CAPS) as wire:
            end = await wire.ask("two words [[text=]]", key="a")  # the title is empty, too
            assert end["state"] == "final"
            await until(lambda: bool(titles_asked(api)))
            assert (await wire.ask("more words", key="a"))["state"] == "final"

    run(main())


def test_a_temporary_session_leaves_nothing_on_disk(gateway):
    secret = "파란-고래-4711"

    async def main():
        async with wired(gateway.ws_url, gateway.token, caps=CAPS) as wire:
            made = await wire.call("sessions.new", {"temporary": True})
            key = made["key"]
            assert key.startswith("agent:main:temporary:") and made["entry"]["temporary"] is True
            run_id, _ = await wire.send(f"remember {secret}", key=key)
            await wire.end(run_id)
            tool, _ = await wire.send(f"use a tool, {secret}", key=key)
            asked = await wire.wait("exec.approval.requested")
            await wire.call("exec.approval.resolve", {"id": asked["payload"]["id"], "decision": "allow-once"})
            await wire.end(tool)
            await wire.call("sessions.patch", {"key": key, "systemPrompt": secret, "label": secret})
            history = await wire.call("chat.history", {"sessionKey": key})
            assert secret in text_of(history["messages"][0])
            assert (await wire.call("chat.history", {"sessionId": history["sessionId"]}))["messages"]
            listed = [s["key"] for s in (await wire.call("sessions.list"))["sessions"]]
            assert listed[0] == key
            assert (await wire.call("sessions.search", {"query": "고래"}))["hits"] == []
            assert secret in (await wire.call("sessions.export", {"key": key, "format": "markdown"}))["content"]
            fork = (await wire.call("sessions.fork", {"key": key}))["key"]
            assert fork.startswith("agent:main:temporary:")
            again = await wire.send(f"remember {secret}", key=key, run_id=run_id)
            assert again[1]["status"] == "ok"
            with pytest.raises(WireError) as conflict:
                await wire.send("something else", key="main", run_id=run_id)
            assert conflict.value.details["reason"] == "IDEMPOTENCY_CONFLICT"
            held = {"content": base64.b64encode(f"the {secret} in a file".encode()).decode(), "fileName": "a.txt"}
            await wire.ask("look", key=key, attachments=[held])
            assert [path for path in (gateway.home / "media").rglob("*") if path.is_file()]
            await wire.call("sessions.delete", {"key": fork})
            return key

    key = run(main())
    gateway.stop()
    for path in gateway.state.rglob("*"):
        if path.is_file():
            assert secret.encode() not in path.read_bytes(), path
    gateway.start()

    async def after():
        async with wired(gateway.ws_url, gateway.token) as wire:
            assert (await wire.call("sessions.list"))["sessions"] == []
            assert (await wire.call("chat.history", {"sessionKey": key}))["messages"] == []

    run(after())


@pytest.mark.parametrize(
    ("models", "asked"), [([], "claude-haiku-5-5"), (["claude-opus-5-5"], "claude-opus-5-5")], ids=["small", "thinks"]
)
def test_a_title_is_made_by_a_small_model_appears_in_usage_and_leaves_room_to_think(tmp_path, models, asked):
    async def main(api):
        settings = asking(api.url, "claude-opus-5-5", autoTitle=True)
        settings["models"]["providers"]["anthropic"]["models"] = models
        async with in_process(tmp_path, settings=settings) as chat:
            await chat.ask("please plot the sales", "r1")
            titled = "Scripted title and summary"
            await until(
                lambda: any(p["entry"].get("derivedTitle") == titled for p in chat.peer.payloads("session.changed"))
            )
            body = next(seen.body for seen in api.seen if is_side_request(seen.body))
            assert body["model"] == asked and api.refusals == []
            assert body["max_tokens"] == (40 if asked == "claude-haiku-5-5" else 2048)
            spent = (await chat.call("sessions.usage", {}))["payload"]["sessions"][0]
            assert asked in spent["models"] and spent["replies"] == 2

    with StrictAPI() as api:
        run(main(api))
