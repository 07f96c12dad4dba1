"""Spaces of users in one database: the same keys in each, and nothing shared. The session's server of PostgreSQL."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
import pytest

from clawdbot_ext.store.api import StoreDamaged
from clawdbot_ext.store.copy_ends import SqliteEnd
from clawdbot_ext.store.copying import End, copy
from clawdbot_ext.store.postgres import locks, spaces
from clawdbot_ext.store.postgres.copy_end import PostgresEnd
from clawdbot_ext.store.postgres.keeper import GATEWAY_LOCK, InUse
from clawdbot_ext.store.postgres.spaces import drop_space, schema_of, stored_spaces
from clawdbot_ext.store.postgres.store import PostgresStore
from tests.store.kit import MAIN, finish, read, say, send
from tests.support.aio import run, until

BOUND_S = 120.0
OURS = "datname = current_database() AND pid <> pg_backend_pid()"


@asynccontextmanager
async def opened(url: str, *slugs: str | None, exclusive: bool = True) -> AsyncIterator[list[PostgresStore]]:
    """Stores opened at the same time; ``None``: that of the operator, in no schema of its own."""
    stores = [
        PostgresStore(url, exclusive=exclusive, schema=None if slug is None else schema_of(slug)) for slug in slugs
    ]
    try:
        await asyncio.gather(*(store.open() for store in stores))
        yield stores
    finally:
        for store in stores:
            await store.close()


def new_slugs(count: int) -> list[str]:
    return [f"u_{n}_{uuid.uuid4().hex}" for n in range(count)]


def test_the_same_keys_in_two_spaces_and_the_operator_s_are_three_of_each(postgres_url: str) -> None:
    async def scenario() -> None:
        async with opened(postgres_url, *new_slugs(2), None) as stores:  # each alone in its own: they share no lock
            for n, store in enumerate(stores):
                accepted = await send(store, "r1", f"고래 {n}", request_hash=f"hash {n}")
                assert not accepted.existing
                await finish(store, "r1", f"answer {n}")
                await store.put_record("kind", "id", {"n": n}, now=1)
            for n, store in enumerate(stores):
                assert await read(store) == [f"고래 {n}", f"answer {n}"]
                assert [hit.session_key for hit in await store.search("고래", limit=5)] == [MAIN]
                assert await store.list_records("kind") == [{"n": n}]
                assert await store.count_sessions() == 1
            await stores[0].delete_session(MAIN, delete_transcript=True, now=3)
            assert [await store.count_sessions() for store in stores] == [0, 1, 1]
            assert (await stores[1].get_run("r1")).state == "done"

    run(scenario(), BOUND_S)


def test_a_session_that_is_written_to_holds_up_no_other_space(postgres_url: str) -> None:
    async def scenario() -> None:
        one, other = new_slugs(2)
        async with opened(postgres_url, one, other) as stores:
            with psycopg.connect(postgres_url) as conn:  # one that stands in the middle of a write in the first
                conn.execute("SELECT pg_advisory_xact_lock(%s)", [locks.of_session(MAIN, schema_of(one))])
                held_up = asyncio.create_task(say(stores[0], "late"))
                await asyncio.wait_for(say(stores[1], "at once"), BOUND_S / 2)
                assert not held_up.done()
            await held_up
            assert [await read(store) for store in stores] == [["late"], ["at once"]]

    run(scenario(), BOUND_S)


def test_the_locks_of_all_spaces_differ() -> None:
    schemas = [None, "a", "b"]
    keys = [GATEWAY_LOCK, GATEWAY_LOCK + 1]
    numbers = [locks.of_tables(number, schema) for schema in schemas for number in keys]
    numbers += [locks.of_session(key, schema) for schema in schemas for key in (MAIN, str(GATEWAY_LOCK), "b")]
    assert len(set(numbers)) == len(numbers)


def test_many_spaces_open_for_the_first_time_at_once_each_in_two_gateways(postgres_url: str) -> None:
    async def scenario() -> None:
        slugs = new_slugs(5)
        async with opened(postgres_url, *slugs, *slugs, exclusive=False) as stores:
            await asyncio.gather(*(say(store, slug) for store, slug in zip(stores, [*slugs, *slugs], strict=True)))
            for store, slug in zip(stores, [*slugs, *slugs], strict=True):
                assert await read(store) == [slug, slug]
        assert set(slugs) <= set(stored_spaces(postgres_url))

    run(scenario(), BOUND_S)


def test_a_space_takes_two_connections_and_finds_its_tables_again_when_they_are_lost(postgres_url: str) -> None:
    async def scenario() -> None:
        [slug] = new_slugs(1)
        async with opened(postgres_url, slug) as [store]:
            await say(store, "before")
            assert await read(store) == ["before"]
            with psycopg.connect(postgres_url, autocommit=True) as conn:

                def connections() -> Counter[str]:
                    names = conn.execute(f"SELECT application_name FROM pg_stat_activity WHERE {OURS}").fetchall()
                    return Counter(name.split()[1] for (name,) in names)

                await until(lambda: connections() == {"keeper": 1, "writer-0": 1}, BOUND_S)  # the server is behind
                conn.execute(f"SELECT pg_terminate_backend(pid, 30000) FROM pg_stat_activity WHERE {OURS}")
            await say(store, "after")
            assert await read(store) == ["before", "after"]

    run(scenario(), BOUND_S)


def test_a_space_is_removed_when_no_gateway_has_it_open_and_alone(postgres_url: str) -> None:
    async def scenario() -> None:
        gone, kept = new_slugs(2)
        async with opened(postgres_url, gone, kept, exclusive=False) as stores:
            await asyncio.gather(*(say(store, "hello") for store in stores))
            with pytest.raises(InUse):
                drop_space(postgres_url, gone)
            await stores[0].close()
            drop_space(postgres_url, gone)
            drop_space(postgres_url, gone)  # nothing is left to do
            assert {gone, kept} & set(stored_spaces(postgres_url)) == {kept}
            assert await read(stores[1]) == ["hello"]
        async with opened(postgres_url, gone) as [anew]:
            assert await anew.count_sessions() == 0

    run(scenario(), BOUND_S)


def test_a_space_is_copied_alone_into_a_file_and_back_into_another(postgres_url: str, tmp_path: Path) -> None:
    slugs = new_slugs(3)

    def copied(source: End, target: End) -> None:
        try:
            copy(source, target, lambda *_: None, comparing=lambda *_: None)
        finally:
            source.close()
            target.close()

    async def fill() -> None:
        async with opened(postgres_url, *slugs[:2]) as stores:
            for store, slug in zip(stores, slugs, strict=False):
                await say(store, slug)

    async def compare() -> None:
        async with opened(postgres_url, slugs[2]) as [store]:
            await say(store, "more")
            assert await read(store) == [slugs[0], "more"]

    def end(slug: str) -> PostgresEnd:
        return PostgresEnd(postgres_url, schema=schema_of(slug))

    run(fill(), BOUND_S)
    copied(end(slugs[0]), SqliteEnd(tmp_path / "gateway.sqlite3"))
    copied(SqliteEnd(tmp_path / "gateway.sqlite3"), end(slugs[2]))
    run(compare(), BOUND_S)


@pytest.mark.parametrize("slug", ['x"; DROP SCHEMA public; --', "Ada", "ä", "a b", "", "x" * (spaces.LONGEST_SLUG + 1)])
def test_what_is_no_name_of_a_schema_gets_to_no_database(postgres_url: str, slug: str) -> None:
    schema = schema_of(slug) if slug else ""

    async def scenario() -> None:
        store = PostgresStore(postgres_url, schema=schema)
        with pytest.raises(StoreDamaged, match="name of a schema"):
            await store.open()

    run(scenario(), BOUND_S)
    if slug:
        with pytest.raises(StoreDamaged, match="name of a schema"):
            drop_space(postgres_url, slug)
