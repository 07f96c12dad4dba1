"""PostgreSQL is killed, restarted and cut off under load: what was acknowledged is there once, in its order.

``CLAWDBOT_TRIALS=20`` makes so many of each kind; without it there is one.
"""

from __future__ import annotations

import asyncio
import os
import uuid
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import psycopg
import pytest

from clawdbot_ext.protocol.errors import StorageFull, Unavailable
from clawdbot_ext.store import failpoints
from clawdbot_ext.store.postgres import connection, jobs
from clawdbot_ext.store.postgres import store as store_module
from clawdbot_ext.store.postgres.store import PostgresStore
from tests.store.kit import MAIN, read, reply, say, user
from tests.support.clusters import Cable
from tests.support.postgres import Postgres
from tests.support.wire import run

pytestmark = pytest.mark.slow
TRIALS = int(os.environ.get("CLAWDBOT_TRIALS", "1"))
BOUND_S = 120.0
SENDERS = 4
COMMITTED = b"C\x00\x00\x00\x0bCOMMIT\x00"
"""The answer of a server to a commit."""
PASSING = {"STORAGE_AWAY", "STORAGE_BUSY"}
T = TypeVar("T")


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """A server of this module's own, which keeps what it says that it keeps."""
    with Postgres(fsync=True, trust=False) as server:
        yield server


class Scissors(Cable):
    """A cable that is cut in the middle of bytes, or before an answer to a commit comes through."""

    def __init__(self, port: int):
        super().__init__(port)
        self.cuts = 0
        self.at: deque[int] = deque()
        """Bytes that still pass, in both directions together, before each cut."""
        self.lose_answers = 0
        """The number of commits whose answer is lost."""

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(65_536):
            await self._whole.wait()
            if self.lose_answers and COMMITTED in data:
                self.lose_answers -= 1
                self._cut()
            if self.at and len(data) >= self.at[0]:
                target.write(data[: self.at.popleft()])
                self._cut()
            if self.at:
                self.at[0] -= len(data)
            target.write(data)
            await target.drain()

    def _cut(self) -> None:
        self.cuts += 1
        raise ConnectionResetError


@dataclass
class History:
    """Clients that send, and what they were told."""

    store: PostgresStore
    acked: int = 0
    reasons: set[str] = field(default_factory=set)
    """Why they were refused."""
    stopping: bool = False
    appended: list[str] = field(default_factory=list)
    """Texts that were acknowledged, without a key that would tell a second attempt from the first."""
    unknown: set[str] = field(default_factory=set)
    """Texts of which it was not said whether they are there."""
    runs: dict[str, list[str]] = field(default_factory=dict)
    """Session → texts of questions and replies."""
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def begin(self) -> None:
        """Let them send."""
        senders = [self.converse(f"agent:main:{uuid.uuid4().hex}") for _ in range(SENDERS)]
        self.tasks = [asyncio.ensure_future(each) for each in (*senders, self.append(), self.append())]
        for task in self.tasks:
            task.add_done_callback(lambda _: self._news.set())

    async def until(self, acked: int) -> None:
        """Wait for so many acknowledgements more."""
        wanted = self.acked + acked
        while self.acked < wanted:
            assert not any(task.done() for task in self.tasks), self.tasks
            self._news.clear()
            await self._news.wait()

    async def insist(self, call: Callable[[], Awaitable[T]]) -> T:
        """Ask until it is done, as a client with an idempotency key does."""
        while True:
            try:
                value = await call()
            except Unavailable as error:
                self.reasons.add(error.reason)
                await asyncio.sleep(0.02)
            else:
                self.acked += 1
                self._news.set()
                return value

    async def converse(self, key: str) -> None:
        """Ask and answer in a session."""
        said = self.runs.setdefault(key, [])
        while not self.stopping:
            run_id, question, answer = uuid.uuid4().hex, f"question {len(said)}", f"answer {len(said)}"
            await self.insist(
                lambda run_id=run_id, question=question: self.store.accept_run(
                    run_id=run_id,
                    session_key=key,
                    request_hash="h",
                    message=user(question),
                    options={},
                    start=True,
                    now=1,
                )
            )
            await self.insist(
                lambda run_id=run_id, answer=answer: self.store.finish_run(
                    run_id, state="done", message=reply(answer), result={"status": "ok"}, now=2
                )
            )
            said += question, answer

    async def append(self) -> None:
        """Write into one session, and do not try again."""
        while not self.stopping:
            text = uuid.uuid4().hex
            try:
                await self.store.append(session_key=MAIN, message=user(text), now=1, create=True)
            except Unavailable as error:
                self.reasons.add(error.reason)
                self.unknown.add(text)
                await asyncio.sleep(0.02)
            else:
                self.appended.append(text)
                self.acked += 1
                self._news.set()

    async def check(self) -> None:
        """Compare what they were told with what is there."""
        assert self.reasons <= PASSING
        for key, said in self.runs.items():
            assert await read(self.store, key, 100_000) == said
        there = await read(self.store, MAIN, 100_000)
        assert len(set(there)) == len(there), "none is there twice"
        assert [text for text in there if text not in self.unknown] == self.appended
        assert {*there} <= {*self.appended, *self.unknown}


