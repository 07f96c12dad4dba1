"""A client of another gateway, as this one sees it: it gets events and makes requests like any other.

Its rights are those of the real connection at every moment: the other gateway tells of each change.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from ...protocol.schema import Event, Role
from ..access.identity import Identity
from .connection import Connection, DeltaKind

if TYPE_CHECKING:
    from collections.abc import Iterable


class ClientFacts(msgspec.Struct, frozen=True, array_like=True):
    """All that a gateway tells the others of a client."""

    conn_id: str
    identity: Identity
    role: Role
    scopes: frozenset[str]
    caps: frozenset[str]
    device_id: str | None
    commands: frozenset[str]
    permissions: dict[str, bool]
    subscribed: frozenset[str]
    deltas: DeltaKind
    locale: str
    info: dict[str, Any]
    connected_at: int
    address: str


def facts_of(client: Connection) -> ClientFacts:
    """The facts of a connected client."""
    assert client.identity is not None
    return ClientFacts(
        conn_id=client.conn_id,
        identity=client.identity,
        role=client.role,
        scopes=client.scopes,
        caps=client.caps,
        device_id=client.device_id,
        commands=client.commands,
        permissions=dict(client.permissions),
        subscribed=frozenset(client.subscribed),
        deltas=client.deltas,
        locale=client.locale,
        info=client.info,
        connected_at=client.connected_at,
        address=client.peer.client_key,
    )


class Owner(Protocol):
    """The gateway that has the client's socket."""

    def send_event(self, conn_id: str, name: str, payload: bytes, state_version: Mapping[str, int] | None) -> None: ...

    def close(self, conn_id: str, code: int, reason: str) -> None: ...

    def subscribed(self, conn_id: str, keys: Iterable[str], *, off: bool) -> None: ...


class RemotePeer:
    """The transport of a client whose socket another gateway has: nothing is written to it here."""

    direct = False

    def __init__(self, address: str, identity: Identity) -> None:
        self.client_key = address
        self.identity: Identity | None = identity

    def send(self, frame: bytes) -> None:
        """Responses go back by the request that they answer."""

    def buffered(self) -> int:
        return 0

    def on_authenticated(self) -> None:
        """The other gateway has seen to it."""

    def close(self, code: int, reason: str) -> None:
        """Closing goes by ``RemoteConnection.close``."""


class RemoteConnection(Connection):
    """The connection of a client to another gateway."""

    remote = True

    def __init__(self, facts: ClientFacts, owner: Owner) -> None:  # its handshake was made elsewhere
        self.owner = owner
        self._congested = False
        self.adopt(facts)

    def adopt(self, facts: ClientFacts) -> None:
        """Take over the facts as they are now."""
        self.peer = RemotePeer(facts.address, facts.identity)
        self.conn_id, self.identity, self.role, self.scopes = facts.conn_id, facts.identity, facts.role, facts.scopes
        self.caps, self.device_id, self.commands = facts.caps, facts.device_id, facts.commands
        self.permissions, self.subscribed, self.deltas = facts.permissions, set(facts.subscribed), facts.deltas
        self.locale, self.info, self.connected_at = facts.locale, facts.info, facts.connected_at

    def may_receive(self, event: Event, session: str | None = None) -> bool:
        """Not what each gateway sends to its own clients by itself."""
        return not event.own and super().may_receive(event, session)

    def send_event(self, name: str, payload: bytes, state_version: Mapping[str, int] | None = None) -> None:
        self.owner.send_event(self.conn_id, name, payload, state_version)

    def congested(self) -> bool:
        return self._congested

    def set_congested(self, yes: bool) -> None:
        """Take note of how the client reads."""
        self._congested = yes

    def subscribe(self, *keys: str) -> None:
        self.subscribed.update(keys)
        self.owner.subscribed(self.conn_id, keys, off=False)

    def unsubscribe(self, *keys: str) -> None:
        self.subscribed.difference_update(keys)
        self.owner.subscribed(self.conn_id, keys, off=True)

    def close(self, code: int, reason: str) -> None:
        self.owner.close(self.conn_id, code, reason)
