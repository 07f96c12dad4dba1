"""The vectors are the author's own and those that ``labextension/src/hands`` is tested with."""

from __future__ import annotations

import pytest

from clawdbot_ext.protocol.revision import revision

VECTORS = {
    "": "0bdcb81aee8d83",
    "a": "1c2ba782c97901",
    "b": "1eda5bc254d2bf",
    "revenge": "0e64cc3b748385",
    "revenue": "1d85148d13f93a",
    "print(1)\n": "08fe79341bb988",
    "a\r\nb": "18f8363ee0e6b6",
    "한글 셀": "14effd8f185ebc",
    "😀 x": "179eccd27710bd",
    "\ud800": "1fb54e0827e5c5",
    "x" * 1000: "1a7942aee5273b",
}


@pytest.mark.parametrize("text", VECTORS)
def test_a_revision_is_the_sum_over_utf_16_code_units(text: str) -> None:
    assert revision(text) == VECTORS[text]
