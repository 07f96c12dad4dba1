"""One real Jupyter server with real kernels for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.hands import Hands
from tests.support.jupyter import JupyterProcess


@pytest.fixture(scope="package")
def server(tmp_path_factory) -> Iterator[JupyterProcess]:
    server = JupyterProcess(tmp_path_factory.mktemp("hands") / "state")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="package")
def hands(server) -> Hands:
    return Hands(server)


@pytest.fixture
def folder(server, request):
    """A folder of the test's own below the server's root, and its path for the server."""
    made = server.folder / request.node.name[:60].replace("[", "-").replace("]", "")
    made.mkdir()
    return made
