"""``clawdbot storage copy``: beside a gateway that only reads, killed in the middle, and into PostgreSQL and back."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from clawdbot_ext.cli.program import program
from clawdbot_ext.store.api import Media
from clawdbot_ext.store.files import Files
from clawdbot_ext.store.sqlite import SqliteStore
from tests.server.handlers.test_media import ask
from tests.store.conftest import drive_store
from tests.store.kit import MAIN, read, say
from tests.support.media import png, upload
from tests.support.s3 import S3Server
from tests.support.server import clean_environment
from tests.support.wire import Wire, WireError, run, text_of, wired

pytestmark = pytest.mark.slow
QUESTION = "[[text=네]] 이것은?"
KILLED = """
import itertools, os, signal
from clawdbot_ext.cli import storage_copy
from clawdbot_ext.cli.program import program
from clawdbot_ext.store import copying
copying.ROWS = 3
steps, shown = itertools.count(1), storage_copy.Progress.rows
def die(self, name, done, total):
    shown(self, name, done, total)
    if next(steps) == int(os.environ["DIE_AT"]):
        os.kill(os.getpid(), signal.SIGKILL)
storage_copy.Progress.rows = die
program()
"""


def clawdbot(*arguments: str, code: int = 0, **env: str) -> str:
    done = CliRunner(env={"LC_ALL": "C.UTF-8", **env}).invoke(program, arguments)
    assert done.exit_code == code, done.output
    return done.output


async def said(wire: Wire) -> list[str]:
    return [text_of(message) for message in (await wire.call("chat.history", {"sessionKey": "main"}))["messages"]]


async def until_read_only(wire: Wire, on: bool) -> None:
    for _ in range(600):
        if bool((await wire.call("health"))["storage"].get("readOnly")) == on:
            return
        await asyncio.sleep(0.1)
    raise AssertionError("storage.readOnly was not taken up")


def test_beside_a_gateway_that_only_reads_everything_is_copied_and_opens_elsewhere(make_gateway, tmp_path):
    gateway, to = make_gateway(), tmp_path / "to"
    picture = upload(gateway, "plot.png", png(8, 6))
    here = {"CLAWDBOT_STATE_DIR": str(gateway.state)}

    async def before() -> None:
        async with wired(gateway.ws_url, gateway.token) as wire:
            await wire.ask(QUESTION, attachments=[{"mediaId": picture["mediaId"]}])
            assert "may write" in (
                await asyncio.to_thread(clawdbot, "storage", "copy", "home", str(to), code=1, **here)
            )
            await asyncio.to_thread(clawdbot, "config", "set", "storage.readOnly", "true", **here)
            await until_read_only(wire, True)
            with pytest.raises(WireError) as refused:
                await wire.send("one more")
            assert refused.value.details["reason"] == "STORAGE_READ_ONLY" and refused.value.error["retryable"]
            told = json.loads(await asyncio.to_thread(clawdbot, "storage", "copy", "home", str(to), "--json", **here))
            assert told["tables"]["messages"]["rows"] == 2 and told["files"]["copied"] == 1
            assert not told["files"]["missing"] and len(told["tables"]["messages"]["sha256"]) == 64
            assert await said(wire) == [QUESTION, "네"]
            await asyncio.to_thread(clawdbot, "config", "set", "storage.readOnly", "false", **here)
            await until_read_only(wire, False)
            assert (await wire.ask("[[text=good]] one more"))["state"] == "final"

    run(before(), timeout_s=240)
    gateway.stop()
    copied = make_gateway(state=to)

    async def after() -> None:
        async with wired(copied.ws_url, copied.token) as wire:
            assert await said(wire) == [QUESTION, "네"]

    run(after())
    assert ask(copied, "GET", f"media/{picture['mediaId']}").body == png(8, 6)
    running = clawdbot("storage", "copy", str(gateway.state), str(to), code=1, **here)
    assert "The gateway is running" in running


@pytest.fixture
def home(tmp_path) -> Path:
    path = tmp_path / "from" / "jupyter" / "gateway.sqlite3"
    drive_store(SqliteStore(path), lambda store: say(store, *(f"line {number}" for number in range(20))))
    return tmp_path / "from"


def test_a_copy_that_is_killed_again_and_again_goes_on_and_comes_to_its_end(home, tmp_path):
    to = tmp_path / "to" / "jupyter"
    killed = 0
    for die_at in (2, 4, 6, 9, 999):
        environment = clean_environment(home, DIE_AT=str(die_at))
        command = [sys.executable, "-c", KILLED, "storage", "copy", "home", str(tmp_path / "to")]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
        killed += 1
        assert not (to / "gateway.sqlite3").exists() and (to / "gateway.sqlite3.copying").exists()
    assert killed == 4 and "messages: 20 of 20" in done.stderr and "compared: 12 of 12" in done.stderr, done.stderr
    assert [name for name in os.listdir(to) if "copying" in name] == []
    lines = drive_store(SqliteStore(to / "gateway.sqlite3"), read)
    assert list(lines) == [f"line {number}" for number in range(20)]
    again = clawdbot("storage", "copy", "home", str(tmp_path / "to"), code=1, CLAWDBOT_STATE_DIR=str(home))
    assert "has conversations already" in again
    environment = {**clean_environment(home, DIE_AT="999"), "LC_ALL": "ko_KR.UTF-8"}
    korean = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert korean.returncode == 1 and "이미 대화가 있어서" in korean.stderr


def test_into_postgresql_and_back_and_no_password_is_shown(home, postgres_url, tmp_path):
    here = {"CLAWDBOT_STATE_DIR": str(home)}
    password = postgres_url.split(":")[2].split("@")[0]
    there = clawdbot("storage", "copy", "home", postgres_url, **here)
    back = clawdbot("storage", "copy", postgres_url, str(tmp_path / "back.sqlite3"), **here)
    wrong = postgres_url.replace(password, "wrong-s3cret").replace("127.0.0.1", "127.0.0.1:1,127.0.0.1")
    away = clawdbot("storage", "copy", "home", wrong, code=1, **here)
    assert password not in there + back + away and "wrong-s3cret" not in away
    lines = drive_store(SqliteStore(tmp_path / "back.sqlite3"), read)
    assert list(lines) == [f"line {number}" for number in range(20)]
    same = clawdbot("storage", "copy", "home", str(home), code=2, **here)
    assert "the same" in same


def test_into_postgresql_and_a_bucket_and_back_byte_for_byte(home, postgres_server, tmp_path):
    database = postgres_server.create()
    contents = {hashlib.sha256(data).hexdigest(): data for data in (b"", png(8, 6), os.urandom(3_000_000))}
    files = Files(home / "jupyter" / "media")
    files.open()

    async def fill(store: SqliteStore) -> None:
        for number, (sha256, data) in enumerate(contents.items()):
            file = files.receive()
            file.write(data)
            assert file.finish() == sha256
            file.keep()
            facts = {"kind": "image", "mime_type": "image/png", "facts": {}, "created_at": 1}
            await store.add_media(
                Media(id=f"m-{number}", sha256=sha256, owner="ann", name=f"그림 {number}.png", size=len(data), **facts)
            )
            block = {"type": "image", "mediaId": f"m-{number}", "name": f"그림 {number}.png"}
            await store.append(session_key=MAIN, message={"role": "user", "content": [block]}, now=2, create=True)

    drive_store(SqliteStore(home / "jupyter" / "gateway.sqlite3"), fill)
    files.keep_derived(next(iter(contents)), "thumbnail.webp", b"small")
    with S3Server() as s3:
        (home / "jupyter" / "config.json").write_text(json.dumps({"storage": {"media": s3.settings()}}))
        (home / "jupyter" / "config.json").chmod(0o600)
        here = {"CLAWDBOT_STATE_DIR": str(home)}
        bucket = s3.settings()["url"]
        there = json.loads(clawdbot("storage", "copy", "home", database, "--media-to", bucket, "--json", **here))
        again = clawdbot("storage", "copy", "home", database, "--media-to", bucket, code=1, **here)
        back = json.loads(
            clawdbot("storage", "copy", database, str(tmp_path / "back"), "--media-from", bucket, "--json", **here)
        )
    assert there["files"]["copied"] == back["files"]["copied"] == len(contents)
    assert not there["files"]["missing"] and not back["files"]["missing"]
    assert there["tables"] == back["tables"]
    assert "has conversations already" in again
    kept = Files(tmp_path / "back" / "jupyter" / "media")
    assert {sha256: kept.path(sha256).read_bytes() for sha256 in kept.everything()} == contents
    assert kept.read_derived(next(iter(contents)), "thumbnail.webp") == b"small"
    secret = s3.settings()["secretAccessKey"]
    assert secret not in json.dumps([there, back]) + again
    postgres_server.drop(database)
