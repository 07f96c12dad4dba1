"""Events as the client hands them out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

LOST = "client.lost"
"""The name of the event that subscribers get when the connection has ended; no gateway sends it."""


class Event(NamedTuple):
    """One event of the gateway, or ``LOST`` with ``{code, reason}``."""

    name: str
    payload: Mapping[str, Any]
