"""Two gateways that share a database and the place of attachments: nothing that a row needs is ever removed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from clawdbot_ext.config import load
from clawdbot_ext.gateway.media import exclusion
from clawdbot_ext.gateway.media.exclusion import ARRIVING, REMOVING, ManyGateways
from clawdbot_ext.gateway.media.library import COLLECT_S, HELD, WHENEVER, MediaLibrary
from clawdbot_ext.protocol.clock import now_ms
from clawdbot_ext.runtime.supervision import Supervisor
from clawdbot_ext.store.api import Store
from clawdbot_ext.store.router import open_stores
from tests.support.wire import run

DATA = b"the same bytes\n" * 50
LONG_S = 60.0


@pytest.fixture
def two_gateways(tmp_path, monkeypatch):
    """``async with two_gateways() as (store, one, two)``."""
    monkeypatch.setenv("CLAWDBOT_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("CLAWDBOT_STORAGE_MEDIA_URL", (tmp_path / "shared").as_uri())

    @asynccontextmanager
    async def opened() -> AsyncIterator[tuple[Store, MediaLibrary, MediaLibrary]]:
        store = open_stores(tmp_path / "store.db")
        await store.open()
        libraries = [MediaLibrary(load, store, Supervisor()) for _ in range(2)]
        for library in libraries:
            await library.open()
        try:
            yield (store, *libraries)
        finally:
            for library in libraries:
                await library.close()
            await store.close()

    return opened


async def until(happens: Callable[[], Any]) -> None:
    for _ in range(int(LONG_S / 0.01)):
        if await happens():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not happen")


async def give(library: MediaLibrary, owner: str) -> Any:
    return await library.store_bytes(DATA, name="a.txt", claimed=None, owner=owner)


def test_bytes_that_arrive_while_another_gateway_removes_them_are_there_afterwards(two_gateways):
    async def main() -> None:
        async with two_gateways() as (store, one, two):
            first = await give(one, "ann")
            removing, go, remove = threading.Event(), threading.Event(), two.files.remove

            def slow(sha256: str) -> None:
                removing.set()
                assert go.wait(LONG_S)
                remove(sha256)

            two.files.remove = slow
            removal = asyncio.create_task(two._remove([first.id], WHENEVER))
            assert await asyncio.to_thread(removing.wait, LONG_S)
            arrival = asyncio.create_task(give(one, "bob"))

            async def came() -> bool:
                return arrival.done() or bool(await store.list_records(ARRIVING))

            await until(came)
            go.set()
            await removal
            media = await asyncio.wait_for(arrival, LONG_S)
            assert (await one.path(media)).read_bytes() == DATA
            assert not await store.list_records(ARRIVING) and not await store.list_records(REMOVING)

    run(main())


def test_a_removal_leaves_bytes_alone_that_another_gateway_has_placed_and_not_yet_written_down(two_gateways):
    async def main() -> None:
        async with two_gateways() as (_, one, two):
            first = await give(one, "ann")
            placed, go, place = threading.Event(), threading.Event(), one.files.place

            def slow(finished: Any, sha256: str) -> Any:
                found = place(finished, sha256)
                placed.set()
                assert go.wait(LONG_S)
                return found

            one.files.place = slow
            arrival = asyncio.create_task(give(one, "bob"))
            assert await asyncio.to_thread(placed.wait, LONG_S)
            await two._remove([first.id], WHENEVER)
            await two._remove_strays()
            go.set()
            media = await asyncio.wait_for(arrival, LONG_S)
            assert (await two.path(media)).read_bytes() == DATA
            assert await two.offered(media.sha256, "bob")
            await two._remove([media.id], WHENEVER)
            assert not (await two.path(media)).exists()
            assert await one.offered(media.sha256, "bob") is None

    run(main())


def test_marks_that_a_crash_left_hold_nothing_up_for_ever(two_gateways, monkeypatch):
    async def main() -> None:
        async with two_gateways() as (store, one, two):
            first = await give(one, "ann")
            await store.put_record(REMOVING, "left", {"id": "left", "sha256": first.sha256}, now=now_ms())
            await store.put_record(ARRIVING, "old", {"id": "old", "sha256": first.sha256}, now=now_ms())
            monkeypatch.setattr(exclusion, "PATIENCE_S", 0.3)
            await give(two, "bob")
            assert not await store.list_records(REMOVING)
            marks = ManyGateways(store)
            await marks.tidy()
            async with marks.arriving("0" * 64):
                await marks.tidy()
                (kept,) = await store.list_records(ARRIVING)
                assert kept["sha256"] == "0" * 64, "the old one was there an hour before, too"

    run(main())


def test_one_gateway_at_a_time_looks_at_the_whole_storage(two_gateways, monkeypatch):
    async def main() -> None:
        async with two_gateways() as (_, one, two):
            await one.collect()
            assert not await one._is_my_turn() and not await two._is_my_turn()
            stray = one.files.receive()
            stray.write(b"of a crash")
            stray.finish()
            stray.keep()
            await two.collect()
            assert len(list(one.files.everything())) == 1
            monkeypatch.setattr("clawdbot_ext.gateway.media.library.now_ms", lambda: now_ms() + int(COLLECT_S * 1000))
            await two.collect()
            assert not list(one.files.everything())

    run(main())


@pytest.mark.parametrize("place", ["shared", "own"])
def test_files_of_another_gateways_temporary_session_are_not_collected(two_gateways, monkeypatch, place):
    if place == "own":  # the rows are shared all the same
        monkeypatch.setenv("CLAWDBOT_STORAGE_MEDIA_URL", "")
        monkeypatch.setenv("CLAWDBOT_STORAGE_URL", "postgresql://db.example/lab")

    async def main() -> None:
        async with two_gateways() as (store, one, two):
            media = await give(one, "ann")
            await one.hold([media.id])
            monkeypatch.setattr("clawdbot_ext.gateway.media.library.now_ms", lambda: now_ms() + 48 * 3_600_000)
            await one.hold([media.id])  # as its collector does every hour
            await two.collect()
            late = MediaLibrary(load, store, Supervisor())
            await late.open()  # a third gateway starts
            await late.close()
            assert await store.get_media(media.id) and await store.list_records(HELD)
            monkeypatch.setattr("clawdbot_ext.gateway.media.library.now_ms", lambda: now_ms() + 52 * 3_600_000)
            one._held.clear()  # it has died
            await two.collect()
            assert not await store.get_media(media.id) and not await store.list_records(HELD)

    run(main())
