"""Nodes: devices that execute commands for the gateway: registration, invocation, results.

A node connects with the role ``node`` and lists the commands it takes. ``node.invoke`` of an operator becomes the event
``node.invoke.request`` for that node alone; its ``node.invoke.result`` answers the operator. The gateway's own tools
ask by ``command``, which has no time limit, hears the node's progress and tells the node when it is to stop.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from ...protocol import outside_json
from ...protocol.clock import now_ms
from ...protocol.errors import InvalidRequest, Unavailable
from ...protocol.frames import encode
from ...protocol.schema import (
    NodeEventParams,
    NodeInvokeCancelEvent,
    NodeInvokeEvent,
    NodeInvokeParams,
    NodeInvokeResultParams,
)
from ..access.devices import MAX_PENDING, PENDING_MS

if TYPE_CHECKING:
    from .broadcast import Broadcast
    from .connection import Connection

KIND = "node"
INVOKE_MS = 30_000
NODE_RULES = "system.execapprovals"
"""Commands that change what a node runs without asking: more than having it run something."""
HANDS_COMMANDS = frozenset(
    {
        "notebook.apply",
        "notebook.run",
        "notebook.interrupt",
        "notebook.save",
        "notebook.create",
        "notebook.delete",
        "kernel.restart",
        "kernel.input",
        "kernel.execute",
        "kernel.try",
        "file.write",
        "file.delete",
    }
)
"""Commands of notebook nodes that change or run something. The assistant's go through its permission; a client that
invokes them itself does what a login with every right may do in Jupyter anyway, so it needs that."""


class NodeFailed(Exception):
    """A command that a node refused or could not carry out: ``code``, an English ``message``, and ``facts``."""

    def __init__(self, code: str, message: str, facts: Mapping[str, Any] | None = None):
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.facts = code, message, dict(facts or {})


class NodeGone(Exception):
    """The node went away before it answered: what became of the command is not known."""


class Nodes:
    """The connected nodes of one gateway, what they were asked, and who waits to be paired as one."""

    def __init__(self, events: Broadcast) -> None:
        self._events = events
        self._asked: dict[str, tuple[Connection, asyncio.Future[NodeInvokeResultParams]]] = {}
        self._progress: dict[str, Callable[[Mapping[str, Any]], None]] = {}
        self._by_key: dict[tuple[str, str], asyncio.Future[NodeInvokeResultParams]] = {}
        self._pending: dict[str, dict[str, Any]] = {}
        self.tell_others: Callable[[Mapping[str, Any], bool], None] = lambda request, waits: None
        """Tells the other gateways that a node asks to be let in, or does so no more."""

    def connected(self) -> dict[str, Connection]:
        """Node id → its newest connection."""
        nodes = [c for c in self._events.connections if c.role == "node"]
        return {node_id(c): c for c in sorted(nodes, key=lambda c: c.connected_at)}

    async def invoke(self, node: Connection, params: NodeInvokeParams, given_params: Any) -> NodeInvokeResultParams:
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

    async def command(
        self,
        node: Connection,
        command: str,
        params: Mapping[str, Any],
        *,
        progress: Callable[[Mapping[str, Any]], None] = lambda data: None,
    ) -> Any:
        """Have a node carry out a command of the gateway's own, however long that takes; its payload. Cancelled, it
        tells the node to stop.

        Raises:
            NodeFailed: the node refused, or could not.
            NodeGone: it went away meanwhile.
        """
        if node not in self._events.connections:
            raise NodeGone(f"{node.info['displayName']} is not connected any more")
        answer = asyncio.get_running_loop().create_future()
        id_ = str(uuid.uuid4())
        self._asked[id_], self._progress[id_] = (node, answer), progress
        event = NodeInvokeEvent(
            id=id_,
            node_id=node_id(node),
            command=command,
            params_json=encode(params).decode(),
            timeout_ms=0,
            idempotency_key=id_,
        )
        try:
            node.send_event("node.invoke.request", encode(event))
            await asyncio.wait({answer})
        except asyncio.CancelledError:
            node.send_event("node.invoke.cancel", encode(NodeInvokeCancelEvent(id=id_)))
            raise
        finally:
            del self._asked[id_], self._progress[id_]
        if answer.cancelled():
            raise NodeGone(f"{node.info['displayName']} is not connected any more")
        result: NodeInvokeResultParams = answer.result()
        try:
            payload = payload_of(result)
        except InvalidRequest as exc:
            raise NodeFailed("BAD_RESULT", exc.message) from exc
        if not result.ok:
            error = dict(result.error or {})
            code, message = str(error.pop("code", "FAILED")), str(error.pop("message", "the command failed"))
            raise NodeFailed(code, message, error)
        return payload

    def progressed(self, node: Connection, payload: Mapping[str, Any]) -> bool:
        """Deliver the progress of a command; ``False`` if no caller waits for it from this node any more."""
        id_, data = str(payload.get("id")), payload.get("data")
        asked = self._asked.get(id_)
        if asked is None or asked[0] is not node or id_ not in self._progress or not isinstance(data, Mapping):
            return False
        self._progress[id_](data)
        return True

    def answered(self, node: Connection, params: NodeInvokeResultParams) -> bool:
        """Deliver a node's result; ``False`` if no caller waits for it from this node any more."""
        asked = self._asked.get(params.id)
        if asked is None or node_id(asked[0]) != node_id(node) or asked[1].done():
            return False
        asked[1].set_result(params)
        return True

    def left(self, client: Connection) -> None:
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
        self.tell_others(made, True)
        return made, True

    def take(self, request_id: str) -> dict[str, Any] | None:
        """Remove and return a request that waits."""
        request = self.waiting().pop(request_id, None)
        if request is not None:
            self.tell_others(request, False)
        return request


def node_id(client: Connection) -> str:
    """The device, or for a node without one whatever it calls itself."""
    return client.device_id or str(client.info["instanceId"])


def payload_of(params: NodeInvokeResultParams | NodeEventParams) -> Any:
    """The payload, which comes as a value or as JSON text. Raises ``InvalidRequest`` for text that is no JSON."""
    given = params.payload_json
    if given is UNSET or given is None:
        return None if params.payload is UNSET else params.payload
    if not isinstance(given, str):
        return given
    try:
        return outside_json.parse(given)
    except ValueError:
        raise InvalidRequest("payloadJSON is not JSON", reason="INVALID_JSON") from None


def _gone() -> Unavailable:
    return Unavailable("node not connected", reason="NOT_CONNECTED", code="NOT_CONNECTED")
