"""A store to run scenarios against: every backend keeps the same promises."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from clawdbot_ext.store.api import Store
from clawdbot_ext.store.sqlite import SqliteStore, open_store

Scenario = Callable[[Any], Awaitable[Any]]

BACKENDS: dict[str, Callable[[Path], Store]] = {"sqlite": lambda folder: open_store(folder / "gateway.sqlite3")}

BOUND_S = 30.0


def drive_store(store: Store, scenario: Scenario) -> Any:
    async def main() -> Any:
        await store.open()
        try:
            return await scenario(store)
        finally:
            await store.close()

    return asyncio.run(asyncio.wait_for(main(), BOUND_S))


@pytest.fixture(params=BACKENDS)
def drive(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Scenario], Any]:
    """Run ``scenario(store)`` on an opened store, bounded, and close it. Each call opens the same data again."""
    return lambda scenario: drive_store(BACKENDS[request.param](tmp_path), scenario)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Path for an SQLite database."""
    return tmp_path / "jupyter" / "gateway.sqlite3"


@pytest.fixture
def drive_sqlite(path: Path) -> Callable[..., Any]:
    """As ``drive``, for what is promised of the SQLite file; keywords go to ``SqliteStore``."""
    return lambda scenario, **options: drive_store(SqliteStore(path, **options), scenario)
