"""Presence: connected and recently connected clients, and notices for the main session."""

from __future__ import annotations

import asyncio
import heapq
import platform
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from ..._version import __version__
from ...protocol.clock import now_ms
from ...protocol.frames import encode
from ...protocol.schema import EVENTS, PresenceEvent

if TYPE_CHECKING:
    from .broadcast import Broadcast
    from .connection import Connection

KEPT_MS = 5 * 60 * 1000
"""The time that a client that left stays listed, and a device that reported itself without connecting."""
MAX_ROWS = 200
MAX_LEFT = 20
"""Those that left last are listed: of a program that connects for each call, every newcomer would read a hundred."""
JOIN_S = 0.2
"""Changes within this time are told as one: a hundred clients that come back at once are not ten thousand frames."""
CROWD = 50
"""With more rows than this, the list that a newcomer gets is made anew once in ``JOIN_S``, and goes out in slices."""
SHARE = 20
"""Telling everybody takes no more than this part of the time: a thousand clients are told once in a second or two."""
FRAME_S, ROW_S = 20e-6, 0.2e-6
"""About what one frame costs, and each row in it."""
SLICE_S = 0.01
MAX_NOTICES = 20
"""Notices that wait for the main session's next turn; the oldest goes first."""


class _Row(NamedTuple):
    """One row: whose it is, since when, and its JSON."""

    key: str
    ts: int
    encoded: msgspec.Raw


class _Snapshot(NamedTuple):
    """The rows of one version."""

    version: int
    made_at: float
    rows: Sequence[msgspec.Raw]


