"""Forwarded headers of reverse proxies, trusted from ``gateway.trustedProxies`` only.

Every client can send such headers, and behind an unknown proxy all clients have the proxy's address. So they grant no
rights: the address is used for rate limits and the log, host and scheme for the name under which the page was
requested, which has to be allowed like any other.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import NamedTuple

from tornado.httputil import HTTPServerRequest

from ...config import Config

RELAYED_USER, RELAYED_SCOPES = "X-Clawdbot-User", "X-Clawdbot-Scopes"
"""Headers by which a proxying standby names its user (percent-encoded) and the user's scopes (separated by commas).
Trusted with the client credential only."""


class ForwardedClient(NamedTuple):
    """A request as the first trusted proxy received it. ``host`` and ``scheme`` are ``None`` if no proxy gave them."""

    address: str
    host: str | None = None
    scheme: str | None = None
    ignored: bool = False
    """Whether forwarded headers of an untrusted proxy were ignored."""


def client_of(request: HTTPServerRequest, config: Config) -> ForwardedClient:
    """Return the client of ``request``, and the host and scheme it was sent to."""
    peer = request.remote_ip or ""
    hops = request.headers.get_list("X-Forwarded-For")
    trusted = _networks(config["gateway.trustedProxies"])
    if not _is_in(peer, trusted):
        return ForwardedClient(peer, ignored=bool(hops))
    address = peer
    for hop in reversed([part.strip() for line in hops for part in line.split(",")]):
        if _parsed(hop) is None:
            break  # not written by a trusted proxy: the rest may be forged
        address = hop
        if not _is_in(hop, trusted):
            break
    proto = _one(request, "X-Forwarded-Proto").lower()
    return ForwardedClient(
        address, _one(request, "X-Forwarded-Host") or None, proto if proto in ("http", "https") else None
    )


def is_trusted(peer: str, config: Config) -> bool:
    """Return whether ``gateway.trustedProxies`` names the address."""
    return _is_in(peer, _networks(config["gateway.trustedProxies"]))


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
