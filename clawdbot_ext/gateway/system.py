"""``health``, ``status``, ``gateway.stop``: the gateway about itself."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from .._version import __version__
from ..protocol.clock import now_ms
from ..protocol.keys import AGENT_ID
from ..protocol.schema import GatewayStopParams, NoParams, OkResult
from .methods import method

if TYPE_CHECKING:
    from .client import Client
    from .core import Gateway

RECENT, HEALTH_RECENT = 10, 5


@method("health")
async def health(gw: Gateway, client: Client, params: NoParams) -> dict[str, Any]:
    now = now_ms()
    recent = [
        {"key": s.key, "updatedAt": s.updated_at, "age": now - s.updated_at}
        for s in await gw.store.list_sessions(limit=HEALTH_RECENT)
    ]
    gw.known_sessions = {"count": await gw.store.count_sessions(), "recent": recent}
    return gw.health()


@method("status")
async def status(gw: Gateway, client: Client, params: NoParams) -> dict[str, Any]:
    """Clawdbot's shape, with what is ours beside it (``gateway``, ``model``)."""
    now = now_ms()
    recent = []
    for session in await gw.store.list_sessions(limit=RECENT):
        entry = gw.entry(session)
        window = entry["contextTokens"] or 1
        recent.append(
            {
                "agentId": AGENT_ID,
                **entry,
                "age": now - session.updated_at,
                "remainingTokens": max(0, window - entry["totalTokens"]),
                "percentUsed": round(100 * entry["totalTokens"] / window),
                "flags": [],
            }
        )
    model = gw.models.default()
    home = str(gw.live().home)
    count = await gw.store.count_sessions()
    return {
        "heartbeat": {
            "defaultAgentId": AGENT_ID,
            "agents": [{"agentId": AGENT_ID, "enabled": False, "every": "0m", "everyMs": None}],
        },
        "channelSummary": [],
        "queuedSystemEvents": list(gw.presence.notices),
        "sessions": {
            "paths": [home],
            "count": count,
            "defaults": {"model": model.id, "contextTokens": model.context_window},
            "recent": recent,
            "byAgent": [{"agentId": AGENT_ID, "path": home, "count": count, "recent": recent}],
        },
        "gateway": {
            "version": __version__,
            "uptimeMs": now - gw.started_at,
            "clients": len(gw.broadcast.clients),
            "runs": gw.runs.counts(),
        },
        "model": {
            "id": model.id,
            "name": model.name,
            "provider": model.provider,
            "contextTokens": model.context_window,
        },
        "setup": gw.setup(),
    }


@method("gateway.stop")
async def gateway_stop(gw: Gateway, client: Client, params: GatewayStopParams) -> OkResult:
    """Stop once this answer is out."""
    asyncio.get_running_loop().call_later(0.05, gw.on_stop_requested, bool(params.restart))
    return OkResult(ok=True)
