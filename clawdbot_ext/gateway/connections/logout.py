"""The end of every connection whose credential was revoked."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ...protocol.frames import CloseCode

if TYPE_CHECKING:
    from ..access.control import AccessControl
    from .broadcast import Broadcast
    from .connection import Connection


LOG_OUT_AFTER_S = 0.1
"""The delay after which the response to the change of the secret has been sent."""


def log_out_everywhere(access: AccessControl, events: Broadcast) -> int:
    """Void every cookie and link, and disconnect the clients that logged in by one; returns how many. Raises
    ``OSError``.

    A client of a Jupyter server may have used a cookie of ours that only that server saw; all others reconnect at once.
    """
    access.auth.log_out_everywhere()
    return leave_all(access, events)


def leave_all(access: AccessControl, events: Broadcast) -> int:
    """Disconnect this gateway's clients that logged in by a cookie or link, which are void; returns how many there are
    at all gateways."""
    gone = [
        client
        for client in events.connections
        if client.identity is not None and (client.identity.lineage or client.identity.via == "jupyter")
    ]
    disconnect([client for client in gone if not client.remote], "logged out")
    access.on_void()
    return len(gone)


def disconnect(clients: Iterable[Connection], why: str) -> None:
    """Close sockets for good, once the answer under way is out: a client has to log in again."""
    asyncio.get_running_loop().call_later(LOG_OUT_AFTER_S, _close, tuple(clients), why)


def _close(clients: Iterable[Connection], why: str) -> None:
    for client in clients:
        client.close(CloseCode.POLICY, why)
