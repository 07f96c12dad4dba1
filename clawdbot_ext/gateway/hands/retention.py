"""Retention of what is over: decided questions for permission, which hold whole cells, and old plans.

A question that is open, or a yes that is still to be used, stays however old it is.
"""

from __future__ import annotations

import asyncio
import logging

from ...config.live import LiveConfig
from ...protocol.clock import now_ms
from ...protocol.errors import GatewayError
from ...runtime.supervision import Supervisor
from ...store.api import Store, StoreDamaged
from .approvals import KIND, OPEN, Approvals
from .plans import KIND as PLANS

log = logging.getLogger(__name__)

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
MAX_KEPT = 2_000
"""Decided questions beyond this number go before their time, the oldest first, …"""
LEAST_MS = HOUR_MS
"""… but none that was written within this time: a client may be about to use its decision."""
AGAIN_S = 3_600.0


class Retention:
    """One task that removes, once an hour, what is kept no longer (``hands.keepDays``)."""

    def __init__(self, config: LiveConfig, store: Store, approvals: Approvals) -> None:
        self._config, self._store, self._approvals = config, store, approvals
        self._task: asyncio.Task[None] | None = None

    def start(self, supervisor: Supervisor) -> None:
        self._task = supervisor.run("hands retention", self._run)

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    async def purge(self, now: int) -> int:
        """Remove what is over; the number of questions that were. Raises the store's errors."""
        before = now - int(self._config()["hands.keepDays"]) * DAY_MS
        waiting = {str(entry["id"]) for entry in await self._store.list_records(OPEN)} | self._approvals.pending.keys()
        decided = [each for each in await self._store.record_times(KIND) if each[0] not in waiting]
        surplus = {id_ for id_, at in decided[: max(0, len(decided) - MAX_KEPT)] if at < now - LEAST_MS}
        over = [id_ for id_, at in decided if at < before or id_ in surplus]
        for id_ in over:
            await self._store.delete_record(KIND, id_)
        for id_, at in await self._store.record_times(PLANS):
            if at < before:
                await self._store.delete_record(PLANS, id_)
        return len(over)

    async def _run(self) -> None:
        while True:
            try:
                if count := await self.purge(now_ms()):
                    log.info("removed %d decided questions for permission (hands.keepDays)", count)
            except (GatewayError, StoreDamaged) as exc:
                log.warning("old questions for permission are not removed yet: %s", exc)
            await asyncio.sleep(AGAIN_S)
