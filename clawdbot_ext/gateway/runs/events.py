"""The events of runs on the wire, and the coroutines that wait for a run's last one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from ...protocol.clock import now_ms
from ...protocol.schema import AgentEvent, ChatEvent, SessionMessageEvent
from ...store import failpoints
from ...store.api import FINAL_STATES, Message, Run, RunState, Session, Store
from ..connections.broadcast import Broadcast
from .active import ActiveRun


class RunEvents:
    """Emits what happens in runs."""

    def __init__(self, events: Broadcast, store: Store) -> None:
        self._emit, self._store = events.emit, store
        self._waiters: dict[str, list[asyncio.Future[Any]]] = {}
        self.tell_end: Callable[[str], None] = lambda run_id: None
        """Tells the other gateways that a run has ended."""

    def emit_agent(self, active: ActiveRun, stream: str, data: Mapping[str, Any]) -> None:
        self._emit(
            "agent",
            AgentEvent(
                run_id=active.run.run_id,
                stream=stream,
                data=data,
                session_key=active.run.session_key,
                seq=active.stream.next_seq(),
                ts=now_ms(),
            ),
            session=active.run.session_key,
        )

    def emit_message(self, session: Session, message: Message) -> None:
        self._emit(
            "session.message",
            SessionMessageEvent(
                session_key=session.key,
                session_id=message.session_id,
                epoch=session.epoch,
                seq=message.seq,
                message=message.body,
            ),
            session=session.key,
        )

    def emit_end(
        self,
        run: Run,
        seq: int,
        state: RunState,
        *,
        stored: Message | None = None,
        unstored: Mapping[str, Any] | None = None,
        error: Mapping[str, Any] | None = None,
        error_message: str = "",
        folded_into: str = "",
    ) -> None:
        """Emit the last ``chat`` event of a run."""
        failpoints.hit("end.stored")
        wire: dict[RunState, Any] = {"done": "final", "aborted": "aborted"}
        event = ChatEvent(run_id=run.run_id, session_key=run.session_key, seq=seq, state=wire.get(state, "error"))
        if stored is not None:
            event.message = stored.body
        elif unstored is not None:
            event.message = unstored
        if state == "aborted":
            event.stop_reason = "rpc"
        if folded_into:
            event.folded_into = folded_into
        if error_message:
            event.error_message = error_message
        if error:
            event.error = error
        self._emit("chat", event, session=run.session_key)
        self._wake(run.run_id, None if event.message is msgspec.UNSET else event.message)
        self.tell_end(run.run_id)

    def ended_elsewhere(self, run_id: str) -> None:
        """A run has ended at another gateway."""
        self._wake(run_id, None)

    def _wake(self, run_id: str, message: Any) -> None:
        for waiter in self._waiters.pop(run_id, ()):
            if not waiter.done():
                waiter.set_result(message)

    async def wait(self, run_id: str, timeout_s: float | None) -> tuple[Run | None, Any]:
        """Wait for a run to end, seconds or as long as it takes: the run as it is then (``None`` if it was never
        accepted), and the message of its last event (``None`` if that was before, or there was none)."""
        waiter: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiters.setdefault(run_id, []).append(waiter)
        try:
            run = await self._store.get_run(run_id)
            if run is None or run.state not in FINAL_STATES:
                await asyncio.wait({waiter}, timeout=timeout_s)
                run = await self._store.get_run(run_id)
        finally:
            if waiter in self._waiters.get(run_id, ()):
                self._waiters[run_id].remove(waiter)
                if not self._waiters[run_id]:
                    del self._waiters[run_id]
        return run, waiter.result() if waiter.done() else None
