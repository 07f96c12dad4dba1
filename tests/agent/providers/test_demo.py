"""The provider that needs nothing: honest about itself, useful for a first look, obedient in tests."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time

import pytest

from clawdbot_ext.agent.providers.base import ModelInfo, Provider, ToolSpec
from clawdbot_ext.agent.providers.demo import DemoProvider
from tests.support.aio import run
from tests.support.turns import Turn, take


def demo() -> Provider:
    return DemoProvider(delay_ms=0, first_ms=0)


def ask(text: str, **fields: object) -> Turn:
    return run(take(demo(), text, **fields))


@pytest.mark.parametrize("text", ["hello", "What is the capital of France?", "?"])
def test_it_says_that_it_is_the_demo_and_how_to_get_a_real_answer(text: str) -> None:
    answer = ask(text).shown
    ways = ("Settings", "ANTHROPIC_API_KEY", "models.providers.anthropic.apiKey", "baseUrl", "Ollama")
    assert "**demo**" in answer and all(way in answer for way in ways)


def test_it_speaks_korean() -> None:
    answer = ask("프랑스의 수도는 어디야?", locale="ko-KR").shown
    assert "데모" in answer and "**설정**" in answer and "ANTHROPIC_API_KEY" in answer


@pytest.mark.parametrize(
    ("english", "korean", "token"),
    [
        ("show me code", "코드 보여 줘", "```python"),
        ("a table please", "표를 그려 줘", "|--:|"),
        ("some math", "수식 보여 줘", "$$"),
        ("markdown", "마크다운", "> "),
        (
            "This cell fails. Find the cause and give the corrected cell.",
            "원인을 찾고 고친 셀을 주세요.",
            "ratio(3, 0)",
        ),
        ("how do I set an api key", "API 키는 어떻게 넣어?", "clawdbot config set"),
    ],
)
def test_it_shows_what_it_is_asked_for_in_either_language(english: str, korean: str, token: str) -> None:
    assert token in ask(english).shown
    assert token in ask(korean, locale="ko").shown


def test_words_of_what_is_piped_in_wish_for_nothing() -> None:
    diff = "diff --git a/tool.py b/tool.py\n+    # approve the calculator: error 500, 2 + 2\n\n+ add a cell, what time"
    turn = ask(f"Review this\n\n{diff}", tools=[ToolSpec("demo_calculate", "", {}), ToolSpec("demo_clock", "", {})])
    assert turn.outcome.state == "done" and "4 lines came with your message" in turn.shown
    assert [block["type"] for block in turn.reply.content] == ["text"]
    assert "**demo**, a script" in ask("x" * 400 + diff).shown
    assert "|--:|" in ask("Make a table of this\n\ncity,people\nSeoul,9400000").shown


def test_it_answers_in_the_other_language_when_asked() -> None:
    assert "데모" in ask("and in Korean?").shown
    assert "**demo**" in ask("영어로 답해 줘", locale="ko").shown


@pytest.mark.parametrize(("text", "locale"), [("long", "en"), ("길게 써 줘", "ko")])
def test_a_long_answer_is_long(text: str, locale: str) -> None:
    assert len(ask(text, locale=locale).shown) > 1500


def test_it_thinks_aloud_when_asked_or_when_thinking_is_on() -> None:
    assert ask("thinking").thought and ask("code", thinking="high").thought and not ask("code").thought


def test_what_is_streamed_is_the_whole_answer_word_by_word() -> None:
    turn = ask("markdown")
    assert turn.reply.content == [{"type": "text", "text": turn.shown}] and len(turn.events) > 40


@pytest.mark.parametrize(
    ("text", "kind", "attempts"),
    [
        ("error 529", "overloaded", 4),
        ("오류 529", "overloaded", 4),
        ("error 401", "auth", 1),
        ("error 500", "server", 4),
    ],
)
def test_an_error_on_request_looks_like_a_real_one(text: str, kind: str, attempts: int) -> None:
    turn = ask(text)
    assert turn.outcome.state == "failed" and turn.kind == kind and turn.reply.attempts == attempts


def test_directives_decide_in_tests() -> None:
    assert ask("[[tokens=3]]").shown == "t0 t1 t2 "
    assert ask("[[text=exactly this]] and not that").shown == "exactly this"
    cut = ask("[[tokens=9]][[drop=2]]")
    assert cut.outcome.state == "interrupted" and cut.reply.text == "t0 t1"
    assert ask("[[error=413]]").kind == "too_large"


def test_an_error_once_is_followed_by_an_answer_and_then_by_an_error_again() -> None:
    provider = demo()
    for _ in range(2):
        turn = run(take(provider, "[[error_once=529]][[text=fine]]"))
        assert turn.outcome.state == "done" and turn.reply.attempts == 2 and turn.shown == "fine"


def test_its_pace_can_be_set() -> None:
    start = time.monotonic()
    turn = ask("[[tokens=4]][[delay_ms=20]][[first_ms=30]]")
    assert turn.outcome.state == "done" and time.monotonic() - start >= 0.1


def test_it_can_be_stopped_while_it_is_slow() -> None:
    async def go() -> None:
        task = asyncio.create_task(take(demo(), "slow"))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(go())


def test_it_offers_one_model() -> None:
    (model,) = run(_models())
    assert model.spec == "demo/demo"


async def _models() -> list[ModelInfo]:
    return list(await demo().list_models())


def test_neither_the_demo_nor_the_registry_loads_the_sdk() -> None:
    code = (
        "import sys, clawdbot_ext.agent.turn\n"
        "import clawdbot_ext.agent.context.builder, clawdbot_ext.agent.providers.registry\n"
        "print([m for m in sys.modules if m.split('.')[0] in ('anthropic', 'httpx2', 'pydantic')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr


def test_what_it_thought_is_part_of_the_reply() -> None:
    turn = ask("thinking")
    thought, answer = turn.reply.content
    assert (thought["type"], answer["type"]) == ("thinking", "text") and thought["thinking"] == turn.thought
