"""Two users with a space each: what one of them has, and every way in which the other may ask for it."""

from __future__ import annotations

import asyncio
import hashlib
import json
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.support.device import Device
from tests.support.http import Answer, ask
from tests.support.logins import device_joined, joined
from tests.support.server import GatewayProcess
from tests.support.wire import Wire, opened

PROOF = "a-secret-of-proxy-and-gateway-0123456789"
TOKEN = "the-operator-s-own-token-0123456789"
QUICK = "[[tokens=1]] [[delay_ms=0]]"
CAPS = ("chat.append", "session.events", "tool-events")
BOUND_S = 60.0
MARK = f"quillfeather{uuid.uuid4().hex}"
"""Stands in everything that is Ada's own, and in nothing that another may see."""
VOLATILE = ("age", "ts", "durationMs", "uptimeMs", "updatedAt", "lastUsedAtMs", "runs", "hasActiveRun", "connectedAtMs")
BOB = f"bob {uuid.uuid4().hex}"
FORGED = f"thornbush{uuid.uuid4().hex}"
"""Stands in everything that Bob sends, and in nothing that Ada sees."""


def gateway(state: Path, spaces: Path, url: str = "", **users: Any) -> GatewayProcess:
    """A gateway with users, not started yet; ``url``: of the database that it shares with others."""
    env = {"CLAWDBOT_GATEWAY_TOKEN": TOKEN, **({"CLAWDBOT_STORAGE_URL": url} if url else {})}
    config = {
        "users": {"from": "headers", "secret": PROOF, "directory": str(spaces), **users},
        "gateway": {"trustedProxies": ["127.0.0.1"], "loginAttemptsPerMinute": 6000},
        "agents": {"defaults": {"autoTitle": False}},
    }
    return GatewayProcess(state, env=env, config=config)


def signed_in(of: GatewayProcess, name: str, *more: tuple[str, str]) -> list[tuple[str, str]]:
    """The headers that the proxy sends with a request of a user."""
    shown = name.encode().decode("latin-1")
    return [
        ("X-Clawdbot-Proxy-Secret", PROOF),
        ("X-Forwarded-User", shown),
        ("X-Forwarded-For", "203.0.113.7"),
        ("Origin", of.url.rstrip("/")),
        *more,
    ]


def fetch(of: GatewayProcess, name: str, path: str, method: str = "GET", body: bytes = b"", **more: str) -> Answer:
    headers = [(key.replace("_", "-"), value) for key, value in more.items()]
    return ask(of.port, method, path, signed_in(of, name, *headers), body)


@dataclass
class Loot:
    """Ada's things, by the names under which requests ask for them. None of these names is a secret."""

    gateway: GatewayProcess
    owner: str = field(default_factory=lambda: f"ada {uuid.uuid4().hex}")
    """Ada's name, another one for each test."""
    key: str = ""
    busy_key: str = ""
    deleted_key: str = ""
    session_id: str = ""
    archived_id: str = ""
    message_id: str = ""
    run_id: str = ""
    running_id: str = ""
    waiting_id: str = ""
    media_id: str = ""
    sha256: str = ""
    prompt_id: str = ""
    approval_id: str = ""
    device_id: str = ""
    device_token: str = ""
    node_id: str = ""
    node_token: str = ""
    pending_node: str = ""
    connected_node: str = ""
    label: str = field(default_factory=lambda: f"label-{uuid.uuid4().hex}")


@asynccontextmanager
async def user(of: GatewayProcess, name: str, **handshake: Any) -> AsyncIterator[Wire]:
    """A client of a user, with everything that a user may do."""
    async with joined(of, signed_in(of, name), caps=CAPS, **handshake) as wire:
        yield wire


@asynccontextmanager
async def ada_s(of: GatewayProcess) -> AsyncIterator[tuple[Wire, Loot]]:
    """Ada, at work: a conversation, a reply that is being written and one that waits, a file, a prompt, a question to
    her, devices and nodes, and something deleted that can come back."""
    loot = Loot(of)
    device = Device()
    headers = dict(signed_in(of, loot.owner))
    async with AsyncExitStack() as stack:
        ada = await stack.enter_async_context(user(of, loot.owner))
        await conversation(ada, loot)
        await work(ada, loot)
        held = await stack.enter_async_context(
            device_joined(of, device, token=None, headers=headers, scopes=["operator.read", "operator.write"])
        )
        loot.device_id, loot.device_token = device.id, held.hello["auth"]["deviceToken"]
        await ada.call("device.rename", {"deviceId": device.id, "displayName": MARK})
        await nodes(ada, loot, stack)
        yield ada, loot
        await ada.call("chat.abort", {"sessionKey": loot.busy_key})  # a server that stops would wait for the reply


