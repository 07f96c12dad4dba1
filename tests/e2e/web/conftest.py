"""A real browser at a real gateway. Without Chromium these tests are skipped with a reason; in CI that is a failure.

The browser lives as long as a module: Playwright's loop would stand in the way of other tests that run one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.support.server import ROOT, GatewayProcess
from tests.support.tools import require

from .chat import Chat

HERE = Path(__file__).parent
QUIET = ("--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync")
PATIENCE_MS = 45_000
"""Longest wait for a page: a loaded machine of two cores runs four of these at once."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = require("chromium")
    assert (ROOT / "clawdbot_ext" / "_static" / "chat.html").exists(), "the page is not built: pip install -e ."
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=list(QUIET))
        expect.set_options(timeout=PATIENCE_MS)
        yield opened
        expect.set_options(timeout=5_000)
        opened.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Chat]]:
    """Open the page of a gateway: ``visit(gateway, session="notes", login=True, **context_options)``.

    Each visit is a person of its own (another cookie jar). At the end of the test no page may have logged an error:
    a violated Content-Security-Policy is one.
    """
    visits: list[Chat] = []

    def open_page(
        gateway: GatewayProcess,
        *,
        session: str = "",
        login: bool = True,
        path: str = "",
        **options: Any,
    ) -> Chat:
        options = {"viewport": {"width": 1100, "height": 760}, "locale": "en-US", "reduced_motion": "reduce", **options}
        context = browser.new_context(**options)
        context.set_default_timeout(PATIENCE_MS)
        if login:
            answer = context.request.post(
                gateway.url + "auth/login", data={"token": gateway.token}, headers={"Origin": gateway.url.rstrip("/")}
            )
            assert answer.status == 204
        chat = Chat(context.new_page(), gateway)
        visits.append(chat)
        chat.open(path or (f"chat?session={session}" if session else "chat"))
        return chat

    yield open_page
    complaints = [complaint for chat in visits for complaint in chat.complaints]
    for chat in visits:
        chat.page.context.close()
    assert complaints == []
