"""A power cut at any moment: what was acknowledged is on the disk by then, and no file of ours is half there.

Seen by the system calls of a real gateway, played into a model of a disk that keeps nothing but what was synced.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import re
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest

from clawdbot_ext.store import backup_files, backups
from tests.support.media import upload
from tests.support.power_cut import Disk, TracedGateway, calls, sent
from tests.support.tools import require
from tests.support.wire import run, wired

pytestmark = pytest.mark.slow
CONTENT = b"# Notes\n" + b"a line\n" * 300
EVERY = 12
"""Syncs between two looks at the whole disk, apart from those at each acknowledgement."""


async def work(gateway: TracedGateway) -> None:
    """Have everything acknowledged that is promised to be kept; each send marks that the one before it was."""
    async with wired(gateway.ws_url, gateway.token) as wire:
        await wire.ask("[[tokens=5]]", run_id="run-first")
        given = await asyncio.to_thread(upload, gateway, "notes.md", CONTENT)
        await wire.ask("[[tokens=5]]", run_id="run-with-file", attachments=[{"mediaId": given["mediaId"]}])
        await wire.call("sessions.patch", {"key": "main", "label": "named"})
        await wire.send("[[tokens=40]] [[delay_ms=10]]", run_id="run-after-name")
        await wire.send("waits", run_id="run-waiting")
        await wire.call("chat.queue.edit", {"sessionKey": "main", "runId": "run-waiting", "message": "edited"})
        settings = await wire.call("config.get")
        changed = {"agents": {"defaults": {"timeoutSeconds": 777}}}
        await wire.call("config.patch", {"raw": json.dumps(changed), "baseHash": settings["hash"]})
        await wire.ask("[[tokens=5]]", run_id="run-after-config")
        await wire.call("storage.backup")
        await wire.ask("[[tokens=5]]", run_id="run-after-backup")
        await wire.call("chat.inject", {"sessionKey": "main", "message": "x" * 2000})
        await wire.ask("[[tokens=300]]", run_id="run-last")


MARKS = ("run-first", "run-with-file", "run-after-name", "run-waiting", "run-after-config", "run-after-backup")


def look(image: Mapping[str, bytes], folder: Path, told: set[str]) -> None:
    """Start from what is left: nothing that was told to a client may be missing."""
    for name, content in image.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    whole(image, folder)
    database = folder / "gateway.sqlite3"
    if not database.exists():
        assert not told
        return
    with closing(sqlite3.connect(database)) as conn:
        assert conn.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        kept = {row[0] for row in conn.execute("SELECT run_id FROM runs")}
        assert told <= kept, "acknowledged, and gone"
        bodies = "".join(row[0] for row in conn.execute("SELECT body FROM messages UNION ALL SELECT message FROM runs"))
        labels = [row[0] for row in conn.execute("SELECT settings FROM sessions")]
        if "run-with-file" in told:
            assert f"media/{_SHA[:2]}/{_SHA}" in image and _SHA in {
                r[0] for r in conn.execute("SELECT sha256 FROM media")
            }
    if "run-after-name" in told:
        assert '"label":"named"' in labels[0]
    if "run-after-config" in told:
        assert b"777" in image["config.json"] and '"edited"' in bodies
    if "run-after-backup" in told:
        assert backup_files.kept(folder / backup_files.FOLDER)


_SHA = hashlib.sha256(CONTENT).hexdigest()


def whole(image: Mapping[str, bytes], folder: Path | None = None) -> None:
    """No file is there half: its old content, its new one, or none."""
    for name, content in image.items():
        if name in ("config.json", "gateway.json", "gateway.sqlite3-mark"):
            json.loads(content)
        elif name.startswith("secrets/") and "/." not in name:
            assert content.strip(), name
        elif stored := re.fullmatch("media/../([0-9a-f]{64})", name):
            assert hashlib.sha256(content).hexdigest() == stored[1]
        elif folder is not None and name.startswith("backups/") and name.endswith(".sqlite3"):
            assert backups.problem_of(folder / name) == "", name


def test_what_was_acknowledged_is_on_the_disk_and_no_file_is_half_there(tmp_path: Path) -> None:
    require("strace")
    gateway = TracedGateway(tmp_path / "state")
    gateway.start()
    run(work(gateway))
    gateway.stop()

    disk, told, seen, looks = Disk(gateway.home.parent), set[str](), 0, 0
    dice = random.Random(1)
    for name, arguments, result in calls(gateway.trace):
        if "\\x73\\x6f\\x63\\x6b\\x65\\x74" in arguments.partition(",")[0]:  # to a socket
            data = sent(arguments)
            new = {mark for mark in MARKS if mark.encode() in data} - told
        elif result is not None:
            disk.apply(name, arguments, result)
            new = set()
        else:
            continue
        told |= new
        if not new and disk.synced == seen:
            continue
        seen = disk.synced
        for left in (disk.image(), disk.image(dice)):
            image = {path.removeprefix("jupyter/"): content for path, content in left.items()}
            whole(image)
            if new or seen % EVERY == 0:
                looks += 1
                look(image, tmp_path / f"image{looks}", told)
    assert told == set(MARKS) and looks > 20
