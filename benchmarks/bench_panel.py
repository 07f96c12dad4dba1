"""Time until the chat is open in JupyterLab: ``python -m benchmarks.bench_panel [--runs 5]``.

A real Lab and a real Chromium. From the press on the panel's tab until the frame after its message field is there:
``cold``: a browser that was never here, ``warm``: Lab loaded again, with what the browser keeps. ``hovered``: cold,
with the pointer on the tab for ``HOVER_MS`` before the press, as hands have it. ``first`` is the first of all, for
which the server loads the gateway, too. The machine's other load is in the numbers: beside them stand its load
average and what Lab takes to open a panel of its own, which is all there.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.e2e.lab.server import TOKEN, Lab
from tests.support.tools import require

BUDGET_MS = {"warm": 300, "cold": 500, "hovered": 500}
HOVER_MS = 200
OURS, LABS = 'li[data-id="clawdbot-chat"]', 'li[data-id="jp-debugger-sidebar"]'
UNTIL = """([tab, shown]) => new Promise((done) => {
    const began = performance.now();
    const field = () => shown === "ours"
        ? document.querySelector("#clawdbot-chat clawdbot-chat")?.shadowRoot?.querySelector("#composer")
        : document.querySelector("#jp-debugger-sidebar:not(.lm-mod-hidden)");
    const look = () => field()?.getClientRects().length
        ? requestAnimationFrame(() => done(performance.now() - began)) : requestAnimationFrame(look);
    const at = document.querySelector(tab);
    const { x, y } = at.getBoundingClientRect();
    for (const type of ["pointerdown", "mousedown", "pointerup", "mouseup", "click"])
        at.dispatchEvent(new (type.startsWith("p") ? PointerEvent : MouseEvent)(type,
            { bubbles: true, cancelable: true, composed: true, button: 0, clientX: x + 5, clientY: y + 5 }));
    look();
})"""


def show(context: BrowserContext, lab: Lab) -> Page:
    """Lab, loaded and idle."""
    page = context.new_page()
    page.goto(f"{lab.url}lab?token={TOKEN}&reset")
    expect(page.locator(OURS)).to_be_visible(timeout=60_000)
    page.wait_for_load_state("networkidle")
    return page


def opened_ms(page: Page, tab: str, kind: str) -> float:
    return float(page.evaluate(UNTIL, [tab, kind]))


def run(browser: Browser, lab: Lab, seen: dict[str, list[float]]) -> None:
    """One of each, in windows of their own."""
    for kind in ("cold", "hovered"):
        context = browser.new_context(viewport={"width": 1400, "height": 860}, locale="en-US")
        page = show(context, lab)
        if kind == "hovered":
            page.locator(OURS).hover()
            page.wait_for_timeout(HOVER_MS)
        first = not seen["first"]
        seen["first" if first else kind].append(opened_ms(page, OURS, "ours"))
        seen["Lab's own"].append(opened_ms(page, LABS, "Lab's"))
        page.close()
        if kind == "cold":
            again = show(context, lab)
            seen["warm"].append(opened_ms(again, OURS, "ours"))
        context.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    seen: dict[str, list[float]] = {name: [] for name in ("first", "cold", "hovered", "warm", "Lab's own")}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        lab = Lab(Path(folder, "it"))
        lab.start()
        try:
            browser = playwright.chromium.launch(executable_path=require("chromium"), args=["--no-sandbox"])
            for _ in range(arguments.runs + 1):
                run(browser, lab, seen)
            browser.close()
        finally:
            lab.stop()
    print(f"load average {os.getloadavg()[0]:.1f}, {arguments.runs} runs, medians")
    for name, values in seen.items():
        budget = f"  budget {BUDGET_MS[name]}" if name in BUDGET_MS else ""
        print(f"{name:10} {statistics.median(values):6.0f} ms  ({min(values):.0f}–{max(values):.0f}){budget}")


if __name__ == "__main__":
    main()
