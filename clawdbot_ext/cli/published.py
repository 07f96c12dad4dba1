"""Facts about the running gateway that it has published in its state directory."""

from __future__ import annotations

from ..runtime.server_info import GatewayInfo
from .printing import texts


def tailscale_problem(info: GatewayInfo | None) -> str:
    """Why the gateway is not offered by Tailscale though it should be; empty where it is, or need not be."""
    facts = dict(info.tailscale_problem or {}) if info is not None else {}
    key = str(facts.pop("key", ""))
    return texts("server")(key, **facts) if key.startswith("tailscale.") else ""
