"""Texts that make a regular expression work hard, and how hard it works: for tests that patterns take linear time."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

if sys.version_info >= (3, 11):
    from re import _constants as c
    from re import _parser as parser
else:
    import sre_constants as c
    import sre_parse as parser

LENGTH = 16_000
"""Characters of the first text. What is linear is through it in less than ``QUICK_S``, what is quadratic is not."""
QUICK_S = 0.004
HOPELESS_S = 0.05
"""For a few thousand characters at most."""
RATIO = 3.0
"""Factor of work for twice the text: 2 is linear, 4 quadratic."""
MOST = 300
"""Texts a pattern."""
_CLASSES = {
    c.CATEGORY_DIGIT: "0",
    c.CATEGORY_SPACE: " ",
    c.CATEGORY_WORD: "a",
    c.CATEGORY_NOT_DIGIT: "a",
    c.CATEGORY_NOT_SPACE: "a",
    c.CATEGORY_NOT_WORD: "-",
}
_FILL = ("a", "0", " ", "-", "\n")


def texts(pattern: re.Pattern[str] | re.Pattern[bytes]) -> list[tuple[str, str, str]]:
    """``(before, pump, after)``: the pump is what is repeated. What is likely to hurt comes first."""
    source = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
    tree = parser.parse(source, pattern.flags & ~re.LOCALE & ~re.UNICODE)
    repeats = list(dict.fromkeys(_repeats(tree, "")))
    starts = list(dict.fromkeys(_starts(tree)))
    pumps = [pump for pump in dict.fromkeys([*(pump for _, pump in repeats), *starts, *_FILL]) if pump]
    found = [(head, pump, after) for head, pump in repeats if pump for after in ("", "\x01", "!\n")]
    found += [("", pump, after) for pump in pumps for after in ("", "\x01")]
    short = sorted(pumps, key=len)[:8]
    found += [("", one + other, "\x01") for one in short for other in short if one != other]
    found += [(head, pump, "\x01") for head in dict.fromkeys(head for head, _ in repeats) for pump in pumps]
    return list(dict.fromkeys(found))[:MOST]


def superlinear(work: Callable[[str], object], shape: tuple[str, str, str]) -> str | None:
    """``None`` if ``work`` takes linear time for texts of that shape; else the figures. In this thread's own time, and
    measured again where it looks bad: a machine that is busy does not count."""
    before, pump, after = shape
    texts = [before + pump * (length // len(pump)) + after for length in (LENGTH, 2 * LENGTH)]
    for part in (16, 4):  # so that what is cubic is found before everybody has gone home
        short = before + pump * (LENGTH // part // len(pump)) + after
        if _seconds(work, short) > HOPELESS_S and (took := _seconds(work, short)) > HOPELESS_S:
            return f"{len(short)} characters {took * 1000:.0f} ms: {shape!r}"
    if _seconds(work, texts[0]) <= QUICK_S:
        return None
    best = [float("inf"), float("inf")]
    for _ in range(5):
        best = [min(took, _seconds(work, text)) for took, text in zip(best, texts, strict=True)]
        if best[0] <= QUICK_S or best[1] <= RATIO * best[0]:
            return None
    # A few milliseconds tell little on a machine that is busy: four times the text has to say the same.
    longest = before + pump * (4 * LENGTH // len(pump)) + after
    if best[1] <= HOPELESS_S and _seconds(work, longest) <= RATIO**2 * best[0]:
        return None
    return f"{len(texts[0])} characters {best[0] * 1000:.0f} ms, {len(texts[1])} {best[1] * 1000:.0f} ms: {shape!r}"


def _seconds(work: Callable[[str], object], text: str) -> float:
    started = time.thread_time()
    work(text)
    return time.thread_time() - started


# -- examples -------------------------------------------------------------------------------------------------------
def _one(op: Any, value: Any, which: int) -> str:
    if op is c.LITERAL:
        return chr(value)
    if op is c.NOT_LITERAL:
        return "b" if value != ord("b") else "d"
    if op is c.ANY:
        return "x"
    if op is c.IN:
        return _member(value, which)
    if op is c.BRANCH:
        branches = value[1]
        return _example(branches[which % len(branches)], which)
    if op is c.SUBPATTERN:
        return _example(value[-1], which)
    if op in (c.MAX_REPEAT, c.MIN_REPEAT) or str(op) == "POSSESSIVE_REPEAT":
        low, high, body = value
        return _example(body, which) * max(int(low), min(1, int(high)))
    if str(op) == "ATOMIC_GROUP":
        return _example(value, which)
    return ""  # places, looking around, back references


def _member(items: Any, which: int) -> str:
    if items[0][0] is c.NEGATE:
        left_out = re.compile("[" + "".join(re.escape(_of(item, 0)) for item in items[1:]) + "]")
        return next((each for each in "q7 =\n\x01é" if not left_out.match(each)), "q")
    return _of(items[which % len(items)], which)


def _of(item: Any, which: int) -> str:
    op, value = item
    if op is c.LITERAL:
        return chr(value)
    if op is c.RANGE:
        return chr(value[which % 2])
    return _CLASSES.get(value, "a")


def _example(tree: Any, which: int) -> str:
    return "".join(_one(op, value, which) for op, value in tree)


def _starts(tree: Any) -> Iterator[str]:
    """Its possible beginnings: an attempt at every place."""
    for which in range(8):
        whole = _example(tree, which)
        yield whole
        for end in (1, 2, 3, len(whole) // 2, len(whole) - 1):
            yield whole[:end]


def _repeats(tree: Any, head: str) -> Iterator[tuple[str, str]]:
    """Of everything that repeats: what stands before it, and what it repeats."""
    for op, value in tree:
        name = str(op)
        if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            for which in range(5):
                yield head, _example(value[2], which)
            yield from _repeats(value[2], head)
        elif op is c.BRANCH:
            for branch in value[1]:
                yield from _repeats(branch, head)
        elif op is c.SUBPATTERN:
            yield from _repeats(value[-1], head)
        elif name == "ATOMIC_GROUP":
            yield from _repeats(value, head)
        elif op in (c.ASSERT, c.ASSERT_NOT):
            yield from _repeats(value[1], head)
        head += _one(op, value, 0)


def an_example(pattern: str) -> str:
    """A short text that a pattern matches."""
    return _example(parser.parse(pattern), 0)
