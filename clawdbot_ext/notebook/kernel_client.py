"""The one connection of a kernel: its widgets and magics share it, and it comes back when the gateway does."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping
from typing import Any

from ..client.endpoint import NoGateway
from ..client.errors import ClientError, ConnectionLost
from ..client.events import LOST, Event
from ..client.sync import SyncClient
from ..protocol.errors import GatewayError

RETRIES_S = (0.2, 0.5, 1.0, 2.0, *[5.0] * 60)
"""Seconds before each try to come back."""
Listener = Callable[[str, Mapping[str, Any]], None]
"""Hears an event's name and payload, on the client's thread; it must not call the client."""


class KernelClient:
    """Opens when it is needed first. All methods may be called from any thread."""

    def __init__(self, connect: Callable[[], SyncClient] | None = None):
        self._connect = connect or _find
        self._client: SyncClient | None = None
        self._lock = threading.RLock()
        self._listeners: list[Listener] = []
        self._over = threading.Event()

    def get(self) -> SyncClient:
        """The connection, a fresh one if the last was lost. Raises as ``clawdbot_ext.connect``."""
        with self._lock:
            if self._client is not None and not self._client.connected:
                self._drop()
            if self._client is None:
                self._client = self._connect()
                self._client.subscribe(self._tell)
            return self._client

    def request(self, method: str, params: Mapping[str, Any] | None = None) -> Any:
        """As ``SyncClient.request``; once more where the connection turned out to be lost.

        Only for requests that may be repeated.
        """
        try:
            return self.get().request(method, params)
        except ConnectionLost:
            return self.get().request(method, params)

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Have ``listener`` called for every event from now on, over lost connections too; how to stop that."""
        with self._lock:
            self._listeners.append(listener)

        def stop() -> None:
            with self._lock, contextlib.suppress(ValueError):
                self._listeners.remove(listener)

        return stop

    def close(self) -> None:
        self._over.set()
        with self._lock:
            self._drop()

    def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _tell(self, event: Event) -> None:
        for listener in list(self._listeners):
            listener(event.name, event.payload)
        if event.name == LOST and self._listeners:
            threading.Thread(target=self._come_back, name="clawdbot comes back", daemon=True).start()

    def _come_back(self) -> None:
        """Someone listens: connect again, to whatever is the gateway then. After the last try the next call does it."""
        for wait_s in RETRIES_S:
            self._over.wait(wait_s)
            if self._over.is_set() or not self._listeners:
                return
            try:
                self.get()
            except (ClientError, NoGateway):
                continue
            except GatewayError:
                return  # refused: trying again would not help
            return


_shared: KernelClient | None = None


def shared() -> KernelClient:
    """The kernel's own."""
    global _shared
    if _shared is None:
        _shared = KernelClient()
    return _shared


def _find() -> SyncClient:
    from ..client.auto_connect import connect

    return connect()
