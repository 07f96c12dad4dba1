"""Duration of a step from cell to cell beside the panel: ``python -m benchmarks.bench_arrow [--cells 1000]``.

A real Lab in a real Chromium with a notebook of that many cells that have run. From the arrow key to the frame after
the next cell is active: ``closed`` with the panel out of view, ``open`` with it in view, by turns, so that the
machine's other load is in both. The budget is what ``open`` may take more than ``closed``.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

from tests.e2e.lab.server import TOKEN, Lab
from tests.support.tools import require

BUDGET = 1.10
STEPS = 10
TAB = 'li[data-id="clawdbot-chat"]'
ACTIVE = """() => {
    const notebook = document.querySelector(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook");
    const cell = notebook.querySelector(".jp-Cell.jp-mod-active");
    return notebook.matches(".jp-mod-commandMode") && notebook.contains(document.activeElement)
        ? Number(cell?.querySelector(".cm-content")?.textContent.match(/^value_(\\d+) /)?.[1]) : -1;
}"""
"""The number of the active cell, which its source begins with; -1 where a key would not be the notebook's."""
STEP = """(steps) => new Promise(async (done) => {
    const active = ACTIVE;
    const frame = () => new Promise((next) => requestAnimationFrame(() => setTimeout(next)));
    const taken = [], cells = [active()];
    for (let step = 0; step < steps; step++) {
        const began = performance.now();
        document.activeElement.dispatchEvent(new KeyboardEvent("keydown",
            { key: "ArrowDown", code: "ArrowDown", keyCode: 40, bubbles: true, cancelable: true, composed: true }));
        let frames = 0;
        do await frame(); while (active() === cells.at(-1) && ++frames < 200);
        await frame();
        taken.push(performance.now() - began);
        cells.push(active());
    }
    done([taken, cells]);
})""".replace("ACTIVE", ACTIVE)


def steps(page: Page) -> list[float]:
    """Milliseconds of each of some steps in command mode, from the first cell; each step is one cell on."""
    page.evaluate("document.querySelector('.jp-WindowedPanel-outer')?.scrollTo(0, 0)")
    page.wait_for_timeout(300)
    page.locator(".jp-Notebook .jp-Cell .jp-InputPrompt").first.click()
    page.keyboard.press("Escape")
    page.wait_for_timeout(1_000)
    taken, cells = page.evaluate(STEP, STEPS)
    assert cells == list(range(STEPS + 1)), f"the keys went elsewhere than to the notebook: {cells}"
    return list(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    seen: dict[str, list[float]] = {"closed": [], "open": []}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        lab = Lab(Path(folder, "it"))
        lab.start()
        try:
            output = [{"output_type": "stream", "name": "stdout", "text": "done\n" * 5}]
            lab.write("long.ipynb", *((f"value_{n} = {n}\nprint(value_{n})", output) for n in range(arguments.cells)))
            browser = playwright.chromium.launch(executable_path=require("chromium"), args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1400, "height": 860}, locale="en-US")
            page.goto(f"{lab.url}lab/tree/long.ipynb?token={TOKEN}&reset")
            expect(page.get_by_role("button", name="| Idle")).to_be_attached(timeout=60_000)
            steps(page)
            for _ in range(arguments.rounds):
                for kind in ("closed", "open"):
                    opened = page.locator("#clawdbot-chat").is_visible()
                    if opened != (kind == "open"):
                        page.locator(TAB).click()
                    seen[kind] += steps(page)
            browser.close()
        finally:
            lab.stop()
    closed, opened = (statistics.median(seen[kind]) for kind in ("closed", "open"))
    print(f"load average {os.getloadavg()[0]:.1f}, {arguments.cells} cells, {len(seen['open'])} steps each, medians")
    print(f"closed {closed:6.1f} ms\nopen   {opened:6.1f} ms  ×{opened / closed:.2f}, budget ×{BUDGET}")


if __name__ == "__main__":
    main()
