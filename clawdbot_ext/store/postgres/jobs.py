"""Jobs on PostgreSQL: each one a transaction, carried out by a thread whose connection comes back when the server does.

A job that writes takes the advisory locks of its keys first, so that no other writer of any gateway is at the same
sessions, and looks whether its gateway still may (``gateways.FENCE``). What another transaction was in the way of is
carried out again. A commit whose answer was lost is settled before anything else: the transaction also wrote its
number into the row of this thread in ``commits``, and the next holder of the same locks sees whether it is there.
(The status of its transaction id would not do: after a crash of the server the same id can be given again.)
Above: ``store``. Below: ``connection``, ``failures``.
"""

from __future__ import annotations

import logging
import random
import time
import uuid
from collections.abc import Callable, Sequence
from threading import Event

import psycopg

from ...protocol.errors import GatewayError
from .. import failpoints
from ..threads import Explain, Job
from .connection import PostgresConnection, connect
from .failures import AGAIN, fenced, is_away
from .gateways import FENCE
from .locks import of_session

log = logging.getLogger(__name__)

PATIENCE_S = 5.0
"""Seconds from its submission for which a job waits for the server."""
SETTLE_S = 30.0
"""Seconds for which it does so once its commit was sent."""
FIRST_WAIT_S, LONGEST_WAIT_S = 0.05, 2.0
"""Between two attempts to connect."""
ATTEMPTS = 8
"""Of a job that others, or a server that comes and goes, are in the way of."""

_READ = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_WRITE = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
_NUMBER = """INSERT INTO commits (writer, number) VALUES (?, ?) ON CONFLICT (writer) DO UPDATE
    SET number = excluded.number, at = now()"""


class Link:
    """The connection of one thread, made anew when it was lost. ``schema``: as ``connection.connect``."""

    def __init__(self, url: str, name: str, hurry: Event, schema: str | None = None):
        self.schema = schema
        self.writer = uuid.uuid4().hex
        self.number = 0
        """Of the newest transaction that wrote."""
        self._url, self._name = url, name
        self._hurry = hurry
        """Set when the store closes: nothing waits for the server any more."""
        self._conn: PostgresConnection | None = None
        self._next, self._wait = 0.0, FIRST_WAIT_S

    def get(self, until: float) -> PostgresConnection:
        """The connection; waits for the server until then, by ``time.monotonic``. Raises ``psycopg.Error``."""
        if self._conn is not None and self._conn.lost:
            self.drop()
        while self._conn is None:
            pause = self._next - time.monotonic()
            if pause > 0 and (time.monotonic() + pause > until or self._hurry.wait(pause)):
                raise psycopg.OperationalError("the server is away")
            try:
                self._conn = self._connected()
            except psycopg.Error:
                self._next = time.monotonic() + self._wait * random.uniform(0.5, 1.5)
                self._wait = min(2 * self._wait, LONGEST_WAIT_S)
                if self._next > until:
                    raise
            else:
                self._next, self._wait = 0.0, FIRST_WAIT_S
        return self._conn

    def _connected(self) -> PostgresConnection:
        conn = connect(self._url, name=self._name, schema=self.schema)
        try:
            self._made(conn)
        except (psycopg.Error, GatewayError):
            conn.close()
            raise
        return conn

    def _made(self, conn: PostgresConnection) -> None:
        """Prepare a new connection."""

    def forget(self) -> None:
        """Remove its row from ``commits``. Raises ``psycopg.Error``."""
        if self._conn is not None and self.number:
            self._conn.execute("DELETE FROM commits WHERE writer = ?", (self.writer,))
            self._conn.sync()

    def drop(self) -> None:
        """Give the connection up."""
        conn, self._conn = self._conn, None
        if conn is not None:
            conn.close()

    def interrupt(self) -> None:
        if self._conn is not None:
            self._conn.cut()

    close = drop


def read_each(link: Link, jobs: Sequence[Job], explain: Explain) -> None:
    """Carry out reading jobs, each on one snapshot of the database."""
    for job in jobs:
        _carry_out(link, job, explain, _Read(job))


def write_each(on_commit: Callable[[float], None], link: Link, jobs: Sequence[Job], explain: Explain) -> None:
    """Carry out writing jobs, each in a transaction of its own: the server itself puts commits together.

    ``on_commit`` is told how many seconds each took."""
    for job in jobs:
        began = time.monotonic()
        _carry_out(link, job, explain, _Write(job, link))
        on_commit(time.monotonic() - began)


class _Read:
    """A reading job on its way."""

    sent = 0

    def __init__(self, job: Job):
        self._job = job

    def attempt(self, conn: PostgresConnection) -> None:
        failpoints.hit("store.read")
        conn.execute(_READ)
        self._job.value = self._job.function(conn)
        conn.execute("COMMIT")  # nothing depends on its answer, which comes with the next one


class _Write:
    """A writing job on its way."""

    def __init__(self, job: Job, link: Link):
        self._job, self._link = job, link
        self.sent = 0
        """The number of a transaction whose commit was sent, and not answered."""

    def attempt(self, conn: PostgresConnection) -> None:
        job, writer = self._job, self._link.writer
        failpoints.hit("store.write")
        conn.execute(_WRITE)
        for number in sorted({of_session(key, self._link.schema) for key in (writer, *job.keys)}):
            conn.execute("SELECT pg_advisory_xact_lock(?)", (number,))
        if self.sent and self._is_there(conn):
            conn.rollback()
            job.kept = True
            return
        allowed = conn.execute(FENCE, (job.fence,)) if job.fence is not None else None
        self._link.number += 1
        conn.execute(_NUMBER, (writer, self._link.number))
        job.value = job.function(conn)
        if allowed is not None and allowed.fetchone() is None:
            raise fenced()
        failpoints.hit("store.commit")
        self.sent = self._link.number
        try:
            conn.commit()
        except psycopg.Error as error:
            if not (conn.lost or is_away(error)):
                self.sent = 0  # the answer was no
            raise
        self.sent = 0
        job.kept = True
        failpoints.hit("store.committed")

    def _is_there(self, conn: PostgresConnection) -> bool:
        """Whether the transaction whose commit was not answered came about. Its locks are ours, so it has ended."""
        row = conn.execute("SELECT number FROM commits WHERE writer = ?", (self._link.writer,)).fetchone()
        found = row is not None and row[0] == self.sent
        log.warning("the answer to a commit was lost; it %s", "came about" if found else "did not come about")
        self.sent = 0
        return found


def _carry_out(link: Link, job: Job, explain: Explain, way: _Read | _Write) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        conn = None
        try:
            conn = link.get(job.since + (SETTLE_S if way.sent else PATIENCE_S))
            way.attempt(conn)
            return
        except psycopg.Error as error:
            lost = conn is None or conn.lost or is_away(error)
            again = conn is not None and attempt < ATTEMPTS and (lost or error.sqlstate in AGAIN)
            if not again:
                job.error = explain(error)
            if lost or not _rolled_back(conn):
                link.drop()
            if not again:
                return
            log.info("a transaction is carried out again: %s", error.sqlstate or "connection lost")
            if not lost:
                time.sleep(random.uniform(0, 0.01) * attempt)
        except Exception as error:  # noqa: BLE001 - not handled here: the caller that waits gets it
            if not job.kept:
                job.error = explain(error)
            if not _rolled_back(conn):
                link.drop()
            return


def _rolled_back(conn: PostgresConnection | None) -> bool:
    """Leave nothing of a transaction that failed; ``False``: the connection is of no more use."""
    if conn is None:
        return True
    try:
        conn.rollback()
    except psycopg.Error:
        return False
    return True
