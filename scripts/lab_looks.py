"""Takes pictures of JupyterLab in other looks than ``scripts.lab_screenshots``: ``python -m scripts.lab_looks``.

The panel as narrow as it gets, the widget in the dark theme, and the panel in Korean. A real JupyterLab with the
extension, whose model is scripted: an error is fixed by the buttons that people use. Needs what
``scripts.screenshots`` needs, but for ``tmux``.
"""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page, ViewportSize, expect, sync_playwright

from tests.e2e.lab.server import TOKEN, Lab
from tests.support.messages_api import MessagesAPI
from tests.support.tools import TOOLS

from .screenshots import IMAGES, Scheme

SIZE = ViewportSize(width=1440, height=860)
NARROW_PX = 250
WAIT_MS = 20_000.0
DATA = 'prices = {"pear": 1.2, "plum": 0.8, "fig": 2.5}\norders = [("pear", 3), ("fig", 1), ("kiwi", 2)]'
TOTAL = "total = sum(prices[name] * count for name, count in orders)\ntotal"
FIXED = """```python
total = sum(prices.get(name, 0) * count for name, count in orders)
total
```"""
ANSWERS = {
    "en": f"`orders` has a **kiwi**, and `prices` has none, so `prices[name]` raises a `KeyError`. This counts what "
    f"has no price as 0:\n\n{FIXED}\n\nIf such an order should stop you instead, check `name in prices` first.",
    "ko": f"`orders`에는 **kiwi**가 있는데 `prices`에는 없어서 `prices[name]`에서 `KeyError`가 나요. 값이 없는 것은 "
    f"0으로 세도록 고쳤어요.\n\n{FIXED}\n\n그런 주문에서 멈춰야 한다면 `name in prices`를 먼저 확인하세요.",
}
WIDGET = 'from clawdbot_ext import ChatWidget\n\nChatWidget("main", height="420px")'


def main() -> int:
    """Take all pictures. Returns the exit code."""
    chromium = TOOLS["chromium"].find()
    if chromium is None:
        print("needs chromium, see CONTRIBUTING.md", file=sys.stderr)
        return 1
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        expect.set_options(timeout=WAIT_MS)
        with lab("en") as english:
            with notebook(browser, english) as page:
                fix(page)
                narrow(page)
                page.locator("#clawdbot-chat").screenshot(path=IMAGES / "lab-narrow.png")
            with notebook(browser, english, scheme="dark") as page:
                show_widget(page)
                page.screenshot(path=IMAGES / "lab-widget-dark.png")
        with lab("ko") as korean, notebook(browser, korean, language="ko-KR") as page:
            fix(page, "이 셀 고치기", "셀 2 바꾸기")
            page.screenshot(path=IMAGES / "lab-ko.png")
        browser.close()
    return 0


@contextlib.contextmanager
def lab(language: str) -> Iterator[Lab]:
    """A running Lab whose model gives the answer of ``language``."""
    with tempfile.TemporaryDirectory() as folder, MessagesAPI() as api:
        api.says = ANSWERS[language]
        made = Lab(Path(folder, "it"), env={"ANTHROPIC_API_KEY": "sk-none", "ANTHROPIC_BASE_URL": api.url})
        made.configure({"agents": {"defaults": {"autoTitle": False}}})
        if language != "en":
            settings = made.folder / "settings" / "@jupyterlab" / "translation-extension"
            settings.mkdir(parents=True)
            (settings / "plugin.jupyterlab-settings").write_text(json.dumps({"locale": language}))
        made.write("prices.ipynb", DATA, TOTAL, WIDGET)
        made.start()
        try:
            yield made
        finally:
            made.stop()


@contextlib.contextmanager
def notebook(browser: Browser, lab: Lab, *, scheme: Scheme = "light", language: str = "en-US") -> Iterator[Page]:
    """The notebook, opened in a fresh window and with a kernel that answers."""
    theme = lab.folder / "settings" / "@jupyterlab" / "apputils-extension" / "themes.jupyterlab-settings"
    theme.write_text(json.dumps({"theme": f"JupyterLab {scheme.title()}"}))
    page = browser.new_page(viewport=SIZE, locale=language, reduced_motion="reduce", color_scheme=scheme)
    page.set_default_timeout(WAIT_MS)
    page.goto(f"{lab.url}lab/tree/prices.ipynb?token={TOKEN}&reset")
    expect(page.get_by_text("| Idle")).to_be_visible()
    page.keyboard.press("Control+b")  # the file browser takes room
    try:
        yield page
    finally:
        page.context.close()


def cell(page: Page, number: int) -> Locator:
    return page.locator(".jp-Notebook .jp-Cell").nth(number)


def run(page: Page, number: int) -> None:
    cell(page, number).locator(".jp-InputArea").click()
    page.keyboard.press("Control+Enter")


def fix(page: Page, button: str = "Fix This Cell", replace: str = "Replace cell 2") -> None:
    """An error, the question about it, and the cell that was put in its place, run."""
    run(page, 0)
    run(page, 1)
    expect(page.locator(".jp-OutputArea-output", has_text="KeyError").first).to_be_visible()
    page.get_by_role("button", name=button).first.click()
    side = page.locator("#clawdbot-chat clawdbot-chat")
    side.get_by_role("button", name=replace).click()
    run(page, 1)
    expect(page.locator(".jp-OutputArea-output", has_text="6.1")).to_be_visible()
    expect(side.locator("article[aria-busy]")).to_have_count(0)
    expect(page.get_by_role("button", name=button)).to_have_count(0)  # nothing is left to fix
    expect(side.get_by_role("button", name="total", exact=True)).to_be_visible()  # the kernel has told its variables


def narrow(page: Page) -> None:
    """Drag the panel's edge until it is as narrow as it gets."""
    box = page.locator("#clawdbot-chat").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] - 2, box["y"] + 300)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - NARROW_PX, box["y"] + 300, steps=4)
    page.mouse.up()
    expect(page.locator("#clawdbot-chat clawdbot-chat")).to_be_visible()


def show_widget(page: Page) -> None:
    """The same conversation in the output of a cell."""
    run(page, 2)
    chat = page.locator(".jp-Notebook clawdbot-chat")
    expect(chat.locator("article.turn.assistant")).to_be_visible()
    chat.scroll_into_view_if_needed()


if __name__ == "__main__":
    sys.exit(main())