async def trials(store: PostgresStore, *rounds: Callable[[], Awaitable[Any] | None]) -> History:
    """Let clients send while each of the rounds is done, between acknowledgements."""
    await store.open()
    history = History(store)
    history.begin()
    try:
        for number, act in enumerate(rounds):
            await history.until(10 + 7 * number % 5)
            waits = act()
            if waits is not None:
                await waits
        await history.until(10)
    finally:
        history.stopping = True
        await asyncio.gather(*history.tasks)
    await history.check()
    await store.close()
    return history


def test_nothing_acknowledged_is_lost_or_doubled_by_crashes_of_the_server(server):
    def crashes(end: Callable[[], None]) -> Callable[[], Awaitable[None]]:
        def end_and_start() -> None:
            end()
            server.start()

        return lambda: asyncio.to_thread(end_and_start)

    kinds = (crashes(server.kill), crashes(lambda: server.stop("immediate")), crashes(server.stop))
    history = run(trials(PostgresStore(server.create()), *(kind for _ in range(TRIALS) for kind in kinds)), BOUND_S)
    assert history.acked > 10 * 3 * TRIALS


def test_nothing_is_lost_or_doubled_when_the_answers_to_commits_are(server, caplog):
    async def main() -> None:
        async with Scissors(server.port) as cable:

            def lose() -> None:
                cable.lose_answers = 3

            await trials(PostgresStore(server.url(database, port=cable.port)), *[lose] * (3 * TRIALS))
            assert cable.cuts >= 9 * TRIALS - 3

    database = server.create().rsplit("/", 1)[1]
    run(main(), BOUND_S)
    assert "it came about" in caplog.text


def test_nothing_is_lost_or_doubled_when_connections_are_cut_anywhere(server):
    async def main() -> None:
        async with Scissors(server.port) as cable:

            def cut() -> None:
                cable.at.extend(50 * step * step + 7 for step in range(1, 10))

            await trials(PostgresStore(server.url(database, port=cable.port)), *[cut, cable.reset] * TRIALS)
            assert cable.cuts >= 5 * TRIALS

    database = server.create().rsplit("/", 1)[1]
    run(main(), BOUND_S)


def test_a_commit_without_an_answer_is_not_made_again_when_another_writer_is_in_the_way(postgres_server, monkeypatch):
    url = postgres_server.create()

    async def main() -> None:
        async with Scissors(postgres_server.port) as cable:
            store = PostgresStore(postgres_server.url(url.rsplit("/", 1)[1], port=cable.port))
            await store.open()
            await say(store, "before")
            number, failed = jobs.of_session, []

            def in_the_way(key: str, schema: str | None) -> int:
                if cable.cuts and not failed:
                    failed.append(key)
                    raise psycopg.errors.DeadlockDetected
                return number(key, schema)

            monkeypatch.setattr(jobs, "of_session", in_the_way)
            cable.lose_answers = 1
            await say(store, "once")
            assert failed and await read(store) == ["before", "once"]
            await store.close()

    run(main(), BOUND_S)
    postgres_server.drop(url)


