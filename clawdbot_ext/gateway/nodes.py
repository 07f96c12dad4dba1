"""Nodes: devices that do things for the gateway. Who they are, asking them, what they tell.

A node connects with the role ``node`` and lists the commands it takes. ``node.invoke`` of an operator becomes the event
``node.invoke.request`` for that node alone; its ``node.invoke.result`` answers the operator.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET

from ..protocol.clock import now_ms
from ..protocol.errors import InvalidRequest, MissingScope, NotFound, Unavailable
from ..protocol.frames import encode
from ..protocol.schema import (
    SCOPE_ADMIN,
    ChatSendParams,
    NodeEventParams,
    NodeIdParams,
    NodeInvokeAnswer,
    NodeInvokeEvent,
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
from .approvals import permitted
from .chat import accept_message
from .devices import MAX_PENDING, PENDING_MS
from .methods import method

if TYPE_CHECKING:
    from .client import Client
    from .core import Gateway

KIND = "node"
INVOKE_MS = 30_000
NODE_RULES = "system.execapprovals"
"""Commands that change what a node runs without asking: more than having it run something."""
MAX_TEXT = 20_000
"""Characters of a message that a node may start a turn with, as with Clawdbot."""


class Nodes:
    """The connected nodes of one gateway, what they were asked, and who waits to be paired as one."""

    def __init__(self, gateway: Gateway):
        self._gateway = gateway
        self._asked: dict[str, tuple[Client, asyncio.Future[NodeInvokeResultParams]]] = {}
        self._by_key: dict[tuple[str, str], asyncio.Future[NodeInvokeResultParams]] = {}
        self._pending: dict[str, dict[str, Any]] = {}

    def connected(self) -> dict[str, Client]:
        """Node id → its newest connection."""
        nodes = [c for c in self._gateway.broadcast.clients if c.role == "node"]
        return {node_id(c): c for c in sorted(nodes, key=lambda c: c.connected_at)}

    async def invoke(self, node: Client, params: NodeInvokeParams, given_params: Any) -> NodeInvokeResultParams:
        """Ask a node, with ``given_params`` as the command's own; asking again with the same key while it works waits
        for the same result.

        Raises:
            Unavailable: ``TIMEOUT``, or ``NOT_CONNECTED`` when it goes away meanwhile.
        """
        key = (params.node_id, params.idempotency_key)
        answer = self._by_key.get(key)
        timeout_ms = INVOKE_MS if params.timeout_ms is None else params.timeout_ms
        if answer is None:
            answer = asyncio.get_running_loop().create_future()
            id_ = str(uuid.uuid4())
            self._asked[id_], self._by_key[key] = (node, answer), answer
            answer.add_done_callback(lambda _: (self._asked.pop(id_, None), self._by_key.pop(key, None)))
            given = None if given_params is UNSET else encode(given_params).decode()
            node.send_event(
                "node.invoke.request",
                encode(
                    NodeInvokeEvent(
                        id=id_,
                        node_id=params.node_id,
                        command=params.command,
                        params_json=given,
                        timeout_ms=timeout_ms,
                        idempotency_key=params.idempotency_key,
                    )
                ),
            )
        await asyncio.wait({answer}, timeout=timeout_ms / 1000)
        if not answer.done():
            answer.cancel()
            raise Unavailable(
                "node invoke timed out",
                reason="TIMEOUT",
                nodeError={"code": "TIMEOUT", "message": "node invoke timed out"},
            )
        if answer.cancelled():
            raise _gone()
        return answer.result()

    def answered(self, node: Client, params: NodeInvokeResultParams) -> bool:
        """Take a node's result; ``False`` if nobody waits for it from this node any more."""
        asked = self._asked.get(params.id)
        if asked is None or node_id(asked[0]) != node_id(node) or asked[1].done():
            return False
        asked[1].set_result(params)
        return True

    def left(self, client: Client) -> None:
        """A connection is gone: what it was asked is not answered any more."""
        for node, answer in tuple(self._asked.values()):
            if node is client and not answer.done():
                answer.cancel()

    # -- pairing by request (older apps; newer ones pair as devices) --------------------------------------------------
    def waiting(self) -> dict[str, dict[str, Any]]:
        """Request id → request."""
        kept = [r for r in self._pending.values() if now_ms() - r["ts"] < PENDING_MS][-MAX_PENDING:]
        self._pending = {r["requestId"]: r for r in kept}
        return self._pending

    def ask(self, request: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
        """Note a request; the one that waits already, and ``False``, if there is one of the same node."""
        for waiting in self.waiting().values():
            if waiting["nodeId"] == request["nodeId"]:
                return waiting, False
        made = {"requestId": str(uuid.uuid4()), **request, "ts": now_ms()}
        self._pending[made["requestId"]] = made
        return made, True


def node_id(client: Client) -> str:
    """The device, or for a node without one whatever it calls itself."""
    return client.device_id or str(client.info["instanceId"])


def _gone() -> Unavailable:
    return Unavailable("node not connected", reason="NOT_CONNECTED", code="NOT_CONNECTED")


# -- looking and asking ------------------------------------------------------------------------------------------------
@method("node.list")
async def node_list(gw: Gateway, client: Client, params: NoParams) -> NodeListResult:
    rows = await _rows(gw)
    return NodeListResult(
        ts=now_ms(),
        nodes=sorted(
            rows.values(), key=lambda r: (not r["connected"], str(r.get("displayName") or r["nodeId"]).casefold())
        ),
    )


@method("node.describe")
async def node_describe(gw: Gateway, client: Client, params: NodeIdParams) -> dict[str, Any]:
    row = (await _rows(gw)).get(params.node_id)
    if row is None:
        raise NotFound("unknown nodeId")
    return {"ts": now_ms(), **row}


async def _rows(gw: Gateway) -> dict[str, dict[str, Any]]:
    """Every node by id: paired as a node, paired as a device with that role, or connected."""
    rows: dict[str, dict[str, Any]] = {}
    for node in await gw.store.list_records(KIND):
        facts = {name: value for name, value in node.items() if name != "tokenHash"}
        rows[node["nodeId"]] = {"caps": [], "commands": [], **facts, "paired": True, "connected": False}
    for device in gw.devices.paired():
        if device.grants.get("node") is not None and gw.devices.allows(device.device_id, "node", frozenset()):
            facts = {"displayName": device.display_name, "platform": device.platform, "remoteIp": device.remote_ip}
            rows[device.device_id] = {
                "nodeId": device.device_id,
                "caps": [],
                "commands": [],
                **{name: value for name, value in facts.items() if value},
                "paired": True,
                "connected": False,
            }
    for id_, live in gw.nodes.connected().items():
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
async def node_invoke(gw: Gateway, client: Client, params: NodeInvokeParams) -> NodeInvokeResult:
    """Have a connected node carry out one of the commands it listed."""
    node = gw.nodes.connected().get(params.node_id)
    if node is None:
        raise _gone()
    if params.command.lower().startswith(NODE_RULES) and SCOPE_ADMIN not in client.scopes:
        raise MissingScope(f"missing scope: {SCOPE_ADMIN}", scope=SCOPE_ADMIN)
    if params.command not in node.commands:
        raise InvalidRequest("node command not allowed", reason="COMMAND_NOT_DECLARED", command=params.command)
    result = await gw.nodes.invoke(node, params, await permitted(gw, client, params))
    if not result.ok:
        error = dict(result.error or {})
        raise Unavailable(str(error.get("message") or "node invoke failed"), reason="NODE_ERROR", nodeError=error)
    text = result.payload_json if isinstance(result.payload_json, str) else None
    return NodeInvokeResult(
        ok=True, node_id=params.node_id, command=params.command, payload=payload_of(result), payload_json=text
    )


@method("node.invoke.result")
async def node_invoke_result(gw: Gateway, client: Client, params: NodeInvokeResultParams) -> NodeInvokeAnswer:
    if params.node_id != node_id(client):
        raise InvalidRequest("nodeId mismatch", reason="NODE_ID")
    answer = NodeInvokeAnswer(ok=True)
    if not gw.nodes.answered(client, params):
        answer.ignored = True
    return answer


@method("node.rename")
async def node_rename(gw: Gateway, client: Client, params: NodeRenameParams) -> NodeRenameResult:
    name = params.display_name.strip()
    if not name:
        raise InvalidRequest("displayName required")
    record = await gw.store.get_record(KIND, params.node_id)
    if record is not None:
        await gw.store.put_record(KIND, params.node_id, {**record, "displayName": name}, now=now_ms())
    elif not await gw.devices.rename(params.node_id, name):
        raise NotFound("unknown nodeId")
    return NodeRenameResult(node_id=params.node_id, display_name=name)


# -- what nodes tell ---------------------------------------------------------------------------------------------------
def payload_of(params: NodeInvokeResultParams | NodeEventParams) -> Any:
    """The payload, which comes as a value or as JSON text. Raises ``InvalidRequest`` for text that is no JSON."""
    given = params.payload_json
    if given is UNSET or given is None:
        return None if params.payload is UNSET else params.payload
    if not isinstance(given, str):
        return given
    try:
        return msgspec.json.decode(given.encode())
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        raise InvalidRequest("payloadJSON is not JSON", reason="INVALID_JSON") from None


@method("node.event")
async def node_event(gw: Gateway, client: Client, params: NodeEventParams) -> OkResult:
    """Subscribe to a session, start a turn, tell of a command. Events that mean nothing here are taken and ignored."""
    payload = payload_of(params)
    facts = payload if isinstance(payload, Mapping) else {}
    key = facts.get("sessionKey")
    key = gw.canonical(key) if isinstance(key, str) and key.strip() else None
    if params.event == "chat.subscribe" and key:
        client.subscribed.add(key)
    elif params.event == "chat.unsubscribe" and key:
        client.subscribed.discard(key)
    elif params.event in ("agent.request", "voice.transcript"):
        await _start_turn(gw, client, params.event, facts, key)
    elif params.event in ("exec.started", "exec.finished", "exec.denied"):
        words = [f"{params.event} on node {client.info['displayName']}", facts.get("command"), facts.get("output")]
        gw.presence.notices.append("\n".join(str(word)[:MAX_TEXT] for word in words if word))
    return OkResult(ok=True)


async def _start_turn(gw: Gateway, client: Client, event: str, facts: Mapping[str, Any], key: str | None) -> None:
    text = facts.get("message" if event == "agent.request" else "text")
    if not isinstance(text, str) or not text.strip() or len(text) > MAX_TEXT:
        return
    thinking = facts.get("thinking") if event == "agent.request" else None
    seconds = facts.get("timeoutSeconds")
    await accept_message(
        gw,
        client,
        ChatSendParams(
            session_key=key
            or (gw.main_key() if event == "voice.transcript" else gw.canonical(f"node-{node_id(client)}")),
            message=text.strip(),
            idempotency_key=f"node-{uuid.uuid4()}",
            thinking=thinking if isinstance(thinking, str) and thinking else None,
            timeout_ms=int(seconds * 1000) if isinstance(seconds, (int, float)) and 0 < seconds < 86_400 else None,
        ),
    )


# -- pairing -----------------------------------------------------------------------------------------------------------
@method("node.pair.request")
async def node_pair_request(gw: Gateway, client: Client, params: NodePairRequestParams) -> dict[str, Any]:
    facts = {name: value for name, value in msgspec.to_builtins(params).items() if value is not None}
    known = await gw.store.get_record(KIND, params.node_id) is not None
    request, created = gw.nodes.ask({**facts, "isRepair": known})
    if created:
        gw.broadcast.emit("node.pair.requested", request)
    return {"status": "pending", "request": request, "created": created}


@method("node.pair.list")
async def node_pair_list(gw: Gateway, client: Client, params: NoParams) -> NodePairListResult:
    paired = [_public(node) for node in await gw.store.list_records(KIND)]
    return NodePairListResult(pending=list(gw.nodes.waiting().values()), paired=paired)


@method("node.pair.approve")
async def node_pair_approve(gw: Gateway, client: Client, params: RequestIdParams) -> dict[str, Any]:
    """Let a node in. Its token is in the answer and nowhere else: only a hash of it is kept."""
    request = _take(gw, params.request_id)
    token, now = secrets.token_urlsafe(32), now_ms()
    kept = {n: v for n, v in request.items() if n not in ("requestId", "ts", "silent", "isRepair")}
    node = {**kept, "createdAtMs": now, "approvedAtMs": now, "tokenHash": _hash(token)}
    await gw.store.put_record(KIND, node["nodeId"], node, now=now)
    _resolved(gw, request, approved=True)
    return {"requestId": params.request_id, "node": {**_public(node), "token": token}}


@method("node.pair.reject")
async def node_pair_reject(gw: Gateway, client: Client, params: RequestIdParams) -> dict[str, Any]:
    request = _take(gw, params.request_id)
    _resolved(gw, request, approved=False)
    return {"requestId": params.request_id, "nodeId": request["nodeId"]}


@method("node.pair.verify")
async def node_pair_verify(gw: Gateway, client: Client, params: NodePairVerifyParams) -> dict[str, Any]:
    node = await gw.store.get_record(KIND, params.node_id)
    if node is None or not hmac.compare_digest(node["tokenHash"], _hash(params.token)):
        return {"ok": False}
    return {"ok": True, "node": _public(node)}


def _take(gw: Gateway, request_id: str) -> dict[str, Any]:
    request = gw.nodes.waiting().pop(request_id, None)
    if request is None:
        raise NotFound("unknown requestId")
    return request


def _resolved(gw: Gateway, request: Mapping[str, Any], *, approved: bool) -> None:
    gw.broadcast.emit(
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
