"""A lease for file systems without locks: a file that exists while it is held and is renewed by its holder.

Weaker than ``flock``, and used only on network file systems (docs/design/0009-network-homes.md): taking a lease
over compares the clocks of two machines, which have to agree within some seconds, and a killed holder is noticed after
``LEASE_S`` (at once on the same machine). A holder that has lost the lease has to stop writing.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .. import private_files

LEASE_S = 30.0
RENEW_S = 5.0


def machine() -> str:
    """Return the scope of process ids: this host, and in it this container."""
    try:
        space = os.readlink("/proc/self/ns/pid")
    except OSError:
        space = ""
    return f"{socket.gethostname()} {space}"


class Lease:
    """A held lease, made by ``acquire``. ``lost`` is called on the renewing thread when another process has taken
    it."""

    def __init__(self, path: Path, name: str):
        self._path, self._name = path, name
        self._ended = threading.Event()
        self.lost: Callable[[], object] = lambda: None
        threading.Thread(target=self._renew, name="clawdbot lease", daemon=True).start()

    @property
    def ours(self) -> bool:
        """Whether this object still holds the lease."""
        return _read(self._path).get("name") == self._name

    def release(self) -> None:
        """Give it up; calling it again does nothing."""
        if not self._ended.is_set():
            self._ended.set()
            if self.ours:
                self._path.unlink(missing_ok=True)

    def _renew(self) -> None:
        while not self._ended.wait(RENEW_S):
            with contextlib.suppress(OSError):  # the server of the file system is away: try until the lease ends
                if not self.ours:
                    if not self._ended.is_set():
                        self.lost()
                    return
                private_files.write(self._path, _record(self._name).encode())


def acquire(path: Path) -> Lease | None:
    """Acquire the lease; ``None`` while another process holds it. Raises ``OSError``."""
    name = secrets.token_hex(8)
    for _ in range(2):
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            if not _remove_stale(path):
                return None
            continue
        with os.fdopen(descriptor, "w") as file:
            file.write(_record(name))
        return Lease(path, name)
    return None


def is_held(path: Path) -> bool:
    """Return whether any process holds the lease."""
    return path.exists() and not _is_stale(path)


def held_on_this_machine(path: Path) -> bool:
    """Return whether its holder is a process of this machine."""
    return _read(path).get("machine") == machine()


def _remove_stale(path: Path) -> bool:
    """Remove a lease that is no longer renewed. By renaming, so that of two processes one fails."""
    before = _read(path)
    if not _is_stale(path):
        return False
    aside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        os.rename(path, aside)
    except FileNotFoundError:
        return True
    taken = _read(aside)
    if taken.get("name") != before.get("name"):  # another process was faster, and this is its lease
        with contextlib.suppress(FileExistsError):
            os.link(aside, path)
        aside.unlink()
        return False
    aside.unlink()
    return True


def _is_stale(path: Path) -> bool:
    record = _read(path)
    renewed = record.get("renewed")
    if not isinstance(renewed, float):  # being written, or cut off by a full disk
        with contextlib.suppress(OSError):
            return time.time() - path.lstat().st_mtime > LEASE_S
        return False
    if record.get("machine") == machine():
        if not _lives(record.get("pid")):
            return True
        since_boot = record.get("sinceBoot")
        if record.get("boot") == _boot() and isinstance(since_boot, float):  # a clock that cannot be set
            return time.monotonic() - since_boot > LEASE_S
    return time.time() - renewed > LEASE_S


def _boot() -> str:
    """Return the id of this start of the machine; empty where the kernel tells none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _lives(pid: Any) -> bool:
    try:
        os.kill(int(pid), 0)
    except PermissionError:
        return True
    except (OSError, TypeError, ValueError):
        return False
    return True


def _record(name: str) -> str:
    record = {"name": name, "machine": machine(), "pid": os.getpid(), "renewed": time.time()}
    return json.dumps({**record, "boot": _boot(), "sinceBoot": time.monotonic()})


def _read(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}
