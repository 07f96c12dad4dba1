"""S19 to S21: settings of the owner's, approvals that were not given, and devices from which something was taken. Named
after the rows in SECURITY.md."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re

import pytest

from clawdbot_ext.config.settings import SETTINGS
from tests.support.device import Device
from tests.support.logins import device_joined, joined, refusal
from tests.support.wire import Wire, WireError, run

# -- S19: what only the owner may say ---------------------------------------------------------------------------------
NAMES_SOMETHING = re.compile(
    r"(?:port|host|bind|path|url|command|token|password|apikey|fingerprint|proxies|origins|"
    r"mode|owners|allowtailscale|kernelsgetproviderkeys|enabled|disabled|allowed|limit|perminute|"
    r"peraddress)$",
    re.IGNORECASE,
)
SAMPLE = {
    "string": "x",
    "integer": 7,
    "number": 7.5,
    "boolean": True,
    "strings": ["x"],
    "models": ["x"],
    "tree": {"*": {"limits.dailyTokens": 7}},
}


def test_s19_every_setting_says_who_changes_it_and_what_names_something_is_the_owners():
    assert {row.by for row in SETTINGS} == {"client", "owner"}
    for row in SETTINGS:
        leaf = row.name.rpartition(".")[2]
        if row.secret or (NAMES_SOMETHING.search(leaf) and row.name != "media.pdf.mode"):
            assert row.by == "owner", row.name
    assert {
        "media.audio.command",
        "media.audio.model",
        "gateway.auth.owners",
        "models.providers.<name>.baseUrl",
        "gateway.tls.keyPath",
        "policy.disabled",
    } <= {row.name for row in SETTINGS if row.by == "owner"}


@pytest.mark.parametrize("locale", ["en", "ko"])
def test_s19_no_client_changes_what_is_the_owners_by_any_method(door, locale):
    """Every setting, set, replaced and taken away, with everything that a client can have."""
    path = door.process.home / "config.json"
    original = path.read_bytes()
    tree = {
        "gateway": {**json.loads(original)["gateway"], "remote": {"url": "wss://box.example"}},
        "media": {"audio": {"command": ["whisper"]}},
    }
    path.write_text(json.dumps(tree))

    async def main():
        async with door.connected(locale=locale) as wire:
            for row in SETTINGS:
                name = row.name.replace("<name>", "anthropic")
                current = await wire.call("config.get")
                present = current["config"]
                for part in name.split("."):
                    present = present.get(part) if isinstance(present, dict) else None
                possible = (*row.choices, SAMPLE[row.type]) if row.type == "string" else (SAMPLE[row.type], False)
                present = row.default if present is None else present
                change = next(value for value in possible if value != present)  # what is in force is no change
                for part in reversed(name.split(".")):
                    change = {part: change}
                whole = json.dumps({**change, **{k: v for k, v in tree.items() if k not in change}})
                tries = [("config.patch", json.dumps(change)), ("config.set", whole), ("config.apply", whole)]
                for method, raw in tries if row.by == "owner" else ():
                    with pytest.raises(WireError) as refused:
                        await wire.call(method, {"raw": raw, "baseHash": current["hash"]})
                    details = refused.value.details
                    assert details["reason"] == "OWNER_ONLY", (method, name, refused.value.error)
                    assert locale == "en" or "게이트웨이" in details["text"]
            for gone in ({"media": None}, {"gateway": None}, {"gateway": {"remote": "x"}}):
                with pytest.raises(WireError) as refused:
                    await wire.call("config.patch", {"raw": json.dumps(gone)})
                assert refused.value.details["reason"] == "OWNER_ONLY", gone
            assert json.loads(path.read_text()) == tree
            shown = await wire.call("config.get")  # all values in force, as Clawdbot's page sends them back
            shown["config"]["session"]["maxQueued"] = 9
            await wire.call("config.set", {"raw": json.dumps(shown["config"]), "baseHash": shown["hash"]})
            written = json.loads(path.read_text())
            assert written["gateway"].keys() - {"tickIntervalMs"} == tree["gateway"].keys()
            assert written["session"]["maxQueued"] == 9
            await wire.call("config.patch", {"raw": '{"session": null}'})

    try:
        run(main(), 90)
    finally:
        path.write_bytes(original)


# -- S20: a caller says that a person has allowed it ------------------------------------------------------------------
@pytest.mark.parametrize(
    "claimed",
    [
        {"approved": True, "approvalDecision": "allow-once"},
        {"Approved": True},
        {"approval_decision": "allow-always"},
        {"approved": True, "approvalDecision": "allow-once", "runId": "of-another"},
        {"approved": True, "runId": "denied"},
        {"approved": True, "runId": "good", "rawCommand": "echo good; id"},
        {"approved": True, "runId": "good", "cwd": "/"},
        {"approved": True, "runId": "good", "env": {"LD_PRELOAD": "x.so"}},
    ],
)
def test_s20_a_node_hears_of_no_approval_that_nobody_gave(door, claimed):
    async def main():
        async with node_of(door) as node, door.connected(scopes=["operator.write", "operator.approvals"]) as wire:
            for id_, decision, command in (
                ("of-another", "allow-once", "echo other"),
                ("denied", "deny", "echo good"),
                ("good", "allow-once", "echo good"),
            ):
                await decide(wire, f"{id_}-{node.id}", command, decision)
            given = {"command": ["/bin/sh", "-lc", "echo good"], **claimed}
            if "runId" in given:
                given["runId"] = f"{given['runId']}-{node.id}"
            heard = await node.asked(wire, given)
            assert not [name for name in heard if "approv" in name.lower()], heard
            assert heard["command"] == given["command"]

    run(main())


def test_s20_a_decision_for_exactly_that_call_is_told_once(door):
    async def main():
        async with node_of(door) as node, door.connected() as wire, door.connected() as other:
            await decide(wire, id_ := f"once-{node.id}", "echo good", "allow-once")
            given = {
                "command": ["/bin/sh", "-lc", "echo good"],
                "rawCommand": "echo good",
                "runId": id_,
                "approved": True,
                "approvalDecision": "allow-always",
            }
            heard = await node.asked(wire, given)
            assert (heard["approved"], heard["approvalDecision"]) == (True, "allow-once"), "as it was stored"
            for caller in (wire, other):
                assert "approved" not in await node.asked(caller, given), "it is used up"
        async with node_of(door) as node, door.connected(scopes=["operator.write"]) as wire:
            with pytest.raises(WireError) as refused:
                await node.asked(wire, {"file": {}}, "system.execApprovals.set")
            assert refused.value.details["reason"] == "MISSING_SCOPE", "the node's own rules are an administrator's"

    run(main())


async def decide(wire, id_, command, decision):
    asking = asyncio.create_task(wire.call("exec.approval.request", {"id": id_, "command": command, "host": "node"}))
    await wire.wait("exec.approval.requested", lambda p: p["id"] == id_)
    await wire.call("exec.approval.resolve", {"id": id_, "decision": decision})
    await asking


class Node:
    """A node that answers and remembers what it was asked."""

    def __init__(self, wire: Wire, id_: str):
        self.wire, self.id, self._count = wire, id_, 0

    async def asked(self, caller: Wire, params, command: str = "system.run"):
        self._count += 1
        key = f"{self.id}-{self._count}-{id(caller)}"
        asking = asyncio.create_task(
            caller.call("node.invoke", {"nodeId": self.id, "command": command, "params": params, "idempotencyKey": key})
        )
        told = asyncio.create_task(self.wire.wait("node.invoke.request", lambda p: p["idempotencyKey"] == key))
        await asyncio.wait({asking, told}, return_when=asyncio.FIRST_COMPLETED)
        if asking.done():
            told.cancel()
            return await asking
        payload = (await told)["payload"]
        await self.wire.call("node.invoke.result", {"id": payload["id"], "nodeId": self.id, "ok": True, "payload": {}})
        await asking
        return json.loads(payload["paramsJSON"])


@contextlib.asynccontextmanager
async def node_of(door):
    device = Device()
    more = {"role": "node", "scopes": [], "commands": ["system.run", "system.execApprovals.set"]}
    async with device_joined(door, device, token=door.process.token, headers=door.program, **more) as wire:
        yield Node(wire, device.id)


# -- S21: a device gets more than a person has left it ----------------------------------------------------------------
def test_s21_what_was_taken_from_a_device_it_does_not_get_back_unasked(own):
    device, everything = Device(), ["operator.admin"]

    async def main():
        async with joined(own, token=own.token) as boss:
            for taken in ("narrowed", "revoked"):
                async with device_joined(own, device, token=own.token, scopes=everything):
                    pass
                if taken == "narrowed":
                    done = await boss.call(
                        "device.token.rotate", {"deviceId": device.id, "role": "operator", "scopes": ["operator.read"]}
                    )
                    assert done["scopes"] == ["operator.read"]
                else:
                    await boss.call("device.token.revoke", {"deviceId": device.id, "role": "operator"})
                refused = await refusal(own, device, token=own.token, scopes=everything)
                assert refused.code == "NOT_PAIRED", taken
                as_node = await refusal(own, device, token=own.token, role="node", scopes=[])
                assert as_node.code == "NOT_PAIRED", "nor by another role"
                await boss.call("device.pair.approve", {"requestId": refused.details["requestId"]})

    run(main())


def test_s21_who_was_let_in_unasked_is_out_with_the_secret_that_let_it_in(own):
    device, met = Device(), Device()
    far = {"X-Forwarded-For": "203.0.113.7"}

    async def main():
        async with joined(own, token=own.token) as boss:
            async with device_joined(own, device, token=own.token) as wire:
                unasked = wire.hello["auth"]["deviceToken"]
            waits = await refusal(own, met, token=own.token, headers=far)
            await boss.call("device.pair.approve", {"requestId": waits.details["requestId"]})
            async with device_joined(own, met, token=own.token, headers=far) as wire:
                approved = wire.hello["auth"]["deviceToken"]
            await boss.call("auth.rotate")
            await boss.closed()
        assert (await refusal(own, device, token=unasked)).details["reason"] == "UNAUTHORIZED"
        async with device_joined(own, met, token=approved, headers=far):
            pass  # a person has let it in
        async with device_joined(own, device, token=own.token) as wire:
            assert wire.hello["auth"]["deviceToken"] != unasked

    run(main())
