"""Two ways in for every attack: our own server, and the mount in another Jupyter server (both real processes)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from tests.security import two_users
from tests.security.hostile import Hostile, running
from tests.server.handlers import route_table
from tests.support.http import Answer, ask, upgrade
from tests.support.jupyter import JupyterProcess
from tests.support.server import GatewayProcess
from tests.support.wire import Wire, opened, run

ATTEMPTS = 40
"""Wrong logins a minute: more than in real life, so that the tests which fail on purpose do not wait for each other.
Each such test comes from an address of its own."""
CONFIG = {"gateway": {"loginAttemptsPerMinute": ATTEMPTS, "allowedOrigins": ["https://trusted.example"]}}


@dataclass
class Door:
    """One way in."""

    name: str
    process: GatewayProcess
    base: str
    """The beginning of our paths."""

    @property
    def port(self) -> int:
        return self.process.port

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        return self.process.ws_url

    @property
    def program(self) -> dict[str, str]:
        """A program with the gateway's token."""
        return {"Authorization": f"Bearer {self.process.token}"}

    def login(self) -> str:
        """A browser that has followed a one-time link: its cookie."""

        async def link() -> str:
            async with self.connected() as wire:
                return str((await wire.call("auth.link"))["path"])

        return self.ask(path=run(link())).cookie

    @asynccontextmanager
    async def connected(self, headers: dict[str, str] | None = None, **handshake: Any) -> AsyncIterator[Wire]:
        """A socket that has logged in: by the gateway's token, or by ``headers``."""
        async with opened(self.ws_url, additional_headers=headers or self.program) as wire:
            await wire.handshake(**handshake)
            yield wire

    def ask(self, method: str = "GET", path: str = "", headers=(), body: bytes = b"", **more) -> Answer:
        """One request below ``base``."""
        pairs = list(headers.items()) if isinstance(headers, dict) else list(headers)
        return ask(self.port, method, self.base + path, pairs, body, **more)

    def upgrade(self, headers=(), path: str = "ws", **more) -> Answer:
        pairs = list(headers.items()) if isinstance(headers, dict) else list(headers)
        return upgrade(self.port, self.base + path, pairs, **more)


@pytest.fixture(scope="session")
def standalone(tmp_path_factory) -> Iterator[Door]:
    process = GatewayProcess(tmp_path_factory.mktemp("own"), config=CONFIG)
    (process.home / "config.json").chmod(0o600)  # which the test's own user has written
    process.start()
    yield Door("standalone", process, "/")
    process.stop()


@pytest.fixture(scope="session")
def mount(tmp_path_factory) -> Iterator[Door]:
    process = JupyterProcess(tmp_path_factory.mktemp("lab"), config=CONFIG)
    (process.home / "config.json").chmod(0o600)
    process.start()
    ask(process.port, path=f"{process.mount}chat", headers=list(process.headers.items()))  # the gateway starts with it
    yield Door("mount", process, process.mount)
    process.stop()


@pytest.fixture(params=["standalone", "mount"])
def door(request) -> Door:
    """Each test through both."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def tables(tmp_path_factory):
    """The live route tables of both servers, as ``tests.server.handlers.route_table`` prints them."""
    return route_table.live(tmp_path_factory.mktemp("routes"))


@pytest.fixture
def own(make_gateway):
    return make_gateway(config={"gateway": {"loginAttemptsPerMinute": 600}})


@pytest.fixture
def make_gateway(tmp_path):
    made = []

    def make(**options):
        made.append(GatewayProcess(tmp_path / f"state-{len(made)}", **options))
        made[-1].start()
        return made[-1]

    yield make
    for gateway in made:
        gateway.kill()


@pytest.fixture(scope="session")
def hostile_server() -> Iterator[Hostile]:
    with running() as gateway:
        yield gateway


@pytest.fixture
def hostile(hostile_server: Hostile) -> Hostile:
    """A gateway that wants to do harm, with the answers that it begins with."""
    hostile_server.reset()
    return hostile_server


@pytest.fixture(scope="session")
def gateway_with_users(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway with users behind a proxy, for all tests of this process."""
    folder = tmp_path_factory.mktemp("users")
    made = two_users.gateway(folder / "state", folder / "users", blocked=["eve"], groupsHeader="X-Groups")
    made.start()
    yield made
    made.stop()
