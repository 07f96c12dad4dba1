"""Pages of sessions, and sums of usage."""

from __future__ import annotations

import asyncio
from contextlib import closing
from typing import Any

from clawdbot_ext.store import db, schema
from clawdbot_ext.store.api import Store
from clawdbot_ext.store.router import open_stores
from clawdbot_ext.store.tables import SessionQuery
from tests.support.wire import run

from .kit import reply, user

CHAT, NAMED, IMPORTED = "agent:main:webchat:1", "agent:main:work", "agent:main:imported:1"
TEMPORARY = "agent:main:temporary:1"
MAIN = "agent:main:main"
PRICED = {"provider": "anthropic", "model": "big"}


def unpriced(text: str, tokens: int) -> dict[str, Any]:
    said = reply(text, read=tokens)
    return {**said, "provider": "ollama", "usage": {**said["usage"], "cost": {"total": 0.0, "unknown": True}}}


async def fill(store: Store) -> None:
    """Five sessions, last active at 10, 20, 30, 40, 50."""
    for at, (key, title, tokens, cost) in enumerate(
        (
            (MAIN, "Ärger", 5, 0.5),
            (CHAT, "<b>bold</b>", 50, 0.1),
            (NAMED, "beta", 40, 0.2),
            (IMPORTED, "alpha", 30, 0.3),
            (TEMPORARY, "delta", 20, 0.4),
        ),
        1,
    ):
        await store.append(session_key=key, message=user(title), now=at * 10, create=True)
        message = {**reply("x", read=tokens, cost=cost), **PRICED}
        await store.append(session_key=key, message=message, now=at * 10)
    await store.append(session_key=NAMED, message=unpriced("y", 7), now=30)


async def keys(store: Store, *, offset: int = 0, limit: int = 100, **where: Any) -> list[str]:
    query = SessionQuery(main_key=MAIN, **where)
    total, rows = await store.overviews.sessions(query, offset=offset, limit=limit)
    assert total >= len(rows)
    return [row.session.key.removeprefix("agent:main:") for row in rows]


def test_a_page_is_sorted_filtered_and_cut_with_temporary_sessions_in_their_places(tmp_path) -> None:
    async def main() -> None:
        store = open_stores(tmp_path / "s.sqlite3")
        await store.open()
        await fill(store)
        newest = ["temporary:1", "imported:1", "work", "webchat:1", "main"]
        assert await keys(store) == newest
        assert await keys(store, descending=False) == newest[::-1]
        assert await keys(store, sort="cost") == ["main", "temporary:1", "imported:1", "work", "webchat:1"]
        assert await keys(store, sort="tokens") == ["webchat:1", "work", "imported:1", "temporary:1", "main"]
        by_title = ["webchat:1", "imported:1", "work", "temporary:1", "main"]
        assert await keys(store, sort="title", descending=False) == by_title
        for offset in range(6):
            for limit in (1, 2, 5):
                page = await keys(store, sort="title", descending=False, offset=offset, limit=limit)
                assert page == by_title[offset : offset + limit]
        assert await keys(store, kinds=["main", "temporary"]) == ["temporary:1", "main"]
        assert await keys(store, kinds=["chat", "named", "imported"]) == ["imported:1", "work", "webchat:1"]
        assert await keys(store, since=20, until=40) == ["work", "webchat:1"]
        assert await keys(store, search="<B>") == ["webchat:1"]
        await store.patch_session(CHAT, {"pinned": True}, now=60)
        await store.patch_session(NAMED, {"archived": True, "label": "Gamma"}, now=30)
        assert await keys(store) == ["webchat:1", "temporary:1", "imported:1", "main"]
        assert await keys(store, archived=True) == ["work"] and len(await keys(store, archived=None)) == 5
        assert await keys(store, archived=None, search="gamma") == ["work"]
        total, rows = await store.overviews.sessions(
            SessionQuery(main_key=MAIN, archived=True, kinds=["named"]), offset=0, limit=1
        )
        assert (total, rows[0].kind, rows[0].unpriced, rows[0].session.total_cost) == (1, "named", 1, 0.2)
        await store.close()

    run(main())


