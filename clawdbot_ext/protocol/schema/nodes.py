"""``node.*``: devices that do things for the gateway (the phone and desktop apps, ``clawdbot node``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType, field

from .base import (
    SCOPE_PAIRING,
    SCOPE_READ,
    SCOPE_WRITE,
    AnyResult,
    Event,
    Method,
    Ms,
    NoParams,
    OkResult,
    Params,
    Result,
    Rows,
)
from .devices import Id, RequestIdParams

Short = Annotated[str, Meta(max_length=256)]
Names = Annotated[Sequence[Annotated[str, Meta(max_length=128)]], Meta(max_length=256)]

JsonText = Annotated[str, Meta(max_length=32 * 1024 * 1024)]
"""As long as a frame may be: a notebook with its outputs is one text, whatever number of commas it has."""


class NodeIdParams(Params):
    node_id: Id


class NodeRenameParams(NodeIdParams):
    display_name: Annotated[str, Meta(min_length=1, max_length=128)]


class NodeInvokeParams(NodeIdParams):
    command: Annotated[str, Meta(min_length=1, max_length=128)]
    idempotency_key: Annotated[str, Meta(min_length=1, max_length=256)]
    params: Any = UNSET
    timeout_ms: Annotated[int, Meta(ge=0, le=600_000)] | None = None
    """30,000 if absent."""


class NodeInvokeResultParams(NodeIdParams):
    """The result of an invocation. A result after the timeout is taken and ignored."""

    id: Id
    ok: bool
    payload: Any = UNSET
    payload_json: JsonText | dict[str, Any] | list[Any] | float | bool | None | UnsetType = field(
        default=UNSET, name="payloadJSON"
    )
    """The payload as JSON text."""
    error: Mapping[str, Any] | None = None


class NodeEventParams(Params):
    event: Annotated[str, Meta(min_length=1, max_length=128)]
    payload: Any = UNSET
    payload_json: Any = field(default=UNSET, name="payloadJSON")


class NodePairRequestParams(NodeIdParams):
    display_name: Short | None = None
    platform: Short | None = None
    version: Short | None = None
    device_family: Short | None = None
    model_identifier: Short | None = None
    caps: Names | None = None
    commands: Names | None = None
    remote_ip: Short | None = None
    silent: bool | None = None


class NodePairVerifyParams(NodeIdParams):
    token: Annotated[str, Meta(min_length=1, max_length=4096)]


class NodeListResult(Result):
    ts: int
    nodes: Sequence[Mapping[str, Any]]


class NodeInvokeResult(Result):
    ok: bool
    node_id: str
    command: str
    payload: Any
    payload_json: str | None = field(name="payloadJSON")


class NodeRenameResult(Result):
    node_id: str
    display_name: str


class NodeInvokeAnswer(Result):
    ok: bool
    ignored: bool | UnsetType = UNSET
    """The invocation had timed out or was never made."""


class NodePairListResult(Result):
    pending: Sequence[Mapping[str, Any]]
    paired: Sequence[Mapping[str, Any]]


class NodeInvokeEvent(Result):
    """Sent to the node alone; it answers with `node.invoke.result`."""

    id: str
    node_id: str
    command: str
    params_json: str | None = field(name="paramsJSON")
    timeout_ms: Ms
    """0: no limit (ours, of the commands of notebook nodes)."""
    idempotency_key: str


class NodeInvokeCancelEvent(Result):
    """Sent to the node alone: the answer to the invocation is not waited for any more; stop it where that is possible.

    Ours."""

    id: str


class NodePairResolvedEvent(Result):
    request_id: str
    node_id: str
    decision: Literal["approved", "rejected"]
    ts: int


ROWS: Rows = (
    Method("node.list", NoParams, NodeListResult, SCOPE_READ, "Nodes that are connected or paired."),
    Method("node.describe", NodeIdParams, AnyResult, SCOPE_READ, "One node with what it can do."),
    Method("node.invoke", NodeInvokeParams, NodeInvokeResult, SCOPE_WRITE, "Have a node do something; waits for it."),
    Method(
        "node.invoke.result", NodeInvokeResultParams, NodeInvokeAnswer, "", "What became of an invocation.", role="node"
    ),
    Method(
        "node.event",
        NodeEventParams,
        OkResult,
        "",
        "Something a node tells: `chat.subscribe`, `chat.unsubscribe`, `agent.request`, `voice.transcript`; "
        "`node.progress` `{id, data}` of an invocation under way.",
        role="node",
    ),
    Method("node.rename", NodeRenameParams, NodeRenameResult, SCOPE_PAIRING, "Name a node."),
    Method("node.pair.request", NodePairRequestParams, AnyResult, SCOPE_PAIRING, "Ask for a node to be let in."),
    Method("node.pair.list", NoParams, NodePairListResult, SCOPE_PAIRING, "Nodes that wait, and paired ones."),
    Method("node.pair.approve", RequestIdParams, AnyResult, SCOPE_PAIRING, "Let a node in; answers with its token."),
    Method("node.pair.reject", RequestIdParams, AnyResult, SCOPE_PAIRING, "Turn a node away."),
    Method(
        "node.pair.remove",
        NodeIdParams,
        OkResult,
        SCOPE_PAIRING,
        "Forget a node that was let in: its token is void.",
        ours=True,
    ),
    Method("node.pair.verify", NodePairVerifyParams, AnyResult, SCOPE_PAIRING, "Is this a paired node's token?"),
    Method("skills.bins", NoParams, AnyResult, "", "Programs that skills need on a node: none.", role="node"),
    Event("node.invoke.request", NodeInvokeEvent, "Do something.", scope=""),
    Event("node.invoke.cancel", NodeInvokeCancelEvent, "Stop doing it.", ours=True, scope=""),
    Event("node.pair.requested", AnyResult, "A node waits to be let in.", scope=SCOPE_PAIRING),
    Event("node.pair.resolved", NodePairResolvedEvent, "A node was let in or turned away.", scope=SCOPE_PAIRING),
)