def test_a_server_that_swallows_everything_is_given_up_and_found_again(postgres_server, monkeypatch):
    url = postgres_server.create()
    monkeypatch.setattr(connection, "CONNECT_TIMEOUT_S", 2)  # the least that libpq takes
    monkeypatch.setattr(jobs, "PATIENCE_S", 0.5)
    monkeypatch.setattr(store_module, "ANSWER_S", 0.5)

    async def main() -> None:
        async with Scissors(postgres_server.port) as cable:
            store = PostgresStore(postgres_server.url(url.rsplit("/", 1)[1], port=cable.port))
            await store.open()
            await say(store, "before")
            cable.cut()
            waiting = asyncio.ensure_future(say(store, "held"))
            while not waiting.done():
                await store.look()
            assert store.health.state == "away"
            with pytest.raises(Unavailable) as told:
                await waiting
            assert told.value.reason == "STORAGE_AWAY" and told.value.retryable
            cable.mend()
            while not store.health.ok:
                await store.look()
            await say(store, "later")
            assert await read(store) == ["before", "later"]
            await store.close()

    run(main(), BOUND_S)
    postgres_server.drop(url)


def test_what_is_committed_is_acknowledged_whatever_fails_after_that(postgres_server):
    url = postgres_server.create()

    async def main() -> None:
        store = PostgresStore(url)
        await store.open()
        failpoints.arm("store.committed=EIO")
        await say(store, "there")
        failpoints.arm("")
        await say(store, "next")
        assert await read(store) == ["there", "next"]
        await store.close()

    try:
        run(main(), BOUND_S)
    finally:
        failpoints.arm("")
    postgres_server.drop(url)


FAIL = """CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF nextval('failures') <= {times} THEN RAISE EXCEPTION 'as asked' USING ERRCODE = '{state}'; END IF;
    RETURN new;
END $$"""


@pytest.mark.parametrize(
    ("state", "failure", "reason"),
    [
        ("53100", StorageFull, "STORAGE_FULL"),
        ("53200", Unavailable, "STORAGE_ERROR"),
        ("58030", Unavailable, "STORAGE_ERROR"),
        ("57014", Unavailable, "STORAGE_BUSY"),
        ("40001", None, ""),
        ("40P01", None, ""),
    ],
)
def test_a_failing_server_is_told_by_its_name_and_leaves_nothing_behind(postgres_server, state, failure, reason):
    url = postgres_server.create()

    async def main() -> None:
        store = PostgresStore(url)
        await store.open()
        await say(store, "before")
        with psycopg.connect(url) as conn:
            conn.execute("CREATE SEQUENCE failures")
            conn.execute(FAIL.format(times=1 if failure else 3, state=state))
            # At the last table of a message: its own row is written already.
            conn.execute("CREATE TRIGGER fail BEFORE INSERT ON search FOR EACH ROW EXECUTE FUNCTION fail()")
        if failure is None:
            await say(store, "tried again")
            assert await read(store) == ["before", "tried again"]
        else:
            with pytest.raises(failure) as told:
                await say(store, "refused")
            assert told.value.reason == reason
            assert await read(store) == ["before"]
            await say(store, "later")
            assert await read(store) == ["before", "later"]
        await store.close()

    run(main(), BOUND_S)
    postgres_server.drop(url)


def test_a_statement_that_takes_too_long_is_given_up_and_its_session_goes_on(postgres_server, monkeypatch):
    monkeypatch.setattr(connection, "STATEMENT_TIMEOUT_MS", 300)
    url = postgres_server.create()

    async def main() -> None:
        store = PostgresStore(url)
        await store.open()
        await say(store, "before")
        with psycopg.connect(url) as other:
            other.execute("LOCK TABLE messages IN SHARE MODE")
            with pytest.raises(Unavailable) as told:
                await say(store, "refused")
            assert told.value.reason == "STORAGE_BUSY"
            assert await read(store) == ["before"], "reading goes on"
        await say(store, "later")
        assert await read(store) == ["before", "later"]
        await store.close()

    run(main(), BOUND_S)
    postgres_server.drop(url)
