"""``config.*``, and what changes while the gateway runs."""

from __future__ import annotations

import asyncio
import fcntl
import json

import pytest

from clawdbot_ext import config
from tests.support.wire import WireError, run, text_of, wired


def test_get_redacts_and_set_is_guarded_by_the_hash(gateway):
    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            config.set_value(gateway.home / "config.json", "gateway.remote.token", "canary-secret")
            got = await wire.call("config.get")
            assert got["valid"] and "canary-secret" not in json.dumps(got)
            with pytest.raises(WireError) as refused:
                await wire.call("config.set", {"raw": "{}", "baseHash": "0" * 64})
            assert refused.value.details["reason"] == "STALE"
            raw = '{session: {maxQueued: 3}, gateway: {remote: {token: "__REDACTED__"}}} // JSON5'
            await wire.call("config.set", {"raw": raw, "baseHash": got["hash"]})
            assert (await wire.call("config.get"))["config"]["session"]["maxQueued"] == 3

    run(main())


def test_a_configuration_file_that_another_process_is_changing_holds_up_nobody_else(gateway):
    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            with (gateway.home / ".config.json.lock").open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                change = asyncio.create_task(wire.call("config.patch", {"raw": "{session: {maxQueued: 3}}"}))
                await asyncio.sleep(0)
                for _ in range(3):
                    assert (await wire.call("health", timeout=60))["ok"]
                assert not change.done()
            assert (await change)["ok"]

    run(main())


@pytest.mark.parametrize("auth", [{"token": "short"}, {"mode": "password"}], ids=["short token", "no password"])
def test_the_secret_is_nothing_that_a_client_changes(make_gateway, auth):
    gateway = make_gateway(arguments=("--bind=lan", "--allow-root"))

    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            before = await wire.call("config.get")
            with pytest.raises(WireError) as refused:
                await wire.call("config.patch", {"raw": json.dumps({"gateway": {"auth": auth}})})
            assert refused.value.details["reason"] == "OWNER_ONLY"
            assert (await wire.call("config.get"))["raw"] == before["raw"]
        async with wired(gateway.ws_url, gateway.token):
            pass

    run(main())


@pytest.mark.parametrize("raw", ["{", "[]", '{"gateway":{"prot":1}}', '{"gateway":{"port":"high"}}'])
def test_an_invalid_configuration_is_refused_and_nothing_changes(gateway, raw):
    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            before = await wire.call("config.get")
            for method in ("config.set", "config.patch"):
                with pytest.raises(WireError) as refused:
                    await wire.call(
                        method, {"raw": raw, "baseHash": before["hash"]} if before.get("hash") else {"raw": raw}
                    )
                assert refused.value.code == "INVALID_REQUEST"
            assert (await wire.call("config.get"))["raw"] == before["raw"]

    run(main())


def test_the_schema_describes_the_settings(gateway):
    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            got = await wire.call("config.schema")
            assert got["schema"]["properties"]["gateway"]["properties"]["port"] and got["uiHints"]

    run(main())


def test_a_key_that_is_set_switches_from_the_demo_without_a_restart(gateway, messages_api):
    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            assert wire.hello["snapshot"]["setup"] == {"provider": "demo", "needsKey": True}
            assert (await wire.ask("[[tokens=1]]"))["message"]["demo"] is True
            config.set_value(gateway.home / "config.json", "models.providers.anthropic.baseUrl", messages_api.url)
            await wire.call("models.setKey", {"apiKey": "sk-canary-1"})
            await wire.wait("health", lambda p: p["setup"]["provider"] == "anthropic")
            end = await wire.ask("[[text=the real thing]]")
            assert text_of(end["message"]) == "the real thing" and "demo" not in end["message"]
            assert "sk-canary-1" not in json.dumps(await wire.call("config.get"))

    run(main())
