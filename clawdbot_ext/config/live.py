"""The current configuration: loaded once, reloaded when the file changes, with callbacks on change."""

from __future__ import annotations

import logging
from collections.abc import Callable

from .loading import Config
from .setting_types import ConfigError
from .settings import SETTINGS

log = logging.getLogger(__name__)


class LiveConfig:
    """The current ``Config``, returned by a call. If the file becomes invalid, that is logged and the last valid one
    stays."""

    def __init__(self, load: Callable[[], Config]):
        self._load = load
        self._config = self.at_start = load()
        """``at_start`` still holds for settings that take effect at a start alone."""
        self._stamp = self._mtime()
        self.changing = 0
        """The number of changes of the file by clients of this gateway that are under way."""
        self._watchers: list[Callable[[Config], None]] = []

    def __call__(self) -> Config:
        return self._config

    def watch(self, callback: Callable[[Config], None]) -> None:
        """Call ``callback`` after every change, on the loop that called ``reload`` or ``poll``."""
        self._watchers.append(callback)

    def unwatch(self, callback: Callable[[Config], None]) -> None:
        """Remove ``callback``."""
        self._watchers.remove(callback)

    def waiting_for_restart(self) -> list[str]:
        """Return the settings whose present value takes effect at the next start alone (``Setting.restart``)."""
        rows = [setting.name for setting in SETTINGS if setting.restart]
        return [name for name in rows if self._config.value(name) != self.at_start.value(name)]

    def peek(self) -> Config:
        """Return the configuration that ``reload`` would load. Raises ``ConfigError``."""
        return self._load()

    def reload(self) -> None:
        """Reload everything. Raises ``ConfigError`` and keeps the present configuration when it is invalid."""
        self._stamp = self._mtime()
        self._config = self._load()
        for callback in self._watchers:
            try:
                callback(self._config)
            except Exception:  # one that fails must keep neither the others nor the caller from the change
                log.exception("a part of the gateway did not take up the changed configuration")

    def poll(self) -> bool:
        """Reload when the file changed on disk (another process set something), and return whether it did; an invalid
        file is logged."""
        if self._mtime() == self._stamp:
            return False
        try:
            self.reload()
        except (ConfigError, OSError) as exc:
            log.error("configuration not reloaded, the last good one stays: %s", exc)
        return True

    def _mtime(self) -> tuple[int, int] | None:
        try:
            stat = self._config.path.stat()
        except (OSError, AttributeError):
            return None
        return stat.st_mtime_ns, stat.st_size
