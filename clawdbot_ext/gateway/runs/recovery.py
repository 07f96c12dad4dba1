"""Rests of a crash: replies that were cut off end, and what waited is found again."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence

from ...protocol.clock import now_ms
from ...store.api import Run
from .context import RunContext
from .events import RunEvents
from .messages import cut_by_crash

log = logging.getLogger(__name__)

TAIL = 50
"""Messages at the end of a session among which those of a run that was cut off are looked for."""


class Recovery:
    """Ends and finds runs that no gateway works on."""

    def __init__(self, context: RunContext, events: RunEvents) -> None:
        self._context, self._events = context, events

    async def mark_lost(self, sessions: Collection[str] | None = None) -> Collection[str]:
        """End what a crash cut off, with ``sessions`` only theirs; the runs that wait for a person, and go on.

        The clients of other gateways, which saw them begin, are told of the ends of sessions that were taken over."""
        waiting = await self._context.approvals.load(sessions)
        await self._context.hands.changes.recover(sessions)
        for run in await self._context.store.recover(
            now=now_ms(), interrupted=cut_by_crash, spare=waiting, sessions=sessions
        ):
            log.warning(
                "run %s of %s was cut off by a crash; %d characters kept", run.run_id, run.session_key, len(run.text)
            )
            if sessions is not None:
                await self._tell(run)
        return waiting

    async def _tell(self, run: Run) -> None:
        page = await self._context.store.history(session_key=run.session_key, limit=TAIL)
        stored = [message for message in page.messages if message.run_id == run.run_id and message.role != "user"]
        for message in stored:
            if page.session is not None:
                self._events.emit_message(page.session, message)
        summary = str((run.result or {}).get("summary", "interrupted"))
        self._events.emit_end(
            run, 1, "interrupted", stored=stored[-1] if stored else None, error={"kind": "crash"}, error_message=summary
        )
        if page.session is not None:
            self._context.announce(page.session, "updated")

    async def queued(self, sessions: Collection[str] | None = None) -> Sequence[Run]:
        """The sends that wait, oldest first; with ``sessions`` only theirs."""
        store = self._context.store
        if sessions is None:
            found = await store.queued_runs()
        else:
            found = [run for key in sessions for run in await store.queued_runs(key)]
        return [run for run in found if not await self._is_command(run)]

    async def _is_command(self, run: Run) -> bool:
        """Whether a waiting run is a command that died between being accepted and being done, never text for the model:
        it is ended."""
        if "command" not in run.options:
            return False
        result = {"status": "error", "summary": "interrupted"}
        await self._context.store.finish_run(run.run_id, state="aborted", message=None, now=now_ms(), result=result)
        return True
