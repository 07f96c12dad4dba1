"""Attachments through what happens to a conversation: stopped, reloaded, killed, branched; and who may have a file."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest

from clawdbot_ext.config import Config, load
from clawdbot_ext.gateway.media.library import DAY_MS, HOUR_MS, MediaLibrary
from clawdbot_ext.protocol.clock import now_ms
from clawdbot_ext.protocol.errors import NotFound, StorageFull
from clawdbot_ext.runtime.supervision import Supervisor
from clawdbot_ext.store.api import Media
from clawdbot_ext.store.router import open_stores
from tests.support.files import tone
from tests.support.media import png, upload
from tests.support.wire import run, text_of, wired

SLOW = "[[tokens=100000]] [[delay_ms=5]]"


def files_of(message: dict[str, Any]) -> list[str]:
    return [block["mediaId"] for block in message["content"] if "mediaId" in block]


def test_a_file_that_is_being_read_is_seen_after_a_reload_and_stop_ends_it(make_gateway):
    endless = [sys.executable, "-c", "import time; time.sleep(600)", "{{WavPath}}"]
    gateway = make_gateway(config={"media": {"audio": {"command": endless}}})
    sound = upload(gateway, "talk.wav", tone(1.0))

    async def main() -> None:
        async with wired(gateway.ws_url, gateway.token, caps=["session.events"]) as wire:
            run_id, _ = await wire.send("what is said?", attachments=[{"mediaId": sound["mediaId"]}])
            await wire.wait("agent", lambda p: p["stream"] == "media")
            async with wired(gateway.ws_url, gateway.token) as reloaded:
                flight = (await reloaded.call("chat.history", {"sessionKey": "main"}))["inFlight"]
                assert [(m["mediaId"], m["name"]) for m in flight["media"]] == [(sound["mediaId"], "talk.wav")]
                await reloaded.call("chat.abort", {"sessionKey": "main", "runId": run_id})
            assert (await wire.end(run_id, timeout=60))["state"] == "aborted"
            kept = (await wire.call("chat.history", {"sessionKey": "main"}))["messages"]
            assert files_of(kept[0]) == [sound["mediaId"]] and text_of(kept[0]) == "what is said?"
            assert (await wire.ask("[[text=well]] hello", key="other"))["state"] == "final", "nothing is blocked"

    run(main())


def test_a_waiting_send_keeps_its_files_over_a_kill_and_a_branch_has_those_of_its_message(gateway):
    first = upload(gateway, "one.png", png(4, 3))
    second = upload(gateway, "two.png", png(5, 3))

    async def before() -> str:
        async with wired(gateway.ws_url, gateway.token) as wire:
            await wire.send(SLOW)
            waiting, _ = await wire.send("[[text=seen]] look", attachments=[{"mediaId": first["mediaId"]}])
            gateway.kill()
            return waiting

    waiting = run(before())
    gateway.start()

    async def after() -> None:
        async with wired(gateway.ws_url, gateway.token, caps=["session.events"]) as wire:

            async def shown(key: str = "main") -> list[dict[str, Any]]:
                messages: list[dict[str, Any]] = (await wire.call("chat.history", {"sessionKey": key}))["messages"]
                return messages

            if (await shown())[-1].get("runId") != waiting or (await shown())[-1]["role"] != "assistant":
                await wire.end(waiting)
            question, reply = (await shown())[-2:]
            assert files_of(question) == [first["mediaId"]] and text_of(reply) == "seen"
            await wire.call("chat.regenerate", {"sessionKey": "main", "messageId": reply["id"], "idempotencyKey": "g"})
            await wire.end("g")
            assert files_of((await shown())[-2]) == [first["mediaId"]]
            forked = (await wire.call("sessions.fork", {"key": "main"}))["key"]
            assert files_of((await shown(forked))[-2]) == [first["mediaId"]]
            await wire.call(
                "chat.edit",
                {
                    "sessionKey": "main",
                    "messageId": question["id"],
                    "idempotencyKey": "e",
                    "message": "[[text=two]]",
                    "attachments": [{"mediaId": first["mediaId"]}, {"mediaId": second["mediaId"]}],
                },
            )
            await wire.end("e")
            assert files_of((await shown())[-2]) == [first["mediaId"], second["mediaId"]]

    run(after())


@pytest.fixture
def settings() -> dict[str, Any]:
    """``media.*`` of ``opened_library``, read anew each time."""
    return {}


@pytest.fixture
def opened_library(tmp_path, monkeypatch, settings):
    monkeypatch.setenv("CLAWDBOT_STATE_DIR", str(tmp_path))

    def live() -> Config:
        (tmp_path / "jupyter").mkdir(exist_ok=True)
        (tmp_path / "jupyter" / "config.json").write_text(json.dumps({"media": settings}))
        return load()

    @asynccontextmanager
    async def opened() -> AsyncIterator[MediaLibrary]:
        store = open_stores(tmp_path / "store.db")
        await store.open()
        library = MediaLibrary(live, store, Supervisor())
        await library.open()
        try:
            yield library
        finally:
            await library.close()
            await store.close()

    return opened


@pytest.fixture
def later(monkeypatch):
    """``later(ms)``: from now on it is so much later."""
    return lambda ms: monkeypatch.setattr("clawdbot_ext.gateway.media.library.now_ms", lambda: now_ms() + ms)


def test_a_file_that_is_given_again_is_as_good_as_new(opened_library, later):
    """A browser asks by the hash whether a file is here, and sends the id hours later with the message."""

    async def main() -> None:
        async with opened_library() as library:
            give = partial(library.store_bytes, b"again\n" * 100, name="a.txt", claimed=None, owner="ann")
            first = await give()
            library.files.path(first.sha256).unlink()  # deleted by hand
            assert await library.offered(first.sha256, "ann") is None
            assert (await give()).id == first.id
            assert library.files.path(first.sha256).read_bytes() == b"again\n" * 100
            for number, again in enumerate((give, partial(library.offered, first.sha256, "ann")), 1):
                later(number * 23 * HOUR_MS)
                assert (await again()).id == first.id
                await library.collect()
            later(46 * HOUR_MS + 23 * HOUR_MS)
            await library.collect()
            assert (await library.get(first.id, "ann")).id == first.id
            later(46 * HOUR_MS + 25 * HOUR_MS)
            await library.collect()
            with pytest.raises(NotFound):
                await library.get(first.id, "ann")

    run(main())


def test_many_at_once_do_not_get_past_the_quota_and_nothing_in_use_makes_room(opened_library, later, settings):
    async def main() -> None:
        async with opened_library() as library:

            async def give(number: int, name: str = "") -> Media:
                return await library.store_bytes(
                    b"%d" % number * 250, name=name or f"{number}.txt", claimed=None, owner="ann"
                )

            settings["maxStoredBytes"] = 600
            told = await asyncio.gather(*(give(number) for number in range(6)), return_exceptions=True)
            kept = [media for media in told if isinstance(media, Media)]
            assert len(kept) == 2 and await library.store.media_bytes() == 500
            assert await give(int(kept[0].name[0]), "other name.txt"), "the same bytes need no room"
            later(2 * HOUR_MS)
            await library.hold([media.id for media in await library.store.orphaned_media(before=now_ms() + DAY_MS)])
            with pytest.raises(StorageFull):  # files of a temporary session are no orphans
                await give(7)

    run(main())


def test_what_was_made_of_a_file_that_went_meanwhile_goes_too(opened_library):
    async def main() -> None:
        async with opened_library() as library:
            library.files.keep_derived("ab" * 32, "thumbnail", b"x")
            await library.collect()
            assert not list((library.files.root / "derived").iterdir())

    run(main())


def test_a_file_is_its_owners_until_it_is_sent_and_goes_by_quota_and_age(opened_library, later, settings):
    async def main() -> None:
        async with opened_library() as library:
            store = library.store
            mine = await library.store_bytes(b"mine\n" * 100, name="mine.txt", claimed=None, owner="ann")
            assert (await library.get(mine.id, "ann")).id == mine.id
            with pytest.raises(NotFound):
                await library.get(mine.id, "bob")
            assert await store.find_media(mine.sha256, "bob") is None, "nor can it be asked for by its content"
            settings["maxStoredBytes"] = 600
            with pytest.raises(StorageFull) as full:
                await library.store_bytes(b"more\n" * 100, name="more.txt", claimed=None, owner="ann")
            assert full.value.reason == "MEDIA_QUOTA"
            message = {"role": "user", "content": [{"type": "file", "mediaId": mine.id}], "timestamp": 1}
            await store.append(session_key="agent:main:main", message=message, now=1, create=True)
            assert (await library.get(mine.id, "bob")).id == mine.id, "a message speaks of it"
            settings.clear()
            settings["keepDays"] = 1
            later(2 * DAY_MS)
            await library.collect()
            with pytest.raises(NotFound) as gone:
                await library.get(mine.id, "ann")
            assert gone.value.reason == "MEDIA_REMOVED" and not list(library.files.everything())

    run(main())
