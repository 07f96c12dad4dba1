"""A state directory on a network file system: found out, and used without a write-ahead log and without flock."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import threading
import time

import pytest

from clawdbot_ext.client.endpoint import NoGateway, locate
from clawdbot_ext.config import load
from clawdbot_ext.runtime import filesystem, lease, server_info
from clawdbot_ext.runtime.paths import ensure_home, lease_path
from clawdbot_ext.runtime.secrets import client_credential
from tests.support.server import ROOT
from tests.support.wire import run, wired

MOUNTINFO = r"""
21 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw
40 21 0:52 / /net rw,relatime shared:2 - nfs4 server:/net rw,vers=4.2
41 40 0:53 / /net/scratch\040disk rw - xfs /dev/sdb rw
42 21 0:54 / /mnt/share rw - cifs //server/share rw
"""


@pytest.mark.parametrize(
    ("path", "kind", "network"),
    [
        ("/var/lib", "ext4", False),
        ("/net/ann/.clawdbot", "nfs4", True),
        ("/network", "ext4", False),
        ("/net/scratch disk/ann", "xfs", False),
        ("/mnt/share/x", "cifs", True),
    ],
)
def test_the_kernel_says_on_what_a_directory_lies(tmp_path, path, kind, network):
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTINFO.strip())
    assert filesystem.kind_of(path, mounts) == kind
    assert filesystem.is_network(path, mounts) == network


def test_where_nobody_says_it_is_taken_for_local(tmp_path):
    assert filesystem.kind_of(tmp_path, tmp_path / "none") is None
    assert not filesystem.is_network(tmp_path, tmp_path / "none")


def test_a_lease_is_had_by_one_and_given_back(tmp_path):
    path = tmp_path / "lease"
    first = lease.acquire(path)
    assert first is not None and lease.is_held(path) and lease.acquire(path) is None
    first.release()
    first.release()
    assert not lease.is_held(path)
    second = lease.acquire(path)
    assert second is not None
    second.release()


@pytest.mark.parametrize(
    "left",
    [
        {"machine": lease.machine(), "pid": 2**22 + 1, "renewed": 9e12},  # killed, on this machine
        {"machine": "elsewhere", "pid": 1, "renewed": 1.0},  # not renewed
    ],
)
def test_a_lease_that_was_left_behind_is_taken_over(tmp_path, left):
    path = tmp_path / "lease"
    path.write_text(json.dumps({"name": "gone", **left}))
    assert not lease.is_held(path)
    taken = lease.acquire(path)
    assert taken is not None and taken.ours and os.listdir(tmp_path) == ["lease"]
    taken.release()


def test_another_machines_lease_is_respected_and_a_lost_one_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr(lease, "RENEW_S", 0.01)
    path, lost = tmp_path / "lease", threading.Event()
    mine = lease.acquire(path)
    assert mine is not None
    mine.lost = lost.set
    theirs = {"name": "theirs", "machine": "elsewhere", "pid": 1, "renewed": 9e12}
    (tmp_path / "new").write_text(json.dumps(theirs))
    os.replace(tmp_path / "new", path)
    while json.loads(path.read_text())["name"] != "theirs":  # a renewal was just under way
        (tmp_path / "new").write_text(json.dumps(theirs))
        os.replace(tmp_path / "new", path)
    assert lost.wait(5) and not mine.ours
    mine.release()
    assert lease.is_held(path) and lease.acquire(path) is None


@pytest.mark.parametrize(
    ("machine", "url", "found"),
    [
        (lease.machine(), "http://127.0.0.1:18789/", True),
        ("elsewhere", "http://127.0.0.1:18789/", False),  # on this machine it may be another user's
        ("elsewhere", "http://localhost:18789/", False),
        ("elsewhere", "http://[::1]:18789/", False),
        ("elsewhere", "https://node7.example:18789/", True),
    ],
)
def test_no_credential_goes_to_the_loopback_address_of_another_machines_gateway(tmp_path, machine, url, found):
    config = load({"CLAWDBOT_STATE_DIR": str(tmp_path)}, traits={"storage.fileSystem": "network"})
    ensure_home(config)
    record = {"name": "theirs", "machine": machine, "pid": os.getpid(), "renewed": time.time()}
    lease_path(config).write_text(json.dumps(record))
    server_info.write_info(config, server_info.GatewayInfo.of_this_process(url, "standalone"))
    assert client_credential(config, create=True)
    info = server_info.find_running_gateway(config)
    assert (info is not None and info.url == url) is found
    if not found:
        with pytest.raises(NoGateway):
            locate(config, env={})


@pytest.mark.slow
def test_a_gateway_in_safe_mode_keeps_conversations_and_says_what_it_does(make_gateway):
    gateway = make_gateway(config={"storage": {"fileSystem": "network"}})

    async def ask(text):
        async with wired(gateway.ws_url, gateway.token) as wire:
            await wire.ask(text)
            return len((await wire.call("chat.history", {"sessionKey": "main"}))["messages"])

    assert run(ask("[[text=one]]")) == 2
    assert "network file system" in gateway.output
    database = gateway.home / "gateway.sqlite3"
    assert not database.with_name(database.name + "-wal").exists() and not (gateway.home / "gateway.lock").exists()
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as conn:
        assert conn.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    conn.close()
    doctor = subprocess.run(
        [sys.executable, "-m", "clawdbot_ext", "doctor", "--json"],
        cwd=ROOT,
        timeout=60,
        env=gateway.environment,
        capture_output=True,
        text=True,
    )
    finding = next(each for each in json.loads(doctor.stdout)["findings"] if each["check"] == "storage")
    assert finding["level"] == "hint" and "CLAWDBOT_STATE_DIR" in finding["fix"]
    gateway.kill()
    gateway.start()  # on the same machine a killed owner is known to be gone
    assert run(ask("[[text=two]]")) == 4


def test_a_wrong_clock_does_not_rob_a_living_process_of_the_same_machine(tmp_path, monkeypatch):
    path = tmp_path / "lease"
    held = lease.acquire(path)
    assert held is not None
    wall = time.time()
    monkeypatch.setattr(lease.time, "time", lambda: wall + 86_400)
    assert lease.acquire(path) is None and lease.is_held(path)
    monkeypatch.setattr(lease.time, "monotonic", lambda: time.perf_counter() + 10**9)  # it is alive, and stands still
    assert not lease.is_held(path)
    monkeypatch.undo()
    held.release()
