"""The commands that show and set levels, and those that look into a session."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from tests.support.wire import run, text_of, wired


@pytest.mark.parametrize(
    ("command", "setting", "level"),
    [
        ("/think high", "thinkingLevel", "high"),
        ("/t: low", "thinkingLevel", "low"),
        ("/verbose on", "verboseLevel", "on"),
        ("/reasoning stream", "reasoningLevel", "stream"),
        ("/usage tokens", "responseUsage", "tokens"),
    ],
)
def test_a_level_is_set_shown_and_taken_back(gateway, command, setting, level):
    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            assert level in text_of((await wire.ask(command))["message"])
            (entry,) = (await wire.call("sessions.list"))["sessions"]
            assert entry[setting] == level
            word = command.partition(" ")[0].rstrip(":")
            assert level in text_of((await wire.ask(word))["message"])
            assert "Choices" in text_of((await wire.ask(f"{word} extreme"))["message"])
            await wire.ask(f"{word} default")
            (entry,) = (await wire.call("sessions.list"))["sessions"]
            assert setting not in entry

    run(main())


def test_context_whoami_and_export_tell_the_truth(gateway):
    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            assert "nothing to export" in text_of((await wire.ask("/export", key="empty"))["message"])
            await wire.ask("hello there [[text=hi]]")
            assert "200,000" in text_of((await wire.ask("/context"))["message"])
            assert "agent:main:main" in text_of((await wire.ask("/whoami"))["message"])
            return text_of((await wire.ask("/export"))["message"])

    path = Path(run(main()).split("`")[1])
    text = path.read_text()
    assert "hello there" in text and "hi" in text and stat.S_IMODE(path.stat().st_mode) == 0o600
