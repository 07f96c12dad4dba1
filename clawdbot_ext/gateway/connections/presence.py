"""Presence: connected and recently connected clients, and notices for the main session."""

from __future__ import annotations

import asyncio
import platform
import socket
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..._version import __version__
from ...protocol.clock import now_ms
from ...protocol.schema import (
    PresenceEvent,
)

if TYPE_CHECKING:
    from .broadcast import Broadcast
    from .connection import Connection

KEPT_MS = 5 * 60 * 1000
"""The time that a client that left stays listed, and a device that reported itself without connecting."""
MAX_ROWS = 200
JOIN_S = 0.2
"""Changes within this time are told as one: a hundred clients that come back at once are not ten thousand frames."""
MAX_NOTICES = 20
"""Notices that wait for the main session's next turn; the oldest goes first."""


class Presence:
    """The people and programs around one gateway."""

    def __init__(self, events: Broadcast, main_key: Callable[[], str]) -> None:
        self._events, self._main_key = events, main_key
        self._others: dict[str, dict[str, Any]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self.version = 1
        """Rises with every change; ``stateVersion.presence`` of the wire."""
        self.notices: deque[str] = deque(maxlen=MAX_NOTICES)
        """Notices of ``system-event`` and ``wake`` for the main session."""

    def rows(self) -> list[dict[str, Any]]:
        """This gateway, those who are connected, and those who were, newest first."""
        now = now_ms()
        self._others = {key: row for key, row in self._others.items() if now - row["ts"] < KEPT_MS}
        rows = {
            _key(client): _row(client, "connect", client.connected_at)
            for client in self._events.connections
            if _shown(client)
        }
        others = sorted({**self._others, **rows}.values(), key=lambda row: -row["ts"])
        return [_self(now), *others[:MAX_ROWS]]

    def joined(self, client: Connection) -> None:
        if _shown(client):
            self._others.pop(_key(client), None)
            self._changed()

    def left(self, client: Connection) -> None:
        if client.connected_at and _shown(client):
            self._others[_key(client)] = _row(client, "disconnect", now_ms())
            self._changed()

    def beacon(self, key: str, row: dict[str, Any]) -> None:
        """A device tells of itself, connected or not."""
        self._others[key] = row
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
        if self._timer is not None:
            self._timer.cancel()

    def _changed(self) -> None:
        self.version += 1
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(JOIN_S, self._emit)

    def _emit(self) -> None:
        self._timer = None
        self._events.emit(
            "presence",
            lambda: PresenceEvent(presence=self.rows()),
            state_version={"presence": self.version, "health": 1},
        )


def _shown(client: Connection) -> bool:
    """Whether the client is listed: calls of the command line come and go (Clawdbot leaves them out too), and what
    works in notebooks belongs to a page or a server that is listed by itself."""
    return client.info.get("mode") not in ("cli", "probe") and not of_a_home(client)


def of_a_home(client: Connection) -> bool:
    """Whether the client is the node that works in the notebooks of a page or of a server, and no client by itself."""
    return client.role == "node" and "notebook" in client.caps


def _key(client: Connection) -> str:
    return client.device_id or str(client.info["instanceId"])


def _row(client: Connection, reason: str, ts: int) -> dict[str, Any]:
    info = client.info
    row = {
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
    return {name: value for name, value in row.items() if value is not None}


def _self(now: int) -> dict[str, Any]:
    host = socket.gethostname()
    return {
        "host": host,
        "version": __version__,
        "platform": f"{platform.system().lower()} {platform.release()}",
        "deviceFamily": platform.system(),
        "modelIdentifier": platform.machine() or "unknown",
        "mode": "gateway",
        "reason": "self",
        "ts": now,
        "text": f"Gateway: {host} · app {__version__} · mode gateway · reason self",
    }
