"""Runs when the ground gives way: a disk that fills up in mid-reply, a crash between a command and its answer."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from clawdbot_ext import config
from clawdbot_ext.agent.providers.demo import DemoProvider
from clawdbot_ext.agent.providers.registry import Providers
from clawdbot_ext.config.live import LiveConfig
from clawdbot_ext.gateway.access.auth import Auth, Identity
from clawdbot_ext.gateway.gateway import Gateway
from clawdbot_ext.gateway.sessions.lifecycle import reset
from clawdbot_ext.protocol.errors import ShuttingDown, StorageFull
from clawdbot_ext.runtime.paths import ensure_home
from clawdbot_ext.store.api import StoreDamaged
from clawdbot_ext.store.sqlite import SqliteStore
from tests.support.wire import run

MESSAGE = {"role": "user", "content": [{"type": "text", "text": "/reset"}], "timestamp": 1}


class Peer:
    """A transport in memory; ``events`` are the frames the gateway sent."""

    client_key = "127.0.0.1"
    identity = Identity("tester", "token")

    def __init__(self) -> None:
        self.frames: list[dict[str, Any]] = []

    def send(self, frame: bytes) -> None:
        self.frames.append(json.loads(frame))

    def chat(self, state: str) -> list[dict[str, Any]]:
        """The payloads of the ``chat`` events in that state."""
        return [f["payload"] for f in self.frames if f.get("event") == "chat" and f["payload"]["state"] == state]

    def buffered(self) -> int:
        return 0

    def on_authenticated(self) -> None:
        """Nothing: no frame of these tests is large."""

    def close(self, code: int, reason: str) -> None:
        self.frames.append({"closed": code})


class FillingDisk(SqliteStore):
    """A store that has no room for the end of a run for a while."""

    full = True

    async def finish_run(self, run_id: str, **end: Any) -> Any:
        if self.full:
            raise StorageFull("no space left on the disk")
        return await super().finish_run(run_id, **end)


def gateway_on(tmp_path: Path, store: SqliteStore) -> Gateway:
    live = LiveConfig(lambda: config.load({"CLAWDBOT_STATE_DIR": str(tmp_path)}))
    ensure_home(live())
    return Gateway(live, store, Auth(live), Providers(live, demo=lambda: DemoProvider(delay_ms=0, first_ms=0)))


async def until(condition: Any) -> None:
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("did not come about within 5 s")


def test_a_reply_whose_end_found_no_room_is_shown_with_the_cause_and_stored_when_there_is_room(tmp_path):
    async def main():
        store = FillingDisk(tmp_path / "g.sqlite3")
        gateway = gateway_on(tmp_path, store)
        await gateway.start()
        peer = Peer()
        client = gateway.accept(peer)
        client.receive(
            json.dumps(
                {
                    "type": "req",
                    "id": "1",
                    "method": "connect",
                    "params": {
                        "minProtocol": 3,
                        "maxProtocol": 3,
                        "client": {"id": "t", "version": "1", "platform": "x", "mode": "ui"},
                    },
                }
            )
        )
        client.receive(
            json.dumps(
                {
                    "type": "req",
                    "id": "2",
                    "method": "chat.send",
                    "params": {"sessionKey": "main", "message": "[[text=kept all the same]]", "idempotencyKey": "r"},
                }
            )
        )
        await until(lambda: peer.chat("error"))
        end = peer.chat("error")[0]
        assert end["error"] == {"kind": "storage"} and end["message"]["content"][0]["text"] == "kept all the same"
        store.full = False
        await gateway.services.runs.store_late_ends()
        page = await store.history(session_key="agent:main:main", limit=10)
        assert [m.role for m in page.messages] == ["user", "assistant"]
        assert b"kept all the same" in bytes(page.messages[1].body)
        await gateway.stop()

    run(main())


def test_a_command_that_a_crash_cut_off_is_ended_and_never_sent_to_the_model(tmp_path):
    async def main():
        store = SqliteStore(tmp_path / "g.sqlite3")
        await store.open()
        await store.accept_run(
            run_id="c",
            session_key="agent:main:main",
            request_hash="h",
            message=MESSAGE,
            options={"command": "reset"},
            start=False,
            now=1,
        )
        await store.close()
        store = SqliteStore(tmp_path / "g.sqlite3")
        gateway = gateway_on(tmp_path, store)
        await gateway.start()
        assert gateway.services.runs.counts() == {"running": 0, "queued": 0}
        ended = await store.get_run("c")
        assert ended is not None and ended.state == "aborted"
        assert not (await store.history(session_key="agent:main:main", limit=10)).messages
        await gateway.stop()

    run(main())


async def submit(gateway: Gateway, run_id: str, text: str = "[[tokens=3]]") -> None:
    await gateway.services.runs.submit(
        run_id=run_id,
        session_key="agent:main:main",
        request_hash=run_id,
        options={},
        message={"role": "user", "content": [{"type": "text", "text": text}], "timestamp": 1},
    )


def test_a_run_that_is_stopped_before_its_first_step_ends_and_leaves_the_session_free(tmp_path):
    """A task that is cancelled before it has begun never comes to its ``finally``."""

    async def main():
        gateway = gateway_on(tmp_path, SqliteStore(tmp_path / "g.sqlite3"))
        await gateway.start()
        await submit(gateway, "r")
        assert await gateway.services.runs.abort("agent:main:main", None) == ["r"]
        assert gateway.services.runs.counts() == {"running": 0, "queued": 0}
        stopped = await gateway.services.store.get_run("r")
        assert stopped is not None and stopped.state == "aborted"
        await gateway.stop()

    run(main())


class SlowEnd(SqliteStore):
    """A store in which the first end of a run takes as long as the test wants."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.ending, self.go_on = asyncio.Event(), asyncio.Event()

    async def finish_run(self, run_id: str, **end: Any) -> Any:
        self.ending.set()
        await self.go_on.wait()
        return await super().finish_run(run_id, **end)


