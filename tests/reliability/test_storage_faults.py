"""Faults of the ground under a real gateway: no descriptors left, files that go away, a full disk."""

from __future__ import annotations

import asyncio
import resource
import shutil
import sqlite3
import sys
from contextlib import closing

import pytest

from tests.support.wire import WireError, run, wired

pytestmark = pytest.mark.slow


@pytest.mark.skipif(sys.platform != "linux", reason="prlimit is Linux's")
def test_without_a_single_descriptor_left_replies_are_stored_and_errors_told_in_the_readers_language(make_gateway):
    gateway = make_gateway(config={"agents": {"defaults": {"autoTitle": False}}})
    hard = resource.prlimit(gateway.pid, resource.RLIMIT_NOFILE)[1]

    async def main():
        async with wired(gateway.ws_url, gateway.token, locale="ko") as wire:
            resource.prlimit(gateway.pid, resource.RLIMIT_NOFILE, (3, hard))
            for n in range(3):
                assert (await wire.ask(f"[[text=reply {n}]]"))["state"] == "final"
            with pytest.raises(WireError) as refused:
                await wire.call("sessions.compact", {"key": "nowhere"})
            assert "text" in refused.value.details
            resource.prlimit(gateway.pid, resource.RLIMIT_NOFILE, (hard, hard))
            messages = (await wire.call("chat.history", {"sessionKey": "main"}))["messages"]
            assert [m["content"][0]["text"] for m in messages if m["role"] == "assistant"] == [
                "reply 0",
                "reply 1",
                "reply 2",
            ]

    run(main())


async def refusal(wire, text: str) -> str:
    with pytest.raises(WireError) as refused:
        await wire.ask(text)
    return refused.value.details["reason"]


def test_when_the_state_directory_goes_away_no_send_is_acknowledged_and_all_is_written_out_at_the_stop(gateway):
    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            assert (await wire.ask("[[text=kept]]"))["state"] == "final"
            shutil.rmtree(gateway.home)
            assert await refusal(wire, "[[text=into thin air]]") == "STORAGE_MOVED"
            health = await wire.call("health")
            assert health["ok"] is False and health["storage"]["state"] == "moved"
            now = await wire.call("storage.backup")
            assert now["path"].startswith(f"{gateway.state}-rescued")

    run(main())
    gateway.terminate()
    assert gateway.wait() == 0
    copies = sorted(gateway.state.with_name(f"{gateway.state.name}-rescued").iterdir())
    assert len(copies) == 2  # the one that was asked for, and the one of the stop
    for copy in copies:
        with closing(sqlite3.connect(copy)) as conn:
            assert conn.execute("SELECT count(*) FROM messages WHERE body LIKE '%kept%'").fetchone() == (2,)


def test_a_lock_file_that_is_removed_is_made_again_and_keeps_a_second_gateway_out(gateway, make_gateway):
    lock = gateway.home / "gateway.lock"
    before = lock.stat().st_ino
    lock.unlink()

    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            while not lock.exists() or lock.stat().st_ino == before:  # noqa: ASYNC110  another process makes it
                await asyncio.sleep(0.05)
            second = make_gateway(state=gateway.state, start=False)
            second.spawn()
            assert second.wait() == 98
            assert (await wire.ask("[[text=still here]]"))["state"] == "final"

    run(main())
