"""Differences of two texts, by line and by word."""

from __future__ import annotations

import time

import pytest

from clawdbot_ext.client.text_diff import diff, unified


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        (None, "a\nb", "+a\n+b"),
        ("a\nb", None, "-a\n-b"),
        ("a\nb\nc", "a\nx\nc", " a\n-b\n+x\n c"),
        ("same", "same", ""),
        ("\n".join("abcdefghij"), "\n".join("abcdefghiX"), "…\n g\n h\n i\n-j\n+X"),
        ("", "one", "+one"),
    ],
)
def test_changed_lines_stand_among_their_neighbours(before: str | None, after: str | None, shown: str) -> None:
    assert unified(before, after) == shown


def test_in_a_changed_line_the_words_that_differ_are_marked() -> None:
    removed, added = diff("df = pd.read_csv('a.csv')", "df = pd.read_csv('b.csv', sep=';')")
    assert [text for text, differs in removed.parts if differs] == ["a"]
    assert "".join(text for text, differs in added.parts if differs) == "b, sep=';'"
    assert removed.text == "df = pd.read_csv('a.csv')"


def test_lines_that_have_nothing_in_common_are_changed_as_a_whole() -> None:
    removed, added = diff("import os", "print(x + 1)")
    assert not any(differs for line in (removed, added) for _, differs in line.parts)


def test_a_long_text_takes_little_time() -> None:
    old, new = "\n".join(map(str, range(50_000))), "\n".join(map(str, range(7, 50_007)))
    begun = time.perf_counter()
    assert len(diff(old, new)) == 100_000
    assert time.perf_counter() - begun < 5
