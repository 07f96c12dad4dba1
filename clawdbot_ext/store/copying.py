"""A copy of everything that a store keeps into another one, of the same engine or of another.

Rows go over by their keys, in batches that are committed, so that a copy that was cut off goes on after the last one.
Afterwards both sides are read again and compared by the number of rows and a hash of each table. A row keeps all that
it has: texts byte for byte, its number, times, what waits to be undone. What is derived from rows (the index of words,
which message names which file) is made anew. Above: ``cli``. Below: ``copy_ends`` and ``postgres.copy_end``.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from . import meta
from .connection import Connection

ROWS = 200
"""Rows of a batch. A message is of some KB, with what tools returned."""


@dataclass(frozen=True)
class Table:
    """One table, and the columns by which its rows are found and sorted."""

    name: str
    key: tuple[str, ...]
    numbered: bool = False
    """Whether its rows have a ``rowid`` that others refer to, or that tells their order."""


TABLES = (
    Table("transcripts", ("session_id",), numbered=True),
    Table("sessions", ("key",), numbered=True),
    Table("messages", ("rowid",), numbered=True),
    Table("clears", ("batch",)),
    Table("removed", ("session_id", "seq")),
    Table("trash", ("session_id", "to_seq")),
    Table("deleted_sessions", ("key",)),
    Table("runs", ("position",)),
    Table("records", ("kind", "id")),
    Table("usage", ("rowid",), numbered=True),
    Table("changes", ("position",)),
    Table("media", ("id",)),
)
"""In an order in which each row finds what it refers to."""
FACTS = ("deleted_epoch",)
"""Facts of the whole database (``meta``) that belong to its contents."""
COPYING = "copying"
"""The fact that marks a target that is not whole yet; its value tells where it is copied from."""


class End(Protocol):
    """A store as one end of a copy. Its methods block; one thread calls them."""

    place: str
    """Its address as people know it, without any secret."""

    def reading(self) -> AbstractContextManager[Connection]:
        """A connection that sees one moment of the store, however long it is used, and holds up no writer."""

    def writing(self) -> AbstractContextManager[Connection]:
        """A connection inside a transaction, which is committed at the end."""

    def columns(self, conn: Connection, table: str) -> frozenset[str]:
        """The names of the columns of a table, without ``rowid``."""

    def prepare(self) -> None:
        """Make the tables where there are none. Raises ``Refused``: they are not for this version."""

    def finish(self) -> None:
        """All rows are here: make what is derived from them, and take the mark away."""


class Refused(Exception):
    """The copy was not made; ``reason`` is the key of a text, with ``facts`` for its places."""

    def __init__(self, reason: str, **facts: Any):
        super().__init__(f"{reason} {facts}")
        self.reason, self.facts = reason, facts


@dataclass(frozen=True)
class Copied:
    """One table, as it is on both ends now."""

    rows: int
    sha256: str


Progress = Callable[[str, int, int], None]
"""Takes the name of a table, how many of its rows are done, and how many there are."""


def copy(source: End, target: End, progress: Progress, *, comparing: Progress) -> Mapping[str, Copied]:
    """Copy all rows, or those that an earlier call did not come to. Raises ``Refused``, and the errors of both ends."""
    target.prepare()
    origin = int.from_bytes(hashlib.sha256(source.place.encode()).digest()[:7], "big")
    with source.reading() as reads:
        if _begin(target, origin):
            _fill(source, reads, target, progress)
        found = _compared(source, reads, target, comparing)
        if found is None:  # the source has changed since the copy began
            _clear(target)
            _fill(source, reads, target, progress)
            found = _compared(source, reads, target, comparing)
        if found is None:
            raise Refused("differs", place=target.place)
        with target.writing() as writes:
            for name in FACTS:
                if (value := meta.get_meta(reads, name)) is not None:
                    meta.set_meta(writes, name, value)
    target.finish()
    return found


def _begin(target: End, origin: int) -> bool:
    """Mark the target as one that is being copied to. Raises ``Refused``: it has data of something else."""
    with target.writing() as writes:
        known = meta.get_meta(writes, COPYING)
        if known is None:
            if any(writes.execute(f"SELECT 1 FROM {table.name} LIMIT 1").fetchone() for table in TABLES):
                raise Refused("notEmpty", place=target.place)
            meta.set_meta(writes, COPYING, origin)
        elif int(known) != origin:
            raise Refused("otherCopy", place=target.place)
    return True


def _clear(target: End) -> None:
    with target.writing() as writes:
        for table in reversed(TABLES):
            writes.execute(f"DELETE FROM {table.name}")


def _columns(source: End, reads: Connection, target: End, writes: Connection, table: Table) -> tuple[str, ...]:
    """The columns of a table, those of the key first. Raises ``Refused``: one end has others than the other."""
    theirs, ours = source.columns(reads, table.name), target.columns(writes, table.name)
    if theirs != ours:
        raise Refused("columns", table=table.name, columns=", ".join(sorted(theirs ^ ours)))
    names = ["rowid", *sorted(theirs)] if table.numbered else sorted(theirs)
    return (*table.key, *(name for name in names if name not in table.key))


def _fill(source: End, reads: Connection, target: End, progress: Progress) -> None:
    for table in TABLES:
        with target.writing() as writes:
            columns = _columns(source, reads, target, writes, table)
            order = ", ".join(f"{name} DESC" for name in table.key)
            last = writes.execute(
                f"SELECT {', '.join(table.key)} FROM {table.name} ORDER BY {order} LIMIT 1"
            ).fetchone()
            (done,) = writes.execute(f"SELECT count(*) FROM {table.name}").fetchone()
        (total,) = reads.execute(f"SELECT count(*) FROM {table.name}").fetchone()
        progress(table.name, done, total)
        places = ", ".join("?" * len(columns))
        insert = f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({places})"
        for batch in _batches(reads, table, columns, last):
            with target.writing() as writes:
                for row in batch:
                    writes.execute(insert, [plain(value) for value in row])
            done += len(batch)
            progress(table.name, done, total)


def _batches(
    conn: Connection, table: Table, columns: Sequence[str], last: Sequence[Any] | None = None
) -> Iterator[list[Sequence[Any]]]:
    """The rows of a table after ``last``, in the order of their keys."""
    key = ", ".join(table.key)
    start = f"SELECT {', '.join(columns)} FROM {table.name}"
    end = f"ORDER BY {key} LIMIT {ROWS}"
    after = f"{start} WHERE ({key}) > ({', '.join('?' * len(table.key))}) {end}"
    while True:
        rows = (conn.execute(f"{start} {end}") if last is None else conn.execute(after, list(last))).fetchall()
        if rows:
            yield rows
        if len(rows) < ROWS:
            return
        last = rows[-1][: len(table.key)]


def _compared(source: End, reads: Connection, target: End, comparing: Progress) -> Mapping[str, Copied] | None:
    """Contents of both ends; ``None`` where they differ."""
    found = {}
    with target.reading() as copied:
        for number, table in enumerate(TABLES, 1):
            columns = _columns(source, reads, target, copied, table)
            ours, theirs = (_hash(conn, table, columns) for conn in (reads, copied))
            if ours != theirs:
                return None
            found[table.name] = ours
            comparing(table.name, number, len(TABLES))
    return found


def _hash(conn: Connection, table: Table, columns: Sequence[str]) -> Copied:
    digest, count = hashlib.sha256(), 0
    for batch in _batches(conn, table, columns):
        for row in batch:
            for value in row:
                _feed(digest, plain(value))
        count += len(batch)
    return Copied(count, digest.hexdigest())


def _feed(digest: Any, value: Any) -> None:
    """One value in a form that is the same in every engine, and that no other value has."""
    if value is None:
        digest.update(b"n")
    elif isinstance(value, float):
        digest.update(b"f" + struct.pack(">d", value))
    elif isinstance(value, int):
        digest.update(b"i%d;" % value)
    else:
        data = value.encode()
        digest.update(b"s%d;" % len(data) + data)


def plain(value: Any) -> Any:
    """A value as every engine can keep it: PostgreSQL has no NUL in texts. Messages are JSON, which has none."""
    return value.replace("\0", "\ufffd") if isinstance(value, str) and "\0" in value else value