class Presence:
    """The people and programs around one gateway."""

    def __init__(self, events: Broadcast, main_key: Callable[[], str]) -> None:
        self._events, self._main_key = events, main_key
        self._others: dict[str, _Row] = {}
        """Devices that told of themselves, oldest first."""
        self._left: dict[str, _Row] = {}
        """The clients that left last, oldest first."""
        self._here: dict[Connection, tuple[frozenset[str], _Row]] = {}
        """The rows of the connected, made once for each set of scopes."""
        self.tell_beacon: Callable[[str, Mapping[str, Any]], None] = lambda key, row: None
        """Tells the other gateways that a device told of itself."""
        self._timer: asyncio.TimerHandle | None = None
        self._slices: asyncio.TimerHandle | None = None
        self._quiet_until = 0.0
        self._snapshot = _Snapshot(0, 0.0, [])
        self.version = 1
        """Rises with every change; ``stateVersion.presence`` of the wire."""
        self.notices: deque[str] = deque(maxlen=MAX_NOTICES)
        """Notices of ``system-event`` and ``wake`` for the main session."""

    def rows(self) -> Sequence[msgspec.Raw]:
        """This gateway, those who are connected, and those who were, newest first."""
        return self._current().rows

    def for_newcomer(self) -> tuple[Sequence[msgspec.Raw], int]:
        """The rows for a client that is about to join, and their version; in a crowd as of a moment ago."""
        before = self._snapshot
        if len(before.rows) > CROWD and time.monotonic() - before.made_at < JOIN_S:
            return before.rows, before.version
        current = self._current()
        return current.rows, current.version

    def _current(self) -> _Snapshot:
        if self._snapshot.version == self.version and time.monotonic() - self._snapshot.made_at < JOIN_S:
            return self._snapshot
        now = now_ms()
        for kept in (self._others, self._left):
            for key in [key for key, row in kept.items() if now - row.ts >= KEPT_MS]:
                del kept[key]
        rows = {row.key: row for row in map(self._row, self._events.connections) if row is not None}
        newest = heapq.nlargest(MAX_ROWS, {**self._left, **self._others, **rows}.values(), key=lambda row: row.ts)
        encoded = [msgspec.Raw(encode(_self(now))), *(row.encoded for row in newest)]
        self._snapshot = _Snapshot(self.version, time.monotonic(), encoded)
        return self._snapshot

    def _row(self, client: Connection) -> _Row | None:
        if not _shown(client):
            return None
        scopes, row = self._here.get(client, (None, None))
        if row is None or scopes is not client.scopes:
            row = _row(client, "connect", client.connected_at)
            self._here[client] = (client.scopes, row)
        return row

    def joined(self, client: Connection) -> None:
        if _shown(client):
            self._others.pop(_key(client), None)
            self._left.pop(_key(client), None)
            self._changed()

    def left(self, client: Connection) -> None:
        self._here.pop(client, None)
        if client.connected_at and _shown(client):
            row = _row(client, "disconnect", now_ms())
            self._others.pop(row.key, None)
            _keep(self._left, row, MAX_LEFT)
            self._changed()

    def beacon(self, key: str, row: dict[str, Any]) -> None:
        """A device tells of itself, connected or not."""
        self.tell_beacon(key, row)
        self.beacon_elsewhere(key, row)

    def beacons(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """The devices that told of themselves, here or elsewhere, and have not connected."""
        for key, row in self._others.items():
            yield key, msgspec.json.decode(row.encoded)

    def beacon_elsewhere(self, key: str, row: Mapping[str, Any]) -> None:
        """A device has told another gateway of itself."""
        if (known := self._others.get(key)) is not None and known.ts > row["ts"]:
            return
        _keep(self._others, _Row(key, row["ts"], msgspec.Raw(encode(row))), MAX_ROWS)
        self._left.pop(key, None)
        self._changed()

    def pop_notices(self, session_key: str) -> list[str]:
        """Remove and return the notices of the main session; none for any other session."""
        if session_key != self._main_key():
            return []
        taken = list(self.notices)
        self.notices.clear()
        return taken

    def keep_notices(self, notices: Sequence[str]) -> None:
        """Put back notices that went nowhere."""
        self.notices.extendleft(reversed(notices))

    def close(self) -> None:
        """Emit nothing more."""
        for timer in (self._timer, self._slices):
            if timer is not None:
                timer.cancel()

    def _changed(self) -> None:
        self.version += 1
        if self._timer is None:
            wait = max(JOIN_S, self._quiet_until - time.monotonic())
            self._timer = asyncio.get_running_loop().call_later(wait, self._emit)

    def _emit(self) -> None:
        self._timer = None
        row = EVENTS["presence"]
        receivers = [client for client in self._events.connections if client.may_receive(row)]
        if not receivers:
            return
        current = self._current()
        cost = len(receivers) * (FRAME_S + len(current.rows) * ROW_S)
        self._quiet_until = time.monotonic() + SHARE * cost
        rows: Any = current.rows  # of mappings, encoded
        if self._slices is not None:
            self._slices.cancel()  # who was still to be told that is told this
        self._send(receivers, encode(PresenceEvent(presence=rows)), current.version)

    def _send(self, receivers: list[Connection], data: bytes, version: int) -> None:
        """Send to some, and to the others after those who wait for something else."""
        for client in receivers[:CROWD]:
            client.send_event("presence", data, {"presence": version, "health": 1})
        self._slices = None
        if rest := receivers[CROWD:]:
            self._slices = asyncio.get_running_loop().call_later(SLICE_S, self._send, rest, data, version)


def _keep(rows: dict[str, _Row], row: _Row, most: int) -> None:
    """Put ``row`` behind the others, of which the oldest go that are too many."""
    rows.pop(row.key, None)
    rows[row.key] = row
    while len(rows) > most:
        del rows[next(iter(rows))]


def _shown(client: Connection) -> bool:
    """Whether the client is listed: calls of the command line come and go (Clawdbot leaves them out too), and what
    works in notebooks belongs to a page or a server that is listed by itself."""
    return client.info.get("mode") not in ("cli", "probe") and not of_a_home(client)


def of_a_home(client: Connection) -> bool:
    """Whether the client is the node that works in the notebooks of a page or of a server, and no client by itself."""
    return client.role == "node" and "notebook" in client.caps


def _key(client: Connection) -> str:
    return client.device_id or str(client.info["instanceId"])


def _row(client: Connection, reason: str, ts: int) -> _Row:
    info = client.info
    fields = {
        "host": info["displayName"],
        "version": info["version"],
        "platform": info["platform"],
        "deviceFamily": info.get("deviceFamily"),
        "modelIdentifier": info.get("modelIdentifier"),
        "mode": info["mode"],
        "deviceId": client.device_id,
        "roles": [client.role],
        "scopes": sorted(client.scopes),
        "instanceId": info["instanceId"],
        "reason": reason,
        "ts": ts,
        "text": f"Node: {info['displayName']} · mode {info['mode']}",
    }
    told = {name: value for name, value in fields.items() if value is not None}
    return _Row(_key(client), ts, msgspec.Raw(encode(told)))


def _self(now: int) -> dict[str, Any]:
    return {**_host(), "ts": now}


@cache
def _host() -> dict[str, Any]:
    host = socket.gethostname()
    return {
        "host": host,
        "version": __version__,
        "platform": f"{platform.system().lower()} {platform.release()}",
        "deviceFamily": platform.system(),
        "modelIdentifier": platform.machine() or "unknown",
        "mode": "gateway",
        "reason": "self",
        "text": f"Gateway: {host} · app {__version__} · mode gateway · reason self",
    }
