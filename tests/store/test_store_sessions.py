"""Sessions: their settings, their transcripts, and that what a person takes away by mistake comes back."""

from __future__ import annotations

import asyncio

import pytest

from clawdbot_ext.protocol.errors import InvalidRequest, NotFound

from .kit import MAIN, OTHER, finish, read, reply, say, send, texts


def test_a_key_is_created_once(drive):
    async def scenario(store):
        session = await store.create_session(MAIN, settings={"model": "m", "label": "연구"}, now=5)
        assert (session.key, session.created_at, session.settings) == (MAIN, 5, {"model": "m", "label": "연구"})
        with pytest.raises(InvalidRequest) as refused:
            await store.create_session(MAIN, settings={}, now=6)
        assert refused.value.reason == "EXISTS"
        assert await store.get_session(MAIN) == session

    drive(scenario)


def test_a_patch_merges_null_removes_and_a_missing_session_is_created(drive):
    async def scenario(store):
        await store.patch_session(MAIN, {"model": "m", "thinkingLevel": "high"}, now=1)
        session = await store.patch_session(MAIN, {"thinkingLevel": None, "sendPolicy": "deny"}, now=2)
        assert session.settings == {"model": "m", "sendPolicy": "deny"} and session.updated_at == 2
        assert await store.get_session(MAIN) == session

    drive(scenario)


def test_a_label_belongs_to_one_session_and_is_free_again_when_given_up(drive):
    async def scenario(store):
        await store.patch_session(MAIN, {"label": "mine"}, now=1)
        for taken in (
            store.patch_session(OTHER, {"label": "mine"}, now=2),
            store.create_session(OTHER, settings={"label": "mine"}, now=2),
        ):
            with pytest.raises(InvalidRequest) as refused:
                await taken
            assert refused.value.reason == "LABEL_TAKEN"
        assert await store.count_sessions() == 1
        await store.patch_session(MAIN, {"label": "mine"}, now=3)
        await store.patch_session(MAIN, {"label": None}, now=4)
        await store.patch_session(OTHER, {"label": "mine"}, now=5)
        await store.delete_session(OTHER, delete_transcript=True, now=6)
        await store.patch_session(MAIN, {"label": "mine"}, now=7)

    drive(scenario)


def test_a_session_is_found_by_its_id_or_label(drive):
    async def scenario(store):
        session = await store.patch_session(MAIN, {"label": "a"}, now=1)
        other = await store.patch_session(OTHER, {"label": "b"}, now=1)
        assert await store.find_session(session_id=session.session_id) == session
        assert await store.find_session(label="b") == other
        assert await store.find_session(session_id=session.session_id, label="b") is None
        assert await store.find_session(label="c") is None and await store.find_session() is None
        assert await store.get_session("agent:main:unknown") is None

    drive(scenario)


def test_the_list_is_newest_first_and_takes_limits_and_filters(drive):
    async def scenario(store):
        for n, name in enumerate(("a", "b", "c")):
            await say(store, f"topic {name}", key=f"agent:main:{name}", now=10 + n)
        await store.patch_session("agent:main:a", {"label": "Über"}, now=20)

        async def keys(**where):
            return "".join(s.key[-1] for s in await store.list_sessions(**where))

        assert await keys() == "acb" and await store.count_sessions() == 3
        assert await keys(limit=2) == "ac" and await keys(limit=0) == ""
        assert await keys(active_since=12) == "ac"
        assert await keys(label="Über") == "a"
        assert await keys(search="TOPIC B") == "b"
        assert await keys(search="über") == "a"
        assert await keys(search="MAIN:C") == "c"
        assert await keys(search="100%") == ""

    drive(scenario)


def test_a_korean_title_is_found_however_its_syllables_are_encoded(drive):
    async def scenario(store):
        await say(store, "\u1106\u1162\u110e\u116e\u11af 분석")  # 매출 in separate jamo, as macOS writes file names
        assert [s.key for s in await store.list_sessions(search="매출")] == [MAIN]

    drive(scenario)


