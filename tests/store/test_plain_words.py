"""Titles, previews and snippets are written without the marks of Markdown."""

from __future__ import annotations

import pytest

from clawdbot_ext.store.plain_words import without_marks

from .kit import MAIN, send


@pytest.mark.parametrize(
    ("markdown", "words"),
    [
        (
            "**table** of `x` please\n\n```python\nprint(a*b*c)\n```\n- a\n- [x] b",
            "table of x please\n\nprint(a*b*c)\na\nb",
        ),
        ("# 제목\n> 인용\n1. 하나", "제목\n인용\n하나"),
        ("|a|b|\n|---|--:|\n|1|2|", " a b \n 1 2 "),
        ('[the docs](https://e.com "t") and ![a plot](x.png)', "the docs and a plot"),
        ("**중요(필수)**입니다, ~~옛것~~ \\*별\\*", "중요(필수)입니다, 옛것 *별*"),
        ("$x^2$, $$y$$ and \\(z\\)", "x^2, y and z"),
        ("---\n*one* _two_", "one two"),
    ],
)
def test_marks_are_gone(markdown, words):
    assert without_marks(markdown) == words


@pytest.mark.parametrize(
    "text", ["2 * 3 * 4", "snake_case_name and __init__", "$5 and $10", "$HOME:$PATH", "10~20도, 30~40%", "a < b > c"]
)
def test_what_is_no_mark_stays(text):
    assert without_marks(text) == text


def test_a_session_and_a_hit_are_named_without_marks(drive):
    async def scenario(store):
        await send(store, "r1", "**Compare** the `mean` and\n\n```python\nmedian()\n```")
        session = await store.get_session(MAIN)
        assert session.title == session.preview == "Compare the mean and median()"
        (hit,) = await store.search("mean", limit=5)
        assert hit.snippet == "Compare the mean and median()"
        assert [hit.snippet[low:high] for low, high in hit.highlights] == ["mean"]
        await send(store, "r2", "`****`")
        assert (await store.get_session(MAIN)).preview == "****"

    drive(scenario)
