"""Hostile answers in the outputs of cells: JupyterLab, Notebook 7, and what nbconvert makes of the notebook."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from playwright.sync_api import Page, expect

from tests.support.hostile import Canary, corpus

from .conftest import PATIENCE_MS

pytestmark = [pytest.mark.slow, pytest.mark.browser]

NUMBER = re.compile(r"Hostile reply number (\d+)")
FORMULA = "It is $x^2$."
BY_MAGICS = """%load_ext clawdbot_ext
from IPython.display import display
from clawdbot_ext import ChatWidget
shell = get_ipython()
shell.run_line_magic("clawdbot", "new <img src=x onerror=owned=1> ![](CANARY)")
for number in range(COUNT):
    shell.run_cell_magic("clawdbot", "", f"Hostile reply number {number}")
shell.run_line_magic("clawdbot", "sessions")
shell.run_line_magic("clawdbot", "status")
print("all were", "shown")"""
BY_WIDGET = """chat = ChatWidget("hostile-widget")
for number in range(COUNT):
    display(chat.ask(f"Hostile reply number {number}"))
print("all were", "shown")"""
PROBLEMS = """() => {
    const wrong = window.owned === undefined ? [] : ["a script ran"];
    const outputs = document.querySelectorAll(".jp-RenderedHTMLCommon, .jp-RenderedMarkdown");
    for (const output of outputs) for (const element of output.querySelectorAll("*")) {
        if (/^(img|script|iframe|object|embed|form|input|button|style|link|meta|base|svg)$/.test(element.localName)
            && !element.closest("mjx-container")) wrong.push(element.outerHTML);
        for (const { name, value } of element.attributes)
            if (/^(on|src|data-command)|action|ping/.test(name)
                || (/href/.test(name) && !/^(https?|mailto):/.test(value))) wrong.push(element.outerHTML);
    }
    return wrong;
}"""


def ran(page: Page, cell: int) -> None:
    page.locator(".jp-Notebook .jp-Cell").nth(cell).click()
    page.keyboard.press("Control+Enter")
    shown = page.locator(".jp-Notebook .jp-Cell").nth(cell).get_by_text("all were shown")
    expect(shown).to_be_attached(timeout=6 * PATIENCE_MS)


def harmless(page: Page) -> None:
    """Nothing ran, whatever is touched."""
    page.evaluate("""async () => {
        for (const element of document.querySelectorAll(".jp-OutputArea-output *"))
            for (const kind of ["mouseover", "focus", "load", "error"]) element.dispatchEvent(new Event(kind));
        await new Promise(requestAnimationFrame);
    }""")
    assert page.evaluate(PROBLEMS) == []


def test_r10_hostile_answers_run_nothing_and_fetch_nothing_in_outputs(open_notebook, browser, lab, api):
    with Canary() as canary:
        replies = [*corpus(canary.url), FORMULA]
        api.says = lambda asked: replies[int(found[1])] if (found := NUMBER.search(asked)) else "A title"
        facts = {"COUNT": str(len(replies)), "CANARY": canary.url}
        cells = [re.sub("|".join(facts), lambda found: facts[found[0]], cell) for cell in (BY_MAGICS, BY_WIDGET)]
        page = open_notebook("hostile.ipynb", *cells)
        dialogs: list[str] = []
        page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
        ran(page, 0)
        ran(page, 1)
        expect(page.locator("mjx-container:visible").last).to_be_attached()
        assert page.locator(".jp-OutputArea-output a[href^='http']").count() >= 10
        harmless(page)
        page.keyboard.press("Control+s")
        expect(page.locator(".jp-mod-dirty")).to_have_count(0)

        page.goto(f"{lab.url}notebooks/hostile.ipynb")  # kept, and trusted there
        expect(page.get_by_text("all were shown")).to_have_count(2, timeout=4 * PATIENCE_MS)
        expect(page.locator("mjx-container:visible").last).to_be_attached()
        harmless(page)

        subprocess.run(
            [sys.executable, "-m", "nbconvert", "--to", "html", "hostile.ipynb"],
            cwd=lab.work,
            check=True,
            env=lab.environment,
            capture_output=True,
            timeout=60,
        )
        page.route(re.compile(r"^https:"), lambda route: route.abort())  # nbconvert's own scripts
        page.goto((lab.work / "hostile.html").as_uri())
        expect(page.get_by_text("all were shown")).to_have_count(2)
        harmless(page)
        assert canary.asked == [] and dialogs == []
        page.evaluate("(url) => fetch(url, { mode: 'no-cors' })", canary.url)  # the test can fail
        assert canary.asked == ["/"]
