"""A JupyterHub with two users as a browser sees it, which marks its requests in ways that no HTTP client does."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests as http
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect, sync_playwright
from websockets.exceptions import WebSocketException

from tests.e2e.lab.page import panel
from tests.support.hub import ADMIN_TOKEN, OPERATOR_TOKEN, SERVICE, Hub
from tests.support.media import png
from tests.support.tools import require
from tests.support.wire import opened as connected
from tests.support.wire import run as finished

pytestmark = [pytest.mark.slow, pytest.mark.browser]
PATIENCE_MS = 45_000
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}


@pytest.fixture(scope="module")
def hub(tmp_path_factory) -> Iterator[Hub]:
    hub = Hub(tmp_path_factory.mktemp("hub"), lab=True, shared={"users": {"from": "hub"}})
    try:
        hub.start(["ann", "bob"])
        yield hub
    finally:
        hub.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = require("chromium")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-sync"])
        expect.set_options(timeout=PATIENCE_MS)
        yield opened
        expect.set_options(timeout=5_000)
        opened.close()


def logged_in(hub: Hub, browser: Browser, user: str) -> BrowserContext:
    """A browser in which ``user`` has logged in by the Hub's own form."""
    context = browser.new_context(viewport={"width": 1400, "height": 860}, locale="en-US")
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.goto(f"{hub.url}/hub/login")
    page.locator("#username_input").fill(user)
    page.locator("#password_input").fill("x")
    page.locator("#login_submit").click()
    page.wait_for_url("**/user/**")
    page.close()
    return context


@pytest.fixture(scope="module")
def ann(hub, browser) -> Iterator[BrowserContext]:
    context = logged_in(hub, browser, "ann")
    yield context
    context.close()


class Refusals:
    """Requests of a page to what is ours that were answered with an error, as ``METHOD path status``."""

    def __init__(self, page: Page):
        self.seen: list[str] = []
        page.on("response", self._answered)

    def _answered(self, response) -> None:
        if "/clawdbot/" in response.url and response.status >= 400:
            self.seen.append(f"{response.request.method} {response.url.partition('/clawdbot/')[2]} {response.status}")


def notebook(hub: Hub, name: str, *cells: str) -> None:
    """A notebook in Ann's home."""
    made = [
        {
            "cell_type": "code",
            "id": f"cell{number}",
            "metadata": {},
            "source": cell,
            "execution_count": None,
            "outputs": [],
        }
        for number, cell in enumerate(cells)
    ]
    (hub.folder / "home" / "ann" / name).write_text(
        json.dumps({"cells": made, "metadata": {"kernelspec": KERNEL}, "nbformat": 4, "nbformat_minor": 5})
    )


def opened(ann: BrowserContext, hub: Hub, name: str) -> Page:
    page = ann.new_page()
    page.goto(f"{hub.url}/user/ann/lab/tree/{name}?reset")
    expect(page.locator(".jp-Notebook .jp-Cell").first).to_be_visible(timeout=3 * PATIENCE_MS)
    expect(page.get_by_role("button", name="| Idle")).to_be_attached(timeout=3 * PATIENCE_MS)
    return page


def run(page: Page, number: int) -> None:
    page.locator(".jp-Notebook .jp-Cell .jp-InputPrompt").nth(number).click()
    page.keyboard.press("Control+Enter")


def ask(chat: Locator | Page, text: str) -> None:
    chat.locator("#composer").fill(text)
    chat.locator("#composer").press("Enter")


def answered(chat: Locator | Page, text: str) -> None:
    """The reply, which is this paragraph, stands there."""
    expect(chat.locator("clawdbot-message").get_by_text(text, exact=True)).to_be_visible()


