"""The panel beside a notebook, in a real JupyterLab: what it is told, what it can do, and whose keys are whose."""

from __future__ import annotations

import json
import re
import time
from contextlib import suppress

import pytest
from playwright.sync_api import Page, WebSocket, expect

from .page import answered, ask, cells, panel, run, told, wait_until
from .server import TOKEN

pytestmark = [pytest.mark.slow, pytest.mark.browser]

CODE = "[[text=Try this:\n\n```python\nprint(40 + 2)\n```\n]]"


def test_it_answers_knows_the_cell_in_front_and_puts_code_into_the_notebook(open_notebook, api):
    page = open_notebook("panel.ipynb", "prices = [3, 5, 8]", "other = 1")
    side = panel(page)
    expect(side.get_by_role("button", name="Cell 1")).to_have_attribute("aria-pressed", "true")
    ask(side, f"What is here? {CODE}")
    expect(side.locator(".code-bar [data-action=replace]")).to_have_count(1)  # of the answer; its question is no code
    assert "prices = [3, 5, 8]" in told(api) and "other = 1" not in told(api) and "panel.ipynb" in told(api)

    side.get_by_role("button", name="Insert below").click()
    expect(page.locator(".jp-Notebook .jp-Cell")).to_have_count(3)
    assert cells(page) == ["prices = [3, 5, 8]", "print(40 + 2)", "other = 1"]
    page.locator(".jp-Notebook .jp-Cell").nth(2).click()
    side.get_by_role("button", name="Replace cell 1").click()  # the one that was asked about, not the active one
    wait_until(page, lambda: cells(page) == ["print(40 + 2)", "print(40 + 2)", "other = 1"])
    side.get_by_role("button", name="Insert and run").click()
    expect(page.locator(".jp-OutputArea-output", has_text="42")).to_be_visible()
    assert len(cells(page)) == 4
    page.locator(".jp-Notebook .jp-InputPrompt").nth(3).click()

    side.get_by_role("button", name="Cell 4").click()  # taken out
    side.get_by_role("button", name="Notebook", exact=True).click()
    ask(side, "And the whole? [[text=ok]]")
    answered(side, "ok")
    assert "Cell 1 (code" in told(api) and "Cell 4 (code" in told(api)


def shape(page: Page) -> list[str]:
    """The kinds of the cells with their sources: what Lab's keys of command mode change."""
    return page.evaluate("""() => [...document.querySelectorAll(".jp-Notebook .jp-Cell")].map((cell) =>
        (cell.matches(".jp-CodeCell") ? "code " : "text ") + (cell.querySelector(".cm-content")?.textContent ?? ""))""")


def type_letters(page: Page) -> None:
    """Lab's keys for cells: above, below, delete, cut, to Markdown, to code."""
    for key in ("a", "b", "d", "d", "x", "m", "y"):
        page.keyboard.press(key)


def test_an_error_is_sent_with_its_cell_by_one_button(open_notebook, api):
    page = open_notebook("error.ipynb", "def ratio(a, b):\n    return a / b\nratio(1, 0)")
    page.locator(".jp-Notebook .jp-Cell").first.click()
    page.keyboard.press("Control+Enter")
    expect(page.locator(".jp-OutputArea-output", has_text="ZeroDivisionError").first).to_be_visible()
    page.get_by_role("button", name="Fix This Cell").click()
    expect(page.locator("#clawdbot-chat clawdbot-chat .connection[data-open=true]")).to_be_attached()
    wait_until(page, lambda: told(api) != "")
    assert "ZeroDivisionError: division by zero" in told(api) and "return a / b" in told(api)
    assert told(api).count('name="cell-1.md"') == 1, "the chip that is on and the error are one cell"
    assert "\\u001b" not in told(api) and "\x1b" not in told(api)


