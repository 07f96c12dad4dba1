"""``PostgresStore`` when the server, the network or another gateway is in the way. A real server of its own."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from clawdbot_ext.protocol.errors import Unavailable
from clawdbot_ext.store.api import Media, SchemaTooNew, Store, StoreDamaged
from clawdbot_ext.store.postgres import jobs, schema
from clawdbot_ext.store.postgres.keeper import InUse
from clawdbot_ext.store.postgres.store import PostgresStore
from tests.store.kit import MAIN, body, finish, read, say, send, texts
from tests.support.in_process import until
from tests.support.postgres import Postgres
from tests.support.tcp_proxy import TcpProxy
from tests.support.wire import run

BOUND_S = 120.0


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with Postgres(fsync=True) as server:
        yield server


@pytest.fixture
def url(server: Postgres) -> str:
    return server.create()


async def opened(url: str, **options: Any) -> PostgresStore:
    store = PostgresStore(url, **options)
    await store.open()
    return store


def driven(scenario: Any) -> None:
    run(asyncio.wait_for(scenario, BOUND_S))


# -- opening -----------------------------------------------------------------------------------------------------------
def test_ten_stores_that_open_a_new_database_at_once_migrate_it_once(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "clawdbot_ext.store.postgres")

    async def scenario() -> None:
        stores = await asyncio.gather(*(opened(url, exclusive=False) for _ in range(10)))
        await asyncio.gather(*(say(store, str(n)) for n, store in enumerate(stores)))
        page = await stores[0].history(session_key=MAIN, limit=20)
        assert [message.seq for message in page.messages] == list(range(1, 11))
        assert sorted(texts(page)) == [str(n) for n in range(10)]
        await asyncio.gather(*(store.close() for store in stores))

    driven(scenario())
    assert caplog.text.count("a new database") == 1


def test_two_gateways_that_change_one_record_at_once_lose_no_change(url: str) -> None:
    async def scenario() -> None:
        stores = [await opened(url, exclusive=False) for _ in range(2)]
        changes = (
            store.change_record("rule", "a", lambda record: {"n": (record or {"n": 0})["n"] + 1}, now=1)
            for store in stores
            for _ in range(20)
        )
        await asyncio.gather(*changes)
        assert await stores[0].get_record("rule", "a") == {"n": 40}
        await asyncio.gather(*(store.close() for store in stores))

    driven(scenario())


def test_a_file_that_another_gateway_gives_anew_at_this_moment_is_not_removed(url: str) -> None:
    async def scenario() -> None:
        store = await opened(url, exclusive=False)
        facts: dict[str, Any] = {"owner": "ann", "mime_type": "image/png", "kind": "image", "size": 1, "facts": {}}
        await store.add_media(Media(id="m", sha256="m", name="m", created_at=10, **facts))
        with psycopg.connect(url) as other:  # a send of another gateway, which has not committed yet
            other.execute("UPDATE media SET created_at = 500 WHERE id = 'm'")
            removing = asyncio.create_task(store.remove_media(["m"], now=600, before=100))
            with psycopg.connect(url, autocommit=True) as look:
                waiting = (
                    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'DELETE%'"
                )
                await until(lambda: look.execute(waiting).fetchone() != (0,), BOUND_S / 2)
            other.commit()
        assert await removing == []
        assert (await store.get_media("m")) is not None
        await store.close()

    driven(scenario())


def test_a_database_of_a_newer_version_or_of_something_else_is_refused(server: Postgres, url: str) -> None:
    async def scenario() -> None:
        await (await opened(url)).close()
        with psycopg.connect(url, autocommit=True) as conn:
            conn.execute("UPDATE meta SET value = 999")
        with pytest.raises(SchemaTooNew) as newer:
            await opened(url)
        assert (newer.value.found, newer.value.supported) == (999, schema.SCHEMA_VERSION)
        other = server.create()
        with psycopg.connect(other, autocommit=True) as conn:
            conn.execute("CREATE TABLE sessions (id INT)")
        with pytest.raises(StoreDamaged, match="not of this gateway") as foreign:
            await opened(other)
        assert server.password not in str(foreign.value)

    driven(scenario())


def test_a_second_gateway_is_refused_while_the_first_has_the_database(url: str) -> None:
    async def scenario() -> None:
        first = await opened(url)
        with pytest.raises(InUse) as refused:
            await opened(url)
        assert refused.value.reason == "DATABASE_IN_USE"
        await first.close()
        await (await opened(url)).close()

    driven(scenario())


def test_the_lock_is_taken_back_from_a_connection_that_the_gateway_has_lost(url: str) -> None:
    async def scenario() -> None:
        store = await opened(url)
        lost, store._keeper_link._conn = store._keeper_link._conn, None  # the server has not missed it
        await store.look()
        while not store.health.ok:
            await store.look()
        with pytest.raises(InUse):
            await opened(url)
        assert lost is not None
        lost.close()
        await store.close()

    driven(scenario())


def test_a_gateway_that_finds_the_database_taken_writes_nothing_more(server: Postgres, url: str) -> None:
    async def scenario() -> None:
        with TcpProxy(server.port) as proxy:
            first = await opened(server.url(url.rsplit("/", 1)[1], port=proxy.port))
            await say(first, "a")
            proxy.cut()
            while True:
                try:
                    second = await opened(url)
                    break
                except InUse:  # the server has not missed the connection yet
                    await asyncio.sleep(0.05)
            while first.health.state != "fenced":
                await first.look()
            with pytest.raises(Unavailable) as late:
                await say(first, "b")
            assert late.value.reason == "FENCED"
            assert await read(second) == ["a"]
            await second.close()
            while not first.health.ok:
                await first.look()
            await say(first, "c")
            await first.close()

    driven(scenario())


# -- commits whose answers are lost ------------------------------------------------------------------------------------
def is_commit(sent: bytes, before: bytes) -> bool:
    return b"COMMIT" in sent and b"INTO commits" in before


@pytest.mark.parametrize("arrives", [True, False])
def test_a_commit_whose_answer_is_lost_is_settled_and_done_once(server: Postgres, url: str, arrives: bool) -> None:
    async def scenario() -> None:
        with TcpProxy(server.port) as proxy:
            store = await opened(f"{server.url(url.rsplit('/', 1)[1], port=proxy.port)}")

            def once(sent: bytes, before: bytes) -> bool:
                return not proxy.lost and is_commit(sent, before)

            proxy.keeps, proxy.loses = not arrives, once
            accepted = await send(store, uuid.uuid4().hex)
            assert proxy.lost == 1
            page = await store.history(session_key=MAIN, limit=9)
            assert accepted.message is not None and not accepted.existing
            assert [message.id for message in page.messages] == [accepted.message.id]
            assert page.messages[0].seq == 1 and body(page.messages[0])["runId"] == accepted.run.run_id
            await store.close()

    driven(scenario())


# -- a server that goes and comes --------------------------------------------------------------------------------------
async def settled(store: Store, run_id: str, key: str, text: str) -> None:
    """Send until it is accepted, as a client does."""
    while True:
        try:
            await send(store, run_id, text, key=key)
            await finish(store, run_id, f"re: {text}")
            return
        except Unavailable as error:
            if error.reason != "STORAGE_AWAY":
                raise
            await store.look()


@pytest.mark.slow
def test_nothing_accepted_is_lost_or_doubled_when_the_server_crashes_under_load(server: Postgres, url: str) -> None:
    async def scenario() -> None:
        store = await opened(url)
        keys = [f"agent:main:{n}" for n in range(4)]
        said = 0

        async def producer(key: str) -> None:
            nonlocal said
            for n in range(15):
                await settled(store, uuid.uuid4().hex, key, str(n))
                said += 1

        producers = asyncio.gather(*(producer(key) for key in keys))
        for crash in (10, 30):
            while said < crash:
                await asyncio.wait([producers], timeout=0.02)
            await asyncio.to_thread(server.restart, "immediate")
        await producers
        for key in keys:
            page = await store.history(session_key=key, limit=100)
            assert texts(page) == [text for n in range(15) for text in (str(n), f"re: {n}")]
            assert [message.seq for message in page.messages] == list(range(1, 31))
        while not store.health.ok:
            await store.look()
        await store.close()

    driven(scenario())


def test_while_the_server_is_away_accesses_fail_coded_and_then_go_on(
    server: Postgres, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clawdbot_ext.store.postgres.jobs.PATIENCE_S", 0.2)
    monkeypatch.setattr("clawdbot_ext.store.postgres.store.PATIENCE_S", 0.2)

    async def scenario() -> None:
        store = await opened(url)
        await say(store, "a")
        await asyncio.to_thread(server.stop)
        for access in (say(store, "b"), read(store)):
            with pytest.raises(Unavailable) as away:
                await access
            assert away.value.reason == "STORAGE_AWAY" and away.value.retryable
            assert server.password not in str(away.value.to_wire())
        assert store.health.state == "away"
        await store.look()
        assert store.health.state == "away"
        await asyncio.to_thread(server.start)
        while not store.health.ok:
            await store.look()
        await say(store, "c")
        assert await read(store) == ["a", "c"]
        await store.close()

    driven(scenario())


# -- other gateways ----------------------------------------------------------------------------------------------------
def test_a_gateway_that_is_taken_for_dead_writes_nothing_more(url: str) -> None:
    async def scenario() -> None:
        store = await opened(url, exclusive=False, fence=lambda: 7)
        with psycopg.connect(url, autocommit=True) as conn:
            conn.execute("INSERT INTO gateways (id, member, lease_until) VALUES (7, 'a', clock_timestamp())")
            await say(store, "a")
            conn.execute("UPDATE gateways SET ended_at = clock_timestamp()")
        with pytest.raises(Unavailable) as late:
            await say(store, "b")
        assert late.value.reason == "FENCED" and store.health.state == "fenced"
        assert await read(store) == ["a"]
        await store.close()

    driven(scenario())


def test_a_transaction_that_others_were_in_the_way_of_is_carried_out_again(url: str) -> None:
    async def scenario() -> None:
        stores = [await opened(url, exclusive=False) for _ in range(2)]
        run_id = uuid.uuid4().hex
        # The same key in two sessions: neither sees the other before one of them is committed.
        outcomes = await asyncio.gather(
            *(send(store, run_id, key=f"agent:main:{n}") for n, store in enumerate(stores)), return_exceptions=True
        )
        assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Accepted", "IdempotencyConflict"]
        for store in stores:
            await store.close()

    driven(scenario())


def test_the_locks_of_two_keys_differ() -> None:
    assert jobs.of_session("agent:main:main", None) != jobs.of_session("agent:main:other", None)