def test_panel_explain_widget_and_magics_work_and_a_reload_brings_the_panel_back(hub, ann):
    notebook(
        hub,
        "all.ipynb",
        "6 * 7  # [[text=It multiplies.]]",
        "from clawdbot_ext import ChatWidget\nChatWidget('cell', height='320px')",
        "%load_ext clawdbot_ext\n%clawdbot ask From a magic. [[text=For a magic.]]",
    )
    page = opened(ann, hub, "all.ipynb")
    refusals = Refusals(page)
    page.locator(".jp-Notebook .jp-Cell").first.click()
    page.locator(".jp-Notebook .jp-Cell").first.hover()
    page.get_by_role("button", name="Explain This Cell").first.click()
    side = page.locator("#clawdbot-chat clawdbot-chat")
    expect(side.locator(".connection[data-open=true]")).to_be_attached()
    expect(side.locator("article.user")).to_have_count(1)
    expect(side.locator("article.assistant .reply")).to_have_count(1)
    ask(side, "And you? [[text=In the panel.]]")
    answered(side, "In the panel.")

    run(page, 1)
    chat = page.locator(".jp-Notebook clawdbot-chat")
    expect(chat.locator(".connection[data-open=true]")).to_be_attached()
    ask(chat, "And you? [[text=In the cell.]]")
    answered(chat, "In the cell.")
    run(page, 2)
    expect(page.locator(".jp-OutputArea-output", has_text="For a magic.")).to_be_visible()

    page.reload()
    answered(side, "In the panel.")
    assert refusals.seen == []
    page.close()


def test_page_upload_preview_and_picture_work_and_it_comes_back_after_the_server_was_stopped(hub, ann):
    page = ann.new_page()
    refusals = Refusals(page)
    page.goto(f"{hub.url}/user/ann/clawdbot/chat?session=files")
    expect(page.locator(".connection[data-open=true]")).to_be_visible()
    page.locator("input[type=file]").set_input_files(
        [
            {"name": "plot.png", "mimeType": "image/png", "buffer": png(320, 200)},
            {"name": "rows.csv", "mimeType": "text/csv", "buffer": b"name,value\nfirst," + b"1" * 2_000_000 + b"\n"},
        ]
    )
    ask(page, "What are these? [[text=A plot and rows.]]")
    answered(page, "A plot and rows.")
    shown = page.locator("article.user img").first
    expect(shown).to_be_visible()
    assert shown.evaluate("picture => picture.decode().then(() => picture.naturalWidth)") > 0
    page.locator("article.user").get_by_role("button", name="More about").last.click()
    expect(page.locator("article.user", has_text="first,111")).to_be_visible()
    assert [each for each in refusals.seen if not re.match(r"HEAD media/\w+ 404", each)] == []  # new to the gateway

    hub.stop_server("ann")
    card = page.locator("clawdbot-login")
    expect(card.or_(page.locator(".banner"))).to_be_visible()
    hub.start_server("ann")
    expect(card).to_be_visible()  # the new server does not know the old one's cookie
    card.get_by_role("link", name="Log in").click()
    expect(page.locator(".connection[data-open=true]")).to_be_visible(timeout=2 * PATIENCE_MS)
    answered(page, "A plot and rows.")
    ask(page, "Again? [[text=After the restart.]]")
    answered(page, "After the restart.")
    page.close()


def test_the_link_of_the_magic_leads_to_the_users_own_page_behind_the_hub(hub, ann):
    notebook(hub, "web.ipynb", "%load_ext clawdbot_ext\n%clawdbot web")
    page = opened(ann, hub, "web.ipynb")
    run(page, 0)
    link = page.locator(".jp-OutputArea-output a", has_text="Open this conversation in the browser")
    expect(link).to_be_visible()
    with page.context.expect_page() as there:
        link.click()
    assert there.value.url.startswith(f"{hub.url}/user/ann/clawdbot/chat") and "code=" not in there.value.url
    expect(there.value.locator(".connection[data-open=true]")).to_be_visible()
    there.value.close()
    page.close()


FORGED = """async (root) => {
    const media = "media?name=planted.csv", said = {cookies: document.cookie};
    for (const [method, path] of [["GET", "auth/session"], ["POST", "auth/session"], ["POST", media], ["GET", "chat"],
                                  ["HEAD", "media/" + "a".repeat(64)], ["GET", "media/AAAAAAAAAAAA"], ["GET", "frame"]])
        for (const extra of [{}, {Authorization: "Bearer x"}, {"X-XSRFToken": "x"}]) {
            const body = method === "POST" ? "a,b" : undefined;
            const answer = await fetch(root + path, {method, body, headers: extra, redirect: "manual"});
            said[`${method} ${path} ${Object.keys(extra)}`] = answer.status;
        }
    return said;
}"""
"""Answers to a page of the same origin below another user's path with the cookies that the browser sends along."""


