"""The transport of one connection, as the gateway needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ..access.identity import Identity


class Peer(Protocol):
    """The transport as the gateway sees it. ``send`` and ``close`` never block and never raise."""

    client_key: str
    """The key under which the rate limits count: the normalised address."""
    direct: bool
    """The socket comes from this very machine, with no proxy in between."""
    identity: Identity | None
    """Known since the upgrade (cookie, bearer token, Jupyter), or ``None``: then ``connect`` must say."""

    def send(self, frame: bytes) -> None: ...
    def buffered(self) -> int:
        """Bytes taken by ``send`` that the operating system has not taken yet."""
        ...

    def on_authenticated(self) -> None:
        """The client has logged in: frames may be larger from now on."""
        ...

    def close(self, code: int, reason: str) -> None: ...
