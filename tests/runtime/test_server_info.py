"""Discovery of the gateway by the processes of one user, shared secrets, and identification of a busy port."""

from __future__ import annotations

import asyncio
import fcntl
import json
import multiprocessing
import os
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from clawdbot_ext.client.endpoint import NoGateway, locate, page_url, socket_url
from clawdbot_ext.config import Config, ConfigError, load
from clawdbot_ext.runtime import server_info
from clawdbot_ext.runtime.paths import ensure_home, info_path, lock_path
from clawdbot_ext.runtime.port_probe import identify
from clawdbot_ext.runtime.secrets import get_or_create_secret, local_token
from clawdbot_ext.runtime.server_info import GatewayInfo
from tests.client.fake_gateway import fake_gateway
from tests.support.wire import run

INFO = GatewayInfo(os.getpid(), "http://127.0.0.1:18790/", "ws://127.0.0.1:18790/ws", 1, "0.1.0", "standalone")


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return load({"CLAWDBOT_STATE_DIR": str(tmp_path / "state")})


@contextmanager
def owned(config: Config) -> Iterator[None]:
    """Hold the lock as a running gateway does."""
    ensure_home(config)
    with open(lock_path(config), "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def test_what_is_published_is_found_while_the_lock_is_held(config: Config) -> None:
    assert server_info.find_running_gateway(config) is None
    with owned(config):
        assert server_info.find_running_gateway(config) is None, "it has not said where yet"
        server_info.write_info(config, INFO)
        assert server_info.find_running_gateway(config) == INFO
    assert server_info.read_info(config) == INFO
    assert server_info.find_running_gateway(config) is None, "the lock is free: the file is stale"
    server_info.remove_info(config)
    server_info.remove_info(config)
    assert server_info.read_info(config) is None


def test_the_address_of_a_lab_is_published_with_its_servers(config: Config) -> None:
    ensure_home(config)
    inside = GatewayInfo(1, "http://h/lab/clawdbot/", "ws://h/lab/clawdbot/ws", 1, "0.1.0", "jupyter", "http://h/lab/")
    server_info.write_info(config, inside)
    assert server_info.read_info(config) == inside


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"pid": 1}', '{"pid": "x", "url": 1}'])
def test_a_damaged_file_is_as_good_as_none(config: Config, text: str) -> None:
    ensure_home(config)
    info_path(config).write_text(text)
    assert server_info.read_info(config) is None


def test_asking_whether_a_gateway_runs_creates_nothing(config: Config) -> None:
    assert not server_info.lock_held(config)
    assert not config.state.exists()


def test_everything_is_private(config: Config) -> None:
    get_or_create_secret(config, "cookie")
    server_info.write_info(config, INFO)
    modes = {
        path.relative_to(config.state).as_posix(): stat.S_IMODE(path.stat().st_mode)
        for path in [config.state, *config.state.rglob("*")]
    }
    assert modes == {
        ".": 0o700,
        "jupyter": 0o700,
        "jupyter/secrets": 0o700,
        "jupyter/logs": 0o700,
        "jupyter/secrets/cookie": 0o600,
        "jupyter/gateway.json": 0o600,
    }


def test_a_directory_of_ours_that_is_open_is_closed_and_clawdbots_is_left_alone(config: Config) -> None:
    config.home.mkdir(parents=True)
    config.state.chmod(0o755)
    config.home.chmod(0o755)
    ensure_home(config)
    assert stat.S_IMODE(config.home.stat().st_mode) == 0o700
    assert stat.S_IMODE(config.state.stat().st_mode) == 0o755


def test_the_token_is_made_once(config: Config) -> None:
    assert local_token(config) is None
    token = local_token(config, create=True)
    assert token is not None
    assert len(token) >= 43
    assert local_token(config) == token == local_token(config, create=True)


def _token(state: str) -> None:
    config = load({"CLAWDBOT_STATE_DIR": state})
    made = get_or_create_secret(config, "token")
    (Path(state) / f"{os.getpid()}.seen").write_text(made)


def test_processes_that_need_the_token_at_the_same_time_get_the_same(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_token, args=(str(tmp_path),)) for _ in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    assert len({path.read_text() for path in tmp_path.glob("*.seen")}) == 1


