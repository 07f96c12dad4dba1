"""Everything that decides about access, in one place: credentials, paired devices, request limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ...config.live import LiveConfig
from .auth import Auth
from .devices import Devices
from .rate_limits import RequestLimits


@dataclass
class AccessControl:
    """The services that authenticate and authorize connections and requests."""

    config: LiveConfig
    auth: Auth
    devices: Devices
    requests: RequestLimits
    before_rotation: Callable[[], None] = lambda: None
    """Called before another secret is in force; the server ends what the old one opened."""
    on_void: Callable[[], None] = lambda: None
    """Called when credentials have become void; the server ends the sockets and requests that they opened."""
