"""JSON as programs write it: it is read, and what cannot be kept costs itself only."""

from __future__ import annotations

import json

import msgspec
import pytest

from clawdbot_ext.protocol.outside_json import MAX_DEPTH, keepable, parse

PAIR = "\\ud83d\\ude00"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (f'"a \\ud83d b {PAIR} \\ude00"', "a \ufffd b \U0001f600 \ufffd"),
        ('"\\u0000"', "\ufffd"),
        ("[NaN, Infinity, -Infinity, 1e400]", [None] * 4),
        ("[9223372036854775807, 9223372036854775808]", [2**63 - 1, float(2**63)]),
        ("[1" + "0" * 30 + ", -1" + "0" * 6000 + "]", [1e30, None]),
        ('{"\\ud800": "tab\tinside"}', {"\ufffd": "tab\tinside"}),
        (b'"\xff"', "\ufffd"),
    ],
    ids=["half characters", "NUL", "no numbers", "64 bits", "endless digits", "names", "no UTF-8"],
)
def test_what_cannot_be_kept_is_replaced_and_the_rest_stays(text, wanted):
    found = parse(text)
    assert found == wanted
    assert msgspec.json.decode(msgspec.json.encode(found)) == wanted


def test_nesting_has_an_end():
    deep = "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1)
    for text in (deep, "[" * 100_000):
        with pytest.raises(ValueError):
            parse(text)
    assert parse(deep[1:-1]) is not None
    found = keepable(json.loads(deep))
    for _ in range(MAX_DEPTH):
        (found,) = found
    assert found is None
