"""The gateway over every transport that there is, and shapes by which what it says is judged."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.support.server import ROOT, GatewayProcess, clean_environment, free_port
from tests.support.wire import Wire, opened

TRANSPORTS = ("standalone", "jupyter")
CONFIG = {"gateway": {"loginAttemptsPerMinute": 600}}
"""These tests fail to log in on purpose, more often than a person may."""


@dataclass
class Endpoint:
    """One way in: the socket's address, the shared token, and what the upgrade must show."""

    ws_url: str
    token: str
    headers: dict[str, str] = field(default_factory=dict)
    process: Any = None

    def open(self, **more: str) -> AbstractAsyncContextManager[Wire]:
        """A socket that has said nothing yet."""
        return opened(self.ws_url, additional_headers={**self.headers, **more})

    @asynccontextmanager
    async def connected(self, **handshake: Any):
        async with self.open() as wire:
            await wire.handshake(**{"token": self.token, **handshake})
            yield wire

    @asynccontextmanager
    async def joined(self, params: Callable[[str], dict[str, Any]], **headers: str):
        """Connect with parameters made from the challenge's nonce."""
        async with self.open(**headers) as wire:
            wire.start()
            nonce = (await wire.wait("connect.challenge"))["payload"]["nonce"]
            wire.hello = await wire.call("connect", params(nonce))
            yield wire


@pytest.fixture(scope="session")
def standalone(tmp_path_factory) -> Iterator[Endpoint]:
    process = GatewayProcess(tmp_path_factory.mktemp("standalone"), config=CONFIG)
    process.start()
    yield Endpoint(process.ws_url, process.token, process=process)
    process.stop()


@pytest.fixture(scope="session")
def mounted(tmp_path_factory) -> Iterator[Endpoint]:
    """The gateway inside a Jupyter server; a program gets in with the gateway's token."""
    state, port = tmp_path_factory.mktemp("mounted"), free_port()
    environment = clean_environment(state, JUPYTER_TOKEN="the-token-of-the-lab")
    environment["JUPYTER_CONFIG_PATH"] = str(ROOT / "jupyter-config")
    with open(state / "jupyter.log", "ab") as log:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "jupyter_server",
                f"--port={port}",
                "--ServerApp.port_retries=0",
                "--no-browser",
                "--allow-root",
            ],
            cwd=state,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )
    published, token = state / "jupyter" / "gateway.json", state / "jupyter" / "secrets" / "token"
    try:
        ends = time.monotonic() + 60
        while not (published.exists() and token.exists()) and time.monotonic() < ends and process.poll() is None:
            time.sleep(0.05)
        assert published.exists(), (state / "jupyter.log").read_text()
        secret = token.read_text().strip()
        yield Endpoint(f"ws://127.0.0.1:{port}/clawdbot/ws", secret, {"Authorization": f"Bearer {secret}"})
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(params=TRANSPORTS)
def endpoint(request) -> Endpoint:
    """Each test over every transport."""
    return request.getfixturevalue("standalone" if request.param == "standalone" else "mounted")
