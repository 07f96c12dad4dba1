"""Everything of a store, copied from one engine to the other and back: nothing is missing, and nothing has changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from clawdbot_ext.protocol.clock import now_ms
from clawdbot_ext.store import copying
from clawdbot_ext.store.api import Media, Store, StoreDamaged
from clawdbot_ext.store.copy_ends import SqliteEnd
from clawdbot_ext.store.copying import TABLES, Refused, copy
from clawdbot_ext.store.postgres.copy_end import PostgresEnd
from clawdbot_ext.store.postgres.store import PostgresStore
from clawdbot_ext.store.sqlite import SqliteStore
from tests.store.conftest import drive_store
from tests.store.kit import MAIN, OTHER, finish, read, reply, said, say, send, user

NOW = now_ms()
SOON = NOW + 3_600_000
DERIVED = {"meta", "media_refs", "search", "sqlite_sequence"}


async def fill(store: Store) -> None:
    """Something of every kind, with texts that are hard to carry."""
    await send(store, "run-1", "첫 질문 \u0000 \U0001f600 e\u0301 'quote\" \\u0000", now=NOW)
    await store.save_partial("run-1", text="half\0 a reply", thinking="생각")
    await finish(store, "run-1", "답변 " + "긴 " * 2_000, now=NOW)
    await send(store, "waits", "later", start=False, now=NOW)
    for number in range(12):
        await store.append(session_key=MAIN, message=user(f"line {number}"), now=NOW + number, create=False)
    page = await store.history(session_key=MAIN, limit=100)
    await store.delete_message(MAIN, page.messages[-3].id, undo_until=SOON, now=NOW)
    await say(store, "to be cleared", "this too", key=OTHER, now=NOW)
    await store.clear(OTHER, undo_until=SOON, now=NOW)
    await say(store, "after it", key=OTHER, now=NOW)
    await store.new_transcript(OTHER, now=NOW)  # the former one is archived
    await say(store, "gone, and back for an hour", key="agent:main:gone", now=NOW)
    await store.delete_session("agent:main:gone", delete_transcript=True, undo_until=SOON, now=NOW)
    await store.patch_session(MAIN, {"label": "이름", "model": "demo"}, now=NOW)
    await store.put_record("rule", "a", {"id": "a", "text": "규칙"}, now=NOW)
    await store.put_record("rule", "A", {"id": "A"}, now=NOW)
    await store.put_change(MAIN, {"id": "change-1", "path": "a.ipynb", "at": NOW})
    media = Media(
        id="media-1",
        sha256="a" * 64,
        owner="ann",
        name="그림.png",
        kind="image",
        mime_type="image/png",
        size=3,
        facts={"width": 1},
        created_at=NOW,
    )
    await store.add_media(media)
    picture = {"type": "image", "mediaId": "media-1", "name": "그림.png"}
    shown = {**said("user", "look"), "content": [picture, {"type": "text", "text": "look"}]}
    await store.append(session_key=MAIN, message=shown, now=NOW, create=False)
    await store.append(
        session_key=MAIN, message=reply("paid", read=5, written=7, cost=0.1 + 0.2), now=NOW, create=False
    )
    await store.add_usage(
        MAIN, page.session_id, provider="p", model="m", spent={"input": 3, "output": 4, "totalTokens": 7}, now=NOW
    )


@pytest.fixture
def source(tmp_path) -> Path:
    path = tmp_path / "from.sqlite3"
    drive_store(SqliteStore(path), fill)
    return path


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def target(request, tmp_path) -> Callable[[], Any]:
    """``target()``: a new end for the same empty store."""
    if request.param == "sqlite":
        return lambda: SqliteEnd(tmp_path / "to.sqlite3")
    url = request.getfixturevalue("empty_url")
    return lambda: PostgresEnd(url)


def store_of(end: Any) -> Store:
    return SqliteStore(end.path) if isinstance(end, SqliteEnd) else PostgresStore(end._url)


def quiet(*_: Any) -> None:
    pass


def carry(source: Any, target: Any, progress: Callable[..., None] = quiet) -> Any:
    try:
        return copy(source, target, progress, comparing=quiet)
    finally:
        source.close()
        target.close()


def rows(path: Path, nul: str = "\0") -> dict[str, list[Any]]:
    """All rows of all tables of a file, as SQLite has them."""
    found = {}
    with closing(sqlite3.connect(path)) as conn:
        for table in TABLES:
            number = "rowid, " if table.numbered else ""
            order = ", ".join(table.key)
            names = sorted(row[1] for row in conn.execute(f"PRAGMA table_info({table.name})"))
            found[table.name] = [
                tuple(value.replace("\0", nul) if isinstance(value, str) else value for value in row)
                for row in conn.execute(f"SELECT {number}{', '.join(names)} FROM {table.name} ORDER BY {order}")
            ]
        found["media_refs"] = conn.execute("SELECT * FROM media_refs ORDER BY 1, 2").fetchall()
    return found


def test_every_table_is_copied_or_derived(source: Path) -> None:
    with closing(sqlite3.connect(source)) as conn:
        names = {name for (name,) in conn.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert {name for name in names if not name.startswith("search_")} == {table.name for table in TABLES} | DERIVED
    assert all(rows(source).values()) or not rows(source)["trash"], "something of each"
    assert [name for name, found in rows(source).items() if not found] == ["trash"]


def test_a_copy_and_the_way_back_have_every_row_and_what_waits_to_be_undone(source: Path, target, tmp_path) -> None:
    told = carry(SqliteEnd(source), target())
    assert {name: table.rows for name, table in told.items()} == {
        name: len(found) for name, found in rows(source).items() if name != "media_refs"
    }
    back = tmp_path / "back.sqlite3"
    again = carry(target() if not isinstance(target(), SqliteEnd) else SqliteEnd(target().path), SqliteEnd(back))
    assert again == told
    assert rows(back) == rows(source, nul="\ufffd")

    async def as_before(store: Any) -> None:
        assert (await read(store))[0].startswith("첫 질문 \0 \U0001f600 e\u0301"), "what a message says, NUL and all"
        assert await store.search("그림", limit=5), "the index of words was made"
        assert [run.run_id for run in await store.queued_runs()] == ["waits"]
        assert (await send(store, "run-1", now=NOW)).existing, "its key is known"
        assert await store.media_wanted("media-1")
        await store.undelete_session("agent:main:gone", now=NOW)
        assert await read(store, "agent:main:gone") == ["gone, and back for an hour"]
        archived = [each for each in await store.transcripts(OTHER) if each.archived_at]
        await store.restore(archived[0].session_id, now=NOW)
        await store.undo_clear(OTHER, now=NOW)
        assert await read(store, OTHER) == ["to be cleared", "this too", "after it"]
        await say(store, "and it goes on", now=NOW)
        assert (await read(store))[-1] == "and it goes on"

    drive_store(store_of(target()), as_before)


def test_a_copy_that_is_cut_off_anywhere_goes_on(source: Path, target, monkeypatch) -> None:
    monkeypatch.setattr(copying, "ROWS", 5)

    class Cut(Exception):
        pass

    done: list[tuple[str, int]] = []
    for cut_at in range(1, 40, 3):
        left = iter(range(cut_at))

        def progress(name: str, rows: int, _total: int, steps: Iterator[int] = left) -> None:
            done.append((name, rows))
            if next(steps, None) is None:
                raise Cut

        with suppress(Cut):
            carry(SqliteEnd(source), target(), progress)
            break
    else:
        pytest.fail("it never came to an end")
    assert ("messages", 5) in done and ("messages", 15) in done
    end = target()
    if isinstance(end, SqliteEnd):
        assert rows(end.path) == rows(source, nul="\ufffd")
    with pytest.raises(Refused) as refused:
        carry(SqliteEnd(source), target())
    assert refused.value.reason == "notEmpty", "a whole copy is not gone on with"


def test_a_source_that_changed_meanwhile_is_copied_as_it_is_now(source: Path, target, monkeypatch) -> None:
    monkeypatch.setattr(copying, "ROWS", 5)

    def cut(name: str, *_: Any) -> None:
        if name == "runs":
            raise KeyError

    with pytest.raises(KeyError):
        carry(SqliteEnd(source), target(), cut)

    async def change(store: Store) -> None:
        await store.patch_session(MAIN, {"label": "another"}, now=NOW)
        await store.undelete_session("agent:main:gone", now=NOW)

    if not isinstance(target(), SqliteEnd):
        with pytest.raises(StoreDamaged, match="has not come to its end"):
            drive_store(store_of(target()), change)
    drive_store(SqliteStore(source), change)
    told = carry(SqliteEnd(source), target())
    assert told["deleted_sessions"].rows == 0

    async def look(store: Store) -> None:
        assert await store.find_session(label="another")

    drive_store(store_of(target()), look)


def test_a_target_with_other_data_and_a_source_that_is_none_are_refused(source: Path, target, tmp_path) -> None:
    drive_store(store_of(target()), fill)
    with pytest.raises(Refused) as refused:
        carry(SqliteEnd(source), target())
    assert refused.value.reason == "notEmpty"
    with pytest.raises(Refused) as refused:
        carry(SqliteEnd(tmp_path / "none.sqlite3"), SqliteEnd(tmp_path / "new.sqlite3"))
    assert refused.value.reason == "noSource" and not (tmp_path / "new.sqlite3").exists()


def test_rows_that_differ_afterwards_are_found_and_half_a_copy_of_something_else_is_left(source, target, tmp_path):
    class Forgetful(Exception):
        pass

    def cut(name: str, done: int, *_: Any) -> None:
        if name == "messages" and done:
            raise Forgetful

    with pytest.raises(Forgetful):
        carry(SqliteEnd(source), target(), cut)
    end = target()
    end.prepare()
    with end.writing() as conn:
        conn.execute("UPDATE messages SET role = 'changed' WHERE rowid = 1")
    end.close()
    other = tmp_path / "other.sqlite3"
    drive_store(SqliteStore(other), fill)
    with pytest.raises(Refused) as refused:
        carry(SqliteEnd(other), target())
    assert refused.value.reason == "otherCopy"
    carry(SqliteEnd(source), target())

    async def look(store: Store) -> None:
        page = await store.history(session_key=MAIN, limit=100)
        assert {message.role for message in page.messages} == {"user", "assistant"}

    drive_store(store_of(target()), look)


def test_a_source_that_is_written_while_it_is_copied_is_told(source: Path, tmp_path) -> None:
    def write(name: str, *_: Any) -> None:
        if name == "media":
            with closing(sqlite3.connect(source)) as conn, conn:
                conn.execute("INSERT OR REPLACE INTO records VALUES ('x', 'written', '{}', 1, 1)")

    with pytest.raises(Refused) as refused:
        carry(SqliteEnd(source), SqliteEnd(tmp_path / "to.sqlite3"), write)
    assert refused.value.reason == "changed" and not (tmp_path / "to.sqlite3").exists()


@pytest.mark.slow
def test_a_database_that_a_gateway_uses_is_neither_source_nor_target(source: Path, empty_url, tmp_path) -> None:
    async def meanwhile(_store: Any) -> None:
        for ends in ((SqliteEnd(source), PostgresEnd(empty_url)), (PostgresEnd(empty_url), SqliteEnd(tmp_path / "b"))):
            with pytest.raises(Refused) as refused:
                carry(*ends)
            assert refused.value.reason == "gatewayRuns"

    drive_store(PostgresStore(empty_url), meanwhile)


@pytest.fixture(autouse=True)
def _none_left(tmp_path) -> Iterator[None]:
    yield
    assert not list(tmp_path.glob("*.new"))