def test_a_new_transcript_keeps_the_settings_and_archives_the_old_one(drive):
    async def scenario(store):
        before = await store.patch_session(MAIN, {"model": "m"}, now=1)
        await say(store, "old")
        after = await store.new_transcript(MAIN, now=5)
        assert after.session_id != before.session_id and after.epoch == before.epoch + 1
        assert (after.settings, after.message_count, after.title, after.updated_at) == ({"model": "m"}, 0, "", 5)
        assert await read(store) == []
        new, old = await store.transcripts(MAIN)
        assert (new.session_id, new.archived_at) == (after.session_id, None)
        assert (old.session_id, old.archived_at, old.message_count, old.title) == (before.session_id, 5, 1, "old")

    drive(scenario)


def test_an_empty_transcript_is_replaced_not_archived(drive):
    async def scenario(store):
        first = await store.new_transcript(MAIN, now=1)
        second = await store.new_transcript(MAIN, now=2)
        assert first.epoch < second.epoch
        assert [t.session_id for t in await store.transcripts(MAIN)] == [second.session_id]

    drive(scenario)


def test_an_archived_transcript_comes_back_with_its_counters(drive):
    async def scenario(store):
        await say(store, "old question")
        old = (await store.append(session_key=MAIN, message=reply("old answer", read=9, cost=1), now=2)).session
        await store.new_transcript(MAIN, now=3)
        await say(store, "new question")
        restored = await store.restore(old.session_id, now=4)
        assert await read(store) == ["old question", "old answer"]
        assert (restored.session_id, restored.epoch, restored.updated_at) == (old.session_id, old.epoch + 2, 4)
        assert (restored.title, restored.preview, restored.total_cost) == ("old question", "old answer", 1.0)
        current, archived = sorted(await store.transcripts(MAIN), key=lambda t: t.archived_at or 0)
        assert current.session_id == old.session_id and archived.title == "new question"
        assert await store.restore(old.session_id, now=5) == restored
        with pytest.raises(NotFound):
            await store.restore("unknown", now=6)

    drive(scenario)


def test_clear_empties_the_transcript_under_the_same_id(drive):
    async def scenario(store):
        await say(store, "a", "b")
        before = await store.get_session(MAIN)
        cleared = await store.clear(MAIN, undo_until=100, now=5)
        assert (cleared.session_id, cleared.epoch, cleared.clear_undo_until) == (
            before.session_id,
            before.epoch + 1,
            100,
        )
        assert (cleared.message_count, cleared.title, cleared.preview) == (0, "", "")
        assert await read(store) == [] and not (await store.history(session_key=MAIN, limit=5)).has_more
        await say(store, "c")
        page = await store.history(session_key=MAIN, limit=5)
        assert texts(page) == ["c"] and page.messages[0].seq == 3 and page.messages[0].parent_seq == 0

    drive(scenario)


def test_undo_puts_what_was_cleared_in_front_of_what_was_said_since(drive):
    async def scenario(store):
        await say(store, "a")
        await store.append(session_key=MAIN, message=reply("b", read=10, written=2, cost=0.5), now=1)
        await store.clear(MAIN, undo_until=100, now=5)
        await store.append(session_key=MAIN, message=reply("c", read=30, written=4, cost=0.25), now=6)
        session = await store.undo_clear(MAIN, now=7)
        page = await store.history(session_key=MAIN, limit=10)
        assert texts(page) == ["a", "b", "c"] and [m.seq for m in page.messages] == [1, 2, 3]
        assert page.messages[2].parent_seq == 2
        assert (session.message_count, session.title, session.preview) == (3, "a", "c")
        assert (session.input_tokens, session.output_tokens, session.total_input) == (30, 4, 40)
        assert (session.total_cost, session.clear_undo_until) == (0.75, 0)
        with pytest.raises(NotFound):
            await store.undo_clear(MAIN, now=8)

    drive(scenario)


