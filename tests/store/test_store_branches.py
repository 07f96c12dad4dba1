"""Alternatives, copies, and deletions that can be taken back: what each leaves in the store."""

from __future__ import annotations

import asyncio
from contextlib import closing

import pytest

from clawdbot_ext.protocol.errors import InvalidRequest, NotFound, Unavailable
from clawdbot_ext.store import db, schema
from clawdbot_ext.store.api import BranchPoint
from clawdbot_ext.store.sqlite import open_store

from .kit import MAIN, OTHER, body, finish, read, reply, said, say, send, sweep, text_of, user


async def turn(store, run_id: str, question: str, answer: str) -> None:
    await send(store, run_id, question)
    await finish(store, run_id, answer)


async def ids(store, key: str = MAIN) -> list[str]:
    return [m.id for m in (await store.history(session_key=key, limit=100)).messages]


async def beside(store, run_id: str, kind: str, message_id: str, text: str = "asked again", *, now: int = 5):
    return await store.accept_run(
        run_id=run_id,
        session_key=MAIN,
        request_hash=kind,
        message=user(text),
        options={},
        start=True,
        now=now,
        place=BranchPoint(kind=kind, message_id=message_id),
    )


def test_a_resent_regenerate_has_one_effect_across_a_restart(drive):
    async def first(store):
        await turn(store, "r1", "q", "a")
        _, answer = await ids(store)
        accepted = await beside(store, "r2", "regenerate", answer)
        assert accepted.message is None and await read(store) == ["q"]
        await finish(store, "r2", "b")
        return answer

    answer = drive(first)

    async def second(store):
        again = await beside(store, "r2", "regenerate", answer)
        assert again.existing and again.run.state == "done" and await read(store) == ["q", "b"]
        session = await store.get_session(MAIN)
        assert (await store.show_branch(MAIN, answer, now=9)).epoch == session.epoch + 1
        assert (await store.show_branch(MAIN, answer, now=9)).epoch == session.epoch + 1
        assert await read(store) == ["q", "a"]

    drive(second)


def test_a_continued_reply_that_a_crash_cuts_off_keeps_what_it_began_with(drive):
    async def before(store):
        await send(store, "r1", "q")
        await store.finish_run(
            "r1", state="aborted", result={}, now=2, message={**reply("half a sen"), "stopReason": "aborted"}
        )
        cut = (await ids(store))[1]
        accepted = await beside(store, "r2", "continue", cut)
        assert accepted.run.text == "half a sen"
        return cut

    cut = drive(before)

    async def after(store):
        await store.recover(now=9, interrupted=lambda run: {"stopReason": "interrupted", "continues": cut})
        page = await store.history(session_key=MAIN, limit=9)
        assert [text_of(body(m)) for m in page.messages] == ["q", "half a sen"]
        assert body(page.messages[1])["continues"] == cut
        assert page.branches[0].ids == [cut, page.messages[1].id]

    drive(after)


def test_another_reply_stands_beside_all_of_one_that_called_tools(drive):
    async def scenario(store):
        await send(store, "r1", "q")
        await store.append_step("r1", said("assistant", "looking"), now=2)
        await store.append_step("r1", said("toolResult", "found", toolCallId="t"), now=2)
        await finish(store, "r1", "it is there")
        _, step, _, answer = await ids(store)
        await beside(store, "r2", "regenerate", answer)
        assert await read(store) == ["q"]
        await finish(store, "r2", "here")
        page = await store.history(session_key=MAIN, limit=9)
        assert page.branches[0].ids == [step, page.messages[-1].id]

    drive(scenario)


def test_what_can_have_no_alternative_is_refused_and_nothing_changes(drive):
    async def scenario(store):
        await store.append(session_key=MAIN, message=said("assistant", "injected"), now=1, create=True)
        await turn(store, "r1", "q", "a")
        greeting, question, answer = await ids(store)
        for kind, message_id, reason in (
            ("regenerate", greeting, "NOTHING_TO_ANSWER"),
            ("regenerate", question, "WRONG_ROLE"),
            ("edit", answer, "WRONG_ROLE"),
            ("continue", answer, "NOT_CUT"),
            ("edit", "unknown", "NOT_FOUND"),
        ):
            with pytest.raises(InvalidRequest) as refused:
                await beside(store, "r2", kind, message_id)
            assert refused.value.reason == reason
        assert await store.get_run("r2") is None and await read(store) == ["injected", "q", "a"]

    drive(scenario)


