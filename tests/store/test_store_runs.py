"""A send is recorded once, its reply ends up in its transcript, and a crash shows as a cut."""

from __future__ import annotations

import pytest

from clawdbot_ext.protocol.errors import IdempotencyConflict, NotFound, SendDenied

from .kit import MAIN, OTHER, body, finish, read, reply, say, send, text_of, texts, user

DAY_MS = 24 * 3600 * 1000


def test_a_started_send_creates_the_session_and_stands_in_its_transcript(drive):
    async def scenario(store):
        accepted = await send(store, "r1", "안녕하세요")
        assert not accepted.existing and accepted.run.state == "running" and accepted.run.started_at == 1
        message = body(accepted.message)
        assert message["id"] == accepted.message.id and message["id"].startswith("m_")
        assert (message["seq"], message["runId"], message["role"]) == (1, "r1", "user")
        assert accepted.session.key == MAIN and accepted.session.message_count == 1
        assert await read(store) == ["안녕하세요"]

    drive(scenario)


def test_a_queued_send_is_not_in_the_transcript_until_it_starts(drive):
    async def scenario(store):
        accepted = await send(store, "r1", start=False)
        assert accepted.message is None and accepted.run.state == "queued"
        assert await read(store) == []
        started = await store.start_run("r1", now=7)
        assert not started.existing
        assert started.run.state == "running" and started.run.started_at == 7 and started.message.seq == 1
        assert await read(store) == ["question"]

    drive(scenario)


def test_only_a_waiting_run_can_be_started(drive):
    async def scenario(store):
        await send(store, "r1")
        assert await store.start_run("r1", now=2) is None
        await finish(store, "r1")
        assert await store.start_run("r1", now=3) is None
        assert await store.start_run("unknown", now=3) is None
        assert len(await read(store)) == 2

    drive(scenario)


def test_a_waiting_send_is_folded_into_the_running_one_once(drive):
    async def scenario(store):
        await send(store, "r1", "the task")
        await send(store, "r2", "no, the other", start=False)
        folded = await store.fold_run("r2", "r1", now=5)
        message = body(folded.message)
        assert (message["runId"], message["foldedInto"], message["role"]) == ("r2", "r1", "user")
        assert await read(store) == ["the task", "no, the other"]
        ended = await store.get_run("r2")
        assert (ended.state, ended.result["status"], ended.result["foldedInto"]) == ("done", "ok", "r1")
        assert await store.fold_run("r2", "r1", now=6) is None and await store.queued_runs(MAIN) == []
        assert (await send(store, "r2", "no, the other")).existing, "a resend is recognised"
        await finish(store, "r1")
        await send(store, "r3", "late", start=False)
        assert await store.fold_run("r3", "r1", now=7) is None, "it has ended"
        assert [run.run_id for run in await store.queued_runs(MAIN)] == ["r3"]

    drive(scenario)


def test_what_a_request_beside_the_conversation_cost_is_counted(drive):
    async def scenario(store):
        session = (await send(store, "r1")).session
        usage = {"input": 10, "output": 2, "cacheRead": 0, "cacheWrite": 0, "cost": {"total": 0.5}}
        await store.add_usage(MAIN, session.session_id, provider="p", model="small", spent=usage, now=9)
        (spent,) = await store.spent(since=0)
        assert (spent.at, spent.session_key, spent.model, spent.input, spent.cost) == (9, MAIN, "small", 10, 0.5)
        now = await store.get_session(MAIN)
        assert (now.total_cost, now.input_tokens) == (0.5, 0), "the conversation itself has not grown"

    drive(scenario)


def test_a_queued_send_joins_the_transcript_that_is_current_when_it_starts(drive):
    async def scenario(store):
        await say(store, "before")
        await send(store, "r1", start=False)
        session = await store.new_transcript(MAIN, now=2)
        started = await store.start_run("r1", now=3)
        assert started.message.session_id == started.run.session_id == session.session_id

    drive(scenario)


def test_waiting_runs_are_listed_in_the_order_of_their_acceptance(drive):
    async def scenario(store):
        for n, key in enumerate((MAIN, OTHER, MAIN, MAIN)):
            await send(store, f"r{n}", key=key, start=False, now=100 - n)  # a clock that runs backwards changes nothing
        assert [run.run_id for run in await store.queued_runs()] == ["r0", "r1", "r2", "r3"]
        await store.start_run("r0", now=5)
        assert [run.run_id for run in await store.queued_runs(MAIN)] == ["r2", "r3"]

    drive(scenario)


