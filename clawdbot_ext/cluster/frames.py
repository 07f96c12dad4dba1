"""Messages between members as rows of ``mail``: small ones share a row, a large one has several.

A pure format: it knows no database. Every row of a pair has a number, the next after that of the one before."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

ROW_BYTES = 128 * 1024
"""A row is not larger than this and the head of a frame."""
HEAD_BYTES = 4

BEGINS, ENDS, CONTROL = 1, 2, 4
"""Flags of a row: a message begins in it, one ends in it, its messages are for the cluster itself."""
WHOLE = BEGINS | ENDS
"""The row is a list of messages, each behind its length. Any other row is a piece of one."""


@dataclass(frozen=True)
class Row:
    """One row: ``part`` holds the flags."""

    number: int
    part: int
    body: bytes


@dataclass(frozen=True)
class Message:
    body: bytes
    control: bool = False


class Packer:
    """The messages for one member that wait, and the numbers of their rows."""

    def __init__(self) -> None:
        self.size = 0
        """Bytes that wait."""
        self._waiting: deque[Message] = deque()
        self._packed = 0  # of the first message
        self._number = 0

    def __bool__(self) -> bool:
        return bool(self._waiting)

    @property
    def used(self) -> bool:
        """Whether a row was ever made."""
        return self._number > 0

    def add(self, message: Message) -> None:
        self._waiting.append(message)
        self.size += HEAD_BYTES + len(message.body)

    def drop(self) -> None:
        """Lose what waits. The gap in the numbers tells the other side so."""
        self._waiting.clear()
        self.size = self._packed = 0
        self._number += 1

    def probe(self) -> Row:
        """An empty row, by whose number the other side notices what was lost before."""
        return self._row(WHOLE, b"")

    def rows(self, limit: int) -> Iterator[Row]:
        """Take rows of about ``limit`` bytes together."""
        taken = 0
        while self._waiting and taken < limit:
            row = self._piece() if self._packed or len(self._waiting[0].body) > ROW_BYTES else self._list()
            taken += len(row.body)
            yield row

    def _list(self) -> Row:
        control = self._waiting[0].control
        bodies: list[bytes] = []
        size = 0
        while self._waiting:
            message = self._waiting[0]
            length = len(message.body)
            if message.control != control or (bodies and size + HEAD_BYTES + length > ROW_BYTES):
                break
            bodies.append(self._waiting.popleft().body)
            size += HEAD_BYTES + length
        self.size -= size
        framed = b"".join(chain.from_iterable((len(body).to_bytes(HEAD_BYTES, "big"), body) for body in bodies))
        return self._row(WHOLE | (CONTROL if control else 0), framed)

    def _piece(self) -> Row:
        body, begin = self._waiting[0].body, self._packed
        self._packed = end = min(begin + ROW_BYTES, len(body))
        self.size -= end - begin
        part = 0 if begin else BEGINS
        if end == len(body):
            self._waiting.popleft()
            self._packed = 0
            self.size -= HEAD_BYTES
            part |= ENDS
        return self._row(part, body[begin:end])

    def _row(self, part: int, body: bytes) -> Row:
        self._number += 1
        return Row(self._number, part, body)


class Gap(Exception):
    """Rows are missing before this one."""


class Unpacker:
    """The rows of one member, as they come."""

    def __init__(self) -> None:
        self.next = 1
        """Number of the next row."""
        self._pieces: list[bytes] | None = None

    def take(self, row: Row) -> list[Message]:
        """The messages that are whole with this row; none for one that was here already.

        Raises ``Gap`` when rows before this one were lost; ``take`` it again then."""
        if row.number < self.next:
            return []
        if row.number > self.next:
            self.next = row.number
            self._pieces = None
            raise Gap
        self.next += 1
        if row.part & WHOLE == WHOLE:
            self._pieces = None
            return list(_messages(row))
        if row.part & BEGINS:
            self._pieces = []
        if self._pieces is None:  # its beginning was lost, and that was told
            return []
        self._pieces.append(row.body)
        if not row.part & ENDS:
            return []
        body, self._pieces = b"".join(self._pieces), None
        return [Message(body)]


def _messages(row: Row) -> Iterator[Message]:
    at = 0
    while at < len(row.body):
        length = int.from_bytes(row.body[at : at + HEAD_BYTES], "big")
        at += HEAD_BYTES
        yield Message(row.body[at : at + length], bool(row.part & CONTROL))
        at += length
