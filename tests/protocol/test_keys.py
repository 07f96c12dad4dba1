from __future__ import annotations

import pytest

from clawdbot_ext.protocol.errors import InvalidRequest
from clawdbot_ext.protocol.keys import MAX_KEY_CHARS, canonical


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ("main", "agent:main:main"),
        ("agent:main:main", "agent:main:main"),
        (" main ", "agent:main:main"),
        ("notes", "agent:main:notes"),
        ("agent:main:webchat:1", "agent:main:webchat:1"),
        ("메모", "agent:main:메모"),
        ("\u1106\u1166\u1106\u1169", "agent:main:메모"),
    ],
)
def test_a_key_has_one_spelling(given: str, key: str) -> None:
    assert canonical(given) == key


def test_main_follows_the_setting() -> None:
    assert canonical("main", "work") == canonical("agent:main:main", "work") == "agent:main:work"


@pytest.mark.parametrize("given", ["", "  ", "a\nb", "a\x00", "x" * (MAX_KEY_CHARS + 1)])
def test_a_key_that_cannot_be_shown_or_stored_is_refused(given: str) -> None:
    with pytest.raises(InvalidRequest):
        canonical(given)
