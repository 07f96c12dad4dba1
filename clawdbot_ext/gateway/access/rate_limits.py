"""Rate limits for failed logins, requests and connections. Knows addresses and names, no sockets.

Loopback is no exception: behind a proxy or a tunnel all clients come from there.
"""

from __future__ import annotations

import ipaddress
import math
import time
from collections import deque
from collections.abc import Callable
from functools import lru_cache
from typing import Any

GLOBAL_FACTOR = 10
"""All clients together may fail this many times as often as one (and so many failures are remembered at most)."""

WINDOW_S = 60.0
KNOWN_BROWSER = "browser:"
"""The prefix of the key of a browser that has logged in before; no address begins with it."""
IDENTITY_FACTOR = 4
"""All connections of one user together may ask this many times as often as one."""


@lru_cache(maxsize=1024)
def client_key(address: str) -> str:
    """The key of an address: an IPv4 address in canonical form, an IPv6 /64; other text as it is."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address or "local"
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return str(ip.ipv4_mapped)
        return str(ipaddress.ip_network((ip, 64), strict=False))
    return str(ip)


class Failures:
    """Failed logins of the last minute by client and in all, by a clock that cannot be set.

    What is counted was allowed to be tried, so no more than the ceiling for all clients is remembered, whatever the
    number of addresses.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._of: dict[str, deque[float]] = {}

    def wait_ms(self, limit: int, client_key: str) -> int:
        """Milliseconds until ``client_key`` may try again; 0 = now."""
        now = self._clock()
        for most, who in self._counts(limit, client_key):
            recent = self._recent(who, now)
            if len(recent) >= most:
                return max(1, math.ceil((recent[-most] + WINDOW_S - now) * 1000))
        return 0

    def add(self, limit: int, client_key: str) -> None:
        now = self._clock()
        self._of = {who: times for who in list(self._of) if (times := self._recent(who, now))}
        for _, who in self._counts(limit, client_key):
            self._of.setdefault(who, deque()).append(now)

    def _recent(self, who: str, now: float) -> deque[float]:
        times = self._of.get(who, deque())
        while times and times[0] <= now - WINDOW_S:
            times.popleft()
        return times

    def _counts(self, limit: int, client_key: str) -> list[tuple[int, str]]:
        """The ceilings of a client: its own and that of all clients; of a known browser its own alone."""
        own = (limit, client_key)
        return [own] if client_key.startswith(KNOWN_BROWSER) else [own, (limit * GLOBAL_FACTOR, "*")]


class Bucket:
    """So many a minute, a minute's worth of them at once; what is not used up flows back evenly."""

    __slots__ = ("_clock", "_left", "_limit", "_since")

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic):
        self._limit, self._left, self._clock = limit, float(limit), clock
        self._since = clock()

    def consume(self, limit: int | None = None) -> int:
        """Use one; milliseconds until there is one, 0 when there was. ``limit``: so many a minute from now on."""
        if limit is not None and limit != self._limit:
            self._left = max(0.0, self._left + limit - self._limit)
            self._limit = limit
        now = self._clock()
        self._left = min(float(self._limit), self._left + (now - self._since) * self._limit / 60)
        self._since = now
        if self._left >= 1:
            self._left -= 1
            return 0
        return max(1, math.ceil((1 - self._left) * 60_000 / self._limit))

    @property
    def full(self) -> bool:
        """Whether the bucket has filled up again, so that it equals a new one."""
        return self._left + (self._clock() - self._since) * self._limit / 60 >= self._limit


class RequestLimits:
    """Request limits of each user, over all of its connections. A connection has a ``Bucket`` of its own."""

    def __init__(self) -> None:
        self._of: dict[str, Bucket] = {}

    def consume(self, user: str, limit: int) -> int:
        """Count one of ``user``, of whom ``limit`` a minute and connection are allowed; milliseconds to wait."""
        bucket = self._of.get(user)
        if bucket is None:
            self._of = {name: each for name, each in self._of.items() if not each.full}  # nothing grows without bound
            bucket = self._of[user] = Bucket(limit * IDENTITY_FACTOR)
        return bucket.consume(limit * IDENTITY_FACTOR)


class Connections:
    """The sockets that each address has open, oldest first, and which of them have logged in."""

    def __init__(self) -> None:
        self._of: dict[str, dict[Any, bool]] = {}

    def room(self, client_key: str, limit: int) -> bool:
        return len(self._of.get(client_key, ())) < limit

    def oldest_anonymous(self, client_key: str) -> Any:
        """Return the oldest socket of an address that has not logged in, which gives way; ``None``: all have."""
        return next((socket for socket, known in self._of.get(client_key, {}).items() if not known), None)

    def opened(self, client_key: str, socket: Any, *, known: bool) -> None:
        self._of.setdefault(client_key, {})[socket] = known

    def mark_authenticated(self, client_key: str, socket: Any) -> None:
        """Note that ``socket`` has logged in."""
        if socket in self._of.get(client_key, ()):
            self._of[client_key][socket] = True

    def closed(self, client_key: str, socket: Any) -> None:
        sockets = self._of.get(client_key, {})
        sockets.pop(socket, None)
        if not sockets:
            self._of.pop(client_key, None)