def test_variables_of_the_kernel_can_go_along(open_notebook, api):
    page = open_notebook("variables.ipynb", "a_list_of_mine = list(range(5))")
    side = panel(page)
    page.locator(".jp-Notebook .jp-Cell").first.click()
    page.keyboard.press("Control+Enter")
    side.get_by_role("button", name="a_list_of_mine").click()
    ask(side, "What is in it? [[text=numbers]]")
    answered(side, "numbers")
    assert "`a_list_of_mine`: list, 5 items" in told(api) and "[0, 1, 2, 3, 4]" in told(api)


def test_labs_keys_do_nothing_in_the_composer_and_the_composers_nothing_in_lab(open_notebook):
    page = open_notebook("keys.ipynb", "x = 1", "y = 2")
    side = panel(page)
    field = side.locator("#composer")
    field.click()
    before, left = cells(page), page.locator("#jp-left-stack").is_visible()
    page.keyboard.type("abddxmy")
    page.keyboard.press("Control+b")
    page.keyboard.press("Control+Shift+c")
    expect(field).to_have_value("abddxmy")
    assert cells(page) == before and page.locator("#jp-left-stack").is_visible() == left
    expect(page.locator(".lm-CommandPalette:visible")).to_have_count(0)
    page.locator(".jp-Notebook .jp-Cell").first.click()  # the same keys, outside: the test can fail
    page.keyboard.press("Escape")
    page.keyboard.press("d")
    page.keyboard.press("d")
    expect(page.locator(".jp-Notebook .jp-Cell")).to_have_count(1)


def test_the_widget_answers_while_a_cell_runs_and_its_keys_change_no_cell(open_notebook, api, lab):
    made = "from clawdbot_ext import ChatWidget\nchat = ChatWidget('widget', height='320px')\nchat"
    page = open_notebook("widget.ipynb", made, "import time\ntime.sleep(20)", "after = 1")
    page.locator(".jp-Notebook .jp-Cell").first.click()
    page.keyboard.press("Control+Enter")
    chat = page.locator(".jp-Notebook clawdbot-chat")
    expect(chat.locator(".connection[data-open=true]")).to_be_attached()
    page.locator(".jp-Notebook .jp-Cell").nth(1).click()
    page.keyboard.press("Control+Enter")
    expect(page.locator(".jp-InputPrompt", has_text="[*]")).to_have_count(1)
    ask(chat, "Are you there? [[text=While it runs.]]")
    answered(chat, "While it runs.")
    expect(page.locator(".jp-InputPrompt", has_text="[*]")).to_have_count(1)

    before = shape(page)
    chat.locator("#composer").click()
    type_letters(page)
    expect(chat.locator("#composer")).to_have_value("abddxmy")
    page.keyboard.press("Enter")
    expect(chat.locator("#composer")).to_have_value("")
    chat.get_by_role("button", name="Mention a file on the server").focus()
    type_letters(page)
    page.keyboard.press("Enter")
    expect(chat.locator("#composer")).to_be_focused()
    assert shape(page) == before

    page.get_by_role("button", name="Save and create checkpoint").click()
    wait_until(page, lambda: "widget-view" in (lab.work / "widget.ipynb").read_text())
    saved = (lab.work / "widget.ipynb").read_text()
    token = (lab.state / "jupyter" / "secrets" / "client").read_text().strip()
    assert "While it runs." not in saved and token not in saved and "sk-canary-key" not in saved

    page.locator(".jp-Notebook .jp-Cell").nth(2).click()  # the same keys on a cell: the test can fail
    page.keyboard.press("Escape")
    type_letters(page)
    assert shape(page) != before


