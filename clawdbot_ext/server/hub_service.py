"""The environment that a JupyterHub gives to its services, and the settings that follow from it."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from ..config import Config
from ..config.setting_types import wrong

NEEDED = ("JUPYTERHUB_API_TOKEN", "JUPYTERHUB_API_URL", "JUPYTERHUB_SERVICE_NAME", "JUPYTERHUB_SERVICE_PREFIX")
"""Variables without which no user can be let in. A Hub sets them for a service that it starts."""
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def check(environment: Mapping[str, str]) -> None:
    """Raises ``ConfigError``: this is no service of a Hub, or what speaks with one is not installed."""
    if importlib.util.find_spec("jupyterhub") is None:
        raise wrong("users.from", "rule.hubExtra")
    if missing := [name for name in NEEDED if not environment.get(name)]:
        raise wrong("users.from", "rule.hubEnvironment", names=", ".join(missing))


def settings(config: Config, environment: Mapping[str, str]) -> dict[str, Any]:
    """The settings that the Hub has decided and nothing else sets: where its proxy looks for the service, and the
    address that people know it by."""
    found: dict[str, Any] = {"gateway.controlUi.basePath": environment["JUPYTERHUB_SERVICE_PREFIX"].rstrip("/")}
    inside = urlsplit(environment.get("JUPYTERHUB_SERVICE_URL", ""))
    if inside.port is not None:
        found["gateway.port"] = inside.port
    if inside.hostname in _LOOPBACK:  # then the Hub's proxy is on this machine
        found |= {"gateway.bind": "loopback", "gateway.trustedProxies": ["127.0.0.1", "::1"]}
    public = urlsplit(environment.get("JUPYTERHUB_PUBLIC_URL", ""))
    if public.hostname:
        found["gateway.allowedHosts"] = [public.netloc]
        found["gateway.allowedOrigins"] = [f"{public.scheme}://{public.netloc}"]
    return {name: value for name, value in found.items() if config.source(name) == "default"}
