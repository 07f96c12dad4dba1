"""Delays of the Control UI's tables: ``python -m benchmarks.bench_control [--sessions 1000]``.

A real gateway with so many sessions and 90 days of usage, and a real Chromium. Prints budget and seen, in milliseconds:
``usage.breakdown`` of 90 days (median of those after the first), a page of ``sessions.page``, and each tab from the
change of the address to its content, for the first time in a page. Exits 1 if a budget is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.support.seeding import DAY_MS, seed
from tests.support.server import GatewayProcess
from tests.support.tools import require
from tests.support.wire import wired

BUDGET = {"usage.breakdown": 5, "sessions.page": 20, "sessions": 300, "usage": 300}
"""The first two: what the gateway may take, asked over a socket."""
CONTENT = {"sessions": "clawdbot-control-sessions tr[data-row]", "usage": "clawdbot-usage-plot canvas"}
VISITS = 5
CALLS = 20
OPEN = """([tab, selector]) => new Promise((done) => {
    const began = performance.now();
    const look = () => {
        const roots = [...document.querySelectorAll("*")].map((each) => each.shadowRoot).filter(Boolean);
        if (roots.some((root) => root.querySelector(selector))) done(performance.now() - began);
        else requestAnimationFrame(look);
    };
    location.hash = `#/${tab}`;
    look();
})"""


async def ask(gateway: GatewayProcess) -> dict[str, float]:
    """Medians of the answers over one socket."""
    now = int(time.time() * 1000)
    edges = [now - days * DAY_MS for days in range(90, -1, -1)]
    seen = {}
    async with wired(gateway.ws_url, gateway.token) as wire:
        for name, params in (("usage.breakdown", {"edges": edges}), ("sessions.page", {"offset": 500})):
            taken = []
            for _ in range(CALLS):
                began = time.perf_counter()
                await wire.call(name, params)
                taken.append((time.perf_counter() - began) * 1000)
            print(f"{name:16} first {taken[0]:7.1f}")
            seen[name] = statistics.median(taken[1:])
    return seen


def look(gateway: GatewayProcess) -> dict[str, float]:
    """Medians of the tabs, each in a page that has shown none before."""
    taken: dict[str, list[float]] = {tab: [] for tab in CONTENT}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=require("chromium"), args=["--no-sandbox"])
        for tab, selector in CONTENT.items():
            for _ in range(VISITS):
                context = browser.new_context(viewport={"width": 1100, "height": 760})
                origin = {"Origin": gateway.url.rstrip("/")}
                context.request.post(gateway.url + "auth/login", data={"token": gateway.token}, headers=origin)
                page = context.new_page()
                page.goto(gateway.url)
                page.locator("#composer").wait_for(timeout=60_000)
                page.wait_for_load_state("networkidle")
                taken[tab].append(page.evaluate(OPEN, [tab, selector]))
                context.close()
        browser.close()
    return {tab: statistics.median(times) for tab, times in taken.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=1000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "state"
        state.mkdir(mode=0o700)
        seed(state, sessions=asked.sessions, now=int(time.time() * 1000))
        gateway = GatewayProcess(state)
        gateway.start()
        try:
            seen = {**asyncio.run(ask(gateway)), **look(gateway)}
        finally:
            gateway.stop()
    for name, ms in seen.items():
        print(f"{name:16} budget {BUDGET[name]:5} ms  seen {ms:7.1f} ms")
    return int(any(ms > BUDGET[name] for name, ms in seen.items()))


if __name__ == "__main__":
    sys.exit(main())
