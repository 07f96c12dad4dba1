"""A run that is being answered: the reply as far as it is, and whether it is to stop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from ...agent.providers.base import Reply
from ...agent.tools import ToolCall
from ...protocol.clock import now_ms
from ...store import failpoints
from ...store.api import Run
from ..connections.reply_stream import ReplyStream
from .budget import Reservation
from .run_usage import RunUsage

FLUSH_INTERVAL_S = 0.25
"""A crash loses at most this much of a reply (promise P5) …"""
FLUSH_CHARS = 2048
"""… or this many characters."""


SUSPENDED = "suspended"


class ActiveRun:
    """A run that is being answered."""

    def __init__(self, run: Run, stream: ReplyStream, prefix: str, on_end: Callable[[], object] = lambda: None):
        failpoints.hit("run.started")
        self.run, self.stream, self.prefix = run, stream, prefix
        """``prefix``: what the reply begins with, when it goes on from one that was cut."""
        self.ended = on_end
        """Called once the end is stored or cannot be, before it is told: the session is free."""
        self.fold_in: Callable[[], Awaitable[None]] | None = None
        """Takes in what was sent meanwhile to be read at once; called before each request to the model."""
        self.reply = Reply()
        self.spent = RunUsage()
        """Tokens and cost of the steps that are stored."""
        self.reservation: Reservation | None = None
        """The room below the spending limits that the request under way has."""
        self.stop_reason = ""
        """The reason for stopping: ``rpc`` (a client asked), ``shutdown``, ``SUSPENDED``, ``ended``; empty before."""
        self.task: asyncio.Task[None] | None = None
        self.tools: dict[str, dict[str, Any]] = {}
        """The tool calls under way, by id, as clients are told of them."""
        self.media: dict[str, Mapping[str, Any]] = {}
        """The attachments being read, by id, likewise."""
        self.pending: Sequence[ToolCall] = ()
        """Calls that a restart of the gateway interrupted: made, or answered, before the model goes on."""
        self.unstored: list[Mapping[str, Any]] = []
        """Steps that storage refused, oldest first; they are stored before the run's end."""
        self.in_turn = False
        """The provider is at work; before and after that, cancelling the task would lose the run's end."""
        self.started_at = now_ms()
        self._flushed_at = time.monotonic()
        self._flushed_chars = 0

    def stop(self, reason: str) -> bool:
        """Request an early end; ``False`` if that was requested before. A run checks for it when it begins."""
        if self.stop_reason:
            return False
        self.stop_reason = reason
        if self.in_turn and self.task:
            self.task.cancel()
        return True

    @property
    def suspended(self) -> bool:
        """It waits for a person while the gateway stops: it has not ended, and goes on after the next start."""
        return self.stop_reason == SUSPENDED

    @property
    def text(self) -> str:
        """The reply so far, with its prefix."""
        return self.prefix + self.reply.text

    def due(self) -> bool:
        """Whether the text so far is due to be saved."""
        chars = len(self.reply.text) + len(self.reply.thinking)
        now = time.monotonic()
        if chars == self._flushed_chars or (
            now - self._flushed_at < FLUSH_INTERVAL_S and chars - self._flushed_chars < FLUSH_CHARS
        ):
            return False
        self._flushed_at, self._flushed_chars = now, chars
        return True