def test_a_stop_that_comes_while_a_run_ends_changes_nothing_and_the_next_one_starts(tmp_path):
    async def main():
        store = SlowEnd(tmp_path / "g.sqlite3")
        gateway = gateway_on(tmp_path, store)
        await gateway.start()
        await submit(gateway, "first")
        await submit(gateway, "second")
        await store.ending.wait()
        stop = asyncio.create_task(gateway.services.runs.abort("agent:main:main", "first"))
        await asyncio.sleep(0)
        store.go_on.set()
        assert await stop == []
        for run_id in ("first", "second"):
            ended, _ = await gateway.services.runs.events.wait(run_id, 5)
            assert ended is not None and ended.state == "done"
        await gateway.stop()

    run(main())


class BadAtRecovery(SqliteStore):
    """A store in which what a crash cut off cannot be ended."""

    error: Exception | None = StorageFull("no space left on the disk")

    async def recover(self, **how: Any) -> Any:
        if self.error is not None:
            raise self.error
        return await super().recover(**how)


def test_a_start_that_fails_leaves_the_store_closed(tmp_path):
    async def main():
        store = BadAtRecovery(tmp_path / "g.sqlite3")
        store.error = StoreDamaged("g.sqlite3", "malformed")
        with pytest.raises(StoreDamaged):
            await gateway_on(tmp_path, store).start()
        with pytest.raises(ShuttingDown):
            await store.count_sessions()

    run(main())


