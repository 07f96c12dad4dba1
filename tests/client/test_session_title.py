"""Titles of sessions: the table that the page is tested with too."""

from __future__ import annotations

import json

import pytest

from clawdbot_ext.client.session_title import full_key, main_key, title_of
from tests.support.server import ROOT

CASES = json.loads((ROOT / "static" / "test" / "session-titles.json").read_text(encoding="utf-8"))
HELLO = {"snapshot": {"sessionDefaults": {"mainKey": "home", "mainSessionKey": "agent:main:home"}}}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['entry']} {case['key']}")
def test_a_session_has_the_title_that_the_page_gives_it(case: dict[str, object]) -> None:
    titles = {locale: title_of(case["entry"], str(case["key"]), main_key(HELLO), locale) for locale in ("en", "ko")}  # type: ignore[arg-type]
    assert titles == {"en": case["en"], "ko": case["ko"]}


def test_the_main_session_is_the_one_of_the_gateway_that_answered() -> None:
    assert main_key({"snapshot": {"sessionDefaults": {"mainKey": "home"}}}) == "agent:main:home"
    assert main_key({}) == "agent:main:main"
    assert full_key("main", HELLO) == full_key("agent:main:main", HELLO) == "agent:main:home"
    assert full_key(" notes ", HELLO) == "agent:main:notes"
