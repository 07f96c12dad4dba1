"""The client against a scripted gateway over real sockets."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from typing import Any

import pytest

from clawdbot_ext.client import connect, limits
from clawdbot_ext.client import gateway_client as module
from clawdbot_ext.client.endpoint import Endpoint
from clawdbot_ext.client.errors import ConnectionLost, TimedOut, Unreachable
from clawdbot_ext.client.reply import Notice, ReplyEnd
from clawdbot_ext.protocol import errors, schema
from tests.client.fake_gateway import TOKEN, FakeGateway, fake_gateway, until
from tests.support.wire import run


def endpoint(gateway: FakeGateway, token: str = TOKEN) -> Endpoint:
    return Endpoint(gateway.url, gateway.url.replace("ws:", "http:"), token)


def delta(run_id: str, text: str, offset: int, **more: Any) -> dict[str, Any]:
    return {
        "runId": run_id,
        "sessionKey": "agent:main:main",
        "seq": 1,
        "state": "delta",
        "offset": offset,
        "text": text,
        **more,
    }


def message(run_id: str, text: str, **more: Any) -> dict[str, Any]:
    return {"id": "m", "runId": run_id, "role": "assistant", "content": [{"type": "text", "text": text}], **more}


def test_it_logs_in_with_locale_and_capabilities_and_calls_methods() -> None:
    async def main() -> None:
        async with fake_gateway() as gateway:
            gateway.answers["echo"] = lambda params: {"echo": params}
            async with module.GatewayClient(endpoint(gateway), locale="ko") as client:
                assert client.hello["type"] == "hello-ok"
                assert await client.request("echo", {"a": "한글"}) == {"echo": {"a": "한글"}}
            [connect] = gateway.connects
            assert connect["locale"] == "ko"
            assert connect["caps"] == ["chat.append", "session.events"]
            assert connect["auth"] == {"token": TOKEN}
            assert (connect["minProtocol"], connect["maxProtocol"]) == (3, 3)

    run(main())


def test_what_it_knows_of_the_protocol_is_what_the_schema_says() -> None:
    assert module.PROTOCOL_VERSION == schema.PROTOCOL_VERSION
    assert module.CAPS == (schema.CAP_APPEND, schema.CAP_SESSION_EVENTS)
    assert set(module.SCOPES) == set(schema.OPERATOR_SCOPES)


def test_errors_of_the_gateway_are_raised_as_the_gateway_raised_them() -> None:
    async def main() -> None:
        def refuse(params: dict[str, Any]) -> None:
            raise errors.QueueFull("20 messages are waiting", retry_after_ms=1000, waiting=20)

        async with fake_gateway() as gateway:
            gateway.answers["chat.send"] = refuse
            async with module.GatewayClient(endpoint(gateway)) as client:
                with pytest.raises(errors.QueueFull) as caught:
                    await client.request("chat.send")
                assert caught.value.retry_after_ms == 1000
                assert caught.value.facts == {"waiting": 20}
                with pytest.raises(errors.UnknownMethod):
                    await client.request("no.such")

    run(main())


def test_wrong_credentials_are_unauthorized() -> None:
    async def main() -> None:
        async with fake_gateway() as gateway:
            with pytest.raises(errors.Unauthorized):
                await module.GatewayClient(endpoint(gateway, "wrong")).connect()

    run(main())


def test_nobody_listening_is_unreachable_and_says_why() -> None:
    async def main() -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            url = f"ws://127.0.0.1:{free.getsockname()[1]}/"
        with pytest.raises(Unreachable, match="refused"):
            await module.GatewayClient(Endpoint(url, url)).connect()

    run(main())


def test_a_server_that_never_answers_is_unreachable_in_time() -> None:
    async def main() -> None:
        done = asyncio.Event()

        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await done.wait()
            writer.close()

        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        async with server:
            with pytest.raises(Unreachable):
                await module.GatewayClient(Endpoint(url, url)).connect(timeout_s=0.2)
            done.set()

    run(main())


def test_a_lost_connection_fails_what_waits_and_tells_the_listeners() -> None:
    async def main() -> None:
        async with fake_gateway() as gateway:
            gateway.answers["slow"] = lambda params: {}
            async with module.GatewayClient(endpoint(gateway)) as client:
                heard: list[str] = []
                client.subscribe(lambda event: heard.append(event.name))
                waiting = asyncio.create_task(client.request("slow"))
                await gateway.cut(1012)
                with pytest.raises(ConnectionLost):
                    await client.request("slow")
                await asyncio.gather(waiting, return_exceptions=True)
                await until(lambda: module.LOST in heard)
                assert not client.connected

    run(main())


def test_no_answer_in_time_leaves_the_connection_standing() -> None:
    async def main() -> None:
        async with fake_gateway() as gateway:
            gateway.answers["echo"] = lambda params: params
            async with module.GatewayClient(endpoint(gateway)) as client:
                with pytest.raises(TimedOut):
                    await client.request("echo", timeout_s=0)
                assert await client.request("echo", {"a": 1}) == {"a": 1}

    run(main())


def test_reconnecting_goes_on_until_the_gateway_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BACKOFF_FIRST_S", 0.01)
    monkeypatch.setattr(limits, "BACKOFF_MAX_S", 0.02)

    async def main() -> None:
        async with fake_gateway() as gateway:
            client = module.GatewayClient(endpoint(gateway))
            await client.connect()
            await gateway.stop()
            failures: list[float] = []
            back = asyncio.create_task(client.reconnect(lambda error, wait: failures.append(wait)))
            await until(lambda: len(failures) >= 3)
            await gateway.start()
            await back
            assert client.connected
            assert all(0 <= wait <= 0.02 for wait in failures)
            await client.close()

    run(main())


def test_reconnecting_gives_up_when_the_credentials_are_refused() -> None:
    async def main() -> None:
        async with fake_gateway() as gateway:
            with pytest.raises(errors.Unauthorized):
                await module.GatewayClient(endpoint(gateway, "wrong")).reconnect()
            assert len(gateway.connects) == 1

    run(main())


def test_a_missing_event_ends_the_connection_so_that_nothing_is_missed_unseen() -> None:
    async def main() -> None:
        async with fake_gateway() as gateway, module.GatewayClient(endpoint(gateway)) as client:
            seen = []
            events = client.events()
            await gateway.push("tick", {"ts": 1})
            first = asyncio.ensure_future(anext(events))
            await asyncio.sleep(0)
            await gateway.push("tick", {"ts": 2})
            await gateway.push("tick", {"ts": 4}, skip=1)
            seen.append(await first)
            async for event in events:
                seen.append(event)
            assert seen[-1].name == module.LOST
            assert "missing" in seen[-1].payload["reason"]
            assert {"ts": 4} not in [event.payload for event in seen]

    run(main())


def test_a_silent_gateway_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with fake_gateway() as gateway:
            gateway.hello["policy"] = {"tickIntervalMs": 1}
            monkeypatch.setattr(module, "monotonic", iter(range(0, 10_000, 10)).__next__)
            async with module.GatewayClient(endpoint(gateway)) as client:
                lost = [event async for event in client.events()][-1]
            assert lost.payload["code"] == limits.TICK_TIMEOUT_CODE

    run(main())


# -- ask --------------------------------------------------------------------------------------------------------------
def started(params: dict[str, Any]) -> dict[str, Any]:
    return {"runId": params["idempotencyKey"], "status": "started"}


async def collect(client: module.GatewayClient, text: str = "hi", **more: Any) -> list[Any]:
    return [item async for item in client.ask(text, run_id="r1", **more)]


def text_of(items: list[Any]) -> str:
    text = ""
    for item in items:
        if isinstance(item, module.Chunk) and item.part == "text":
            text = item.text if item.replaces else text + item.text
    return text


def test_ask_streams_text_and_thinking_and_ends_with_the_message() -> None:
    async def main() -> None:
        async with fake_gateway() as gateway, module.GatewayClient(endpoint(gateway)) as client:
            gateway.answers["chat.send"] = started
            asking = asyncio.create_task(collect(client))
            await until(lambda: bool(gateway.requests))
            await gateway.push("chat", delta("r1", "hmm", 0, part="thinking"))
            await gateway.push("chat", delta("other", "not mine", 0))
            await gateway.push("chat", delta("r1", "안녕 👋", 0))
            await gateway.push("chat", delta("r1", " there", 5))  # an emoji is two UTF-16 code units
            final = message("r1", "안녕 👋 there")
            await gateway.push("chat", {"runId": "r1", "state": "final", "message": final})
            items = await asyncio.wait_for(asking, 5)
            assert [i.text for i in items if isinstance(i, module.Chunk)] == ["hmm", "안녕 👋", " there"]
            assert items[-1] == ReplyEnd("r1", "final", final)
            assert items[-1].text == "안녕 👋 there"

    run(main())


def test_ask_reads_the_rest_when_a_delta_does_not_join() -> None:
    async def main() -> None:
        async with fake_gateway() as gateway, module.GatewayClient(endpoint(gateway)) as client:
            gateway.answers["chat.send"] = started
            gateway.answers["chat.history"] = lambda params: {
                "messages": [],
                "inFlight": {"runId": "r1", "text": "one two three", "thinking": "", "startedAt": 1},
            }
            asking = asyncio.create_task(collect(client))
            await until(lambda: bool(gateway.requests))
            await gateway.push("chat", delta("r1", "one", 0))
            await gateway.push("chat", delta("r1", " three", 7))
            await until(lambda: len(gateway.requests) == 2)
            await gateway.push("chat", delta("r1", " four", 13))
            await gateway.push("chat", {"runId": "r1", "state": "final", "message": message("r1", "x")})
            assert text_of(await asyncio.wait_for(asking, 5)) == "one two three four"

    run(main())


def test_ask_understands_deltas_that_repeat_the_whole_text() -> None:
    async def main() -> None:
        async with fake_gateway() as gateway, module.GatewayClient(endpoint(gateway), caps=()) as client:
            gateway.answers["chat.send"] = started
            asking = asyncio.create_task(collect(client))
            await until(lambda: bool(gateway.requests))
            for text in ("one", "one two", "1 2"):
                await gateway.push("chat", {"runId": "r1", "state": "delta", "message": message("r1", text)})
            await gateway.push("chat", {"runId": "r1", "state": "final", "message": message("r1", "1 2")})
            items = await asyncio.wait_for(asking, 5)
            assert text_of(items) == "1 2"
            assert [i.text for i in items if isinstance(i, module.Chunk)] == ["one", " two", "1 2"]

    run(main())


def test_ask_survives_a_lost_connection_without_asking_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BACKOFF_FIRST_S", 0.01)

    async def main() -> None:
        async with fake_gateway() as gateway, module.GatewayClient(endpoint(gateway)) as client:
            gateway.answers["chat.send"] = started
            asking = asyncio.create_task(collect(client))
            await until(lambda: bool(gateway.requests))
            await gateway.push("chat", delta("r1", "half", 0))
            gateway.answers["chat.send"] = lambda params: {"runId": "r1", "status": "in_flight"}
            await gateway.cut()
            await until(lambda: len(gateway.requests) == 2)
            await gateway.push("chat", delta("r1", "half of it", 0))  # a new connection hears it from the start
            await gateway.push("chat", {"runId": "r1", "state": "final", "message": message("r1", "half of it")})
            items = await asyncio.wait_for(asking, 5)
            assert text_of(items) == "half of it"
            assert [i.kind for i in items if isinstance(i, Notice)] == ["lost"]
            keys = {frame["params"]["idempotencyKey"] for frame in gateway.requests}
            assert keys == {"r1"}

    run(main())


@pytest.mark.parametrize(("status", "state"), [("ok", "final"), ("error", "error"), ("aborted", "aborted")])
def test_ask_finds_the_reply_of_a_run_that_ended_while_it_was_away(status: str, state: str) -> None:
    async def main() -> None:
        async with fake_gateway() as gateway, module.GatewayClient(endpoint(gateway)) as client:
            gateway.answers["chat.send"] = lambda params: {"runId": "r1", "status": status, "summary": "why"}
            gateway.answers["chat.history"] = lambda params: {
                "messages": [
                    {"role": "user", "runId": "r1", "content": []},
                    message("r1", "the reply"),
                    message("r2", "another"),
                ]
            }
            [end] = await collect(client)
            assert (end.state, end.text) == (state, "the reply")

    run(main())


def test_ask_tells_of_the_queue_and_of_retries() -> None:
    async def main() -> None:
        async with fake_gateway() as gateway, module.GatewayClient(endpoint(gateway)) as client:
            gateway.answers["chat.send"] = lambda params: started(params) | {"queuePosition": 2}
            asking = asyncio.create_task(collect(client))
            await until(lambda: bool(gateway.requests))
            retry = {"phase": "retry", "attempt": 1, "maxAttempts": 4, "waitMs": 500, "reason": "overloaded"}
            await gateway.push("agent", {"runId": "r1", "stream": "lifecycle", "data": retry})
            await gateway.push(
                "chat",
                {
                    "runId": "r1",
                    "state": "error",
                    "errorMessage": "no",
                    "error": {"kind": "overloaded", "hint": "later"},
                },
            )
            items = await asyncio.wait_for(asking, 5)
            assert [i.kind for i in items[:-1]] == ["queued", "retry"]
            assert items[-1] == ReplyEnd("r1", "error", None, "no", {"kind": "overloaded", "hint": "later"})

    run(main())


def test_ask_gives_up_when_the_gateway_does_not_come_back_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BACKOFF_FIRST_S", 0.01)

    async def main() -> None:
        async with fake_gateway() as gateway, module.GatewayClient(endpoint(gateway)) as client:
            gateway.answers["chat.send"] = started
            asking = asyncio.create_task(collect(client, patience_s=0.05))
            await until(lambda: bool(gateway.requests))
            await gateway.stop()
            with pytest.raises(Unreachable):
                await asyncio.wait_for(asking, 5)

    run(main())


def test_several_who_wait_for_the_gateway_share_one_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BACKOFF_FIRST_S", 0.01)

    async def main() -> None:
        async with fake_gateway() as gateway, module.GatewayClient(endpoint(gateway)) as client:
            await gateway.cut()
            await until(lambda: not client.connected)
            hellos = await asyncio.gather(*(client.reconnect() for _ in range(3)))
            assert len(gateway.connects) == 2
            assert all(hello is client.hello for hello in hellos)

    run(main())


def test_a_run_of_somebody_else_is_followed_from_the_middle() -> None:
    async def main() -> None:
        async with fake_gateway() as gateway, module.GatewayClient(endpoint(gateway)) as client:
            gateway.answers["chat.history"] = lambda params: {
                "messages": [],
                "inFlight": {"runId": "r1", "text": "so far", "thinking": "", "startedAt": 1},
            }

            async def follow() -> list[Any]:
                return [item async for item in client.follow("r1")]

            following = asyncio.create_task(follow())
            await until(lambda: bool(gateway.requests))
            await gateway.push("chat", delta("r1", " and on", 6))
            await gateway.push("chat", {"runId": "r1", "state": "final", "message": message("r1", "so far and on")})
            items = await asyncio.wait_for(following, 5)
            assert text_of(items) == "so far and on"
            assert items[-1].state == "final"

    run(main())


def test_following_a_run_that_is_over_gives_its_end() -> None:
    async def main() -> None:
        async with fake_gateway() as gateway, module.GatewayClient(endpoint(gateway)) as client:
            cut = message("r1", "half", stopReason="interrupted", errorMessage="the connection was cut")
            gateway.answers["chat.history"] = lambda params: {"messages": [cut]}
            assert [item async for item in client.follow("r1")] == [
                ReplyEnd("r1", "error", cut, "the connection was cut")
            ]

    run(main())


def test_new_by_a_client_that_can_switch_says_where_to() -> None:
    async def main() -> None:
        async with fake_gateway() as gateway, module.GatewayClient(endpoint(gateway)) as client:
            gateway.answers["chat.send"] = lambda params: started(params) | {"switchTo": "agent:main:fresh"}
            asking = asyncio.create_task(collect(client, "/new"))
            await until(lambda: bool(gateway.requests))
            await gateway.push("chat", {"runId": "r1", "state": "final", "message": message("r1", "opened")})
            assert (await asyncio.wait_for(asking, 5))[-1].switch_to == "agent:main:fresh"

    run(main())


def test_stop_as_a_message_ends_at_once() -> None:
    async def main() -> None:
        async with fake_gateway() as gateway, module.GatewayClient(endpoint(gateway)) as client:
            gateway.answers["chat.send"] = lambda params: {"ok": True, "aborted": False, "runIds": []}
            assert await collect(client, "/stop") == [ReplyEnd("r1", "final", nothing=True)]

    run(main())


# -- the synchronous face ---------------------------------------------------------------------------------------------
def test_the_synchronous_client_asks_and_listens_from_any_thread() -> None:
    async def main() -> None:
        async with fake_gateway() as gateway:
            gateway.answers["chat.send"] = started
            gateway.answers["echo"] = lambda params: params

            def use() -> tuple[Any, list[Any], list[str]]:
                heard: list[str] = []
                with connect(endpoint(gateway), locale="en") as client:
                    stop = client.subscribe(lambda event: heard.append(event.name))
                    echoed = client.request("echo", {"a": 1})
                    items = list(client.ask("hi", run_id="r1"))
                    stop()
                return echoed, items, heard

            using = asyncio.create_task(asyncio.to_thread(use))
            await until(lambda: len(gateway.requests) == 2)
            await gateway.push("chat", delta("r1", "yes", 0))
            await gateway.push("chat", {"runId": "r1", "state": "final", "message": message("r1", "yes")})
            echoed, items, heard = await asyncio.wait_for(using, 5)
            assert echoed == {"a": 1}
            assert text_of(items) == "yes"
            assert heard[:2] == ["chat", "chat"]

    run(main())


def test_the_synchronous_client_raises_what_the_gateway_said() -> None:
    async def main() -> None:
        async with fake_gateway() as gateway:
            with pytest.raises(errors.Unauthorized):
                await asyncio.to_thread(connect, endpoint(gateway, "wrong"))

            def ask() -> None:
                with connect(endpoint(gateway)) as client:
                    list(client.ask("hi"))

            with pytest.raises(errors.UnknownMethod):
                await asyncio.to_thread(ask)

    run(main())


def test_importing_the_client_loads_nothing_heavy() -> None:
    heavy = ("jupyter_server", "anthropic", "msgspec", "json5", "rich", "prompt_toolkit")
    code = f"import clawdbot_ext.client, sys; print([m for m in sys.modules if m in {heavy}])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]"
