"""The hands in a notebook that two people have open together (jupyter-server-ydoc and jupyter-docprovider)."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from clawdbot_ext.protocol.revision import revision
from tests.support.strict_api import StrictAPI, call, wants

from .hands import Hands, gateway_client
from .page import ask, cells, panel, wait_until
from .server import TOKEN, Lab

pytest.importorskip("jupyter_docprovider", reason="needs jupyter-docprovider, of the extra `test`")
pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.timeout(300)]
PATH = "together.ipynb"
DIRTY, FAILING, CLEANED = "data = [3, None, 4]", "print('sum', sum(data))", "data = [3, 4]"


@pytest.fixture(scope="module")
def api() -> Iterator[StrictAPI]:
    with StrictAPI() as api:
        yield api


@pytest.fixture(scope="module")
def lab(tmp_path_factory, api: StrictAPI) -> Iterator[Lab]:
    made = Lab(
        tmp_path_factory.mktemp("together") / "it",
        env={"ANTHROPIC_API_KEY": "sk-canary-key", "ANTHROPIC_BASE_URL": api.url},
        together=True,
    )
    made.configure({"agents": {"defaults": {"autoTitle": False}}})
    made.start()
    yield made
    made.stop()


def opened(page: Page, lab: Lab) -> None:
    page.goto(f"{lab.url}lab/tree/{PATH}?token={TOKEN}&reset")
    expect(page.locator(".jp-Notebook .jp-Cell").first).to_be_visible(timeout=90_000)


def test_both_see_the_edit_the_run_and_the_undo_and_keep_what_they_typed(browser: Browser, lab: Lab, api: StrictAPI):
    lab.write(PATH, DIRTY, FAILING)
    ann = browser.new_page(viewport={"width": 1400, "height": 860}, locale="en-US")
    ben = browser.new_page(viewport={"width": 1400, "height": 860}, locale="en-US")
    try:
        opened(ann, lab)
        opened(ben, lab)
        with gateway_client(lab) as client:
            Hands(client, ann)
            Hands(client, ben)
        side = panel(ann)
        clean = call(
            "notebook_edit",
            path=PATH,
            ops=[{"op": "replace", "cell": "cell0", "rev": revision(DIRTY), "source": CLEANED}],
        )
        ask(side, f"clean it and run it {wants(clean, call('cell_run', path=PATH, cells=['cell0', 'cell1']))}")
        card = side.locator("section.approval", has_text="Change 1 cell in together.ipynb?")
        expect(card.locator(".line.ins")).to_contain_text(CLEANED)
        last = ben.locator(".jp-Notebook .jp-Cell").nth(1).locator(".cm-content")
        last.click()
        ben.keyboard.press("Control+End")
        ben.keyboard.type("  # mine")
        wait_until(ann, lambda: cells(ann)[1] == f"{FAILING}  # mine")
        card.get_by_role("button", name="Apply").click()
        for page in (ann, ben):
            wait_until(page, lambda page=page: cells(page) == [CLEANED, f"{FAILING}  # mine"])
        run = side.locator("section.approval", has_text="Run 2 cells in together.ipynb?")
        run.get_by_role("button", name="Run").click()
        for page in (ann, ben):
            expect(page.locator(".jp-Notebook .jp-OutputArea", has_text="sum 7")).to_have_count(1)
        expect(side.locator(".turn.assistant[aria-busy=true]")).to_have_count(0)
        assert api.refusals == []
        side.locator(".change").first.get_by_role("button", name="Undo").click()
        for page in (ann, ben):
            wait_until(page, lambda page=page: cells(page) == [DIRTY, f"{FAILING}  # mine"])

        def saved() -> list[str]:
            stored = json.loads((lab.work / PATH).read_text() or "{}")
            return ["".join(cell["source"]) for cell in stored.get("cells", [])]

        wait_until(ann, lambda: saved() == [DIRTY, f"{FAILING}  # mine"])
        ids = [cell["id"] for cell in json.loads((lab.work / PATH).read_text())["cells"]]
        assert ids == ["cell0", "cell1"]
    finally:
        ann.context.close()
        ben.context.close()
