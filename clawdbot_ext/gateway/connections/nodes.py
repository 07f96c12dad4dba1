"""Nodes: devices that execute commands for the gateway: registration, invocation, results.

A node connects with the role ``node`` and lists the commands it takes. ``node.invoke`` of an operator becomes the event
``node.invoke.request`` for that node alone; its ``node.invoke.result`` answers the operator.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from ...protocol.clock import now_ms
from ...protocol.errors import Unavailable
from ...protocol.frames import encode
from ...protocol.schema import (
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
        "kernel.restart",
        "kernel.input",
        "kernel.execute",
        "kernel.try",
        "file.write",
    }
)
"""Commands of notebook nodes that change or run something. The assistant's go through its permission; a client that
invokes them itself does what a login with every right may do in Jupyter anyway, so it needs that."""


class Nodes:
    """The connected nodes of one gateway, what they were asked, and who waits to be paired as one."""

    def __init__(self, events: Broadcast) -> None:
        self._events = events
        self._asked: dict[str, tuple[Connection, asyncio.Future[NodeInvokeResultParams]]] = {}
        self._by_key: dict[tuple[str, str], asyncio.Future[NodeInvokeResultParams]] = {}
        self._pending: dict[str, dict[str, Any]] = {}

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
        return made, True


def node_id(client: Connection) -> str:
    """The device, or for a node without one whatever it calls itself."""
    return client.device_id or str(client.info["instanceId"])


def _gone() -> Unavailable:
    return Unavailable("node not connected", reason="NOT_CONNECTED", code="NOT_CONNECTED")
