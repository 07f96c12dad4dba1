"""kill -9 at any moment: every acknowledged row is there, no sequence has a gap, and the file is whole."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
KILLS = 10


def run_and_kill(path: Path, after: int) -> list[list[str]]:
    """Let a writer work until it has told ``after`` acks, kill it, and return all that it told."""
    command = [sys.executable, str(ROOT / "tests" / "store" / "crash_writer.py"), str(path)]
    with subprocess.Popen(
        command, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        lines = [writer.stdout.readline() for _ in range(after)]
        writer.send_signal(signal.SIGKILL)
        lines += writer.stdout.readlines()
    return [line.split() for line in lines if line.endswith("\n")]


@pytest.mark.slow
def test_ten_kills_lose_nothing_that_was_acknowledged(path):
    acked: list[list[str]] = []
    for _ in range(KILLS):
        told = run_and_kill(path, after=random.randint(1, 400))
        assert told
        acked += told

    with closing(sqlite3.connect(path)) as conn:
        assert conn.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        stored = {row[0] for row in conn.execute("SELECT id FROM messages")}
        runs = {row[0] for row in conn.execute("SELECT run_id FROM runs")}
        assert {message for message, _ in acked} <= stored
        assert {run for _, run in acked} - {"-"} <= runs
        chains = conn.execute("SELECT min(seq), max(seq), count(*) FROM messages GROUP BY session_id").fetchall()
        assert chains and all((low, high) == (1, count) for low, high, count in chains)
        assert conn.execute(
            "SELECT count(*) FROM transcripts AS t WHERE message_count <> "
            "(SELECT count(*) FROM messages AS m WHERE m.session_id = t.session_id)"
        ).fetchone() == (0,)
        alive = conn.execute("SELECT count(*) FROM runs WHERE ended_at IS NULL").fetchone()[0]
        assert alive <= 6  # those of the last writer; the ones before were recovered
