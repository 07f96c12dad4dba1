"""Output to the terminal: nothing that steers it, and columns that fit."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawdbot_ext.cli import printing
from clawdbot_ext.cli.chat.view import header
from clawdbot_ext.cli.printing import duration, pad, print_json, shorten, width, wrapped
from clawdbot_ext.escapes import Cleaner, clean

HOSTILE = {
    "colour": ("\x1b[31mred\x1b[0m", "red"),
    "clear the screen": ("a\x1b[2J\x1b[Hb", "ab"),
    "title": ("a\x1b]0;pwned\x07b", "ab"),
    "title, closed by ST": ("a\x1b]0;pwned\x1b\\b", "ab"),
    "hidden link": ("\x1b]8;;http://evil\x1b\\click\x1b]8;;\x1b\\", "click"),
    "clipboard": ("a\x1b]52;c;cm0gLXJm\x07b", "ab"),
    "device control": ("a\x1bP+q544e\x1b\\b", "ab"),
    "eight bits": ("a\x9b31mb\x9d0;x\x9cc", "abc"),
    "reset": ("a\x1bcb", "ab"),
    "overwrite the line": ("good\rbad", "goodbad"),
    "backspaces": ("ab\x08\x08c", "abc"),
    "bell": ("a\x07b", "ab"),
    "right to left": ("a\u202egnp.exe", "agnp.exe"),
    "unclosed": ("a\x1b]0;never ends", "a0;never ends"),
    "lines and tabs stay": ("a\n\tb\r\nc", "a\n\tb\nc"),
    "Korean and emoji stay": ("안녕 👩‍💻 \u0301", "안녕 👩‍💻 \u0301"),
}


@pytest.mark.parametrize(("text", "shown"), HOSTILE.values(), ids=HOSTILE)
def test_what_steers_a_terminal_is_left_out(text: str, shown: str) -> None:
    assert clean(text) == shown


@pytest.mark.parametrize("text", [text for text, _ in HOSTILE.values()], ids=HOSTILE)
def test_a_sequence_that_comes_in_pieces_is_left_out_as_well(text: str) -> None:
    for cut in range(len(text) + 1):
        cleaner = Cleaner()
        assert cleaner.feed(text[:cut]) + cleaner.feed(text[cut:]) + cleaner.finish() == clean(text)


@given(st.lists(st.text(st.sampled_from("ab한\n\x1b[]0;m\x07\\\x9b\x9dP\r"), max_size=12), max_size=6))
def test_no_control_character_ever_comes_through(pieces: list[str]) -> None:
    cleaner = Cleaner()
    shown = "".join(map(cleaner.feed, pieces)) + cleaner.finish()
    assert not [c for c in shown if unicodedata.category(c) == "Cc" and c not in "\n\t"]
    assert not [c for c in clean("".join(pieces)) if unicodedata.category(c) == "Cc" and c not in "\n\t"]


def test_json_is_escaped_where_it_could_act_and_stays_the_same_value(capsys: pytest.CaptureFixture[str]) -> None:
    value = {"text": "한글 \x1b[31m \x9b31m \x7f \u202e \ud800 \u2028"}
    print_json(value)
    printed = capsys.readouterr().out
    assert json.loads(printed) == value
    assert "한글" in printed
    assert not [c for c in printed if unicodedata.category(c) in ("Cc", "Cf", "Cs") and c != "\n"]


def test_columns_are_counted_as_a_terminal_does() -> None:
    assert [width(text) for text in ("abc", "한글", "e\u0301", "")] == [3, 4, 1, 0]
    assert [width(text) for text in ("👨‍👩‍👧", "🇰🇷", "❤️")] == [2, 2, 2]
    assert pad("한글", 6) == "한글  "
    assert pad("👨‍👩‍👧", 4) == "👨‍👩‍👧  "
    assert shorten("가족 👨‍👩‍👧 사진", 8) == "가족 👨‍👩‍👧…"
    assert shorten("한글과 컴퓨터", 6) == "한글…"
    assert shorten("two\nlines\x1b[2J", 20) == "two lines"


def test_lines_for_people_are_broken_between_words_and_an_address_never() -> None:
    assert wrapped("one two three", 8, "  ") == "one two\n  three"
    assert wrapped("하나 둘 셋넷", 8) == "하나 둘\n셋넷"
    assert wrapped("see https://example.com/a/long/path now", 10) == "see\nhttps://example.com/a/long/path\nnow"
    assert wrapped("short", 10) == "short"


def test_a_table_lines_up_with_wide_characters(capsys: pytest.CaptureFixture[str]) -> None:
    printing.table(["A", "B"], [["한글", "x"], ["abc", "\x1b[31my"]])
    assert capsys.readouterr().out == "A     B\n한글  x\nabc   y\n"


def test_durations_have_two_units_at_most() -> None:
    assert [duration(s * 1000) for s in (0, 59, 61, 3_600, 90_061)] == ["0s", "59s", "1m 1s", "1h", "1d 1h"]


def test_the_heading_of_a_chat_names_its_session_as_the_page_does() -> None:
    hello = {"snapshot": {"sessionDefaults": {"mainSessionKey": "agent:main:home"}}}
    row = {"derivedTitle": "hello", "model": "demo"}
    headings = [header(key, row, hello)[0] for key in ("agent:main:home", "agent:main:main")]
    assert [str(each) for each in headings] == ["Clawdbot · Main session · demo", "Clawdbot · hello · demo"]
    assert str(header("agent:main:x", None, hello)[0]) == "Clawdbot · New session"
