"""Context that goes along with a message, in a real JupyterLab: what a chip says is what is sent."""

from __future__ import annotations

import base64
import json
import re
import sys

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.support.media import png

from .test_panel import answered, ask, panel, run, told

pytestmark = [pytest.mark.slow, pytest.mark.browser]


def cell(page: Page, number: int) -> Locator:
    return page.locator(".jp-Notebook .jp-Cell").nth(number - 1)


def chip(side: Locator, name: str) -> Locator:
    return side.locator(".contexts").get_by_role("button", name=name, exact=True)


def test_a_command_beside_a_notebook_is_answered_without_the_model(open_notebook, api):
    page = open_notebook("command.ipynb", "first = 1")
    side = panel(page)
    expect(chip(side, "Cell 1")).to_have_attribute("aria-pressed", "true")
    for typed in ("/whoami", "/statsu"):
        ask(side, typed)
        expect(side.locator(".card-title", has_text=typed).last).to_be_visible()
        expect(side.get_by_text("Kept for your next message: Cell 1").last).to_be_visible()
    assert told(api) == ""
    ask(side, "And this is none. [[text=asked]]")
    answered(side, "asked")
    assert "first = 1" in told(api), "the cell waited for the next message"
    side.locator("#composer").fill(" /whoami [[text=as text]]")
    side.locator("#composer").press("Enter")
    answered(side, "as text")


def test_ask_is_about_its_cell_whatever_is_clicked_afterwards(open_notebook, api):
    page = open_notebook("ask-about.ipynb", *(f"number_{n} = {n}" for n in range(1, 5)))
    side = panel(page)
    cell(page, 1).click()
    page.keyboard.press("Alt+q")
    expect(chip(side, "Cell 1")).to_be_visible()
    cell(page, 4).click()
    expect(chip(side, "Cell 1")).to_have_attribute("aria-pressed", "true")
    ask(side, "What is this? [[text=the first]]")
    answered(side, "the first")
    assert "number_1 = 1" in told(api) and "number_4" not in told(api)
    expect(chip(side, "Cell 4")).to_be_visible()

    cell(page, 2).click()
    page.keyboard.press("Alt+q")
    expect(chip(side, "Cell 2")).to_be_visible()
    cell(page, 1).locator(".jp-InputPrompt").click()
    page.keyboard.press("a")  # a cell above: it is the third now, and called so
    expect(chip(side, "Cell 3")).to_be_visible()
    cell(page, 3).locator(".jp-InputPrompt").click()
    page.keyboard.press("d")
    page.keyboard.press("d")
    before = told(api)
    ask(side, "And now? [[text=without it]]")
    expect(side.get_by_role("alert")).to_contain_text("Not sent yet: Cell 3 could not be read. The cell was deleted.")
    assert told(api) == before
    side.locator("#composer").press("Enter")
    answered(side, "without it")
    assert "number_2" not in told(api)


def drag(page: Page, source: Locator, target: Locator) -> None:
    """As a hand does: Lumino begins a drag after some pixels, and needs moves over its target."""
    start, end = source.bounding_box(), target.bounding_box()
    assert start and end
    page.mouse.move(start["x"] + 10, start["y"] + start["height"] / 2)
    page.mouse.down()
    page.mouse.move(start["x"] + 30, start["y"] + start["height"] / 2 + 12, steps=4)
    page.mouse.move(end["x"] + end["width"] / 2, end["y"] + end["height"] / 2, steps=8)
    page.mouse.up()


def test_files_of_the_file_browser_are_attached_by_a_drag_and_a_folder_says_why_not(open_notebook, api, lab):
    (lab.work / "dragged").mkdir()
    (lab.work / "dragged" / "inside").mkdir()
    (lab.work / "dragged" / "측정 값.csv").write_text("city,people\nSeoul,9\n")
    page = open_notebook("drag.ipynb", "first = 1")
    files = page.locator(".jp-DirListing-item")
    side = panel(page)
    page.get_by_role("tab", name="File Browser").first.click() if not files.first.is_visible() else None
    files.filter(has_text="dragged").dblclick()
    expect(files.filter(has_text="측정 값.csv")).to_be_visible()
    drag(page, files.filter(has_text="측정 값.csv"), side)
    attached = side.locator(".chip[data-state=ready]")
    expect(attached).to_contain_text("측정 값.csv")
    drag(page, files.filter(has_text="inside"), side)
    expect(page.get_by_text("inside could not be attached: it is a folder")).to_be_visible()
    ask(side, "Who lives there? [[text=nine]]")
    answered(side, "nine")
    assert "Seoul,9" in told(api)


def test_dropped_cells_stay_until_they_are_sent(open_notebook, api):
    page = open_notebook("drop.ipynb", "first = 1", "second = 2", "third = 3")
    side = panel(page)
    cell(page, 2).click()
    drag(page, cell(page, 2).locator(".jp-InputPrompt"), side)
    cell(page, 3).click()
    expect(chip(side, "Cell 3")).to_be_visible()
    expect(chip(side, "Cell 2")).to_be_visible()
    ask(side, "Both? [[text=both]]")
    answered(side, "both")
    assert "second = 2" in told(api) and "third = 3" in told(api) and "first = 1" not in told(api)
    expect(chip(side, "Cell 2")).to_have_count(0)


