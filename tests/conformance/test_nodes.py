"""Nodes. Sources: facts of ``gateway/node-registry`` and ``server-methods/nodes`` of the npm package; issue 3."""

from __future__ import annotations

import asyncio
import itertools
import json
from uuid import uuid4

import pytest

from tests.support.device import Device
from tests.support.wire import WireError, run

COMMANDS = ["camera.snap", "system.run"]


def joined(endpoint, device, **more):
    return endpoint.joined(
        lambda n: device.connect(
            n,
            token=endpoint.token,
            role="node",
            scopes=(),
            client="clawdbot-ios",
            mode="node",
            caps=["camera"],
            commands=COMMANDS,
            permissions={"camera": True},
            **more,
        )
    )


def invoke(wire, device, key="k", **more):
    return wire.call(
        "node.invoke",
        {"nodeId": device.id, "command": "camera.snap", "params": {"facing": "front"}, "idempotencyKey": key, **more},
    )


def test_a_node_is_listed_asked_and_answers(endpoint):
    device = Device()

    async def main():
        async with endpoint.connected() as boss, joined(endpoint, device) as node:
            (row,) = [n for n in (await boss.call("node.list"))["nodes"] if n["nodeId"] == device.id]
            assert row["connected"] and row["commands"] == COMMANDS and row["caps"] == ["camera"]
            assert (await boss.call("node.describe", {"nodeId": device.id}))["permissions"] == {"camera": True}
            asking = asyncio.create_task(invoke(boss, device))
            asked = (await node.wait("node.invoke.request"))["payload"]
            assert json.loads(asked["paramsJSON"]) == {"facing": "front"} and asked["nodeId"] == device.id
            answer = {"id": asked["id"], "nodeId": device.id, "ok": True, "payloadJSON": '{"url": "x"}', "error": None}
            assert await node.call("node.invoke.result", answer) == {"ok": True}
            assert (await asking)["payload"] == {"url": "x"}
            assert await node.call("node.invoke.result", answer) == {"ok": True, "ignored": True}, "late is no error"
            await boss.call("node.rename", {"nodeId": device.id, "displayName": "Phone"})
        async with endpoint.connected() as boss:
            row = await boss.call("node.describe", {"nodeId": device.id})
            assert not row["connected"] and row["paired"] and row["displayName"] == "Phone"

    run(main())


def test_what_goes_wrong_with_a_node_is_told_apart(endpoint):
    device = Device()

    async def main():
        async with endpoint.connected() as boss:
            with pytest.raises(WireError) as absent:
                await invoke(boss, device)
            assert absent.value.details["reason"] == "NOT_CONNECTED"
            async with joined(endpoint, device) as node:
                with pytest.raises(WireError) as undeclared:
                    await invoke(boss, device, command="sms.send")
                assert undeclared.value.details["reason"] == "COMMAND_NOT_DECLARED"
                with pytest.raises(WireError) as late:
                    await invoke(boss, device, "late", timeoutMs=50)
                assert late.value.details["reason"] == "TIMEOUT"
                failing = asyncio.create_task(invoke(boss, device, "failing"))
                asked = (await node.wait("node.invoke.request", lambda p: p["idempotencyKey"] == "failing"))["payload"]
                with pytest.raises(WireError) as forged:
                    await node.call("node.invoke.result", {"id": asked["id"], "nodeId": "another", "ok": True})
                assert forged.value.details["reason"] == "NODE_ID"
                await node.call(
                    "node.invoke.result",
                    {
                        "id": asked["id"],
                        "nodeId": device.id,
                        "ok": False,
                        "error": {"code": "NO", "message": "no camera"},
                    },
                )
                with pytest.raises(WireError) as failed:
                    await failing
                assert failed.value.details["nodeError"] == {"code": "NO", "message": "no camera"}
                cut = asyncio.create_task(invoke(boss, device, "cut"))
                await node.wait("node.invoke.request", lambda p: p["idempotencyKey"] == "cut")
            with pytest.raises(WireError) as gone:
                await cut
            assert gone.value.details["reason"] == "NOT_CONNECTED"

    run(main())


def test_a_node_gets_the_events_of_sessions_it_subscribed_to_and_no_others(endpoint):
    """Assistant text for nodes is in ``agent`` events, whole so far, at the delta cadence."""
    device = Device()

    async def main():
        async with endpoint.connected() as boss, joined(endpoint, device) as node:
            await node.call("node.event", {"event": "chat.subscribe", "payloadJSON": '{"sessionKey": "watched"}'})
            await boss.ask("[[text=secret]]", key="other")
            end = await boss.ask("[[tokens=60]] [[delay_ms=10]]", key="watched")
            await node.wait("chat", lambda p: p["state"] == "final")
            texts = [
                e["payload"]["data"]["text"]
                for e in node.events
                if e["event"] == "agent" and e["payload"]["stream"] == "assistant"
            ]
            assert 3 <= len(texts) <= 15 and all(b.startswith(a) for a, b in itertools.pairwise(texts))
            assert texts[-1] == end["message"]["content"][0]["text"]
            assert not [e for e in boss.events if e["event"] == "agent" and e["payload"]["stream"] == "assistant"]
            assert "other" not in str(node.events) and not node.deltas(end["runId"])
            await node.call("node.event", {"event": "chat.unsubscribe", "payload": {"sessionKey": "watched"}})
            seen = len(node.events)
            await boss.ask("[[text=more]]", key="watched")
            assert not [e for e in node.events[seen:] if e["event"] in ("chat", "agent")]

    run(main())


def test_a_node_can_start_a_turn_and_events_without_a_meaning_are_taken(endpoint):
    device = Device()

    async def main():
        async with endpoint.connected() as boss, joined(endpoint, device) as node:
            await node.call("node.event", {"event": "voice.transcript", "payload": {"text": "hi [[text=heard]]"}})
            await boss.wait("chat", lambda p: p["state"] == "final" and "heard" in str(p["message"]))
            for payload in (None, 5, "x", {"sessionKey": 5}, {"text": ""}):
                for event in ("agent.request", "chat.subscribe", "voice.transcript", "weather"):
                    assert (await node.call("node.event", {"event": event, "payload": payload}))["ok"]
            with pytest.raises(WireError):
                await node.call("node.event", {"event": "x", "payloadJSON": "{"})

    run(main())


def test_pairing_by_request_gives_a_token_once(endpoint):
    async def main():
        async with endpoint.connected() as wire:
            node = f"node-{uuid4()}"
            asked = await wire.call("node.pair.request", {"nodeId": node, "displayName": "Old phone"})
            assert asked["status"] == "pending" and asked["created"]
            assert not (await wire.call("node.pair.request", {"nodeId": node}))["created"]
            await wire.wait("node.pair.requested", lambda p: p["nodeId"] == node)
            approved = await wire.call("node.pair.approve", {"requestId": asked["request"]["requestId"]})
            token = approved["node"]["token"]
            assert token not in str(await wire.call("node.pair.list"))
            assert (await wire.call("node.pair.verify", {"nodeId": node, "token": token}))["ok"]
            assert not (await wire.call("node.pair.verify", {"nodeId": node, "token": "x"}))["ok"]
            again = await wire.call("node.pair.request", {"nodeId": node})
            assert again["request"]["isRepair"]
            rejected = await wire.call("node.pair.reject", {"requestId": again["request"]["requestId"]})
            assert rejected["nodeId"] == node

    run(main())