async def conversation(ada: Wire, loot: Loot) -> None:
    of = loot.gateway
    stored = fetch(of, loot.owner, f"/media?name={quote(MARK)}.txt", "POST", f"text {MARK}".encode())
    assert stored.status == 201, stored.body
    loot.media_id, loot.sha256 = stored.json()["mediaId"], hashlib.sha256(f"text {MARK}".encode()).hexdigest()
    made = await ada.call("sessions.new", {"label": loot.label})
    loot.key = made["key"]
    loot.run_id = uuid.uuid4().hex
    end = await ada.ask(
        f"{QUICK} hello {MARK}", key=loot.key, run_id=loot.run_id, attachments=[{"mediaId": loot.media_id}]
    )
    assert end["state"] == "final"
    history = await ada.call("chat.history", {"sessionKey": loot.key})
    loot.session_id, loot.message_id = history["sessionId"], history["messages"][0]["id"]
    await ada.ask(f"{QUICK} to main {MARK}")
    loot.archived_id = (await ada.call("chat.history", {"sessionKey": "main"}))["sessionId"]
    await ada.call("sessions.reset", {"key": "main"})
    loot.deleted_key = (await ada.call("sessions.new", {}))["key"]
    await ada.ask(f"{QUICK} gone {MARK}", key=loot.deleted_key)
    await ada.call("sessions.delete", {"key": loot.deleted_key})


async def work(ada: Wire, loot: Loot) -> None:
    loot.prompt_id = (await ada.call("prompts.set", {"name": MARK, "text": MARK}))["prompt"]["id"]
    config = await ada.call("config.get")
    patch = json.dumps({"agents": {"defaults": {"systemPrompt": MARK}}})
    await ada.call("config.patch", {"raw": patch, "baseHash": config["hash"]})
    loot.busy_key = (await ada.call("sessions.new", {}))["key"]
    loot.running_id, _ = await ada.send("[[tokens=100000]] [[delay_ms=100]] count", key=loot.busy_key)
    loot.waiting_id, answer = await ada.send(f"and then {MARK}?", key=loot.busy_key, when="next")
    assert answer["queuePosition"] == 1
    loot.approval_id = f"approval-{uuid.uuid4().hex}"
    number = f"question {loot.approval_id}"
    asked = {"command": f"rm {MARK}", "id": loot.approval_id, "timeoutMs": 3_600_000}
    await ada.socket.send(json.dumps({"type": "req", "id": number, "method": "exec.approval.request", "params": asked}))
    await ada.wait("exec.approval.requested", lambda payload: payload["id"] == loot.approval_id)


async def nodes(ada: Wire, loot: Loot, stack: AsyncExitStack) -> None:
    loot.node_id, other = f"node-{uuid.uuid4().hex}", f"node-{uuid.uuid4().hex}"
    asked = await ada.call("node.pair.request", {"nodeId": loot.node_id, "displayName": MARK})
    let_in = await ada.call("node.pair.approve", {"requestId": asked["request"]["requestId"]})
    loot.node_token = let_in["node"]["token"]
    asked = await ada.call("node.pair.request", {"nodeId": other, "displayName": MARK})
    loot.pending_node = asked["request"]["requestId"]
    loot.connected_node = f"camera-{uuid.uuid4().hex}"
    await stack.enter_async_context(node(loot.gateway, loot.owner, loot.connected_node, MARK))


@asynccontextmanager
async def node(of: GatewayProcess, name: str, instance: str, shown: str) -> AsyncIterator[Wire]:
    """A node of a user's, which answers nothing."""
    async with opened(of.ws_url, additional_headers=signed_in(of, name)) as wire:
        wire.start()
        await wire.wait("connect.challenge")
        client = {
            "id": "test-node",
            "version": "1",
            "platform": "test",
            "mode": "node",
            "instanceId": instance,
            "displayName": shown,
        }
        await wire.call(
            "connect",
            {
                "minProtocol": 3,
                "maxProtocol": 3,
                "role": "node",
                "caps": ["camera"],
                "commands": ["camera.snap"],
                "client": client,
            },
        )
        yield wire


def still(value: Any) -> Any:
    """A result without what passes by itself."""
    if isinstance(value, Mapping):
        return {name: still(inner) for name, inner in value.items() if name not in VOLATILE}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [still(inner) for inner in value]
    return value


async def snapshot(ada: Wire, loot: Loot) -> dict[str, Any]:
    """Everything that Ada can see of what is hers."""
    asked: list[tuple[str, dict[str, Any]]] = [
        ("sessions.list", {"includeArchived": True}),
        ("chat.history", {"sessionKey": loot.key}),
        ("chat.history", {"sessionKey": "main"}),
        ("chat.history", {"sessionId": loot.archived_id}),
        ("sessions.transcripts", {"key": "main"}),
        ("sessions.search", {"query": MARK}),
        ("prompts.list", {}),
        ("config.get", {}),
        ("exec.approval.list", {}),
        ("exec.approvals.get", {}),
        ("exec.approval.history", {}),
        ("hands.grants.list", {}),
        ("device.pair.list", {}),
        ("node.list", {}),
        ("node.pair.list", {}),
        ("usage.cost", {}),
        ("last-heartbeat", {}),
        ("clients.list", {}),
        ("system-presence", {}),
        ("models.providers", {}),
    ]
    found = {f"{method} {params}": still(await ada.call(method, params)) for method, params in asked}
    kept = fetch(loot.gateway, loot.owner, f"/media/{loot.media_id}")
    return {**found, "media": (kept.status, kept.body)}


async def settled(wire: Wire) -> None:
    """Wait until everything that was told a client before has come: the answer comes after it."""
    await asyncio.wait_for(wire.call("agents.list"), BOUND_S)