def test_s7_a_page_of_another_users_server_can_forge_no_request_to_mine(hub, ann):
    """Both servers have one origin. Ann's cookies go along; her token against forgery is below her own path alone."""

    def kept() -> set[str]:
        return {path.name for path in (hub.folder / "home" / "ann" / ".clawdbot").rglob("media/**/*")}

    page, before = ann.new_page(), kept()
    page.goto(f"{hub.url}/hub/home")  # stands for it: one origin, and not below /user/ann/
    said = page.evaluate(FORGED, f"{hub.url}/user/ann/clawdbot/")
    names = {pair.partition("=")[0].strip() for pair in said.pop("cookies").split(";")}
    assert not any("ann" in name for name in names)
    # 503: the Hub's proxy, whose connection a server has closed that refuses before it has read the body
    assert {what: status for what, status in said.items() if status not in (0, 401, 403, 503)} == {}
    assert kept() == before
    page.close()


def test_a_quiet_page_makes_no_request_and_does_not_keep_the_server_up(hub, ann):
    page = ann.new_page()
    page.goto(f"{hub.url}/user/ann/clawdbot/chat?session=quiet")
    ask(page, "Here? [[text=Now it is quiet.]]")
    answered(page, "Now it is quiet.")
    expect(page.locator("article[aria-busy]")).to_have_count(0)
    page.wait_for_load_state("networkidle")
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))

    def last_activity() -> str:
        shown = {"Authorization": f"token {ADMIN_TOKEN}"}
        answer = http.get(f"{hub.url}/user/ann/api/status?no_track_activity=1", headers=shown, timeout=60)
        return str(answer.json()["last_activity"])

    page.wait_for_timeout(2_000)  # the end of the reply counts
    before = last_activity()
    page.wait_for_timeout(10_000)
    assert (requests, last_activity()) == ([], before)
    page.close()


def test_an_edit_and_a_run_are_allowed_in_the_panel_and_the_edit_is_undone(hub, ann):
    notebook(hub, "hands.ipynb", "temperatures = [21, 24, 19]")
    page = opened(ann, hub, "hands.ipynb")
    refusals = Refusals(page)
    side, cells = panel(page), page.locator(".jp-Notebook .jp-CodeCell")
    ask(side, "Add a cell and run it.")
    card = side.locator("section.approval")
    expect(card.locator(".line.ins").first).to_contain_text("Mon")
    expect(cells).to_have_count(1)  # nothing before the yes
    card.get_by_role("button", name="Apply").click()
    side.locator("section.approval", has_text="Run").get_by_role("button", name="Run").click()
    expect(cells).to_have_count(2)
    expect(page.locator(".jp-Notebook .jp-OutputArea").last).to_contain_text("24 °C")
    expect(side.locator("article[aria-busy=true]")).to_have_count(0)
    side.locator(".change").first.get_by_role("button", name="Undo").click()
    expect(cells).to_have_count(1)
    assert refusals.seen == []
    page.close()


def restart_shared_gateway(hub: Hub) -> None:
    """As ``clawdbot gateway restart`` of the operator does; wait until the new one answers."""
    url = f"{hub.shared_url.replace('http', 'ws', 1)}{SERVICE}ws"
    shown = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}

    async def main() -> None:
        asked = time.monotonic()
        async with connected(url, additional_headers=shown) as wire:
            await wire.handshake(token=OPERATOR_TOKEN)
            await wire.call("gateway.stop", {"restart": True})
            await wire.closed()
        up_ms = float("inf")
        while up_ms > (time.monotonic() - asked) * 1_000:
            await asyncio.sleep(0.05)
            with contextlib.suppress(OSError, WebSocketException):
                async with connected(url, additional_headers=shown) as wire:
                    up_ms = (await wire.handshake(token=OPERATOR_TOKEN))["snapshot"]["uptimeMs"]

    with ThreadPoolExecutor() as aside:  # this thread's event loop is Playwright's
        aside.submit(lambda: finished(main())).result()


