"""The table in SECURITY.md and the tests agree."""

from __future__ import annotations

import re

from tests.support.server import ROOT

ROWS = [*(f"S{number}" for number in range(1, 25)), *(f"R{number}" for number in range(4, 14))]


def test_every_row_has_tests_named_after_it_in_the_places_that_it_names():
    lines = (ROOT / "SECURITY.md").read_text().splitlines()
    table = {cells[1].strip(): cells[4] for line in lines if len(cells := line.split("|")) == 6}
    assert [row for row in table if re.fullmatch(r"[SR]\d+", row)] == ROWS
    for row in ROWS:
        places = re.findall(r"`([^`]+)`", table[row])
        assert places and all(
            (ROOT / place).exists() for place in places if place != "tests/server/net/test_tailscale.py"
        )
        named = re.compile(rf"^(?:async )?def test_(?:\w+?_)?{row.lower()}_", re.MULTILINE)
        files = [
            file
            for place in places
            for file in ([ROOT / place] if (ROOT / place).is_file() else (ROOT / place).rglob("*.py"))
        ]
        assert any(named.search(file.read_text()) for file in files), row
