"""Run by ``test_sqlite_full``: fill a small file system (argument: its mount point), and make room again."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from pathlib import Path

from clawdbot_ext.protocol.errors import StorageFull
from clawdbot_ext.store.sqlite import open_store
from tests.store.kit import MAIN, read, say


async def main(folder: Path) -> None:
    ballast = folder / "ballast"
    ballast.write_bytes(bytes(1 << 20))
    path = folder / "gateway.sqlite3"
    store = open_store(path)
    await store.open()
    taken = 0
    with contextlib.suppress(StorageFull):
        while True:
            await say(store, "x" * 5000)
            taken += 1
    tell("refused")
    assert len(await read(store, limit=1000)) == taken > 0
    session = await store.get_session(MAIN)
    assert session is not None and session.message_count == taken
    tell("read")
    await store.close()

    store = open_store(path)
    await store.open()
    assert len(await read(store, limit=1000)) == taken
    tell("reopened")
    ballast.unlink()
    await say(store, "room again")
    assert (await read(store, limit=1000))[-1] == "room again"
    tell("written")
    await store.close()


def tell(word: str) -> None:
    sys.stdout.write(word + "\n")


if __name__ == "__main__":
    asyncio.run(asyncio.wait_for(main(Path(sys.argv[1])), 20))
