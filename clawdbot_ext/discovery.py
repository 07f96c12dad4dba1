"""How processes of one user find the gateway of a state directory, and the secrets they share with it.

    home/gateway.lock    flock'd for life by the process that owns the gateway (``gateway.lock`` takes it)
    home/gateway.json    where that gateway answers; stale when the lock is free
    home/secrets/        ``token``, ``client``, ``cookie``: made at first need, never shown

Everything is synchronous, small and local: safe before an event loop exists and cheap for every command-line call.
"""

from __future__ import annotations

import contextlib
import fcntl
import ipaddress
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from . import filesystem, lease, private
from ._version import __version__
from .config import Config
from .protocol.clock import now_ms

TOKEN_BYTES = 32
_FIELDS = {
    "pid": "pid",
    "url": "url",
    "ws_url": "wsUrl",
    "started_at": "startedAt",
    "version": "version",
    "host": "host",
}
"""Field → key in the file."""
_OPTIONAL = {"server_url": "serverUrl", "tls_fingerprint": "tlsFingerprint", "tailscale_url": "tailscaleUrl"}


@dataclass(frozen=True)
class GatewayInfo:
    """Where a running gateway answers (``gateway.json``)."""

    pid: int
    url: str
    """The page: ``http://127.0.0.1:18789/``."""
    ws_url: str
    """The socket: ``ws://127.0.0.1:18789/ws``."""
    started_at: int
    """Milliseconds since the epoch."""
    version: str
    host: str
    """``standalone`` or ``jupyter`` (inside somebody's Lab)."""
    server_url: str | None = None
    """The address of the Jupyter server it lives in, where that is another."""
    tls_fingerprint: str | None = None
    """Of the certificate that it shows at ``url``, where that is https."""
    tailscale_url: str | None = None
    """Where the tailnet, or the whole internet, reaches it."""

    @classmethod
    def of_this_process(
        cls, url: str, host: str, server_url: str | None = None, tls_fingerprint: str | None = None
    ) -> GatewayInfo:
        """A gateway that answers here, at ``url`` (with its slash), from now on."""
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


def lock_path(config: Config) -> Path:
    """The file whose flock says that a gateway runs."""
    return config.home / "gateway.lock"


def lease_path(config: Config) -> Path:
    """The file that says so where the state directory is on a network file system (``lease``)."""
    return config.home / "gateway.lease"


def on_network(config: Config) -> bool:
    """Is the state directory where other machines may write too, and neither ``flock`` nor shared memory is to be
    trusted?"""
    setting = config["storage.fileSystem"]
    return filesystem.is_network(config.home) if setting == "auto" else bool(setting == "network")


def info_path(config: Config) -> Path:
    """The file that says where it answers."""
    return config.home / "gateway.json"


def ensure_home(config: Config) -> None:
    """Create the state directory and our directories in it, all 0700; what was in them before is narrowed.

    Raises ``OSError``, also for what another user has put there.
    """
    private.make_directory(config.home)
    for name in ("secrets", "logs"):
        private.make_directory(config.home / name)
        private.narrow(config.home / name, links=name != "logs")
    private.narrow(config.home)


def write_info(config: Config, info: GatewayInfo) -> None:
    """Publish where the gateway answers. Only the holder of the lock may. Raises ``OSError``."""
    record: dict[str, Any] = {key: getattr(info, field) for field, key in _FIELDS.items()}
    record |= {key: value for field, key in _OPTIONAL.items() if (value := getattr(info, field)) is not None}
    private.write(info_path(config), json.dumps(record).encode() + b"\n")


def read_info(config: Config) -> GatewayInfo | None:
    """What was last published, whether or not it still runs; ``None`` if nothing readable is there."""
    try:
        record = json.loads(info_path(config).read_bytes())
        fields = {field: record[key] for field, key in _FIELDS.items()}
        fields |= {field: record.get(key) for field, key in _OPTIONAL.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    whole = all(isinstance(fields[name], str) for name in ("url", "ws_url", "version", "host"))
    return GatewayInfo(**fields) if whole and isinstance(fields["pid"], int) else None


def remove_info(config: Config) -> None:
    """Take the publication back, if it is there."""
    info_path(config).unlink(missing_ok=True)


def lock_held(config: Config) -> bool:
    """Does some process own this state directory's gateway?

    The question takes a shared lock for a few microseconds; who wants the exclusive one should try for some 100 ms.
    """
    if on_network(config):
        return lease.held(lease_path(config))
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


def running(config: Config) -> GatewayInfo | None:
    """Where this state directory's gateway answers; ``None`` if none runs, it has not said so yet, or it runs on
    another machine at an address that means this one: somebody else's program may listen there, for our credential."""
    info = read_info(config) if lock_held(config) else None
    if info is not None and on_network(config) and _is_loopback(info.url) and not lease.here(lease_path(config)):
        return None
    return info


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def secret(config: Config, name: str) -> str:
    """The random secret ``name`` (URL-safe text) of this state directory, made at first need. Raises ``OSError``."""
    path = config.home / "secrets" / name
    if (found := _read_secret(path)) is not None:
        return found
    ensure_home(config)
    made = random_secret()
    if private.create(path, made.encode() + b"\n"):
        return made
    found = _read_secret(path)  # another process was faster, or the file is empty
    if found is None:
        private.write(path, made.encode() + b"\n")
        found = made
    return found


def renew(config: Config, name: str) -> str:
    """Replace the secret ``name`` by another random one. Raises ``OSError``."""
    ensure_home(config)
    made = random_secret()
    private.write(config.home / "secrets" / name, made.encode() + b"\n")
    return made


def random_secret() -> str:
    """What nobody can guess, as URL-safe text."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def local_token(config: Config, *, create: bool = False) -> str | None:
    """The token that clients use while none is configured; ``None`` if it was never made and ``create`` is false."""
    return secret(config, "token") if create else _read_secret(config.home / "secrets" / "token")


def client_credential(config: Config, *, create: bool = False) -> str | None:
    """The credential of this user's own programs: kernels, the command line, servers that relay.

    Good at this state directory's gateway whatever token or password people log in with, which those programs need not
    know. ``None`` if no gateway has made it yet and ``create`` is false.
    """
    return secret(config, "client") if create else _read_secret(config.home / "secrets" / "client")


def _read_secret(path: Path) -> str | None:
    try:
        return path.read_text("ascii").strip() or None
    except (OSError, ValueError):
        return None