def test_two_widgets_and_a_panel_are_one_client_and_a_reload_brings_the_panel_back(open_notebook, api, lab):
    page = open_notebook(
        "one.ipynb",
        "from clawdbot_ext import ChatWidget\nChatWidget('left', height='240px')",
        "ChatWidget('right', height='240px')",
    )
    sockets: list[WebSocket] = []
    is_chat = re.compile(r"/clawdbot/ws(?!\?role=)").search  # not that of the page's node
    page.on("websocket", lambda socket: sockets.append(socket) if is_chat(socket.url) else None)
    side = panel(page)
    run(page, 0)
    run(page, 1)
    chats = page.locator(".jp-Notebook clawdbot-chat")
    expect(chats.locator(".connection[data-open=true]")).to_have_count(2)
    ask(chats.nth(1), "Who? [[text=The right one.]]")
    answered(chats.nth(1), "The right one.")
    side.get_by_role("button", name="New session").click()
    expect(side.locator(".greeting")).to_be_visible()
    ask(side, "And here? [[text=The one at the side.]]")
    answered(side, "The one at the side.")
    expect(chats.first.locator("clawdbot-message")).to_have_count(0)
    assert len(sockets) == 1

    page.locator(".jp-Notebook .jp-InputPrompt").first.click()  # a widget goes, the others stay connected
    page.keyboard.press("d")
    page.keyboard.press("d")
    expect(chats).to_have_count(1)
    ask(chats, "Still? [[text=Still.]]")
    answered(chats, "Still.")

    wait_until(page, lambda: "agent:main:webchat:" in lab.workspace)
    page.reload()
    answered(side, "The one at the side.")
    assert len(sockets) == 2


def test_python_asks_and_the_widget_shows_it(open_notebook, api):
    page = open_notebook(
        "ask.ipynb",
        "from clawdbot_ext import ChatWidget\nfrom ipywidgets import VBox\nchat = ChatWidget('asked')\nVBox([chat])",
        "reply = chat.ask('From Python [[text=For Python.]]', attachments=[{'a': 1}])\nprint(reply.text.upper())\n"
        "print(len(chat.history), chat.stop())",
    )
    page.locator(".jp-Notebook .jp-Cell").first.click()
    page.keyboard.press("Shift+Enter")
    chat = page.locator(".jp-Notebook clawdbot-chat")
    expect(chat.locator(".connection[data-open=true]")).to_be_attached()
    page.keyboard.press("Shift+Enter")
    expect(page.locator(".jp-RenderedText", has_text="FOR PYTHON.")).to_be_visible()
    expect(page.locator(".jp-RenderedText", has_text="2 False")).to_be_visible()
    answered(chat, "For Python.")
    assert "`value-1`: dict, 1 items" in told(api)


def test_notebook_7_has_the_widget_the_panel_and_the_commands(open_notebook, api, lab):
    page = open_notebook(
        "seven.ipynb",
        "from clawdbot_ext import ChatWidget\nChatWidget('seven', height='320px')",
        "seventh = 7",
        at="notebooks",
    )
    run(page, 0)
    chat = page.locator(".jp-Notebook clawdbot-chat")
    expect(chat.locator(".connection[data-open=true]")).to_be_attached()
    ask(chat, "Here? [[text=In Notebook 7.]]")
    answered(chat, "In Notebook 7.")
    page.locator(".jp-Notebook .jp-Cell").nth(1).click()
    page.get_by_role("menuitem", name="View").click()
    page.get_by_role("menuitem", name="Open Clawdbot").click()
    side = page.locator("#clawdbot-chat clawdbot-chat")
    expect(side.locator("button.context", has_text="Cell 2")).to_have_attribute("aria-pressed", "true")
    ask(side, f"And the cell? {CODE}")
    wait_until(page, lambda: "And the cell?" in told(api))
    expect(side.locator("article.user", has_text="And the cell?")).to_be_visible()
    reply = side.locator("clawdbot-message").last  # older ones may be about a cell of the same id in another notebook
    reply.get_by_role("button", name="Insert below cell 2", exact=True).click()
    expect(page.locator(".jp-Notebook .jp-Cell")).to_have_count(3)
    assert "seventh = 7" in told(api)
    due, saved = 0.0, list[str]()

    def is_saved() -> bool:
        nonlocal due, saved
        if time.monotonic() > due:  # again: the key may come while the page gives the focus back
            page.locator(".jp-Notebook .jp-Cell").nth(1).click()
            page.keyboard.press("Control+s")
            due = time.monotonic() + 5
        with suppress(json.JSONDecodeError):  # it is being written
            stored = json.loads((lab.work / "seven.ipynb").read_text())
            saved = ["".join(cell["source"]) for cell in stored["cells"]][1:]
        return len(saved) == 2

    wait_until(page, is_saved)
    assert saved == ["seventh = 7", "print(40 + 2)"]  # the document's own order, whatever is drawn


