"""A real PostgreSQL server in a temporary folder, on loopback, which ends with the tests that use it, however they end.

``shared`` is one server for all processes of a test run, with a database for each that asks: quick, and not kept over
a power cut. A test that kills or restarts its server, or looks at what is durable, takes a ``Postgres`` of its own.

PostgreSQL refuses to run as root: as root it runs as another user. A keeper (this file as a program) waits until no
process holds the lock of the server any more, stops it and removes its folder.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import pwd
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Literal

import psutil
import psycopg
from typing_extensions import Self

from tests.support.server import free_port
from tests.support.tools import require

BOUND_S = 60.0
UNPRIVILEGED = 65_534
"""The user that owns nothing, on Linux."""
USER = "clawdbot"
Mode = Literal["fast", "immediate"]
SIGNALS = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT}
DURABLE = ("fsync", "synchronous_commit", "full_page_writes")


def other_user() -> str | None:
    """The user as whom the server runs, where it cannot be the one of the tests."""
    if os.geteuid() != 0:
        return None
    with contextlib.suppress(KeyError):
        return pwd.getpwnam("postgres").pw_name
    return pwd.getpwuid(UNPRIVILEGED).pw_name


class Postgres:
    """One server. ``fsync``: commits outlive a power cut, too; ``trust``: no password is asked for.

    Its texts are sorted as an English dictionary does, so that a statement that relies on the order of bytes and does
    not say so is found out.
    """

    def __init__(self, *, fsync: bool = False, trust: bool = True, settings: tuple[str, ...] = ()):
        self.programs = Path(require("postgres")).parent
        self.folder = new_folder()
        self.port = free_port()
        self.password = secrets.token_urlsafe(12)
        self._durable, self._trust, self._settings = "on" if fsync else "off", trust, settings
        self._server: subprocess.Popen[bytes] | None = None
        self._keeper: subprocess.Popen[bytes] | None = None
        self._lock = -1
        self._made = 0

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def url(self, database: str = "postgres", *, port: int | None = None) -> str:
        """As ``storage.url``; ``port``: of a proxy before it."""
        return f"postgresql://{USER}:{self.password}@127.0.0.1:{port or self.port}/{database}"

    def start(self) -> None:
        """Make the data folder if there is none, start the server and wait until it takes connections."""
        if not self.data.exists():
            self._keep()
            self._initialise()
        settings = [
            f"port={self.port}",
            "listen_addresses=127.0.0.1",
            f"unix_socket_directories={self.folder}",
            *(f"{name}={self._durable}" for name in DURABLE),
            "shared_buffers=32MB",
            "max_connections=200",
            *self._settings,
        ]
        ends = time.monotonic() + BOUND_S
        while not self._started([word for each in settings for word in ("-c", each)], ends):
            # After a kill the memory of the one before is held for a moment.
            if time.monotonic() > ends:
                raise RuntimeError(f"PostgreSQL does not start: {self.log()}")
            time.sleep(0.1)

    def _initialise(self) -> None:
        secret = self.folder / "password"
        secret.write_text(self.password)
        secret.chmod(0o644)  # in a folder that is closed to others; its reader may be another user
        locale = ["--locale=C"]
        if self.version() >= 15:
            locale += ["--locale-provider=icu", "--icu-locale=en-US"]
        way = "trust" if self._trust else "scram-sha-256"
        made = self._spawn(
            *("initdb", "-D", str(self.data), "-U", USER, "-A", way, f"--pwfile={secret}"),
            *("--no-sync", "--no-instructions", "--encoding=UTF8", *locale),
        )
        if made.wait(BOUND_S) != 0:
            raise RuntimeError(f"initdb: {self.log()}")
        secret.unlink()

    def _started(self, settings: list[str], ends: float) -> bool:
        """Start it, and whether it came up: it writes that into its file, as ``pg_ctl`` knows it."""
        self._server = self._spawn("postgres", "-D", str(self.data), *settings)
        while self._server.poll() is None and time.monotonic() < ends:
            with contextlib.suppress(OSError, IndexError, ValueError):
                lines = (self.data / "postmaster.pid").read_text().split("\n")
                if int(lines[0]) == self._server.pid and lines[7].strip() == "ready":
                    return True
            time.sleep(0.01)
        return False

    def version(self) -> int:
        """The number of its major version."""
        printed = subprocess.run([self.programs / "postgres", "--version"], capture_output=True, text=True, check=True)
        found = re.search(r"(\d+)", printed.stdout)
        assert found is not None
        return int(found[1])

    def stop(self, mode: Mode = "fast") -> None:
        """Stop it; ``immediate``: as a crash would, with a recovery at the next start."""
        assert self._server is not None
        self._server.send_signal(SIGNALS[mode])
        self._server.wait(BOUND_S)

    def restart(self, mode: Mode = "fast") -> None:
        self.stop(mode)
        self.start()

    def kill(self) -> None:
        """End all its processes at once (SIGKILL), and leave its files as they are."""
        assert self._server is not None
        processes = psutil.Process(self._server.pid).children(recursive=True)
        self._server.kill()
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._server.wait(BOUND_S)

    def log(self) -> str:
        """The end of what its programs said."""
        return (self.folder / "log.txt").read_text(errors="replace")[-4000:]

    def close(self) -> None:
        """Stop it and remove its files."""
        if self._server is not None and self._server.poll() is None:
            self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)
        if self._keeper is not None:
            os.close(self._lock)
            self._keeper.wait(BOUND_S)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def create(self) -> str:
        """The address of a new, empty database."""
        self._made += 1
        name = f"test_{os.getpid()}_{self._made}"
        with psycopg.connect(self.url(), autocommit=True) as conn:
            conn.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def drop(self, url: str) -> None:
        """Remove a database that ``create`` made, also while it is used."""
        with psycopg.connect(self.url(), autocommit=True) as conn:
            conn.execute(f"DROP DATABASE IF EXISTS {url.rsplit('/', 1)[1]} WITH (FORCE)")

    def _keep(self) -> None:
        """Let it be stopped and removed when this process, and all that ``join`` it, are gone."""
        self.join()
        self._keeper = subprocess.Popen(
            [sys.executable, "-m", "tests.support.postgres", str(self.folder)],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # a Ctrl+C for the tests does not end it, too
        )

    def join(self) -> None:
        """Hold the server for as long as this process lives."""
        self._lock = os.open(self.folder / "users", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_SH)

    def _spawn(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        with open(self.folder / "log.txt", "ab") as output:
            return subprocess.Popen(
                [self.programs / program, *arguments],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                user=other_user(),
                start_new_session=True,
                env={**os.environ, "LC_ALL": "C"},
            )


def new_folder() -> Path:
    """A folder for a server: not below pytest's, which another user may not enter; the path of a socket is short."""
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    user = other_user()
    if user is not None:
        shutil.chown(folder, user)
    return folder


@functools.cache
def shared(folder: Path) -> Postgres:
    """The one server of a test run, which the first process that asks starts; ``folder`` is known to all of them."""
    told = folder / "postgres.txt"
    with open(folder / "postgres.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        server = Postgres()
        if told.exists():
            fresh = server.folder
            place, port, server.password = told.read_text().split("\n")
            server.folder, server.port = Path(place), int(port)
            with contextlib.suppress(FileNotFoundError):
                server.join()
                if server.data.exists():
                    fresh.rmdir()
                    return server
            server.folder = fresh  # those that used it are gone, and it with them
        server.start()
        told.write_text(f"{server.folder}\n{server.port}\n{server.password}")
    return server


def main(folder: Path) -> None:
    """Wait until no process uses the server in ``folder`` any more; stop and remove it."""
    try:
        users = os.open(folder / "users", os.O_RDWR)
    except FileNotFoundError:
        return  # closed by the test itself
    fcntl.flock(users, fcntl.LOCK_EX)
    running = folder / "data" / "postmaster.pid"
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        os.kill(int(running.read_text().split()[0]), SIGNALS["immediate"])
        ends = time.monotonic() + BOUND_S
        while running.exists() and time.monotonic() < ends:
            time.sleep(0.05)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
