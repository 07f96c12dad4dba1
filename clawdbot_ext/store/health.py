"""The condition of the storage, as status, doctor, health and the log report it."""

from __future__ import annotations

import logging
import time
from typing import Any, Literal

from ..protocol.errors import StorageFull, Unavailable
from .failures import StoreDamaged, passes

log = logging.getLogger(__name__)

StorageState = Literal["ok", "full", "failing", "damaged", "moved", "away", "fenced"]


class StorageHealth:
    """Outcome of the last accesses. Set by the store's threads, read by any."""

    def __init__(self) -> None:
        self.state: StorageState = "ok"
        self.detail = ""
        """A text of SQLite or of the system, for the owner of the machine."""
        self.since = 0
        """Time at which it became so, in milliseconds since the epoch."""
        self.check: Literal["", "running", "ok", "damaged"] = ""
        """The check of the whole file, a minute after a start, or at once after an unclean stop; empty before."""
        self.checked_at = 0
        """Time of the last check that came to an end, as ``since``."""
        self.findings = ""
        """Result of that check where the file is damaged."""
        self.lost: dict[str, int] = {}
        """Sends and messages that were stored before an unclean stop and are not there any more."""
        self.read_only = False
        """Whether writes are refused because the owner wants it (``storage.readOnly``)."""
        self.backup: dict[str, Any] = {}
        """The last backup: ``at`` and ``path``, or ``problem``."""

    @property
    def ok(self) -> bool:
        """Whether everything can be read and written, and nothing is known to be missing."""
        return self.state == "ok" and self.check != "damaged" and not self.lost

    @property
    def moved(self) -> bool:
        """Whether the files at our paths are no longer the ones that are open: nothing may be acknowledged. Never of a
        server: what another gateway has taken over there is ``fenced``, and there is nothing to rescue."""
        return self.state == "moved"

    def note(self, error: Exception) -> None:
        """Take up a failure of an access; errors of callers say nothing about the storage."""
        if isinstance(error, StoreDamaged):
            self._become("damaged", error.detail)
        elif isinstance(error, StorageFull):
            self._become("full", error.message)
        elif isinstance(error, Unavailable) and error.reason == "STORAGE_MOVED":
            self._become("moved", error.message)
        elif isinstance(error, Unavailable) and error.reason in ("STORAGE_AWAY", "FENCED"):
            state: StorageState = "away" if error.reason == "STORAGE_AWAY" else "fenced"
            self._become(state, str(error.facts.get("detail", error.message)))
        elif passes(error) and isinstance(error, Unavailable) and error.reason != "STORAGE_BUSY":
            self._become("failing", str(error.facts.get("detail", error.message)))

    def fine(self) -> None:
        """Take up that a write succeeded. Damage stays known: other pages are as they were."""
        if self.state in ("full", "failing", "away"):
            self._become("ok", "")

    def checked(self, found: str) -> None:
        """Take up the result of a check of the whole file: ``ok``, or what is wrong."""
        self.check, self.checked_at = "ok" if found == "ok" else "damaged", time.time_ns() // 1_000_000
        self.findings = "" if found == "ok" else found

    def found_again(self) -> None:
        """The files at our paths are the ones that are open; or the server answers, and the database is still ours."""
        if self.state in ("moved", "away", "fenced"):
            self._become("ok", "")

    def _become(self, state: StorageState, detail: str) -> None:
        if self.state == state or (self.state in ("moved", "fenced") and state != "ok"):
            return
        before, self.state, self.detail, self.since = self.state, state, detail, time.time_ns() // 1_000_000
        if state == "ok":
            log.warning("the storage works again (it was: %s)", before)
        else:
            log.error("the storage is %s: %s", state, detail)

    def to_wire(self) -> dict[str, Any]:
        """The object ``storage`` of ``health`` and ``status``."""
        told: dict[str, Any] = {"ok": self.ok, "state": self.state}
        if self.state != "ok":
            told |= {"detail": self.detail, "since": self.since}
        if self.read_only:
            told["readOnly"] = True
        if self.check:
            told["check"] = self.check
        if self.checked_at:
            told["checkedAt"] = self.checked_at
        if self.findings:
            told["findings"] = self.findings
        if self.lost:
            told["lost"] = self.lost
        if self.backup:
            told["backup"] = self.backup
        return told