def test_a_resent_key_is_recognised_across_a_restart_and_writes_nothing(drive):
    async def first(store):
        await send(store, "r1", start=False)
        await store.start_run("r1", now=1)
        await finish(store, "r1")

    async def second(store):
        again = await send(store, "r1", now=9)
        assert again.existing and again.message is None
        assert again.run.state == "done" and again.run.result == {"status": "ok"}
        assert again.session.updated_at == 2
        assert await read(store) == ["question", "answer"]

    drive(first)
    drive(second)


@pytest.mark.parametrize("other", [{"request_hash": "another body"}, {"key": OTHER}])
def test_a_key_used_for_something_else_is_refused(drive, other):
    async def scenario(store):
        await send(store, "r1")
        with pytest.raises(IdempotencyConflict):
            await send(store, "r1", **other)
        assert await store.count_sessions() == 1 and await read(store) == ["question"]

    drive(scenario)


def test_a_session_that_denies_sends_takes_none_and_writes_nothing(drive):
    async def scenario(store):
        await store.patch_session(MAIN, {"sendPolicy": "deny"}, now=1)
        with pytest.raises(SendDenied):
            await send(store, "r1", now=5)
        assert await store.get_run("r1") is None and await read(store) == []
        assert (await store.get_session(MAIN)).updated_at == 1

    drive(scenario)


def test_a_key_is_still_known_after_its_session_was_deleted(drive):
    async def scenario(store):
        await send(store, "r1")
        await finish(store, "r1")
        await store.delete_session(MAIN, delete_transcript=True, now=3)
        again = await send(store, "r1")
        assert again.existing and again.run.state == "done" and again.session.epoch == 0
        assert await store.count_sessions() == 0

    drive(scenario)


def test_keys_are_forgotten_thirty_days_after_the_run_ended_when_the_store_opens(drive):
    async def first(store):
        await send(store, "old", now=1)
        await finish(store, "old", now=2)
        await send(store, "just", now=1)
        await finish(store, "just", now=3)
        await send(store, "young", now=DAY_MS)
        await finish(store, "young", now=DAY_MS)
        await send(store, "waiting", start=False, now=1)
        await send(store, "newest", now=30 * DAY_MS + 3)

    async def second(store):
        known = [await store.get_run(run_id) for run_id in ("old", "just", "young", "waiting", "newest")]
        assert [run and run.run_id for run in known] == [None, "just", "young", "waiting", "newest"]

    drive(first)
    drive(second)


def test_a_finished_run_leaves_its_reply_linked_to_the_question(drive):
    async def scenario(store):
        accepted = await send(store, "r1")
        ended = await store.finish_run("r1", state="done", message=reply("hi"), result={"status": "ok"}, now=5)
        assert ended.message.seq == 2 and ended.message.parent_seq == accepted.message.seq
        assert body(ended.message)["runId"] == "r1" and ended.session.updated_at == 5
        run = await store.get_run("r1")
        assert (run.state, run.ended_at, run.result) == ("done", 5, {"status": "ok"})

    drive(scenario)


def test_finishing_twice_gives_the_first_reply_and_changes_nothing(drive):
    async def scenario(store):
        await send(store, "r1")
        first = await store.finish_run("r1", state="done", message=reply("one", cost=1), result={"a": 1}, now=5)
        second = await store.finish_run("r1", state="failed", message=reply("two", cost=1), result={"a": 2}, now=6)
        assert second.message.id == first.message.id and second.session == first.session
        assert (await store.get_run("r1")).state == "done"
        assert await read(store) == ["question", "one"]

    drive(scenario)


def test_a_run_may_end_without_a_reply(drive):
    async def scenario(store):
        await send(store, "r1")
        ended = await store.finish_run("r1", state="aborted", message=None, result={"status": "aborted"}, now=5)
        assert ended.message is None and await read(store) == ["question"]
        assert (await store.finish_run("r1", state="done", message=reply("late"), result={}, now=6)).message is None

    drive(scenario)


