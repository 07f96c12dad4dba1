"""Delivery of events to the connections that may receive them.

Events are encoded once. A reply's deltas go out per client from the place that client has reached, so a slow client
gets fewer and longer ones and a congested one gets none until it has drained (its socket is closed by
``Connection.send_event`` when even the rest exceeds ``gateway.maxBufferedBytes``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ...protocol.clock import now_ms
from ...protocol.frames import encode
from ...protocol.schema import EVENTS

if TYPE_CHECKING:
    from .connection import Connection


class Broadcast:
    """The connected clients, and the events sent to them."""

    def __init__(self) -> None:
        self.connections: set[Connection] = set()
        self.last_run_event = 0
        """The time of the last run event (milliseconds since the epoch), with or without receivers."""

    def emit(
        self,
        name: str,
        payload: Any,
        *,
        session: str | None = None,
        state_version: Mapping[str, int] | None = None,
        only: Callable[[Connection], bool] | None = None,
    ) -> None:
        """Send an event to every client that may see it (``Connection.may_receive``).

        Args:
            payload: a value for msgspec, or a function that makes one, called only when there is a receiver.
            session: the key of the session that it is about.
            state_version: ``stateVersion`` of the frame.
            only: the clients that it is meant for; all of them where absent.
        """
        row = EVENTS[name]
        if name in ("agent", "chat"):
            self.last_run_event = now_ms()
        receivers = [client for client in self.connections if client.may_receive(row, session)]
        if only is not None:
            receivers = [client for client in receivers if only(client)]
        if receivers:
            data = encode(payload() if callable(payload) else payload)
            for client in receivers:
                client.send_event(name, data, state_version)
