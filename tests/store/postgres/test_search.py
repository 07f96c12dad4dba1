"""The index in PostgreSQL finds what SQLite's does; the scenarios of both are in ``tests/store/test_search.py``."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clawdbot_ext.store import messages, search_terms
from clawdbot_ext.store import search as sqlite_search
from clawdbot_ext.store.postgres import search, words

from .engines import Engines, in_transaction

PIECES = (
    *(
        "데이터",
        "분석",
        "가나",
        "나",
        "한국어처리",
        "매출이",
        "ㄱㄴ",
        "\u1112\u1161\u11ab",
        "\u1112",
        "東京",
        "カタ",
        "ｶﾀｶﾅ",
        "が",
        "カ\u3099",
    ),
    *(
        "abc",
        "ABC",
        "a",
        "np.mean",
        "x_1",
        "report_2026.pdf",
        "don't",
        "Straße",
        "STRASSE",
        "Café",
        "e\u0301",
        "İ",
        "ﬁ",
    ),
    *(
        "½",
        "1⁄2",
        "㎏",
        "℃",
        "²",
        "①",
        "👍",
        "👩‍💻",
        "🇰🇷",
        "→",
        "नमस्ते",
        "ภาษาไทย",
        "שלום",
        "ﷺ",
        "ΣΊΣΥΦΟΣ",
        "𞤀𞤁",
        "\U00030000",
        "\U000e0041",
    ),
    *(" ", "  ", "\n", "-", "'", '"', "*", "\\", ":", "&", "|", "!", "(", "\x00", "\u200b", "\u0345"),
)
PIECE = st.sampled_from(PIECES) | st.characters(exclude_categories=["Cs"])


def write(engines: Engines, texts: Sequence[str]) -> None:
    for seq, text in enumerate(texts, 1):
        body = msgspec.json.encode({"role": "user", "content": [{"type": "text", "text": text}]}).decode()
        for conn in engines:
            messages.insert(conn, "t", seq, f"m{seq}", 0, "user", 1, body)


def hits(engines: Engines, query: str, limit: int) -> Sequence[object]:
    """The numbers and snippets that both find."""
    ours, theirs = engines
    found = [
        [(hit.seq, hit.snippet, hit.highlights) for hit in hits]
        for hits in (sqlite_search.find(ours, query, limit, None), search.find(theirs, query, limit, None))
    ]
    assert found[0] == found[1], query
    return found[0]


@pytest.mark.slow
@settings(max_examples=40, deadline=None, derandomize=True)
@given(few=st.lists(PIECE, min_size=1, max_size=4), data=st.data())
def test_any_text_has_the_same_hits_in_both_engines(opened, few, data):
    text = st.lists(st.sampled_from([*few, " "]), max_size=7).map("".join)
    with in_transaction(opened):
        write(opened, data.draw(st.lists(text, min_size=4, max_size=8)))
        for query in data.draw(st.lists(text, min_size=8, max_size=8)):
            hits(opened, query, data.draw(st.sampled_from([1, 2, 10])))


@pytest.mark.parametrize(
    ("text", "query", "there"),
    [
        ("나가 가나", "나가나", False),  # both pairs, apart
        ("다나가나", "나가나", True),
        ("½ cup", "2 cup", True),
        ("½ cup", "12 cup", False),
        ("x1⁄2", "1⁄2", False),
        ("नमस्ते", "नमस", True),
        ("İstanbul", "istanbul", True),
        ("ﷺ said", "الله said", True),
    ],
)
def test_a_text_answers_as_in_sqlite(engines, text, query, there):
    write(engines, [text])
    assert bool(hits(engines, query, 10)) == there


@pytest.mark.slow
def test_texts_that_postgresql_cannot_index_whole_are_found_by_every_word(engines):
    long, wide, number = "x" * 300, "w" * 90, 12_000
    write(
        engines,
        [
            f"{long}1 and {long}2",
            " ".join(f"{wide}{n}" for n in range(number)),  # more different words than it takes
            "가나 " * 20_000 + "다라마바",  # more of one word, and places, than it counts
            "nothing of it",
        ],
    )
    assert [seq for seq, *_ in hits(engines, f"{long}2", 10)] == [1]
    assert hits(engines, f"{long}3", 10) == []
    assert [seq for seq, *_ in hits(engines, f"{wide}{number - 1} {wide}7", 10)] == [2]
    assert [seq for seq, *_ in hits(engines, f"{wide}1199", 10)] == [2]
    assert hits(engines, f"{wide}{number}", 10) == []
    assert [seq for seq, *_ in hits(engines, "다라마바", 10)] == [3]
    assert hits(engines, "나가나", 10) == []


def test_old_messages_are_found_behind_many_new_ones_that_have_the_word_too(engines):
    ours, theirs = engines
    for seq in range(1, search.WINDOW + 200):
        text = "common" + " ancient" * (seq < 150) + " seldom" * (seq % 400 == 1)
        row = (seq, f"m{seq}", f'{{"role":"user","content":[{{"type":"text","text":"{text}"}}]}}')
        for conn in engines:
            conn.execute(
                "INSERT INTO messages (session_id, seq, id, role, created_at, body) VALUES ('t', ?, ?, 'user', 1, ?)",
                row,
            )
    assert search.add_missing(theirs, 10_000) == search.WINDOW + 199
    for query, count in (
        ("common", 300),
        ("ancient", 149),
        ("seldom", 3),
        ("ancient seldom", 1),
        ("common nothere", 0),
    ):
        assert len(hits(engines, query, 300)) == count
    pages = [sqlite_search.find(ours, "seldom", 10, None), search.find(theirs, "seldom", 10, None)]
    for find, conn, page in ((sqlite_search.find, ours, pages[0]), (search.find, theirs, pages[1])):
        assert [hit.seq for hit in find(conn, "seldom", 10, page[1].position)] == [1]
        assert [hit.seq for hit in find(conn, "common", 2, page[1].position)] == [400, 399]


def test_messages_that_came_by_another_way_are_indexed_later(engines):
    _, theirs = engines
    for seq, role in enumerate(("user", "toolResult", "assistant", "user"), 10):
        body = f'{{"role":"{role}","content":[{{"type":"text","text":"sesame"}}]}}'
        theirs.execute(
            "INSERT INTO messages (session_id, seq, id, role, created_at, body) VALUES ('t', ?, ?, ?, 1, ?)",
            (seq, f"m{seq}", role, body),
        )
    assert [search.add_missing(theirs, 2) for _ in range(3)] == [2, 1, 0]
    assert [hit.seq for hit in search.find(theirs, "sesame", 10, None)] == [13, 12, 10]
    theirs.execute("DELETE FROM messages WHERE seq > 10")
    assert theirs.execute("SELECT count(*) FROM search").fetchone() == (1,)
    assert [hit.seq for hit in search.find(theirs, "sesame", 10, None)] == [10]


def test_terms_of_usual_texts_are_what_the_tokenizer_makes_of_them():
    """The short cut past it."""
    usual = "".join(filter(words._UNCHANGED.fullmatch, map(chr, range(1, 0x10000))))
    assert len(usual) > 30_000
    for text in (usual.replace(" ", ""), " ".join(usual)):
        terms = search_terms.indexed(text)
        assert words._UNCHANGED.fullmatch(terms)
        assert list(words._tokenize(terms)) == terms.split()
