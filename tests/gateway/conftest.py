"""A real gateway for each test, in a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.messages_api import MessagesAPI
from tests.support.server import GatewayProcess


@pytest.fixture
def make_gateway(tmp_path) -> Iterator[Callable[..., GatewayProcess]]:
    """Start gateways; each gets a state directory of its own and is stopped at the end."""
    made: list[GatewayProcess] = []

    def make(**options: Any) -> GatewayProcess:
        gateway = GatewayProcess(tmp_path / f"state{len(made)}", **options)
        made.append(gateway)
        gateway.start()
        return gateway

    yield make
    for gateway in made:
        gateway.kill()  # how it stops is a test of its own; here a reply that still runs must not hold up the next test


@pytest.fixture
def gateway(make_gateway) -> GatewayProcess:
    """A gateway answered by the demo provider."""
    return make_gateway()


@pytest.fixture
def messages_api() -> Iterator[MessagesAPI]:
    with MessagesAPI() as api:
        yield api


@pytest.fixture
def scripted_gateway(make_gateway, messages_api) -> tuple[GatewayProcess, MessagesAPI]:
    """A gateway that talks to a scripted Messages API through the SDK."""
    env = {"ANTHROPIC_API_KEY": "sk-canary-key", "ANTHROPIC_BASE_URL": messages_api.url}
    return make_gateway(env=env), messages_api
