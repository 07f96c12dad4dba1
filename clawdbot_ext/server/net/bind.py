"""Addresses to listen on, and the sockets. Never binds another port or address than the configured one."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import socket
from dataclasses import dataclass

from ...config import Config
from .fd_limits import FdLimitedSocket

BACKLOG = 1024
"""Connections that may wait while the loop is busy: a reconnect storm of 1,000 should not see refusals."""

_LOOPBACK = ("127.0.0.1", "::1")
_ANY = ("0.0.0.0", "::")  # noqa: S104  only when gateway.bind says lan
_TAILNET = ipaddress.ip_network("100.64.0.0/10")
_TAILNET_PROBE = ("100.100.100.100", 53)
"""Tailscale's own resolver: the route to it starts at this machine's address in the tailnet."""
_NO_SUCH_FAMILY = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.ENOPROTOOPT)
_EPHEMERAL_TRIES = 8


class NoAddress(Exception):
    """The address that ``gateway.bind`` asks for does not exist here. ``key`` names the text for people."""

    def __init__(self, key: str, **facts: str):
        super().__init__(key)
        self.key, self.facts = key, facts


class Busy(Exception):
    """Another process listens on ``address`` and ``port``."""

    def __init__(self, address: str, port: int):
        super().__init__(f"{address} port {port} is in use")
        self.address, self.port = address, port


@dataclass(frozen=True)
class Addresses:
    """The addresses to listen on: ``wanted`` must work, ``extra`` is used where the machine has it (the same in
    IPv6)."""

    wanted: str
    extra: str | None = None

    @property
    def exposed(self) -> bool:
        """Whether other machines can connect."""
        return not ipaddress.ip_address(self.wanted).is_loopback

    @property
    def reachable(self) -> str:
        """The address for a URL on this machine."""
        address = ipaddress.ip_address(self.wanted)
        if address.is_unspecified:
            return "127.0.0.1" if address.version == 4 else "[::1]"
        return self.wanted if address.version == 4 else f"[{self.wanted}]"


def addresses(config: Config) -> Addresses:
    """Return the addresses for ``gateway.bind`` on this machine.

    Raises:
        NoAddress: ``tailnet`` without Tailscale, ``custom`` without a host, a host that has no address, or an address
            that leads around the Tailscale that ``gateway.tailscale.mode`` offers the gateway through.
    """
    on = _addresses(config)
    if on.exposed and config["gateway.tailscale.mode"] != "off":
        raise NoAddress("bind.tailscale", mode=config["gateway.tailscale.mode"], bind=config["gateway.bind"])
    return on


def _addresses(config: Config) -> Addresses:
    bind = config["gateway.bind"]
    if bind == "loopback":
        return Addresses(*_LOOPBACK)
    if bind == "lan":
        return Addresses(*_ANY)
    if bind == "tailnet":
        if (found := tailnet_address()) is None:
            raise NoAddress("bind.noTailnet")
        return Addresses(found)
    host = config["gateway.customBindHost"]
    if not host:
        raise NoAddress("bind.noHost")
    return Addresses(_resolve(host))


def tailnet_address(probe: tuple[str, int] = _TAILNET_PROBE) -> str | None:
    """Return this machine's address in its Tailscale network; ``None`` without one. Sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(probe)  # for UDP this only looks up the route
        except OSError:
            return None
        address: str = sock.getsockname()[0]
    return address if ipaddress.ip_address(address) in _TAILNET else None


def _resolve(host: str) -> str:
    try:
        found = socket.getaddrinfo(host.strip("[]"), None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError:
        raise NoAddress("bind.unknownHost", host=host) from None
    return str(found[0][4][0])


def listen(on: Addresses, port: int) -> list[socket.socket]:
    """FdLimitedSocket sockets for ``port``, or for one free port on all addresses when it is 0.

    Raises:
        Busy: another process has the port on one of them.
        NoAddress: the machine does not have the wanted address.
        OSError: e.g. ``EACCES`` for a privileged port.
    """
    for _ in range(_EPHEMERAL_TRIES if port == 0 else 1):
        sockets = _bind(on.wanted, port)
        try:
            if on.extra is not None:
                with contextlib.suppress(NoAddress):
                    sockets += _bind(on.extra, sockets[0].getsockname()[1])
        except (Busy, OSError) as exc:
            for sock in sockets:
                sock.close()
            if port == 0 and isinstance(exc, Busy):
                continue
            raise
        return sockets
    raise Busy(on.extra or on.wanted, 0)


def _bind(address: str, port: int) -> list[socket.socket]:
    try:
        return [FdLimitedSocket(_listening(address, port))]
    except OSError as exc:
        if exc.errno == errno.EADDRINUSE:
            raise Busy(address, port) from None
        if exc.errno in _NO_SUCH_FAMILY or isinstance(exc, socket.gaierror):
            raise NoAddress("bind.notHere", address=address) from None
        raise


def _listening(address: str, port: int) -> socket.socket:
    """Open one listening socket. Not by Tornado's ``bind_sockets``, which leaves one open when the address is in
    use."""
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.setblocking(False)
        sock.bind((address, port))
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock
