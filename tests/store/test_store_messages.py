"""Appending and paging: exact, ordered, and as quick at the end of a long conversation as at its start."""

from __future__ import annotations

import asyncio

import pytest

from clawdbot_ext.protocol.errors import InvalidRequest, NotFound
from clawdbot_ext.store.api import Store

from .kit import MAIN, OTHER, body, read, reply, said, say, texts, user


async def fill(store: Store, count: int, key: str = MAIN) -> None:
    await asyncio.gather(
        *(store.append(session_key=key, message=user(str(n)), now=n, create=True) for n in range(1, count + 1))
    )


def test_a_message_comes_back_as_it_was_said_with_its_place_added(drive):
    async def scenario(store):
        given = said("assistant", "그래프 📈 \u0000 <b>", model="m", extra={"deep": [1.5, None, True]})
        appended = await store.append(session_key=MAIN, message=given, now=7, run_id="r1", create=True)
        page = await store.history(session_key=MAIN, limit=1)
        message = page.messages[0]
        assert body(message) == {**given, "id": message.id, "seq": 1, "runId": "r1"}
        assert (message.role, message.created_at, message.run_id, message.seq) == ("assistant", 7, "r1", 1)
        assert message.id == appended.message.id and bytes(message.body) == bytes(appended.message.body)

    drive(scenario)


def test_an_unknown_session_takes_no_message_unless_asked_to_create_it(drive):
    async def scenario(store):
        with pytest.raises(NotFound):
            await store.append(session_key=MAIN, message=user("hello"), now=1)
        assert await store.count_sessions() == 0

    drive(scenario)


def test_an_unknown_session_has_an_empty_history(drive):
    async def scenario(store):
        for where in ({"session_key": MAIN}, {"session_id": "unknown"}, {}):
            page = await store.history(limit=10, **where)
            assert (page.session, page.session_id, list(page.messages), page.has_more) == (None, None, [], False)

    drive(scenario)


def test_each_message_is_linked_to_the_one_before(drive):
    async def scenario(store):
        await say(store, "a", "b", "c")
        messages = (await store.history(session_key=MAIN, limit=10)).messages
        assert [m.seq for m in messages] == [1, 2, 3]
        assert [m.parent_seq for m in messages] == [0, 1, 2]

    drive(scenario)


def test_the_newest_page_comes_oldest_first_and_says_that_there_is_more(drive):
    async def scenario(store):
        await fill(store, 5)
        page = await store.history(session_key=MAIN, limit=2)
        assert texts(page) == ["4", "5"] and page.has_more and page.session.message_count == 5
        page = await store.history(session_key=MAIN, limit=5)
        assert texts(page) == ["1", "2", "3", "4", "5"] and not page.has_more

    drive(scenario)


def test_paging_back_meets_every_message_once(drive):
    async def scenario(store):
        await fill(store, 23)
        met: list[str] = []
        before = None
        more = True
        while more:
            page = await store.history(session_key=MAIN, limit=5, before_seq=before)
            met = [*texts(page), *met]
            before, more = page.messages[0].seq, page.has_more
        assert met == [str(n) for n in range(1, 24)]

    drive(scenario)


def test_since_gives_what_was_missed_and_says_when_that_is_not_all(drive):
    async def scenario(store):
        await fill(store, 6)
        page = await store.history(session_key=MAIN, limit=10, since_seq=4)
        assert texts(page) == ["5", "6"] and not page.has_more
        page = await store.history(session_key=MAIN, limit=2, since_seq=2)
        assert texts(page) == ["5", "6"] and page.has_more
        page = await store.history(session_key=MAIN, limit=2, since_seq=6)
        assert texts(page) == [] and not page.has_more
        assert await read(store, since_seq=1, before_seq=4) == ["2", "3"]

    drive(scenario)


def test_a_page_stays_within_its_bytes_but_is_never_empty(drive):
    async def scenario(store):
        await say(store, "가" * 100, "나" * 100, "다" * 2000)
        sizes = [len(bytes(m.body)) for m in (await store.history(session_key=MAIN, limit=10)).messages]

        async def seen(max_bytes, **where):
            page = await store.history(session_key=MAIN, limit=10, max_bytes=max_bytes, **where)
            return [text[0] for text in texts(page)], page.has_more

        assert await seen(1) == (["다"], True)
        assert await seen(sum(sizes[1:])) == (["나", "다"], True)
        assert await seen(sum(sizes[1:]) - 1) == (["다"], True)
        assert await seen(sum(sizes)) == (["가", "나", "다"], False)
        assert await seen(1, before_seq=2) == (["가"], False)

    drive(scenario)


def test_an_archived_transcript_is_read_by_its_id(drive):
    async def scenario(store):
        await say(store, "old")
        old = (await store.get_session(MAIN)).session_id
        new = await store.new_transcript(MAIN, now=2)
        page = await store.history(session_id=old, limit=10)
        assert texts(page) == ["old"] and page.session_id == old and page.session == new

    drive(scenario)


@pytest.mark.slow
def test_thousands_of_messages_page_through_without_a_gap(drive):
    async def scenario(store):
        await fill(store, 3_000)
        seqs: list[int] = []
        before = None
        more = True
        while more:
            page = await store.history(session_key=MAIN, limit=1000, before_seq=before)
            seqs = [*(m.seq for m in page.messages), *seqs]
            before, more = page.messages[0].seq, page.has_more
        assert seqs == list(range(1, 3_001))
        assert (await store.get_session(MAIN)).message_count == 3_000

    drive(scenario)


def test_counters_follow_the_replies(drive):
    async def scenario(store):
        await say(store, "question")
        await store.append(session_key=MAIN, message=reply("a", read=10, cached=90, written=5, cost=0.25), now=2)
        done = await store.append(session_key=MAIN, message=reply("b", read=20, cached=100, written=7, cost=0.5), now=3)
        session = done.session
        assert (session.message_count, session.last_seq, session.updated_at) == (3, 3, 3)
        assert (session.input_tokens, session.output_tokens) == (120, 7)
        assert (session.total_input, session.total_output, session.total_cost) == (220, 12, 0.75)

    drive(scenario)


def test_a_message_without_usage_leaves_the_tokens_alone(drive):
    async def scenario(store):
        await store.append(session_key=MAIN, message=reply("a", read=10, written=5), now=1, create=True)
        session = (await store.append(session_key=MAIN, message=said("assistant", "injected"), now=2)).session
        assert (session.input_tokens, session.output_tokens, session.message_count) == (10, 5, 2)

    drive(scenario)


def test_usage_with_absent_parts_counts_as_zero(drive):
    async def scenario(store):
        message = said("assistant", "a", usage={"input": 3, "output": None})
        session = (await store.append(session_key=MAIN, message=message, now=1, create=True)).session
        assert (session.total_input, session.total_output, session.total_cost) == (3, 0, 0.0)

    drive(scenario)


def test_the_title_is_the_first_user_text_and_the_preview_the_newest_text(drive):
    async def scenario(store):
        await store.append(session_key=MAIN, message=said("assistant", "Hello!"), now=1, create=True)
        await say(store, "  매출\n\n 자료를\t그려 줘 ", "second")
        thinking = {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm"}], "timestamp": 1}
        session = (await store.append(session_key=MAIN, message=thinking, now=4)).session
        assert (session.title, session.preview) == ("매출 자료를 그려 줘", "second")

    drive(scenario)


def test_title_and_preview_are_cut_to_their_length(drive):
    async def scenario(store):
        await say(store, "가" * 120)
        session = await store.get_session(MAIN)
        assert session.title == "가" * 120
        await say(store, "나 " * 10_000, key=OTHER)
        session = await store.get_session(OTHER)
        assert len(session.title) <= 120 and len(session.preview) <= 200
        assert session.title.endswith("나…") and session.preview.startswith(session.title[:-1])

    drive(scenario)


def test_content_may_be_a_plain_string(drive):
    async def scenario(store):
        message = {"role": "user", "content": "as older clients write it", "timestamp": 1}
        session = (await store.append(session_key=MAIN, message=message, now=1, create=True)).session
        assert session.title == session.preview == "as older clients write it"

    drive(scenario)


def test_what_cannot_be_stored_is_refused_and_harms_nobody_else(drive):
    async def scenario(store):
        said = ("a", "a lone \ud800 surrogate", "b")
        outcomes = await asyncio.gather(
            *(store.append(session_key=MAIN, message=user(text), now=1, create=True) for text in said),
            return_exceptions=True,
        )
        assert [isinstance(outcome, InvalidRequest) for outcome in outcomes] == [False, True, False]
        assert await read(store) == ["a", "b"]
        await say(store, "c")
        assert [m.seq for m in (await store.history(session_key=MAIN, limit=9)).messages] == [1, 2, 3]

    drive(scenario)


@pytest.mark.parametrize("bad", [{"now": 2**63}, {"run_id": ["no", "text"]}, {"session_key": "\udfff"}])
def test_a_value_that_the_database_cannot_take_is_an_invalid_request(drive, bad):
    async def scenario(store):
        with pytest.raises(InvalidRequest):
            await store.append(**{"session_key": MAIN, "message": user("x"), "now": 1, "create": True, **bad})
        await say(store, "fine")
        assert await read(store) == ["fine"]

    drive(scenario)


def test_concurrent_producers_keep_the_order_of_each_session_without_gaps(drive):
    async def scenario(store):
        async def produce(key: str) -> None:
            for n in range(40):
                await store.append(session_key=key, message=user(str(n)), now=n, create=True)

        keys = [f"agent:main:{n}" for n in range(25)]
        await asyncio.gather(*(produce(key) for key in keys), fill(store, 100))
        for key in keys:
            page = await store.history(session_key=key, limit=100)
            assert texts(page) == [str(n) for n in range(40)]
            assert [m.seq for m in page.messages] == list(range(1, 41))
        assert await read(store, limit=200) == [str(n) for n in range(1, 101)]

    drive(scenario)


def test_a_cancelled_wait_neither_loses_the_message_nor_stops_the_store(drive):
    async def scenario(store):
        waiting = asyncio.ensure_future(store.append(session_key=MAIN, message=user("a"), now=1, create=True))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await say(store, "b")
        assert await read(store) == ["a", "b"]

    drive(scenario)


def test_usage_is_summed_since_several_times(drive):
    async def scenario(store):
        assert await store.overviews.spent_since([0, 5]) == [(0, 0.0), (0, 0.0)]
        for at, cost in ((1, {"total": 0.5}), (9, {"total": 0.25}), (10, {"unknown": True})):
            spent = {"input": 1, "output": 2, "cacheRead": 3, "cacheWrite": 4, "cost": cost}
            await store.add_usage("agent:main:main", "", provider="p", model="m", spent=spent, now=at)
        return await store.overviews.spent_since([0, 9]), await store.overviews.spent_since([11])

    assert drive(scenario) == ([(30, 0.75), (20, 0.25)], [(0, 0.0)])
