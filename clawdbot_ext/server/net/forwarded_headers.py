"""What a reverse proxy says of a request, believed from ``gateway.trustedProxies`` alone.

Every client can send such headers, and behind an unknown proxy everybody has the proxy's address. So they give nobody
any right: the address decides who is counted together and what the log says, host and scheme under which name the page
was asked for, which has to be allowed like any other.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import NamedTuple

from tornado.httputil import HTTPServerRequest

from ...config import Config

RELAYED_USER, RELAYED_SCOPES = "X-Clawdbot-User", "X-Clawdbot-Scopes"
"""Headers by which a server that relays says for which of its users (percent-encoded), and what that one may do here
(separated by commas). Believed from our own only."""


class ForwardedClient(NamedTuple):
    """A request as it was before any proxy that is trusted. ``host`` and ``scheme``: ``None`` where none said so."""

    address: str
    host: str | None = None
    scheme: str | None = None
    ignored: bool = False
    """A proxy has said something that is not believed."""


def client_of(request: HTTPServerRequest, config: Config) -> ForwardedClient:
    """Where ``request`` comes from, and under which name and scheme it was sent."""
    peer = request.remote_ip or ""
    hops = request.headers.get_list("X-Forwarded-For")
    trusted = _networks(config["gateway.trustedProxies"])
    if not _is_in(peer, trusted):
        return ForwardedClient(peer, ignored=bool(hops))
    address = peer
    for hop in reversed([part.strip() for line in hops for part in line.split(",")]):
        if _parsed(hop) is None:
            break  # whoever wrote that is no proxy of ours: what is left of it may be anybody's words
        address = hop
        if not _is_in(hop, trusted):
            break
    proto = _one(request, "X-Forwarded-Proto").lower()
    return ForwardedClient(
        address, _one(request, "X-Forwarded-Host") or None, proto if proto in ("http", "https") else None
    )


def _one(request: HTTPServerRequest, name: str) -> str:
    """The value of a header that is there once; the last of several, which the nearest proxy has added."""
    return ",".join(request.headers.get_list(name)).rpartition(",")[2].strip()


@lru_cache(maxsize=16)
def _networks(entries: tuple[str, ...]) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    return tuple(ipaddress.ip_network(entry.strip(), strict=False) for entry in entries)


def _is_in(text: str, networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]) -> bool:
    address = _parsed(text) if networks else None
    return address is not None and any(address in network for network in networks)


def _parsed(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An address, IPv4 however it is written."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0].strip("[]"))
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, ipaddress.IPv6Address) else address