def test_notebook_7_opens_the_chat_in_a_tab_of_the_browser_and_offers_no_tab_of_its_own(open_notebook, lab):
    page = open_notebook("tabs.ipynb", "x = 1", at="notebooks")
    page.locator(".jp-Notebook .jp-InputPrompt").first.click()
    page.keyboard.press("Control+Shift+c")
    offered = page.locator(".lm-CommandPalette:visible .lm-CommandPalette-item", has_text="Clawdbot")
    expect(offered.filter(has_text="Open Clawdbot in the Browser")).to_be_visible()
    expect(offered.filter(has_text="Open Clawdbot in a Tab")).to_have_count(0)
    with page.context.expect_page() as opened:
        offered.filter(has_text="Open Clawdbot in the Browser").click()
    chat = opened.value
    expect(chat.locator("clawdbot-chat #composer")).to_be_visible()
    assert chat.url.startswith(f"{lab.url}clawdbot/chat")


def test_the_control_ui_of_the_mount_stays_below_the_servers_address(browser, lab):
    page = browser.new_page(locale="en-US")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    mount, title = f"{lab.url}clawdbot/", page.locator(".pane:visible h1")
    page.goto(f"{mount}?token={TOKEN}#/logs")
    expect(title).to_have_text("Logs")
    expect(page).to_have_url(f"{mount}#/logs")
    for name in ("Overview", "Config"):
        page.locator(".control-nav").get_by_role("link", name=name, exact=True).click()
        expect(title).to_have_text(name)
        expect(page).to_have_url(re.compile(rf"{re.escape(mount)}(\?session=[^#]*)?#/{name.lower()}$"))
    page.reload()
    expect(title).to_have_text("Config")
    page.locator(".control-nav").get_by_role("link", name="Chat", exact=True).click()
    expect(page.locator("#composer")).to_be_focused()
    # From the chat alone, beside it.
    page.goto(f"{mount}chat")
    page.get_by_role("button", name="Settings").click()
    page.get_by_role("link", name="All settings").click()
    expect(title).to_have_text("Config")
    expect(page).to_have_url(f"{mount}#/config")
    assert [url for url in asked if not url.startswith((mount, "data:", "blob:"))] == []
    page.context.close()


def test_the_settings_page_of_a_korean_lab_is_in_korean(open_notebook, lab):
    language = lab.folder / "settings" / "@jupyterlab" / "translation-extension" / "plugin.jupyterlab-settings"
    language.parent.mkdir(parents=True, exist_ok=True)
    language.write_text(json.dumps({"locale": "ko_KR"}))
    try:
        page = open_notebook("korean.ipynb", "x = 1")
        page.keyboard.press("Control+,")
        page.locator(".jp-PluginList-entry", has_text="Clawdbot").click()
        form = page.locator(".jp-SettingsForm", has_text="패널 위치")
        expect(form.get_by_text("JupyterLab에서 채팅 패널을 표시할 위치예요.")).to_be_visible()
        expect(form.get_by_text("기본으로 함께 보낼 내용")).to_be_visible()
        expect(form.locator("select").first.locator("option:checked")).to_have_text("오른쪽")
        form.locator("select").last.select_option(label="노트북 전체")
        kept = lab.folder / "settings" / "jupyter-clawdbot" / "plugin.jupyterlab-settings"
        wait_until(page, lambda: kept.exists() and '"notebook"' in kept.read_text())
        kept.unlink()
    finally:
        language.unlink()


