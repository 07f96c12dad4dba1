"""The Python client of the gateway. The names below are public; the modules behind them are not."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .endpoint import Endpoint
    from .errors import ClientError, Closed, ConnectionLost, TimedOut, Unreachable, Untrusted
    from .events import LOST, Event
    from .gateway_client import CAPS, GatewayClient
    from .reply import Chunk, Notice, ReplyEnd, ReplyFailed
    from .reply import ReplyEnd as End
    from .sync import connect

__all__ = [
    "CAPS",
    "LOST",
    "Chunk",
    "ClientError",
    "Closed",
    "ConnectionLost",
    "End",
    "Endpoint",
    "Event",
    "GatewayClient",
    "Notice",
    "ReplyEnd",
    "ReplyFailed",
    "TimedOut",
    "Unreachable",
    "Untrusted",
    "connect",
]

_HOMES = {
    "CAPS": "gateway_client",
    "Chunk": "reply",
    "ClientError": "errors",
    "Closed": "errors",
    "ConnectionLost": "errors",
    "Endpoint": "endpoint",
    "Event": "events",
    "GatewayClient": "gateway_client",
    "LOST": "events",
    "Notice": "reply",
    "ReplyEnd": "reply",
    "ReplyFailed": "reply",
    "TimedOut": "errors",
    "Unreachable": "errors",
    "Untrusted": "errors",
    "connect": "sync",
}
"""Public name → the module that defines it, imported at the first use: most commands need one or two of them."""
_ALIASES = {"End": "ReplyEnd"}
"""Older public name → the present one."""


def __getattr__(name: str) -> Any:
    name = _ALIASES.get(name, name)
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES, *_ALIASES})