def test_other_branches_are_found_and_deleted_messages_are_not(drive):
    async def scenario(store):
        await turn(store, "r1", "q", "apple")
        apple = (await ids(store))[1]
        await beside(store, "r2", "regenerate", apple)
        await finish(store, "r2", "pear")
        (hit,) = await store.search("apple", limit=5)
        assert (hit.message_id, hit.shown) == (apple, False)
        await store.show_branch(MAIN, hit.message_id, now=6)
        (hit,) = await store.search("apple", limit=5)
        assert hit.shown
        await store.delete_message(MAIN, apple, undo_until=20, now=10)
        assert await store.search("apple", limit=5) == [] and await read(store) == ["q", "pear"]
        await store.undelete_message(MAIN, apple, busy=False, now=20)
        assert len(await store.search("apple", limit=5)) == 1
        await store.delete_message(MAIN, apple, undo_until=40, now=30)
        await sweep(store, 41)
        with pytest.raises(NotFound):
            await store.undelete_message(MAIN, apple, busy=False, now=41)

    drive(scenario)


def test_a_message_comes_back_before_what_was_said_since_also_during_a_reply(drive):
    async def scenario(store):
        await turn(store, "r1", "q", "a")
        answer = (await ids(store))[1]
        await store.delete_message(MAIN, answer, undo_until=99, now=3)
        await send(store, "r2", "more", now=4)
        await store.undelete_message(MAIN, answer, busy=True, now=5)
        assert await read(store) == ["q", "a", "more"]
        await finish(store, "r2", "b")
        other = (await beside(store, "r3", "edit", (await ids(store))[0], "other")).message
        await store.delete_message(MAIN, other.id, undo_until=99, now=6)
        assert await read(store) == ["q", "a", "more", "b"]
        with pytest.raises(Unavailable) as refused:
            await store.undelete_message(MAIN, other.id, busy=True, now=7)
        assert refused.value.reason == "BUSY"
        await store.undelete_message(MAIN, other.id, busy=False, now=7)
        assert await read(store) == ["other"]

    drive(scenario)


def test_a_deleted_session_is_gone_at_once_comes_back_whole_or_is_removed_step_by_step(drive):
    async def scenario(store):
        await store.patch_session(OTHER, {"label": "mine", "model": "m"}, now=1)
        for n in range(250):
            await store.append(session_key=OTHER, message=user(f"word{n}"), now=1)
        before = await store.get_session(OTHER)
        await store.delete_session(OTHER, delete_transcript=True, undo_until=20, now=10)
        assert await store.get_session(OTHER) is None and await store.transcripts(OTHER) == []
        assert await store.search("word7", limit=5) == []
        assert (await store.history(session_id=before.session_id, limit=5)).session_id is None
        assert await store.sweep(now=15) == 21
        back = await store.undelete_session(OTHER, now=16)
        assert back.epoch > before.epoch and await store.undelete_session(OTHER, now=17) == back
        same = ("session_id", "settings", "message_count", "title", "created_at", "updated_at")
        assert [getattr(back, name) for name in same] == [getattr(before, name) for name in same]
        await store.delete_session(OTHER, delete_transcript=True, undo_until=40, now=30)
        steps = 0
        while await store.sweep(now=41) is not None:
            steps += 1
            await say(store, "others write in between")
        assert steps >= 3
        with pytest.raises(NotFound):
            await store.undelete_session(OTHER, now=41)

    drive(scenario)


def test_a_session_comes_back_archived_where_its_key_is_in_use_again_and_without_a_label_that_was_given_away(drive):
    async def scenario(store):
        await store.patch_session(MAIN, {"label": "mine"}, now=1)
        await say(store, "old")
        await store.delete_session(MAIN, delete_transcript=True, undo_until=99, now=2)
        await say(store, "new", now=3)
        session = await store.undelete_session(MAIN, now=4)
        assert session.title == "new" and [t.title for t in await store.transcripts(MAIN)] == ["new", "old"]
        await store.patch_session(MAIN, {"label": "mine"}, now=5)
        await store.delete_session(MAIN, delete_transcript=False, undo_until=99, now=6)
        await store.patch_session(OTHER, {"label": "mine"}, now=7)
        session = await store.undelete_session(MAIN, now=8)
        assert (session.title, session.settings) == ("new", {}) and await read(store) == ["new"]

    drive(scenario)


