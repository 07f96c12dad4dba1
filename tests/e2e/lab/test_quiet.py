"""Nothing is asked of the server or the kernel while nothing happens, with the panel in view."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.support.http import ask as request

from .page import panel, run, wait_until
from .server import TOKEN

pytestmark = [pytest.mark.slow, pytest.mark.browser]

QUIET_MS = 10_000
LABS_OWN = re.compile(r"/api/(kernels|sessions|terminals|kernelspecs|contents)|/lab/api/workspaces")
"""Lab looks at its lists every ten seconds, and keeps its layout."""


class Traffic:
    """Traffic of the page from now on: requests, and frames on every socket that is open."""

    def __init__(self, page: Page):
        self.sent: list[str] = []
        session = page.context.new_cdp_session(page)
        session.on("Network.webSocketFrameSent", self._frame)
        session.on("Network.requestWillBeSent", self._request)
        session.send("Network.enable")

    def _frame(self, event: dict[str, Any]) -> None:
        self.sent.append(f"frame {event['response']['payloadData'][:200]}")

    def _request(self, event: dict[str, Any]) -> None:
        url = event["request"]["url"]
        if url.startswith("http") and not LABS_OWN.search(url):
            self.sent.append(f"{event['request']['method']} {url}")


COPIES = """async () => {
    const scripts = performance.getEntriesByType("resource").map((entry) => entry.name)
        .filter((name) => name.includes("/extensions/jupyter-clawdbot/static/"));
    const texts = await Promise.all(scripts.map(async (name) => (await fetch(name)).text()));
    const copies = texts.filter((text) => /(LauncherModel|StatusBar):\\(\\)=>/.test(text));
    return { scripts: scripts.length, copies: copies.length };
}"""
"""Scripts of the extension in the page, and those with a copy of a part of Lab (kept for the pages of Voila)."""


def kernel_activity(lab) -> list[str]:
    said = request(lab.port, path=f"/a%40b/api/kernels?token={TOKEN}")
    return [kernel["last_activity"] for kernel in json.loads(said.body)]


def ready(page: Page) -> None:
    """The panel has asked for the variables once, and knows them."""
    side = panel(page)
    run(page, 0)
    expect(side.get_by_role("button", name="a_number")).to_be_visible()


def test_a_quiet_notebook_asks_nothing_of_server_and_kernel(open_notebook, lab):
    page = open_notebook("quiet.ipynb", "a_number = 1", "another_number = 2")
    ready(page)
    found = page.evaluate(COPIES)
    assert found["scripts"] > 1 and found["copies"] == 0, "Lab runs its own launcher and status bar"
    page.wait_for_timeout(1_000)
    traffic, before = Traffic(page), kernel_activity(lab)
    page.wait_for_timeout(QUIET_MS)
    assert traffic.sent == []
    assert kernel_activity(lab) == before, "an idle culler would never cull it"


def test_a_cell_leads_to_one_question_at_most(open_notebook, lab):
    page = open_notebook("once.ipynb", "a_number = 1", "another_number = 2")
    ready(page)
    page.wait_for_timeout(1_000)
    page.evaluate("""() => { window.sent = 0; const send = WebSocket.prototype.send;
        WebSocket.prototype.send = function (data) {
            const text = typeof data === "string" ? data : new TextDecoder().decode(data);
            if (text.includes("execute_request")) window.sent += 1;
            return send.call(this, data); }; }""")
    run(page, 1)
    expect(panel(page).get_by_role("button", name="another_number")).to_be_visible()
    page.wait_for_timeout(3_000)
    assert page.evaluate("window.sent") == 2, "the cell itself, and the variables once"


def test_another_clients_code_is_noticed_and_two_panels_do_not_keep_each_other_busy(browser, open_notebook, lab):
    page = open_notebook("both.ipynb", "a_number = 1")
    ready(page)
    second = browser.new_page(viewport={"width": 1400, "height": 860}, locale="en-US")
    second.goto(f"{lab.url}lab/workspaces/second/tree/both.ipynb?token={TOKEN}&reset")
    expect(panel(second).get_by_role("button", name="a_number")).to_be_visible()
    second.locator(".jp-Notebook .jp-Cell").first.click()
    second.keyboard.press("Escape")
    second.keyboard.press("b")
    second.keyboard.press("Enter")
    second.keyboard.type("theirs = 5")
    second.keyboard.press("Control+Enter")
    expect(panel(page).get_by_role("button", name="theirs")).to_be_visible()
    wait_until(page, lambda: panel(second).get_by_role("button", name="theirs").count() > 0)
    page.wait_for_timeout(1_000)
    one, other = Traffic(page), Traffic(second)
    page.wait_for_timeout(3_000)
    sent = one.sent, other.sent
    second.context.close()
    assert sent == ([], [])
