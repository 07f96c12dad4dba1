"""The checks on behalf of the gateway: how often they are made, and what is no report."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from clawdbot_ext.config import Config, handed_on, load
from clawdbot_ext.server import diagnosis
from tests.support.wire import run


def test_all_who_ask_while_checks_are_made_get_the_next_ones_together(monkeypatch, tmp_path):
    begun: list[str] = []

    async def main() -> None:
        goes_on = asyncio.Event()

        async def slow(config: Config, locale: str) -> Sequence[Mapping[str, Any]]:
            begun.append(locale)
            number = len(begun)
            await goes_on.wait()
            return [{"check": str(number)}]

        monkeypatch.setattr(diagnosis, "_examine", slow)
        checks = diagnosis.Diagnosis(lambda: load({"CLAWDBOT_STATE_DIR": str(tmp_path)}))
        first = asyncio.create_task(checks.examine("en"))
        await asyncio.sleep(0)
        assert begun == ["en"]
        later = [asyncio.create_task(checks.examine("en")) for _ in range(5)]
        await asyncio.sleep(0)
        goes_on.set()
        assert await first == [{"check": "1"}]  # what began before the others asked is not their answer
        assert await asyncio.gather(*later) == [[{"check": "2"}]] * 5
        assert begun == ["en", "en"]

    run(main())


@pytest.mark.slow
def test_the_checks_know_the_settings_of_the_command_line_but_no_secret(monkeypatch, tmp_path):
    flags = {"gateway.bind": "lan", "gateway.auth.password": "a very long secret"}
    config = load({"CLAWDBOT_STATE_DIR": str(tmp_path)}, flags=flags)
    assert "secret" not in str(handed_on(config))
    config.home.mkdir(mode=0o700)

    async def audit(config: Config, locale: str) -> Sequence[Mapping[str, Any]]:
        return await diagnosis._report(config, locale, "security", "audit", "--json")

    monkeypatch.setattr(diagnosis, "_examine", audit)
    found = {each["checkId"] for each in run(diagnosis.Diagnosis(lambda: config).examine("en"))}
    assert found & {"bind.exposed", "bind.plain"}
