"""``system-presence``, ``system-event``, ``wake`` and the heartbeat methods."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ...protocol.clock import now_ms
from ...protocol.schema import HeartbeatsParams, HeartbeatsResult, NoParams, OkResult, SystemEventParams, WakeParams
from ..connections.connection import Connection
from ..registry import method
from ..services import Services


@method("system-presence")
def system_presence(services: Services, caller: Connection, params: NoParams) -> Sequence[msgspec.Raw]:
    return services.peers.presence.rows()


@method("system-event")
async def system_event(services: Services, caller: Connection, params: SystemEventParams) -> OkResult:
    """A ``Node:`` line is the presence of a device; any other text is a notice for the main session."""
    if params.text.startswith("Node:"):
        told = {name: value for name, value in msgspec.to_builtins(params).items() if value is not None}
        key = params.device_id or params.instance_id or params.host or params.text[:128]
        services.peers.presence.beacon(key, {**told, "ts": now_ms()})
    else:
        services.peers.presence.notices.append(params.text.strip())
    return OkResult(ok=True)


@method("wake")
async def wake(services: Services, caller: Connection, params: WakeParams) -> OkResult:
    """Leave a notice. Without heartbeats nothing is woken: the next turn of the main session is told."""
    services.peers.presence.notices.append(params.text.strip())
    return OkResult(ok=True)


@method("last-heartbeat")
async def last_heartbeat(services: Services, caller: Connection, params: NoParams) -> None:
    """There was none."""


@method("set-heartbeats")
async def set_heartbeats(services: Services, caller: Connection, params: HeartbeatsParams) -> HeartbeatsResult:
    """They stay off: the answer says so rather than repeating the wish."""
    return HeartbeatsResult(ok=True, enabled=False)
