"""Connection of the node with the gateway of another process, as a client of it. Apart, since a gateway itself needs no
client."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...client.endpoint import Endpoint, NoGateway, locate
from ...client.errors import ClientError
from ...client.events import LOST, Event
from ...client.gateway_client import GatewayClient
from ...config import ConfigError
from ...protocol.errors import GatewayError
from .connection import connect_params, node_of

if TYPE_CHECKING:
    from ...config.live import LiveConfig

log = logging.getLogger(__name__)

RETRY_S = 5.0
"""Seconds between two attempts to find the gateway, where it refuses or there is none."""


class RemoteConnection:
    """The node of a Jupyter server whose gateway runs in another process; it comes back when that one does."""

    def __init__(self, app: Any, config: LiveConfig):
        self.node = node_of(app, config)
        self._client = GatewayClient(self._first_endpoint(), handshake=self._introduce, locate=self._locate)
        self._lost = asyncio.Event()
        self._client.subscribe(self._take)
        self._task = asyncio.create_task(self._serve(), name="hands node")

    def _locate(self) -> Endpoint:
        return locate(self.node.host.config(), env={})

    def _first_endpoint(self) -> Endpoint:
        with contextlib.suppress(NoGateway, ConfigError):
            return self._locate()
        return Endpoint("ws://127.0.0.1:0/ws", "http://127.0.0.1:0/")  # looked for again at every attempt

    def _introduce(self, params: dict[str, Any], nonce: str) -> None:
        params.update(connect_params(self.node))

    def _take(self, event: Event) -> None:
        if event.name == LOST:
            self._lost.set()
        else:
            self.node.handle(event.name, event.payload, self._send)

    async def _serve(self) -> None:
        told = ""
        while True:
            try:
                self._lost.clear()
                await self._client.reconnect()
                told = ""
                await self._lost.wait()
            except (ClientError, GatewayError) as exc:
                if told != str(exc):
                    log.info("the gateway has no connection to this server's notebooks: %s", exc)
                told = str(exc)
                await asyncio.sleep(RETRY_S)

    async def _send(self, method: str, params: Mapping[str, Any]) -> bool:
        try:
            await self._client.request(method, params)
        except (ClientError, GatewayError) as exc:
            log.info("%s was not taken: %s", method, exc)
            return False
        return True

    async def close(self) -> None:
        """Disconnect for good. What runs goes on."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._client.close()
