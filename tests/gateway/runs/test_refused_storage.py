"""Storage that refuses for a while: whatever was acknowledged stays in line, in its order, and is answered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from clawdbot_ext.agent.providers.base import ProviderEvent, TurnRequest
from clawdbot_ext.agent.providers.demo import DemoProvider
from clawdbot_ext.gateway.hands.approvals import KIND, OPEN
from clawdbot_ext.protocol.clock import now_ms
from clawdbot_ext.protocol.errors import StorageFull, Unavailable
from clawdbot_ext.store.sqlite import SqliteStore
from tests.support.in_process import KEY, InProcess, in_process, texts, tool, until
from tests.support.wire import run

RETRIED_S = 60.0
"""A generous bound: what was refused is tried again every second."""


class Refusing(SqliteStore):
    """A store that refuses what it is told to; everything else goes to a real file."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.write_error: Callable[[], Exception] | None = None
        self.read_error: Callable[[], Exception] | None = None
        self.refused = 0

    async def _write(self, function: Any, *keys: str) -> Any:
        if self.write_error is not None:
            self.refused += 1
            raise self.write_error()
        return await super()._write(function, *keys)

    async def _read(self, function: Any) -> Any:
        if self.read_error is not None:
            self.refused += 1
            raise self.read_error()
        return await super()._read(function)


def full() -> Exception:
    return StorageFull("the disk is full")


def io_error() -> Exception:
    return Unavailable("the disk does not take writes", reason="STORAGE_ERROR")


async def conversation(chat: InProcess) -> list[str]:
    return [texts(message["content"]) for message in await chat.messages()]


class Gated(DemoProvider):
    """Answers once it may."""

    def __init__(self) -> None:
        super().__init__(delay_ms=0, first_ms=0)
        self.gate = asyncio.Event()

    async def stream(self, request: TurnRequest) -> AsyncIterator[ProviderEvent]:
        await self.gate.wait()
        async for event in super().stream(request):
            yield event


async def a_reply_with_three_in_line(chat: InProcess) -> None:
    chat.send("[[text=first]]", "r0")
    await until(lambda: chat.gateway.services.runs.active(KEY) is not None)
    for n in (1, 2, 3):
        answer = await chat.call(
            "chat.send", {"sessionKey": "main", "message": f"[[text=a{n}]]", "idempotencyKey": f"r{n}"}
        )
        assert answer["ok"], answer
    assert [run.run_id for run in chat.gateway.services.runs.queued(KEY)] == ["r1", "r2", "r3"]


async def all_are_answered(chat: InProcess) -> None:
    async def ended() -> bool:
        runs = [await chat.gateway.services.store.get_run(f"r{n}") for n in range(5)]
        return all(run is not None and run.state == "done" for run in runs)

    for _ in range(int(RETRIED_S / 0.05)):
        if await ended():
            break
        await asyncio.sleep(0.05)
    found = await conversation(chat)
    assert [text for text in found if not text.startswith("[[")] == ["first", "a1", "a2", "a3", "late"], found
    assert chat.gateway.services.runs.counts() == {"running": 0, "queued": 0}


def refused_in_line(tmp_path: Path, error: Callable[[], Exception]) -> None:
    async def main() -> None:
        store = Refusing(tmp_path / "g.sqlite3")
        provider = Gated()
        async with in_process(tmp_path, store=store, provider=lambda: provider) as chat:
            await a_reply_with_three_in_line(chat)
            store.write_error = error
            provider.gate.set()
            await chat.end("r0")
            await until(lambda: store.refused >= 2)  # the end of the first, the start of the second
            told = len(chat.peer.payloads("session.queue"))
            await until(lambda: store.refused >= 5)
            assert len(chat.peer.payloads("session.queue")) <= told + 1, "said once, not at every attempt"
            assert [run.run_id for run in chat.gateway.services.runs.queued(KEY)] == ["r1", "r2", "r3"]
            store.write_error = None
            chat.send("[[text=late]]", "r4")
            await all_are_answered(chat)

    run(main())


def test_sends_in_line_on_a_full_disk_stay_in_line_and_are_answered_in_their_order(tmp_path):
    refused_in_line(tmp_path, full)


def test_sends_in_line_when_the_disk_fails_stay_in_line_too(tmp_path):
    refused_in_line(tmp_path, io_error)


def test_a_bug_in_the_store_holds_no_session_for_ever(tmp_path):
    refused_in_line(tmp_path, lambda: RuntimeError("a bug"))


def test_what_a_tool_did_is_stored_once_there_is_room_and_its_reply_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr("clawdbot_ext.gateway.runs.tools.STEP_AGAIN_S", 0.01)

    async def main() -> None:
        store, made = Refusing(tmp_path / "g.sqlite3"), []

        async def write(arguments: Any, context: Any) -> str:
            made.append(1)
            store.write_error = full
            return "done once"

        monkeypatch.setattr("clawdbot_ext.gateway.runs.tools.DEMO_TOOLS", [tool("write", write)])
        async with in_process(tmp_path, store=store) as chat:
            chat.send("[[tool=write]]", "r0")
            await until(lambda: store.refused >= 3)
            store.write_error = None
            assert (await chat.end("r0"))["state"] == "final"
            assert [message["role"] for message in await chat.messages()][:3] == ["user", "assistant", "toolResult"]
            assert made == [1]

    run(main())


def test_a_send_whose_start_alone_is_refused_stays_at_the_head_of_its_line(tmp_path):
    class RefusesStarts(SqliteStore):
        refused = 0

        async def start_run(self, run_id: str, *, now: int) -> Any:
            self.refused += 1
            if self.refused == 1:
                raise io_error()
            return await super().start_run(run_id, now=now)

    async def main() -> None:
        store, provider = RefusesStarts(tmp_path / "g.sqlite3"), Gated()
        async with in_process(tmp_path, store=store, provider=lambda: provider) as chat:
            await a_reply_with_three_in_line(chat)
            provider.gate.set()
            await until(lambda: store.refused == 1, RETRIED_S)
            chat.send("[[text=late]]", "r4")
            await all_are_answered(chat)

    run(main())


def test_what_waited_is_in_line_also_when_storage_refuses_in_the_middle_of_a_start(tmp_path: Path) -> None:
    """A question of before the restart could not be looked up for a moment, and no waiting send was put in line."""

    class Stumbling(Refusing):
        stumbles = 1

        async def get_run(self, run_id: str) -> Any:
            if run_id == "asks" and self.stumbles:
                self.stumbles -= 1
                raise io_error()
            return await super().get_run(run_id)

    async def main() -> None:
        store = Stumbling(tmp_path / "g.sqlite3")
        await store.open()
        message = {"role": "user", "content": [{"type": "text", "text": "[[text=answered]]"}], "timestamp": 1}
        await store.accept_run(
            run_id="waits", session_key=KEY, request_hash="h", message=message, options={}, start=False, now=now_ms()
        )
        request = {"runId": "asks", "toolCallId": "c", "kind": "tool"}
        await store.put_record(OPEN, "q", {"id": "q"}, now=1)
        record = {"id": "q", "request": request, "createdAtMs": 1, "expiresAtMs": 0}
        await store.put_record(KIND, "q", record, now=1)
        await store.close()
        again = Stumbling(tmp_path / "g.sqlite3")
        async with in_process(tmp_path, store=again) as chat:
            assert again.stumbles == 0
            for _ in range(int(RETRIED_S / 0.05)):
                if "answered" in await conversation(chat):
                    break
                await asyncio.sleep(0.05)
            assert (await conversation(chat))[-1] == "answered"

    run(main(), RETRIED_S)
