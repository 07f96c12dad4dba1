"""Changes of one thing at two gateways in the same moment: none is lost, and what is to be used once is used once."""

from __future__ import annotations

import asyncio
from typing import Any

from clawdbot_ext.gateway.hands.approvals import KIND, AlreadyUsed
from clawdbot_ext.gateway.hands.grants import KIND as GRANTS
from clawdbot_ext.protocol.errors import NotFound
from tests.gateway.forwarding.test_replicas import connect_device
from tests.support.device import Device
from tests.support.gateways import Gateways, Member
from tests.support.in_process import until


def test_rules_that_two_gateways_are_given_at_once_are_all_kept(drive):
    async def scenario(made: Gateways) -> None:
        approvals = [member.gateway.services.runs.approvals for member in made.all]
        wanted = [f"tool-{number}" for number in range(8)]
        await asyncio.gather(*(approvals[n % 2].always_allow("main", each) for n, each in enumerate(wanted)))
        for each in wanted:
            assert await approvals[0].is_allowed("main", each), each
        clients = [await member.client() for member in made.all]
        seen = (await clients[0].call("exec.approvals.get", {}))["payload"]["hash"]
        replaced = await asyncio.gather(
            *(
                client.call("exec.approvals.set", {"file": {"agents": {name: {}}}, "baseHash": seen})
                for client, name in zip(clients, "xy", strict=True)
            )
        )
        assert sorted(answer["ok"] for answer in replaced) == [False, True]

    drive(scenario)


def test_a_grant_that_two_gateways_are_given_is_one_and_stays_revoked(drive):
    async def scenario(made: Gateways) -> None:
        one, other = (member.gateway.services.runs.hands.grants for member in made.all)
        facts: dict[str, Any] = {"tool": "notebook.run", "scope": "always", "by": "ann", "path": "*.ipynb"}
        given = await asyncio.gather(*(each.add(**facts) for each in (one, other, one, other)))
        [grant] = await one.list()
        assert {each.id for each in given} == {grant.id}
        store: Any = made.all[0].store
        listed = store.list_records

        async def revoked_in_between(kind: str) -> Any:
            rows = await listed(kind)
            if kind == GRANTS:
                del store.list_records
                await other.revoke(grant.id)
            return rows

        store.list_records = revoked_in_between
        assert await one.covering("notebook.run", "a.ipynb", [], "agent:main:main") is None
        assert await one.list() == await other.list() == []

    drive(scenario)


def test_a_permission_is_used_at_one_of_two_gateways(drive):
    async def scenario(made: Gateways) -> None:
        both = [member.gateway.services.runs.approvals for member in made.all]
        for number in range(4):
            id_ = f"call-{number}"
            await both[0].allowed_without_question(id_, {"digest": "d"}, "a mode")
            uses = await asyncio.gather(*(each.use(id_, "d") for each in both), return_exceptions=True)
            assert sorted(type(each).__name__ for each in uses) == [AlreadyUsed.__name__, "NoneType"]
            assert (await made.database.get_record(KIND, id_))["usedAtMs"]

    drive(scenario)


def test_a_device_that_is_renamed_here_and_revoked_there_is_both(drive):
    async def scenario(made: Gateways) -> None:
        a, b = made.all
        owner, device = await b.client(), Device()
        _, refused = await connect_device(a, device)
        await until(lambda: owner.peer.payloads("device.pair.requested"))
        request_id = refused["error"]["details"]["requestId"]
        assert (await owner.call("device.pair.approve", {"requestId": request_id}))["ok"]
        await until(lambda: a.gateway.access.devices.allows(device.id, "operator", frozenset()))
        names = [f"name {number}" for number in range(3)]
        here, there = a.gateway.access.devices, b.gateway.access.devices
        await asyncio.gather(*(here.rename(device.id, name) for name in names), there.revoke(device.id, "operator"))
        stored = await made.database.get_record("device", device.id)
        assert stored["grants"]["operator"]["revoked_at"] and stored["display_name"] == names[-1]

        def known(member: Member) -> bool:
            return not member.gateway.access.devices.allows(device.id, "operator", frozenset())

        await until(lambda: known(a) and known(b))
        try:
            await here.rotate(device.id, "operator", None)
        except NotFound:
            pass
        else:
            raise AssertionError("a token that was revoked at the other gateway was given anew")

    drive(scenario)


def test_a_node_that_is_forgotten_there_does_not_come_back_by_a_new_name_here(drive):
    async def scenario(made: Gateways) -> None:
        a, b = made.all
        one, other = await a.client(), await b.client()
        request = (await one.call("node.pair.request", {"nodeId": "n-1"}))["payload"]["request"]
        await until(lambda: other.peer.payloads("node.pair.requested"))
        assert (await one.call("node.pair.approve", {"requestId": request["requestId"]}))["ok"]
        renames = [one.call("node.rename", {"nodeId": "n-1", "displayName": f"name {n}"}) for n in range(4)]
        await asyncio.gather(*renames, other.call("node.pair.remove", {"nodeId": "n-1"}))
        assert await made.database.get_record("node", "n-1") is None

    drive(scenario)
