"""Search among many messages in PostgreSQL and in SQLite: milliseconds of a query in either, and their ratio.

    python -m benchmarks.bench_search [--messages N]

Some minutes for 200,000 messages, most of them to write those. Needs Debian's ``postgresql``. A query is what a person
waits for, so its budget is a time and not a ratio: exits 1 if PostgreSQL takes longer than that for one of them, or
does not find the same messages.
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median

import msgspec
import psycopg

from clawdbot_ext.store import db, schema, search
from clawdbot_ext.store.api import StoredHit
from clawdbot_ext.store.postgres import schema as postgres_schema
from clawdbot_ext.store.postgres import search as postgres_search
from clawdbot_ext.store.postgres.connection import PostgresConnection, connect
from tests.support.postgres import Postgres

MESSAGES = 200_000
BUDGET_MS = 250.0
TIMES = 5
WORDS = 20_000
"""Different words of each language, some of them far more frequent than most."""
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_SYLLABLES = "가나다라마바사아자차카타파하데이터분석매출그래프표를만들어주세요은는을에서"
_INSERT = """INSERT INTO messages (session_id, seq, id, role, created_at, body) VALUES ('t', ?, ?, 'user', 1, ?)"""
_TRANSCRIPT = "INSERT INTO transcripts (session_id, session_key, created_at) VALUES ('t', 'k', 1)"


def vocabulary(dice: random.Random) -> Sequence[Sequence[str]]:
    """English and Korean words, the frequent ones first."""
    return [
        ["".join(dice.choices(letters, k=dice.randint(2, longest))) for _ in range(WORDS)]
        for letters, longest in ((_LETTERS, 9), (_SYLLABLES, 5))
    ]


def bodies(dice: random.Random, words: Sequence[Sequence[str]], count: int) -> Iterator[str]:
    """Messages of some forty words."""
    for number in range(1, count + 1):
        text = ["common", "공통", f"only{number}"]
        for _ in range(40):
            rank = int(dice.paretovariate(0.6)) if dice.random() < 0.8 else dice.randrange(WORDS)
            text.append(dice.choice(words)[min(rank, WORDS) - 1])
        if number <= count // 100:
            text.append("ancient")
        if number % 1000 == 0:
            text.append("seldom")
        yield msgspec.json.encode({"role": "user", "content": [{"type": "text", "text": " ".join(text)}]}).decode()


def fill_sqlite(conn: sqlite3.Connection, texts: Iterator[str]) -> None:
    conn.execute("BEGIN")
    conn.execute(_TRANSCRIPT)
    conn.executemany(_INSERT, ((number, f"m{number}", body) for number, body in enumerate(texts, 1)))
    conn.execute("COMMIT")


def fill_postgres(conn: PostgresConnection, texts: Iterator[str]) -> None:
    conn.execute("BEGIN")
    conn.execute(_TRANSCRIPT)
    for number, body in enumerate(texts, 1):
        conn.execute(_INSERT, (number, f"m{number}", body))
        postgres_search.written(conn, "t", number, "user", body)
        if number % 2000 == 0:
            conn.execute("COMMIT")
            conn.sync()
            conn.execute("BEGIN")
    conn.commit()


def timed(find: Callable[[str], Sequence[StoredHit]], query: str) -> tuple[float, Sequence[int]]:
    """Milliseconds in the middle of some, and the numbers of the messages found."""
    taken: list[float] = []
    hits: Sequence[StoredHit] = ()
    for _ in range(TIMES):
        began = time.perf_counter()
        hits = find(query)
        taken.append((time.perf_counter() - began) * 1000)
    return median(taken), [hit.seq for hit in hits]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=MESSAGES)
    count = parser.parse_args().messages
    words = vocabulary(random.Random(1))
    english, korean = words
    queries = {
        "in every message": "common",
        "in every message, Korean": "공통",
        "a word that is begun": "c",
        "a syllable": "공",
        "two words, one in every message": f"common only{count // 2}",
        "in one message in a thousand": "seldom",
        "in the oldest hundredth only": "ancient",
        "a frequent word": english[0],
        "a rare word": english[WORDS // 2],
        "a rare word, Korean": korean[WORDS // 2],
        "a phrase of pairs": "데이터분석",
        "nowhere": "nothere",
    }
    missed = False
    with tempfile.TemporaryDirectory() as folder, Postgres(fsync=True) as server:
        path, url = Path(folder) / "search.sqlite3", server.create()
        db.create_file(path)
        ours, theirs = db.connect(path), connect(url)
        schema.migrate(ours, path)
        postgres_schema.migrate(theirs, "benchmark")
        fill_sqlite(ours, bodies(random.Random(2), words, count))
        fill_postgres(theirs, bodies(random.Random(2), words, count))
        with psycopg.connect(url, autocommit=True) as other:
            other.execute("VACUUM ANALYZE")  # as the server does by itself after a while
        theirs.execute("BEGIN")
        print(f"{count:,} messages{'':28} SQLite  PostgreSQL   ratio")
        for name, query in queries.items():
            sqlite_ms, sqlite_hits = timed(lambda query: search.find(ours, query, 20, None), query)
            postgres_ms, postgres_hits = timed(lambda query: postgres_search.find(theirs, query, 20, None), query)
            right = sqlite_hits == postgres_hits and postgres_ms <= BUDGET_MS
            missed |= not right
            ratio = postgres_ms / sqlite_ms
            print(f"{name:36} {sqlite_ms:8.2f} ms {postgres_ms:8.2f} ms {ratio:6.1f}{'' if right else '  MISSED'}")
        theirs.close()
        ours.close()
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
