"""Limits of a connection to the gateway."""

from __future__ import annotations

CONNECT_TIMEOUT_S = 10.0
REQUEST_TIMEOUT_S = 30.0
CLOSE_TIMEOUT_S = 1.0
MAX_MESSAGE_BYTES = 64 * 1024 * 1024
"""A history of ``gateway.MAX_HISTORY_BYTES`` must fit, in any gateway's idea of it."""
MAX_WAITING_EVENTS = 10_000
"""Events held for a consumer that has stopped reading; beyond that the connection is closed."""
BACKOFF_FIRST_S, BACKOFF_MAX_S = 0.5, 30.0
TICK_TIMEOUT_CODE = 4000
TICK_MS, MAX_TICK_MS = 30_000, 86_400_000
"""Between two signs of life of a gateway that says nothing about it, and at most."""
DEAD_AFTER_TICKS = 2
"""A gateway that is silent for this many tick intervals is gone, as Clawdbot's own clients see it."""
