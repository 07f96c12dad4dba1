"""A start on SQLite, without the modules of PostgreSQL and the words of a search."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import asyncio, pathlib, sys
from clawdbot_ext.runtime import paths
from clawdbot_ext.store import router, search_terms

async def start(path):
    for _ in range(2):  # the second time with its tables
        store = router.open_stores(path)
        await store.open()
        before = search_terms.word_pattern.cache_info().currsize
        await store.close()
    store = router.open_stores(path)
    await store.open()
    said = {"role": "user", "content": [{"type": "text", "text": "hi"}]}
    await store.append(session_key="main", message=said, now=1, create=True)
    found = await store.search("hi", limit=1)
    await store.close()
    print(before, len(found), sorted(name for name in sys.modules if "store.postgres" in name or "psycopg" in name))

asyncio.run(start(pathlib.Path(sys.argv[1])))
"""


def test_a_start_on_sqlite_loads_nothing_of_postgresql_and_compiles_no_words_before_one_is_needed(tmp_path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "gateway.sqlite3")], capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("0 1 []\n", "")
