"""Paired devices: who was let in, as what, and the tokens that stand for it.

A token is derived from a secret of the state directory, the device, the role and a number that rotating and revoking
raise: nothing in the store is worth stealing, and a device that lost its token is given the same one again. What is
paired is kept in memory beside the store, so that a ``connect`` waits for no read.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from msgspec import UNSET

from ...protocol.clock import now_ms
from ...protocol.errors import MissingScope, NotFound
from ...protocol.schema import (
    ConnectParams,
    DeviceChangedEvent,
    PairingRequest,
    PairResolvedEvent,
    Role,
)
from ...store.api import Store
from .auth import Auth
from .identity import DeviceMark
from .scopes import expand

if TYPE_CHECKING:
    from .identity import Identity

KIND = "device"
PENDING_MS = 5 * 60 * 1000
"""The lifetime of a pairing request, as with Clawdbot."""
MAX_PENDING = 32
"""Waiting devices kept; the oldest goes first."""
SEEN_MS = 60 * 60 * 1000
"""The resolution of a token's stored last use."""


class Grant(msgspec.Struct, kw_only=True):
    """One role of a device, and its token's number."""

    scopes: list[str]
    created_at: int
    generation: int = 1
    rotated_at: int | None = None
    revoked_at: int | None = None
    used_at: int | None = None
    limited_at: int | None = None
    """The time at which scopes were taken away."""
    user: str | None = None
    """The user who asked for it; ``None``: the owner."""
    issuer: dict[str, Any] | None = None
    """The credential that approved it silently, with which it ends (``auth.Auth.recorded``); ``None``: a person did."""


class Device(msgspec.Struct, kw_only=True):
    """A device that was let in, as it is stored."""

    device_id: str
    public_key: str
    created_at: int
    approved_at: int
    grants: dict[str, Grant]
    display_name: str | None = None
    platform: str | None = None
    client_id: str | None = None
    client_mode: str | None = None
    remote_ip: str | None = None


