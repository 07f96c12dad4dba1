"""Run by ``test_sqlite_full``: fill a small file system (argument: its mount point), and make room again."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
from pathlib import Path

from clawdbot_ext.protocol.errors import StorageFull
from clawdbot_ext.store.sqlite import open_store
from tests.store.kit import MAIN, read, say

INDEX_BYTES = 32 * 1024
PAGE_BYTES = 4096


def fill(ballast: Path, leave: int = 0) -> None:
    """Take what room there is, but for ``leave`` bytes."""
    with contextlib.suppress(OSError), ballast.open("ab", buffering=0) as file:
        while file.write(bytes(512)):
            pass
    os.truncate(ballast, ballast.stat().st_size - leave)


async def write_until_full(path: Path) -> None:
    """Then end like a killed process, the log and its index left where they are."""
    store = open_store(path)
    await store.open()
    taken = 0
    with contextlib.suppress(StorageFull):
        while True:
            await say(store, "x" * 5000)
            taken += 1
    tell("refused")
    session = await store.get_session(MAIN)
    assert session is not None and session.message_count == len(await read(store, limit=1000)) == taken > 0
    tell("read")
    os._exit(0)


async def after_the_kill(path: Path, ballast: Path) -> None:
    fill(ballast)
    store = open_store(path)
    await store.open()
    assert await read(store, limit=1)
    await refused(say(store, "x" * 5000))
    tell("reopened")
    os.unlink(ballast)
    await say(store, "room again")
    assert (await read(store, limit=1)) == ["room again"]
    tell("written")
    await store.close()


async def after_a_clean_stop(path: Path, ballast: Path) -> None:
    fill(ballast, leave=INDEX_BYTES + PAGE_BYTES)  # the index of a new log fits, a page in the log does not
    store = open_store(path)
    await store.open()
    assert (await read(store, limit=1)) == ["room again"]
    await refused(say(store, "no room"))
    await store.close()
    tell("read-only")

    fill(ballast)
    await refused(open_store(path).open())
    tell("told")


async def refused(act) -> None:
    """As a full disk, not as damage."""
    try:
        await act
    except StorageFull:
        return
    raise AssertionError("there was room")


def tell(word: str) -> None:
    os.write(1, f"{word}\n".encode())


if __name__ == "__main__":
    logging.basicConfig(format="%(message)s")
    database, weight = Path(sys.argv[1]) / "gateway.sqlite3", Path(sys.argv[1]) / "ballast"
    weight.write_bytes(bytes(1 << 20))
    child = os.fork()
    if child == 0:
        asyncio.run(asyncio.wait_for(write_until_full(database), 10))
    os.waitpid(child, 0)
    asyncio.run(asyncio.wait_for(after_the_kill(database, weight), 10))
    asyncio.run(asyncio.wait_for(after_a_clean_stop(database, weight), 10))
