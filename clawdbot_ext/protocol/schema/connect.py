"""The first request of a connection, and what keeps it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from .base import Event, Params, Result, Rows


class ClientInfo(Params):
    id: Annotated[str, Meta(min_length=1, max_length=128)]
    version: Annotated[str, Meta(max_length=128)]
    platform: Annotated[str, Meta(max_length=128)]
    mode: Annotated[str, Meta(max_length=64)]
    display_name: Annotated[str, Meta(max_length=256)] | None = None
    instance_id: Annotated[str, Meta(max_length=256)] | None = None
    device_family: Annotated[str, Meta(max_length=128)] | None = None
    model_identifier: Annotated[str, Meta(max_length=128)] | None = None
    server_id: Annotated[str, Meta(max_length=256)] | None = None
    """Of a page's node: `instanceId` of the node of the Jupyter server that the page came from."""


class ConnectAuth(Params):
    token: Annotated[str, Meta(max_length=4096)] | None = None
    password: Annotated[str, Meta(max_length=4096)] | None = None


class DeviceIdentity(Params):
    id: Annotated[str, Meta(max_length=256)]
    public_key: Annotated[str, Meta(max_length=256)]
    signature: Annotated[str, Meta(max_length=512)]
    signed_at: int
    nonce: Annotated[str, Meta(max_length=256)] | None = None


class ConnectParams(Params):
    min_protocol: int
    max_protocol: int
    client: ClientInfo
    caps: Sequence[Annotated[str, Meta(max_length=64)]] = ()
    role: Annotated[str, Meta(max_length=32)] | None = None
    scopes: Sequence[Annotated[str, Meta(max_length=64)]] | None = None
    auth: ConnectAuth | None = None
    device: DeviceIdentity | None = None
    locale: Annotated[str, Meta(max_length=64)] | None = None
    user_agent: Annotated[str, Meta(max_length=1024)] | None = None
    commands: Annotated[Sequence[Annotated[str, Meta(max_length=128)]], Meta(max_length=256)] = ()
    """Of a node: what `node.invoke` may ask of it."""
    permissions: Mapping[str, bool] | None = None
    """Of a node: what its operating system lets it do."""
    path_env: Annotated[str, Meta(max_length=32_768)] | None = None


class ChallengeEvent(Result):
    nonce: str
    ts: int


class TickEvent(Result):
    ts: int


class ShutdownEvent(Result):
    reason: str
    restart_expected_ms: int | UnsetType = UNSET


ROWS: Rows = (
    Event("connect.challenge", ChallengeEvent, "The first frame of a connection.", scope=""),
    Event("tick", TickEvent, "The gateway lives; at least every `policy.tickIntervalMs`.", scope="", own=True),
    Event("shutdown", ShutdownEvent, "The gateway stops; the socket closes with 1012.", scope="", own=True),
)