class Devices:
    """The devices of one gateway. ``load`` before the first ``connect``."""

    def __init__(
        self,
        store: Store,
        auth: Auth,
        *,
        emit: Callable[[str, Any], None],
        secret: Callable[[], str],
    ) -> None:
        """
        Args:
            emit: emits an event to the connected clients.
            secret: gives the state directory's secret that tokens are derived from; called at the first need.
        """
        self._store, self._auth, self._emit, self._secret = store, auth, emit, secret
        self._key = b""
        self._paired: dict[str, Device] = {}
        self._pending: dict[str, PairingRequest] = {}
        self._askers: dict[str, Identity] = {}
        """Request id → who asks."""
        self.tell_others: Callable[[PairingRequest, Identity | None], None] = lambda asked, asker: None
        """Tells the other gateways that a device asks to be let in, or (without the asker) does so no more."""
        self.tell_saved: Callable[[str], None] = lambda device_id: None
        """Tells the other gateways that a device is another than before."""
        self._changing = asyncio.Lock()
        """Held until what was changed, here or elsewhere, is in memory: an older state does not come after a newer."""

    async def load(self) -> None:
        """Read what is paired. Raises the store's errors."""
        for record in await self._store.list_records(KIND):
            device = msgspec.convert(record, Device)
            self._paired[device.device_id] = device

    async def reload(self, device_id: str) -> None:
        """Read one device again, which another gateway has changed. Raises the store's errors."""
        async with self._changing:
            record = await self._store.get_record(KIND, device_id)
            if record is None:
                self._paired.pop(device_id, None)
            else:
                self._paired[device_id] = msgspec.convert(record, Device)

    def asking(self) -> list[tuple[PairingRequest, Identity]]:
        """The devices that wait, with who asks for each."""
        self._forget_old()
        return [(r, self._askers[id_]) for id_, r in self._pending.items() if id_ in self._askers]

    def asked_elsewhere(self, asked: PairingRequest, asker: Identity) -> None:
        """A device asks another gateway to be let in."""
        self._pending[asked.request_id], self._askers[asked.request_id] = asked, asker

    def answered_elsewhere(self, request_id: str) -> None:
        """A device that asked was let in, or turned away, at another gateway."""
        self._pending.pop(request_id, None)
        self._askers.pop(request_id, None)

    # -- questions of a connect -------------------------------------------------------------------------------------
    def is_token(self, device_id: str, role: Role, token: str) -> bool:
        """Whether this is the device's token for that role."""
        grant = self._grant(device_id, role)
        return grant is not None and hmac.compare_digest(
            self._token(device_id, role, grant).encode(), token.encode("utf-8", "surrogatepass")
        )

    def allows(self, device_id: str, role: Role, scopes: frozenset[str]) -> bool:
        """Was the device let in as ``role`` with at least these scopes?"""
        grant = self._grant(device_id, role)
        return grant is not None and scopes <= expand(grant.scopes)

    def scopes(self, device_id: str, role: Role) -> frozenset[str]:
        """The scopes of the device's token."""
        grant = self._grant(device_id, role)
        return expand(grant.scopes) if grant else frozenset()

    def user(self, device_id: str, role: Role) -> str | None:
        """For whom the device was let in; ``None``: for the owner."""
        grant = self._grant(device_id, role)
        return grant.user if grant else None

    def mark(self, device_id: str, role: str) -> DeviceMark:
        """The mark of the device's present token, stored in credentials made with it. The device is paired."""
        return DeviceMark(device_id.lower(), role, self._paired[device_id.lower()].grants[role].generation)

    def scopes_of(self, mark: DeviceMark) -> frozenset[str] | None:
        """The present scopes of a token; ``None``: it is void."""
        grant = self._grant(mark.id, mark.role)
        return expand(grant.scopes) if grant is not None and grant.generation == mark.generation else None

    def is_held_back(self, device_id: str) -> bool:
        """Whether a person has taken scopes from it; then it gets nothing more unasked."""
        device = self._paired.get(device_id.lower())
        return device is not None and any(grant.revoked_at or grant.limited_at for grant in device.grants.values())

    async def issue(self, device_id: str, role: Role, held: frozenset[str]) -> Mapping[str, Any] | None:
        """The ``auth`` of ``hello-ok`` for a device that was let in; ``None`` where its token is worth more than
        ``held``."""
        grant, now = self._paired[device_id.lower()].grants[role], now_ms()
        if role == "operator" and not expand(grant.scopes) <= expand(held):
            return None
        if now - (grant.used_at or 0) > SEEN_MS:

            def used(device: Device) -> None:
                if role in device.grants:
                    device.grants[role].used_at = now

            await self._change(device_id, used)
        return {
            "deviceToken": self._token(device_id, role, grant),
            "role": role,
            "scopes": grant.scopes,
            "issuedAtMs": grant.rotated_at or grant.created_at,
        }

    # -- letting in -------------------------------------------------------------------------------------------------
    def request(
        self,
        params: ConnectParams,
        role: Role,
        scopes: frozenset[str],
        remote_ip: str,
        asker: Identity,
        *,
        silent: bool,
    ) -> PairingRequest:
        """Note that a device asks to be let in. Asking again for more is another request: who approves one has seen all
        of it."""
        assert params.device is not None
        self._forget_old()
        device_id = params.device.id.lower()
        waiting = next((r for r in self._pending.values() if (r.device_id, r.role) == (device_id, role)), None)
        if waiting is not None and scopes <= set(waiting.scopes):
            return waiting
        if waiting is not None:
            scopes |= frozenset(self._pending.pop(waiting.request_id).scopes)
            self._resolved(waiting, approved=False)
        asked = PairingRequest(
            request_id=str(uuid.uuid4()),
            device_id=device_id,
            public_key=params.device.public_key,
            role=role,
            roles=[role],
            scopes=sorted(scopes),
            silent=silent,
            is_repair=device_id in self._paired,
            ts=now_ms(),
            display_name=params.client.display_name or UNSET,
            platform=params.client.platform,
            client_id=params.client.id,
            client_mode=params.client.mode,
            remote_ip=remote_ip,
        )
        self._pending[asked.request_id] = asked
        self._askers[asked.request_id] = asker
        self.tell_others(asked, asker)
        self._auth.note("pairing", {"action": "asked", "client": remote_ip, "device": device_id, "role": role})
        if not silent:
            self._emit("device.pair.requested", asked)
        return asked

    async def approve(self, request_id: str, held: frozenset[str] | None = None) -> Device:
        """Let a waiting device in; ``held`` is what the approver has, ``None`` where no person is asked.

        Raises:
            NotFound: nothing waits under that id.
            MissingScope: it asks for more than the approver has.
        """
        self._forget_old()
        if held is not None and (waiting := self._pending.get(request_id)) is not None:
            _must_hold(held, waiting.scopes)
        asker = self._askers.pop(request_id, None)
        asked = self._pop_pending(request_id)
        now = now_ms()
        new = Device(device_id=asked.device_id, public_key=asked.public_key, created_at=now, approved_at=now, grants={})
        device = await self._change(asked.device_id, partial(self._let_in, asked, asker, now), new)
        self._resolved(asked, approved=True)
        return device

    def _let_in(self, asked: PairingRequest, asker: Identity | None, now: int, device: Device) -> None:
        grant = device.grants.get(asked.role)
        if grant is None:
            grant = device.grants[asked.role] = Grant(scopes=list(asked.scopes), created_at=now)
        else:
            ended = grant.revoked_at or not self._stands(grant)
            grant.scopes = sorted({*asked.scopes, *(() if ended else grant.scopes)})
            grant.generation += 1 if ended else 0
            grant.revoked_at = None
        if asker is not None:
            grant.user = None if asker.is_account else asker.user
            grant.issuer = self._auth.record(asker) if asked.silent else None
        if not asked.silent:
            for each in device.grants.values():
                each.limited_at = None
        device.approved_at = now
        for name in ("display_name", "platform", "client_id", "client_mode", "remote_ip"):
            if (value := getattr(asked, name)) is not UNSET:
                setattr(device, name, value)

    def reject(self, request_id: str) -> PairingRequest:
        """Turn a waiting device away. Raises ``NotFound``."""
        asked = self._pop_pending(request_id)
        self._resolved(asked, approved=False)
        return asked

    # -- taking back ------------------------------------------------------------------------------------------------
    async def rotate(self, device_id: str, role: str, scopes: Sequence[str] | None) -> tuple[str, Grant]:
        """Give a device another token, perhaps with fewer scopes. Raises ``NotFound``."""
        self._need(device_id, role)
        now = now_ms()

        def rotated(device: Device) -> None:
            grant = _standing(device, role)
            if scopes is not None:
                kept = sorted(expand(grant.scopes) & frozenset(scopes))
                if expand(kept) < expand(grant.scopes):
                    grant.limited_at = now
                grant.scopes = kept
            grant.generation += 1
            grant.rotated_at = now

        device = await self._change(device_id, rotated)
        self.tell(device.device_id, "rotated")
        return self._token(device_id, role, device.grants[role]), device.grants[role]

    async def revoke(self, device_id: str, role: str) -> Grant:
        """Take a role back from a device: its token is void, and it has to be let in again. Raises ``NotFound``."""
        self._need(device_id, role)
        now = now_ms()

        def revoked(device: Device) -> None:
            grant = _standing(device, role)
            grant.generation += 1
            grant.revoked_at = now

        device = await self._change(device_id, revoked)
        self.tell(device.device_id, "revoked")
        return device.grants[role]

    async def rename(self, device_id: str, display_name: str) -> bool:
        """Name a device; ``False`` if it is not paired."""
        if device_id.lower() not in self._paired:
            return False

        def renamed(device: Device) -> None:
            device.display_name = display_name

        self.tell((await self._change(device_id, renamed)).device_id, "renamed")
        return True

    def tell(self, device_id: str, change: Literal["renamed", "rotated", "revoked", "removed"]) -> None:
        """Emit that a device, or a node, is another than before."""
        self._emit("device.changed", DeviceChangedEvent(device_id=device_id, change=change))

    # -- lists ------------------------------------------------------------------------------------------------------
    def pending(self) -> list[PairingRequest]:
        """Devices that wait, newest first."""
        self._forget_old()
        return sorted((r for r in self._pending.values() if not r.silent), key=lambda r: -r.ts)

    def paired(self) -> list[Device]:
        """Devices that have a role, newest first."""
        have = [d for d in self._paired.values() if any(g.revoked_at is None for g in d.grants.values())]
        return sorted(have, key=lambda d: -d.approved_at)

    # -- inside -----------------------------------------------------------------------------------------------------
    def _grant(self, device_id: str, role: str) -> Grant | None:
        device = self._paired.get(device_id.lower())
        grant = device.grants.get(role) if device else None
        return grant if grant is not None and grant.revoked_at is None and self._stands(grant) else None

    def _stands(self, grant: Grant) -> bool:
        """Whether the credential that approved the device is still valid; a person's approval always is."""
        return grant.issuer is None or self._auth.recorded(grant.issuer, "device") is not None

    def _need(self, device_id: str, role: str) -> None:
        if self._grant(device_id, role) is None:
            raise _unknown(device_id, role)

    def _token(self, device_id: str, role: str, grant: Grant) -> str:
        self._key = self._key or self._secret().encode()
        mark = hmac.digest(self._key, f"device\0{device_id.lower()}\0{role}\0{grant.generation}".encode(), "sha256")
        return base64.urlsafe_b64encode(mark).rstrip(b"=").decode()

    def _pop_pending(self, request_id: str) -> PairingRequest:
        self._forget_old()
        asked = self._pending.pop(request_id, None)
        if asked is None:
            raise NotFound("unknown requestId")
        return asked

    def _forget_old(self) -> None:
        oldest = now_ms() - PENDING_MS
        kept = [r for r in self._pending.values() if r.ts > oldest][-MAX_PENDING:]
        self._pending = {r.request_id: r for r in kept}
        self._askers = {id_: asker for id_, asker in self._askers.items() if id_ in self._pending}

    def _resolved(self, asked: PairingRequest, *, approved: bool) -> None:
        self.tell_others(asked, None)
        self._emit(
            "device.pair.resolved",
            PairResolvedEvent(
                request_id=asked.request_id,
                device_id=asked.device_id,
                decision="approved" if approved else "rejected",
                ts=now_ms(),
            ),
        )

    async def _change(self, device_id: str, change: Callable[[Device], None], new: Device | None = None) -> Device:
        """Change a device as it is stored, which another gateway may have changed a moment ago; ``new`` if there is
        none. Raises ``NotFound``."""

        def changed(stored: Mapping[str, Any] | None) -> Mapping[str, Any]:
            if stored is None and new is None:
                raise NotFound("unknown deviceId", deviceId=device_id)
            device = msgspec.convert(stored or msgspec.to_builtins(new), Device)
            change(device)
            kept: Mapping[str, Any] = msgspec.to_builtins(device)
            return kept

        async with self._changing:
            done = await self._store.change_record(KIND, device_id.lower(), changed, now=now_ms())
            device = self._paired[device_id.lower()] = msgspec.convert(done.after, Device)
        self.tell_saved(device.device_id)
        return device


def _unknown(device_id: str, role: str) -> NotFound:
    return NotFound("unknown deviceId/role", deviceId=device_id, role=role)


def _standing(device: Device, role: str) -> Grant:
    """Raises ``NotFound``: the role was revoked."""
    grant = device.grants.get(role)
    if grant is None or grant.revoked_at is not None:
        raise _unknown(device.device_id, role)
    return grant


def _must_hold(held: frozenset[str], scopes: Iterable[str]) -> None:
    """Raises ``MissingScope`` where ``scopes`` are more than ``held``."""
    if missing := sorted(expand(scopes) - expand(held)):
        raise MissingScope(f"missing scope: {missing[0]}", scope=missing[0])
