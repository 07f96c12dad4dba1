"""Effects of an answer's buttons on a notebook: to the cell that was asked about, wherever the focus is by then."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from .page import ask, cells, panel, run, wait_until
from .server import TOKEN

pytestmark = [pytest.mark.slow, pytest.mark.browser]

FIXED = "[[text=Try this:\n\n```python\nprint(40 + 2)\n```\n]]"
STATE = """() => { const notebook = document.querySelector(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook");
    const all = [...notebook.querySelectorAll(".jp-Cell")];
    return [all.findIndex((cell) => cell.matches(".jp-mod-active")),
            notebook.querySelector(".jp-WindowedPanel-outer").scrollTop]; }"""


def asked(page: Page, number: int, answer: str = FIXED) -> Locator:
    """The panel with an answer to a question about the cell of this number, from 1; another cell is active by now."""
    side = panel(page)
    page.locator(".jp-Notebook .jp-InputPrompt").nth(number - 1).click()
    expect(chip(side, number)).to_have_attribute("aria-pressed", "true")
    question = f"What is wrong? ({uuid.uuid4().hex})"
    ask(side, f"{question} {answer}")
    expect(side.locator("article.user", has_text=question)).to_be_visible()  # else the newest answer is an older one
    answer_now(side)
    return side


def chip(side: Locator, number: int) -> Locator:
    """The cell of this number, as it goes along."""
    return side.locator(".contexts .context", has_text=f"Cell {number}")


def answer_now(side: Locator) -> None:
    """The answer is whole. The tests share the main session, so there are others above it."""
    expect(side.locator("clawdbot-message").last.locator(".meta [data-action=regenerate]")).to_be_attached()


def act(side: Locator, name: str) -> Locator:
    """A button on the code of the newest answer."""
    return side.locator("clawdbot-message").last.locator(f".code-bar [data-action={name}]")


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def metadata(lab, name: str, number: int, **values: Any) -> None:
    """Give a cell of a notebook file metadata, before it is opened."""
    file = lab.work / name
    notebook = json.loads(file.read_text())
    notebook["cells"][number].update({k: v for k, v in values.items() if k == "cell_type"})
    notebook["cells"][number]["metadata"] = {k: v for k, v in values.items() if k != "cell_type"}
    if values.get("cell_type") == "markdown":
        del notebook["cells"][number]["outputs"], notebook["cells"][number]["execution_count"]
    file.write_text(json.dumps(notebook))


def test_replace_names_and_replaces_the_cell_that_was_asked_about(open_notebook):
    page = open_notebook("replace.ipynb", "ratio(1, 0)", "other = 1", "third = 3")
    side = asked(page, 1)
    page.locator(".jp-Notebook .jp-InputPrompt").nth(1).click()
    before = page.evaluate(STATE)
    expect(act(side, "replace")).to_have_text("Replace cell 1")
    act(side, "replace").click()
    wait_until(page, lambda: cells(page) == ["print(40 + 2)", "other = 1", "third = 3"])
    assert page.evaluate(STATE) == before, "neither the selection nor the view moved"

    page.locator(".jp-Notebook .jp-InputPrompt").nth(1).click()
    press(page, "z")
    wait_until(page, lambda: cells(page) == ["ratio(1, 0)", "other = 1", "third = 3"])
    act(side, "replace").click()
    wait_until(page, lambda: cells(page)[0] == "print(40 + 2)")
    page.locator(".jp-Notebook .cm-content").first.click()
    press(page, "Control+z")
    wait_until(page, lambda: cells(page)[0] == "ratio(1, 0)")


def test_a_cell_that_has_changed_since_is_shown_with_the_difference_first(open_notebook):
    page = open_notebook("changed.ipynb", "first = 1\nsecond = 2", "other = 1")
    side = asked(page, 1, "[[text=So:\n\n```python\nfirst = 1\nsecond = 20\n```\n]]")
    page.locator(".jp-Notebook .cm-content").first.click()
    press(page, "Control+End")
    page.keyboard.type("  # mine")
    act(side, "replace").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("The cell has changed since the question.")
    expect(dialog.locator("del")).to_have_text("- second = 2  # mine")
    expect(dialog.locator("ins")).to_have_text("+ second = 20")
    press(page, "Enter")  # on the button that has the focus, which is the harmless one
    expect(dialog).to_have_count(0)
    assert cells(page)[0].endswith("# mine")
    act(side, "replace").click()
    dialog.get_by_role("button", name="Replace").click()
    wait_until(page, lambda: cells(page)[0] == "first = 1\nsecond = 20")


def test_read_only_cells_and_prose_are_not_replaced_by_code(open_notebook, lab):
    page = open_notebook("empty.ipynb", "1")
    lab.write("kept.ipynb", "locked = 1", "text", "last = 1")
    metadata(lab, "kept.ipynb", 0, editable=False)
    metadata(lab, "kept.ipynb", 1, cell_type="markdown")
    page.goto(f"{lab.url}lab/tree/kept.ipynb?token={TOKEN}&reset")
    expect(page.locator(".jp-Notebook .jp-Cell")).to_have_count(3)
    side = asked(page, 1)
    act(side, "replace").click()
    expect(page.get_by_text("The cell is read-only.")).to_be_visible()
    assert cells(page)[0] == "locked = 1"

    page.locator(".jp-Notebook .jp-MarkdownCell").click()
    expect(chip(side, 2)).to_be_visible()
    ask(side, f"And the text? {FIXED}")
    expect(act(side, "insert")).to_have_text("Insert below cell 2")
    expect(act(side, "replace")).to_have_count(0)
    ask(side, "Better words? [[text=So:\n\n```markdown\nBetter *text*\n```\n]]")
    expect(act(side, "replace")).to_have_text("Replace cell 2")


def test_the_cell_is_found_after_a_reload_in_a_second_tab_and_when_it_has_moved(browser, open_notebook, lab):
    page = open_notebook("again.ipynb", "ratio(1, 0)", "other = 1")
    side = asked(page, 1)
    wait_until(page, lambda: lab.has_saved_panel("again.ipynb"))
    page.reload()
    expect(act(side, "replace")).to_have_text("Replace cell 1")
    page.locator(".jp-Notebook .jp-InputPrompt").first.click()
    press(page, "Escape", "a")
    expect(act(side, "replace")).to_have_text("Replace cell 2")

    second = browser.new_page(viewport={"width": 1400, "height": 860}, locale="ko-KR")
    second.goto(f"{lab.url}lab/workspaces/other/tree/again.ipynb?token={TOKEN}&reset")
    expect(act(panel(second), "replace")).to_have_text("Replace cell 1")
    act(panel(second), "replace").click()
    wait_until(second, lambda: cells(second) == ["print(40 + 2)", "other = 1"])
    second.context.close()
    assert cells(page)[1] == "ratio(1, 0)", "without collaboration these are two documents"

    page.locator(".jp-Notebook .jp-InputPrompt").nth(1).click()
    press(page, "Escape", "d", "d")
    expect(act(side, "replace")).to_have_count(0)
    expect(act(side, "insert")).to_have_text("Insert at the end")


def test_a_notebook_that_is_renamed_is_known_and_one_that_is_closed_is_opened(open_notebook, lab):
    page = open_notebook("before.ipynb", "ratio(1, 0)")
    side = asked(page, 1)
    page.keyboard.press("Escape")
    page.locator(".lm-TabBar-tab.jp-mod-current, .lm-DockPanel-tabBar .lm-TabBar-tab").first.click(button="right")
    page.get_by_role("menuitem", name="Rename Notebook").click()
    field = page.get_by_role("dialog").get_by_role("textbox")
    field.fill("after.ipynb")
    field.press("Enter")
    wait_until(page, (lab.work / "after.ipynb").exists)
    expect(act(side, "replace")).to_have_text("Replace cell 1")
    act(side, "replace").click()
    wait_until(page, lambda: cells(page) == ["print(40 + 2)"])


def test_a_closed_notebook_is_opened_by_the_button(open_notebook, lab):
    page = open_notebook("closed.ipynb", "ratio(1, 0)")
    side = asked(page, 1)
    page.locator(".lm-DockPanel-tabBar .lm-TabBar-tabCloseIcon").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Discard").click()
    expect(act(side, "open")).to_have_text("Open closed.ipynb")
    expect(act(side, "replace")).to_have_count(0)
    act(side, "open").click()
    expect(act(side, "replace")).to_have_text("Replace cell 1")


def test_only_the_kernels_language_is_run_and_only_failed_cells_are_fixed(open_notebook):
    page = open_notebook("languages.ipynb", "1 / 0", "fine = 1")
    blocks = "```sh\nls\n```\n\nand\n\n```py\nprint(6 * 7)\n```\n\nand\n\n```\nplain\n```"
    side = asked(page, 2, f"[[text=So:\n\n{blocks}\n]]")
    expect(act(side, "insert")).to_have_count(3)
    expect(act(side, "run")).to_have_count(1)
    act(side, "run").click()
    expect(page.locator(".jp-OutputArea-output", has_text="42")).to_be_visible()
    assert cells(page) == ["1 / 0", "fine = 1", "print(6 * 7)"]

    run(page, 0)
    expect(page.locator(".jp-OutputArea-output", has_text="ZeroDivisionError").first).to_be_visible()
    expect(page.get_by_role("button", name="Fix This Cell")).to_be_visible()
    page.locator(".jp-Notebook .jp-InputPrompt").nth(1).click()
    expect(page.get_by_role("button", name="Explain This Cell")).to_be_visible()
    expect(page.get_by_role("button", name="Fix This Cell")).to_have_count(0)


def test_r12_hidden_characters_in_code_are_shown_and_do_not_run(open_notebook):
    page = open_notebook("hidden.ipynb", "fine = 1")
    family = "👨\u200d👩\u200d👧"
    shown = f"smile = '{family}'\nadmin = False  #\u202e \u2066if really\nprint('a\u200bb')"
    side = asked(page, 1, f"[[text=So:\n\n```python\n{shown}\n```\n]]")
    act(side, "run").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("2: admin = False  #⟨U+202E⟩ ⟨U+2066⟩if really")
    expect(dialog).to_contain_text("3: print('a⟨U+200B⟩b')")
    expect(dialog).not_to_contain_text("smile")
    dialog.get_by_role("button", name="Cancel").click()
    assert cells(page) == ["fine = 1"]
    act(side, "run").click()
    dialog.get_by_role("button", name="Go on without them").click()
    expect(page.locator(".jp-OutputArea-output", has_text="ab")).to_be_visible()
    assert cells(page)[1] == f"smile = '{family}'\nadmin = False  # if really\nprint('ab')"


def test_a_question_that_waited_and_a_chat_in_a_cell_know_the_cell_too(open_notebook):
    page = open_notebook(
        "waits.ipynb", "from clawdbot_ext import ChatWidget\nChatWidget('main', height='600px')", "ratio(1, 0)"
    )
    side = panel(page)
    ask(side, "Take your time [[text=There.]] [[wait_ms=6000]]")
    expect(side.locator("article[aria-busy=true]")).to_be_visible()
    page.locator(".jp-Notebook .jp-InputPrompt").nth(1).click()
    expect(chip(side, 2)).to_be_visible()
    ask(side, f"What is wrong? {FIXED}")
    page.locator(".jp-Notebook .jp-InputPrompt").nth(0).click()
    expect(act(side, "replace")).to_have_text("Replace cell 2")
    run(page, 0)
    chat = page.locator(".jp-Notebook clawdbot-chat")
    expect(act(chat, "replace")).to_have_text("Replace cell 2")
    act(chat, "replace").click()
    wait_until(page, lambda: cells(page)[1] == "print(40 + 2)")
