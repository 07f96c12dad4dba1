"""S23: a user of a gateway with users sees and changes nothing of another's, through whatever they ask.

Each method, each event and each route has its row here: a new one fails a test until it has one, too. Two gateways on
one PostgreSQL: the two users are at different ones. With SQLite there is one.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

import pytest

from clawdbot_ext.gateway.access.policy import OPERATORS_OWN
from clawdbot_ext.protocol.schema import METHODS
from tests.security.two_users import BOB, FORGED, MARK, QUICK, Loot, ada_s, gateway, settled, snapshot, user
from tests.support.server import GatewayProcess
from tests.support.wire import Wire, WireError, run

pytestmark = pytest.mark.slow
BOUND_S = 240.0

Outcome = Literal["refused", "own", "closed"]
"""``refused``: what is asked for is Ada's, and Bob has none of it. ``own``: it is about what is Bob's own, if about
anything. ``closed``: no space has it."""
Ask = Callable[[Loot], Mapping[str, Any]]


class Attack(NamedTuple):
    outcome: Outcome
    ask: Ask = lambda loot: {}


def own(ask: Ask = lambda loot: {}) -> Attack:
    return Attack("own", ask)


def refused(ask: Ask) -> Attack:
    return Attack("refused", ask)


CLOSED = Attack("closed")

ATTACKS: Mapping[str, Attack] = {
    "chat.history": own(lambda x: {"sessionKey": x.key}),
    "chat.send": own(lambda x: {"sessionKey": x.key, "message": FORGED, "idempotencyKey": x.run_id}),
    "chat.abort": own(lambda x: {"sessionKey": x.busy_key, "runId": x.running_id}),
    "chat.inject": refused(lambda x: {"sessionKey": x.session_id, "message": FORGED}),
    "chat.regenerate": refused(
        lambda x: {"sessionKey": x.busy_key, "messageId": x.message_id, "idempotencyKey": uuid.uuid4().hex}
    ),
    "chat.edit": refused(
        lambda x: {
            "sessionKey": x.busy_key,
            "messageId": x.message_id,
            "message": FORGED,
            "idempotencyKey": uuid.uuid4().hex,
        }
    ),
    "chat.continue": refused(
        lambda x: {"sessionKey": x.busy_key, "messageId": x.message_id, "idempotencyKey": uuid.uuid4().hex}
    ),
    "chat.branch": refused(lambda x: {"sessionKey": x.busy_key, "messageId": x.message_id}),
    "chat.delete": refused(lambda x: {"sessionKey": x.busy_key, "messageId": x.message_id}),
    "chat.undelete": refused(lambda x: {"sessionKey": x.busy_key, "messageId": x.message_id}),
    "chat.queue.edit": refused(lambda x: {"sessionKey": x.busy_key, "runId": x.waiting_id, "message": FORGED}),
    "media.limits": own(),
    "media.saw": refused(lambda x: {"mediaId": x.media_id, "sessionKey": x.busy_key, "messageId": x.message_id}),
    "agent": own(lambda x: {"message": FORGED, "sessionKey": x.busy_key, "idempotencyKey": x.waiting_id}),
    "agent.wait": own(lambda x: {"runId": x.running_id, "timeoutMs": 1}),
    "agent.identity.get": own(lambda x: {"sessionKey": x.key}),
    "agents.list": own(),
    "sessions.list": own(lambda x: {"includeArchived": True, "search": MARK}),
    "sessions.new": own(lambda x: {"label": x.label}),
    "sessions.patch": own(lambda x: {"key": x.busy_key, "label": FORGED, "systemPrompt": FORGED}),
    "sessions.reset": own(lambda x: {"key": x.busy_key}),
    "sessions.clear": own(lambda x: {"key": x.busy_key}),
    "sessions.undo": own(lambda x: {"key": x.busy_key}),
    "sessions.restore": refused(lambda x: {"sessionId": x.archived_id}),
    "sessions.transcripts": own(lambda x: {"key": "main"}),
    "sessions.delete": own(lambda x: {"key": x.busy_key, "deleteTranscript": True}),
    "sessions.undelete": refused(lambda x: {"key": x.deleted_key}),
    "sessions.fork": refused(
        lambda x: {"key": x.deleted_key, "messageId": x.message_id, "idempotencyKey": uuid.uuid4().hex}
    ),
    "sessions.resolve": refused(lambda x: {"sessionId": x.session_id}),
    "sessions.compact": own(lambda x: {"key": x.busy_key}),
    "sessions.subscribe": own(lambda x: {"keys": [x.key, x.busy_key, x.deleted_key]}),
    "sessions.unsubscribe": own(lambda x: {"keys": [x.deleted_key]}),
    "sessions.preview": own(lambda x: {"keys": [x.key, x.busy_key, "main"]}),
    "sessions.page": own(lambda x: {"archived": "all", "search": MARK}),
    "sessions.bulk": own(lambda x: {"action": "delete", "keys": [x.key, x.busy_key]}),
    "sessions.exportMany": own(lambda x: {"format": "markdown", "keys": [x.key, x.busy_key, x.deleted_key]}),
    "sessions.search": own(lambda x: {"query": MARK}),
    "sessions.import": refused(lambda x: {"content": "nothing of a chat", "name": "x"}),
    "sessions.export": refused(lambda x: {"format": "markdown", "sessionId": x.session_id}),
    "prompts.list": own(),
    "prompts.set": own(lambda x: {"name": FORGED, "text": FORGED, "id": x.prompt_id}),
    "prompts.delete": own(lambda x: {"id": x.prompt_id}),
    "files.list": CLOSED,
    "models.list": own(),
    "models.providers": own(),
    "models.test": refused(lambda x: {"provider": "x", "apiKey": "k", "baseUrl": x.gateway.url}),
    "models.setKey": own(lambda x: {"apiKey": ""}),
    "commands.list": own(lambda x: {"sessionKey": x.key}),
    "commands.complete": own(lambda x: {"command": "/model", "text": "", "sessionKey": x.key}),
    "health": own(),
    "status": own(),
    "config.get": own(),
    "config.set": refused(lambda x: {"raw": "{}", "baseHash": "0" * 64}),
    "config.patch": refused(lambda x: {"raw": "{}", "baseHash": "0" * 64}),
    "config.apply": refused(lambda x: {"raw": "{}", "baseHash": "0" * 64}),
    "config.schema": own(),
    "auth.link": CLOSED,
    "auth.rotate": CLOSED,
    "auth.logoutEverywhere": CLOSED,
    "storage.backup": CLOSED,
    "gateway.stop": CLOSED,
    "gateway.info": own(),
    "gateway.checks": CLOSED,
    "logs.tail": CLOSED,
    "update.run": CLOSED,
    "system-presence": own(),
    "system-event": own(lambda x: {"text": FORGED, "instanceId": x.connected_node, "deviceId": x.device_id}),
    "last-heartbeat": own(),
    "set-heartbeats": own(lambda x: {"enabled": True}),
    "wake": own(lambda x: {"mode": "now", "text": FORGED}),
    "usage.status": own(),
    "usage.cost": own(),
    "usage.breakdown": own(lambda x: {"edges": [0, 4_000_000_000_000], "sessionKey": x.key}),
    "sessions.usage": own(lambda x: {"key": x.key}),
    "protocol.describe": own(),
    "device.pair.list": own(),
    "device.pair.approve": refused(lambda x: {"requestId": x.pending_node}),
    "device.pair.reject": refused(lambda x: {"requestId": x.pending_node}),
    "device.token.rotate": refused(lambda x: {"deviceId": x.device_id, "role": "operator"}),
    "device.token.revoke": refused(lambda x: {"deviceId": x.device_id, "role": "operator"}),
    "device.rename": refused(lambda x: {"deviceId": x.device_id, "displayName": FORGED}),
    "clients.list": own(),
    "node.list": own(),
    "node.describe": refused(lambda x: {"nodeId": x.connected_node}),
    "node.invoke": refused(
        lambda x: {"nodeId": x.connected_node, "command": "camera.snap", "idempotencyKey": uuid.uuid4().hex}
    ),
    "node.invoke.result": refused(lambda x: {"nodeId": x.connected_node, "id": uuid.uuid4().hex, "ok": True}),
    "node.event": refused(lambda x: {"event": "node.progress", "payload": {"id": x.connected_node}}),
    "node.rename": refused(lambda x: {"nodeId": x.node_id, "displayName": FORGED}),
    "node.pair.request": own(lambda x: {"nodeId": x.node_id, "displayName": FORGED}),
    "node.pair.list": own(),
    "node.pair.approve": refused(lambda x: {"requestId": x.pending_node}),
    "node.pair.reject": refused(lambda x: {"requestId": x.pending_node}),
    "node.pair.remove": refused(lambda x: {"nodeId": x.node_id}),
    "node.pair.verify": own(lambda x: {"nodeId": x.node_id, "token": x.node_token}),
    "skills.bins": refused(lambda x: {}),
    "exec.approval.request": own(lambda x: {"command": FORGED, "id": x.approval_id, "timeoutMs": 1}),
    "exec.approval.resolve": refused(lambda x: {"id": x.approval_id, "decision": "allow-always"}),
    "exec.approval.list": own(),
    "exec.approval.history": own(),
    "exec.approvals.get": own(),
    "exec.approvals.set": own(lambda x: {"file": {"version": 1}, "baseHash": "0" * 64}),
    "hands.grants.list": own(),
    "hands.grants.revoke": refused(lambda x: {"id": x.approval_id}),
    "hands.changes.list": own(lambda x: {"sessionKey": x.key}),
    "hands.changes.undo": refused(lambda x: {"id": x.approval_id}),
    "hands.changes.keep": refused(lambda x: {"id": x.approval_id}),
    "channels.status": own(),
    "cron.status": own(),
    "cron.list": own(),
    "skills.status": own(),
    "tts.status": own(),
    "voicewake.get": own(),
}


@pytest.fixture(scope="module", params=["one gateway", "two gateways"])
def gateways(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[GatewayProcess, GatewayProcess]]:
    """Ada's gateway and Bob's."""
    if request.param == "one gateway":
        made = request.getfixturevalue("gateway_with_users")
        yield made, made
        return
    folder = tmp_path_factory.mktemp("spaces")
    url = request.getfixturevalue("postgres_url")
    made = [gateway(folder / name, folder / "users", url) for name in "ab"]
    try:
        for each in made:
            each.start()
        yield made[0], made[-1]
    finally:
        for each in made:
            each.stop()


def test_s23_every_method_has_its_attack():
    assert set(ATTACKS) == set(METHODS)
    assert {method for method, attack in ATTACKS.items() if attack.outcome == "closed"} == set(OPERATORS_OWN)


async def told(bob: Wire, method: str, params: Mapping[str, Any]) -> tuple[bool, Any]:
    try:
        return True, await bob.call(method, dict(params))
    except WireError as error:
        return False, error.error


def test_s23_no_method_tells_or_changes_anything_of_anothers(gateways):
    at_ada_s, at_bob_s = gateways

    async def main() -> None:
        async with ada_s(at_ada_s) as (ada, loot), user(at_bob_s, BOB) as bob:
            heard: list[str] = []
            bob.taps.append(lambda frame: heard.append(json.dumps(frame)))
            before = await snapshot(ada, loot)
            assert MARK in json.dumps({name: found for name, found in before.items() if name != "media"})
            ada_heard = len(ada.events)
            wrong: list[Any] = []
            for method, attack in ATTACKS.items():
                ok, answer = await told(bob, method, attack.ask(loot))
                expected = attack.outcome == "own" or not ok
                if attack.outcome == "closed":
                    expected = not ok and answer["details"]["reason"] == "OPERATOR_ONLY"
                if not expected or MARK in json.dumps(answer):
                    wrong.append((method, ok, answer))
            end = await bob.ask(f"{QUICK} {FORGED}", key=loot.key)
            assert end["state"] == "final", "he has a session of the same key, his own"
            await settled(ada)
            assert not wrong
            assert not [frame for frame in heard if MARK in frame]
            since = json.dumps(ada.events[ada_heard:])
            assert FORGED not in since and BOB not in since and bob.hello["server"]["connId"] not in since
            assert {f["payload"]["runId"] for f in ada.events[ada_heard:] if f["event"] == "chat"} <= {loot.running_id}
            after = await snapshot(ada, loot)
            assert after == before

    run(main(), BOUND_S)
