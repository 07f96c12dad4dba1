"""A conversation that is kept from turn to turn is what a reading of all of it gives."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from itertools import count, pairwise
from typing import Any

import pytest

from clawdbot_ext.gateway.runs import conversation
from clawdbot_ext.gateway.runs.conversation import Conversation, Conversations
from clawdbot_ext.protocol.errors import GatewayError
from clawdbot_ext.store.api import Session
from clawdbot_ext.store.memory import MemoryStore
from tests.support.wire import run

KEY = "agent:main:talk"
ENOUGH = 1_000_000


class Talk:
    """One session in a store, and two readers of it: one that keeps what it read, and one that reads all each time."""

    def __init__(self, store: MemoryStore) -> None:
        self.store, self.kept = store, Conversations(store)
        self.asked: list[int | None] = []
        self._clock = count(1)
        history = store.history

        async def noted(**how: Any) -> Any:
            self.asked.append(how.get("since_seq"))
            return await history(**how)

        store.history = noted  # type: ignore[method-assign]

    def now(self) -> int:
        return next(self._clock)

    async def say(self, text: str = "words", **fields: Any) -> None:
        role = "assistant" if next(self._clock) % 2 else "user"
        message = {"role": role, "content": [{"type": "text", "text": text}], **fields}
        await self.store.append(session_key=KEY, message=message, now=self.now(), create=True)

    async def session(self) -> Session:
        found = await self.store.get_session(KEY)
        assert found is not None
        return found

    async def read(self, max_bytes: int = ENOUGH, session_id: str = "") -> Conversation:
        """By the reader that keeps; checked against the other one."""
        session_id = session_id or (await self.session()).session_id
        kept = await self.kept.read(session_id, max_bytes)
        fresh = await Conversations(self.store).read(session_id, max_bytes)
        assert kept.messages == fresh.messages
        assert (kept.with_files, kept.bytes) == (fresh.with_files, fresh.bytes)
        return kept


@asynccontextmanager
async def talk() -> AsyncIterator[Talk]:
    store = MemoryStore()
    await store.open()
    try:
        yield Talk(store)
    finally:
        await store.close()


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "MESSAGES", 24)
    monkeypatch.setattr(conversation, "STEP", 8)


def test_a_turn_reads_what_is_new_and_nothing_else() -> None:
    async def main() -> None:
        async with talk() as it:
            for _ in range(6):
                await it.say()
            session_id = (await it.session()).session_id
            await it.kept.read(session_id, ENOUGH)
            await it.say("new")
            it.asked.clear()
            messages = (await it.kept.read(session_id, ENOUGH)).messages
            assert it.asked == [6]
            assert [message["seq"] for message in messages] == [1, 2, 3, 4, 5, 6, 7]

    run(main())


def test_a_long_conversation_begins_alike_for_many_turns(short: None) -> None:
    async def main() -> None:
        async with talk() as it:
            begins = []
            for _ in range(60):
                await it.say()
                begins.append((await it.read()).messages[0]["seq"])
            moved = [(old, new) for old, new in pairwise(begins) if old != new]
            assert moved == [(1, 8), (8, 16), (16, 24), (24, 32), (32, 40)]

    run(main())


async def something(it: Talk, chance: random.Random, old: str) -> None:
    """Do one of the things that happen to a session, mostly say something. Raises ``GatewayError`` where it cannot."""
    messages = (await it.store.history(session_key=KEY, limit=50, whole=True)).messages
    some, until = chance.choice(messages).id if messages else "", 10**12
    store, now = it.store, it.now()
    image = {"type": "image", "mediaId": "m1", "name": "a.png"}
    summary = {"summary": "so far", "after": messages[-1].seq if messages else 0}
    happens: dict[int, Callable[[], Awaitable[object]]] = {
        0: lambda: store.delete_message(KEY, some, undo_until=until, now=now),
        1: lambda: store.undelete_message(KEY, some, busy=False, now=now),
        2: lambda: store.show_branch(KEY, some, now=now),
        3: lambda: store.clear(KEY, undo_until=until, now=now),
        4: lambda: store.undo_clear(KEY, now=now),
        5: lambda: store.new_transcript(KEY, now=now),
        6: lambda: store.restore(old, now=now),
        7: lambda: it.say("summary", compaction=summary, usage={"input": 9}),
        8: lambda: store.append(session_key=KEY, message={"role": "user", "content": "aside"}, now=now, under=some),
        9: lambda: store.append(session_key=KEY, message={"role": "user", "content": [image]}, now=now),
    }
    rare = (3, 5)
    number = chance.randrange(20)
    if number in happens and not (number in rare and chance.random() < 0.7):
        await happens[number]()
    else:
        await it.say("x" * chance.randrange(400))


@pytest.mark.parametrize("seed", range(6))
def test_after_anything_that_happens_to_it_it_is_what_is_stored(short: None, seed: int) -> None:
    async def main() -> None:
        async with talk() as it:
            chance, old = random.Random(seed), ""
            await it.say()
            for _ in range(120):
                before = (await it.session()).session_id
                with suppress(GatewayError):  # there was nothing to undo, say
                    await something(it, chance, old)
                if (await it.session()).session_id != before:
                    old = before
                await it.read(chance.choice([ENOUGH, ENOUGH, 3000]))
                if old:
                    await it.read(session_id=old)

    run(main(), 60)


def test_only_so_much_is_kept_and_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with talk() as it:
            await it.say("x" * 500)
            first = (await it.session()).session_id
            await it.read()
            await it.store.new_transcript(KEY, now=it.now())
            await it.say("x" * 500)
            second = (await it.session()).session_id

            async def since(session_id: str) -> list[int | None]:
                it.asked.clear()
                await it.kept.read(session_id, ENOUGH)
                return list(it.asked)

            await it.kept.read(second, ENOUGH)
            assert await since(second) == [1]
            monkeypatch.setattr(conversation, "KEPT_BYTES", 900)
            assert await since(first) == [1, None], "kept so far, but it is not its session's current one any more"
            assert await since(second) == [1]
            await it.say("x" * 500)
            assert await since(second) == [1]
            assert await since(second) == [None], "more than is kept"
            monkeypatch.setattr(conversation, "KEPT_BYTES", 10_000)
            monkeypatch.setattr(conversation, "KEPT_S", 0.0)
            await it.kept.read(second, ENOUGH)
            while it.kept._kept:
                await it.store.get_session(KEY)
            assert await since(second) == [None]

    run(main())
