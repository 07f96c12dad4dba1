"""The execution of one run: from its start event to its stored end, whatever happens in between."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...agent.providers.base import Usage
from ...agent.turn import MediaProgress, Retrying, TurnEvent
from ...i18n import catalogue
from ...protocol.clock import now_ms
from ...protocol.errors import GatewayError, InvalidRequest, Unavailable
from ...protocol.outside_json import keepable
from ...store import failpoints
from ...store.api import Accepted, Finished, Run, RunState, StoreDamaged
from ..error_texts import sentence
from ..wire_forms import wire_usage
from .active import FLUSH_INTERVAL_S, ActiveRun
from .auto_title import AutoTitle
from .context import RunContext
from .events import RunEvents
from .messages import RunOutcome, cancelled, final_message
from .run_log import RunLog
from .turn import answer_turn

log = logging.getLogger(__name__)
t = catalogue("gateway")


@dataclass
class LateEnd:
    """The end of a run that storage has not taken yet, with the steps before it that it has not taken either."""

    run: Run
    steps: list[Mapping[str, Any]]
    state: RunState
    message: Mapping[str, Any] | None
    result: Mapping[str, Any]


class Execution:
    """Executes runs, and keeps the ends that storage had no room for until they can be stored."""

    def __init__(self, context: RunContext, events: RunEvents, titles: AutoTitle) -> None:
        self._context, self._events, self._titles = context, events, titles
        self._late: list[LateEnd] = []

    async def execute(self, active: ActiveRun, accepted: Accepted) -> None:
        told = RunLog(active)
        outcome: RunOutcome | None = None
        flusher: asyncio.Task[None] | None = None
        try:
            failpoints.hit("run.begin")
            if accepted.message is not None:
                self._events.emit_message(accepted.session, accepted.message)
            self._events.emit_agent(active, "lifecycle", {"phase": "start", "startedAt": active.started_at})
            flusher = asyncio.create_task(self._flush(active))
            if active.stop_reason:
                outcome = cancelled(active)
            else:
                active.in_turn = True
                outcome = await answer_turn(
                    self._context, self._events, active, accepted.session, lambda event: self._emit(active, event, told)
                )
        except asyncio.CancelledError:
            outcome = cancelled(active)
        finally:
            active.in_turn = False
            active.stop_reason = active.stop_reason or "ended"
            if flusher is not None:
                flusher.cancel()
            if active.suspended:
                await self._context.budget.settle(active.reservation, None)
            else:
                outcome = _bug(active) if outcome is None else outcome
                told.ended(outcome)
                await asyncio.shield(self._end(active, outcome))

    def _emit(self, active: ActiveRun, event: TurnEvent, told: RunLog) -> None:
        if isinstance(event, Retrying):
            told.retries(event)
            self._events.emit_agent(
                active,
                "lifecycle",
                {
                    "phase": "retry",
                    "attempt": event.attempt,
                    "maxAttempts": event.max_attempts,
                    "waitMs": event.wait_ms,
                    "reason": event.reason,
                },
            )
        elif isinstance(event, MediaProgress):
            if event.data["phase"] in ("start", "progress"):
                active.media[event.data["mediaId"]] = event.data
            else:
                active.media.pop(event.data["mediaId"], None)
            self._events.emit_agent(active, "media", event.data)
        else:
            told.shows()
            active.stream.feed(active.text, active.reply.thinking)

    async def _flush(self, active: ActiveRun) -> None:
        while True:
            await asyncio.sleep(FLUSH_INTERVAL_S / 2)
            if active.due():
                try:
                    await self._context.store.save_partial(
                        active.run.run_id, text=active.text, thinking=active.reply.thinking
                    )
                    failpoints.hit("run.flushed")
                except (GatewayError, StoreDamaged) as exc:
                    log.warning("run %s: text so far not saved: %s", active.run.run_id, exc)

    async def _end(self, active: ActiveRun, outcome: RunOutcome) -> None:
        """Write the end of a run and tell it. The end is told even when it cannot be written."""
        active.stream.finish()
        message = keepable(final_message(self._context.providers.models, active, outcome))
        result = {
            "status": {"done": "ok", "aborted": "aborted"}.get(outcome.state, "error"),
            "summary": "completed" if outcome.state == "done" else (outcome.message or outcome.state),
        }
        finished: Finished | None = None
        locale = active.run.options.get("locale")
        try:
            failpoints.hit("run.end")
            await self._store_steps(active.run, active.unstored)
            finished = await self._context.store.finish_run(
                active.run.run_id, state=outcome.state, message=message, result=result, now=now_ms()
            )
        except Exception as exc:  # noqa: BLE001 - whatever the store raises: the reply is kept, and its end told
            if isinstance(exc, Unavailable) and exc.reason == "FENCED":
                log.warning("run %s goes on at another gateway, which ends it", active.run.run_id)
                await self._context.budget.settle(active.reservation, None)
                return
            log.error("run %s: its end could not be stored yet: %r", active.run.run_id, exc)
            self._late.append(LateEnd(active.run, list(active.unstored), outcome.state, message, result))
            outcome = RunOutcome(
                "failed", "error", t(locale, "run.storage", why=_reason(exc, locale)), {"kind": "storage"}
            )
        await self._count(active, message)
        active.ended()
        phase = {"phase": "error", "error": outcome.message} if outcome.state == "failed" else {"phase": "end"}
        self._events.emit_agent(active, "lifecycle", {**phase, "endedAt": now_ms()})
        self._events.emit_end(
            active.run,
            active.stream.next_seq(),
            outcome.state,
            stored=finished.message if finished else None,
            unstored=message,
            error=outcome.error,
            error_message=outcome.message,
        )
        if finished is not None:
            self._context.announce(finished.session, "updated")
            if outcome.state == "done":
                self._titles.after_reply(finished.session, active.reply.provider, active.reply.model)

    async def _count(self, active: ActiveRun, message: Mapping[str, Any] | None) -> None:
        """Count what the last request took; of a reply that was stopped before its first word, what was read for it:
        under a limit about so much, where the provider has not told it yet."""
        reservation, active.reservation = active.reservation, None
        usage = message["usage"] if message is not None else None
        run, reply = active.run, active.reply
        read = Usage(input=reservation.prompt) if reservation is not None and reply.usage == Usage() else reply.usage
        if message is None and read != Usage() and reply.provider != "demo":
            usage = wire_usage(read, self._context.providers.models.cost(reply.provider, reply.model, read))
            try:
                await self._context.store.add_usage(
                    run.session_key,
                    run.session_id,
                    provider=reply.provider,
                    model=reply.model,
                    spent=usage,
                    now=now_ms(),
                )
            except (GatewayError, StoreDamaged) as exc:
                log.warning("run %s: what was read for it is not counted: %s", run.run_id, exc)
        await self._context.budget.settle(reservation, usage)

    async def _store_steps(self, run: Run, steps: list[Mapping[str, Any]]) -> None:
        """Store the steps that storage refused, oldest first; what is stored is taken from the list."""
        while steps:
            await self._context.store.append_step(run.run_id, steps[0], now=now_ms())
            steps.pop(0)

    def owes(self, session_key: str) -> bool:
        """Whether the end of a reply in that session is not stored yet: nothing may be stored behind it."""
        return any(late.run.session_key == session_key for late in self._late)

    def abandon(self) -> None:
        """Store no end any more: another gateway has taken the runs over."""
        self._late.clear()

    async def store_late_ends(self) -> None:
        """Try again to store what storage refused; called every second."""
        for late in list(self._late):
            try:
                await self._store_steps(late.run, late.steps)
                finished = await self._context.store.finish_run(
                    late.run.run_id, state=late.state, message=late.message, result=late.result, now=now_ms()
                )
            except InvalidRequest as exc:  # will never be taken: its session was deleted meanwhile, say
                log.error("run %s: its end cannot be stored: %s", late.run.run_id, exc)
            except Exception as exc:  # noqa: BLE001 - whatever the store raises: the reply is kept until it is stored
                log.debug("run %s: its end cannot be stored yet: %r", late.run.run_id, exc)
                continue
            else:
                log.info("run %s: its end is stored now", late.run.run_id)
                self._context.announce(finished.session, "restored")
            self._late.remove(late)


def _bug(active: ActiveRun) -> RunOutcome:
    """The outcome of a turn that raised: the run ends all the same, and the task's exception reaches the log."""
    return RunOutcome("failed", "error", t(active.run.options.get("locale"), "run.internal"), {"kind": "internal"})


def _reason(error: Exception, locale: str | None) -> str:
    """Text of the cause for a person; of a bug, only that it was one."""
    if isinstance(error, GatewayError):
        return sentence(error.message, locale) or error.message
    return error.detail if isinstance(error, StoreDamaged) else t(locale, "run.internal")
