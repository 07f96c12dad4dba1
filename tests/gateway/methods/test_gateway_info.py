"""``gateway.info``, ``gateway.checks`` and ``protocol.describe`` over a real socket."""

from __future__ import annotations

import asyncio

import pytest

from clawdbot_ext.config import set_value
from clawdbot_ext.protocol.schema import METHODS
from clawdbot_ext.runtime.measures import Distribution
from tests.support.wire import WAIT_S, WireError, run, wired


def test_the_gateway_tells_where_it_is_what_is_wrong_and_what_it_takes(gateway):
    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            info = await wire.call("gateway.info")
            assert info["url"] == gateway.url and info["bind"] == "loopback" and info["authMode"] == "token"
            assert info["pid"] == gateway.pid and info["active"] == [] and "lastFailure" not in info

            found = (await wire.call("gateway.checks", timeout=120))["findings"]
            key = next(each for each in found if each["check"] == "key")
            assert key["level"] == "hint" and key["fix"].startswith("clawdbot config set models.providers")
            assert {each["level"] for each in found} <= {"ok", "hint", "info", "problem"}
            assert {each["source"] for each in found} <= {"doctor", "audit"}

            for name in METHODS:
                told = await wire.call("protocol.describe", {"method": name})
                assert told["params"]["$ref"].startswith("#/$defs/") and told["help"] == METHODS[name].help
            with pytest.raises(WireError) as unknown:
                await wire.call("protocol.describe", {"method": "no.such"})
            assert unknown.value.details["reason"] == "UNKNOWN_METHOD"

            # How it listens is told as it is, not as the next start will have it.
            set_value(gateway.home / "config.json", "gateway.tailscale.mode", "serve")
            await asyncio.wait_for(wire.socket.wait_closed(), WAIT_S)  # a login may mean something else from now on
        async with wired(gateway.ws_url, gateway.token) as wire:
            assert (await wire.call("config.get"))["restart"] == ["gateway.tailscale.mode"]
            assert (await wire.call("gateway.info"))["tailscale"] == "off"

    run(main())


def test_the_checks_are_for_who_may_change_the_gateway() -> None:
    assert METHODS["gateway.checks"].scope == "operator.admin"


def test_a_quantile_is_a_bound_that_the_share_stays_below() -> None:
    times = Distribution((0.01, 0.1, 1.0))
    assert times.quantile(0.99) == 0.0
    for seconds in [0.005] * 98 + [0.05] * 2:
        times.add(seconds)
    assert (times.quantile(0.5), times.quantile(0.99)) == (0.01, 0.1)
    times.add(50)
    assert times.quantile(1) == 1.0
