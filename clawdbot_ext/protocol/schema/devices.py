"""``device.*``: which devices may connect, as what, and the tokens that they were given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from .base import SCOPE_PAIRING, Event, Method, NoParams, Params, Result, Rows

Id = Annotated[str, Meta(min_length=1, max_length=256)]
Scope = Annotated[str, Meta(max_length=64)]


class RequestIdParams(Params):
    request_id: Id


class DeviceTokenParams(Params):
    device_id: Id
    role: Annotated[str, Meta(min_length=1, max_length=32)]


class DeviceRenameParams(Params):
    device_id: Id
    display_name: Annotated[str, Meta(min_length=1, max_length=128)]


class DeviceTokenRotateParams(DeviceTokenParams):
    scopes: Annotated[Sequence[Scope], Meta(max_length=32)] | None = None
    """The scopes from now on, at most those approved; absent: as they are."""


class PairingRequest(Result):
    """A device that waits for approval. Forgotten after 5 minutes."""

    request_id: str
    device_id: str
    public_key: str
    role: str
    roles: Sequence[str]
    scopes: Sequence[str]
    silent: bool
    is_repair: bool
    """The device was paired before and asks for more."""
    ts: int
    display_name: str | UnsetType = UNSET
    platform: str | UnsetType = UNSET
    client_id: str | UnsetType = UNSET
    client_mode: str | UnsetType = UNSET
    remote_ip: str | UnsetType = UNSET


class PairedDevice(Result):
    device_id: str
    public_key: str
    role: str
    roles: Sequence[str]
    scopes: Sequence[str]
    created_at_ms: int
    approved_at_ms: int
    tokens: Sequence[Mapping[str, Any]]
    """`role`, `scopes`, `createdAtMs`, `rotatedAtMs`, `revokedAtMs`, `lastUsedAtMs`; never the token."""
    display_name: str | UnsetType = UNSET
    platform: str | UnsetType = UNSET
    client_id: str | UnsetType = UNSET
    client_mode: str | UnsetType = UNSET
    remote_ip: str | UnsetType = UNSET


class DevicePairListResult(Result):
    pending: Sequence[PairingRequest]
    paired: Sequence[PairedDevice]


class DevicePairApproveResult(Result):
    request_id: str
    device: PairedDevice


class DevicePairRejectResult(Result):
    request_id: str
    device_id: str


class DeviceTokenRotateResult(Result):
    device_id: str
    role: str
    token: str
    """Shown this once; the old one is void."""
    scopes: Sequence[str]
    rotated_at_ms: int


class DeviceTokenRevokeResult(Result):
    device_id: str
    role: str
    revoked_at_ms: int


class PairResolvedEvent(Result):
    request_id: str
    device_id: str
    decision: Literal["approved", "rejected"]
    ts: int


class DeviceRenameResult(Result):
    device_id: str
    display_name: str


class ConnectedClient(Result):
    """One socket."""

    conn_id: str
    client_id: str
    display_name: str
    version: str
    platform: str
    mode: str
    role: str
    scopes: Sequence[str]
    address: str
    """Address of the client, as the rate limits see it: behind a proxy that is not trusted, the proxy's."""
    user: str
    via: str
    """How it logged in."""
    connected_at_ms: int
    is_self: bool
    """The connection that asks."""
    device_id: str | UnsetType = UNSET
    device_family: str | UnsetType = UNSET
    model_identifier: str | UnsetType = UNSET


class ClientsListResult(Result):
    clients: Sequence[ConnectedClient]
    """The newest first."""


class DeviceChangedEvent(Result):
    device_id: str
    change: Literal["renamed", "rotated", "revoked", "removed"]


ROWS: Rows = (
    Method("device.pair.list", NoParams, DevicePairListResult, SCOPE_PAIRING, "Devices that wait, and paired ones."),
    Method("device.pair.approve", RequestIdParams, DevicePairApproveResult, SCOPE_PAIRING, "Let a device in."),
    Method("device.pair.reject", RequestIdParams, DevicePairRejectResult, SCOPE_PAIRING, "Turn a device away."),
    Method(
        "device.token.rotate",
        DeviceTokenRotateParams,
        DeviceTokenRotateResult,
        SCOPE_PAIRING,
        "Give a device a new token; sockets that came by the old one close.",
    ),
    Method(
        "device.token.revoke",
        DeviceTokenParams,
        DeviceTokenRevokeResult,
        SCOPE_PAIRING,
        "Take a device's role back; its sockets close.",
    ),
    Method("device.rename", DeviceRenameParams, DeviceRenameResult, SCOPE_PAIRING, "Name a paired device.", ours=True),
    Method(
        "clients.list",
        NoParams,
        ClientsListResult,
        SCOPE_PAIRING,
        "Who is connected, from which address, with what; `presence` tells when that changes.",
        ours=True,
    ),
    Event(
        "device.changed",
        DeviceChangedEvent,
        "A device or a node was named, got another token, or lost a role.",
        ours=True,
        scope=SCOPE_PAIRING,
    ),
    Event("device.pair.requested", PairingRequest, "A device waits to be let in.", scope=SCOPE_PAIRING),
    Event("device.pair.resolved", PairResolvedEvent, "A device was let in or turned away.", scope=SCOPE_PAIRING),
)
