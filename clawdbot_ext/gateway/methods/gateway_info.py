"""``gateway.info``, ``gateway.checks``, ``protocol.describe``: what the Control UI shows of the gateway itself."""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Mapping
from typing import Any

import msgspec

from ...protocol.clock import now_ms
from ...protocol.errors import NotFound, Unavailable
from ...protocol.schema import (
    METHODS,
    GatewayChecksResult,
    GatewayInfoResult,
    NoParams,
    ProtocolDescribeParams,
    ProtocolDescribeResult,
)
from ...runtime import server_info
from ...runtime.measures import MEASURES
from ..connections.connection import Connection
from ..registry import method
from ..services import Services


@method("gateway.info")
async def gateway_info(services: Services, caller: Connection, params: NoParams) -> GatewayInfoResult:
    """The published address is read in a thread: the state directory may lie on a slow disk. How it listens was decided
    at the start, whatever the file says by now."""
    config, started = services.config(), services.config.at_start
    info = await asyncio.to_thread(server_info.read_info, config)
    lag = MEASURES.loop_lag
    return GatewayInfoResult(
        url=info.url if info else msgspec.UNSET,
        host=info.host if info else msgspec.UNSET,
        tailscale_url=(info.tailscale_url if info else None) or msgspec.UNSET,
        pid=info.pid if info else msgspec.UNSET,
        bind=started["gateway.bind"],
        auth_mode=config["gateway.auth.mode"],
        tls=started["gateway.tls.enabled"],
        tailscale=started["gateway.tailscale.mode"],
        python=platform.python_version(),
        platform=platform.platform(terse=True),
        loop_lag_ms=round(MEASURES.last_lag * 1000, 2),
        loop_lag_p99_ms=round(lag.quantile(0.99) * 1000, 2),
        active=[
            {"runId": each.run.run_id, "sessionKey": each.run.session_key, "startedAt": each.started_at}
            for each in services.runs.running()
        ],
        last_failure=(None if services.host.of_user else MEASURES.last_failure) or msgspec.UNSET,  # of all users
    )


@method("gateway.checks")
async def gateway_checks(services: Services, caller: Connection, params: NoParams) -> GatewayChecksResult:
    """The command line makes the checks, in a process of its own: they read the disk and ask this gateway."""
    try:
        findings = await services.host.examine(caller.locale)
    except (OSError, ValueError, asyncio.TimeoutError) as exc:
        raise Unavailable(f"the checks could not be made: {exc}", reason="CHECKS_FAILED", why=str(exc)) from exc
    return GatewayChecksResult(at=now_ms(), findings=findings)


@method("protocol.describe")
def protocol_describe(services: Services, caller: Connection, params: ProtocolDescribeParams) -> ProtocolDescribeResult:
    """Raises ``NotFound``."""
    row = METHODS.get(params.method)
    if row is None:
        raise NotFound(f"unknown method: {params.method}", reason="UNKNOWN_METHOD", method=params.method)
    return ProtocolDescribeResult(
        method=row.name,
        help=row.help,
        scope=row.scope,
        ours=row.ours,
        params=_schema(row.params),
        result=_schema(row.result),
    )


def _schema(shape: Any) -> Mapping[str, Any]:
    try:
        return msgspec.json.schema(shape)
    except TypeError:  # a shape that is written as it is stored
        return {}
