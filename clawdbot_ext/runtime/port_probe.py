"""Identification of the process that listens on a busy port: another gateway of this package, Clawdbot, or other.

Sends two anonymous requests with short time-outs and no secrets, since the process is not trusted. Used before a start
fails (``server.bootstrap``) and by ``clawdbot doctor``.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from ..config import Config
from . import server_info

MAX_BYTES = 16_384
"""Maximum size of a response, more than any expected one has."""


@dataclass(frozen=True)
class Holder:
    """The holder of a port. ``ours``: a gateway of this package; ``clawdbot``: Clawdbot's own; ``unknown``: anything
    else that listens."""

    kind: Literal["ours", "clawdbot", "unknown"]
    pid: int | None = None
    """Known for the gateway of the own state directory, or by ``/proc``."""
    url: str | None = None
    """The address of the page, if there is one."""
    program: str | None = None
    """The first word of the command line, if ``/proc`` has it."""


def identify(host: str, port: int, timeout_s: float = 1.0, *, config: Config | None = None) -> Holder:
    """Identify the process that listens on ``host``:``port``, within ``timeout_s`` seconds per request.

    With ``config`` the state directory's own gateway is recognised by its lock, without a request.
    """
    info = server_info.find_running_gateway(config) if config is not None else None
    if info is not None and port in (urlsplit(info.url).port, urlsplit(info.ws_url).port):
        return Holder("ours", info.pid, info.url, "clawdbot")
    address = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  asked, not bound
    pid = _listener(port)
    program = _program(pid) if pid is not None else None
    authority = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    if not _challenges(address, port, authority, timeout_s):
        return Holder("unknown", pid, None, program)
    kind: Literal["ours", "clawdbot"] = "ours" if _is_healthz(address, port, authority, timeout_s) else "clawdbot"
    return Holder(kind, pid, f"http://{authority}/", program)


def _challenges(address: str, port: int, authority: str, timeout_s: float) -> bool:
    """Return whether a WebSocket on ``/`` opens with ``connect.challenge``, as every Clawdbot gateway's does."""
    key = base64.b64encode(os.urandom(16)).decode()
    request = (
        f"GET / HTTP/1.1\r\nHost: {authority}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
    )
    for answer in _ask(address, port, request, timeout_s):
        head, separator, rest = answer.partition(b"\r\n\r\n")
        if separator and not head.startswith(b"HTTP/1.1 101"):
            return False
        if b'"connect.challenge"' in rest:
            return True
    return False


def _is_healthz(address: str, port: int, authority: str, timeout_s: float) -> bool:
    """Return whether ``/healthz`` responds like this package's. Clawdbot's returns its page for unknown paths."""
    request = f"GET /healthz HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n"
    for answer in _ask(address, port, request, timeout_s):
        head, _, body = answer.partition(b"\r\n\r\n")
        with contextlib.suppress(ValueError, RecursionError):
            if head.startswith(b"HTTP/1.1 200") and json.loads(body) == {"ok": True}:
                return True
    return False


def _ask(address: str, port: int, request: str, timeout_s: float) -> Iterator[bytes]:
    """Send ``request`` and yield the answer so far, each time more of it has come, until it ends or time is up."""
    deadline = time.monotonic() + timeout_s
    with contextlib.suppress(OSError), socket.create_connection((address, port), timeout_s) as connection:
        connection.sendall(request.encode("ascii"))
        answer = b""
        while len(answer) < MAX_BYTES and (left := deadline - time.monotonic()) > 0:
            connection.settimeout(left)
            more = connection.recv(4096)
            if not more:
                return
            answer += more
            yield answer


# -- by /proc (Linux; elsewhere nothing is known) ---------------------------------------------------------------------
def _listener(port: int) -> int | None:
    """Return the process that listens on ``port``, if this user may inspect it."""
    inodes = {f"socket:[{inode}]" for table in ("tcp", "tcp6") for inode in _listening(Path("/proc/net", table), port)}
    if not inodes:
        return None
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended, or belongs to another user
            if any(os.readlink(link) in inodes for link in (process / "fd").iterdir()):
                return int(process.name)
    return None


def _listening(table: Path, port: int) -> Iterator[str]:
    """Yield the inodes of the sockets in state LISTEN (0A) on ``port``."""
    with contextlib.suppress(OSError):
        for line in table.read_text("ascii").splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]


def _program(pid: int) -> str | None:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return None
    return os.path.basename(words[0].decode("utf-8", "replace")) or None