def test_esc_goes_back_to_the_notebook_and_a_second_alt_c_closes_the_panel(open_notebook):
    page = open_notebook("back.ipynb", "x = 1", "y = 2")
    page.locator(".jp-Notebook .jp-InputPrompt").first.click()
    page.keyboard.press("Alt+c")
    field = page.locator("#clawdbot-chat clawdbot-chat #composer")
    expect(field).to_be_focused()
    page.keyboard.type("half a")
    page.keyboard.press("Escape")
    expect(field).not_to_be_focused()
    page.keyboard.press("ArrowDown")  # it is the notebook's key again
    expect(page.locator(".jp-Notebook .jp-Cell").nth(1)).to_have_class(re.compile("jp-mod-active"))
    page.keyboard.press("Alt+c")
    expect(field).to_be_focused()
    expect(field).to_have_value("half a")
    page.keyboard.press("Alt+c")
    expect(page.locator("#clawdbot-chat")).to_be_hidden()
    page.keyboard.press("ArrowUp")
    expect(page.locator(".jp-Notebook .jp-Cell").first).to_have_class(re.compile("jp-mod-active"))


def test_a_second_alt_c_closes_the_panel_in_notebook_7_too(open_notebook):
    page = open_notebook("back-seven.ipynb", "x = 1", "y = 2", at="notebooks")
    page.locator(".jp-Notebook .jp-InputPrompt").first.click()
    page.keyboard.press("Alt+c")
    expect(page.locator("#clawdbot-chat clawdbot-chat #composer")).to_be_focused()
    page.keyboard.press("Alt+c")
    expect(page.locator("#clawdbot-chat")).to_be_hidden()
    page.keyboard.press("ArrowDown")  # it is the notebook's key again
    expect(page.locator(".jp-Notebook .jp-Cell").nth(1)).to_have_class(re.compile("jp-mod-active"))


def test_fix_with_a_draft_sends_the_question_by_itself_and_keeps_the_draft(open_notebook, api):
    page = open_notebook("draft.ipynb", "1 / 0")
    side = panel(page)
    run(page, 0)
    answers = side.locator("article.assistant .meta")
    before = answers.count()
    side.locator("#composer").fill("half a thought")
    page.locator(".jp-Notebook .jp-InputPrompt").first.click()
    page.get_by_role("button", name="Fix This Cell").click()
    expect(side.get_by_text("This cell fails. Find the cause").last).to_be_visible()
    expect(side.locator("#composer")).to_have_value("half a thought")
    expect(answers).to_have_count(before + 1, timeout=60_000)
    assert "This cell fails." in told(api) and "1 / 0" in told(api) and "half a thought" not in told(api)


def test_lab_settings_choose_the_side_and_what_goes_along_and_the_launcher_opens_a_tab(open_notebook, api, lab):
    chosen = lab.folder / "settings" / "jupyter-clawdbot" / "plugin.jupyterlab-settings"
    chosen.parent.mkdir(parents=True, exist_ok=True)
    chosen.write_text(json.dumps({"side": "left", "goesAlong": "notebook"}))
    try:
        page = open_notebook("settings.ipynb", *(f"cell{number} = 1" + "\n# long" * 800 for number in range(20)))
        side = panel(page)
        expect(page.locator("#jp-left-stack #clawdbot-chat")).to_be_visible()
        ask(side, "What is in it? [[text=twenty cells]]")
        answered(side, "twenty cells")
        assert "settings.ipynb" in told(api) and "cell18 = 1" in told(api) and "cell19 = 1" in told(api)
        assert "cell1 = 1" not in told(api)  # of a long notebook the end
        page.get_by_role("menuitem", name="File").click()
        page.get_by_role("menuitem", name="New Launcher").click()
        page.locator(".jp-Launcher").get_by_text("Clawdbot", exact=False).first.click()
        expect(page.locator("#jp-main-dock-panel clawdbot-chat .connection[data-open=true]")).to_be_attached()
    finally:
        chosen.unlink()
