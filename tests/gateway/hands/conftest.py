"""A gateway whose model obeys, for the tests of tools in notebooks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.obeying import HandsGateway
from tests.support.server import GatewayProcess
from tests.support.strict_api import StrictAPI


@pytest.fixture(scope="module")
def strict_api() -> Iterator[StrictAPI]:
    with StrictAPI() as api:
        yield api


@pytest.fixture(scope="module")
def obeying(tmp_path_factory: pytest.TempPathFactory, strict_api: StrictAPI) -> Iterator[HandsGateway]:
    """One gateway for a module's tests, answered by the strict scripted model."""
    state = tmp_path_factory.mktemp("obeying") / "state"
    gateway = GatewayProcess(state, env={"ANTHROPIC_API_KEY": "sk-test", "ANTHROPIC_BASE_URL": strict_api.url})
    gateway.start()
    yield HandsGateway(gateway, strict_api)
    gateway.stop()