def test_a_fork_copies_the_path_to_a_message_with_new_ids_and_old_settings(drive):
    async def scenario(store):
        await store.patch_session(MAIN, {"model": "m", "label": "mine"}, now=1)
        await turn(store, "r1", "q", "a")
        answer = (await ids(store))[1]
        await beside(store, "r2", "regenerate", answer)
        await store.finish_run("r2", state="done", message=reply("b", read=7, cost=1.0), result={}, now=6)
        await store.append(
            session_key=MAIN,
            now=7,
            message=reply("summary", cost=1)
            | {"command": "/compact", "compaction": {"summary": "s", "after": 2, "tokensAfter": 3}},
        )
        copy = await store.fork(MAIN, OTHER, label="copy", now=8)
        page = await store.history(session_key=OTHER, limit=9)
        assert [text_of(body(m)) for m in page.messages] == ["q", "b", "summary"]
        assert [m.seq for m in page.messages] == [body(m)["seq"] for m in page.messages] == [1, 2, 3]
        assert not set(await ids(store)) & {m.id for m in page.messages} and "runId" not in body(page.messages[0])
        assert body(page.messages[2])["compaction"]["after"] == 1, "of what it summarised, the first was copied"
        assert (copy.settings, copy.message_count, copy.title, copy.total_cost, copy.last_seq) == (
            {"model": "m", "label": "copy"},
            3,
            "q",
            0.0,
            3,
        )
        assert await store.fork(MAIN, OTHER, now=9) == copy, "once"
        await store.fork(MAIN, "agent:main:third", message_id=answer, now=10)
        assert await read(store, "agent:main:third") == ["q", "a"]
        for wrong in ({"message_id": "unknown"}, {"label": "copy"}):
            with pytest.raises(InvalidRequest):
                await store.fork(MAIN, "agent:main:fourth", now=11, **wrong)
        assert await store.get_session("agent:main:fourth") is None

    drive(scenario)


def test_a_fork_is_searched_as_what_it_was_copied_from(drive):
    async def scenario(store):
        await turn(store, "r1", "q", "b")
        await store.fork(MAIN, OTHER, now=8)
        assert {hit.session_key for hit in await store.search("b", limit=9)} == {MAIN, OTHER}

    drive(scenario)


def test_a_waiting_send_can_say_something_else(drive):
    async def scenario(store):
        await send(store, "r1", "before", start=False)
        assert (await store.edit_queued("r1", user("after"), {"when": "now"})).options == {"when": "now"}
        assert text_of(body((await store.start_run("r1", now=2)).message)) == "after"
        assert await store.edit_queued("r1", user("too late"), {}) is None
        assert (await send(store, "r1", "before")).existing

    drive(scenario)


def test_the_migration_makes_one_path_of_each_transcript_and_of_what_was_cleared(tmp_path):
    path = tmp_path / "gateway.sqlite3"
    db.create_file(path)
    with closing(db.connect(path)) as conn:
        schema.migrate(conn, path, schema.MIGRATIONS[:4])
        conn.execute(
            "INSERT INTO transcripts (session_id, session_key, created_at, last_seq, floor_seq)"
            " VALUES ('t', 'agent:main:main', 1, 9, 5)"
        )
        conn.execute("INSERT INTO sessions VALUES ('agent:main:main', 't', 4, 1, 1, NULL, '{}')")
        conn.execute("INSERT INTO clears (session_id, from_seq, to_seq, undo_until) VALUES ('t', 2, 5, 9e18)")
        for seq in (4, 5, 6, 8, 9):  # 1 to 3 were cleared before and are gone, and there may be gaps
            text = f'{{"role":"user","content":[{{"type":"text","text":"m{seq}"}}]}}'
            conn.execute("INSERT INTO messages VALUES ('t', ?, ?, NULL, NULL, 'user', 7, ?)", (seq, f"m{seq}", text))

    async def main():
        store = open_store(path)
        await store.open()
        page = await store.history(session_key=MAIN, limit=9)
        assert [(m.seq, m.parent_seq, m.shown) for m in page.messages] == [(6, 0, True), (8, 6, True), (9, 8, True)]
        assert page.branches == []
        await store.undo_clear(MAIN, now=5)
        page = await store.history(session_key=MAIN, limit=9)
        assert [(m.seq, m.parent_seq) for m in page.messages] == [(4, 0), (5, 4), (6, 5), (8, 6), (9, 8)]
        await store.close()

    asyncio.run(main())
