"""Faults that people met when they tried it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.wire import run, text_of, wired

PAGE = Path(__file__).resolve().parents[2] / "static" / "src" / "i18n"


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_demo_answers_the_pages_own_suggestions(standing_gateway, language):
    texts = json.loads((PAGE / f"{language}.json").read_text(encoding="utf-8"))
    starters = [text for name, text in texts.items() if name.startswith("starter.") and not name.endswith(".title")]
    assert starters

    async def main():
        async with wired(standing_gateway.ws_url, standing_gateway.token, locale=language) as wire:
            answers = []
            for starter in starters:
                end = await wire.ask(starter + " [[delay_ms=0]][[first_ms=0]]", key=f"starter-{language}")
                answers.append(text_of(end["message"]))
            assert not any("cannot answer that" in a or "대답할 수 없" in a for a in answers), answers
            assert len(set(answers)) == len(starters)

    run(main())


def test_a_word_that_is_no_command_is_not_sent_to_the_model_but_a_path_is(standing_gateway):
    async def main():
        async with wired(standing_gateway.ws_url, standing_gateway.token) as wire:
            end = await wire.ask("/qqqqq something", key="slash")
            assert "no command /qqqqq" in text_of(end["message"]) and "/help" in text_of(end["message"])
            for text in ("/usr/bin is a folder", "//quoted", " /qqqqq"):
                end = await wire.ask(f"{text} [[text=to the model]]", key="slash")
                assert text_of(end["message"]) == "to the model"

    run(main())


def test_the_context_is_still_known_after_a_reply_that_failed(standing_gateway):
    async def main():
        async with wired(standing_gateway.ws_url, standing_gateway.token) as wire:
            await wire.ask("[[text=some words to count]]", key="failed")
            before = (await wire.call("sessions.list", {"search": "failed"}))["sessions"][0]["totalTokens"]
            assert (await wire.ask("[[error=401]]", key="failed"))["state"] == "error"
            after = (await wire.call("sessions.list", {"search": "failed"}))["sessions"][0]["totalTokens"]
            assert before == after > 0

    run(main())


def test_new_in_an_empty_session_leaves_no_other_one_behind(standing_gateway):
    async def main():
        async with wired(standing_gateway.ws_url, standing_gateway.token, caps=("session.switch",)) as wire:
            first = (await wire.send("/new", key="main"))[1]["switchTo"]
            assert (await wire.send("/new", key=first))[1]["switchTo"] == first

    run(main())


def test_the_owner_is_not_held_up_by_somebody_elses_wrong_logins(gateway):
    async def main():
        for _ in range(12):
            with pytest.raises(Exception, match=r"mismatch|too many"):
                async with wired(gateway.ws_url, "wrong"):
                    pass
        async with wired(gateway.ws_url, gateway.token) as wire:
            assert (await wire.call("health"))["ok"]

    run(main())


def test_the_command_line_says_what_is_not_there_and_waits_for_what_it_sets(standing_gateway):
    def clawdbot(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "clawdbot_ext", *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            env=standing_gateway.environment,
            check=False,
        )

    gone = clawdbot("sessions", "show", "nosuch")
    assert gone.returncode == 1 and "nosuch" in gone.stderr
    assert clawdbot("config", "set", "agents.defaults.thinking", "low").returncode == 0
    assert "low" in clawdbot("call", "config.get").stdout
