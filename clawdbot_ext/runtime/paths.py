"""Paths of the files in the state directory."""

from __future__ import annotations

from pathlib import Path

from .. import private_files
from ..config import Config
from ..store.address import place_of
from . import filesystem


def database_path(config: Config) -> Path:
    """Return the database of this state directory."""
    return config.home / "gateway.sqlite3"


def conversations(config: Config) -> str:
    """Return the place of the conversations, for people to read: the database's path, or its address without the login
    in it."""
    url: str = config["storage.url"]
    return place_of(url) if url else str(database_path(config))


def users_folder(config: Config) -> Path:
    """Return the folder with the folders of the users' spaces (``users.directory``)."""
    given: str = config["users.directory"]
    return Path(given).expanduser() if given else config.home / "users"


def lock_path(config: Config) -> Path:
    """Return the file that a running gateway holds with flock."""
    return config.home / "gateway.lock"


def lease_path(config: Config) -> Path:
    """Return the lease file, used instead of the lock on a network file system (``lease``)."""
    return config.home / "gateway.lease"


def on_network(config: Config) -> bool:
    """Return whether the state directory is on a network file system, where neither ``flock`` nor shared memory is
    reliable."""
    setting = config["storage.fileSystem"]
    return filesystem.is_network(config.home) if setting == "auto" else setting == "network"


def info_path(config: Config) -> Path:
    """Return the file with the running gateway's address."""
    return config.home / "gateway.json"


def ensure_home(config: Config) -> None:
    """Create the state directory and our directories in it, all 0700; what was in them before is narrowed.

    Raises ``OSError``, also for what another user has put there.
    """
    private_files.make_directory(config.home.resolve())  # people keep it elsewhere; inside it links are checked
    for name in ("secrets", "logs"):
        private_files.make_directory(config.home / name)
        private_files.narrow(config.home / name, links=name != "logs")
    private_files.narrow(config.home)
