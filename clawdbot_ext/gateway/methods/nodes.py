"""``node.*``: list, invoke, events and pairing of nodes."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import uuid
from collections.abc import Mapping
from typing import Any

import msgspec

from ...protocol.clock import now_ms
from ...protocol.errors import InvalidRequest, MissingScope, NotFound, Unavailable
from ...protocol.schema import (
    SCOPE_ADMIN,
    ChatSendParams,
    NodeEventParams,
    NodeIdParams,
    NodeInvokeAnswer,
    NodeInvokeParams,
    NodeInvokeResult,
    NodeInvokeResultParams,
    NodeListResult,
    NodePairListResult,
    NodePairRequestParams,
    NodePairResolvedEvent,
    NodePairVerifyParams,
    NodeRenameParams,
    NodeRenameResult,
    NoParams,
    OkResult,
    RequestIdParams,
)
from ..connections.connection import Connection
from ..connections.nodes import HANDS_COMMANDS, KIND, NODE_RULES, _gone, node_id, payload_of
from ..hands.node_permission import permitted
from ..registry import method
from ..services import Services
from .chat import accept_message

MAX_TEXT = 20_000
"""Characters of a message that a node may start a turn with, as with Clawdbot."""


# -- looking and asking ------------------------------------------------------------------------------------------------
@method("node.list")
async def node_list(services: Services, caller: Connection, params: NoParams) -> NodeListResult:
    rows = await _rows(services)
    return NodeListResult(
        ts=now_ms(),
        nodes=sorted(
            rows.values(), key=lambda r: (not r["connected"], str(r.get("displayName") or r["nodeId"]).casefold())
        ),
    )


@method("node.describe")
async def node_describe(services: Services, caller: Connection, params: NodeIdParams) -> dict[str, Any]:
    row = (await _rows(services)).get(params.node_id)
    if row is None:
        raise NotFound("unknown nodeId")
    return {"ts": now_ms(), **row}


async def _rows(services: Services) -> dict[str, dict[str, Any]]:
    """Every node by id: paired as a node, paired as a device with that role, or connected."""
    rows: dict[str, dict[str, Any]] = {}
    for node in await services.store.list_records(KIND):
        facts = {name: value for name, value in node.items() if name != "tokenHash"}
        rows[node["nodeId"]] = {"caps": [], "commands": [], **facts, "paired": True, "connected": False}
    for device in services.access.devices.paired():
        if device.grants.get("node") is not None and services.access.devices.allows(
            device.device_id, "node", frozenset()
        ):
            facts = {"displayName": device.display_name, "platform": device.platform, "remoteIp": device.remote_ip}
            rows[device.device_id] = {
                "nodeId": device.device_id,
                "caps": [],
                "commands": [],
                **{name: value for name, value in facts.items() if value},
                "paired": True,
                "connected": False,
            }
    for id_, live in services.peers.nodes.connected().items():
        known = rows.get(id_, {"nodeId": id_, "paired": False})
        facts = {name: live.info.get(name) for name in ("platform", "version", "deviceFamily", "modelIdentifier")}
        named = known.get("displayName") or live.info["displayName"]
        rows[id_] = {
            **known,
            **{name: value for name, value in facts.items() if value},
            "displayName": named,
            "remoteIp": live.peer.client_key,
            "caps": sorted(live.caps),
            "commands": sorted(live.commands),
            "connectedAtMs": live.connected_at,
            "connected": True,
        }
        if live.permissions:
            rows[id_]["permissions"] = dict(live.permissions)
    return rows


@method("node.invoke")
async def node_invoke(services: Services, caller: Connection, params: NodeInvokeParams) -> NodeInvokeResult:
    """Have a connected node carry out one of the commands it listed."""
    node = services.peers.nodes.connected().get(params.node_id)
    if node is None:
        raise _gone()
    powerful = params.command in HANDS_COMMANDS or params.command.lower().startswith(NODE_RULES)
    if powerful and SCOPE_ADMIN not in caller.scopes:
        raise MissingScope(f"missing scope: {SCOPE_ADMIN}", scope=SCOPE_ADMIN)
    if params.command not in node.commands:
        raise InvalidRequest("node command not allowed", reason="COMMAND_NOT_DECLARED", command=params.command)
    result = await services.peers.nodes.invoke(
        node,
        params,
        await permitted(services.store, services.access.auth.note, caller, params),
    )
    if not result.ok:
        error = dict(result.error or {})
        raise Unavailable(str(error.get("message") or "node invoke failed"), reason="NODE_ERROR", nodeError=error)
    text = result.payload_json if isinstance(result.payload_json, str) else None
    return NodeInvokeResult(
        ok=True, node_id=params.node_id, command=params.command, payload=payload_of(result), payload_json=text
    )


@method("node.invoke.result")
async def node_invoke_result(
    services: Services, caller: Connection, params: NodeInvokeResultParams
) -> NodeInvokeAnswer:
    if params.node_id != node_id(caller):
        raise InvalidRequest("nodeId mismatch", reason="NODE_ID")
    answer = NodeInvokeAnswer(ok=True)
    if not services.peers.nodes.answered(caller, params):
        answer.ignored = True
    return answer


@method("node.rename")
async def node_rename(services: Services, caller: Connection, params: NodeRenameParams) -> NodeRenameResult:
    name = params.display_name.strip()
    if not name:
        raise InvalidRequest("displayName required")

    def renamed(record: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        return record and {**record, "displayName": name}

    if (await services.store.change_record(KIND, params.node_id, renamed, now=now_ms())).after is not None:
        services.access.devices.tell(params.node_id, "renamed")
    elif not await services.access.devices.rename(params.node_id, name):
        raise NotFound("unknown nodeId")
    return NodeRenameResult(node_id=params.node_id, display_name=name)


# -- what nodes tell ---------------------------------------------------------------------------------------------------
@method("node.event")
async def node_event(services: Services, caller: Connection, params: NodeEventParams) -> OkResult:
    """Subscribe to a session, start a turn, tell of a command. Events that mean nothing here are taken and ignored."""
    payload = payload_of(params)
    facts = payload if isinstance(payload, Mapping) else {}
    key = facts.get("sessionKey")
    key = services.sessions.canonical(key) if isinstance(key, str) and key.strip() else None
    if params.event == "chat.subscribe" and key:
        caller.subscribe(key)
    elif params.event == "chat.unsubscribe" and key:
        caller.unsubscribe(key)
    elif params.event == "node.progress":
        services.peers.nodes.progressed(caller, facts)
    elif params.event in ("agent.request", "voice.transcript"):
        await _start_turn(services, caller, params.event, facts, key)
    elif params.event in ("exec.started", "exec.finished", "exec.denied"):
        words = [f"{params.event} on node {caller.info['displayName']}", facts.get("command"), facts.get("output")]
        services.peers.presence.notices.append("\n".join(str(word)[:MAX_TEXT] for word in words if word))
    return OkResult(ok=True)


async def _start_turn(
    services: Services, caller: Connection, event: str, facts: Mapping[str, Any], key: str | None
) -> None:
    text = facts.get("message" if event == "agent.request" else "text")
    if not isinstance(text, str) or not text.strip() or len(text) > MAX_TEXT:
        return
    thinking = facts.get("thinking") if event == "agent.request" else None
    seconds = facts.get("timeoutSeconds")
    await accept_message(
        services,
        caller,
        ChatSendParams(
            session_key=key
            or (
                services.sessions.main_key()
                if event == "voice.transcript"
                else services.sessions.canonical(f"node-{node_id(caller)}")
            ),
            message=text.strip(),
            idempotency_key=f"node-{uuid.uuid4()}",
            thinking=thinking if isinstance(thinking, str) and thinking else None,
            timeout_ms=int(seconds * 1000) if isinstance(seconds, (int, float)) and 0 < seconds < 86_400 else None,
        ),
    )


# -- pairing -----------------------------------------------------------------------------------------------------------
@method("node.pair.request")
async def node_pair_request(services: Services, caller: Connection, params: NodePairRequestParams) -> dict[str, Any]:
    facts = {name: value for name, value in msgspec.to_builtins(params).items() if value is not None}
    known = await services.store.get_record(KIND, params.node_id) is not None
    request, created = services.peers.nodes.ask({**facts, "isRepair": known})
    if created:
        services.events.emit("node.pair.requested", request)
    return {"status": "pending", "request": request, "created": created}


@method("node.pair.list")
async def node_pair_list(services: Services, caller: Connection, params: NoParams) -> NodePairListResult:
    paired = [_public(node) for node in await services.store.list_records(KIND)]
    return NodePairListResult(pending=list(services.peers.nodes.waiting().values()), paired=paired)


@method("node.pair.approve")
async def node_pair_approve(services: Services, caller: Connection, params: RequestIdParams) -> dict[str, Any]:
    """Let a node in. Its token is in the answer and nowhere else: only a hash of it is kept."""
    request = _pop_pending(services, params.request_id)
    token, now = secrets.token_urlsafe(32), now_ms()
    kept = {n: v for n, v in request.items() if n not in ("requestId", "ts", "silent", "isRepair")}
    node = {**kept, "createdAtMs": now, "approvedAtMs": now, "tokenHash": _hash(token)}
    await services.store.put_record(KIND, node["nodeId"], node, now=now)
    _resolved(services, request, approved=True)
    return {"requestId": params.request_id, "node": {**_public(node), "token": token}}


@method("node.pair.reject")
async def node_pair_reject(services: Services, caller: Connection, params: RequestIdParams) -> dict[str, Any]:
    request = _pop_pending(services, params.request_id)
    _resolved(services, request, approved=False)
    return {"requestId": params.request_id, "nodeId": request["nodeId"]}


@method("node.pair.remove")
async def node_pair_remove(services: Services, caller: Connection, params: NodeIdParams) -> OkResult:
    """Forget a node. One that was let in as a device has its role revoked by ``device.token.revoke``."""
    if (await services.store.change_record(KIND, params.node_id, lambda _: None, now=now_ms())).before is None:
        raise NotFound("unknown nodeId")
    services.access.auth.note("pairing", {**caller.audit_fields(), "action": "removed", "device": params.node_id})
    services.access.devices.tell(params.node_id, "removed")
    return OkResult(ok=True)


@method("node.pair.verify")
async def node_pair_verify(services: Services, caller: Connection, params: NodePairVerifyParams) -> dict[str, Any]:
    node = await services.store.get_record(KIND, params.node_id)
    if node is None or not hmac.compare_digest(node["tokenHash"], _hash(params.token)):
        return {"ok": False}
    return {"ok": True, "node": _public(node)}


def _pop_pending(services: Services, request_id: str) -> dict[str, Any]:
    request = services.peers.nodes.take(request_id)
    if request is None:
        raise NotFound("unknown requestId")
    return request


def _resolved(services: Services, request: Mapping[str, Any], *, approved: bool) -> None:
    services.events.emit(
        "node.pair.resolved",
        NodePairResolvedEvent(
            request_id=request["requestId"],
            node_id=request["nodeId"],
            decision="approved" if approved else "rejected",
            ts=now_ms(),
        ),
    )


def _public(node: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in node.items() if name != "tokenHash"}


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
