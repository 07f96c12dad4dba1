"""Conversations as the model is sent them, kept from turn to turn: a turn reads what is new, not 2,000 messages.

A stored message never changes, and a transcript whose epoch is the same has only grown: clients that resume rely on the
same. Of everything else (another branch, a clear, a deletion) the epoch tells, and the conversation is read anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, NamedTuple

from ...agent.context import attachments
from ...agent.context.builder import PromptMemo
from ...agent.context.compaction import effective
from ...store.api import HistoryPage, Message, Store
from ..wire_forms import decode

MESSAGES = 2000
"""The number of stored messages read for the context; the part that fits the window is decided by tokens."""
STEP = 512
"""Of a longer conversation the context begins at a multiple of this number: with the newest ``MESSAGES`` each turn
would begin differently, and the provider's prompt cache would never hit."""
LARGE_BYTES = 1_000_000
"""From this size on messages are decoded in a thread."""
KEPT_BYTES = 8_000_000
"""Of stored messages in all the conversations that are kept; decoded they take some five times as much."""
KEPT_S = 600.0
"""The time for which a conversation is kept after it was read last."""


class _Row(NamedTuple):
    """A stored message: its number, its bytes, and what it says."""

    seq: int
    size: int
    message: Mapping[str, Any]


class Conversation:
    """The messages of one transcript, decoded, oldest first."""

    def __init__(self, page: HistoryPage, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.epoch = _epoch(page)
        self.bytes = 0
        self.messages: Sequence[Mapping[str, Any]] = ()
        """The messages for the model: since the newest compaction, if there is one."""
        self.with_files: Sequence[Mapping[str, Any]] = ()
        """Those of ``messages`` with attachments."""
        self.memo = PromptMemo()
        self._rows: list[_Row] = []
        self._older = page.has_more
        self._begin = 0
        self._summary: Any = None

    def goes_on(self, page: HistoryPage, max_bytes: int) -> bool:
        """Report whether a page that begins after the last message is all that has happened since."""
        known = self.epoch is not None and self.epoch == _epoch(page) and self.max_bytes == max_bytes
        return known and not page.has_more

    @property
    def last_seq(self) -> int:
        """The number of the newest message, 0 where there is none."""
        return self._rows[-1].seq if self._rows else 0

    async def add(self, messages: Sequence[Message]) -> None:
        """Take up what is stored behind the rest."""

        def decoded() -> list[_Row]:
            return [_Row(message.seq, len(message.body), decode(message)) for message in messages]

        size = sum(len(message.body) for message in messages)
        rows = await asyncio.to_thread(decoded) if size > LARGE_BYTES else decoded()
        self._rows += rows
        self.bytes += size
        self._forget_oldest()
        begin = _begin(self._rows) if self._older else 0
        new = [row.message for row in rows]
        summary = next((m for m in reversed(new) if isinstance(m.get("compaction"), Mapping)), self._summary)
        if begin == self._begin and summary is self._summary:
            self.messages = [*self.messages, *new]
            self.with_files = [*self.with_files, *filter(_has_files, new)]
        else:
            self._begin, self._summary = begin, summary
            self.messages = effective([row.message for row in self._rows if row.seq >= begin])
            self.with_files = list(filter(_has_files, self.messages))

    def _forget_oldest(self) -> None:
        """Leave as many messages as a reading from the store would give."""
        gone = max(0, len(self._rows) - MESSAGES)
        self.bytes -= sum(row.size for row in self._rows[:gone])
        while self.bytes > self.max_bytes and gone < len(self._rows) - 1:
            self.bytes -= self._rows[gone].size
            gone += 1
        if gone:
            del self._rows[:gone]
            self._older = True


class Conversations:
    """Those that were answered last, as far as there is room."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: dict[str, Conversation] = {}
        """By transcript, the one that was read last at the end."""
        self._timers: dict[str, asyncio.TimerHandle] = {}

    async def read(self, session_id: str, max_bytes: int) -> Conversation:
        """The newest messages of a transcript, as many as ``MESSAGES`` and ``max_bytes`` allow."""
        known = self._take(session_id)
        if known is not None:
            page = await self._history(session_id, max_bytes, known.last_seq)
            if known.goes_on(page, max_bytes):
                return await self._added(known, page)
        page = await self._history(session_id, max_bytes)
        return await self._added(Conversation(page, max_bytes), page)

    async def _added(self, conversation: Conversation, page: HistoryPage) -> Conversation:
        await conversation.add(page.messages)
        if page.session_id is not None and conversation.epoch is not None:
            self._keep(page.session_id, conversation)
        return conversation

    def _history(self, session_id: str, max_bytes: int, since_seq: int | None = None) -> Awaitable[HistoryPage]:
        return self._store.history(session_id=session_id, limit=MESSAGES, max_bytes=max_bytes, since_seq=since_seq)

    def _take(self, session_id: str) -> Conversation | None:
        if (timer := self._timers.pop(session_id, None)) is not None:
            timer.cancel()
        return self._kept.pop(session_id, None)

    def _keep(self, session_id: str, conversation: Conversation) -> None:
        if conversation.bytes > KEPT_BYTES:
            return
        self._take(session_id)
        self._kept[session_id] = conversation
        self._timers[session_id] = asyncio.get_running_loop().call_later(KEPT_S, self._take, session_id)
        total = sum(each.bytes for each in self._kept.values())
        while total > KEPT_BYTES:
            oldest = next(iter(self._kept))
            total -= self._kept[oldest].bytes
            self._take(oldest)


def _epoch(page: HistoryPage) -> int | None:
    """The epoch of the transcript; ``None`` where it is not its session's current one, whose epoch tells nothing."""
    return page.session.epoch if page.session is not None and page.session.session_id == page.session_id else None


def _begin(rows: Sequence[_Row]) -> int:
    """The number of the message at which the context of a cut conversation begins: the same one for many turns."""
    first = rows[0].seq
    if len(rows) < MESSAGES:  # cut for its bytes, which is more than a model takes
        return first
    return next((row.seq for row in rows if row.seq // STEP > first // STEP), first)


def _has_files(message: Mapping[str, Any]) -> bool:
    return next(attachments.attachments(message), None) is not None
