"""The magics in a real JupyterLab: the link to the page, and *Run All Cells* after a failure."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from .conftest import PATIENCE_MS

pytestmark = [pytest.mark.slow, pytest.mark.browser]


def test_the_link_of_web_leads_to_the_page_of_this_server(open_notebook, lab):
    page = open_notebook("web.ipynb", "%load_ext clawdbot_ext\n%clawdbot web")
    page.locator(".jp-Notebook .jp-Cell").first.click()
    page.keyboard.press("Control+Enter")
    link = page.locator(".jp-OutputArea-output a", has_text="Open this conversation in the browser")
    expect(link).to_be_visible(timeout=2 * PATIENCE_MS)
    with page.context.expect_page() as opened:
        link.click()
    there = opened.value
    assert there.url.startswith(f"{lab.url}clawdbot/chat") and "code=" not in there.url
    expect(there.get_by_role("textbox").first).to_be_visible(timeout=2 * PATIENCE_MS)
    there.close()


def test_run_all_stops_at_a_failed_magic_and_shows_a_sentence(open_notebook):
    page = open_notebook(
        "stops.ipynb", "%load_ext clawdbot_ext\nprint('be' + 'gan')", "%clawdbot stauts", "print('went' + ' on')"
    )
    page.locator(".jp-Notebook .jp-Cell").first.click()
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    outputs = page.locator(".jp-OutputArea-output")
    expect(outputs.filter(has_text="Did you mean `status`?")).to_be_visible(timeout=2 * PATIENCE_MS)
    expect(page.locator(".jp-Notebook .jp-Cell").nth(2).locator(".jp-InputPrompt")).to_have_text("[ ]:")
    assert page.get_by_text("went on").count() == 0 and "Traceback" not in "".join(outputs.all_inner_texts())
