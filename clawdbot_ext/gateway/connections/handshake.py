"""Authorization of a ``connect``: identity, role and scopes of a new connection.

A shared credential (``auth``) proves the user. A device signs what it sends with its own key, so that it can be known
again: paired once, it gets a token of its own and needs the shared one no more (``devices``). Facts of the signed text
and of the order of checks: the recordings of Clawdbot 2026.1.24-3.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ...protocol.clock import now_ms
from ...protocol.errors import InvalidRequest, MissingScope, NotPaired
from ...protocol.schema import (
    SCOPE_ADMIN,
    ConnectParams,
    DeviceIdentity,
    Role,
)
from ..access.auth import owner
from ..access.identity import Identity
from ..access.scopes import granted, role_of

if TYPE_CHECKING:
    from ..access.control import AccessControl
    from .peer import Peer

CLOCK_SKEW_MS = 10 * 60 * 1000
"""The largest accepted difference of a device's clock, as with Clawdbot. The nonce prevents replays."""
PUBLIC_KEY_BYTES = 32


@dataclass(frozen=True)
class ConnectGrant:
    """The identity, role and scopes granted to a ``connect``."""

    identity: Identity
    role: Role
    scopes: frozenset[str]
    device_id: str | None = None
    issued: Mapping[str, Any] | None = None
    """``auth`` of ``hello-ok``: the device's token."""


def authorize_connect(access: AccessControl, peer: Peer, params: ConnectParams) -> ConnectGrant:
    """Authorize a client without a device of its own.

    Raises:
        Unauthorized, RateLimited: no good credential.
        InvalidRequest: no such role.
        MissingScope: the identity may not be a node.
    """
    role = role_of(params)
    identity = identify(access, peer, params)
    _may_be(role, identity)
    return ConnectGrant(identity, role, granted(params, role, identity.scopes))


def identify(access: AccessControl, peer: Peer, params: ConnectParams) -> Identity:
    """The identity of the upgrade request, else of the ``connect``. Raises ``Unauthorized``, ``RateLimited``."""
    known = peer.identity and access.auth.current(peer.identity)  # which may have ended since the upgrade
    return known or access.auth.check_connect(params.auth, peer.client_key)


def _may_be(role: Role, identity: Identity) -> None:
    """A node is asked to run things and tells what came of it: not for a login of less than everything."""
    if role == "node" and SCOPE_ADMIN not in identity.scopes:
        raise MissingScope(f"missing scope: {SCOPE_ADMIN}", scope=SCOPE_ADMIN)


async def authorize_device(access: AccessControl, peer: Peer, params: ConnectParams, nonce: str) -> ConnectGrant:
    """Authorize a client that presents a device.

    Raises:
        Unauthorized, RateLimited: no good credential.
        InvalidRequest: the device's identity does not hold.
        NotPaired: a person has to approve the device first (``details.requestId``).
    """
    role, device = role_of(params), params.device
    assert device is not None
    verify(device, params, role, nonce, direct=peer.direct)
    token = params.auth.token if params.auth else None
    if token and access.devices.is_token(device.id, role, token):
        identity = Identity(
            access.devices.user(device.id, role) or owner(), "device", access.devices.scopes(device.id, role)
        )
    else:
        identity = identify(access, peer, params)
        _may_be(role, identity)
        wanted = granted(params, role, identity.scopes)
        if not access.devices.allows(device.id, role, wanted):
            # Unasked only what the credential alone would get, and never against what a person has decided.
            silent = (
                (peer.direct or identity.via in ("jupyter", "signin"))
                and not identity.devices
                and not access.devices.is_held_back(device.id)
            )
            request = access.devices.request(params, role, wanted, peer.client_key, identity, silent=silent)
            if not silent:
                raise NotPaired("pairing required", requestId=request.request_id)
            await access.devices.approve(request.request_id)
    scopes = granted(params, role, identity.scopes)
    # A device's signature is no credential: its token is not given to a login that is worth less.
    issued = await access.devices.issue(device.id, role, identity.scopes)
    mark = access.devices.mark(device.id, role)
    identity = replace(identity, devices=(*(each for each in identity.devices if each != mark), mark))
    return ConnectGrant(identity, role, scopes, device.id, issued)


def verify(
    device: DeviceIdentity, params: ConnectParams, role: Role, nonce: str, *, direct: bool, now: int | None = None
) -> None:
    """Check that the device holds the key that it is named for, and signed this very connection.

    Args:
        nonce: ours, of ``connect.challenge``.
        direct: a loopback socket without a proxy; there alone may the older text without a nonce be signed.

    Raises:
        InvalidRequest: with a reason for each way to be wrong.
    """
    key = _decoded(device.public_key)
    if len(key) != PUBLIC_KEY_BYTES or hashlib.sha256(key).hexdigest() != device.id.lower():
        raise InvalidRequest("device identity mismatch", reason="DEVICE_IDENTITY")
    now = now_ms() if now is None else now
    if abs(now - device.signed_at) > CLOCK_SKEW_MS:
        raise InvalidRequest("device signature expired", reason="DEVICE_CLOCK", serverTimeMs=now)
    if not device.nonce and not direct:
        raise InvalidRequest("device nonce required", reason="DEVICE_NONCE")
    if device.nonce and device.nonce != nonce:
        raise InvalidRequest("device nonce mismatch", reason="DEVICE_NONCE")
    if not _signed(key, device.signature, signed_text(device, params, role)):
        raise InvalidRequest("device signature invalid", reason="DEVICE_SIGNATURE")


def signed_text(device: DeviceIdentity, params: ConnectParams, role: Role) -> str:
    """The text that the device signed: version 2 with the nonce, version 1 without; scopes in the request's order."""
    token = params.auth.token if params.auth and params.auth.token else ""
    parts = [
        "v2" if device.nonce else "v1",
        device.id,
        params.client.id,
        params.client.mode,
        role,
        ",".join(params.scopes or ()),
        str(device.signed_at),
        token,
    ]
    return "|".join([*parts, device.nonce] if device.nonce else parts)


def _signed(key: bytes, signature: str, text: str) -> bool:
    from cryptography.exceptions import InvalidSignature  # 30 ms that a start without devices has no use for
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(key).verify(_decoded(signature), text.encode("utf-8", "surrogatepass"))
    except InvalidSignature:
        return False
    return True


def _decoded(text: str) -> bytes:
    """Base64 in either alphabet, padded or not; ``b""`` for anything else."""
    plain = text.strip().replace("+", "-").replace("/", "_").rstrip("=")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return b""
