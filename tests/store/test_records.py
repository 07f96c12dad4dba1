"""Records and usage: the gateway's own documents, and what replies cost."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing

import pytest

from clawdbot_ext.protocol.errors import NotFound
from clawdbot_ext.store import db, schema
from clawdbot_ext.store.api import Media
from clawdbot_ext.store.sqlite import open_store
from tests.store.kit import MAIN
from tests.support.wire import run

REPLY = {
    "role": "assistant",
    "content": [],
    "timestamp": 1,
    "provider": "anthropic",
    "model": "m",
    "usage": {"input": 3, "output": 4, "cacheRead": 5, "cacheWrite": 6, "totalTokens": 18, "cost": {"total": 0.25}},
}


def test_a_record_is_replaced_listed_and_removed(tmp_path) -> None:
    async def main() -> None:
        store = open_store(tmp_path / "s.sqlite3")
        await store.open()
        await store.put_record("device", "b", {"n": 1}, now=2)
        await store.put_record("device", "a", {"n": 2}, now=1)
        await store.put_record("device", "b", {"n": 3}, now=9)
        await store.put_record("node", "b", {"n": 4}, now=1)
        assert await store.list_records("device") == [{"n": 2}, {"n": 3}]
        assert await store.get_record("device", "b") == {"n": 3}
        assert await store.record_times("device") == [("a", 1), ("b", 9)]
        await store.delete_record("device", "b")
        await store.delete_record("device", "b")
        assert await store.get_record("device", "b") is None
        assert await store.get_record("node", "b") == {"n": 4}
        await store.close()

    run(main())


def test_changes_of_one_record_come_one_after_another(drive) -> None:
    def more(record):
        return {"n": (record or {"n": 0})["n"] + 1}

    def refuse(record):
        raise NotFound("no")

    async def scenario(store) -> None:
        await asyncio.gather(*(store.change_record("rule", "a", more, now=1) for _ in range(20)))
        with pytest.raises(NotFound):
            await store.change_record("rule", "a", refuse, now=1)
        assert await store.change_record("rule", "a", more, now=1) == ({"n": 20}, {"n": 21})
        taken = await asyncio.gather(*(store.change_record("rule", "a", lambda _: None, now=1) for _ in range(3)))
        assert [each.before for each in taken if each.before] == [{"n": 21}]
        assert await store.change_record("rule", "a", lambda _: None, now=1) == (None, None)
        assert await store.list_records("rule") == []

    drive(scenario)


def test_a_file_that_a_message_is_about_to_name_is_no_orphan(drive) -> None:
    old = {"owner": "ann", "mime_type": "image/png", "kind": "image", "size": 1, "facts": {}, "created_at": 10}

    async def scenario(store) -> None:
        for id_ in ("sent", "left", "named"):
            await store.add_media(Media(id=id_, sha256=id_, name=id_, **old))
        orphans = [media.id for media in await store.orphaned_media(before=100)]
        assert sorted(orphans) == ["left", "named", "sent"]
        # Between the look and the removal a message is taken, here or at another gateway.
        assert (await store.renew_media("sent", now=500)).created_at == 500
        block = {"type": "image", "mediaId": "named", "name": "x"}
        await store.append(session_key=MAIN, message={"role": "user", "content": [block]}, now=11, create=True)
        assert await store.remove_media(orphans, now=600, before=100) == ["left"]
        assert (await store.get_media("sent")).removed_at is None
        assert (await store.get_media("named")).removed_at is None
        assert await store.get_media("left") is None and await store.renew_media("left", now=700) is None
        assert await store.remove_media(["named"], now=600, before=100, named=True) == ["named"]
        assert (await store.get_media("named")).removed_at == 600 and await store.renew_media("named", now=9) is None

    drive(scenario)


def test_what_a_reply_cost_is_kept_when_its_session_is_deleted(tmp_path) -> None:
    async def main() -> None:
        store = open_store(tmp_path / "s.sqlite3")
        await store.open()
        await store.append(session_key="agent:main:a", message=REPLY, now=10, create=True)
        await store.append(session_key="agent:main:a", message={**REPLY, "usage": None}, now=11)
        await store.delete_session("agent:main:a", delete_transcript=True, now=12)
        (spent,) = await store.spent(since=0)
        assert (spent.at, spent.session_key, spent.model) == (10, "agent:main:a", "m")
        assert (spent.input, spent.output, spent.cache_read, spent.cache_write, spent.cost) == (3, 4, 5, 6, 0.25)
        assert await store.spent(since=11) == []
        assert await store.spent(since=0, session_key="agent:main:b") == []
        await store.close()

    run(main())


def test_the_second_migration_counts_the_replies_that_are_there(tmp_path) -> None:
    path = tmp_path / "s.sqlite3"
    db.create_file(path)
    with closing(db.connect(path)) as conn:
        schema.migrate(conn, path, schema.MIGRATIONS[:1])
        conn.execute("INSERT INTO transcripts (session_id, session_key, created_at) VALUES ('t', 'k', 1)")
        body = (
            '{"provider":"p","model":"m","usage":'
            '{"input":1,"output":2,"cacheRead":3,"cacheWrite":4,"totalTokens":10,"cost":{"total":0.5}}}'
        )
        conn.execute("INSERT INTO messages VALUES ('t', 1, 'i', NULL, NULL, 'assistant', 7, ?)", (body,))
        schema.migrate(conn, path, schema.MIGRATIONS[:2])
        rows: list[sqlite3.Row] = conn.execute("SELECT * FROM usage").fetchall()
    assert rows == [(7, "k", "p", "m", 1, 2, 3, 4, 0.5)]
