"""Draws the icons of the installed page from its favicon: ``python -m scripts.icons``. Needs chromium."""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.support.tools import TOOLS

PUBLIC = Path(__file__).resolve().parent.parent / "static" / "public"
ICONS = {"icon-192.png": (192, 0.86), "icon-512.png": (512, 0.86), "icon-maskable-512.png": (512, 0.6)}
"""File, edge in pixels, and how much of the edge the mark takes: what a system may mask needs room around it."""
GROUND = "#fbf3f0"


def main() -> int:
    """Draw all icons. Returns the exit code."""
    chromium = TOOLS["chromium"].find()
    if chromium is None:
        print("needs chromium, see CONTRIBUTING.md", file=sys.stderr)
        return 1
    mark = (PUBLIC / "favicon.svg").read_text(encoding="utf-8")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        for name, (edge, part) in ICONS.items():
            page = browser.new_page(viewport={"width": edge, "height": edge})
            ground = GROUND if "maskable" in name else "transparent"
            page.set_content(
                f'<body style="margin:0;display:grid;place-items:center;height:100vh;background:{ground}">'
                f'<div style="width:{part:.0%};display:grid">{mark}</div>'
            )
            page.screenshot(path=PUBLIC / name, omit_background=True)
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
