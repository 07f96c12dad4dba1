"""State in memory that the other gateways know: questions, nodes, devices, log-outs, temporary sessions."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import uuid
import zipfile
from typing import Any

import pytest

from clawdbot_ext.gateway.access import links
from clawdbot_ext.gateway.access.auth import Auth, by_token
from clawdbot_ext.gateway.access.identity import Identity
from clawdbot_ext.gateway.methods.auth import keep_logged_out
from clawdbot_ext.protocol.errors import RateLimited, Unauthorized
from clawdbot_ext.protocol.schema import ConnectAuth
from tests.support.device import Device
from tests.support.gateways import Gateways, Member
from tests.support.in_process import InProcess, Peer, until


def answer_to(client: InProcess, number: str) -> Any:
    return next((frame for frame in client.peer.frames if frame.get("id") == number), None)


def test_wrong_logins_count_at_all_gateways_together(drive):
    async def scenario(made: Gateways) -> None:
        a, b = (member.gateway.access.auth for member in made.all)
        limit = made.all[0].gateway.services.config()["gateway.loginAttemptsPerMinute"]
        for attempt in range(limit):
            with pytest.raises(Unauthorized):  # by turns, fewer at each than its limit
                (a if attempt % 2 else b).check_connect(ConnectAuth(token="wrong"), "192.0.2.7")
            await asyncio.sleep(0)

        def limited(auth: Auth, client: str) -> bool:
            return auth._failures is not None and auth._failures.wait_ms(limit, client) > 0

        await until(lambda: limited(a, "192.0.2.7") and limited(b, "192.0.2.7"))
        for auth in (a, b):
            with pytest.raises(RateLimited):
                auth.check_connect(ConnectAuth(token="wrong"), "192.0.2.7")
        with pytest.raises(Unauthorized):
            b.check_connect(ConnectAuth(token="wrong"), "192.0.2.8")

    drive(scenario)


def test_a_login_link_opens_at_any_gateway_and_once_in_all(drive):
    async def scenario(made: Gateways) -> None:
        a, stranger = made.all
        b = await made.add(secrets_of=0)
        client = await a.client()
        codes = [(await client.call("auth.link", {}))["payload"]["code"] for _ in range(3)]
        auth, other = b.gateway.access.auth, a.gateway.access.auth
        kept = json.dumps(await made.database.list_records(links.KIND))
        assert not any(code in kept for code in codes)
        found = await asyncio.gather(*(each.links.redeem(codes[0]) for each in (auth, other, auth, other)))
        [identity] = [each for each in found if each is not None]
        assert (identity.via, identity.is_account) == ("link", True)
        assert await auth.links.redeem(codes[0]) is None and await other.links.redeem(codes[0]) is None
        asked = len(await made.database.list_records(links.KIND))
        for code in ("", "x", codes[0][:-1] + "_", codes[1].upper(), "\udc80" * 40):
            assert await auth.links.redeem(code) is None
        assert await stranger.gateway.access.auth.links.redeem(codes[1]) is None  # of a gateway with other keys
        assert len(await made.database.list_records(links.KIND)) == asked == 2
        auth.log_out_everywhere()
        assert await auth.links.redeem(codes[1]) is None
        late, _ = await other.links.create(by_token())
        for row in await made.database.list_records(links.KIND):
            facts = {**row["facts"], "ends": 1}
            await made.database.put_record(links.KIND, row["id"], {**row, "facts": facts}, now=1)
        assert await other.links.redeem(late) is None
        for _ in range(links.MAX_LINKS + 2):
            await other.links.create(by_token())
        assert len(await made.database.list_records(links.KIND)) == links.MAX_LINKS

    drive(scenario)


def test_a_question_asked_at_one_gateway_is_decided_at_the_other(drive):
    async def scenario(made: Gateways) -> None:
        a, b = made.all
        decider = await a.client()
        asker = await b.client()
        id_ = uuid.uuid4().hex
        number = asker.request("exec.approval.request", {"command": "ls", "id": id_, "timeoutMs": 60_000})
        await until(lambda: decider.peer.payloads("exec.approval.requested"))
        late = await a.client()
        hello = next(f for f in late.peer.frames if f.get("type") == "res")["payload"]
        assert [row["id"] for row in hello["snapshot"]["approvals"]] == [id_]
        listed = (await late.call("exec.approval.list", {}))["payload"]["approvals"]
        assert [row["id"] for row in listed] == [id_]
        decided = await decider.call("exec.approval.resolve", {"id": id_, "decision": "allow-once"})
        assert decided["ok"], decided
        await until(lambda: answer_to(asker, number))
        assert answer_to(asker, number)["payload"]["decision"] == "allow-once"
        await until(lambda: late.peer.payloads("exec.approval.resolved"))
        assert len(decider.peer.payloads("exec.approval.requested")) == 1
        assert len(decider.peer.payloads("exec.approval.resolved")) == 1
        assert (await late.call("exec.approval.list", {}))["payload"]["approvals"] == []
        again = await decider.call("exec.approval.resolve", {"id": id_, "decision": "deny"})
        assert again["error"]["details"]["reason"] == "NOT_FOUND"

    drive(scenario)


def test_a_node_is_asked_through_another_gateway_and_by_its_tools(drive):
    async def scenario(made: Gateways) -> None:
        a, b = made.all
        node = await a.client(role="node", commands=["camera.snap"], client={"instanceId": "cam"})
        asker = await b.client()
        await until(lambda: "cam" in b.gateway.services.peers.nodes.connected())
        call = {"nodeId": "cam", "command": "camera.snap", "idempotencyKey": uuid.uuid4().hex}
        number = asker.request("node.invoke", call)
        await until(lambda: node.peer.payloads("node.invoke.request"))
        asked = node.peer.payloads("node.invoke.request")[0]
        result = {"id": asked["id"], "nodeId": "cam", "ok": True, "payload": {"picture": 1}}
        assert (await node.call("node.invoke.result", result))["payload"] == {"ok": True}
        await until(lambda: answer_to(asker, number))
        assert answer_to(asker, number)["payload"]["payload"] == {"picture": 1}

        nodes, heard = b.gateway.services.peers.nodes, []
        work = nodes.command(nodes.connected()["cam"], "camera.snap", {"x": 1}, progress=heard.append)
        answering = asyncio.ensure_future(work)
        await until(lambda: len(node.peer.payloads("node.invoke.request")) == 2)
        asked = node.peer.payloads("node.invoke.request")[1]
        progress = {"event": "node.progress", "payloadJSON": json.dumps({"id": asked["id"], "data": {"done": 1}})}
        assert (await node.call("node.event", progress))["ok"]
        await until(lambda: heard)
        result = {"id": asked["id"], "nodeId": "cam", "ok": True, "payload": {"picture": 2}}
        assert (await node.call("node.invoke.result", result))["payload"] == {"ok": True}
        assert (await answering, heard) == ({"picture": 2}, [{"done": 1}])
        late = await node.call("node.invoke.result", result)
        assert late["payload"]["ignored"]

    drive(scenario)


def test_a_temporary_session_is_of_the_gateway_that_made_it_and_is_reached_from_the_other(drive):
    async def scenario(made: Gateways) -> None:
        a, b = made.all
        maker, other = await b.client(), await a.client()
        key = (await maker.call("sessions.new", {"temporary": True}))["payload"]["key"]
        run_id = uuid.uuid4().hex
        other.request("chat.send", {"sessionKey": key, "message": "hello", "idempotencyKey": run_id})
        assert (await other.end(run_id))["state"] == "final"
        for client in (maker, other):
            history = (await client.call("chat.history", {"sessionKey": key}))["payload"]
            assert [message["role"] for message in history["messages"]] == ["user", "assistant"]
        exported = await other.call("sessions.export", {"key": key, "format": "markdown"})
        assert "hello" in exported["payload"]["content"]
        b.gateway.forwarding.homes.release_idle(-1)
        assert b.has_home(key)

    drive(scenario)


def test_many_sessions_are_changed_each_at_its_home(drive):
    async def scenario(made: Gateways) -> None:
        a, b = made.all
        one, other = await a.client(), await b.client()
        await one.call("sessions.new", {"key": "first"})
        await other.call("sessions.new", {"key": "second"})
        keys = ["first", "second", "none"]
        answer = await one.call("sessions.bulk", {"keys": keys, "action": "archive"})
        assert sorted(answer["payload"]["done"]) == ["agent:main:first", "agent:main:second"]
        assert [row["key"] for row in answer["payload"]["failed"]] == ["agent:main:none"]
        await until(lambda: len(other.peer.payloads("session.changed")) == 4)
        for client in (one, other):
            told = [(p["key"], p["reason"]) for p in client.peer.payloads("session.changed")]
            assert sorted(told) == [
                ("agent:main:first", "created"),
                ("agent:main:first", "updated"),
                ("agent:main:second", "created"),
                ("agent:main:second", "updated"),
            ]

    drive(scenario)


def test_an_idle_home_is_given_up_and_goes_where_it_is_used_next(drive):
    async def scenario(made: Gateways) -> None:
        a, b = made.all
        one, other = await a.client(), await b.client()
        await other.ask("hello", uuid.uuid4().hex)
        key = "agent:main:main"
        assert b.has_home(key)
        await until(lambda: not b.gateway.services.runs.occupied(key))
        b.gateway.forwarding.homes.release_idle(-1)
        assert not b.has_home(key)
        assert (await one.ask("again", uuid.uuid4().hex))["state"] == "final" and a.has_home(key)
        assert (await other.call("chat.history", {"sessionKey": "main"}))["payload"]["seq"] == 4

    drive(scenario)


def test_a_log_out_at_one_gateway_is_known_at_the_other(drive):
    async def scenario(made: Gateways) -> None:
        a, b = made.all
        voided: list[str] = []
        b.gateway.access.on_void = lambda: voided.append("b")
        await keep_logged_out(a.gateway.services, "cookie-1", 2_000_000_000)
        await until(lambda: voided == ["b"])
        assert b.gateway.access.auth.current(Identity("u", "cookie", lineage=("cookie-1",), issuer="token")) is None

    drive(scenario)


async def connect_device(member: Member, device: Device) -> tuple[InProcess, dict[str, Any]]:
    """A client with a device, and the answer to its ``connect``."""
    peer = Peer()
    peer.direct = False  # type: ignore[attr-defined]
    client = InProcess(member.gateway, peer, member.gateway.accept(peer).receive)
    nonce = peer.payloads("connect.challenge")[0]["nonce"]
    return client, await client.call("connect", device.connect(nonce))


def test_a_device_is_let_in_and_sent_away_at_another_gateway(drive):
    async def scenario(made: Gateways) -> None:
        a, b = made.all
        owner, device = await b.client(), Device()
        _, refused = await connect_device(a, device)
        assert refused["error"]["code"] == "NOT_PAIRED"
        request_id = refused["error"]["details"]["requestId"]
        await until(lambda: owner.peer.payloads("device.pair.requested"))
        pending = (await owner.call("device.pair.list", {}))["payload"]["pending"]
        assert [row["requestId"] for row in pending] == [request_id]
        approved = await owner.call("device.pair.approve", {"requestId": request_id})
        assert approved["ok"], approved
        await until(lambda: a.gateway.access.devices.allows(device.id, "operator", frozenset()))
        assert a.gateway.access.devices.pending() == []
        client, welcome = await connect_device(a, device)
        assert welcome["ok"], welcome
        revoked = await owner.call("device.token.revoke", {"deviceId": device.id, "role": "operator"})
        assert revoked["ok"], revoked
        await until(lambda: {"closed": 1008} in client.peer.frames)
        await until(lambda: not a.gateway.access.devices.allows(device.id, "operator", frozenset()))

    drive(scenario)


def test_the_end_of_a_run_wakes_those_who_wait_for_it_elsewhere(drive):
    async def scenario(made: Gateways) -> None:
        a, b = made.all
        waiter, sender, run_id = await a.client(), await b.client(), uuid.uuid4().hex
        number = waiter.request("agent.wait", {"runId": run_id, "timeoutMs": 60_000})
        assert (await sender.ask("hello", run_id))["state"] == "final"
        await until(lambda: answer_to(waiter, number))
        assert answer_to(waiter, number)["payload"]["status"] == "ok"

    drive(scenario)


def test_subscriptions_are_kept_at_every_gateway(drive):
    async def scenario(made: Gateways) -> None:
        a, b = made.all
        reader = await a.client(caps=["session.events", "chat.append", "sessions.subscribe"])
        writer = await b.client()
        await writer.ask("hello", uuid.uuid4().hex)
        assert reader.peer.payloads("chat") == []
        await reader.call("sessions.subscribe", {"keys": ["main"]})
        run_id = uuid.uuid4().hex
        await writer.ask("again", run_id)
        assert (await reader.end(run_id))["state"] == "final"
        await reader.call("sessions.unsubscribe", {"keys": ["main"]})
        last = uuid.uuid4().hex
        await writer.ask("and again", last)
        await reader.call("chat.history", {"sessionKey": "main"})
        assert not [p for p in reader.peer.payloads("chat") if p["runId"] == last]

    drive(scenario)


def test_a_node_that_asked_at_one_gateway_is_let_in_at_the_other(drive):
    async def scenario(made: Gateways) -> None:
        a, b = made.all
        asker, owner = await a.client(), await b.client()
        asked = (await asker.call("node.pair.request", {"nodeId": "n-1"}))["payload"]["request"]
        await until(lambda: owner.peer.payloads("node.pair.requested"))
        pending = (await owner.call("node.pair.list", {}))["payload"]["pending"]
        assert [row["requestId"] for row in pending] == [asked["requestId"]]
        approved = await owner.call("node.pair.approve", {"requestId": asked["requestId"]})
        assert approved["ok"], approved
        await until(lambda: asker.peer.payloads("node.pair.resolved"))
        listed = (await asker.call("node.pair.list", {}))["payload"]
        assert listed["pending"] == [] and [node["nodeId"] for node in listed["paired"]] == ["n-1"]

    drive(scenario)


def listed(answer: dict[str, Any]) -> list[Any]:
    """The rows of a list, without what each gateway says of itself."""
    payload = answer["payload"]
    rows = payload["sessions"] if "sessions" in payload else [row["entry"] for row in payload["rows"]]
    return [(row["key"], row.get("label"), row["derivedTitle"], row["updatedAt"], row["totalTokens"]) for row in rows]


def test_temporary_sessions_are_in_the_lists_of_every_gateway(drive):
    async def scenario(made: Gateways) -> None:
        a, b = made.all
        one, other = await a.client(), await b.client()
        here = (await one.call("sessions.new", {"temporary": True, "label": "on a"}))["payload"]["key"]
        there = (await other.call("sessions.new", {"temporary": True}))["payload"]["key"]
        for client, key in ((one, here), (other, there), (one, there), (one, "kept")):
            await client.ask(f"hello {key}", uuid.uuid4().hex, sessionKey=key)
        await until(lambda: other.peer.payloads("session.changed")[-1]["key"] == "agent:main:kept")
        late = await (await made.add()).client()
        for method, params in (
            ("sessions.list", {}),
            ("sessions.list", {"limit": 2}),
            ("sessions.list", {"search": "HELLO AGENT"}),
            ("sessions.list", {"label": "on a"}),
            ("sessions.page", {"sort": "title", "limit": 2, "offset": 1}),
            ("sessions.page", {"kinds": ["temporary"]}),
        ):
            first, *rest = [listed(await client.call(method, params)) for client in (one, other, late)]
            assert first and all(each == first for each in rest), (method, params)
        previews = [
            (await client.call("sessions.preview", {"keys": [here, there, "kept", "none"]}))["payload"]["previews"]
            for client in (one, other)
        ]
        assert previews[0] == previews[1]
        assert [row["status"] for row in previews[0]] == ["ok", "ok", "ok", "missing"]
        found = await other.call("sessions.resolve", {"label": "on a"})
        assert found["payload"]["key"] == here
        for client in (one, other, late):
            packed = (await client.call("sessions.exportMany", {"keys": [here, there, "kept"], "format": "markdown"}))[
                "payload"
            ]
            assert len(packed["done"]) == 3 and packed["failed"] == []
            with zipfile.ZipFile(io.BytesIO(base64.b64decode(packed["content"]))) as archive:
                texts = "".join(archive.read(name).decode() for name in archive.namelist())
            assert f"hello {here}" in texts and f"hello {there}" in texts and "hello kept" in texts
        removed = (await late.call("sessions.bulk", {"keys": [here, there, "kept"], "action": "delete"}))["payload"]
        assert len(removed["done"]) == 3 and removed["undoUntil"]
        for client in (one, other):
            assert listed(await client.call("sessions.list", {})) == []
        back = (await other.call("sessions.bulk", {"keys": removed["done"], "action": "undelete"}))["payload"]
        assert sorted(back["done"]) == sorted(removed["done"]), back
        made.kill(b)
        stays = await a.client()  # the others may lack events of the dead one, and resume
        left = {here, "agent:main:kept"}
        end = asyncio.get_running_loop().time() + 30
        while {row[0] for row in listed(await stays.call("sessions.list", {}))} != left:
            assert asyncio.get_running_loop().time() < end
            await asyncio.sleep(0.02)

    drive(scenario)


def test_a_device_that_tells_of_itself_is_present_at_every_gateway(drive):
    async def scenario(made: Gateways) -> None:
        a, b = made.all
        one, other = await a.client(), await b.client()
        told = {"text": "Node: kitchen", "deviceId": "kitchen", "host": "pi"}
        assert (await one.call("system-event", told))["ok"]

        def rows(member: Member) -> list[dict[str, Any]]:
            found = [json.loads(bytes(row)) for row in member.gateway.services.peers.presence.rows()]
            return sorted((row for row in found if row.get("reason") != "self"), key=str)

        await until(lambda: any(row.get("deviceId") == "kitchen" for row in rows(b)))
        await until(lambda: any("kitchen" in str(each) for each in other.peer.payloads("presence")))
        late = await made.add()
        await until(lambda: rows(late) == rows(b) == rows(a))
        assert any(row.get("deviceId") == "kitchen" for row in rows(late))

    drive(scenario)
