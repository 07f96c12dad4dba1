"""One gateway a state directory: an flock that the owning process holds for life, and the address it publishes.

The kernel drops the lock with the process, however that ends, so nothing ever needs to be cleaned up by hand. The file
itself is never removed: a second process could otherwise lock a file that nobody else sees.
"""

from __future__ import annotations

import fcntl
import os
import time

from . import discovery
from .config import Config

PATIENCE_S = 0.1
"""How long to try: who merely asks whether a gateway runs holds the lock for microseconds (``discovery.lock_held``)."""


class GatewayLock:
    """The right to be the gateway of one state directory. ``release`` ends it and takes the published address back."""

    def __init__(self, config: Config, descriptor: int):
        self._config, self._descriptor = config, descriptor

    def publish(self, info: discovery.GatewayInfo) -> None:
        """Tell this user's other processes where the gateway answers. Raises ``OSError``."""
        discovery.write_info(self._config, info)

    def unpublish(self) -> None:
        """Take the published address back and keep the lock: the gateway restarts."""
        discovery.remove_info(self._config)

    def hand_over(self) -> str:
        """Let the program that replaces this one (``exec``) have the lock; what to give to ``adopt`` there.

        Nobody who waits for the lock gets in between, as after a release.
        """
        self.unpublish()
        os.set_inheritable(self._descriptor, True)
        return str(self._descriptor)

    def release(self) -> None:
        """Give the lock up; calling it again does nothing."""
        if self._descriptor >= 0:
            discovery.remove_info(self._config)
            os.close(self._descriptor)
            self._descriptor = -1


def acquire(config: Config, patience_s: float = PATIENCE_S) -> GatewayLock | None:
    """Become the gateway of ``config``'s state directory, or ``None`` if another process is.

    Creates the directory. An address that a killed owner left behind is removed. Raises ``OSError`` (no permission,
    read-only or full disk).
    """
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
            discovery.remove_info(config)
            return GatewayLock(config, descriptor)


def wait(config: Config) -> GatewayLock:
    """Become the gateway when the present one ends, however long that takes: for a thread of its own.

    The kernel wakes the thread, so that waiting costs nothing and the next gateway is there at once. Nothing can
    interrupt it; a thread that is no longer wanted gives the lock back when it comes. Raises ``OSError``.
    """
    descriptor = _open(config)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError:
        os.close(descriptor)
        raise
    discovery.remove_info(config)
    return GatewayLock(config, descriptor)


def adopt(config: Config, handed_over: str) -> GatewayLock | None:
    """The lock that ``hand_over`` kept across ``exec``; ``None`` if that is not what ``handed_over`` names."""
    try:
        descriptor = int(handed_over)
        if not os.path.samestat(os.fstat(descriptor), discovery.lock_path(config).stat()):
            return None
        os.set_inheritable(descriptor, False)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # it is ours already: this only makes sure
    except (OSError, ValueError):
        return None
    return GatewayLock(config, descriptor)


def _open(config: Config) -> int:
    discovery.ensure_home(config)
    return os.open(discovery.lock_path(config), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
