"""The gateway's own tasks: none ends unseen, whatever goes wrong in one of them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

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
