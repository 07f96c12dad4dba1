"""Real gateways for every test that wants one, in processes of their own."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.messages_api import MessagesAPI
from tests.support.server import GatewayProcess
from tests.support.unretrieved import unretrieved

if TYPE_CHECKING:
    from tests.support.postgres import Postgres

HERE = Path(__file__).parent


def pytest_configure() -> None:
    """Let the programs that tests start hear Ctrl+C, also where a script runs the tests in its background.

    There both signals are ignored, which every child would inherit; a handler of ours is not inherited.
    """
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)
    unretrieved.listen()


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Two processes a core for the whole suite, whose tests mostly wait; pytest's own alone for a few named files."""
    if config.getini("testpaths") != config.args:
        return 0
    return 2 * max(2, os.cpu_count() or 1)


LONGEST = ("test_checks.py", "cli/test_tutorial.py", "e2e", "reliability", "notebook", "security", "server")
"""Paths below ``tests`` whose files take longest, longest first."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, so that none of them is left over when all others are done."""

    def rank(item: pytest.Item) -> int:
        path = item.path.relative_to(HERE)
        return next((at for at, longest in enumerate(LONGEST) if path.is_relative_to(longest)), len(LONGEST))

    items.sort(key=rank)


@pytest.fixture(autouse=True)
def _every_exception_has_a_witness() -> Iterator[None]:
    """Fail a test that leaves a task behind whose exception nothing retrieved."""
    yield
    gc.collect(1)  # tasks of this test are young; most are gone by themselves
    assert unretrieved.taken() == []


@pytest.fixture
def make_gateway(tmp_path) -> Iterator[Callable[..., GatewayProcess]]:
    """Start gateways; each gets a state directory of its own and is stopped at the end.

    Options are those of ``GatewayProcess``; ``start=False`` leaves the start to the test.
    """
    made: list[GatewayProcess] = []

    def make(*, start: bool = True, **options: Any) -> GatewayProcess:
        options.setdefault("state", tmp_path / f"state{len(made)}")
        gateway = GatewayProcess(options.pop("state"), **options)
        made.append(gateway)
        if start:
            gateway.start()
        return gateway

    yield make
    for gateway in made:
        gateway.kill()  # how it stops is a test of its own; here a reply that still runs must not hold up the next test


@pytest.fixture
def gateway(make_gateway) -> GatewayProcess:
    """A gateway answered by the demo provider."""
    return make_gateway()


@pytest.fixture(scope="module")
def standing_gateway(tmp_path_factory) -> Iterator[GatewayProcess]:
    """One gateway for all tests of a module that only look, or that clean up behind them."""
    gateway = GatewayProcess(tmp_path_factory.mktemp("standing") / "state")
    gateway.start()
    yield gateway
    gateway.stop()


@pytest.fixture
def messages_api() -> Iterator[MessagesAPI]:
    """A scripted Messages API over real HTTP."""
    with MessagesAPI() as api:
        yield api


@pytest.fixture
def scripted_gateway(make_gateway, messages_api) -> tuple[GatewayProcess, MessagesAPI]:
    """A gateway that talks to a scripted Messages API through the SDK. The requests are the tests' own: no titles."""
    env = {"ANTHROPIC_API_KEY": "sk-canary-key", "ANTHROPIC_BASE_URL": messages_api.url}
    return make_gateway(env=env, config={"agents": {"defaults": {"autoTitle": False}}}), messages_api


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory) -> Postgres:
    """One PostgreSQL for all processes of a test run; it ends with the last of them."""
    from tests.support.postgres import shared

    folder = tmp_path_factory.getbasetemp()
    return shared(folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder)


@pytest.fixture(scope="module")
def postgres_url(postgres_server: Postgres) -> Iterator[str]:
    """The address of an empty database, for all tests of a module."""
    url = postgres_server.create()
    yield url
    postgres_server.drop(url)