def test_a_waiting_run_can_be_ended_and_leaves_the_queue(drive):
    async def scenario(store):
        await send(store, "r1", start=False)
        await store.new_transcript(MAIN, now=2)
        ended = await store.finish_run("r1", state="done", message=reply("command answer"), result={}, now=5)
        assert ended.message.session_id == ended.session.session_id
        assert await store.queued_runs() == [] and await read(store) == ["command answer"]

    drive(scenario)


def test_a_reply_goes_into_the_transcript_its_run_started_in_though_archived_since(drive):
    async def scenario(store):
        started = await send(store, "r1")
        now_current = await store.new_transcript(MAIN, now=2)
        ended = await store.finish_run("r1", state="done", message=reply("late", cost=2), result={}, now=3)
        assert ended.message.session_id == started.session.session_id
        assert ended.session == now_current
        old = await store.history(session_id=started.session.session_id, limit=10)
        assert texts(old) == ["question", "late"] and await read(store) == []
        restored = await store.restore(started.session.session_id, now=4)
        assert (restored.message_count, restored.total_cost, restored.preview) == (2, 2.0, "late")

    drive(scenario)


def test_a_running_reply_finds_its_transcript_after_a_clear_and_a_reset(drive):
    async def scenario(store):
        started = await send(store, "r1")
        await store.clear(MAIN, undo_until=0, now=2)
        await store.new_transcript(MAIN, now=3)
        await send(store, "r2", now=4)  # purges what was cleared
        await finish(store, "r1", "late", now=5)
        assert texts(await store.history(session_id=started.session.session_id, limit=10)) == ["late"]

    drive(scenario)


def test_ending_an_unknown_run_is_refused(drive):
    async def scenario(store):
        with pytest.raises(NotFound):
            await finish(store, "unknown")

    drive(scenario)


def test_a_run_ends_in_a_final_state_only(drive):
    async def scenario(store):
        await send(store, "r1")
        with pytest.raises(ValueError):
            await store.finish_run("r1", state="queued", message=None, result={}, now=2)

    drive(scenario)


@pytest.mark.parametrize("state", ["queued", "done", "failed", "aborted", "interrupted"])
def test_a_run_that_does_not_run_takes_no_step(drive, state):
    async def scenario(store):
        await send(store, "r1", start=state != "queued")
        if state != "queued":
            await store.finish_run("r1", state=state, message=None, result={}, now=2)
        before = await read(store)
        with pytest.raises(NotFound):
            await store.append_step("r1", reply("late"), now=3)
        assert await read(store) == before

    drive(scenario)


def test_the_text_so_far_is_kept_while_the_run_lives_and_only_then(drive):
    async def scenario(store):
        await send(store, "r1")
        await store.save_partial("r1", text="so", thinking="")
        await store.save_partial("r1", text="so far", thinking="hm")
        run = await store.get_run("r1")
        assert (run.text, run.thinking) == ("so far", "hm")
        await finish(store, "r1")
        await store.save_partial("r1", text="too late", thinking="")
        run = await store.get_run("r1")
        assert (run.text, run.thinking, bytes(run.message)) == ("", "", b"{}")

    drive(scenario)


def test_after_a_crash_a_running_reply_shows_as_cut_with_its_text(drive):
    async def before(store):
        await send(store, "r1", "first")
        await store.save_partial("r1", text="반쯤 쓴 답", thinking="hm")
        await send(store, "r2", "second", key=OTHER)
        await send(store, "r3", "third", start=False)

    async def after(store):
        facts = {"stopReason": "interrupted", "errorMessage": "was cut"}
        cut = await store.recover(now=9, interrupted=lambda run: facts)
        assert [(run.run_id, run.state, run.text) for run in cut] == [
            ("r1", "interrupted", "반쯤 쓴 답"),
            ("r2", "interrupted", ""),
        ]
        page = await store.history(session_key=MAIN, limit=10)
        message = body(page.messages[-1])
        assert message["content"] == [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "반쯤 쓴 답"}]
        assert (message["role"], message["stopReason"], message["runId"]) == ("assistant", "interrupted", "r1")
        empty = await store.history(session_key=OTHER, limit=10)
        assert body(empty.messages[-1])["content"] == []
        assert [run.run_id for run in await store.queued_runs()] == ["r3"]
        assert await store.recover(now=10, interrupted=lambda run: {}) == []
        again = await send(store, "r1", "first")
        assert again.existing and again.run.result == {"status": "error", "summary": "was cut"}

    drive(before)
    drive(after)


