"""The gateway's own tasks: none ends unseen, whatever goes wrong in one of them."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from clawdbot_ext.agent.providers.base import TextDelta
from clawdbot_ext.agent.providers.demo import DemoProvider
from clawdbot_ext.protocol.errors import Unavailable
from tests.support.in_process import in_process, until
from tests.support.wire import run


def write_config(folder: Path, text: str, stamp: int) -> None:
    path = folder / "jupyter" / "config.json"
    path.write_text(text, encoding="utf-8")
    os.utime(path, ns=(stamp, stamp))  # each version is seen, however coarse the clock of the file system is


def test_the_ticker_outlives_a_mistyped_address_and_a_part_that_fails_to_take_up_a_change(tmp_path, monkeypatch):
    monkeypatch.setattr("clawdbot_ext.gateway.gateway.POLL_INTERVAL_S", 0.02)
    mistyped = {"models": {"providers": {"ollama": {"baseUrl": "http://[::1:11434"}}}}

    async def main() -> None:
        async with in_process(tmp_path, settings={}) as chat:
            services, seen = chat.gateway.services, []

            def fails(config: Any) -> None:
                seen.append(config["ui.locale"])
                raise ZeroDivisionError("a bug")

            services.config.watch(fails)
            write_config(tmp_path, json.dumps(mistyped), 1)
            write_config(tmp_path, json.dumps({"ui": {"locale": "ko"}}), 2)
            await until(lambda: seen == ["ko"], 60)
            write_config(tmp_path, json.dumps({"ui": {"locale": "en"}}), 3)
            await until(lambda: seen == ["ko", "en"], 60)
            services.config.unwatch(fails)

    run(main())


def test_a_step_of_the_tick_that_fails_is_told_keeps_no_other_from_its_work_and_is_tried_again(tmp_path, monkeypatch):
    monkeypatch.setattr("clawdbot_ext.gateway.gateway.POLL_INTERVAL_S", 0.02)

    async def main() -> None:
        async with in_process(tmp_path, settings={"gateway": {"tickIntervalMs": 1000}}) as chat:
            services, calls = chat.gateway.services, []

            def fails() -> None:
                calls.append(1)
                if len(calls) < 100:
                    raise ZeroDivisionError("a bug")

            chat.gateway.access.on_void = fails
            await until(lambda: services.supervisor.troubles, 60)
            assert "ZeroDivisionError" in services.supervisor.troubles["credentials"]
            await until(lambda: chat.peer.payloads("tick"), 60)
            await until(lambda: not services.supervisor.troubles, 60)

    run(main())


class Endless(DemoProvider):
    """A model whose reply does not end by itself."""

    async def stream(self, request: Any) -> AsyncIterator[Any]:
        yield TextDelta("so far")
        await asyncio.Event().wait()


@pytest.mark.slow
def test_a_state_directory_that_is_moved_while_replies_end_is_written_out(tmp_path, monkeypatch):
    monkeypatch.setattr("clawdbot_ext.gateway.gateway.POLL_INTERVAL_S", 0.02)
    folder = tmp_path / "state"
    folder.mkdir()

    async def main() -> None:
        async with in_process(folder, provider=lambda: Endless(delay_ms=0)) as chat:
            chat.send("kept", "r1")
            await until(lambda: chat.peer.payloads("chat"), 60)
            stopping = asyncio.create_task(chat.gateway.stop())
            await until(lambda: chat.peer.payloads("shutdown"), 60)
            (folder / "g.sqlite3").rename(folder / "moved.sqlite3")
            await stopping

    run(main())
    [copy] = (tmp_path / "state-rescued").iterdir()
    with closing(sqlite3.connect(copy)) as conn:
        assert conn.execute("SELECT count(*) FROM messages WHERE body LIKE '%kept%'").fetchone() == (1,)


@pytest.mark.slow
def test_a_stop_gives_up_what_does_not_end_and_closes_the_store_all_the_same(tmp_path, monkeypatch, caplog):
    for name in ("STOP_S", "CUT_OFF_S"):
        monkeypatch.setattr(f"clawdbot_ext.gateway.gateway.{name}", 0.0)
    given_up: list[str] = []

    async def hangs() -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        async with in_process(tmp_path) as chat:
            services = chat.gateway.services
            monkeypatch.setattr(services.runs.titles, "close", hangs)
            monkeypatch.setattr(services.providers, "aclose", hangs)
            await chat.gateway.stop()
            given_up.extend(record.getMessage() for record in caplog.records if record.levelname == "CRITICAL")
            with pytest.raises(Unavailable, match="not open"):
                await services.store.list_records("any")

    run(main())
    assert len(given_up) == 2
