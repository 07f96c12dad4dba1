"""The Control UI as a person uses it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playwright.sync_api import Locator, expect

from tests.support.server import GatewayProcess

from .chat import Chat


class Control:
    """One page at the gateway's root. Locators look through the shell's open shadow root."""

    def __init__(self, chat: Chat):
        self.chat, self.page = chat, chat.page

    @property
    def tabs(self) -> Locator:
        return self.page.locator(".control-nav a")

    @property
    def pane(self) -> Locator:
        """The tab on show."""
        return self.page.locator(".pane:visible")

    @property
    def title(self) -> Locator:
        return self.pane.locator("h1")

    def tab(self, name: str) -> Locator:
        return self.page.locator(".control-nav").get_by_role("link", name=name, exact=True)

    def show(self, name: str) -> Locator:
        """Change to a tab by its link; its pane."""
        self.tab(name).click()
        expect(self.title).to_have_text(name)
        return self.pane


def open_control(visit: Callable[..., Chat], gateway: GatewayProcess, tab: str = "", **options: Any) -> Control:
    """Visit the Control UI, at a tab if it is named by its address (``usage?days=7``)."""
    control = Control(visit(gateway, path=f"./#/{tab}", **options))
    expect(control.tabs.first).to_be_visible()
    return control
