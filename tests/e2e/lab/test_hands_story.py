"""One piece of work from the wish to the undo: in JupyterLab, watched from a phone, found again after a restart."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from clawdbot_ext.protocol.revision import revision
from tests.support.strict_api import StrictAPI, call, wants

from .hands import Hands, gateway_client
from .page import ask, cells, panel, wait_until
from .server import TOKEN, Lab

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.timeout(300)]
PATH = "clean.ipynb"
DIRTY, FAILING = "data = [3, None, 4]", "print(sum(dta))"
CLEANED, MINE, FIXED = "data = [3, 4]", "data = [3, 0, 4]", "print(sum(data))"

SHOWN = """() => { globalThis.shown = new Promise((done) => new MutationObserver(() => {
    const line = document.querySelector(".clawdbot-mod-shown .cm-line"); if (line) done(line.textContent);
  }).observe(document.body, { subtree: true, attributes: true, attributeFilter: ["class"] })); }"""
"""Catches the frame that a cell has for a moment."""


@pytest.fixture(scope="module")
def api() -> Iterator[StrictAPI]:
    with StrictAPI() as api:
        yield api


@pytest.fixture(scope="module")
def lab(tmp_path_factory, api: StrictAPI) -> Iterator[Lab]:
    made = Lab(
        tmp_path_factory.mktemp("story") / "it",
        env={"ANTHROPIC_API_KEY": "sk-canary-key", "ANTHROPIC_BASE_URL": api.url},
    )
    made.configure({"agents": {"defaults": {"autoTitle": False}}})
    made.start()
    yield made
    made.stop()


def replaced(cell: str, old: str, new: str):
    return call("notebook_edit", path=PATH, ops=[{"op": "replace", "cell": cell, "rev": revision(old), "source": new}])


def work() -> str:
    """The wish, and how the model that obeys goes about it."""
    plot = [{"op": "insert", "after": "end", "type": "code", "source": "print('#' * sum(data))"}]
    steps = (
        replaced("cell0", DIRTY, CLEANED),
        call("notebook_edit", path=PATH, ops=plot),
        replaced("cell1", FAILING, FIXED),
        call("cell_run", path=PATH, cells=["cell0", "cell1"]),
    )
    return f"clean this data frame, plot it and fix the failing cell {wants(*steps)}"


def opened(page: Page, lab: Lab) -> None:
    page.goto(f"{lab.url}lab/tree/{PATH}?token={TOKEN}&reset")
    expect(page.locator(".jp-Notebook .jp-Cell").first).to_be_visible(timeout=90_000)


def card(side: Locator, title: str) -> Locator:
    found = side.locator("section.approval", has_text=title)
    expect(found.locator(".button.primary")).to_be_enabled()
    return found


def test_a_person_sees_edits_refuses_and_undoes_and_a_phone_shows_it_all(
    browser: Browser, lab: Lab, api: StrictAPI
) -> None:
    lab.write(PATH, DIRTY, FAILING)
    page = browser.new_page(viewport={"width": 1400, "height": 860}, locale="en-US")
    phone = browser.new_page(viewport={"width": 390, "height": 844}, locale="en-US")
    try:
        opened(page, lab)
        with gateway_client(lab) as client:
            Hands(client, page)
        phone.goto(f"{lab.url}clawdbot/chat?token={TOKEN}")
        expect(phone.locator("#composer")).to_be_visible()
        side = panel(page)
        ask(side, work())

        clean = card(side, "Change 1 cell in clean.ipynb?")
        expect(clean.locator(".line.ins")).to_contain_text(CLEANED)
        expect(phone.locator("section.approval .line.ins")).to_contain_text(CLEANED)
        assert cells(page) == [DIRTY, FAILING]
        page.evaluate(SHOWN)
        show = clean.get_by_role("button", name="Show Cell 1 in the notebook")
        show.click()
        assert page.evaluate("() => globalThis.shown") == DIRTY
        focused = page.evaluate("() => document.activeElement?.closest('.jp-Notebook') === null")
        assert focused, "the notebook took the focus"
        clean.get_by_role("button", name="Edit the text of Cell 1").click()
        clean.locator(".editor").fill(MINE)
        clean.locator(".editor").press("Escape")
        clean.get_by_role("button", name="Apply").click()

        plot = card(side, "New")
        assert cells(page) == [MINE, FAILING]
        plot.get_by_role("button", name="Give a reason…").click()
        plot.get_by_label("Why not?").fill("no plot in this notebook")
        plot.get_by_role("button", name="Deny").click()

        fix = card(side, FIXED)
        assert cells(page) == [MINE, FAILING]
        fix.get_by_role("button", name="Apply").click()

        run = card(side, "Run 2 cells in clean.ipynb?")
        assert cells(page) == [MINE, FIXED]
        run.get_by_role("button", name="Run").click()
        expect(page.locator(".jp-Notebook .jp-OutputArea").last).to_contain_text("7")
        for window in (side, phone.locator("clawdbot-chat")):
            expect(window.locator(".change")).to_have_count(2)
            expect(window.locator(".turn.assistant[aria-busy=true]")).to_have_count(0)
        assert "no plot in this notebook" in str(api.bodies) and MINE in str(api.bodies) and api.refusals == []

        lab.stop()
        lab.start()
        opened(page, lab)
        with gateway_client(lab) as client:
            Hands(client, page)
            side = panel(page)
            side.locator(".change").first.get_by_role("button", name="Undo").click()
            wait_until(page, lambda: cells(page) == [DIRTY, FIXED])
            phone.reload()
            expect(phone.locator(".change").first).to_contain_text("Undone")
            said = client.request("chat.history", {"sessionKey": "main"})["messages"]
            done = [(each["toolName"], bool(each.get("denied"))) for each in said if each["role"] == "toolResult"]
            edits = [("notebook_edit", False), ("notebook_edit", True), ("notebook_edit", False)]
            assert done == [*edits, ("cell_run", False)]
    finally:
        page.context.close()
        phone.context.close()
