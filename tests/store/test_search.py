"""Search finds every message that is there, in the writing systems that people use, and nothing that is gone."""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import closing

import pytest

from clawdbot_ext.store import db, schema, search_terms
from clawdbot_ext.store.sqlite import open_store

from .kit import MAIN, OTHER, finish, said, say, send, sweep


async def found(store, query: str, **options) -> list[str]:
    """The snippets, newest first."""
    return [hit.snippet for hit in await store.search(query, **{"limit": 100, **options})]


def marked(hit) -> list[str]:
    """The highlighted words, cut out as a browser would."""
    units = hit.snippet.encode("utf-16-le")
    return [units[2 * low : 2 * high].decode("utf-16-le") for low, high in hit.highlights]


@pytest.mark.parametrize(
    ("query", "hit"),
    [
        ("분석", "매출데이터분석을 해 주세요"),
        ("데이터", "매출데이터분석을 해 주세요"),
        ("을", "매출데이터분석을 해 주세요"),
        ("분석 매출", "매출데이터분석을 해 주세요"),
        ("python", "Python으로 그려 줘"),
        ("Python으로", "Python으로 그려 줘"),
        ("pyth", "Python으로 그려 줘"),
        ("東京", "私は東京都に住んでいます"),
        ("cafe", "Ein Café in Zürich"),
        ("ZÜRICH", "Ein Café in Zürich"),
        ("zu\u0308rich", "Ein Café in Zürich"),
        ("np.mean", "use np.mean(values) here"),
        ("mean np", "use np.mean(values) here"),
        ("㎏", "몸무게는 70㎏이에요"),
        ("kg", "몸무게는 70㎏이에요"),
        ("👍", "좋아요👍"),
        ("한글", "\u1112\u1161\u11ab\u1100\u1173\u11af spelt apart"),
    ],
)
def test_a_word_is_found_wherever_it_stands(drive, query, hit):
    async def scenario(store):
        await say(store, "something else 전혀 다른 말 別の話", hit)
        (only,) = await store.search(query, limit=10)
        assert only.session_key == MAIN
        assert marked(only)

    drive(scenario)


NOT_THERE = ["데터", "분석 없음", "ytho", "pyth on", "", "  ", '!?"*()^:-', "AND", "words -"]


@pytest.mark.parametrize("query", NOT_THERE)
def test_what_is_not_there_is_not_found(drive, query):
    async def scenario(store):
        await say(store, "매출데이터분석", "Python")
        assert await found(store, query) == []

    drive(scenario)


def test_no_character_makes_a_query_that_is_refused(drive):
    async def scenario(store):
        await say(store, "x")
        odd = [chr(code) for code in range(1, sys.maxunicode, 7) if not 0xD800 <= code < 0xE000]
        for at in range(0, len(odd), 4000):
            for char in odd[at : at + 4000 : 67]:
                await store.search(f"x{char}x {char}", limit=1)

    drive(scenario)


def test_only_the_last_word_may_be_unfinished(drive):
    async def scenario(store):
        await say(store, "matplotlib figures")
        assert await found(store, "matplotlib fig")
        assert not await found(store, "matplot figures")

    drive(scenario)


def test_hits_come_newest_first_in_pages_that_join(drive):
    async def scenario(store):
        for number in range(7):
            await say(store, f"apple {number}", key=(MAIN, OTHER)[number % 2])
        first = await store.search("apple", limit=3)
        rest = await store.search("apple", limit=10, before=first[-1].position)
        assert [hit.snippet[-1] for hit in [*first, *rest]] == list("6543210")
        assert {hit.session_key for hit in first} == {MAIN, OTHER}

    drive(scenario)


