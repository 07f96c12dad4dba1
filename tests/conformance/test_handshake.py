"""The first frames of a connection. Sources: ``shared/protocol/README.md`` (*Handshake facts*, recordings of Clawdbot
2026.1.24-3) and its published schema, as noted at each test."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.support.wire import WireError, run

REQ = {"type": "req", "id": "1", "method": "connect"}
CLIENT = {"id": "test", "version": "1", "platform": "linux", "mode": "test"}
GOOD = {"minProtocol": 3, "maxProtocol": 3, "client": CLIENT}


def test_the_server_speaks_first_and_without_a_sequence_number(endpoint):
    """README: a late challenge costs the Node client 750 ms."""

    async def main():
        async with endpoint.open() as wire:
            frame = json.loads(await asyncio.wait_for(wire.socket.recv(), 0.5))
            assert frame["event"] == "connect.challenge" and set(frame) == {"type", "event", "payload"}
            assert set(frame["payload"]) == {"nonce", "ts"}

    run(main())


def test_hello_has_what_clients_read(endpoint):
    """Schema ``HelloOk``; README: no ``auth`` unless a device token is given."""

    async def main():
        async with endpoint.connected() as wire:
            hello = wire.hello
            assert (hello["type"], hello["protocol"]) == ("hello-ok", 3) and "auth" not in hello
            assert hello["server"]["version"] and hello["server"]["connId"]
            assert {"chat.send", "agent", "node.list"} <= set(hello["features"]["methods"])
            assert {"chat", "presence", "tick"} <= set(hello["features"]["events"])
            assert hello["policy"].keys() == {"maxPayload", "maxBufferedBytes", "tickIntervalMs"}
            snapshot = hello["snapshot"]
            assert snapshot["stateVersion"].keys() == {"presence", "health"} and snapshot["uptimeMs"] >= 0
            assert snapshot["sessionDefaults"]["mainSessionKey"] == "agent:main:main"
            assert snapshot["presence"][0]["mode"] == "gateway"

    run(main())


@pytest.mark.parametrize("client_id", ["clawdbot-control-ui", "cli", "gateway-client", "moltbot-ios", "another-client"])
def test_any_client_id_is_taken(endpoint, client_id):
    """The real gateway has a closed list; ours is open (issue 3)."""

    async def main():
        params = {**GOOD, "client": {**CLIENT, "id": client_id}, "auth": {"token": endpoint.token}, "newField": [1]}
        async with endpoint.joined(lambda nonce: params) as wire:
            assert wire.hello["type"] == "hello-ok"

    run(main())


@pytest.mark.parametrize(
    ("first", "code"),
    [
        ({"type": "req", "id": "1", "method": "health", "params": {}}, 1008),
        ({**REQ, "params": {**GOOD, "minProtocol": 4, "maxProtocol": 5}}, 1002),
        ({**REQ, "params": {"minProtocol": 3}}, 1008),
        ({**REQ, "params": {**GOOD, "role": "king"}}, 1008),
        ({**REQ, "params": {**GOOD, "client": None}}, 1008),
        ({"type": "event", "event": "x"}, 1008),
        ("not json", 1008),
    ],
)
def test_a_bad_first_frame_is_answered_and_the_socket_closed(endpoint, first, code):
    """Bench ``real-clawdbot.md`` iii: 1008, and 1002 for another protocol."""

    async def main():
        async with endpoint.open() as wire:
            await wire.socket.send(first if isinstance(first, str) else json.dumps(first))
            frames = [json.loads(await asyncio.wait_for(wire.socket.recv(), 5)) for _ in range(2)]
            assert frames[1]["type"] == "res" and not frames[1]["ok"]
            assert await wire.closed() == code

    run(main())


@pytest.mark.parametrize("auth", [None, {"token": "wrong"}, {"password": "wrong"}])
def test_wrong_credentials_are_refused_with_1008(standalone, auth):
    """Bench iv. (On a mount the upgrade itself is refused.)"""

    async def main():
        async with standalone.open() as wire:
            wire.start()
            await wire.wait("connect.challenge")
            with pytest.raises(WireError) as refused:
                await wire.call("connect", {**GOOD, **({"auth": auth} if auth else {})})
            assert refused.value.code == "INVALID_REQUEST" and refused.value.details["reason"] == "UNAUTHORIZED"
            assert await wire.closed() == 1008

    run(main())


@pytest.mark.parametrize(
    ("asked", "granted"),
    [
        (["operator.read"], {"operator.read"}),
        (["operator.write"], {"operator.write", "operator.read"}),
        (
            ["operator.admin"],
            {"operator.admin", "operator.approvals", "operator.pairing", "operator.read", "operator.write"},
        ),
        ([], set()),
        (["operator.root", "x"], set()),
    ],
)
def test_scopes_are_what_was_asked_for_and_is_allowed(endpoint, asked, granted):
    """``gateway/server-methods.js`` of Clawdbot: admin may everything, writing includes reading."""

    async def main():
        async with endpoint.connected(scopes=asked) as wire:
            assert set(wire.hello["user"]["scopes"]) == granted

    run(main())


def test_frames_have_no_keys_that_the_node_client_drops_them_for(endpoint):
    """README: event frames with other top-level keys are ignored, and so are responses."""

    async def main():
        async with endpoint.connected() as wire:
            await wire.ask("hello [[text=hi there]]")
            await wire.call("system-event", {"text": "Node: here", "host": "h"})
            await wire.wait("presence")
            for frame in wire.events:
                assert set(frame) <= {"type", "event", "payload", "seq", "stateVersion"}
            assert set(wire.events[-1].get("stateVersion", {"presence": 1, "health": 1})) == {"presence", "health"}
            seqs = [frame["seq"] for frame in wire.events if "seq" in frame]
            assert seqs == list(range(1, len(seqs) + 1)), "rises by one as the connection sees it"

    run(main())


def test_an_unknown_method_keeps_the_socket(endpoint):
    """Recording ``chat-roundtrip-abort.jsonl``: ``no.such``."""

    async def main():
        async with endpoint.connected() as wire:
            with pytest.raises(WireError) as refused:
                await wire.call("no.such")
            assert str(refused.value) == "INVALID_REQUEST: unknown method: no.such"
            assert (await wire.call("health"))["ok"]

    run(main())
