"""The text of a running reply, sent to each client as deltas."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from ...protocol.clock import now_ms
from ...protocol.frames import encode
from ...protocol.schema import EVENTS, AgentEvent, ChatEvent
from ...runtime.measures import MEASURES
from .broadcast import Broadcast

if TYPE_CHECKING:
    from .connection import Connection, DeltaKind


APPEND_INTERVAL_S = 0.040
"""Between two deltas for clients that append: 25 a second look fluent, and their frames' overhead stays below the
text's own size at an ordinary pace."""


CUMULATIVE_INTERVAL_S = 0.150
"""Between two deltas that repeat the whole text (Clawdbot's own cadence)."""


def utf16_length(text: str) -> int:
    """The length of ``text`` as JavaScript counts it."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


class _Place:
    """The offsets up to which one client has a run's text and thinking: (code points, UTF-16 code units) each."""

    __slots__ = ("text", "text16", "thinking", "thinking16")

    def __init__(self, text: int = 0, text16: int = 0) -> None:
        self.text, self.text16 = text, text16
        self.thinking = self.thinking16 = 0


class ReplyStream:
    """One run's reply on its way to the clients. ``feed`` after each delta; ``finish`` before the run's last event.

    ``prefix`` is what it begins with when it goes on from another one: clients that append start at its end.
    """

    def __init__(
        self, broadcast: Broadcast, run_id: str, session_key: str, clock: Callable[[], float], prefix: str = ""
    ):
        self._broadcast, self._run_id, self._key, self._clock = broadcast, run_id, session_key, clock
        self._places: dict[Connection, _Place] = {}
        self._sent_at: dict[str, float] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._message_sent = self._assistant_sent = len(prefix)
        self._start = (len(prefix), utf16_length(prefix))
        self.text, self.thinking = prefix, ""
        self.seq = 0

    def next_seq(self) -> int:
        """The run's own event counter (``payload.seq``)."""
        self.seq += 1
        return self.seq

    def feed(self, text: str, thinking: str) -> None:
        """Update the reply; send it now or soon."""
        self.text, self.thinking = text, thinking
        self._schedule("append", APPEND_INTERVAL_S, self._flush_append)
        self._schedule("cumulative", CUMULATIVE_INTERVAL_S, self._flush_cumulative)

    def finish(self) -> None:
        """Send what is left to the clients that append, and to those that have no other way to see the end of the text
        (the rest gets the whole message in the last event)."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._flush_append()
        self._flush_assistant()

    def restart(self) -> None:
        """Start again at offset 0 with an empty text: the text so far is stored as a message."""
        self.finish()
        self._places.clear()
        self._start = (0, 0)
        self._message_sent = self._assistant_sent = 0
        self.text = self.thinking = ""

    def caught_up(self, client: Connection) -> None:
        """Move ``client``'s offsets to the end: ``chat.history`` has just sent it the whole text so far."""
        place = self._places.setdefault(client, _Place(*self._start))
        place.text, place.text16 = len(self.text), utf16_length(self.text)
        place.thinking, place.thinking16 = len(self.thinking), utf16_length(self.thinking)

    def _schedule(self, kind: str, interval: float, flush: Callable[[], None]) -> None:
        if kind in self._timers:
            return
        wait = self._sent_at.get(kind, float("-inf")) + interval - self._clock()
        if wait <= 0:
            flush()
        else:
            self._timers[kind] = asyncio.get_running_loop().call_later(wait, flush)

    def _receivers(self, deltas: DeltaKind) -> list[Connection]:
        """The clients that receive deltas of this kind and are not congested."""
        row = EVENTS["agent" if deltas == "assistant" else "chat"]
        meant = [
            client
            for client in self._broadcast.connections
            if client.deltas == deltas and client.may_receive(row, self._key)
        ]
        receivers = [client for client in meant if not client.congested()]
        MEASURES.held_deltas += len(meant) - len(receivers)
        return receivers

    def _flush_append(self) -> None:
        self._timers.pop("append", None)
        self._sent_at["append"] = self._clock()
        frames: dict[tuple[str, int], bytes] = {}
        for client in self._receivers("append"):
            place = self._places.setdefault(client, _Place(*self._start))
            if place.thinking < len(self.thinking):
                chunk = self.thinking[place.thinking :]
                client.send_event("chat", self._append(frames, "thinking", place.thinking16, chunk))
                place.thinking, place.thinking16 = len(self.thinking), place.thinking16 + utf16_length(chunk)
            if place.text < len(self.text):
                chunk = self.text[place.text :]
                client.send_event("chat", self._append(frames, "text", place.text16, chunk))
                place.text, place.text16 = len(self.text), place.text16 + utf16_length(chunk)

    def _append(self, frames: dict[tuple[str, int], bytes], part: str, offset: int, chunk: str) -> bytes:
        data = frames.get((part, offset))
        if data is None:
            delta = ChatEvent(
                run_id=self._run_id,
                session_key=self._key,
                seq=self.next_seq(),
                state="delta",
                offset=offset,
                text=chunk,
            )
            if part == "thinking":
                delta.part = "thinking"
            data = frames[part, offset] = encode(delta)
        return data

    def _flush_cumulative(self) -> None:
        self._timers.pop("cumulative", None)
        self._sent_at["cumulative"] = self._clock()
        self._flush_assistant()
        if self._message_sent == len(self.text):
            return
        self._message_sent = len(self.text)
        receivers = self._receivers("message")
        if not receivers:
            return
        message = {"role": "assistant", "content": [{"type": "text", "text": self.text}], "timestamp": now_ms()}
        data = encode(
            ChatEvent(run_id=self._run_id, session_key=self._key, seq=self.next_seq(), state="delta", message=message)
        )
        for client in receivers:
            client.send_event("chat", data)

    def _flush_assistant(self) -> None:
        """``agent`` events of the stream ``assistant``, for Clawdbot's native apps and for nodes that subscribed."""
        new = self.text[self._assistant_sent :]
        if not new:
            return
        self._assistant_sent = len(self.text)
        if receivers := self._receivers("assistant"):
            data = encode(
                AgentEvent(
                    run_id=self._run_id,
                    stream="assistant",
                    data={"text": self.text, "delta": new},
                    session_key=self._key,
                    seq=self.next_seq(),
                    ts=now_ms(),
                )
            )
            for client in receivers:
                client.send_event("agent", data)
