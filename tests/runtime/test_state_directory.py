"""A state directory that others could write in, or that was there before with wider rights."""

from __future__ import annotations

import os
import stat

import pytest

from clawdbot_ext import private_files
from clawdbot_ext.config import load
from clawdbot_ext.runtime.gateway_lock import acquire
from clawdbot_ext.runtime.paths import lock_path
from clawdbot_ext.server.log_files import PrivateFile

UNPRIVILEGED = 65_534


@pytest.fixture
def config(tmp_path):
    return load({"CLAWDBOT_STATE_DIR": str(tmp_path / "state")})


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_s10_what_was_there_before_is_narrowed(config):
    for folder in (config.home, config.home / "logs", config.home / "secrets", config.home / "media"):
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o777)
    files = [
        config.home / name
        for name in (
            "logs/gateway.log",
            "logs/gateway.log.1",
            "logs/audit.log",
            "secrets/client",
            "gateway.lock",
            "gateway.sqlite3",
            "config.json",
        )
    ]
    for file in files:
        file.write_text("{}")
        file.chmod(0o666)
    lock = acquire(config)
    assert lock is not None
    assert {mode(file) for file in files} == {0o600}
    assert {mode(config.home / name) for name in ("", "logs", "secrets", "media")} == {0o700}
    lock.release()


def test_s10_a_log_that_others_could_read_is_narrowed_when_it_is_opened(tmp_path):
    path = tmp_path / "gateway.log"
    path.write_text("before\n")
    path.chmod(0o666)
    log = PrivateFile(path, encoding="utf-8")
    log.stream.write("after\n")
    log.close()
    assert path.read_text() == "before\nafter\n" and mode(path) == 0o600


@pytest.mark.parametrize("planted", ["logs/gateway.log", "logs/audit.log", "gateway.lock"])
def test_s10_nothing_is_written_through_a_link(config, tmp_path, planted):
    victim = tmp_path / "victim"
    victim.write_text("mine\n")
    victim.chmod(0o644)
    (config.home / "logs").mkdir(parents=True)
    (config.home / planted).symlink_to(victim)
    with pytest.raises(OSError, match="symbolic links"):
        acquire(config)
    with pytest.raises(OSError, match="symbolic links"):
        private_files.open_file(config.home / planted, os.O_WRONLY | os.O_CREAT)
    assert victim.read_text() == "mine\n" and mode(victim) == 0o644


def test_s10_nothing_is_written_into_a_file_with_another_name(config, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("mine\n")
    (config.home / "logs").mkdir(parents=True)
    os.link(victim, config.home / "logs" / "gateway.log")
    with pytest.raises(OSError, match="symbolic links"):
        PrivateFile(config.home / "logs" / "gateway.log", encoding="utf-8")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
@pytest.mark.parametrize("planted", ["secrets/client", "gateway.json", "media", "config.json", "gateway.sqlite3"])
def test_s10_what_another_user_has_put_there_stops_the_start(config, tmp_path, planted):
    (config.home / "secrets").mkdir(parents=True)
    (config.home / planted).symlink_to(tmp_path / "elsewhere")
    os.chown(config.home / planted, UNPRIVILEGED, UNPRIVILEGED, follow_symlinks=False)
    with pytest.raises(PermissionError, match="another user"):
        acquire(config)
    assert not lock_path(config).exists()


def test_what_a_crash_left_of_a_write_is_removed_once_no_process_can_be_writing_it(config):
    config.home.mkdir(parents=True)
    old, new, other = (config.home / name for name in (".a.json." + "0" * 16, ".b.json." + "1" * 16, ".c.json.bak"))
    for path in (old, new, other):
        path.write_text("half")
    for path in (old, other):
        os.utime(path, (0, 0))
    private_files.narrow(config.home)
    assert sorted(config.home.iterdir()) == [new, other]
