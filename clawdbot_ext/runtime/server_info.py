"""Discovery of the gateway of a state directory by the processes of one user.

    home/gateway.lock    flock'd for life by the process that owns the gateway (see ``gateway_lock``)
    home/gateway.json    address of that gateway; stale when the lock is free
    home/secrets/        ``token``, ``client``, ``cookie``: created at first use, never shown

Everything is synchronous, small and local: safe before an event loop exists and cheap for every command-line call.
"""

from __future__ import annotations

import contextlib
import fcntl
import ipaddress
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from .. import private_files
from .._version import __version__
from ..config import Config
from ..protocol.clock import now_ms
from . import lease
from .paths import info_path, lease_path, lock_path, on_network

_FIELDS = {
    "pid": "pid",
    "url": "url",
    "ws_url": "wsUrl",
    "started_at": "startedAt",
    "version": "version",
    "host": "host",
}
"""Field → key in the file."""
_OPTIONAL = {
    "server_url": "serverUrl",
    "tls_fingerprint": "tlsFingerprint",
    "tailscale_url": "tailscaleUrl",
    "tailscale_problem": "tailscaleProblem",
}


@dataclass(frozen=True)
class GatewayInfo:
    """The published address of a running gateway (``gateway.json``)."""

    pid: int
    url: str
    """The page: ``http://127.0.0.1:18789/``."""
    ws_url: str
    """The socket: ``ws://127.0.0.1:18789/ws``."""
    started_at: int
    """Milliseconds since the epoch."""
    version: str
    host: str
    """``standalone`` or ``jupyter`` (a mount in another Jupyter server)."""
    server_url: str | None = None
    """The address of the Jupyter server around a mount."""
    tls_fingerprint: str | None = None
    """Fingerprint of the certificate at ``url``, if that is https."""
    tailscale_url: str | None = None
    """The address in the tailnet, or the internet."""
    tailscale_problem: Mapping[str, Any] | None = None
    """Why there is none though ``gateway.tailscale.mode`` asks for one: the ``key`` of a text of the catalogue
    ``server``, and its facts."""

    @classmethod
    def of_this_process(
        cls, url: str, host: str, server_url: str | None = None, tls_fingerprint: str | None = None
    ) -> GatewayInfo:
        """Return the facts of a gateway in this process, at ``url`` (with its slash)."""
        return cls(
            pid=os.getpid(),
            url=url,
            ws_url=f"ws{url.removeprefix('http')}ws",
            started_at=now_ms(),
            version=__version__,
            host=host,
            server_url=server_url,
            tls_fingerprint=tls_fingerprint,
        )


def write_info(config: Config, info: GatewayInfo) -> None:
    """Publish the gateway's address; only for the holder of the lock. Raises ``OSError``."""
    record: dict[str, Any] = {key: getattr(info, field) for field, key in _FIELDS.items()}
    record |= {key: value for field, key in _OPTIONAL.items() if (value := getattr(info, field)) is not None}
    private_files.write(info_path(config), json.dumps(record).encode() + b"\n")


def read_info(config: Config) -> GatewayInfo | None:
    """Return the last published address, whether or not the gateway still runs; ``None`` if there is none."""
    try:
        record = json.loads(info_path(config).read_bytes())
        fields = {field: record[key] for field, key in _FIELDS.items()}
        fields |= {field: record.get(key) for field, key in _OPTIONAL.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    whole = all(isinstance(fields[name], str) for name in ("url", "ws_url", "version", "host"))
    return GatewayInfo(**fields) if whole and isinstance(fields["pid"], int) else None


def remove_info(config: Config) -> None:
    """Remove the published address, if there is one."""
    info_path(config).unlink(missing_ok=True)


def lock_held(config: Config) -> bool:
    """Return whether a process runs this state directory's gateway.

    It takes a shared lock for a few microseconds; a process that wants the exclusive one should retry for 100 ms.
    """
    if on_network(config):
        return lease.is_held(lease_path(config))
    try:
        descriptor = os.open(lock_path(config), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def find_running_gateway(config: Config) -> GatewayInfo | None:
    """Return the address of this state directory's gateway; ``None`` if none runs, none is published yet, or it runs on
    another machine with a loopback address, where another user's program could receive the credential."""
    info = read_info(config) if lock_held(config) else None
    if (
        info is not None
        and on_network(config)
        and _is_loopback(info.url)
        and not lease.held_on_this_machine(lease_path(config))
    ):
        return None
    return info


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"
