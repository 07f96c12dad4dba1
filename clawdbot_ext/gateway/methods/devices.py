"""``device.*``: pairing requests and device tokens."""

from __future__ import annotations

from typing import cast

from msgspec import UNSET

from ...protocol.errors import InvalidRequest, NotFound
from ...protocol.frames import CloseCode
from ...protocol.schema import (
    ClientsListResult,
    ConnectedClient,
    DevicePairApproveResult,
    DevicePairListResult,
    DevicePairRejectResult,
    DeviceRenameParams,
    DeviceRenameResult,
    DeviceTokenParams,
    DeviceTokenRevokeResult,
    DeviceTokenRotateParams,
    DeviceTokenRotateResult,
    NoParams,
    PairedDevice,
    RequestIdParams,
    Role,
)
from ..access.devices import Device, _must_hold
from ..connections.connection import Connection
from ..registry import method
from ..services import Services, after_response


def view(device: Device) -> PairedDevice:
    """A device for clients: no token."""
    live = {role: grant for role, grant in device.grants.items() if grant.revoked_at is None}
    tokens = []
    for role, grant in device.grants.items():
        times = {"rotatedAtMs": grant.rotated_at, "revokedAtMs": grant.revoked_at, "lastUsedAtMs": grant.used_at}
        tokens.append(
            {
                "role": role,
                "scopes": grant.scopes,
                "createdAtMs": grant.created_at,
                **{name: at for name, at in times.items() if at is not None},
            }
        )
    roles = list(live) or list(device.grants)
    return PairedDevice(
        device_id=device.device_id,
        public_key=device.public_key,
        role=roles[0],
        roles=roles,
        scopes=sorted({scope for grant in live.values() for scope in grant.scopes}),
        created_at_ms=device.created_at,
        approved_at_ms=device.approved_at,
        tokens=tokens,
        display_name=device.display_name or UNSET,
        platform=device.platform or UNSET,
        client_id=device.client_id or UNSET,
        client_mode=device.client_mode or UNSET,
        remote_ip=device.remote_ip or UNSET,
    )


@method("device.pair.list")
async def device_pair_list(services: Services, caller: Connection, params: NoParams) -> DevicePairListResult:
    return DevicePairListResult(
        pending=services.access.devices.pending(), paired=[view(d) for d in services.access.devices.paired()]
    )


@method("device.pair.approve")
async def device_pair_approve(
    services: Services, caller: Connection, params: RequestIdParams
) -> DevicePairApproveResult:
    """Let a device in, with no more than the caller has."""
    device = await services.access.devices.approve(params.request_id, caller.scopes)
    _note(services, caller, "approved", device.device_id)
    return DevicePairApproveResult(request_id=params.request_id, device=view(device))


@method("device.pair.reject")
async def device_pair_reject(services: Services, caller: Connection, params: RequestIdParams) -> DevicePairRejectResult:
    asked = services.access.devices.reject(params.request_id)
    _note(services, caller, "rejected", asked.device_id, asked.role)
    return DevicePairRejectResult(request_id=asked.request_id, device_id=asked.device_id)


@method("device.rename")
async def device_rename(services: Services, caller: Connection, params: DeviceRenameParams) -> DeviceRenameResult:
    name = params.display_name.strip()
    if not name:
        raise InvalidRequest("displayName required")
    if not await services.access.devices.rename(params.device_id, name):
        raise NotFound("unknown deviceId")
    _note(services, caller, "renamed", params.device_id)
    return DeviceRenameResult(device_id=params.device_id, display_name=name)


@method("clients.list")
def clients_list(services: Services, caller: Connection, params: NoParams) -> ClientsListResult:
    """Every socket, those of the command line and of nodes too."""
    there = sorted(services.events.connections, key=lambda each: -each.connected_at)
    return ClientsListResult(clients=[_client(each, caller) for each in there])


def _client(each: Connection, caller: Connection) -> ConnectedClient:
    info, identity = each.info, each.identity
    return ConnectedClient(
        conn_id=each.conn_id,
        client_id=str(info["id"]),
        display_name=str(info["displayName"]),
        version=str(info["version"]),
        platform=str(info["platform"]),
        mode=str(info["mode"]),
        role=each.role,
        scopes=sorted(each.scopes),
        address=each.peer.client_key,
        user=identity.user if identity is not None else "",
        via=identity.via if identity is not None else "",
        connected_at_ms=each.connected_at,
        is_self=each is caller,
        device_id=each.device_id or UNSET,
        device_family=info.get("deviceFamily") or UNSET,
        model_identifier=info.get("modelIdentifier") or UNSET,
    )


@method("device.token.rotate")
async def device_token_rotate(
    services: Services, caller: Connection, params: DeviceTokenRotateParams
) -> DeviceTokenRotateResult:
    """Rotate a token. Sockets that came by the old one close, but for the caller's own. The new one is in the answer:
    who asks must have what it allows."""
    before = services.access.devices.scopes(params.device_id, cast("Role", params.role))
    _must_hold(caller.scopes, before if params.scopes is None else before & frozenset(params.scopes))
    token, grant = await services.access.devices.rotate(params.device_id, params.role, params.scopes)
    _note(services, caller, "rotated", params.device_id, params.role)
    if (caller.device_id, caller.role) == (params.device_id.lower(), params.role):
        caller.goes_on_as(services.access.devices.mark(params.device_id, params.role))
    after_response(lambda: _disconnect(services, params.device_id, params.role, "device token rotated", spare=caller))
    return DeviceTokenRotateResult(
        device_id=params.device_id,
        role=params.role,
        token=token,
        scopes=grant.scopes,
        rotated_at_ms=grant.rotated_at or grant.created_at,
    )


@method("device.token.revoke")
async def device_token_revoke(
    services: Services, caller: Connection, params: DeviceTokenParams
) -> DeviceTokenRevokeResult:
    """Revoke a role. Every socket of the device in that role closes, the caller's own too, and so does whatever came
    by a login that was made with it."""
    grant = await services.access.devices.revoke(params.device_id, params.role)
    _note(services, caller, "revoked", params.device_id, params.role)
    after_response(lambda: _disconnect(services, params.device_id, params.role, "device token revoked"))
    return DeviceTokenRevokeResult(device_id=params.device_id, role=params.role, revoked_at_ms=grant.revoked_at or 0)


def _note(services: Services, caller: Connection, action: str, device: str, role: str = "") -> None:
    services.access.auth.note("pairing", {**caller.audit_fields(), "action": action, "device": device, "role": role})


def _disconnect(services: Services, device_id: str, role: str, reason: str, spare: Connection | None = None) -> None:
    services.access.on_void()
    for client in tuple(services.events.connections):
        if client is not spare and client.device_id == device_id.lower() and client.role == role:
            client.close(CloseCode.POLICY, reason)
