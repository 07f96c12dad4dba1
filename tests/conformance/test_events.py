"""Runs and events as each kind of client is told of them. Sources: README (*Events each client uses*, recordings
``cli-agent.jsonl`` and ``control-ui.jsonl``), bench ``real-clawdbot.md`` (cadence), issue 3 (routing, scoping)."""

from __future__ import annotations

import asyncio
import itertools
from uuid import uuid4

import pytest

from tests.support.device import Device
from tests.support.wire import WireError, run, text_of

LONG = "[[tokens=60]] [[delay_ms=10]]"


def app(endpoint, client_id, mode="ui"):
    """A client of another id and mode, with every scope."""
    params = {
        "minProtocol": 3,
        "maxProtocol": 3,
        "caps": [],
        "role": "operator",
        "scopes": ["operator.admin"],
        "client": {"id": client_id, "version": "1", "platform": "x", "mode": mode},
        "auth": {"token": endpoint.token},
    }
    return endpoint.joined(lambda nonce: params)


def test_deltas_without_our_caps_carry_the_whole_text_at_the_real_cadence(endpoint):
    async def main():
        async with endpoint.connected() as wire:
            end = await wire.ask(LONG, key="cadence")
            deltas = wire.deltas(end["runId"])
            texts = [text_of(d["message"]) for d in deltas]
            assert 3 <= len(texts) <= 8, "600 ms at one in 150 ms or slower"
            assert all(b.startswith(a) for a, b in itertools.pairwise(texts))
            assert text_of(end["message"]).startswith(texts[-1]) and end["state"] == "final"
            phases = [
                e["payload"]["data"]["phase"]
                for e in wire.events
                if e["event"] == "agent" and e["payload"]["stream"] == "lifecycle"
            ]
            assert phases[0] == "start" and phases[-1] == "end"

    run(main())


@pytest.mark.parametrize("client_id", ["clawdbot-macos", "moltbot-ios", "clawdbot-android"])
def test_native_apps_stream_from_agent_events(endpoint, client_id):
    async def main():
        async with app(endpoint, client_id) as native, app(endpoint, client_id, "backend") as other:
            end = await native.ask(LONG, key="native")
            said = [
                e["payload"] for e in native.events if e["event"] == "agent" and e["payload"]["stream"] == "assistant"
            ]
            assert len(said) >= 3 and said[-1]["data"]["text"] == text_of(end["message"])
            assert "".join(p["data"]["delta"] for p in said) == said[-1]["data"]["text"]
            assert not native.deltas(end["runId"])
            await other.end(end["runId"])
            assert other.deltas(end["runId"]), "another mode is an ordinary client"

    run(main())


def test_agent_answers_twice_under_one_id(endpoint):
    """Recording ``cli-agent.jsonl``."""

    async def main():
        async with endpoint.connected() as wire:
            answers: asyncio.Queue[dict] = asyncio.Queue()
            wire.on_response = answers.put_nowait
            params = {
                "message": "hi [[text=yo]]",
                "agentId": "main",
                "sessionKey": "agent:main:main",
                "deliver": True,
                "channel": "whatsapp",
                "timeout": 600,
                "idempotencyKey": f"twice-{uuid4()}",
            }
            first = await wire.call("agent", params)
            assert first["status"] == "accepted" and first["runId"] == params["idempotencyKey"]
            waited = await wire.call("agent.wait", {"runId": first["runId"]})
            assert waited["status"] == "ok" and waited["endedAt"] >= waited["startedAt"]
            second: dict = {}
            while not second.get("summary"):  # it comes by itself: neither before nor after agent.wait is promised
                second = (await answers.get()).get("payload") or {}
            assert second["status"] == "ok" and second["result"]["payloads"][0]["text"] == "yo"
            assert second["result"]["meta"]["agentMeta"].keys() >= {"sessionId", "provider", "model", "usage"}

    run(main())