def test_undo_with_nothing_said_since_restores_everything(drive):
    async def scenario(store):
        await say(store, "a")
        before = (await store.append(session_key=MAIN, message=reply("b", read=10, written=2, cost=0.5), now=1)).session
        await store.clear(MAIN, undo_until=100, now=5)
        after = await store.undo_clear(MAIN, now=1)
        assert after.epoch == before.epoch + 2
        assert [getattr(after, name) for name in ("title", "preview", "input_tokens", "total_cost", "last_seq")] == [
            "a",
            "b",
            10,
            0.5,
            2,
        ]

    drive(scenario)


def test_two_clears_are_undone_one_after_the_other(drive):
    async def scenario(store):
        await say(store, "a")
        await store.clear(MAIN, undo_until=100, now=2)
        await say(store, "b", now=3)
        await store.clear(MAIN, undo_until=110, now=4)
        await say(store, "c", now=5)
        await store.undo_clear(MAIN, now=6)
        assert await read(store) == ["b", "c"]
        assert (await store.undo_clear(MAIN, now=7)).title == "a"
        assert await read(store) == ["a", "b", "c"]

    drive(scenario)


def test_clearing_twice_in_a_row_keeps_the_first_one_undoable(drive):
    async def scenario(store):
        await say(store, "a")
        first = await store.clear(MAIN, undo_until=100, now=2)
        assert await store.clear(MAIN, undo_until=110, now=3) == first
        await store.undo_clear(MAIN, now=4)
        assert await read(store) == ["a"]

    drive(scenario)


def test_an_expired_clear_cannot_be_undone(drive):
    async def scenario(store):
        await say(store, "a")
        await store.clear(MAIN, undo_until=100, now=2)
        with pytest.raises(NotFound):
            await store.undo_clear(MAIN, now=101)
        await say(store, "b", now=102)
        assert await read(store) == ["b"] and (await store.get_session(MAIN)).clear_undo_until == 0

    drive(scenario)


def test_an_undo_skips_over_what_has_been_purged(drive):
    async def scenario(store):
        await say(store, "a")
        await store.clear(MAIN, undo_until=10, now=2)
        await say(store, "b", now=3)
        await store.clear(MAIN, undo_until=100, now=4)
        await say(store, "c", now=50)
        assert (await store.undo_clear(MAIN, now=51)).message_count == 2
        assert await read(store) == ["b", "c"]
        with pytest.raises(NotFound):
            await store.undo_clear(MAIN, now=52)

    drive(scenario)


def test_a_clear_can_be_undone_after_a_reset_and_a_restore(drive):
    async def scenario(store):
        await say(store, "a")
        cleared = await store.clear(MAIN, undo_until=100, now=2)
        await store.new_transcript(MAIN, now=3)
        await store.restore(cleared.session_id, now=4)
        await store.undo_clear(MAIN, now=5)
        assert await read(store) == ["a"]

    drive(scenario)


def test_an_archived_transcript_that_was_cleared_goes_when_the_clear_expires(drive):
    async def scenario(store):
        await say(store, "a")
        await store.clear(MAIN, undo_until=100, now=2)
        current = await store.new_transcript(MAIN, now=3)
        assert len(await store.transcripts(MAIN)) == 2
        await say(store, "b", now=101)
        assert [t.session_id for t in await store.transcripts(MAIN)] == [current.session_id]

    drive(scenario)


@pytest.mark.parametrize(
    "act",
    [
        lambda store: store.clear(MAIN, undo_until=2, now=1),
        lambda store: store.undo_clear(MAIN, now=1),
        lambda store: store.delete_session(MAIN, delete_transcript=True, now=1),
    ],
)
def test_an_unknown_session_cannot_be_cleared_undone_or_deleted(drive, act):
    async def scenario(store):
        with pytest.raises(NotFound):
            await act(store)

    drive(scenario)


