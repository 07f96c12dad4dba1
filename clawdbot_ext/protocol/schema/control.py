"""The gateway about itself, for those who run it: its address and what that exposes, its checks, its methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from .base import SCOPE_ADMIN, SCOPE_READ, Method, NoParams, Params, Result, Rows


class GatewayInfoResult(Result):
    url: str | UnsetType = UNSET
    """The page's address on this machine; absent while none is published."""
    host: str | UnsetType = UNSET
    """`standalone`, or `jupyter` for a mount in another Jupyter server."""
    tailscale_url: str | UnsetType = UNSET
    pid: int | UnsetType = UNSET
    bind: str = ""
    """`gateway.bind`."""
    auth_mode: str = ""
    """`gateway.auth.mode`; a mount has its server's login."""
    tls: bool = False
    tailscale: str = ""
    """`gateway.tailscale.mode`."""
    python: str = ""
    platform: str = ""
    loop_lag_ms: float = 0
    """The delay of the event loop, as last taken (once a second)."""
    loop_lag_p99_ms: float = 0
    """The bound that 99 of 100 delays since the start stay below."""
    active: Sequence[Mapping[str, Any]] = ()
    """The running replies: `runId`, `sessionKey`, `startedAt`."""
    last_failure: Mapping[str, Any] | UnsetType = UNSET
    """The provider's last failure since the start: `at`, `kind`, `message`, `provider`, `model`, `sessionKey`."""


class GatewayChecksResult(Result):
    at: int
    findings: Sequence[Mapping[str, Any]]
    """`source` (`doctor` or `audit`), `check`, `level` (`problem`, `hint` or `ok`), `text`, and `fix`: what to do."""


class ProtocolDescribeParams(Params):
    method: Annotated[str, Meta(min_length=1, max_length=128)]


class ProtocolDescribeResult(Result):
    method: str
    help: str
    scope: str
    ours: bool
    params: Mapping[str, Any]
    """JSON Schema."""
    result: Mapping[str, Any]
    """JSON Schema; empty where the shape is Clawdbot's and open."""


ROWS: Rows = (
    Method(
        "gateway.info",
        NoParams,
        GatewayInfoResult,
        SCOPE_READ,
        "Where the gateway listens, who may come in, what runs, and the provider's last failure.",
        ours=True,
    ),
    Method(
        "gateway.checks",
        NoParams,
        GatewayChecksResult,
        SCOPE_ADMIN,
        "The findings of `clawdbot doctor` and `clawdbot security audit` on the gateway's machine.",
        ours=True,
    ),
    Method(
        "protocol.describe",
        ProtocolDescribeParams,
        ProtocolDescribeResult,
        SCOPE_READ,
        "A method with the JSON Schema of its parameters and result.",
        ours=True,
    ),
)
