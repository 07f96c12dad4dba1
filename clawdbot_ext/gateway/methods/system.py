"""``health``, ``status``, ``gateway.stop``: the gateway about itself."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from ..._version import __version__
from ...config import ConfigError
from ...protocol.clock import now_ms
from ...protocol.errors import InvalidRequest
from ...protocol.keys import AGENT_ID
from ...protocol.schema import GatewayStopParams, NoParams, OkResult
from ..connections.connection import Connection
from ..connections.presence import of_a_home
from ..registry import method
from ..services import Services, provider_setup
from .config import refused
from .usage import limits

RECENT, HEALTH_RECENT = 10, 5


@method("health")
def health(services: Services, caller: Connection, params: NoParams) -> Any:
    """The snapshot at once while the sessions in it are new; else once they have been looked up."""
    return health_snapshot(services) if services.sessions.known.fresh() else _looked_up(services)


async def _looked_up(services: Services) -> dict[str, Any]:
    known = services.sessions.known
    asked = known.asking()
    recent, count = await asyncio.gather(
        services.store.list_sessions(limit=HEALTH_RECENT), services.store.count_sessions()
    )
    known.found(asked, count, [(session.key, session.updated_at) for session in recent])
    return health_snapshot(services)


@method("status")
async def status(services: Services, caller: Connection, params: NoParams) -> dict[str, Any]:
    """Clawdbot's shape, with what is ours beside it (``gateway``, ``model``)."""
    now = now_ms()
    recent = []
    for session in await services.store.list_sessions(limit=RECENT):
        entry = services.sessions.entry(session)
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
    model = services.providers.models.default()
    home = str(services.config().home)
    count = await services.store.count_sessions()
    return {
        "heartbeat": {
            "defaultAgentId": AGENT_ID,
            "agents": [{"agentId": AGENT_ID, "enabled": False, "every": "0m", "everyMs": None}],
        },
        "channelSummary": [],
        "queuedSystemEvents": list(services.peers.presence.notices),
        "sessions": {
            "paths": [home],
            "count": count,
            "defaults": {"model": model.id, "contextTokens": model.context_window},
            "recent": recent,
            "byAgent": [{"agentId": AGENT_ID, "path": home, "count": count, "recent": recent}],
        },
        "gateway": {
            "version": __version__,
            "uptimeMs": now - services.host.started_at,
            "clients": sum(not of_a_home(client) for client in services.events.connections),
            "runs": services.runs.counts(),
            **({} if services.host.spaces is None else {"spaces": services.host.spaces()}),
        },
        "storage": {**storage_snapshot(services), **await services.backups.facts(), **await _storage_facts(services)},
        "model": {
            "id": model.id,
            "name": model.name,
            "provider": model.provider,
            "contextTokens": model.context_window,
        },
        "setup": provider_setup(services),
        "limits": await limits(services, caller.locale),
    }


@method("gateway.stop")
async def gateway_stop(services: Services, caller: Connection, params: GatewayStopParams) -> OkResult:
    """Stop once this answer is out. A restart that would fail is refused: then no gateway would be left."""
    if params.restart:
        try:
            services.config.peek()
        except ConfigError as exc:
            raise refused(exc, caller.locale) from exc
        if problem := await asyncio.to_thread(services.host.problem_of_restart):
            raise InvalidRequest(problem, reason="INVALID_CONFIG")
    asyncio.get_running_loop().call_later(0.05, services.host.on_stop_requested, bool(params.restart))
    return OkResult(ok=True)


async def _storage_facts(services: Services) -> dict[str, Any]:
    """The engine of the conversations, its size and how soon it answers a small question; place and size of the
    attachments; the number of gateways that share them."""
    began = time.monotonic()
    await services.store.get_session("")
    return {
        "latencyMs": round((time.monotonic() - began) * 1000, 1),
        **await services.store.facts(),
        "media": services.media.files.address,
        "mediaBytes": await services.store.media_bytes(),
        "gateways": services.others.count(),
    }


def health_snapshot(services: Services) -> dict[str, Any]:
    """The payload of ``health`` (method and event): no I/O; ``sessions`` is what was last looked up."""
    now = now_ms()
    known = {"path": str(services.config().home), **services.sessions.known.entry(now)}
    agent = {
        "agentId": AGENT_ID,
        "isDefault": True,
        "heartbeat": {"enabled": False, "every": "0m", "everyMs": None},
        "sessions": known,
    }
    return {
        "ok": services.store.health.ok,
        "ts": now,
        "durationMs": 0,
        "channels": {},
        "channelOrder": [],
        "channelLabels": {},
        "heartbeatSeconds": 0,
        "defaultAgentId": AGENT_ID,
        "agents": [agent],
        "sessions": known,
        "uptimeMs": now - services.host.started_at,
        "runs": services.runs.counts(),
        "storage": storage_snapshot(services),
        "setup": provider_setup(services),
    }


def storage_snapshot(services: Services) -> dict[str, Any]:
    """The object ``storage`` of ``health`` and ``status``, with the tasks of the gateway that fail."""
    troubles = services.supervisor.troubles
    return {**services.store.health.to_wire(), **({"troubles": dict(troubles)} if troubles else {})}
