"""Markdown that grows: what is printed for good is never drawn otherwise later."""

from __future__ import annotations

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from clawdbot_ext.cli.chat.markdown import GrowingReply, finished, rendered

LONG = """# Title

A paragraph
of two lines.

- one
- two

  still two

```python
x = 1

y = 2
```

| a | b |
|---|---|
| 1 | 2 |

The end."""


def console(lines: int = 12) -> Console:
    return Console(
        file=io.StringIO(),
        force_terminal=True,
        width=60,
        height=lines,
        markup=False,
        emoji=False,
        highlight=False,
        color_system=None,
    )


def printed(target: Console) -> str:
    """Text on the screen and above it after all drawing: a terminal of the few sequences that are used."""
    assert isinstance(target.file, io.StringIO)
    rows, row = [""], 0
    for token in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|\r|\n|[^\x1b\r\n]+", target.file.getvalue()):
        if token == "\n":
            row += 1
            rows += [""] * (row + 1 - len(rows))
        elif token == "\x1b[2K":
            rows[row] = ""
        elif match := re.fullmatch(r"\x1b\[(\d+)A", token):
            row = max(0, row - int(match[1]))
        elif not token.startswith(("\x1b", "\r")):
            rows[row] += token
    return "\n".join(line.rstrip() for line in rows).strip()


def whole(text: str) -> str:
    target = console()
    target.print(rendered(text))
    return printed(target)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ssh <user>@<host>, List<String>", "ssh <user>@<host>, List<String>"),
        ("one\n\n<div>\ntwo\n</div>", "one\n\n<div> two </div>"),
        ("`<id>` and a<br>b", "<id> and a\nb"),
        ("![a plot](https://example.com/p.png), seen", "🖼 a plot (https://example.com/p.png), seen"),
        ("**중요(필수)**입니다, 10~20도와 30~40%", "중요(필수)입니다, 10~20도와 30~40%"),
        ("한**(글)**은 *a(b)*를", "한(글)은 a(b)를"),
    ],
)
def test_nothing_of_a_text_is_lost_and_it_reads_as_on_the_page(text: str, shown: str) -> None:
    assert whole(text) == shown


def test_a_block_is_finished_by_a_blank_line_and_what_follows() -> None:
    assert finished("one") == 0
    assert finished("one\n\n") == 0, "a list could go on"
    assert finished("one\n\ntwo") == len("one\n\n")
    assert finished("one\n\n  indented") == 0


@pytest.mark.parametrize("text", ["```\na\n\nb", "~~~\na\n\nb", "````\n```\n\nb", "```python\na\n\nb\n``"])
def test_a_fence_that_is_open_is_not_finished(text: str) -> None:
    assert finished(text) == 0


def test_a_fence_that_is_closed_is() -> None:
    assert finished("```\na\n\nb\n```\n\nc") == len("```\na\n\nb\n```\n\n")


@given(st.integers(0, len(LONG)), st.integers(0, len(LONG)))
def test_what_is_finished_stays_finished_and_asking_again_goes_on_from_there(first: int, second: int) -> None:
    first, second = sorted((first, second))
    before, after = finished(LONG[:first]), finished(LONG[:second])
    assert before <= after <= second
    assert finished(LONG[:second], before) == after


@pytest.mark.parametrize("step", [1, 7, 50, 1000])
@pytest.mark.parametrize("lines", [6, 40])
def test_a_reply_that_grows_ends_as_if_it_had_been_printed_at_once(step: int, lines: int) -> None:
    target = console(lines)
    with GrowingReply(target) as reply:
        reply.status = "Esc stops"
        for end in range(0, len(LONG) + step, step):
            reply.show(LONG[:end])
        reply.end(LONG)
    squeezed = re.sub(r"\n\s*\n+", "\n", printed(target))
    assert squeezed == re.sub(r"\n\s*\n+", "\n", whole(LONG))
    assert "Esc stops" not in squeezed


def test_a_reply_that_is_replaced_is_printed_anew() -> None:
    target = console()
    with GrowingReply(target) as reply:
        reply.show("first block\n\nsecond")
        reply.end("another reply altogether")
    assert printed(target).splitlines()[-1] == "another reply altogether"


def test_a_question_finds_the_whole_text_so_far_printed_drawn_or_not() -> None:
    target = console()
    with GrowingReply(target) as reply:
        reply.show("You will be asked")
        reply.newest = "You will be asked before it runs."  # between two frames
        with reply.paused():
            assert printed(target).strip() == "You will be asked before it runs."
        reply.end("You will be asked before it runs.")
    assert printed(target).count("before it runs.") == 1


def test_the_tail_never_has_more_lines_than_the_screen() -> None:
    target = console(lines=8)
    with GrowingReply(target) as reply:
        reply.show("```\n" + "\n".join(f"line {n}" for n in range(100)))
        assert isinstance(target.file, io.StringIO)
        assert target.file.getvalue().count("\n") < 8
        reply.end("done")


def test_lines_end_where_their_text_ends() -> None:
    assert all(line == line.rstrip() for line in whole(LONG).splitlines())


@pytest.mark.parametrize(
    "text",
    [
        "\x1b[31mred\x1b[0m",
        "a\x1b]0;pwned\x07",
        '[link](http://x "\x1b[2J")',
        "`\x9b31m`",
        "```\n\x1b[2J\n```",
        "[red]markup[/red] :smile:",
    ],
)
def test_hostile_text_is_harmless_and_markup_is_text(text: str) -> None:
    shown = whole(text)
    assert "pwned" not in shown
    assert "\x9b" not in shown
    target = console()
    target.print(rendered(text))
    assert isinstance(target.file, io.StringIO)
    assert "\x1b" not in target.file.getvalue()
    if "markup" in text:
        assert shown == "[red]markup[/red] :smile:"


def test_the_address_of_a_link_is_shown() -> None:
    assert whole("[safe](http://evil.example)") == "safe (http://evil.example)"
