"""A store with many sessions and their usage, written at once: talking them into being would take hours."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from clawdbot_ext.store import db, schema

DAY_MS = 86_400_000
MODELS = (("anthropic", "claude-opus-4-5", 0.02), ("anthropic", "claude-haiku-4-5", 0.004), ("ollama", "qwen3", None))
CLIENTS = ("clawdbot-webchat", "cli", None)


def seed(state: Path, *, sessions: int, now: int, replies: int = 5, days: int = 90) -> None:
    """Fill the store of a gateway that has not started. Session ``n`` was last active ``n % days`` days before ``now``,
    has the title ``Topic n``, and the model, price and client of its number."""
    path = state / "jupyter" / "gateway.sqlite3"
    schema.create_file(path)
    with closing(db.connect(path)) as conn, db.transaction(conn):
        for number in range(sessions):
            _session(conn, number, now - (number % days) * DAY_MS - number, replies)


def _session(conn: sqlite3.Connection, number: int, at: int, replies: int) -> None:
    key, session_id = f"agent:main:webchat:{number:012x}", f"seeded-{number}"
    provider, model, price = MODELS[number % len(MODELS)]
    conn.execute(
        """INSERT INTO transcripts (session_id, session_key, created_at, title, total_input, total_output, total_cost)
           VALUES (?, ?, ?, ?, ?, ?, ?)""",
        (session_id, key, at, f"Topic {number}", 1000 * replies, 100 * replies, (price or 0) * replies),
    )
    conn.execute(
        "INSERT INTO sessions (key, session_id, epoch, created_at, updated_at, settings) VALUES (?, ?, 1, ?, ?, '{}')",
        (key, session_id, at, at),
    )
    conn.executemany(
        """INSERT INTO usage (at, session_key, provider, model, input, output, cache_read, cache_write, cost, client)
           VALUES (?, ?, ?, ?, 1000, 100, 0, 0, ?, ?)""",
        [(at - reply, key, provider, model, price, CLIENTS[number % len(CLIENTS)]) for reply in range(replies)],
    )