# -- where a client goes, and what it shows there ---------------------------------------------------------------------
@pytest.mark.parametrize(
    ("given", "socket", "page"),
    [
        ("ws://h:18789", "ws://h:18789/", "http://h:18789/"),
        ("http://h:18789/", "ws://h:18789/", "http://h:18789/"),
        ("https://h/user/ann/clawdbot/chat", "wss://h/user/ann/clawdbot", "https://h/user/ann/clawdbot/"),
        ("ws://h:1/ws", "ws://h:1/ws", "http://h:1/"),
        ("localhost:18789", "ws://localhost:18789/", "http://localhost:18789/"),
        ("http://h:18789/chat?code=SECRET", "ws://h:18789/", "http://h:18789/"),
        ("[::1]:18789", "ws://[::1]:18789/", "http://[::1]:18789/"),
    ],
)
def test_any_address_a_person_pastes_is_understood(given: str, socket: str, page: str) -> None:
    assert socket_url(given) == socket
    assert page_url(socket_url(given)) == page


@pytest.mark.parametrize("given", ["ftp://h", "ws://", "http://user:pw@h/", "://"])
def test_what_is_no_address_is_refused(given: str) -> None:
    with pytest.raises(ConfigError):
        socket_url(given)


def test_without_a_gateway_there_is_nothing_to_talk_to(config: Config) -> None:
    with pytest.raises(NoGateway) as caught:
        locate(config)
    assert caught.value.home == str(config.home)


def test_the_own_gateway_gets_the_own_token(config: Config) -> None:
    with owned(config):
        server_info.write_info(config, INFO)
        token = local_token(config, create=True)
        found = locate(config)
        assert (found.ws_url, found.page_url, found.token) == (INFO.ws_url, INFO.url, token)
        assert token is not None
        assert token not in repr(found)
        assert locate(config, url="http://127.0.0.1:18790/").token == token
        assert locate(config, token="given").token == "given"


def test_the_own_token_is_never_shown_to_another_address(config: Config) -> None:
    with owned(config):
        server_info.write_info(config, INFO)
        local_token(config, create=True)
        found = locate(config, url="ws://elsewhere:18789")
        assert (found.token, found.password) == (None, None)


def test_a_secret_in_the_environment_is_for_whatever_is_addressed(tmp_path: Path) -> None:
    config = load({"CLAWDBOT_STATE_DIR": str(tmp_path), "CLAWDBOT_GATEWAY_TOKEN": "env"})
    assert locate(config, url="ws://elsewhere:1").token == "env"


def test_the_remote_gateway_gets_its_own_secret_and_only_it(tmp_path: Path) -> None:
    path = tmp_path / "jupyter" / "config.json"
    path.parent.mkdir()
    remote = {"url": "ws://far:1", "token": "far"}
    path.write_text(json.dumps({"gateway": {"auth": {"token": "own"}, "remote": remote}}))
    config = load({"CLAWDBOT_STATE_DIR": str(tmp_path)})
    assert (locate(config).ws_url, locate(config).token) == ("ws://far:1/", "far")
    assert locate(config, url="ws://other:1").token is None


def test_in_password_mode_the_password_is_sent(tmp_path: Path) -> None:
    config = load({"CLAWDBOT_STATE_DIR": str(tmp_path), "CLAWDBOT_GATEWAY_PASSWORD": "pw"})
    with owned(config):
        server_info.write_info(config, INFO)
        found = locate(config)
    assert (found.token, found.password) == (None, "pw")


# -- who holds a busy port --------------------------------------------------------------------------------------------
class Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b'{"ok":true}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
        pass


def test_a_web_server_that_is_no_gateway_is_unknown() -> None:
    server = HTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        holder = identify("127.0.0.1", server.server_port)
    finally:
        server.shutdown()
        server.server_close()
    assert holder.kind == "unknown"
    assert holder.url is None


def test_something_that_never_answers_is_unknown_in_time() -> None:
    async def main() -> None:
        done = asyncio.Event()

        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await done.wait()
            writer.close()

        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server:
            holder = await asyncio.wait_for(asyncio.to_thread(identify, "127.0.0.1", port, 0.2), 2)
            done.set()
        assert holder.kind == "unknown"
        if sys.platform == "linux":
            assert holder.pid == os.getpid()

    run(main())


def test_clawdbots_gateway_is_known_by_its_challenge_and_told_nothing() -> None:
    async def main() -> None:
        async with fake_gateway() as gateway:
            holder = await asyncio.to_thread(identify, "127.0.0.1", gateway.port)
            assert (holder.kind, holder.url) == ("clawdbot", f"http://127.0.0.1:{gateway.port}/")
            assert (gateway.connects, gateway.requests) == ([], [])

    run(main())


def test_nobody_at_all_is_unknown() -> None:
    holder = identify("127.0.0.1", 1, 0.2)
    assert (holder.kind, holder.pid) == ("unknown", None)


def test_the_own_gateway_is_known_by_its_lock(config: Config) -> None:
    with owned(config):
        server_info.write_info(config, INFO)
        holder = identify("127.0.0.1", 18790, config=config)
    assert (holder.kind, holder.pid, holder.url) == ("ours", INFO.pid, INFO.url)
