"""One transcript in either engine, for what has to come to the same in both."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from clawdbot_ext.store import db
from clawdbot_ext.store import schema as sqlite_schema
from clawdbot_ext.store.postgres import schema
from clawdbot_ext.store.postgres.connection import connect

from .engines import Engines, in_transaction


@pytest.fixture(scope="module")
def opened(postgres_url: str) -> Iterator[Engines]:
    """A transcript ``t`` in SQLite, in memory, and in PostgreSQL."""
    ours, theirs = db.connect_memory(), connect(postgres_url)
    sqlite_schema.migrate(ours, Path("memory"), keep_old=False)
    schema.migrate(theirs, "test")
    for conn in (ours, theirs):
        conn.execute("INSERT INTO transcripts (session_id, session_key, created_at) VALUES ('t', 'k', 1)")
    theirs.sync()
    yield ours, theirs
    ours.close()
    theirs.close()


@pytest.fixture
def engines(opened: Engines) -> Iterator[Engines]:
    """In a transaction that leaves nothing behind."""
    with in_transaction(opened):
        yield opened
