"""The same tables in both engines."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeAlias

from clawdbot_ext.store.postgres.connection import PostgresConnection

Engines: TypeAlias = tuple[sqlite3.Connection, PostgresConnection]


@contextmanager
def in_transaction(engines: Engines) -> Iterator[None]:
    """In a transaction that leaves nothing behind."""
    for conn in engines:
        conn.execute("BEGIN")
    try:
        yield
    finally:
        for conn in engines:
            conn.rollback()
