"""The lock that allows one gateway per state directory: an flock held for the life of the process, and the published
address. On a network file system it is a lease (``lease``), which is weaker.

The kernel drops the lock with the process, however that ends, so nothing ever needs to be cleaned up by hand. The file
itself is never removed: a second process could otherwise lock a file that no other process sees.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable

from .. import private_files
from ..config import Config
from . import lease, server_info
from .paths import ensure_home, lease_path, lock_path, on_network

PATIENCE_S = 0.1
"""Seconds to retry: ``server_info.lock_held`` holds the lock for microseconds."""

LEASE_LOOK_S = 2.0
"""Polling interval of a standby on a lease, which no kernel watches."""


class GatewayLock:
    """The right to be the gateway of one state directory. ``release`` ends it and takes the published address back."""

    def __init__(self, config: Config, descriptor: int = -1, held: lease.Lease | None = None):
        self._config, self._descriptor, self._lease = config, descriptor, held

    def when_lost(self, tell: Callable[[], object]) -> None:
        """Call ``tell``, on a thread of its own, when another machine has taken a lease over."""
        if self._lease is not None:
            self._lease.lost = tell

    def still_ours(self) -> bool:
        """Whether another process would still find the lock taken; where only its file has gone, it is made again.

        A lease looks after itself (``when_lost``), and a disk that fails to answer says nothing.
        """
        if self._lease is not None or self._descriptor < 0:
            return True
        try:
            if os.path.samestat(os.fstat(self._descriptor), lock_path(self._config).stat()):
                return True
        except (FileNotFoundError, NotADirectoryError):
            pass
        except OSError:
            return True
        return self._lock_again()

    def _lock_again(self) -> bool:
        try:
            descriptor = private_files.open_file(lock_path(self._config), os.O_RDWR | os.O_CREAT)
        except OSError:  # with its directory, say
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return False
        os.close(self._descriptor)
        self._descriptor = descriptor
        return True

    def publish(self, info: server_info.GatewayInfo) -> None:
        """Publish the gateway's address for this user's other processes. Raises ``OSError``."""
        server_info.write_info(self._config, info)

    def unpublish(self) -> None:
        """Remove the published address and keep the lock: the gateway stops, or restarts."""
        if self._lease is None or self._lease.ours:
            server_info.remove_info(self._config)

    def hand_over(self) -> str:
        """Keep the lock across ``exec`` and return the argument for ``adopt`` in the new program.

        Unlike after a release, no waiting process can acquire the lock in between.
        """
        if self._lease is not None:  # has no descriptor to pass on
            self.release()
            return ""
        self.unpublish()
        os.set_inheritable(self._descriptor, True)
        return str(self._descriptor)

    def release(self) -> None:
        """Give the lock up; calling it again does nothing."""
        if self._descriptor >= 0:
            server_info.remove_info(self._config)
            os.close(self._descriptor)
            self._descriptor = -1
        if self._lease is not None:
            if self._lease.ours:  # else the published address is another machine's
                server_info.remove_info(self._config)
            self._lease.release()
            self._lease = None


def acquire(config: Config, patience_s: float = PATIENCE_S) -> GatewayLock | None:
    """Acquire the lock of ``config``'s state directory; ``None`` if another process holds it.

    Creates the directory. An address that a killed holder left behind is removed. Raises ``OSError`` (no permission,
    read-only or full disk).
    """
    if on_network(config):
        return _lease(config)
    descriptor = _open(config)
    ends = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= ends:
                os.close(descriptor)
                return None
            time.sleep(0.005)
        except OSError:
            os.close(descriptor)
            raise
        else:
            server_info.remove_info(config)
            return GatewayLock(config, descriptor)


def wait(config: Config) -> GatewayLock:
    """Wait for the lock and acquire it, however long that takes: for a thread of its own.

    The kernel wakes the thread, so that waiting costs nothing and the next gateway is there at once (on a network file
    system it looks every ``LEASE_LOOK_S``). Nothing can interrupt it; a thread that is no longer wanted gives the lock
    back when it comes. Raises ``OSError``.
    """
    if on_network(config):
        while (lock := _lease(config)) is None:
            time.sleep(LEASE_LOOK_S)
        return lock
    descriptor = _open(config)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError:
        os.close(descriptor)
        raise
    server_info.remove_info(config)
    return GatewayLock(config, descriptor)


def adopt(config: Config, handed_over: str) -> GatewayLock | None:
    """Return the lock that ``hand_over`` kept across ``exec``; ``None`` if ``handed_over`` does not name it."""
    try:
        descriptor = int(handed_over)
        if not os.path.samestat(os.fstat(descriptor), lock_path(config).stat()):
            return None
        os.set_inheritable(descriptor, False)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # it is ours already: this only makes sure
    except (OSError, ValueError):
        return None
    return GatewayLock(config, descriptor)


def _lease(config: Config) -> GatewayLock | None:
    ensure_home(config)
    held = lease.acquire(lease_path(config))
    if held is None:
        return None
    server_info.remove_info(config)
    return GatewayLock(config, held=held)


def _open(config: Config) -> int:
    ensure_home(config)
    return private_files.open_file(lock_path(config), os.O_RDWR | os.O_CREAT)