def test_a_hit_says_where_it_is(drive):
    async def scenario(store):
        await say(store, "Rain in Seoul", "more")
        await store.patch_session(MAIN, {"label": "Weather"}, now=3)
        (hit,) = await store.search("seoul", limit=5)
        page = await store.history(session_key=MAIN, limit=10)
        asked = page.messages[0]
        assert (hit.session_id, hit.seq, hit.message_id, hit.role) == (asked.session_id, 1, asked.id, "user")
        assert (hit.title, hit.label, hit.archived, hit.created_at) == ("Rain in Seoul", "Weather", False, 1)

    drive(scenario)


def test_replies_are_found_thinking_and_answers_of_commands_are_not(drive):
    async def scenario(store):
        await send(store, "r1", "question")
        await finish(store, "r1", "visible answer")
        hidden = {"role": "assistant", "timestamp": 1, "content": [{"type": "thinking", "thinking": "secret"}]}
        for message in (hidden, said("assistant", "secret", command="/status"), said("toolResult", "secret")):
            await store.append(session_key=MAIN, message=message, now=3)
        assert await found(store, "visible") == ["visible answer"]
        assert await found(store, "secret") == []

    drive(scenario)


def test_what_a_crash_cut_off_is_found(drive):
    async def scenario(store):
        await send(store, "r1", "question")
        await store.save_partial("r1", text="half of an elephant", thinking="")
        assert await found(store, "elephant") == []
        await store.recover(now=5, interrupted=lambda _: {"stopReason": "interrupted"})
        assert await found(store, "elephant") == ["half of an elephant"]

    drive(scenario)


def test_cleared_messages_are_found_again_only_by_undoing(drive):
    async def scenario(store):
        await say(store, "apple")
        await store.clear(MAIN, undo_until=100, now=2)
        assert await found(store, "apple") == []
        await say(store, "apple pie", now=3)
        await store.undo_clear(MAIN, now=4)
        assert await found(store, "apple") == ["apple pie", "apple"]
        await store.clear(MAIN, undo_until=100, now=5)
        await say(store, "pear", now=200)  # the clear has expired: its rows, and their words, are gone
        assert await found(store, "apple") == []
        assert await found(store, "pear") == ["pear"]

    drive(scenario)


def test_deleted_sessions_leave_nothing_behind_not_even_words(drive_sqlite, path):
    async def scenario(store):
        await say(store, "zebra crossing", "zebra")
        await say(store, "zebra in the other", key=OTHER)
        await store.delete_session(MAIN, delete_transcript=True, now=2)
        assert await found(store, "zebra") == ["zebra in the other"]
        await store.delete_session(OTHER, delete_transcript=True, now=2)
        await sweep(store, 3)
        await say(store, "lion")  # takes up the row numbers that are free
        assert await found(store, "zebra") == []

    drive_sqlite(scenario)
    with closing(db.connect(path)) as conn:
        conn.execute("CREATE VIRTUAL TABLE temp.words USING fts5vocab('main', 'search', 'row')")
        assert [term for (term,) in conn.execute("SELECT term FROM temp.words WHERE cnt > 0")] == ["lion"]
        conn.execute("INSERT INTO search (search) VALUES ('integrity-check')")


def test_archived_messages_are_found_and_marked_as_such(drive):
    async def scenario(store):
        await say(store, "apple")
        await store.new_transcript(MAIN, now=2)
        (hit,) = await store.search("apple", limit=5)
        assert hit.archived
        await store.restore(hit.session_id, now=3)
        (hit,) = await store.search("apple", limit=5)
        assert not hit.archived
        await say(store, "apple too", key=OTHER)
        await store.delete_session(OTHER, delete_transcript=False, now=4)
        newest = (await store.search("apple", limit=5))[0]
        assert (newest.session_key, newest.archived) == (OTHER, True)

    drive(scenario)


