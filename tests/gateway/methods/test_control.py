"""The methods behind the tabs Config, Models, Approvals and Devices, and the events that keep two people on one tab
up to date."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import pytest

from clawdbot_ext import config
from tests.support.device import Device
from tests.support.messages_api import MessagesAPI
from tests.support.server import GatewayProcess
from tests.support.wire import WireError, opened, run, wired

KEY = "sk-canary-key"


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """One gateway with a scripted provider."""
    with MessagesAPI() as api:
        gateway = GatewayProcess(
            tmp_path_factory.mktemp("control") / "state",
            env={"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": api.url},
            config={"models": {"providers": {"shop": {"baseUrl": "http://ann:secret@127.0.0.1:9/v1"}}}},
        )
        gateway.start()
        yield gateway
        gateway.stop()


def test_a_change_by_one_client_or_in_the_file_is_told_to_the_administrators(there):
    async def main():
        async with (
            wired(there.ws_url, there.token) as ann,
            wired(there.ws_url, there.token, scopes=["operator.read"]) as guest,
        ):
            got = await ann.call("config.get")
            assert got["restart"] == [] and got["comments"] is False
            assert got["sources"]["models.providers.anthropic.apiKey"] == "env"
            assert got["variables"]["models.providers.anthropic.apiKey"] == ["ANTHROPIC_API_KEY"]
            await ann.call("config.patch", {"raw": "{session: {maxQueued: 7}}", "baseHash": got["hash"]})
            told = await ann.wait("config.changed", lambda p: "session.maxQueued" in p["names"])
            assert told["payload"] == {"names": ["session.maxQueued"], "restart": []}
            before = there.home.joinpath("config.json").read_text()
            config.set_value(there.home / "config.json", "logging.level", "debug")
            told = await ann.wait("config.changed", lambda p: "logging.level" in p["restart"])
            assert (await ann.call("config.get"))["restart"] == ["logging.level"]
            there.home.joinpath("config.json").write_text("// a note\n" + before)
            await ann.wait("config.changed", lambda p: p["restart"] == [] and "logging.level" in p["names"])
            assert (await ann.call("config.get"))["comments"] is True
            there.home.joinpath("config.json").write_text("{")
            await ann.wait("config.changed", lambda p: p == {"names": [], "restart": []})
            assert (await ann.call("config.get"))["valid"] is False
            there.home.joinpath("config.json").write_text(before)
            assert not [event for event in guest.events if event["event"] == "config.changed"]

    run(main())


def test_a_wrong_value_is_refused_with_its_setting_the_nearest_value_and_words_in_the_language(there):
    async def main():
        async with wired(there.ws_url, there.token, locale="ko") as wire:
            with pytest.raises(WireError) as refused:
                await wire.call("config.patch", {"raw": '{"logging": {"level": "debgu"}}'})
            details = refused.value.details
            assert (details["setting"], details["suggestion"]) == ("logging.level", "debug")
            assert "중 하나여야" in details["problem"]
            hints = (await wire.call("config.schema"))["uiHints"]
            assert hints["gateway.port"] | {"order": 0} == {
                "help": "게이트웨이가 사용하는 포트예요. 0이면 비어 있는 포트를 골라요.",
                "group": "gateway",
                "order": 0,
                "by": "owner",
                "env": ["CLAWDBOT_GATEWAY_PORT", "JUPYTER_PORT"],
                "restart": True,
            }
            assert hints["models.providers.*.apiKey"]["sensitive"] is True
            assert hints["hands.keepDays"]["unit"] == "일"

    run(main())


def test_providers_are_told_without_their_keys_and_one_is_tested_by_a_real_reply(there):
    async def main():
        async with wired(there.ws_url, there.token) as wire:
            got = await wire.call("models.providers")
            rows = {row["name"]: row for row in got["providers"]}
            assert rows["anthropic"]["key"] and rows["anthropic"]["keySource"] == "env"
            assert rows["anthropic"]["keyVariable"] == "ANTHROPIC_API_KEY" and rows["anthropic"]["isDefault"]
            assert rows["shop"]["baseUrl"] == "http://127.0.0.1:9/v1" and not rows["shop"]["key"]
            assert got["allowed"] == [] and got["configured"] == "" and got["configuredSource"] == "default"
            assert KEY not in json.dumps(got) and "secret" not in json.dumps(got)
            listed = (await wire.call("models.list"))["models"]
            priced = next(row for row in listed if "price" in row)
            assert priced["price"].keys() == {"input", "output", "cacheRead", "cacheWrite"}
            tried = await wire.call("models.test", {"model": priced["id"]})
            assert tried["ok"] and tried["reply"] and tried["usage"]["output"] > 0 and tried["ms"] >= 0
            failed = await wire.call("models.test", {"provider": "shop", "model": "any"})
            assert not failed["ok"] and failed["error"]["kind"] == "connect"
        async with wired(there.ws_url, there.token, scopes=["operator.write"]) as wire:
            with pytest.raises(WireError):
                await wire.call("models.providers")

    run(main())


def test_history_tells_who_decided_what_page_by_page_and_rules_that_change_are_told(there):
    async def ask(wire, name, decision):
        asked = asyncio.create_task(
            wire.call("exec.approval.request", {"command": f"{name} {'x' * 600}", "id": name, "timeoutMs": 60_000})
        )
        await wire.wait("exec.approval.requested", lambda p: p["id"] == name)
        if decision:
            await wire.call("exec.approval.resolve", {"id": name, "decision": decision})
        return asked

    async def main():
        async with wired(there.ws_url, there.token) as wire:
            for name in ("one", "two", "three"):
                await (await ask(wire, name, "deny" if name == "two" else "allow-once"))
            waiting = await ask(wire, "open", None)
            found = []
            page = {"limit": 2}
            while True:
                got = await wire.call("exec.approval.history", page)
                found += got["approvals"]
                if "next" not in got:
                    break
                page = {"limit": 2, "before": got["next"]}
            assert [(row["id"], row["decision"]) for row in found] == [
                ("three", "allow-once"),
                ("two", "deny"),
                ("one", "allow-once"),
            ], "each once, the newest first, and not the open one"
            assert found[0]["resolvedBy"] == "test" and found[0]["kind"] == "command"
            assert len(found[0]["title"]) == 500 and found[0]["resolvedAtMs"] >= found[0]["createdAtMs"]
            await wire.call("exec.approval.resolve", {"id": "open", "decision": "deny"})
            await waiting
            rules = await wire.call("exec.approvals.set", {"file": {"version": 1, "agents": {}}})
            assert (await wire.wait("exec.approvals.changed"))["payload"]["hash"] == rules["hash"]

    run(main())


def test_a_device_is_renamed_and_lists_tell_who_is_connected_from_where(there):
    device = Device()

    async def main():
        async with wired(there.ws_url, there.token) as wire:
            with pytest.raises(WireError) as refused:
                await wire.call("device.rename", {"deviceId": device.id, "displayName": "Desk"})
            assert refused.value.details["reason"] == "NOT_FOUND"
            async with opened(there.ws_url) as other:
                other.start()
                nonce = (await other.wait("connect.challenge"))["payload"]["nonce"]
                await other.call("connect", device.connect(nonce, token=there.token))
                with pytest.raises(WireError):
                    await wire.call("device.rename", {"deviceId": device.id, "displayName": "  "})
                await wire.call("device.rename", {"deviceId": device.id, "displayName": " Desk "})
                assert (await wire.wait("device.changed"))["payload"]["change"] == "renamed"
                (row,) = [d for d in (await wire.call("device.pair.list"))["paired"] if d["deviceId"] == device.id]
                assert row["displayName"] == "Desk"
                clients = (await wire.call("clients.list"))["clients"]
                mine, theirs = clients[1], clients[0]
                assert mine["isSelf"] and not theirs["isSelf"] and theirs["deviceId"] == device.id
                assert theirs["address"] == "127.0.0.1" and theirs["platform"] == "linux"
                assert there.token not in json.dumps(clients)
                await wire.call("device.token.revoke", {"deviceId": device.id, "role": "operator"})
                await wire.wait("device.changed", lambda p: p["change"] == "revoked")

    run(main())


def test_a_node_that_is_forgotten_has_no_valid_token(there):
    async def main():
        async with wired(there.ws_url, there.token) as wire:
            asked = await wire.call("node.pair.request", {"nodeId": "pi", "displayName": "Pi"})
            let_in = await wire.call("node.pair.approve", {"requestId": asked["request"]["requestId"]})
            token = let_in["node"]["token"]
            assert (await wire.call("node.pair.verify", {"nodeId": "pi", "token": token}))["ok"]
            await wire.call("node.pair.remove", {"nodeId": "pi"})
            await wire.wait("device.changed", lambda p: p == {"deviceId": "pi", "change": "removed"})
            assert not (await wire.call("node.pair.verify", {"nodeId": "pi", "token": token}))["ok"]
            with pytest.raises(WireError) as refused:
                await wire.call("node.pair.remove", {"nodeId": "pi"})
            assert refused.value.details["reason"] == "NOT_FOUND"

    run(main())