def test_after_a_crash_on_a_full_disk_it_starts_for_reading_and_recovers_when_there_is_room(tmp_path):
    async def main():
        store = SqliteStore(tmp_path / "g.sqlite3")
        await store.open()
        await store.accept_run(
            run_id="cut",
            session_key="agent:main:main",
            request_hash="h",
            message=MESSAGE,
            options={"locale": "ko"},
            start=True,
            now=1,
        )
        await store.close()
        store = BadAtRecovery(tmp_path / "g.sqlite3")
        gateway = gateway_on(tmp_path, store)
        await gateway.start()
        assert len((await store.history(session_key="agent:main:main", limit=10)).messages) == 1
        store.error = None
        await gateway.services.runs.store_late_ends()
        cut = (await store.history(session_key="agent:main:main", limit=10)).messages[-1]
        assert cut.role == "assistant" and "비정상 종료" in bytes(cut.body).decode()
        await gateway.stop()

    run(main())


def test_a_reset_at_the_moment_when_a_waiting_send_is_about_to_start_stops_it(tmp_path, monkeypatch):
    """It is in no line any more then, and not running yet."""
    key = "agent:main:main"

    async def main():
        store = SqliteStore(tmp_path / "g.sqlite3")
        gateway = gateway_on(tmp_path, store)
        await gateway.start()
        runs, resets = gateway.services.runs, []
        begin_next = runs._next

        def next_(session_key: str) -> None:
            if runs.queued(session_key) and not resets:
                resets.append(asyncio.ensure_future(reset(gateway.services, session_key)))
            begin_next(session_key)

        monkeypatch.setattr(runs, "_next", next_)
        for run_id in ("first", "waiting"):
            message = {"role": "user", "content": [{"type": "text", "text": "[[tokens=3]]"}], "timestamp": 1}
            await runs.submit(run_id=run_id, session_key=key, request_hash=run_id, message=message, options={})
        await runs.events.wait("waiting", 10)
        await resets[0]
        assert (await store.get_run("waiting")).state == "aborted"
        assert not (await store.history(session_key=key, limit=10)).messages
        await gateway.stop()

    asyncio.run(main())


def test_a_send_that_leaves_the_line_as_the_gateway_stops_is_waited_for(tmp_path):
    """It began behind the back of the stop, and its task ended with a store that was closed."""

    async def main():
        store = SqliteStore(tmp_path / "g.sqlite3")
        gateway = gateway_on(tmp_path, store)
        await gateway.start()
        leaving, go_on, start_run = asyncio.Event(), asyncio.Event(), store.start_run

        async def held(run_id, *, now):
            leaving.set()
            await go_on.wait()
            return await start_run(run_id, now=now)

        store.start_run = held
        await submit(gateway, "first")
        await submit(gateway, "second")
        await asyncio.wait_for(leaving.wait(), 30)
        stopping = asyncio.create_task(gateway.stop())
        await asyncio.sleep(0)
        go_on.set()
        await stopping
        store = SqliteStore(tmp_path / "g.sqlite3")
        await store.open()
        ended = await store.get_run("second")
        assert ended is not None and ended.state == "done"
        await store.close()

    run(main())


def test_a_send_that_comes_at_the_moment_when_a_reply_ends_does_not_overtake_the_line(tmp_path, monkeypatch):
    """The session is free then, and the first of the line has not begun yet."""

    async def main():
        gateway = gateway_on(tmp_path, SqliteStore(tmp_path / "g.sqlite3"))
        await gateway.start()
        runs, sends = gateway.services.runs, []
        emit_end = runs.events.emit_end

        def ended(run, *args, **more):
            emit_end(run, *args, **more)
            if run.run_id == "first":
                sends.append(asyncio.ensure_future(submit(gateway, "third")))

        monkeypatch.setattr(runs.events, "emit_end", ended)
        await submit(gateway, "first")
        await submit(gateway, "second")
        for run_id in ("first", "second"):
            await runs.events.wait(run_id, 30)
        await sends[0]
        await runs.events.wait("third", 30)
        page = await gateway.services.store.history(session_key="agent:main:main", limit=10)
        assert [m.run_id for m in page.messages if m.role == "user"] == ["first", "second", "third"]
        await gateway.stop()

    run(main())
