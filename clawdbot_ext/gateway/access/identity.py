"""An identity: a user, the credential that showed it, its rights, and all that the credential was made by.

What a credential makes (a link, a cookie, a device's token) carries this along, signed or stored: it is never worth
more than its maker, and ends with it (``auth.Auth.current``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from ...protocol.schema import OPERATOR_SCOPES, SCOPE_ADMIN, SCOPE_READ, SCOPE_WRITE, Role

AuthMethod = Literal["token", "password", "cookie", "link", "jupyter", "signin", "tailscale", "device"]
GUEST_SCOPES = frozenset((SCOPE_READ, SCOPE_WRITE))
"""Of a login that another vouches for, and that the owner has not named: to chat, and to decide nothing."""
MAX_LINEAGE = 16
"""Cookies made one by the other; after so many one has to log in anew."""


class Credential(NamedTuple):
    """One column of the table of what each kind of credential opens (docs/reference/credentials.md)."""

    title: str
    about: str
    scopes: frozenset[str]
    role: Role = "operator"
    account: bool = False
    """It is the gateway's own secret: Jupyter's API on our own port, and the new token of a rotation."""
    device: bool = False


_ALL = frozenset(OPERATOR_SCOPES)
CREDENTIALS: Mapping[str, Credential] = {
    "secret": Credential(
        "secret",
        "The token, the password, the credential of this account's own programs; a link or "
        "a cookie that one of them has made.",
        _ALL,
        account=True,
    ),
    "owner": Credential(
        "owner's login",
        "Jupyter's login where the server knows one user only, or is this user's own "
        "on a Hub; a login that `gateway.auth.owners` names. Also through a server that relays. The sign-in of "
        "a user of a gateway with users, in that user's own space.",
        _ALL,
    ),
    "guest": Credential(
        "another login",
        "Any other login that Tailscale or a Jupyter server with several users "
        "vouches for, and a cookie that it has made. Also through a server that relays.",
        GUEST_SCOPES,
    ),
    "admin-device": Credential(
        "device (admin)",
        "A device's token, approved with `operator.admin`; a link or a cookie that it has made.",
        _ALL,
        device=True,
    ),
    "reading-device": Credential(
        "device (read)", "A device's token, approved with `operator.read`.", frozenset((SCOPE_READ,)), device=True
    ),
    "node": Credential("node", "A device's token in the role `node`.", frozenset(), role="node", device=True),
}
"""Key → kind. Tested over real sockets, every method with every kind."""


class DeviceMark(NamedTuple):
    """A device's token: rotating and revoking raise the generation."""

    id: str
    role: str
    generation: int


@dataclass(frozen=True)
class Identity:
    """A client that is known. ``scopes`` is all that it may ask for."""

    user: str
    via: AuthMethod
    scopes: frozenset[str] = frozenset(OPERATOR_SCOPES)
    role: Role = "operator"
    issuer: AuthMethod | None = None
    """The kind of credential at the beginning, where ``via`` is a link or a cookie that was made by it."""
    named: bool = False
    """It has its scopes because ``gateway.auth.owners`` names it."""
    devices: tuple[DeviceMark, ...] = ()
    """The devices that took part, with any of whose tokens this ends."""
    lineage: tuple[str, ...] = ()
    """The cookies on the way here, the first one first: logging one of them out ends what came of it."""
    expires: int | None = None
    """Seconds since the epoch; ``None``: with its credential."""

    @property
    def kind(self) -> AuthMethod:
        """The kind of credential that all this began with."""
        return self.issuer or self.via

    @property
    def is_account(self) -> bool:
        """Whether the gateway's own secret was given, with all its scopes; then Jupyter's API is open, too."""
        return self.kind in ("token", "password") and SCOPE_ADMIN in self.scopes


def to_facts(identity: Identity) -> dict[str, Any]:
    """The facts signed into or stored with a credential that ``identity`` creates."""
    facts: dict[str, Any] = {"u": identity.user, "v": identity.kind, "s": sorted(identity.scopes), "r": identity.role}
    if identity.named:
        facts["o"] = True
    if identity.devices:
        facts["d"] = [list(mark) for mark in identity.devices]
    if identity.lineage:
        facts["l"] = list(identity.lineage)
    if identity.expires is not None:
        facts["e"] = identity.expires
    return facts


def from_facts(facts: Mapping[str, Any], via: AuthMethod) -> Identity:
    """The identity of something that was made by ``to_facts``; the caller has checked the signature."""
    return Identity(
        user=facts["u"],
        via=via,
        scopes=frozenset(facts["s"]) & frozenset(OPERATOR_SCOPES),
        role=facts["r"],
        issuer=facts["v"],
        named=bool(facts.get("o")),
        devices=tuple(DeviceMark(*mark) for mark in facts.get("d", ())),
        lineage=tuple(facts.get("l", ())),
        expires=facts.get("e"),
    )
