from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.messages_api import MessagesAPI
from tests.support.server import GatewayProcess

from .kernel import Kernel


@pytest.fixture(scope="module")
def api() -> Iterator[MessagesAPI]:
    with MessagesAPI() as api:
        yield api


@pytest.fixture(scope="module")
def home(tmp_path_factory, api) -> Iterator[GatewayProcess]:
    """The user's gateway; its model is the scripted one."""
    env = {"ANTHROPIC_API_KEY": "sk-canary-key", "ANTHROPIC_BASE_URL": api.url}
    gateway = GatewayProcess(
        tmp_path_factory.mktemp("home") / "state", env=env, config={"agents": {"defaults": {"autoTitle": False}}}
    )  # the requests are the tests' own
    gateway.start()
    yield gateway
    gateway.stop()


@pytest.fixture(scope="module")
def started(home) -> Iterator[Kernel]:
    environment = {key: value for key, value in home.environment.items() if not key.startswith("ANTHROPIC_")}
    kernel = Kernel({**environment, "IPYTHONDIR": str(home.state / "ipython")})
    yield kernel
    kernel.stop()


@pytest.fixture
def kernel(started, api) -> Kernel:
    """A kernel with the magics, at a session of its own."""
    api.requests.clear()
    ran = started.run("%reload_ext clawdbot_ext\n%clawdbot new")
    assert ran.errors == [], ran
    return started
