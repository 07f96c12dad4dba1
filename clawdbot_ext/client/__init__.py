"""The Python client of the gateway. The names below are public; the modules behind them are not."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .approvals import Approval, Approvals, Decision, Grant
    from .changes import Change, Changes, UndoResult
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
    "Approval",
    "Approvals",
    "Change",
    "Changes",
    "Chunk",
    "ClientError",
    "Closed",
    "ConnectionLost",
    "Decision",
    "End",
    "Endpoint",
    "Event",
    "GatewayClient",
    "Grant",
    "Notice",
    "ReplyEnd",
    "ReplyFailed",
    "TimedOut",
    "UndoResult",
    "Unreachable",
    "Untrusted",
    "connect",
]

_HOMES = {
    "Approval": "approvals",
    "Approvals": "approvals",
    "CAPS": "gateway_client",
    "Change": "changes",
    "Changes": "changes",
    "Chunk": "reply",
    "ClientError": "errors",
    "Closed": "errors",
    "ConnectionLost": "errors",
    "Decision": "approvals",
    "Endpoint": "endpoint",
    "Event": "events",
    "GatewayClient": "gateway_client",
    "Grant": "approvals",
    "LOST": "events",
    "Notice": "reply",
    "ReplyEnd": "reply",
    "ReplyFailed": "reply",
    "TimedOut": "errors",
    "UndoResult": "changes",
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
