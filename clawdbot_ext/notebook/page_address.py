"""The address by which the person's browser reaches the page, as far as a kernel can tell.

A kernel of a Jupyter server is read in a browser that has that server open, perhaps on another machine, behind a Hub or
a proxy. No address of this machine is good there; the path of the server's own mount is, whatever stands before it.
"""

from __future__ import annotations

import ipaddress
import json
import os
import ssl
import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..client.endpoint import Endpoint

MOUNT = "clawdbot/"
ANSWER_S = 2.0
"""Time for the Jupyter server to answer that it has the mount."""
_SCREENS = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
_REMOTE = ("JUPYTERHUB_SERVICE_PREFIX", "SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY")


def page_address(endpoint: Endpoint, env: Mapping[str, str] | None = None) -> str:
    """The page's folder, with its slash: a path (``/user/ann/clawdbot/``) where the kernel's own Jupyter server has it,
    else an address."""
    env = os.environ if env is None else env
    if endpoint.hub == "public" or not (endpoint.hub or _is_loopback(endpoint.page_url)):
        return endpoint.page_url
    if endpoint.hub:
        return f"{env['JUPYTERHUB_SERVICE_PREFIX'].rstrip('/')}/{MOUNT}"
    server = _own_server(env)
    if server is not None and _has_mount(server):
        return f"{str(server['base_url']).rstrip('/')}/{MOUNT}"
    return endpoint.page_url


def browser_is_here(env: Mapping[str, str] | None = None) -> bool:
    """Would a browser that this process opens be seen by the person? Not on a Hub, over SSH, or without a screen."""
    env = os.environ if env is None else env
    if env.get("BROWSER"):
        return "JUPYTERHUB_SERVICE_PREFIX" not in env
    if any(env.get(name) for name in _REMOTE):
        return False
    return sys.platform in ("darwin", "win32") or any(env.get(name) for name in _SCREENS)


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _own_server(env: Mapping[str, str]) -> Mapping[str, Any] | None:
    """Server info of the Jupyter server that started this kernel (``jpserver-PID.json``)."""
    if not (parent := env.get("JPY_PARENT_PID", "")).isdigit():
        return None
    from jupyter_core.paths import jupyter_runtime_dir

    try:
        facts = json.loads(Path(jupyter_runtime_dir(), f"jpserver-{parent}.json").read_bytes())
    except (OSError, ValueError):
        return None
    return facts if isinstance(facts, dict) and {"url", "base_url"} <= facts.keys() else None


def _has_mount(server: Mapping[str, Any]) -> bool:
    """Report whether the extension is in that server. No secret is sent, so its certificate does not matter."""
    unverified = ssl.create_default_context()
    unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=unverified)
    )
    try:
        with opener.open(f"{str(server['url']).rstrip('/')}/{MOUNT}healthz", timeout=ANSWER_S) as answer:
            return bool(answer.status == 200)
    except (OSError, ValueError):
        return False
