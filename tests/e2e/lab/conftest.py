"""A real JupyterLab in Chromium, one for a module's tests, in front of a scripted model."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.support.messages_api import MessagesAPI
from tests.support.server import ROOT
from tests.support.tools import require

from .hands import Hands, gateway_client
from .server import TOKEN, Lab

PATIENCE_MS = 45_000
"""A kernel has to start, and the gateway with its first client."""
IDLE_7 = ".jp-NotebookKernelStatus-fade:not(.jp-NotebookKernelStatus-info)"
"""Notebook 7's sign that the kernel has answered; Lab says it in its status bar."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = require("chromium")
    assert (ROOT / "clawdbot_ext" / "_labextension" / "package.json").exists(), "not built: pip install -e ."
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-sync"])
        expect.set_options(timeout=PATIENCE_MS)
        yield opened
        expect.set_options(timeout=5_000)
        opened.close()


@pytest.fixture(scope="module")
def api() -> Iterator[MessagesAPI]:
    with MessagesAPI() as api:
        yield api


@pytest.fixture(scope="module")
def lab(tmp_path_factory, api) -> Iterator[Lab]:
    made = Lab(
        tmp_path_factory.mktemp("lab") / "it", env={"ANTHROPIC_API_KEY": "sk-canary-key", "ANTHROPIC_BASE_URL": api.url}
    )
    made.configure({"agents": {"defaults": {"autoTitle": False}}})  # the requests are the tests' own
    made.start()
    yield made
    made.stop()


@pytest.fixture
def open_notebook(browser, lab, api):
    """Write a notebook and open it in a fresh window (``at`` an application): ``open_notebook("a.ipynb", "1 + 1")``."""
    opened: list[Page] = []

    def show(
        name: str, *cells, at: str = "lab/tree", widgets=None, kernel: str = "python3", write: bool = True
    ) -> Page:
        if write:  # else it is there
            lab.write(name, *cells, widgets=widgets, kernel=kernel)
        page = browser.new_page(viewport={"width": 1400, "height": 860}, locale="en-US")
        page.set_default_timeout(PATIENCE_MS)
        opened.append(page)
        page.goto(f"{lab.url}{at}/{name}?token={TOKEN}&reset")
        expect(page.locator(".jp-Notebook .jp-Cell").first).to_be_visible(timeout=2 * PATIENCE_MS)
        idle = page.get_by_role("button", name="| Idle").or_(page.locator(IDLE_7))
        expect(idle).to_be_attached(timeout=2 * PATIENCE_MS)
        api.requests.clear()
        return page

    yield show
    for page in opened:
        page.context.close()


@pytest.fixture(scope="module")
def client(lab):
    with gateway_client(lab) as client:
        yield client


@pytest.fixture
def hands(open_notebook, client):
    """Open a notebook, and the hands of its page: ``page, hands = hands("a.ipynb", "1 + 1")``."""

    def opened(name: str, *sources, **options) -> tuple[Page, Hands]:
        page = open_notebook(name, *sources, **options)
        return page, Hands(client, page)

    return opened
