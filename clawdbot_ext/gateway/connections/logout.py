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
"""Until the answer to whoever has changed the secret is out."""


def log_out_everywhere(access: AccessControl, events: Broadcast) -> int:
    """Void every cookie and link, and disconnect who came by one; returns how many. Raises ``OSError``.

    Whoever came through a Jupyter server may have done so by a cookie of ours, which only that one saw; who has not is
    back at once.
    """
    access.auth.log_out_everywhere()
    gone = [
        client
        for client in events.connections
        if client.identity is not None and (client.identity.lineage or client.identity.via == "jupyter")
    ]
    disconnect(gone, "logged out")
    access.on_void()
    return len(gone)


def disconnect(clients: Iterable[Connection], why: str) -> None:
    """Close sockets for good, once the answer under way is out: a client has to log in again."""
    asyncio.get_running_loop().call_later(LOG_OUT_AFTER_S, _close, tuple(clients), why)


def _close(clients: Iterable[Connection], why: str) -> None:
    for client in clients:
        client.close(CloseCode.POLICY, why)
