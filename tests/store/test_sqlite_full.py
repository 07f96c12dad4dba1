"""A full disk: what is refused is refused whole, reading goes on, and writing comes back by itself."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from clawdbot_ext.protocol.errors import StorageFull
from tests.support.tools import require

from .kit import MAIN, OTHER, body, read, reply, said, say, send, sweep

ROOT = Path(__file__).resolve().parents[2]

TEXT = "가" * 3000
FULL = {"max_pages": 120}


async def fill(store, key: str = MAIN) -> int:
    """Append until there is no room; how many were taken."""
    taken = 0
    with pytest.raises(StorageFull) as refused:
        while taken < 1000:
            await say(store, f"{taken} {TEXT}", key=key)
            taken += 1
    assert refused.value.reason == "STORAGE_FULL" and refused.value.retryable
    return taken


def test_what_was_taken_is_there_and_what_was_refused_is_not(drive_sqlite):
    async def scenario(store):
        taken = await fill(store)
        session = await store.get_session(MAIN)
        page = await store.history(session_key=MAIN, limit=1000)
        assert session.message_count == session.last_seq == taken > 5
        assert [m.seq for m in page.messages] == list(range(1, taken + 1))

    drive_sqlite(scenario, **FULL)


def test_a_refused_send_leaves_no_run_and_no_session(drive_sqlite):
    async def scenario(store):
        await fill(store)
        with pytest.raises(StorageFull):
            await send(store, "r1", TEXT, key=OTHER)
        assert await store.get_run("r1") is None and await store.get_session(OTHER) is None

    drive_sqlite(scenario, **FULL)


def test_a_run_can_still_be_ended_later_when_its_reply_found_no_room(drive_sqlite):
    async def scenario(store):
        await fill(store, OTHER)
        await store.delete_session(OTHER, delete_transcript=True, now=2)
        await sweep(store, 3)
        await send(store, "r1")
        await fill(store, OTHER)
        end = {"state": "done", "message": reply(TEXT * 3), "result": {}, "now": 3}
        with pytest.raises(StorageFull):
            await store.finish_run("r1", **end)
        assert (await store.get_run("r1")).state == "running"
        await store.delete_session(OTHER, delete_transcript=True, now=4)
        await sweep(store, 5)
        await store.finish_run("r1", **end)
        assert (await store.get_run("r1")).state == "done" and len(await read(store)) == 2

    drive_sqlite(scenario, **FULL)


def test_room_made_by_deleting_is_used_again_once_it_is_swept(drive_sqlite):
    async def scenario(store):
        taken = await fill(store, OTHER)
        await store.delete_session(OTHER, delete_transcript=True, now=2)
        await sweep(store, 3)
        assert abs(await fill(store, OTHER) - taken) <= 2

    drive_sqlite(scenario, **FULL)


def test_of_many_writers_at_once_each_is_told_the_truth(drive_sqlite):
    async def scenario(store):
        outcomes = await asyncio.gather(
            *(
                store.append(session_key=MAIN, message=said("user", f"{n} {TEXT}"), now=1, create=True)
                for n in range(200)
            ),
            return_exceptions=True,
        )
        taken = {outcome.message.id for outcome in outcomes if not isinstance(outcome, Exception)}
        refused = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
        assert refused and {type(error) for error in refused} == {StorageFull}
        page = await store.history(session_key=MAIN, limit=1000)
        assert {message.id for message in page.messages} == taken
        assert all(body(message)["seq"] == message.seq for message in page.messages)

    drive_sqlite(scenario, **FULL)


def test_a_full_database_opens_and_can_be_read(drive_sqlite):
    async def reopened(store):
        assert len(await read(store, limit=1000)) == taken

    taken = drive_sqlite(fill, **FULL)
    drive_sqlite(reopened, **FULL)


def test_on_a_file_system_that_is_really_full(tmp_path):
    """In a mount namespace of its own, on a memory disk of 2 MB (``real_disk.py`` is what runs there)."""
    script = ROOT / "tests" / "store" / "real_disk.py"
    inside = 'mount -t tmpfs -o size=2m none "$1" && echo mounted && exec "$2" "$3" "$1"'
    command = [require("unshare"), "--user", "--map-root-user", "--mount", "sh", "-c", inside, "sh", tmp_path]
    done = subprocess.run(
        [*command, sys.executable, script],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    told = ["mounted", "refused", "read", "reopened", "written", "read-only", "told"]
    assert done.stdout.split() == told, done.stderr