def test_usage_is_summed_by_day_and_by_session_each_by_model_and_client(tmp_path) -> None:
    async def main() -> None:
        store = open_stores(tmp_path / "s.sqlite3")
        await store.open()
        await fill(store)
        await store.accept_run(
            run_id="r",
            session_key=MAIN,
            request_hash="h",
            message=user("q"),
            options={"client": "cli"},
            start=True,
            now=55,
        )
        last = {**reply("z", read=1, cost=1.0), **PRICED}
        await store.finish_run("r", state="done", message=last, result={"status": "ok"}, now=56)
        found = await store.overviews.spending([10, 30, 56, 57], named=9)
        days = sorted(
            (row.of, row.provider, row.client or "", row.input, row.replies, row.unpriced) for row in found.days
        )
        assert days == [
            (0, "anthropic", "", 55, 2, 0),
            (1, "anthropic", "", 20, 1, 0),  # of the temporary session
            (1, "anthropic", "", 70, 2, 0),
            (1, "ollama", "", 7, 1, 1),
            (2, "anthropic", "cli", 1, 1, 0),
        ]
        of_work = [row for row in found.sessions if row.of == NAMED]
        assert sorted((row.provider, row.cost, row.unpriced) for row in of_work) == [
            ("anthropic", 0.2, 0),
            ("ollama", 0.0, 1),
        ]
        assert found.titles[CHAT] == "<b>bold</b>" and found.titles[TEMPORARY] == "delta"
        only = await store.overviews.spending([0, 100], NAMED, named=9)
        assert {row.of for row in only.sessions} == {NAMED} and {row.of for row in only.days} == {0}
        # What was answered is kept, and not beyond the next reply or another name.
        assert (await store.overviews.spending([10, 30, 56, 57], named=9)).sessions == found.sessions
        await store.append(session_key=MAIN, message=last, now=56)
        await store.patch_session(MAIN, {"label": "Renamed"}, now=56)
        again = await store.overviews.spending([10, 30, 56, 57], named=9)
        assert sum(row.replies for row in again.days) == sum(row.replies for row in found.days) + 1
        assert again.titles[MAIN] == "Renamed"
        await store.delete_session(MAIN, delete_transcript=True, now=57)
        gone = await store.overviews.spending([10, 30, 56, 57], named=9)
        assert MAIN not in gone.titles and MAIN in {row.of for row in gone.sessions}
        assert (await asyncio.gather(*(store.overviews.spending([0, at], named=9) for at in (20, 100))))[0].days[
            0
        ].replies == 1
        await store.close()

    run(main())


def test_the_tenth_migration_finds_the_clients_and_takes_0_back(tmp_path) -> None:
    path = tmp_path / "s.sqlite3"
    db.create_file(path)
    with closing(db.connect(path)) as conn:
        schema.migrate(conn, path, schema.MIGRATIONS[:9])
        conn.execute("INSERT INTO transcripts (session_id, session_key, created_at) VALUES ('t', 'k', 1)")
        conn.execute(
            """INSERT INTO runs (run_id, session_key, session_id, state, request_hash, message, options, created_at)
               VALUES ('r', 'k', 't', 'done', 'h', '{}', '{"client":"cli"}', 1)"""
        )
        conn.execute(
            """INSERT INTO messages (session_id, seq, id, run_id, role, created_at, body)
               VALUES ('t', 1, 'i', 'r', 'assistant', 7, '{}')"""
        )
        for at, provider, cost in ((7, "p", 0.5), (8, "p", 0.0), (9, "demo", 0.0)):
            conn.execute("INSERT INTO usage VALUES (?, 'k', ?, 'm', 1, 2, 3, 4, ?)", (at, provider, cost))
        schema.migrate(conn, path, schema.MIGRATIONS[:10])
        rows = conn.execute("SELECT at, client, cost FROM usage ORDER BY at").fetchall()
    assert rows == [(7, "cli", 0.5), (8, None, None), (9, None, 0.0)]
