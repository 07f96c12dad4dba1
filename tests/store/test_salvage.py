"""A damaged database: everything that can be read is kept, and what cannot is counted."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import pytest

from clawdbot_ext.protocol.errors import StorageFull
from clawdbot_ext.store import backups, db, salvage, schema
from clawdbot_ext.store.api import SchemaTooNew, StoreDamaged
from clawdbot_ext.store.message_fields import encode

from .kit import MAIN, OTHER, finish, read, say, send, user

PAGE = 4096


async def fill(store) -> None:
    for n in range(120):
        await say(store, f"{n} " + "가" * 300, key=MAIN if n % 2 else OTHER)
    await send(store, "r1", "the last question")
    await finish(store, "r1", "the last answer")
    await store.put_record("device", "d1", {"name": "laptop"}, now=1)


def pages_of(path: Path, table: str) -> list[int]:
    """The leaf pages of a table: those that hold its rows."""
    with closing(sqlite3.connect(path)) as conn:
        try:
            found = conn.execute("SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf'", (table,)).fetchall()
        except sqlite3.OperationalError:
            pytest.skip("this SQLite has no dbstat")
        return [page for (page,) in found]


def spoil(path: Path, page: int) -> None:
    with path.open("r+b") as file:
        file.seek((page - 1) * PAGE)
        file.write(os.urandom(PAGE))


def test_a_damaged_page_costs_its_own_messages_and_no_others(drive_sqlite, path):
    drive_sqlite(fill)
    assert salvage.check(path) == ""
    leaves = pages_of(path, "messages")
    assert len(leaves) > 10
    spoil(path, leaves[len(leaves) // 2])
    assert salvage.check(path)
    before = path.read_bytes()

    found, aside = salvage.repair(path)
    assert found is not None and aside is not None and aside.read_bytes() == before
    assert 100 < found.kept["messages"] < 122 and found.lost["messages"] > 0
    assert salvage.check(path) == ""

    async def look(store):
        kept = await read(store, limit=1000) + await read(store, key=OTHER, limit=1000)
        assert len(kept) == found.kept["messages"] and "the last answer" in kept
        assert [hit.message_id for hit in await store.search("answer", limit=5)]
        assert await store.get_record("device", "d1") == {"name": "laptop"}
        session = await store.get_session(MAIN)
        assert session.message_count == len(await read(store, limit=1000)) and session.epoch > 1_000_000
        await say(store, "goes on")
        assert (await read(store, limit=1000))[-1] == "goes on"

    drive_sqlite(look)


@pytest.mark.parametrize("table", ["transcripts", "sessions"])
def test_a_conversation_without_its_heading_gets_a_new_one(drive_sqlite, path, table):
    drive_sqlite(fill)
    with closing(sqlite3.connect(path)) as conn:
        (page,) = conn.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    spoil(path, page)
    found, _ = salvage.repair(path)
    assert found is not None and found.kept["messages"] == 122 and found.headings == 2

    async def look(store):
        sessions = await store.list_sessions()
        assert sum(session.message_count for session in sessions) == 122

    drive_sqlite(look)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: os.truncate(path, 0),
        lambda path: path.write_bytes(b"not a database" * 999),
        lambda path: spoil(path, 1),
    ],
    ids=["empty", "another file", "first page"],
)
def test_of_a_file_that_cannot_be_read_at_all_nothing_is_changed_but_its_name(drive_sqlite, path, damage):
    drive_sqlite(fill)
    damage(path)
    before = path.read_bytes()
    with pytest.raises(StoreDamaged):
        salvage.salvage(path, path.with_name("fresh"))
    assert salvage.check(path) and not path.with_name("fresh").exists()
    found, aside = salvage.repair(path)
    assert found is None and aside is not None and aside.read_bytes() == before and not path.exists()


def test_a_message_of_no_sense_costs_itself_alone(drive_sqlite, path):
    drive_sqlite(fill)
    with closing(sqlite3.connect(path)) as conn:
        (body,) = conn.execute("SELECT body FROM messages WHERE seq = 5 LIMIT 1").fetchone()
    data, at = path.read_bytes(), path.read_bytes().index(body.encode())
    path.write_bytes(data[: at + 20] + bytes(64) + data[at + 84 :])
    found = salvage.salvage(path, path.with_name("fresh"))
    assert found.kept["messages"] == 121 and found.lost == {"messages": 1}


def test_the_page_that_says_the_version_may_be_the_damaged_one(drive_sqlite, path):
    drive_sqlite(fill)
    with closing(sqlite3.connect(path)) as conn:
        (page,) = conn.execute("SELECT rootpage FROM sqlite_master WHERE name = 'meta'").fetchone()
    spoil(path, page)
    assert salvage.salvage(path, path.with_name("fresh")).kept["messages"] == 122


def test_what_cannot_be_repaired_now_stays_where_it_is(drive_sqlite, path, monkeypatch):
    """A full disk, or another version, was taken for a file of which nothing can be read."""
    drive_sqlite(fill)
    spoil(path, pages_of(path, "messages")[3])
    before = path.read_bytes()

    def full(conn):
        conn.execute("PRAGMA max_page_count=1")
        conn.execute("CREATE TABLE more AS SELECT randomblob(100000)")

    monkeypatch.setattr(salvage, "_mend", full)
    with pytest.raises(StorageFull):
        salvage.repair(path)
    monkeypatch.setattr(salvage.schema, "SCHEMA_VERSION", 1)
    with pytest.raises(SchemaTooNew):
        salvage.repair(path)
    assert path.read_bytes() == before
    assert not list(path.parent.glob("*.corrupt-*")) and not list(path.parent.glob("*.repaired*"))


def test_two_files_that_are_set_aside_in_one_second_are_both_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(backups.time, "time", lambda: 1_800_000_000.0)
    database = tmp_path / "gateway.sqlite3"
    for text in ("one", "two"):
        database.write_text(text)
        backups.set_aside(database, "replaced")
    assert sorted(each.read_text() for each in tmp_path.iterdir()) == ["one", "two"]


def of_version(path, version):
    """A database as that version of the schema wrote it, with a conversation of two messages."""
    db.create_file(path)
    with closing(db.connect(path)) as conn:
        schema.migrate(conn, path, schema.MIGRATIONS[:version])
        with db.transaction(conn):
            conn.execute("INSERT INTO transcripts (session_id, session_key, created_at) VALUES ('s', ?, 1)", (MAIN,))
            conn.execute(
                "INSERT INTO sessions (key, session_id, epoch, created_at, updated_at, settings)"
                " VALUES (?, 's', 1, 1, 1, '{}')",
                (MAIN,),
            )
            for seq, text in enumerate(("old one", "old two"), 1):
                body = encode({"id": f"m{seq}", "seq": seq, **user(text)})
                conn.execute(
                    "INSERT INTO messages (session_id, seq, id, role, created_at, body)"
                    " VALUES ('s', ?, ?, 'user', 1, ?)",
                    (seq, f"m{seq}", body),
                )


@pytest.mark.parametrize("version", [4, 5, 9])
def test_a_file_of_an_older_version_is_put_back_and_repaired(drive_sqlite, path, tmp_path, version):
    old = tmp_path / "old.sqlite3"
    of_version(old, version)
    before = old.read_bytes()
    assert salvage.put_back(old, path) is None and old.read_bytes() == before

    async def look(store):
        assert await read(store) == ["old one", "old two"]

    drive_sqlite(look)
    path.unlink()
    found = salvage.salvage(old, path)
    assert found.kept["messages"] == 2 and found.lost == {} and old.read_bytes() == before
    drive_sqlite(look)
    assert not list(tmp_path.glob("*.backup"))


def test_what_was_set_aside_comes_back_with_its_log(drive_sqlite, path, tmp_path):
    aside = tmp_path / "g.sqlite3.replaced-1"

    async def put_aside(store):
        await say(store, "in the log only")
        for suffix in ("", "-wal"):
            shutil.copyfile(path.with_name(path.name + suffix), aside.with_name(aside.name + suffix))

    drive_sqlite(put_aside)
    path.unlink()
    salvage.put_back(aside, path)

    async def look(store):
        assert await read(store) == ["in the log only"]

    drive_sqlite(look)
    assert aside.with_name(aside.name + "-wal").stat().st_size > 0


class Cut(BaseException):
    """The process died."""


@pytest.mark.parametrize("renames", range(6))
def test_a_restore_that_is_cut_off_at_any_rename_leaves_one_of_the_two_conversations(
    drive_sqlite, path, monkeypatch, renames
):
    async def before(store):
        await say(store, "in the backup")

    drive_sqlite(before)
    copy = salvage.back_up(path)
    left = [renames]

    def replace(source, target, rename=os.replace):
        if not left[0]:
            raise Cut
        left[0] -= 1
        rename(source, target)

    with closing(sqlite3.connect(path)) as conn:
        conn.execute('UPDATE sessions SET settings = \'{"label": "later"}\'')
        conn.commit()  # as after a crash: in the log, which lies beside the file
        assert path.with_name(path.name + "-wal").stat().st_size
        monkeypatch.setattr(backups.os, "replace", replace)
        with suppress(Cut):
            salvage.put_back(copy, path)
        monkeypatch.undo()

        async def after(store):
            (session,) = await store.list_sessions()
            assert await read(store) == ["in the backup"]
            return session.settings.get("label")

        assert drive_sqlite(after) == ("later" if renames == 0 else None)
    assert salvage.check(path) == ""


def test_the_log_of_a_database_that_is_gone_is_not_read_into_a_new_one(drive_sqlite, path):
    drive_sqlite(fill)
    with closing(sqlite3.connect(path)) as conn:
        conn.execute('UPDATE sessions SET settings = \'{"label": "of the old one"}\'')
        conn.commit()
        path.unlink()

        async def nothing(store):
            return await store.list_sessions()

        assert drive_sqlite(nothing) == []
        assert list(path.parent.glob("*.orphaned-*-wal"))
    assert salvage.check(path) == ""
