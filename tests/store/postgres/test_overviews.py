"""Pages of sessions and sums of usage come to the same in PostgreSQL and in SQLite."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from typing import Any, get_args

import pytest
from msgspec import structs

from clawdbot_ext.protocol.schema import SessionKind, SessionSort
from clawdbot_ext.store import messages, overviews, sessions
from clawdbot_ext.store.tables import SessionQuery, UsageSum
from tests.store.kit import MAIN, reply, user

from .engines import Engines

TITLES = (
    "Ärger",
    "arger",
    "ARGER",
    "straße",
    "STRASSE",
    "Zebra",
    "zebra 2",
    "가나다",
    "\u1100\u1161",
    "ㄱ",
    "_x",
    "~",
    "é",
    "e\u0301",
    "İx",
    "a\nb",
)
KEYS = (
    MAIN,
    *(f"agent:main:{kind}{n}" for kind in ("webchat:", "imported:", "temporary:", "Work ", "work ") for n in range(4)),
)


def fill(engines: Engines) -> None:
    """The same sessions in both, some of them equal in what they are sorted by."""
    dice = random.Random(18)
    for at, key in enumerate(KEYS):
        title, cost = dice.choice(TITLES), dice.choice([0.0, 0.1, 0.2, None])
        tokens, model = dice.choice([0, 5, 2**40]), dice.choice(["big", "Big", ""])
        spent = reply("x", read=tokens, written=1, cost=cost or 0.0)
        if cost is None:
            spent["usage"]["cost"]["unknown"] = True
        changes = {
            "pinned": dice.choice([True, False, None]),
            "archived": dice.choice([True, False, None, None]),
            "model": dice.choice(["big", "Big", None]),
            "label": f"{dice.choice(TITLES)} {at}" if dice.random() < 0.3 else None,
            "title": {"first": title, "text": f"{dice.choice(TITLES)} of a model"} if dice.random() < 0.4 else None,
        }
        for conn in engines:
            messages.append(conn, key, user(title), at // 3, None, True)
            messages.append(conn, key, {**spent, "provider": "p", "model": model}, at // 2, None, False)
            sessions.patch(conn, key, changes, at // 3)


def both(engines: Engines, query: SessionQuery, offset: int = 0, limit: int = 100) -> Any:
    found = []
    for conn in engines:
        total, rows = overviews.page(conn, query, offset, limit)
        found.append(
            (total, [structs.replace(row, session=structs.replace(row.session, session_id="")) for row in rows])
        )
    assert found[0] == found[1], query
    return found[0]


@pytest.fixture
def filled(engines: Engines) -> Engines:
    fill(engines)
    return engines


def test_pages_are_the_same_in_any_order(filled):
    for sort, descending in itertools.product(get_args(SessionSort), (True, False)):
        query = SessionQuery(main_key=MAIN, archived=None, sort=sort, descending=descending)
        total, rows = both(filled, query)
        assert (total, len(rows)) == (len(KEYS), len(KEYS))
        assert [row for at in range(0, len(KEYS), 4) for row in both(filled, query, at, 4)[1]] == rows
        assert both(filled, query, 0, -1)[1] == rows


def test_pages_are_the_same_of_any_part(filled):
    for archived in (None, True, False):
        assert both(filled, SessionQuery(main_key=MAIN, archived=archived))[0]
    for kind in get_args(SessionKind):
        assert both(filled, SessionQuery(main_key=MAIN, archived=None, kinds=[kind]))[0]
    for search in (
        "ARGER",
        "ärger",
        "strasse",
        "straße",
        "가",
        "ㄱ",
        "É",
        "i\u0307x",
        "Work 2",
        "a\nb",
        "%",
        "_",
        "'",
        "of a model",
    ):
        both(filled, SessionQuery(main_key=MAIN, archived=None, search=search))
    both(filled, SessionQuery(main_key=MAIN, archived=None, since=2, until=4))
    assert both(filled, SessionQuery(main_key=MAIN, archived=None, search="ärger"))[0]


@pytest.mark.parametrize("key", [None, MAIN, "agent:main:gone"])
def test_sums_are_the_same(filled, key):
    def rounded(rows: Sequence[UsageSum]) -> list[UsageSum]:
        return [structs.replace(row, cost=round(row.cost, 9)) for row in rows]

    edges = [0, 3, 4, 4, 9, 10**15]
    ours, theirs = (overviews.sums(conn, edges, key, len(KEYS)) for conn in filled)
    assert rounded(ours[0]) == rounded(theirs[0])
    assert rounded(ours[1]) == rounded(theirs[1])
    assert ours[2] == theirs[2] == {None: len(KEYS), MAIN: 1}.get(key, 0)
    assert {type(value) for row in theirs[0] for value in structs.astuple(row)} <= {int, float, str, type(None)}
    titles = [overviews.titles_of(conn, [None, "gone", *KEYS]) for conn in filled]
    assert titles[0] == titles[1] and set(titles[0]) == set(KEYS)