def test_an_existing_database_is_indexed_by_the_migration(tmp_path):
    path = tmp_path / "gateway.sqlite3"
    db.create_file(path)
    with closing(db.connect(path)) as conn:
        schema.migrate(conn, path, schema.MIGRATIONS[:2])
        conn.execute("INSERT INTO transcripts (session_id, session_key, created_at) VALUES ('t', 'k', 1)")
        body = '{"role":"user","content":[{"type":"text","text":"예전에 한 말"}]}'
        conn.execute("INSERT INTO messages VALUES ('t', 1, 'i', NULL, NULL, 'user', 7, ?)", (body,))

    async def main():
        store = open_store(path)
        await store.open()
        assert await found(store, "예전") == ["예전에 한 말"]
        await store.close()

    asyncio.run(main())


def test_a_message_is_found_by_the_names_of_its_files_also_one_from_before_they_were_indexed(tmp_path):
    path = tmp_path / "gateway.sqlite3"
    db.create_file(path)
    with closing(db.connect(path)) as conn:
        schema.migrate(conn, path, schema.MIGRATIONS[:5])
        conn.execute("INSERT INTO transcripts (session_id, session_key, created_at) VALUES ('t', 'k', 1)")
        body = (
            '{"role":"user","content":[{"type":"document","mediaId":"m","name":"매출 report_2026.pdf"},'
            '{"type":"text","text":"look"}]}'
        )
        conn.execute(
            "INSERT INTO messages (session_id, seq, id, role, created_at, body) VALUES ('t', 1, 'i', 'user', 7, ?)",
            (body,),
        )
        conn.execute("INSERT INTO search (search) VALUES ('delete-all')")

    async def main():
        store = open_store(path)
        await store.open()
        for query in ("report", "매출", "2026 look", "pdf"):
            assert await found(store, query) == ["look 매출 report_2026.pdf"], query
        await store.close()

    asyncio.run(main())
    with closing(db.connect(path)) as conn:
        conn.execute("DELETE FROM messages")
        conn.execute("INSERT INTO search (search) VALUES ('integrity-check')")


def test_a_snippet_shows_the_first_match_on_one_line_with_every_match_marked(drive):
    async def scenario(store):
        await say(store, "😀 start\n\n" + "filler words here " * 20 + "the NEEDLE,\nand 🧵 needle" + " tail" * 100)
        (hit,) = await store.search("needle", limit=1)
        assert marked(hit) == ["NEEDLE", "needle"]
        assert hit.snippet.startswith("…") and hit.snippet.endswith("…") and "\n" not in hit.snippet
        assert len(hit.snippet) <= search_terms.SNIPPET_CHARS + 2
        (hit,) = await store.search("STA", limit=1)
        assert marked(hit) == ["sta"] and hit.snippet.startswith("😀 start filler")

    drive(scenario)


def test_every_part_of_a_text_is_found_in_it(drive):
    text = "가나다라 마바 사 ABC가나x한국어처리 日本語とカタカナ"
    runs = [run for run, _ in search_terms.word_pattern().findall(text) if run]

    async def scenario(store):
        await say(store, text)
        for run in runs:
            for low in range(len(run)):
                for high in range(low + 1, len(run) + 1):
                    assert await found(store, run[low:high]) == [text], run[low:high]
        assert not await found(store, "라마")

    drive(scenario)


def test_ten_thousand_messages_are_searched_in_no_time(drive_sqlite):
    async def scenario(store):
        def fill(conn):
            conn.execute("INSERT INTO transcripts (session_id, session_key, created_at) VALUES ('t', 'k', 1)")
            rows = (
                (f"m{n}", n, f'{{"role":"user","content":[{{"type":"text","text":"common 공통 word{n} 말{n}"}}]}}')
                for n in range(1, 10_001)
            )
            columns = "session_id, role, created_at, id, seq, body"
            conn.executemany(f"INSERT INTO messages ({columns}) VALUES ('t', 'user', 1, ?, ?, ?)", rows)

        await store._write(fill)
        for query in ("common", "공통", "공", "word77", "c", "common word5000"):
            began = time.process_time()
            assert await store.search(query, limit=20)
            assert time.process_time() - began < 0.25, query

    drive_sqlite(scenario)
