"""The interface of a connected client, as replies and uploads need it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from .endpoint import Endpoint
from .events import Event


class ConnectedClient(Protocol):
    """A client of the gateway. ``gateway_client.GatewayClient`` is the one implementation."""

    endpoint: Endpoint
    locale: str | None
    """The language of the gateway's texts; ``None``: the gateway's own."""
    hello: Mapping[str, Any]
    """The payload of ``hello-ok``."""

    @property
    def bearer(self) -> dict[str, str]:
        """Headers that authenticate an HTTP request; empty where there is no credential for HTTP."""

    async def request(self, method: str, params: Mapping[str, Any] | None = None) -> Any:
        """Call a method of the gateway. Raises what ``GatewayClient.request`` raises."""

    def subscribe(self, callback: Callable[[Event], None]) -> Callable[[], None]:
        """Have ``callback`` called for every event, until the returned function is called."""

    async def reconnect(self, *, patience_s: float | None = None) -> Mapping[str, Any]:
        """Connect again after the connection was lost; returns the new ``hello-ok``."""