def test_selected_text_is_what_is_selected_in_a_cell_or_its_output(open_notebook, api):
    page = open_notebook("selected.ipynb", "alpha = 1\nbeta = 2\nprint('gamma delta')")
    side = panel(page)
    run(page, 0)
    output = page.locator(".jp-OutputArea-output", has_text="gamma delta")
    expect(output).to_be_visible()
    expect(chip(side, "Selected text")).to_have_count(0)
    cell(page, 1).locator(".cm-line").nth(1).click(click_count=3)
    expect(chip(side, "Selected text")).to_be_visible()
    chip(side, "Cell 1").click()
    chip(side, "Selected text").click()
    ask(side, "This? [[text=one line]]")
    answered(side, "one line")
    assert "beta = 2" in told(api) and "alpha" not in told(api)
    page.evaluate("""() => { const range = document.createRange();
        range.selectNodeContents(document.querySelector(".jp-OutputArea-output pre"));
        const selection = getSelection(); selection.removeAllRanges(); selection.addRange(range); }""")
    expect(chip(side, "Selected text")).to_have_attribute("title", re.compile("gamma delta"))
    ask(side, "And that? [[text=output]]")
    answered(side, "output")
    assert "gamma delta" in told(api)


def test_variables_need_nothing_of_ours_in_the_kernel_and_say_what_was_left_out(open_notebook, api, lab):
    kernels = lab.folder / "share" / "kernels" / "bare"
    kernels.mkdir(parents=True)
    (lab.folder / "bare.py").write_text(
        "import sys\nsys.modules['clawdbot_ext'] = None\n"
        "from ipykernel.kernelapp import launch_new_instance\nlaunch_new_instance()\n"
    )
    (kernels / "kernel.json").write_text(
        json.dumps(
            {
                "argv": [sys.executable, str(lab.folder / "bare.py"), "-f", "{connection_file}"],
                "display_name": "Bare",
                "language": "python",
            }
        )
    )
    page = open_notebook(
        "bare.ipynb",
        "type = list = globals = 0\nclass Kind: pass\nmany = {n: 'x' * 50 for n in "
        "range(200_000)}\nfew = ['안녕', \"it's\\n\"]",
        kernel="bare",
    )
    side = panel(page)
    run(page, 0)
    chip(side, "few").click()
    chip(side, "many").click()
    expect(chip(side, "Kind")).to_have_count(0)
    ask(side, "What is in it? [[text=words]]")
    answered(side, "words")
    assert "`few`: list, 2 items, `['안녕', \"it's\\n\"]`" in told(api)
    assert "`many`: dict, 200000 items" in told(api)
    expect(side.get_by_text("many: 199,000 items are left out")).to_be_visible()


def test_a_busy_kernel_is_told_to_the_person_and_nothing_to_the_model(open_notebook, api):
    page = open_notebook("busy.ipynb", "held = 1", "import time\ntime.sleep(25)")
    side = panel(page)
    run(page, 0)
    chip(side, "held").click()
    run(page, 1)
    before = told(api)
    ask(side, "What is it? [[text=unknown]]")
    expect(side.get_by_role("alert")).to_contain_text("Not sent yet: held could not be read. The kernel is busy.")
    expect(side.locator("#composer")).to_have_value("What is it? [[text=unknown]]")
    expect(chip(side, "held")).to_have_attribute("aria-pressed", "false")
    assert told(api) == before
    side.locator("#composer").press("Enter")
    answered(side, "unknown")
    assert "kernel" not in told(api).lower().replace("kernelspec", "")


PNG = base64.b64encode(png(8, 8)).decode()
PLOT = {"output_type": "display_data", "metadata": {}, "data": {"image/png": PNG, "text/plain": "<Figure>"}}


def test_the_preview_shows_exactly_what_goes_along_with_its_size(open_notebook, api):
    page = open_notebook("preview.ipynb", ("plot()", [PLOT]))
    side = panel(page)
    expect(chip(side, "Cell 1")).to_be_visible()
    button = side.get_by_role("button", name="Preview", exact=True)
    button.focus()
    page.keyboard.press("Enter")
    dialog = side.get_by_role("dialog", name="What is sent with your message")
    expect(dialog.get_by_role("heading", name="Cell 1 · preview.ipynb")).to_be_visible()
    shown = dialog.locator("pre").first.inner_text()
    expect(dialog.locator("img")).to_have_js_property("naturalWidth", 8)
    size = len(shown.encode())
    expect(dialog.locator("figcaption").first).to_contain_text(f"cell-1.md{size} bytes")
    expect(dialog.get_by_text("in total")).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(button).to_be_focused()
    ask(side, "What is it? [[text=a plot]]")
    answered(side, "a plot")
    assert shown in told(api) and '"image/png"' in told(api)
    chip(side, "Cell 1").click()
    expect(button).to_have_count(0)