def test_shared_gateway_two_users_chat_each_in_a_space_of_their_own_over_tabs_reload_and_restart(hub, browser, ann):
    page, tab = ann.new_page(), ann.new_page()
    refusals = Refusals(page)
    page.goto(f"{hub.url}{SERVICE}")  # the Control UI, by the Hub's login
    assert page.url.startswith(f"{hub.url}{SERVICE}")
    expect(page.locator(".connection[data-open=true]")).to_be_visible()
    tab.goto(f"{hub.url}{SERVICE}chat")
    expect(tab.locator(".connection[data-open=true]")).to_be_visible()
    page.locator("input[type=file]").set_input_files(
        [{"name": "plot.png", "mimeType": "image/png", "buffer": png(320, 200)}]
    )
    ask(page, "What is this? [[text=A plot of Ann's.]]")
    for each in (page, tab):
        answered(each, "A plot of Ann's.")
        shown = each.locator("article.user img").first
        expect(shown).to_be_visible()
        assert shown.evaluate("picture => picture.decode().then(() => picture.naturalWidth)") > 0
    page.reload()
    answered(page, "A plot of Ann's.")

    theirs = logged_in(hub, browser, "bob")
    bob = theirs.new_page()
    bob.goto(f"{hub.url}{SERVICE}chat")
    expect(bob.locator(".connection[data-open=true]")).to_be_visible()
    ask(bob, "And I? [[text=For Bob alone.]]")
    answered(bob, "For Bob alone.")
    expect(bob.locator("article.user")).to_have_count(1)
    expect(page.locator("article.user")).to_have_count(1)

    assert refusals.seen == []
    restart_shared_gateway(hub)
    page.reload()  # no login is asked for
    expect(page.locator(".connection[data-open=true]")).to_be_visible()
    ask(page, "After it? [[text=It is back.]]")
    for each in (page, tab):
        answered(each, "It is back.")
    bob.close()
    theirs.close()
    tab.close()
    page.close()


def test_shared_gateway_log_out_ends_the_login_at_the_hub_and_the_page_leads_back_to_it(hub, browser):
    context = logged_in(hub, browser, "bob")
    page, tab = context.new_page(), context.new_page()
    for each in (page, tab):
        each.goto(f"{hub.url}{SERVICE}chat")
        expect(each.locator(".connection[data-open=true]")).to_be_visible()
    page.get_by_role("button", name="Settings", exact=True).click()
    page.get_by_role("button", name="Log out", exact=True).click()
    page.wait_for_url("**/hub/**")
    card = tab.locator("clawdbot-login")
    expect(card).to_be_visible()
    card.get_by_role("link", name="Log in").click()
    expect(tab.locator("#username_input")).to_be_visible()
    context.close()


def test_s7_a_page_of_the_hubs_origin_can_do_nothing_at_the_shared_gateway(hub, ann):
    """It stands for a page of another user's server: the cookies go along, and it can neither ask nor look inside."""
    mine = ann.new_page()
    mine.goto(f"{hub.url}{SERVICE}chat")
    expect(mine.locator(".connection[data-open=true]")).to_be_visible()
    page = ann.new_page()
    page.goto(f"{hub.url}/hub/home")
    said = page.evaluate(FORGED, f"{hub.url}{SERVICE}")
    said.pop("cookies")
    answered_at_all = {what for what, status in said.items() if status not in (0, 401, 403, 503)}
    assert {what.split()[1] for what in answered_at_all} <= {"chat", "frame"}  # files that hold nothing
    closed = page.evaluate(
        """(url) => new Promise((done) => {
            const socket = new WebSocket(url);
            socket.onopen = () => done("open");
            socket.onerror = () => done("refused");
        })""",
        f"{hub.url.replace('http', 'ws', 1)}{SERVICE}ws",
    )
    assert closed == "refused"
    with ann.expect_page() as there:
        page.evaluate("(url) => { window.other = window.open(url); }", f"{hub.url}{SERVICE}chat")
    expect(there.value.locator(".connection[data-open=true]")).to_be_visible()
    assert page.evaluate("window.other.closed")  # as for a window that it has lost
    for each in (there.value, page, mine):
        each.close()
