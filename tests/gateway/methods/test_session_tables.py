"""``sessions.page``, ``sessions.bulk``, ``sessions.exportMany`` and ``usage.breakdown`` over a real socket."""

from __future__ import annotations

import base64
import io
import zipfile

import pytest

from tests.support.in_process import in_process
from tests.support.wire import WireError, run, wired

EVENTS = ("session.events",)


def test_a_table_of_sessions_is_paged_changed_and_deleted_by_many(gateway):
    async def main():
        async with (
            wired(gateway.ws_url, gateway.token, caps=EVENTS) as wire,
            wired(gateway.ws_url, gateway.token, caps=EVENTS) as other,
        ):
            for key in ("main", "a", "b", "c"):
                await wire.ask(f"topic <i>{key}</i> [[tokens=1]]", key=key)
            page = await wire.call("sessions.page", {"limit": 2, "sort": "title", "descending": False})
            assert (page["total"], page["offset"], len(page["rows"])) == (4, 0, 2)
            row = page["rows"][0]
            assert row["entry"]["derivedTitle"].startswith("topic <i>a</i>") and row["kind"] == "named"
            assert row["tokens"] > 0 and row["unpriced"] == 0
            only = await wire.call("sessions.page", {"kinds": ["main"], "search": "TOPIC"})
            assert [each["entry"]["key"] for each in only["rows"]] == ["agent:main:main"]

            put_away = await wire.call("sessions.bulk", {"action": "archive", "keys": ["a", "nowhere"]})
            assert put_away["done"] == ["agent:main:a"] and "undoUntil" not in put_away
            assert put_away["failed"][0]["error"]["details"]["reason"] == "NOT_FOUND"
            assert (await wire.call("sessions.page", {"archived": "only"}))["total"] == 1
            assert (await wire.call("sessions.bulk", {"action": "unarchive", "keys": ["a"]}))["failed"] == []

            gone = await wire.call("sessions.bulk", {"action": "delete", "keys": ["a", "agent:main:a", "b", "main"]})
            assert sorted(gone["done"]) == ["agent:main:a", "agent:main:b"] and gone["undoUntil"] > page["ts"]
            assert [each["error"]["details"]["reason"] for each in gone["failed"]] == ["MAIN_SESSION"]
            await other.wait("session.changed", lambda p: p["reason"] == "deleted" and p["key"].endswith(":b"))
            assert (await wire.call("sessions.page"))["total"] == 2
            back = await wire.call("sessions.bulk", {"action": "undelete", "keys": gone["done"]})
            assert sorted(back["done"]) == sorted(gone["done"])
            await other.wait("session.changed", lambda p: p["reason"] == "restored" and p["key"].endswith(":b"))
            assert (await wire.call("sessions.page"))["total"] == 4

            for bad in ({"action": "burn", "keys": ["a"]}, {"action": "delete", "keys": []}):
                with pytest.raises(WireError) as refused:
                    await wire.call("sessions.bulk", bad)
                assert refused.value.code == "INVALID_REQUEST"

    run(main())


def test_many_sessions_are_exported_as_one_archive(gateway):
    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            for key in ("a", "b"):
                await wire.ask("같은 제목", key=key)
            made = await wire.call("sessions.exportMany", {"format": "markdown", "keys": ["a", "b", "nowhere"]})
            assert made["filename"].endswith(".zip") and len(made["done"]) == 2
            assert [each["key"] for each in made["failed"]] == ["agent:main:nowhere"]
            with zipfile.ZipFile(io.BytesIO(base64.b64decode(made["content"]))) as archive:
                assert sorted(archive.namelist()) == ["같은-제목 (2).md", "같은-제목.md"]
                assert "같은 제목" in archive.read("같은-제목.md").decode()

    run(main())


def test_sessions_that_one_archive_has_no_room_for_go_into_the_next(tmp_path, monkeypatch):
    monkeypatch.setattr("clawdbot_ext.gateway.methods.session_tables.ARCHIVE_BYTES", 1)

    async def main():
        async with in_process(tmp_path) as chat:
            keys = ["agent:main:a", "agent:main:b"]
            for key in keys:
                await chat.ask("hello", f"run {key}", sessionKey=key)
            first = (await chat.call("sessions.exportMany", {"format": "json", "keys": keys}))["payload"]
            assert (first["done"], first["failed"], first["left"]) == (keys[:1], [], keys[1:])
            last = (await chat.call("sessions.exportMany", {"format": "json", "keys": first["left"]}))["payload"]
            assert (last["done"], last["failed"]) == (keys[1:], []) and "left" not in last
            for made in (first, last):
                with zipfile.ZipFile(io.BytesIO(base64.b64decode(made["content"]))) as archive:
                    assert len(archive.namelist()) == 1

    run(main())


def test_usage_is_broken_down_by_day_session_model_and_client(gateway):
    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            for key in ("a", "a", "b", "c"):
                await wire.ask("hello [[tokens=3]]", key=key)
            now = (await wire.call("sessions.page"))["ts"]
            edges = [now - 86_400_000, now - 3_600_000, now + 3_600_000]
            found = await wire.call("usage.breakdown", {"edges": edges, "sessions": 1})
            (day,) = found["days"]
            assert (day["day"], day["provider"], day["replies"], day["unpriced"]) == (1, "demo", 4, 0)
            assert day["client"] and "session" not in day
            dearest, others = found["sessions"]
            assert found["sessionCount"] == 3
            assert (dearest["session"], dearest["replies"]) == ("agent:main:a", 2)
            assert (others["session"], others["replies"]) == (None, 2)
            assert dearest["input"] + others["input"] == day["input"]
            assert found["titles"] == {"agent:main:a": "hello [[tokens=3]]"}
            one = await wire.call("usage.breakdown", {"edges": edges, "sessionKey": "b"})
            assert [row["session"] for row in one["sessions"]] == ["agent:main:b"]
            for bad in ([now, now], [now, now - 1], [now]):
                with pytest.raises(WireError) as refused:
                    await wire.call("usage.breakdown", {"edges": bad})
                assert refused.value.code == "INVALID_REQUEST"

    run(main())
