"""The Control UI of the npm package in Chromium, served as Clawdbot serves it, against our gateway."""

from __future__ import annotations

import pytest

from tests.support.tools import require

NOT_OURS = {"channels": "Channel config schema unavailable.", "config": "Form view can't safely edit some fields."}
"""Notices that are true: there are no channels here, and a model list is more than its form can edit."""
TABS = ("overview", "channels", "instances", "sessions", "cron", "skills", "nodes", "config", "debug", "logs")


@pytest.fixture(scope="module")
def browser():
    api = pytest.importorskip("playwright.sync_api")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=require("chromium"), args=["--no-sandbox"])
        yield browser
        browser.close()


class Page:
    """The page, with everything that went wrong in it."""

    def __init__(self, browser, url):
        self.page = browser.new_page(viewport={"width": 1280, "height": 860})
        self.errors: list[str] = []
        self.refused: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("websocket", lambda socket: socket.on("framereceived", self._frame))
        # The page asks for a font and a logo of other hosts, which are not what this is about.
        self.page.route(lambda url: "://127.0.0.1:" not in url, lambda route: route.abort())
        self.page.goto(url)
        self.page.get_by_text("Health").first.wait_for()
        self.page.locator("text=OK").first.wait_for()

    def _frame(self, frame) -> None:
        text = frame if isinstance(frame, str) else frame.decode()
        if text.startswith('{"type":"res"') and '"ok":false' in text[:200]:
            self.refused.append(text[:300])

    def send(self, text):
        self.page.locator("textarea").fill(text)
        self.page.keyboard.press("Enter")

    def shows(self, text):
        self.page.get_by_text(text).last.wait_for(timeout=15_000)

    def picture(self, folder, name):
        if folder:
            self.page.screenshot(path=folder / f"control-ui-{name}.png")


@pytest.fixture
def ui(browser, page_url):
    page = Page(browser, page_url)
    yield page
    assert page.errors == [] and page.refused == []
    page.page.close()


def test_it_connects_sends_and_shows_the_reply(ui, pictures):
    ui.send("hello [[text=the reply in the control ui]]")
    ui.shows("the reply in the control ui")
    ui.picture(pictures, "chat")


def test_it_shows_a_reply_growing_and_stops_it(ui, pictures):
    ui.send("slow please")
    ui.shows("One word at a")
    ui.picture(pictures, "streaming")
    ui.page.get_by_role("button", name="Stop").click()
    ui.page.get_by_role("button", name="New session").wait_for()
    ui.send("/status")
    ui.shows("Gateway:")


def test_new_session_archives_the_conversation(ui):
    ui.send("before [[text=before the new session]]")
    ui.shows("before the new session")
    ui.page.get_by_role("button", name="New session").click()
    ui.page.wait_for_function("!document.body.innerText.includes('before the new session')")
    ui.send("after [[text=after the new session]]")
    ui.shows("after the new session")
    assert ui.page.get_by_text("before the new session").count() == 0


@pytest.mark.parametrize("tab", TABS)
def test_a_tab_opens_without_an_error(ui, tab, pictures):
    ui.page.click(f'a[href="/{tab}"]')
    ui.page.locator(f'a.active[href="/{tab}"]').wait_for()
    ui.page.wait_for_load_state("networkidle")
    ui.picture(pictures, tab)
    told = ui.page.locator(".callout.danger").all_inner_texts()
    assert [text for text in told if not text.strip().startswith(NOT_OURS.get(tab, "none"))] == []


def test_a_setting_is_saved_from_the_config_tab(ui, running):
    ui.page.click('a[href="/config"]')
    ui.page.get_by_text("valid", exact=True).wait_for()
    ui.page.get_by_role("button", name="low", exact=True).first.click()
    ui.page.get_by_role("button", name="Save", exact=True).click()
    ui.page.get_by_text("No changes").wait_for()
    assert '"low"' in (running.home / "config.json").read_text()
