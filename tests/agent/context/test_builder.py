"""The part of a conversation that reaches the model."""

from __future__ import annotations

from datetime import timedelta, timezone
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clawdbot_ext.agent.context.builder import Fitted, build
from clawdbot_ext.agent.context.token_estimate import estimate

KST = timezone(timedelta(hours=9))
NOON = 1_795_316_400_000  # 2026-11-22 12:00 in Seoul
MINUTE = 60_000


def user(text: str, **fields: Any) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "text", "text": text}], **fields}


def assistant(text: str, **fields: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": [{"type": "text", "text": text}], "stopReason": "stop", **fields}


def fit(*stored: dict[str, Any], window: int = 200_000, max_output: int = 8000, **fields: Any) -> Fitted:
    return build(stored, window=window, max_output=max_output, zone=KST, **fields)


def texts(fitted: Fitted) -> list[tuple[str, list[str]]]:
    return [(m["role"], [block["text"] for block in m["content"]]) for m in fitted.messages]


def test_a_conversation_is_sent_in_order() -> None:
    assert texts(fit(user("one"), assistant("two"), user("three"))) == [
        ("user", ["one"]),
        ("assistant", ["two"]),
        ("user", ["three"]),
    ]


def test_answers_of_commands_are_not_part_of_it() -> None:
    sent = texts(fit(user("one"), assistant("Session status", command="/status"), user("two")))
    assert sent == [("user", ["one", "two"])]


def test_thinking_of_earlier_turns_is_left_out() -> None:
    thought = assistant("yes")
    thought["content"].insert(0, {"type": "thinking", "thinking": "hmm"})
    assert texts(fit(user("one"), thought, user("two")))[1] == ("assistant", ["yes"])


def test_nothing_empty_is_sent() -> None:
    empty = {"role": "assistant", "content": [], "stopReason": "error"}
    blank = assistant(" \n ")
    assert texts(fit(user("one"), empty, blank, user("  "), user("two"))) == [("user", ["one", "two"])]


@pytest.mark.parametrize(
    ("reason", "note"),
    [
        ("interrupted", "[This reply was cut off here by a lost connection.]"),
        ("aborted", "[The user stopped this reply here.]"),
        ("error", "[This reply ended here because of an error.]"),
    ],
)
def test_an_unfinished_reply_is_sent_with_a_note(reason: str, note: str) -> None:
    sent = texts(fit(user("one"), assistant("half a rep", stopReason=reason), user("go on")))
    assert sent[1] == ("assistant", [f"half a rep\n\n{note}"])


def test_what_was_injected_before_anybody_wrote_comes_after_a_user_message() -> None:
    sent = texts(fit(assistant("The data is in /data.", stopReason="injected"), user("go")))
    assert [role for role, _ in sent] == ["user", "assistant", "user"] and sent[1][1] == ["The data is in /data."]


def test_what_was_injected_after_the_question_is_left_for_the_next_turn_where_it_stands() -> None:
    stored = [user("one"), assistant("two"), user("three"), assistant("note", stopReason="injected")]
    now = texts(fit(*stored))
    assert now == [("user", ["one"]), ("assistant", ["two"]), ("user", ["three"])]
    later = texts(fit(*stored, assistant("four"), user("five")))
    assert later == [*now, ("assistant", ["note", "four"]), ("user", ["five"])]


def test_what_the_demo_was_asked_and_said_is_not_sent_to_a_model() -> None:
    sent = texts(fit(user("one"), assistant("two"), user("table"), assistant("| a |", demo=True), user("three")))
    assert sent == [("user", ["one"]), ("assistant", ["two"]), ("user", ["three"])]


def test_the_time_is_told_once_and_again_after_a_pause() -> None:
    sent = texts(
        fit(
            user("one", timestamp=NOON),
            assistant("a"),
            user("two", timestamp=NOON + 5 * MINUTE),
            assistant("b"),
            user("three", timestamp=NOON + 90 * MINUTE),
        )
    )
    assert sent[0] == ("user", ["<time>Sunday 2026-11-22 12:00 +0900</time>", "one"])
    assert sent[2] == ("user", ["two"])
    assert sent[4] == ("user", ["<time>Sunday 2026-11-22 13:30 +0900</time>", "three"])


def test_a_turn_begins_as_the_one_before_it_did_so_that_the_cache_holds() -> None:
    stored = [user("one", timestamp=NOON), assistant("two", timestamp=NOON + 1), user("three", timestamp=NOON + 2)]
    before = fit(*stored).messages
    after = fit(*stored, assistant("four"), user("five", timestamp=NOON + 3)).messages
    assert after[: len(before)] == before


# -- the window -----------------------------------------------------------------------------------------------------
def long_talk(turns: int, text: str) -> list[dict[str, Any]]:
    talk: list[dict[str, Any]] = []
    for n in range(turns):
        talk += [user(f"question {n} {text}"), assistant(f"answer {n} {text}")]
    return [*talk, user("the last question")]


@pytest.mark.parametrize("text", ["lorem ipsum dolor sit amet " * 40, "데이터를 먼저 살펴보고 모델을 만들어요. " * 20])
def test_a_conversation_too_long_for_the_window_loses_its_beginning(text: str) -> None:
    stored = long_talk(200, text)
    fitted = fit(*stored, window=40_000, max_output=4000)
    assert fitted.dropped > 0 and fitted.tokens <= 40_000 - 4000
    assert fitted.messages[0]["role"] == "user" and texts(fitted)[-1] == ("user", ["the last question"])
    assert fitted.tokens > 0.6 * 36_000, "no more is given up than is worth it"


def test_korean_counts_by_the_syllable() -> None:
    assert estimate("안녕하세요") >= 5 and estimate("hello") <= 3
    assert estimate("") == 0


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("3f9ac1d07b" * 50, 0.6, 0.9),
        ("0.8444218515250481 " * 50, 0.6, 0.9),
        ('{"id": 17, "value": 0.5391, "tags": ["a", "b"]}, ' * 20, 0.5, 0.8),
        ("The quick brown fox jumps over the lazy dog, and goes home. " * 20, 0.2, 0.32),
        ("    for row in rows:\n        total += row.value * weights[row.key]\n" * 20, 0.25, 0.4),
    ],
    ids=["hex", "digits", "json", "prose", "code"],
)
def test_data_has_more_tokens_for_its_length_than_prose(text: str, least: float, most: float) -> None:
    assert least < estimate(text) / len(text) < most