def test_agent_says_what_failed_and_what_it_does_not_know(endpoint):
    async def main():
        async with endpoint.connected() as wire:
            with pytest.raises(WireError) as unknown:
                await wire.call("agent", {"message": "x", "agentId": "other", "idempotencyKey": "1"})
            assert unknown.value.details["reason"] == "UNKNOWN_AGENT"
            assert (await wire.call("agent.wait", {"runId": "never", "timeoutMs": 20}))["status"] == "timeout"
            run_id, _ = await wire.send("[[error=400]]", key="failing")
            await wire.end(run_id)
            waited = await wire.call("agent.wait", {"runId": run_id})
            assert waited["status"] == "error" and waited["error"]

    run(main())


@pytest.mark.parametrize(
    ("wishes", "key"),
    [
        ({"sessionId": "main"}, "agent:main:main"),
        ({"sessionId": "of no transcript"}, "agent:main:of no transcript"),
        ({"sessionId": " ", "sessionKey": "", "agentId": " Main "}, "agent:main:main"),
        ({"thinking": "MAX"}, "agent:main:main"),
        ({"timeout": 1_000_000}, "agent:main:main"),
    ],
)
def test_agent_takes_what_clawdbots_command_line_would_else_answer_by_itself(endpoint, wishes, key):
    """``clawdbot agent`` of the npm package answers by an agent of its own whenever the gateway refuses."""

    async def main():
        async with endpoint.connected() as wire:
            run_id = f"taken-{uuid4()}"
            await wire.call("agent", {"message": "hi [[text=yo]]", "idempotencyKey": run_id, **wishes})
            assert (await wire.call("agent.wait", {"runId": run_id}))["status"] == "ok"
            history = await wire.call("chat.history", {"sessionKey": key, "limit": 2})
            assert [message["role"] for message in history["messages"]] == ["user", "assistant"]
            assert history["messages"][0]["runId"] == run_id
            again = {"message": "hi [[text=yo]]", "idempotencyKey": f"{run_id}-2", "sessionId": history["sessionId"]}
            await wire.call("agent", again)
            await wire.call("agent.wait", {"runId": f"{run_id}-2"})
            history = await wire.call("chat.history", {"sessionKey": key, "limit": 2})
            assert history["messages"][0]["runId"] == f"{run_id}-2"

    run(main())


def test_a_reply_goes_to_its_session_only_whatever_deliver_says(endpoint):
    """``deliver`` and a last channel change nothing: there is one way out."""

    async def main():
        async with (
            endpoint.connected() as sender,
            endpoint.connected(caps=["sessions.subscribe"]) as elsewhere,
            endpoint.connected(caps=["sessions.subscribe"]) as watcher,
        ):
            await elsewhere.call("sessions.subscribe", {"keys": ["one", "two"]})
            assert (await watcher.call("sessions.subscribe", {"keys": ["routed"]}))["keys"] == ["agent:main:routed"]
            end = await sender.ask("[[text=here]]", key="routed", deliver=True)
            await watcher.end(end["runId"])
            await sender.call("health")
            assert not [e for e in elsewhere.events if e["event"] in ("chat", "agent")]
            entry = next(s for s in (await sender.call("sessions.list"))["sessions"] if s["key"].endswith(":routed"))
            assert entry["deliveryContext"] == {"channel": "webchat"} and entry["lastChannel"] == "webchat"
            assert (await watcher.call("sessions.unsubscribe", {"keys": ["routed"]}))["keys"] == []
            seen = len(watcher.events)
            await sender.ask("[[text=more]]", key="routed")
            assert not [e for e in watcher.events[seen:] if e["event"] in ("chat", "agent")]

    run(main())


def test_presence_tells_of_joining_and_leaving_with_a_rising_version(endpoint):
    device = Device()

    async def main():
        async with endpoint.connected() as watcher:
            async with endpoint.joined(lambda n: device.connect(n, token=endpoint.token, client="clawdbot-ios")):
                came = await watcher.wait("presence", lambda p: device.id in str(p))
                row = next(r for r in came["payload"]["presence"] if r.get("deviceId") == device.id)
                assert row["reason"] == "connect" and row["roles"] == ["operator"]
            left = await watcher.wait(
                "presence",
                lambda p: any(r.get("deviceId") == device.id and r["reason"] == "disconnect" for r in p["presence"]),
            )
            assert left["stateVersion"]["presence"] > came["stateVersion"]["presence"]

    run(main())


