"""Walks the README's step in JupyterLab and takes its pictures: ``python -m scripts.lab_screenshots``.

A real JupyterLab with this checkout's extension and the demo; the cell is the README's own. It fails, is fixed from the
panel, and the terminal shows the same conversation. Needs what ``scripts.screenshots`` needs, and a built extension.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Locator, Page, ViewportSize, expect, sync_playwright

from scripts.screenshots import COLUMNS, IMAGES, PHONE, TERMINAL, as_html, screen_with, settled, window
from tests.e2e.lab.server import TOKEN, Lab
from tests.support.tools import TOOLS

README = Path(__file__).resolve().parent.parent / "README.md"
WIDE = ViewportSize(width=1400, height=860)
APPROVALS: Mapping[str, dict[str, Any]] = {
    "approval": {},
    "approval-390": {"viewport": PHONE},
    "approval-ko": {"locale": "ko-KR", "scheme": "dark"},
}
"""The windows in which a question is photographed, by the picture's name."""
LINES = 30
PATIENCE_MS = 60_000


def main() -> int:
    """Take the pictures. Returns the exit code."""
    chromium = TOOLS["chromium"].find()
    if chromium is None or TOOLS["tmux"].find() is None:
        print("needs chromium and tmux, see CONTRIBUTING.md", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        expect.set_options(timeout=PATIENCE_MS)
        lab = Lab(Path(folder, "lab"))
        lab.write("ratio.ipynb", cell())
        lab.start()
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        try:
            with window(browser, viewport=WIDE) as context:
                context.set_default_timeout(PATIENCE_MS)
                fix(context.new_page(), lab)
            photograph_hands(browser, lab)
            photograph_terminal(browser, lab)
        finally:
            browser.close()
            lab.stop()
    return 0


def cell() -> str:
    """The cell of the README's five minutes."""
    found = re.search(r"^( *)```python\n(.+?)^\1```", README.read_text(encoding="utf-8"), re.M | re.S)
    assert found, "README.md has no cell"
    return "\n".join(line.removeprefix(found[1]) for line in found[2].rstrip().split("\n"))


def fix(page: Page, lab: Lab) -> None:
    """The cell fails, the panel answers, the code goes into the cell."""
    page.goto(f"{lab.url}lab/tree/ratio.ipynb?token={TOKEN}&reset")
    expect(page.get_by_role("button", name="| Idle")).to_be_visible()
    run(page)
    expect(shown(page, "ZeroDivisionError")).to_be_visible()
    page.get_by_role("button", name="Fix This Cell").click()
    replace = page.locator("#clawdbot-chat").get_by_role("button", name="Replace cell")
    expect(replace).to_be_visible()
    expect(page.locator("#clawdbot-chat article[aria-busy]")).to_have_count(0)
    page.screenshot(path=IMAGES / "lab.png")
    replace.click()
    run(page)
    expect(shown(page, "nan")).to_be_visible()
    page.screenshot(path=IMAGES / "lab-fixed.png")


def run(page: Page) -> None:
    """Run the notebook's cell."""
    page.locator(".jp-Notebook .jp-Cell .cm-content").first.click()
    page.keyboard.press("Control+Enter")


def shown(page: Page, text: str) -> Locator:
    """The output with that text."""
    return page.locator(".jp-OutputArea-output", has_text=text).first


def photograph_hands(browser: Browser, lab: Lab) -> None:
    """The demo's question before it adds a cell: in Lab, on the page, on a phone, and in Korean in the dark."""
    lab.write("temperatures.ipynb", "temperatures = [21, 24, 19]")
    with window(browser, viewport=WIDE) as context:
        page = context.new_page()
        page.goto(f"{lab.url}lab/tree/temperatures.ipynb?token={TOKEN}&reset")
        expect(page.get_by_role("button", name="| Idle")).to_be_visible()
        side = page.locator("#clawdbot-chat clawdbot-chat")
        if side.count() == 0 or not side.is_visible():
            page.get_by_role("tab", name="Clawdbot Chat").first.click()
        expect(side.locator(".connection[data-open=true]")).to_be_attached()
        side.locator("#composer").fill("Add a cell and run it.")
        side.locator("#composer").press("Enter")
        expect(side.locator("section.approval .button.primary")).to_be_enabled()
        page.screenshot(path=IMAGES / "lab-approval.png")
        for name, look in APPROVALS.items():
            with window(browser, **look) as other:
                chat = other.new_page()
                chat.goto(f"{lab.url}clawdbot/chat?token={TOKEN}")
                expect(chat.locator("section.approval .button.primary")).to_be_enabled()
                chat.screenshot(path=IMAGES / f"{name}.png")


def photograph_terminal(browser: Browser, lab: Lab) -> None:
    """``clawdbot chat`` with what was said in the panel."""
    tmux = ["tmux", "-L", f"clawdbot-lab-{lab.port}", "-f", "/dev/null"]
    env = {**lab.environment, "LC_ALL": "C.UTF-8", "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    chat = shlex.join([sys.executable, "-m", "clawdbot_ext", "chat"])
    subprocess.run([*tmux, "new-session", "-d", "-x", str(COLUMNS), "-y", str(LINES), chat], check=True, env=env)
    try:
        screen_with(tmux, "ratio(3, 0)", "\n›")
        drawn = settled(tmux)
    finally:
        subprocess.run([*tmux, "kill-server"], check=False)
    with window(browser, viewport=WIDE) as context:
        page = context.new_page()
        page.set_content(TERMINAL.format(code=as_html(drawn)))
        page.locator("#screen").screenshot(path=IMAGES / "lab-terminal.png")


if __name__ == "__main__":
    sys.exit(main())
