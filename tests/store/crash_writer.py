"""Run by ``test_sqlite_crash``: write to the store (argument: its file) in several tasks, tell each ack, never end."""

from __future__ import annotations

import asyncio
import sys
import uuid
from pathlib import Path

from clawdbot_ext.store.api import Store
from clawdbot_ext.store.sqlite import open_store
from tests.store.kit import reply, said, send

PRODUCERS = 6


async def produce(store: Store, key: str) -> None:
    while True:
        run_id = uuid.uuid4().hex
        accepted = await send(store, run_id, f"ask {run_id}", key=key)
        assert accepted.message is not None
        tell(accepted.message.id, run_id)
        await store.save_partial(run_id, text="part", thinking="")
        finished = await store.finish_run(run_id, state="done", message=reply("답" * 50), result={}, now=2)
        assert finished.message is not None
        tell(finished.message.id, run_id)
        appended = await store.append(session_key=key, message=said("user", "beside"), now=3)
        assert appended.message is not None
        tell(appended.message.id, "-")


def tell(message_id: str, run_id: str) -> None:
    sys.stdout.write(f"{message_id} {run_id}\n")
    sys.stdout.flush()


async def main(path: Path) -> None:
    store = open_store(path)
    await store.open()
    await store.recover(now=4, interrupted=lambda run: {"stopReason": "interrupted"})
    await asyncio.gather(*(produce(store, f"agent:main:{n}") for n in range(PRODUCERS)))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