def test_delete_removes_the_session_with_all_its_transcripts(drive):
    async def scenario(store):
        await say(store, "old")
        await store.new_transcript(MAIN, now=2)
        await say(store, "new")
        await store.clear(MAIN, undo_until=100, now=3)
        assert await store.delete_session(MAIN, delete_transcript=True, now=4) == ()
        assert await store.get_session(MAIN) is None and await store.transcripts(MAIN) == []
        assert await store.count_sessions() == 0 and await store.list_sessions() == []

    drive(scenario)


def test_delete_may_keep_the_transcripts_which_can_bring_the_session_back(drive):
    async def scenario(store):
        await say(store, "old")
        old = await store.get_session(MAIN)
        await store.new_transcript(MAIN, now=2)
        kept = await store.delete_session(MAIN, delete_transcript=False, now=3)
        assert kept == [old.session_id]
        assert texts(await store.history(session_id=old.session_id, limit=5)) == ["old"]
        session = await store.restore(old.session_id, now=4)
        assert (session.key, session.settings, await read(store)) == (MAIN, {}, ["old"])

    drive(scenario)


def test_kept_transcripts_can_be_deleted_later(drive):
    async def scenario(store):
        await say(store, "old")
        await store.delete_session(MAIN, delete_transcript=False, now=3)
        assert await store.delete_session(MAIN, delete_transcript=True, now=4) == ()
        assert await store.transcripts(MAIN) == []

    drive(scenario)


def test_a_deleted_session_ends_its_runs_and_keeps_none_of_their_text(drive):
    async def scenario(store):
        await send(store, "r1", "secret")
        await store.save_partial("r1", text="secret", thinking="secret")
        await send(store, "r2", "secret", start=False)
        await send(store, "r3", key=OTHER)
        await store.delete_session(MAIN, delete_transcript=True, now=5)
        for run_id in ("r1", "r2"):
            run = await store.get_run(run_id)
            assert (run.state, run.text, run.thinking, bytes(run.message)) == ("aborted", "", "", b"{}")
        late = await store.finish_run("r1", state="done", message=reply("late"), result={}, now=6)
        assert late.message is None and late.session.epoch == 0
        await finish(store, "r3")
        assert await store.queued_runs() == [] and await store.count_sessions() == 1

    drive(scenario)


def test_a_key_that_is_used_again_never_repeats_an_epoch(drive):
    async def scenario(store):
        await say(store, "a")
        old = await store.new_transcript(MAIN, now=2)
        await store.delete_session(MAIN, delete_transcript=True, now=3)
        new = await store.create_session(MAIN, settings={}, now=4)
        assert new.epoch > old.epoch

    drive(scenario)


def test_one_session_knows_nothing_of_another(drive):
    async def scenario(store):
        await say(store, "a", key=MAIN)
        await say(store, "b", key=OTHER)
        await store.clear(MAIN, undo_until=100, now=2)
        await store.new_transcript(MAIN, now=3)
        await store.delete_session(MAIN, delete_transcript=True, now=4)
        assert await read(store, OTHER) == ["b"]

    drive(scenario)


def test_a_list_shows_every_write_that_was_told_even_one_whose_caller_went_away(drive):
    async def scenario(store):
        async def listed():
            return [(session.key, session.message_count) for session in await store.list_sessions()]

        for count in range(1, 4):
            await say(store, "a")
            assert await listed() == await listed() == [(MAIN, count)]
        gone = asyncio.ensure_future(say(store, "b", key=OTHER, now=9))
        await asyncio.sleep(0)
        assert len(await listed()) in (1, 2)
        gone.cancel()
        await say(store, "c", now=2)  # written after it
        await say(store, "d", key=OTHER, now=9)  # what one session was told comes in its order
        assert await listed() == [(OTHER, 2), (MAIN, 4)]

    drive(scenario)
