"""``sessions.*`` over a real socket."""

from __future__ import annotations

import pytest

from tests.support.wire import WireError, run, text_of, wired

EVENTS = ("session.events",)


def test_a_session_is_listed_with_title_preview_and_counters(gateway):
    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            await wire.ask("plot the 매출 data [[tokens=4]]", key="work")
            listed = await wire.call("sessions.list", {"includeDerivedTitles": True, "includeLastMessage": True})
            assert listed["count"] == 1 and {"modelProvider", "model", "contextTokens"} <= set(listed["defaults"])
            entry = listed["sessions"][0]
            assert (entry["key"], entry["kind"], entry["messageCount"]) == ("agent:main:work", "direct", 2)
            assert entry["derivedTitle"].startswith("plot the 매출 data")
            assert entry["lastMessagePreview"].startswith("t0")
            assert entry["totalTokens"] > 0 and entry["running"] is False

    run(main())


def test_the_list_is_newest_first_limited_and_searchable(gateway):
    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            for key in ("a", "b", "c"):
                await wire.ask(f"topic {key} [[tokens=1]]", key=key)
            listed = await wire.call("sessions.list", {"limit": 2})
            assert [s["key"] for s in listed["sessions"]] == ["agent:main:c", "agent:main:b"]
            found = await wire.call("sessions.list", {"search": "TOPIC A"})
            assert [s["key"] for s in found["sessions"]] == ["agent:main:a"]

    run(main())


def test_patch_merges_null_removes_and_bad_values_are_refused(gateway):
    async def main():
        async with wired(gateway.ws_url, gateway.token, caps=EVENTS) as wire:
            answer = await wire.call("sessions.patch", {"key": "main", "thinkingLevel": "high", "label": " 연구 "})
            assert answer["ok"] and answer["entry"]["thinkingLevel"] == "high" and answer["entry"]["label"] == "연구"
            changed = await wire.wait("session.changed", lambda p: p["reason"] == "updated")
            assert changed["payload"]["entry"]["label"] == "연구"
            answer = await wire.call("sessions.patch", {"key": "main", "thinkingLevel": None})
            assert "thinkingLevel" not in answer["entry"] and answer["entry"]["label"] == "연구"
            for bad in ({"thinkingLevel": "huge"}, {"sendPolicy": "perhaps"}, {"model": "no-such-model-at-all"}):
                with pytest.raises(WireError) as refused:
                    await wire.call("sessions.patch", {"key": "main", **bad})
                assert refused.value.code == "INVALID_REQUEST"

    run(main())


def test_a_label_belongs_to_one_session(gateway):
    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            await wire.call("sessions.patch", {"key": "a", "label": "mine"})
            with pytest.raises(WireError) as refused:
                await wire.call("sessions.patch", {"key": "b", "label": "mine"})
            assert refused.value.details["reason"] == "LABEL_TAKEN"

    run(main())


def test_reset_archives_the_transcript_and_keeps_settings_and_it_can_be_restored(gateway):
    async def main():
        async with wired(gateway.ws_url, gateway.token, caps=EVENTS) as wire:
            await wire.call("sessions.patch", {"key": "main", "thinkingLevel": "low"})
            await wire.ask("[[text=old reply]]")
            old = await wire.call("chat.history", {"sessionKey": "main"})
            answer = await wire.call("sessions.reset", {"key": "main"})
            assert answer["entry"]["sessionId"] != old["sessionId"] and answer["entry"]["thinkingLevel"] == "low"
            assert (await wire.call("chat.history", {"sessionKey": "main"}))["messages"] == []
            archived = await wire.call("chat.history", {"sessionId": old["sessionId"]})
            assert archived["messages"] == old["messages"]
            rows = (await wire.call("sessions.transcripts", {"key": "main"}))["transcripts"]
            assert [r["archivedAt"] is None for r in rows] == [True, False]
            await wire.ask("[[text=new reply]]")
            await wire.call("sessions.restore", {"sessionId": old["sessionId"]})
            back = await wire.call("chat.history", {"sessionKey": "main"})
            assert text_of(back["messages"][-1]) == "old reply" and back["epoch"] > old["epoch"]

    run(main())


