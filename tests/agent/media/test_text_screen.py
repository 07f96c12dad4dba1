"""Text as a terminal shows it in the end, whatever it is made of and however it is cut into pieces."""

from __future__ import annotations

import pytest

from clawdbot_ext.agent.media.readers.text_screen import SPACE, TextScreen, final_state
from clawdbot_ext.server.hands_node import outputs
from clawdbot_ext.server.hands_node.outputs import Collector

STREAMS = [
    ("a\nb\n", "a\nb\n"),
    ("1%\r 50%\r100%\ndone\n", "100%\ndone\n"),
    ("가나다 10%\r가나다 99%\n", "가나다 99%\n"),
    ("long line\rshort\n", "shortline\n"),
    ("long line\r\x1b[Kshort\n", "short\n"),
    ("outer 0\ninner 0\x1b[A\router 1\n\rinner 1\n", "outer 1\ninner 1\n"),
    ("one\ntwo\nthree\x1b[2F\x1b[Jnew", "one\nnew"[4:]),
    ("abc\x1b[2DX\x1b[5Gy", "aXc y"),
    ("x\x1b[31mred\x1b[0m\n", "x\x1b[31mred\x1b[0m\n"),
    ("old\r\x1b[1m\x1b[31mr\x1b[22me\x1b[0md", "\x1b[1;31mr\x1b[0m\x1b[31me\x1b[0md"),
    (
        "a\r\x1b[38;5;200mb\x1b[48;2;1;2;3mc\x1b[39md",
        "\x1b[38;5;200mb\x1b[0m\x1b[38;5;200;48;2;1;2;3mc\x1b[0m\x1b[48;2;1;2;3md\x1b[0m",
    ),
    ("half \ud83d\rHALF", "HALF \ud83d"),
]


@pytest.mark.parametrize(("stream", "shown"), STREAMS)
def test_a_stream_is_the_same_whole_and_in_pieces(stream: str, shown: str) -> None:
    for size in (len(stream), 1, 3):
        screen = TextScreen()
        for at in range(0, len(stream), size):
            screen.feed(stream[at : at + size])
        assert screen.text() == shown


HOSTILE = {
    "a coloured line": ("\r" + "\x1b[32m=\x1b[0m" * 20_000, "=" * 20_000),
    "steps back": ("x\b" * 30_000, "x"),
    "a long line erased again and again": ("x" * 100_000 + "\x1b[1K" * 10_000 + "\rend", "end"),
    "a long line left in ever new rows": ("\n" * 300 + "x" * 100_000 + "\x1b[Ay" * 20_000, None),
    "a cursor far away": ("\x1b[999999999Cx\x1b[A" * 1000, None),
    "shorter and shorter": ("".join("y" * size + "\r" for size in range(1000, 0, -1)), "y" * 1000),
    "longer and longer": ("".join("y" * size + "\r" for size in range(1000)), "y" * 999),
    "a look for each character": (
        "\r" + "".join(f"\x1b[38;2;{i % 256};{i // 256};0mx" for i in range(4_000)),
        "x" * 4_000,
    ),
    "codes without end": ("\r" + "\x1b[" + "1;" * 100_000 + "mx", None),
    "escapes that are none": ("\r" + "\x1b[" * 100_000, None),
}


@pytest.mark.parametrize("made", HOSTILE)
def test_no_output_takes_more_than_its_own_size_again(made: str) -> None:
    """Before, 0.2 MB of the fourth made 2.2 GB, and the first took a minute for 10 MB."""
    stream, shown = HOSTILE[made]
    final = final_state(stream)
    assert len(final) <= len(stream) + SPACE
    assert shown is None or final.lstrip() == shown
    screen = TextScreen()
    screen.feed(stream)
    assert len(screen) <= len(stream) + SPACE


def message(text: str, name: str = "stderr") -> dict[str, object]:
    return {"header": {"msg_type": "stream"}, "content": {"name": name, "text": text}}


def test_a_running_cell_keeps_the_state_of_its_bars_between_messages() -> None:
    collector = Collector()
    seen = []
    for text in ("outer 0\ninner \x1b[3", "2m0\x1b[0m", "\x1b[A\router 1", "\n\rinner 9", "9\n"):
        collector.take(message(text))
        seen.append(collector.outputs()[0]["text"])
    assert seen[2] == "outer 1\ninner \x1b[32m0\x1b[0m"
    assert seen[-1] == "outer 1\ninner 99\n"


@pytest.mark.parametrize("bar", ["", "0%\r"])
def test_of_too_much_output_the_end_is_kept_and_the_rest_counted(bar: str, monkeypatch) -> None:
    monkeypatch.setattr(outputs, "MAX_KEPT_BYTES", 100_000)
    collector = Collector()
    line = "가" * 99 + "\n"
    for text in (bar, *[line] * 1200, "the end\n"):
        collector.take(message(text, "stdout"))
    kept = collector.outputs()[0]["text"]
    assert kept.endswith(line + "the end\n") and len(kept) <= 100_000
    assert collector.dropped + len(kept) == pytest.approx(1200 * 100 + 8, abs=len(bar) + 2)
