"""Hands and eyes for Lab in a browser: the panel, its answers, the cells of the notebook in front."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect


def panel(page: Page) -> Locator:
    side = page.locator("#clawdbot-chat clawdbot-chat")
    if side.count() == 0 or not side.is_visible():
        page.get_by_role("tab", name="Clawdbot Chat").first.click()
    expect(side.locator(".connection[data-open=true]")).to_be_attached()
    return side


def ask(side: Locator, text: str) -> None:
    side.locator("#composer").fill(text)
    side.locator("#composer").press("Enter")


def answered(chat: Locator, text: str) -> None:
    """The reply, which is this paragraph, stands there."""
    expect(chat.locator("clawdbot-message").get_by_text(text, exact=True)).to_be_visible()


def told(api) -> str:
    """All that the newest question to the model said, pictures left out."""
    asked = [r for r in api.requests if r.path.endswith("/messages")]
    content = asked[-1].body["messages"][-1]["content"] if asked else []
    return "\n".join(block.get("text") or json.dumps(block.get("source", {})) for block in content)


def wait_until(page: Page, condition: Callable[[], bool]) -> None:
    """Let the page go on until ``condition`` holds."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        page.wait_for_timeout(50)


def cells(page: Page) -> list[str]:
    """The sources of the notebook, as Lab has them."""
    return page.evaluate("""() => [...document.querySelectorAll(".jp-Notebook .jp-Cell")]
        .map((cell) => [...cell.querySelectorAll(".cm-line")].map((line) => line.textContent).join("\\n"))""")


def run(page: Page, number: int) -> None:
    page.locator(".jp-Notebook .jp-Cell").nth(number).click()
    page.keyboard.press("Control+Enter")
