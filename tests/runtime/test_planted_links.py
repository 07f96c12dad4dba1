"""Links planted in the state directory: no file or folder elsewhere is written, given other rights, or removed."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
from pathlib import Path

import pytest

from clawdbot_ext import private_files
from clawdbot_ext.cli.chat.input import history_file
from clawdbot_ext.client.device_identity import load_device
from clawdbot_ext.config import load, set_value
from clawdbot_ext.gateway.commands import insight
from clawdbot_ext.runtime import browser, lease, server_info
from clawdbot_ext.runtime.gateway_lock import acquire
from clawdbot_ext.runtime.paths import ensure_home, info_path, lease_path
from clawdbot_ext.runtime.secrets import get_or_create_secret, rotate_secret
from clawdbot_ext.store import backups, db
from clawdbot_ext.store.files import Files

LINKS = {"symbolic": lambda victim, path: path.symlink_to(victim), "hard": os.link}
links = pytest.mark.parametrize("plant", LINKS.values(), ids=LINKS)


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.setenv("CLAWDBOT_STATE_DIR", str(tmp_path / "state"))
    config = load({"CLAWDBOT_STATE_DIR": str(tmp_path / "state")})
    ensure_home(config)
    return config


@pytest.fixture(params=["mine\n", ""], ids=["text", "empty"])
def victim(tmp_path, request):
    """A file elsewhere, compared at the end of the test."""
    path = tmp_path / "victim"
    path.write_text(request.param)
    path.chmod(0o644)
    before = path.stat()
    yield path
    assert path.read_text() == request.param
    assert (path.stat().st_ino, path.stat().st_mode) == (before.st_ino, before.st_mode)


@pytest.fixture
def elsewhere(tmp_path):
    """A folder elsewhere that others may read, compared at the end of the test."""
    folder = tmp_path / "elsewhere"
    folder.mkdir(mode=0o755)
    (folder / "thesis").write_text("years of work")
    yield folder
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755
    assert [(file.name, file.read_text()) for file in folder.iterdir()] == [("thesis", "years of work")]


@links
def test_s10_files_of_the_state_directory_replace_a_link(config, victim, plant):
    info = server_info.GatewayInfo.of_this_process("http://127.0.0.1:1/", "standalone")
    writers = {
        info_path(config): lambda: server_info.write_info(config, info),
        config.home / "secrets" / "client": lambda: private_files.write(config.home / "secrets" / "client", b"made"),
        config.home / "tls.pem": lambda: private_files.write(config.home / "tls.pem", b"made"),
        config.home / "exports.md": lambda: insight._write(config.home / "exports.md", "said"),
    }
    for path, write in writers.items():
        plant(victim, path)
        write()
        assert not path.is_symlink() and path.stat().st_ino != victim.stat().st_ino, path
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_s10_a_secret_is_not_made_in_an_empty_file_elsewhere(config, tmp_path):
    victim = tmp_path / "victim"
    victim.touch(0o644)
    (config.home / "secrets" / "token").symlink_to(victim)
    assert get_or_create_secret(config, "token") and victim.read_bytes() == b""
    assert not (config.home / "secrets" / "token").is_symlink()
    (config.home / "secrets" / "client").symlink_to(victim)
    assert rotate_secret(config, "client") and victim.read_bytes() == b""


@links
def test_s10_a_published_address_is_taken_back_without_its_target(config, victim, plant):
    plant(victim, info_path(config))
    victim.chmod(0o600)  # else a second name is refused at the start
    lock = acquire(config)
    assert lock is not None and not info_path(config).exists()
    lock.release()
    victim.chmod(0o644)


@pytest.mark.parametrize("name", ["config.json", "secrets/client", "gateway.json", "gateway.sqlite3"])
def test_s10_a_file_with_a_name_elsewhere_keeps_its_rights(config, victim, name):
    os.link(victim, config.home / name)
    with pytest.raises(OSError, match="symbolic links"):
        acquire(config)


@links
def test_s10_a_lease_is_neither_made_nor_renewed_through_a_link(config, victim, plant, monkeypatch):
    monkeypatch.setattr(lease, "RENEW_S", 0.01)
    path = lease_path(config)
    plant(victim, path)
    assert lease.acquire(path) is None  # being written, as far as can be seen
    os.utime(path, (0, 0), follow_symlinks=False)
    held = lease.acquire(path)
    assert held is not None and not path.is_symlink()
    plant(victim, path.with_name(f".{path.name}.{held._name}"))  # the name was to be found in the lease
    renewed = lease._read(path)["renewed"]
    for _ in range(500):
        if lease._read(path).get("renewed") != renewed:
            break
        held._ended.wait(0.01)
    assert lease._read(path)["renewed"] != renewed
    held.release()


@links
@pytest.mark.parametrize("suffix", ["", "-wal", "-shm", "-journal"])
def test_s10_the_database_is_not_opened_through_a_link(config, victim, plant, suffix):
    path = config.home / "gateway.sqlite3"
    if suffix:
        db.create_file(path)
    plant(victim, path.with_name(path.name + suffix))
    for use in (db.create_file, db.connect):
        with pytest.raises(OSError, match="symbolic links"):
            use(path)


@links
def test_s10_a_backup_of_the_database_is_not_made_in_a_file_elsewhere(config, victim, plant):
    target = config.home / "gateway.sqlite3.v1.backup"
    plant(victim, target)
    plant(victim, target.with_name(f"{target.name}.partial"))
    with contextlib.closing(sqlite3.connect(":memory:")) as conn:
        conn.execute("CREATE TABLE t (x)")
        backups.write(conn, target)
    assert not target.is_symlink() and target.stat().st_size > 0


@links
def test_s10_the_configuration_writes_no_backup_and_no_lock_through_a_link(config, victim, plant):
    path = config.home / "config.json"
    path.write_text("{ /* mine */ gateway: { port: 1234 } }")
    plant(victim, path.with_name("config.json.bak"))
    set_value(path, "gateway.port", 4321)
    assert not path.with_name("config.json.bak").is_symlink()
    path.with_name(".config.json.lock").unlink()
    plant(victim, path.with_name(".config.json.lock"))
    with pytest.raises(OSError, match="symbolic links"):
        set_value(path, "gateway.port", 4322)
    assert "4321" in path.read_text()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
def test_s10_the_configuration_follows_no_link_of_another_user(config, victim):
    path = config.home / "config.json"
    path.symlink_to(victim)
    os.chown(path, 65_534, 65_534, follow_symlinks=False)
    with pytest.raises(PermissionError, match="another user"):
        private_files.write(path, b"{}", follow=True)


@links
def test_s10_the_device_and_the_history_of_the_command_line_go_through_no_link(config, victim, plant):
    path = config.home / "node.json"
    device = load_device(path)
    path.unlink()
    plant(victim, path)
    device.keep({"auth": {"deviceToken": "t"}})
    assert not path.is_symlink() and load_device(path).token == "t"
    plant(victim, config.home / "chat-history")
    with pytest.raises(OSError, match="symbolic links"):
        history_file(config.home)


@pytest.mark.parametrize("name", ["secrets", "logs"])
def test_s15_a_folder_elsewhere_is_no_folder_of_the_state_directory(config, elsewhere, name):
    (config.home / name).rmdir()
    (config.home / name).symlink_to(elsewhere)
    with pytest.raises(OSError, match="symbolic link to a folder that others can use"):
        acquire(config)


@pytest.mark.parametrize("name", ["media", "media/incoming", "media/derived", "exports", "open"])
def test_s15_media_exports_and_redirects_go_into_no_folder_elsewhere(config, elsewhere, name):
    planted = config.home / name
    planted.parent.mkdir(exist_ok=True, mode=0o700)
    planted.symlink_to(elsewhere)
    with pytest.raises(OSError, match="symbolic link to a folder that others can use"):
        if name == "exports":
            insight._write(planted / "a.md", "said")
        elif name == "open":
            browser._write("http://127.0.0.1:1/")
        else:
            Files(config.home / "media").open()


def test_s15_folders_planted_while_it_runs_get_and_lose_nothing(config, elsewhere):
    files = Files(config.home / "media")
    files.open()

    def receive() -> Path:
        incoming = files.receive()
        incoming.write(b"bytes")
        sha256 = incoming.finish()
        (files.root / sha256[:2]).symlink_to(elsewhere)
        (files.root / "derived" / sha256).symlink_to(elsewhere)
        with pytest.raises(OSError, match="symbolic link to a folder"):
            files.keep_derived(sha256, "thesis", b"thumbnail")
        files.remove(sha256)
        try:
            return incoming.keep()
        finally:
            incoming.discard()

    with pytest.raises(OSError, match="symbolic link to a folder"):
        receive()


def test_s15_a_private_folder_of_ours_may_be_kept_elsewhere(config, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir(mode=0o700)
    (config.home / "media").symlink_to(disk)
    Files(config.home / "media").open()
    assert (disk / "incoming").is_dir()
