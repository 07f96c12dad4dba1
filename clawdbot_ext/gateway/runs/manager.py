"""Runs: one at a time per session, the rest wait; each ends exactly once, in the store and on the wire.

A run is the work that an accepted ``chat.send`` asks for. It is owned here from acceptance to its last event:

    accept → (queued) → running → done | failed | interrupted | aborted

``chat.py`` calls ``submit`` and ``abort``; the agent writes into the run's ``Reply`` and says when there is more.
``queue`` knows who is next.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from typing import Any

import msgspec

from ...agent.tools import ToolCall
from ...i18n import catalogue
from ...protocol.clock import now_ms
from ...protocol.errors import InvalidRequest, QueueFull, ShuttingDown, Unavailable
from ...protocol.schema import ChatSendResult, Queued, SessionQueueEvent
from ...store.api import FINAL_STATES, Accepted, BranchPoint, Run
from ..connections.reply_stream import ReplyStream
from ..hands.approvals import Approvals
from ..hands.services import HandsServices
from .active import SUSPENDED, ActiveRun
from .auto_title import AutoTitle
from .context import RunContext
from .events import RunEvents
from .execution import Execution
from .messages import is_guest, queued_view
from .queue import Queue
from .recovery import Recovery

log = logging.getLogger(__name__)
t = catalogue("gateway")

STOP_S = 5.0
"""The time ``abort`` waits for stopped runs to end, and others for store writes under way in a session."""
DRAIN_S, CUT_S = 8.0, 0.5
"""The times in which a stopping gateway lets replies end, and marks the others interrupted."""


class RunManager:
    """All runs of this gateway that have not ended."""

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self.events = RunEvents(context.events, context.store)
        self.titles = AutoTitle(context.store, context.config, context.providers, context.announce, context.budget)
        self._execution = Execution(context, self.events, self.titles)
        self._recovery = Recovery(context, self.events)
        self._active: dict[str, ActiveRun] = {}
        self._queue = Queue()
        self._starting: dict[str, Run] = {}
        """By session: a send that has left the line and is not written yet."""
        self._background: set[asyncio.Task[Any]] = set()
        self.stopping = False
        self._unrecovered = False
        self._waiting: Collection[str] | None = None
        """The runs that waited for a person when the gateway started, once what a crash cut off is marked."""
        self._refused: set[str] = set()
        """Sessions whose next send storage has refused to start: said once, not at every attempt."""

    @property
    def context(self) -> RunContext:
        """The services that runs are built with."""
        return self._context

    @property
    def approvals(self) -> Approvals:
        """The open questions of tools, and their rules."""
        return self._context.approvals

    @property
    def hands(self) -> HandsServices:
        """The services of the assistant's work in notebooks and files."""
        return self._context.hands

    # -- what is going on -------------------------------------------------------------------------------------------
    def counts(self) -> dict[str, int]:
        return {"running": len(self._active), "queued": len(self._queue)}

    def running(self) -> Sequence[ActiveRun]:
        return list(self._active.values())

    def active(self, session_key: str) -> ActiveRun | None:
        return self._active.get(session_key)

    def queued(self, session_key: str) -> Sequence[Run]:
        return self._queue.waiting(session_key)

    def occupied(self, session_key: str) -> bool:
        """Whether anything of a session is in memory: a reply, a line, or a send between two states."""
        return self.busy(session_key) or bool(self.queued(session_key) or self._queue.moves(session_key))

    def activity(self) -> dict[str, tuple[bool, int]]:
        """The sessions in which a reply is being written or sends wait, with the number of these."""
        return {key: (key in self._active, len(self.queued(key))) for key in {*self._active, *self._queue.sessions()}}

    def unanswered(self, session_key: str) -> list[Queued]:
        """The waiting sends of a session as clients see them, and the one that is about to be answered."""
        starting = self._starting.get(session_key)
        return [queued_view(run) for run in ([starting] if starting else [])] + self._queue_view(session_key)

    def _queue_view(self, session_key: str) -> list[Queued]:
        return [queued_view(run) for run in self.queued(session_key)]

    # -- accepting --------------------------------------------------------------------------------------------------
    async def submit(
        self,
        *,
        run_id: str,
        session_key: str,
        request_hash: str,
        message: Mapping[str, Any],
        options: Mapping[str, Any],
        place: BranchPoint | None = None,
    ) -> tuple[Accepted, int]:
        """Record a send and start it, or put it in line. Returns what the store did and how many sends go first.

        With a ``place`` in the tree it is never put in line: what its sender looked at may be another conversation by
        the time it would start.

        Raises:
            ShuttingDown, QueueFull, IdempotencyConflict, StorageFull, LimitReached
            Unavailable: it has a ``place``, and a reply is being written (``BUSY``).
            NotFound, InvalidRequest: see ``Store.accept_run``, for ``place``.
        """
        if self.stopping:
            raise ShuttingDown("the gateway is stopping")
        await self._context.budget.require_for(run_id, session_key, options.get("model"))
        busy = self.busy(session_key) or bool(self.queued(session_key))  # a line moves a moment after a reply has ended
        full = (ahead := self._queue.ahead(session_key)) >= self._context.config()["session.maxQueued"]
        with self._queue.moving(session_key):
            if not busy:
                self._queue.hold(session_key)
            elif (place is not None or full) and await self._context.store.get_run(run_id) is None:
                if place is not None:
                    raise too_busy()
                raise QueueFull(f"{ahead} messages are waiting already", retry_after_ms=1000)
            return await self._accept(
                busy,
                run_id=run_id,
                session_key=session_key,
                request_hash=request_hash,
                message=message,
                options=options,
                place=place,
            )

    def busy(self, session_key: str) -> bool:
        """Whether a reply is being written or is about to be, the transcript is being replaced, or storage is awaited.

        In the last case what waits, or a reply whose end is not stored yet, goes first."""
        return (
            session_key in self._active
            or self._queue.held(session_key)
            or self._queue.stalled(session_key)
            or self._execution.owes(session_key)
            or self._unrecovered
        )

    async def _accept(self, busy: bool, *, run_id: str, session_key: str, **send: Any) -> tuple[Accepted, int]:
        try:
            accepted = await self._context.store.accept_run(
                run_id=run_id, session_key=session_key, start=not busy, now=now_ms(), **send
            )
        except BaseException:
            if not busy:
                self._release(session_key)
            raise
        if accepted.existing:
            if not busy:
                self._release(session_key)
            return accepted, 0
        if not busy:
            self._begin(accepted)
            return accepted, 0
        position = self._queue.add(accepted.run)
        asyncio.get_running_loop().call_soon(self._emit_queue, session_key)
        if not self.busy(session_key):
            self._next(session_key)
        return accepted, position

    async def edit(
        self, session_key: str, run_id: str, text: str | None, *, when: str | None = None, guest: bool = False
    ) -> None:
        """Change a waiting send, also one that is still being accepted: ``text`` is what it says, ``when`` as in
        ``chat.send``; ``None`` leaves either as it is, and what is attached stays. With a text of a ``guest`` it is the
        guest's: nothing that they write is acted on with the rights of the one who sent it.

        Raises:
            InvalidRequest: it does not wait (any more), or never did (``NOT_QUEUED``).
        """
        if moving := self._queue.moves(session_key):
            await asyncio.wait(moving, timeout=STOP_S)
        waiting = next((run for run in self.queued(session_key) if run.run_id == run_id), None)
        if waiting is not None:
            message, options = msgspec.json.decode(waiting.message), dict(waiting.options)
            if text is not None:
                rest = [block for block in message["content"] if block.get("type") != "text"]
                message["content"] = [*rest, {"type": "text", "text": text}]
                if guest:
                    options["asker"] = {**(options.get("asker") or {}), "guest": True}
            if when is not None:
                options["when"] = when
            run = await self._context.store.edit_queued(run_id, message, options)
            if run is not None:
                self._queue.replace(run)
                self._emit_queue(session_key)
                return
        raise InvalidRequest("this message does not wait any more; edit it where it stands", reason="NOT_QUEUED")

    async def recover(self) -> None:
        """After a start: mark what a crash cut off, take up what was still waiting."""
        try:
            if self._waiting is None:
                self._waiting = await self._recovery.mark_lost()
            for run_id in self._waiting:
                await self._go_on(run_id)
            queued = await self._recovery.queued()
        except Unavailable as exc:  # reading goes on; tried again every second, and until then no send starts
            if not self._unrecovered:
                log.error("what a crash cut off, and what waited, cannot be taken up yet: %s", exc)
            self._unrecovered = True
            return
        if self._unrecovered:
            log.info("what a crash cut off, and what waited, is taken up now")
        self._unrecovered = False
        self._take_up(queued)

    async def take_over(self, sessions: Collection[str]) -> None:
        """As ``recover``, for sessions that another gateway worked on. Raises ``Unavailable``; then try again."""
        idle = [key for key in sessions if not self.busy(key)]  # in the others something was begun here meanwhile
        for run_id in await self._recovery.mark_lost(idle):
            await self._go_on(run_id)
        self._take_up(await self._recovery.queued(sessions))

    def _take_up(self, queued: Sequence[Run]) -> None:
        known = {run.run_id for key in self._queue.sessions() for run in self.queued(key)}  # sent since the start
        known |= {run.run_id for run in self._starting.values()}
        for run in reversed(queued):
            if run.run_id not in known:
                self._queue.put_back(run.session_key, [run])
        for key in self._queue.sessions():
            self._next(key)

    def abandon(self) -> None:
        """Stop everything and write nothing more: another gateway has taken over. What is stored goes on there."""
        for task in self._background:
            task.cancel()
        self._queue.clear()
        self._starting.clear()
        for active in self._active.values():
            active.stop(SUSPENDED)
        self._execution.abandon()
        self.approvals.abandon()

    async def _go_on(self, run_id: str) -> None:
        """Take up a run that waits for a person since before the restart."""
        run = await self._context.store.get_run(run_id)
        session = await self._context.store.get_session(run.session_key) if run is not None else None
        if run is None or session is None or run.state != "running":
            await self.approvals.withdraw_of(run_id)
            return
        if run.session_key in self._active:
            return
        pending = await self._context.store.unanswered_calls(run_id)
        self._begin(Accepted(run=run, existing=False, session=session, message=None), pending)

    # -- running ----------------------------------------------------------------------------------------------------
    def _begin(self, accepted: Accepted, pending: Sequence[Mapping[str, Any]] = ()) -> None:
        run = accepted.run
        prefix = run.text.rstrip()
        stream = ReplyStream(self._context.events, run.run_id, run.session_key, time.monotonic, prefix)
        active = ActiveRun(run, stream, prefix, on_end=lambda: self._active.pop(run.session_key, None))
        active.fold_in = lambda: asyncio.shield(self._fold_in(active))
        active.pending = [ToolCall(str(call["id"]), str(call["name"]), call["arguments"]) for call in pending]
        active.tools = {
            str(call["id"]): {
                "toolCallId": call["id"],
                "name": call["name"],
                "title": call.get("title", call["name"]),
                "args": call["arguments"],
                "phase": "start",
            }
            for call in pending
        }
        self._active[run.session_key] = active
        self._queue.release(run.session_key)
        active.task = asyncio.create_task(self._run(active, accepted), name=f"run {run.run_id[:8]}")

    async def _run(self, active: ActiveRun, accepted: Accepted) -> None:
        try:
            await self._execution.execute(active, accepted)
        finally:
            active.ended()
            self._next(active.run.session_key)

    async def _fold_in(self, active: ActiveRun) -> None:
        """Give a running reply what waits in its session and is to be read now (``when: now``), in its order.

        What goes on from a reply that was cut takes nothing in: it is to end as it began. Sends that are taken in are
        answered by that run, and end without a reply of their own. A guest's waits for a reply of its own, unless this
        one is a guest's too: it would be acted on with the rights of the other sender.
        """
        key = active.run.session_key
        urgent = [run for run in self.queued(key) if run.options.get("when") == "now" and not active.prefix]
        wanted = [run for run in urgent if is_guest(active.run) or not is_guest(run)]
        for run in wanted:
            if run not in self.queued(key):  # stopped or edited while the one before was taken in
                continue
            with self._queue.moving(key):
                self._queue.remove([run])
                try:
                    folded = await self._context.store.fold_run(run.run_id, active.run.run_id, now=now_ms())
                except Exception as exc:  # noqa: BLE001 - whatever the store raises: it was acknowledged, so it waits on
                    self._queue.put_back(key, [run])
                    log.warning("run %s: not taken in by %s: %r", run.run_id, active.run.run_id, exc)
                    return
            if folded is None or folded.message is None:
                continue
            self.events.emit_message(folded.session, folded.message)
            self.events.emit_end(run, 1, "done", folded_into=active.run.run_id)
        if wanted:
            self._emit_queue(key)

    async def store_late_ends(self) -> None:
        """Try again what storage refused: ends of replies first, then the lines behind them. Called every second."""
        if self._unrecovered:
            await self.recover()
        await self._execution.store_late_ends()
        for key in self._queue.resume():
            self._next(key)

    def _release(self, session_key: str) -> None:
        self._queue.release(session_key)
        self._next(session_key)

    def _next(self, session_key: str) -> None:
        """Start the oldest waiting send of a session that is free."""
        if self._execution.owes(session_key):
            self._queue.stall(session_key)
        if self.stopping or self.busy(session_key):
            return
        run = self._queue.pop(session_key)
        if run is None:
            return
        self._queue.hold(session_key)
        self._starting[session_key] = run
        if session_key not in self._refused:
            self._emit_queue(session_key)
        with ExitStack() as under_way:  # from this moment: who stops the session must not look between line and start
            under_way.enter_context(self._queue.moving(session_key))
            task = asyncio.create_task(self._start_waiting(run, under_way.pop_all()))
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _start_waiting(self, run: Run, under_way: ExitStack) -> None:
        key = run.session_key
        with under_way:
            try:
                accepted = await self._context.store.start_run(run.run_id, now=now_ms())
            except Exception as exc:  # noqa: BLE001 - whatever the store raises: it was acknowledged, so it stays in line
                self._queue.put_back(key, [run])
                self._queue.stall(key)
                self._queue.release(key)
                if key not in self._refused:
                    self._refused.add(key)
                    log.error("run %s cannot start yet: %r", run.run_id, exc)
                    self._emit_queue(key)
                return
            finally:
                self._starting.pop(key, None)
            if key in self._refused:
                self._refused.discard(key)
                log.info("run %s can start now", run.run_id)
                self._emit_queue(key)
            if accepted is None:
                self._release(key)
            else:
                self._begin(accepted)

    # -- ending early -----------------------------------------------------------------------------------------------
    async def abort(self, session_key: str, run_id: str | None) -> list[str]:
        """Stop one run, or everything running and waiting in a session. Returns the ids that were stopped.

        A running reply keeps its text; a waiting send is taken out of the line.
        """
        if moving := self._queue.moves(session_key):  # sent before, so stopped too
            await asyncio.wait(moving, timeout=STOP_S)
        return await self._abort(session_key, run_id)

    async def _abort(self, session_key: str, run_id: str | None) -> list[str]:
        stopped = []
        active = self._active.get(session_key)
        interrupting: set[asyncio.Task[None]] = set()
        if active and run_id in (None, active.run.run_id) and active.stop("rpc"):
            stopped.append(active.run.run_id)
            interrupting.add(asyncio.create_task(self.hands.running.stop_of(active.run.run_id)))
        stopped += await self._remove_queued([r for r in self.queued(session_key) if run_id in (None, r.run_id)])
        if active and active.task and run_id in (None, active.run.run_id):
            await asyncio.wait({active.task, *interrupting}, timeout=STOP_S)
            await self.approvals.withdraw_of(active.run.run_id)  # questions of a restart that it had not come to yet
        return stopped

    async def _remove_queued(self, runs: Sequence[Run]) -> list[str]:
        """End waiting sends of one session; returns their ids. Raises ``StorageFull``: the rest waits as before."""
        if not runs:
            return []
        key, left = runs[0].session_key, deque(runs)
        self._queue.remove(runs)  # all at once: none may start, or be removed by another caller, while the store writes
        try:
            while left:
                await self._context.store.finish_run(
                    left[0].run_id,
                    state="aborted",
                    message=None,
                    now=now_ms(),
                    result={"status": "aborted", "summary": "aborted"},
                )
                self.events.emit_end(left.popleft(), 1, "aborted")
        finally:
            self._queue.put_back(key, left)
            self._emit_queue(key)
            self._next(key)
        return [run.run_id for run in runs]

    @asynccontextmanager
    async def stopped(self, session_key: str) -> AsyncIterator[None]:
        """Everything in a session is stopped, and what is sent meanwhile waits until the block is left."""
        while moving := self._queue.moves(session_key):
            await asyncio.wait(moving)
        with self._queue.moving(session_key):
            self._queue.hold(session_key)
            try:
                await self._abort(session_key, None)
                yield
            finally:
                self._release(session_key)

    @asynccontextmanager
    async def idle(self, session_key: str) -> AsyncIterator[None]:
        """Nothing runs in a session, and what is sent meanwhile waits until the block is left. Raises ``Unavailable``
        (``BUSY``) while a reply is being written."""
        if self.busy(session_key):
            raise too_busy()
        with self._queue.moving(session_key):
            self._queue.hold(session_key)
            try:
                yield
            finally:
                self._release(session_key)

    async def drain(self, ends: float) -> None:
        """The gateway stops: let replies end until that time of the monotonic clock. Waiting sends stay stored."""
        self.stopping = True
        ends = min(ends, time.monotonic() + DRAIN_S)
        await self._queue.arrived(max(0.0, min(STOP_S, ends - time.monotonic())))
        for active in list(self._active.values()):
            if self.approvals.waits_for_person(active.run.run_id):
                active.stop(SUSPENDED)
        if tasks := {a.task: a for a in self._active.values() if a.task}:
            for task in (left := (await asyncio.wait(tasks, timeout=max(0.0, ends - time.monotonic())))[1]):
                tasks[task].stop("shutdown")
            if left:
                await asyncio.wait(left, timeout=CUT_S)
        with suppress(asyncio.TimeoutError):  # the next start ends the rest
            await asyncio.wait_for(self._execution.store_late_ends(), CUT_S)

    def _emit_queue(self, session_key: str) -> None:
        self._context.events.emit(
            "session.queue",
            lambda: SessionQueueEvent(session_key=session_key, queued=self._queue_view(session_key)),
            session=session_key,
        )


def too_busy() -> Unavailable:
    return Unavailable("a reply is being written; stop it or wait for it", reason="BUSY")


def recorded(run: Run) -> ChatSendResult:
    """The answer to a resend: what became of the first one."""
    if run.state not in FINAL_STATES:
        return ChatSendResult(run_id=run.run_id, status="in_flight")
    result = run.result or {}
    answer = ChatSendResult(run_id=run.run_id, status=str(result.get("status", "error")))
    if "summary" in result:
        answer.summary = str(result["summary"])
    if "switchTo" in result:
        answer.switch_to = str(result["switchTo"])
    return answer