def test_a_notice_is_shown_and_told_once(endpoint):
    async def main():
        async with endpoint.connected() as wire:
            await wire.call("system-event", {"text": "backup finished"})
            assert "backup finished" in (await wire.call("status"))["queuedSystemEvents"]
            await wire.ask("[[text=ok]]")
            assert (await wire.call("status"))["queuedSystemEvents"] == []

    run(main())


def test_an_approval_waits_for_a_decision_and_the_first_one_stands(endpoint):
    async def main():
        async with (
            endpoint.connected() as asker,
            endpoint.connected(scopes=["operator.approvals"]) as boss,
            endpoint.connected(scopes=["operator.read"]) as reader,
        ):
            id_ = f"approval-{uuid4()}"
            asking = asyncio.create_task(
                asker.call("exec.approval.request", {"id": id_, "command": "rm -r x", "cwd": "/", "sessionKey": "main"})
            )
            told = (await boss.wait("exec.approval.requested", lambda p: p["id"] == id_))["payload"]
            assert told["request"]["command"] == "rm -r x" and told["expiresAtMs"] > told["createdAtMs"]
            assert (await boss.call("exec.approval.resolve", {"id": id_, "decision": "allow-once"}))["ok"]
            assert (await asking)["decision"] == "allow-once"
            assert (await asker.wait("exec.approval.resolved", lambda p: p["id"] == id_))["payload"]["resolvedBy"]
            for method, params in (
                ("exec.approval.resolve", {"id": id_, "decision": "deny"}),
                ("exec.approval.resolve", {"id": "no", "decision": "deny"}),
            ):
                with pytest.raises(WireError):
                    await boss.call(method, params)
            with pytest.raises(WireError) as used:
                await asker.call("exec.approval.request", {"id": id_, "command": "x"})
            assert used.value.details["reason"] == "EXISTS"
            late = await asker.call("exec.approval.request", {"command": "x", "timeoutMs": 20})
            assert late["decision"] is None, "no decision, which is a no"
            assert not [e for e in reader.events if e["event"].startswith("exec.")]

    run(main())


def test_the_rules_for_commands_are_guarded_by_their_hash(endpoint):
    async def main():
        async with endpoint.connected() as wire:
            before = await wire.call("exec.approvals.get")
            rules = {"version": 1, "defaults": {"security": "deny"}, "agents": {"main": {"allowlist": []}}}
            after = await wire.call("exec.approvals.set", {"file": rules, "baseHash": before["hash"]})
            assert after["exists"] and after["file"]["defaults"] == {"security": "deny"}
            with pytest.raises(WireError) as stale:
                await wire.call("exec.approvals.set", {"file": rules, "baseHash": before["hash"]})
            assert stale.value.details["reason"] == "STALE"
            assert await wire.call("exec.approvals.get") == after

    run(main())


def test_config_apply_is_guarded_by_its_hash_and_takes_effect_without_a_restart(endpoint):
    async def main():
        async with endpoint.connected() as wire:
            before = await wire.call("config.get")
            applied = await wire.call("config.apply", {"raw": before["raw"], "baseHash": before["hash"]})
            assert applied["ok"] and applied["restart"] is None
            with pytest.raises(WireError) as stale:
                await wire.call("config.set", {"raw": "{}", "baseHash": "0" * 64})
            assert stale.value.details["reason"] == "STALE"

    run(main())


def test_the_main_session_is_found_by_alias_and_cannot_be_deleted(endpoint):
    async def main():
        async with endpoint.connected() as wire:
            await wire.ask("[[text=x]]")
            for key in ("main", "agent:main:main"):
                assert (await wire.call("sessions.resolve", {"key": key}))["key"] == "agent:main:main"
            with pytest.raises(WireError) as kept:
                await wire.call("sessions.delete", {"key": "main"})
            assert kept.value.details["reason"] == "MAIN_SESSION"

    run(main())