def test_clear_empties_under_the_same_id_and_undo_puts_it_back(gateway):
    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            await wire.ask("[[text=precious]]")
            old = await wire.call("chat.history", {"sessionKey": "main"})
            cleared = await wire.call("sessions.clear", {"key": "main"})
            assert cleared["undoUntil"] > 0
            empty = await wire.call("chat.history", {"sessionKey": "main"})
            assert empty["messages"] == [] and empty["sessionId"] == old["sessionId"]
            await wire.call("sessions.undo", {"key": "main"})
            assert (await wire.call("chat.history", {"sessionKey": "main"}))["messages"] == old["messages"]
            with pytest.raises(WireError) as refused:
                await wire.call("sessions.undo", {"key": "main"})
            assert refused.value.details["reason"] == "NOT_FOUND"

    run(main())


def test_reset_stops_a_running_reply_first_and_its_text_goes_with_the_old_transcript(gateway):
    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            run_id, _ = await wire.send("[[tokens=500]] [[delay_ms=20]]")
            await wire.wait("chat", lambda p: p["state"] == "delta")
            old = await wire.call("chat.history", {"sessionKey": "main"})
            await wire.call("sessions.reset", {"key": "main"})
            assert (await wire.end(run_id))["state"] == "aborted"
            archived = await wire.call("chat.history", {"sessionId": old["sessionId"]})
            assert [m["role"] for m in archived["messages"]] == ["user", "assistant"]
            assert (await wire.call("chat.history", {"sessionKey": "main"}))["messages"] == []

    run(main())


def test_delete_removes_but_never_the_main_session(gateway):
    async def main():
        async with wired(gateway.ws_url, gateway.token, caps=EVENTS) as wire:
            await wire.ask("[[tokens=1]]", key="tmp")
            answer = await wire.call("sessions.delete", {"key": "tmp"})
            assert (answer["key"], answer["deleted"]) == ("agent:main:tmp", True)
            await wire.wait("session.changed", lambda p: p["reason"] == "deleted" and p["key"] == "agent:main:tmp")
            assert (await wire.call("sessions.delete", {"key": "tmp"}))["deleted"] is False
            assert (await wire.call("chat.history", {"sessionKey": "tmp"}))["messages"] == []
            with pytest.raises(WireError) as refused:
                await wire.call("sessions.delete", {"key": "main"})
            assert refused.value.details["reason"] == "MAIN_SESSION"

    run(main())


def test_resolve_by_key_id_and_label(gateway):
    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            entry = (await wire.call("sessions.patch", {"key": "x", "label": "the one"}))["entry"]
            for given in ({"key": "x"}, {"sessionId": entry["sessionId"]}, {"label": "the one"}):
                assert (await wire.call("sessions.resolve", given))["key"] == "agent:main:x"
            for wrong in ({}, {"key": "x", "label": "the one"}, {"key": "nope"}, {"label": "nope"}):
                with pytest.raises(WireError):
                    await wire.call("sessions.resolve", wrong)

    run(main())


def test_preview_shortens_and_says_what_is_missing_or_empty(gateway):
    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            await wire.ask("hello there [[tokens=200]]")
            await wire.call("sessions.patch", {"key": "blank", "thinkingLevel": "low"})
            got = await wire.call("sessions.preview", {"keys": ["main", "blank", "nope"], "limit": 3, "maxChars": 40})
            assert [p["status"] for p in got["previews"]] == ["ok", "empty", "missing"]
            items = got["previews"][0]["items"]
            assert [i["role"] for i in items] == ["user", "assistant"] and len(items[1]["text"]) == 40

    run(main())


def test_new_opens_a_key_of_its_own(gateway):
    async def main():
        async with wired(gateway.ws_url, gateway.token, caps=EVENTS) as wire:
            made = await wire.call("sessions.new", {"label": "fresh"})
            assert made["key"].startswith("agent:main:webchat:") and made["entry"]["label"] == "fresh"
            await wire.wait("session.changed", lambda p: p["reason"] == "created" and p["key"] == made["key"])
            with pytest.raises(WireError) as refused:
                await wire.call("sessions.new", {"key": made["key"]})
            assert refused.value.details["reason"] == "EXISTS"

    run(main())