@pytest.mark.slow
def test_the_beginning_stays_the_same_for_many_turns() -> None:
    stored = long_talk(400, "lorem ipsum " * 30)
    firsts = []
    for end in range(201, len(stored) + 1, 2):
        fitted = fit(*stored[:end], window=20_000, max_output=2000)
        firsts.append(texts(fitted)[0][1][-1])
    changes = sum(1 for one, other in pairwise(firsts) if one != other)
    assert fitted.dropped and changes < len(firsts) / 4


def test_it_stays_the_same_even_if_only_the_newest_messages_are_at_hand() -> None:
    stored = long_talk(300, "lorem ipsum " * 30)
    whole, page = fit(*stored, window=20_000), fit(*stored[200:], window=20_000)
    assert whole.messages == page.messages


def test_a_question_larger_than_the_window_is_sent_all_the_same() -> None:
    fitted = fit(user("one"), assistant("two"), user("x" * 400_000), window=10_000)
    assert len(fitted.messages) == 1 and fitted.messages[0]["role"] == "user"


def test_a_limit_on_the_reply_larger_than_the_window_leaves_half_for_the_conversation() -> None:
    fitted = fit(*long_talk(50, "lorem " * 50), window=8192, max_output=8192)
    assert 1000 < fitted.tokens <= 4096


def answered(talk: list[dict[str, Any]], factor: float, window: int) -> tuple[list[dict[str, Any]], int]:
    """The talk as a provider would have answered it turn by turn, which counts ``factor`` tokens to our one.

    Returns the messages with the usage it reports, and the largest request it got, in its tokens.
    """
    stored: list[dict[str, Any]] = []
    largest = 0
    for message in talk:
        usage = {}
        if message["role"] == "assistant":
            sent = fit(*stored, window=window, max_output=1000).messages
            real = int(factor * sum(estimate(b["text"]) for m in sent for b in m["content"]))
            usage = {"usage": {"input": real - 5, "cacheRead": 5, "cacheWrite": 0, "output": 1}}
            largest = max(largest, real)
        stored.append({**message, **usage})
    return stored, largest


def test_the_estimate_is_corrected_by_what_replies_really_used() -> None:
    talk = long_talk(12, "lorem ipsum dolor sit amet " * 10)
    dear, _ = answered(talk, 2.0, 1_000_000)
    assert fit(*dear).tokens == pytest.approx(2 * fit(*talk).tokens, rel=0.15)


@pytest.mark.parametrize("factor", [0.7, 1.0, 1.6])
def test_replies_to_a_shortened_conversation_do_not_mislead_the_correction(factor: float) -> None:
    """Past the window a reply's count is of a part only; taken for the whole it would let too much in."""
    _, largest = answered(long_talk(120, "lorem ipsum dolor sit amet " * 8), factor, 12_000)
    assert 6000 < largest < 12_000 - 1000


ROLE = st.sampled_from(["user", "assistant", "toolResult"])
MESSAGE = st.fixed_dictionaries(
    {
        "role": ROLE,
        "content": st.one_of(
            st.text(max_size=40),
            st.lists(
                st.fixed_dictionaries(
                    {"type": st.sampled_from(["text", "thinking", "image"]), "text": st.text(max_size=40)}
                ),
                max_size=3,
            ),
        ),
    },
    optional={
        "stopReason": st.sampled_from(["stop", "aborted", "interrupted", "injected", "command"]),
        "command": st.just("/status"),
        "demo": st.booleans(),
        "timestamp": st.integers(0, 2**41),
        "usage": st.fixed_dictionaries({"input": st.integers(0, 10**6), "cacheRead": st.integers(0, 10**6)}),
    },
)


@pytest.mark.slow
@given(st.lists(MESSAGE, max_size=30), st.integers(200, 20_000))
@settings(max_examples=150, deadline=None)
def test_whatever_is_stored_the_request_is_one_the_api_takes(stored: list[dict[str, Any]], window: int) -> None:
    messages = fit(*stored, user("the question"), window=window).messages
    roles = [m["role"] for m in messages]
    assert roles[0] == "user" and roles[-1] == "user" and messages[-1]["content"][-1]["text"] == "the question"
    assert all(a != b for a, b in pairwise(roles))
    assert all(block["text"].strip() for m in messages for block in m["content"])
