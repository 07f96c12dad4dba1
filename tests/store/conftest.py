"""A store to run scenarios against: every backend keeps the same promises."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from clawdbot_ext.store.api import Store
from clawdbot_ext.store.postgres.spaces import schema_of
from clawdbot_ext.store.postgres.store import PostgresStore
from clawdbot_ext.store.sqlite import SqliteStore, open_store

if TYPE_CHECKING:
    from tests.support.postgres import Postgres

Scenario = Callable[[Any], Awaitable[Any]]

BACKENDS = ("sqlite", "postgres")
BOUND_S = 60.0


def drive_store(store: Store, scenario: Scenario) -> Any:
    async def main() -> Any:
        await store.open()
        try:
            return await scenario(store)
        finally:
            await store.close()

    return asyncio.run(asyncio.wait_for(main(), BOUND_S))


@pytest.fixture(scope="session")
def database_url(postgres_server: Postgres) -> Iterator[str]:
    """The address of one database for all tests of this process; ``empty_url`` empties it."""
    url = postgres_server.create()
    yield url
    postgres_server.drop(url)


@pytest.fixture
def empty_url(database_url: str) -> str:
    """The address of a database in which nothing is stored."""
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute(
            """DO $$ DECLARE found TEXT; BEGIN
                FOR found IN SELECT relname FROM pg_class WHERE relkind = 'r' AND relname <> 'meta'
                    AND relnamespace = 'public'::regnamespace ORDER BY relname = 'transcripts', relname LOOP
                    EXECUTE format('DELETE FROM %I', found);
                END LOOP;
                IF to_regclass('meta') IS NOT NULL THEN
                    DELETE FROM meta WHERE name NOT LIKE '%\\_version';
                END IF;
            END $$"""
        )
    return database_url


@pytest.fixture(params=BACKENDS)
def make_store(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Store]:
    """Make a store of each engine, not opened yet; those that one test makes have the same data. ``space``: in a schema
    of its own."""
    if request.param == "sqlite":
        return lambda: open_store(tmp_path / "gateway.sqlite3")
    if request.param == "space":
        url, schema = request.getfixturevalue("database_url"), schema_of(f"u_{uuid.uuid4().hex}")
        return lambda: PostgresStore(url, schema=schema)
    url = request.getfixturevalue("empty_url")
    return lambda: PostgresStore(url)


@pytest.fixture
def drive(make_store: Callable[[], Store]) -> Callable[[Scenario], Any]:
    """Run ``scenario(store)`` on an opened store, bounded, and close it. Each call opens the same data again."""
    return lambda scenario: drive_store(make_store(), scenario)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Path for an SQLite database."""
    return tmp_path / "jupyter" / "gateway.sqlite3"


@pytest.fixture
def drive_sqlite(path: Path) -> Callable[..., Any]:
    """As ``drive``, for what is promised of the SQLite file; keywords go to ``SqliteStore``."""
    return lambda scenario, **options: drive_store(SqliteStore(path, **options), scenario)
