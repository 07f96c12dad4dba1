"""``ChatWidget`` in a real JupyterLab, by the view of our own extension: saved, opened again, light and dark."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.slow, pytest.mark.browser]

MADE = "from clawdbot_ext import ChatWidget\nChatWidget('again', height='320px')"
RUN_AGAIN = "Run this cell to open the chat."
VIEW = "application/vnd.jupyter.widget-view+json"


def saved_output(model_id: str, **more: Any) -> dict[str, Any]:
    view = {"model_id": model_id, "version_major": 2, "version_minor": 0}
    return {
        "output_type": "execute_result",
        "execution_count": 1,
        "metadata": {},
        "data": {VIEW: view, "text/plain": "ChatWidget()", "text/html": "<b>Run it</b>", **more},
    }


def saved_state(module: str, prefix: str, **more: str) -> dict[str, Any]:
    names = {
        "_model_module": module,
        "_model_module_version": "^1.0.0",
        "_model_name": f"{prefix}Model",
        "_view_module": module,
        "_view_module_version": "^1.0.0",
        "_view_name": f"{prefix}View",
    }
    return {
        "model_name": f"{prefix}Model",
        "model_module": module,
        "model_module_version": "^1.0.0",
        "state": {**names, "layout": "IPY_MODEL_layout", **more},
    }


LAYOUT = {
    "model_name": "LayoutModel",
    "model_module": "@jupyter-widgets/base",
    "model_module_version": "2.0.0",
    "state": {},
}


def run(page: Page, number: int = 0) -> None:
    page.locator(".jp-Notebook .jp-Cell").nth(number).click()
    page.keyboard.press("Control+Enter")


def open_chat(page: Page) -> None:
    expect(page.locator(".jp-Notebook clawdbot-chat .connection[data-open=true]")).to_be_attached()


def test_r11_a_saved_chat_is_inert_until_its_kernel_answers(open_notebook):
    state = {"layout": LAYOUT, "kept": saved_state("jupyter-clawdbot", "Chat", session="main", height="9000px")}
    page = open_notebook("kept.ipynb", (MADE, [saved_output("kept")]), widgets=state)
    place = page.locator(".jp-Notebook .jp-OutputArea-output").first
    expect(place).to_contain_text("Run")
    expect(page.locator("clawdbot-chat")).to_have_count(0)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.reload()
    expect(place).to_contain_text("Run")
    expect(page.locator(".jp-Notebook clawdbot-chat")).to_have_count(0)
    assert [url for url in asked if "/clawdbot/" in url] == []
    run(page)
    open_chat(page)


def test_a_notebook_opened_again_says_how_to_open_the_chat_and_a_reload_brings_it_back(open_notebook, lab):
    page = open_notebook("again.ipynb", MADE)
    run(page)
    open_chat(page)
    page.keyboard.press("Control+s")
    expect(page.locator(".jp-mod-dirty")).to_have_count(0)
    saved = (lab.work / "again.ipynb").read_text()
    assert "_esm" not in saved and "Run this cell to open it" in saved
    page.reload()  # the kernel goes on
    open_chat(page)
    outputs = json.loads(saved)["cells"][0]["outputs"]
    page = open_notebook("later.ipynb", (MADE, outputs))  # its kernel knows nothing of it
    expect(page.get_by_text(RUN_AGAIN)).to_be_visible()
    expect(page.get_by_text("model not found")).to_have_count(0)
    run(page)
    open_chat(page)
    expect(page.get_by_text(RUN_AGAIN)).to_have_count(0)


def test_it_follows_the_theme_while_it_is_shown_and_has_the_buttons_on_code(open_notebook, api):
    page = open_notebook("look.ipynb", MADE)
    run(page)
    open_chat(page)
    chat = page.locator(".jp-Notebook clawdbot-chat")
    room = chat.locator("clawdbot-transcript").bounding_box()
    assert room is not None and room["height"] > 200, "of 320 px the conversation has most"
    expect(chat).to_have_js_property("theme", "light")
    for theme, wanted in (("JupyterLab Dark", "dark"), ("JupyterLab Light", "light")):
        page.locator(".lm-MenuBar-item", has_text="Settings").click()
        page.locator(".lm-Menu-item", has_text="Theme").first.hover()
        page.locator(".lm-Menu-item", has_text=theme).first.click()
        expect(chat).to_have_js_property("theme", wanted)
    chat.locator("#composer").fill("Code? [[text=Try:\n\n```python\nprint(40 + 2)\n```\n]]")
    chat.locator("#composer").press("Enter")
    chat.get_by_role("button", name="Insert below").click()
    expect(page.locator(".jp-Notebook .jp-Cell")).to_have_count(2)