def test_after_a_crash_of_another_gateway_the_runs_of_the_sessions_taken_over_end_alone(drive):
    async def scenario(store):
        await send(store, "r1")
        await send(store, "r2", key=OTHER)
        cut = await store.recover(now=9, interrupted=lambda run: {"stopReason": "interrupted"}, sessions=[OTHER])
        assert [run.run_id for run in cut] == ["r2"]
        assert (await store.get_run("r1")).state == "running"

    drive(scenario)


def test_after_a_crash_each_tool_call_without_a_result_gets_one_and_no_other(drive):
    calls = [{"type": "toolCall", "id": f"c{n}", "name": "run", "arguments": {}} for n in range(3)]

    async def before(store):
        await send(store, "r0")
        await store.append_step("r0", {"role": "assistant", "content": calls[:1], "timestamp": 1}, now=2)
        await finish(store, "r0", now=3)  # a run of before: its call stays as it is
        await send(store, "r1")
        await store.append_step("r1", {"role": "assistant", "content": calls, "timestamp": 1}, now=4)
        result = {"role": "toolResult", "toolCallId": "c1", "toolName": "run", "timestamp": 1}
        await store.append_step("r1", {**result, "content": [{"type": "text", "text": "42"}]}, now=5)

    async def after(store):
        facts = {"stopReason": "interrupted", "toolMessage": "unknown", "zone": "late in the alphabet"}
        await store.recover(now=9, interrupted=lambda run: facts)
        page = await store.history(session_key=MAIN, limit=10)
        left = [body(message) for message in page.messages][-4:]
        assert [(each["role"], each.get("toolCallId")) for each in left] == [
            ("toolResult", "c1"),
            ("toolResult", "c0"),
            ("toolResult", "c2"),
            ("assistant", None),
        ]
        assert [each.get("interrupted", False) for each in left] == [False, True, True, False]
        assert text_of(left[1]) == "unknown" and "toolMessage" not in left[3]
        assert (left[3]["stopReason"], left[3]["zone"]) == ("interrupted", "late in the alphabet")
        assert (await store.get_run("r1")).result == {"status": "error", "summary": "interrupted"}

    drive(before)
    drive(after)


def test_a_session_that_is_deleted_ends_what_runs_and_what_waits_in_it_alone(drive):
    async def scenario(store):
        await send(store, "runs")
        await send(store, "waits", start=False)
        await send(store, "elsewhere", key=OTHER)
        await store.delete_session(MAIN, delete_transcript=False, now=5)
        ended = [await store.get_run(run_id) for run_id in ("runs", "waits")]
        assert [(run.state, run.ended_at, run.result["status"]) for run in ended] == [("aborted", 5, "aborted")] * 2
        assert (await store.get_run("elsewhere")).state == "running"
        late = await store.finish_run("runs", state="done", message=reply("late"), result={}, now=6)
        assert late.message is None and await store.start_run("waits", now=6) is None

    drive(scenario)


def test_a_send_that_waits_survives_a_restart_with_its_message(drive):
    async def before(store):
        await store.accept_run(
            run_id="r1",
            session_key=MAIN,
            request_hash="h",
            message=user("기다리는 말"),
            options={"locale": "ko"},
            start=False,
            now=1,
        )

    async def after(store):
        (run,) = await store.queued_runs()
        assert run.options == {"locale": "ko"}
        started = await store.start_run(run.run_id, now=2)
        assert text_of(body(started.message)) == "기다리는 말"

    drive(before)
    drive(after)


def test_counts_that_no_database_can_add_up_cost_no_reply(drive):
    async def scenario(store):
        for number, count in enumerate((2**63, -1, 2**70, float("inf"), "many"), 1):
            await send(store, f"r{number}")
            message = reply(f"answer {number}", written=1)
            message["usage"] |= {"input": count, "cost": {"total": count}}
            await store.finish_run(f"r{number}", state="done", message=message, result={"status": "ok"}, now=2)
        assert len(await read(store)) == 10
        spent = await store.spent(since=0)
        assert [row.output for row in spent] == [1] * 5 and all(0 <= row.input <= 10**12 for row in spent)

    drive(scenario)
