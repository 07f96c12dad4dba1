"""The widget where the browser cannot reach the server: it falls back to the kernel by itself, and says so."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import sync_playwright

from tests.support.server import ROOT
from tests.support.tools import require

from .remote_kernel import ADDRESS, Elsewhere

pytestmark = [pytest.mark.slow, pytest.mark.browser]


@pytest.fixture
def elsewhere(started) -> Iterator[Elsewhere]:
    path = require("chromium")
    assert (ROOT / "clawdbot_ext" / "_static" / "single.js").exists(), "the page is not built: pip install -e ."
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-sync"])
        host = Elsewhere(browser, started)
        yield host
        host.close()
        browser.close()


def test_frames_go_through_the_kernel_and_the_chat_says_so(elsewhere, api):
    api.requests.clear()
    ran = elsewhere.kernel.run(
        "from clawdbot_ext import ChatWidget\nfar = ChatWidget('far', context=[{'a': 1}], host='anywidget')"
    )
    assert ran.errors == []
    elsewhere.show()
    page = elsewhere.page
    chat = page.locator("clawdbot-chat")
    elsewhere.until(lambda: chat.locator(".connection[data-open=true]").count() == 1)
    assert page.get_by_text("Connected through the kernel").is_visible()
    elsewhere.until(lambda: chat.get_by_role("button", name="value-1").count() == 1)

    chat.locator("#composer").fill("From far away [[text=Near enough.]]")
    chat.locator("#composer").press("Enter")
    answer = chat.locator("clawdbot-message").get_by_text("Near enough.", exact=True)
    elsewhere.until(lambda: answer.count() == 1)
    assert "`value-1`: dict" in str([request.body for request in api.requests])

    run = elsewhere.kernel.start("import time\ntime.sleep(1)\nprint('done')")  # kernels do one thing at a time
    chat.locator("#composer").fill("And now? [[text=After the cell.]]")
    chat.locator("#composer").press("Enter")
    assert elsewhere.kernel.collect(run).text == "done\n"
    answer = chat.locator("clawdbot-message").get_by_text("After the cell.", exact=True)
    elsewhere.until(lambda: answer.count() == 1)
    assert [url for url in elsewhere.wanted if not url.startswith(("blob:", "data:", ADDRESS))] == []


def test_r13_in_a_page_of_voila_the_chat_is_of_one_session_and_works(elsewhere, api):
    made = (
        "import os\nos.environ['SERVER_SOFTWARE'] = 'voila/0.5'\nfrom clawdbot_ext import ChatWidget\n"
        "shown = ChatWidget('shown', context=[{'a': 1}], host='anywidget')\nprint(shown.view)"
    )
    assert elsewhere.kernel.run(made + "\ndel os.environ['SERVER_SOFTWARE']").text == "chat\n"
    elsewhere.show()
    chat = elsewhere.page.locator("clawdbot-chat")
    elsewhere.until(lambda: chat.locator(".connection[data-open=true]").count() == 1)
    elsewhere.until(lambda: chat.get_by_role("button", name="value-1").count() == 1)
    chat.locator("#composer").fill("From a visitor [[text=Welcome.]]")
    chat.locator("#composer").press("Enter")
    elsewhere.until(lambda: chat.locator("clawdbot-message").get_by_text("Welcome.", exact=True).count() == 1)
    elsewhere.page.set_viewport_size({"width": 1100, "height": 640})  # where the list of sessions has room
    assert all(chat.locator(part).is_hidden() for part in (".header", "clawdbot-sidebar"))
    composer = chat.locator("#composer").bounding_box()
    assert composer is not None and composer["width"] > 350 and chat.get_by_role("alert").count() == 0
    state = {"method": "update", "state": {"session": "main", "view": "full"}, "buffer_paths": []}
    elsewhere.kernel.tell(elsewhere._comm, state)
    assert elsewhere.kernel.run("print(shown.session, shown.view)").text == "shown chat\n"
