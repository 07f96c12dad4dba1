"""A scripted Messages API for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.messages_api import MessagesAPI


@pytest.fixture
def api() -> Iterator[MessagesAPI]:
    with MessagesAPI() as server:
        yield server
