"""Delays of the Control UI: ``python -m benchmarks.bench_control [--sessions 1000] [--only open]``.

A real gateway with so many sessions and 90 days of usage, and a real Chromium. Prints budget and seen:

- ``usage.breakdown`` of 90 days and a page of ``sessions.page``, in milliseconds (median of those after the first);
- how much longer than ``/chat`` the page at ``/`` takes until a message can be sent, in percent of the median;
- each tab from the change of the address to its content, for the first time in a page, in milliseconds;
- the gateway's part of a core while a page rests in a tab, in percent;
- frames of the Logs tab while 10,000 lines a minute come, and the memory that its scripts hold then.

Exits 1 if a budget is missed. The machine's other load is in the numbers: its average stands in front of them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil
from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.bench_page import WATCH, p95
from tests.support.seeding import DAY_MS, seed
from tests.support.server import GatewayProcess
from tests.support.tools import require
from tests.support.wire import wired

CONTENT = {
    "overview": "clawdbot-control-overview .control-facts",
    "sessions": "clawdbot-control-sessions tr[data-row]",
    "usage": "clawdbot-usage-plot canvas",
    "models": "clawdbot-control-models .models-choice",
    "approvals": "clawdbot-control-approvals section",
    "devices": "clawdbot-control-devices tr[data-row]",
    "config": "clawdbot-control-config [data-setting]",
    "logs": "clawdbot-control-logs .log-line",
    "debug": "clawdbot-control-debug form",
}
BUDGET = {
    "usage.breakdown ms": 5,
    "sessions.page ms": 20,
    "open / over /chat %": 5,
    **{f"{tab} ms": 300 for tab in CONTENT},
    "idle overview %": 1,
    "idle logs %": 1,
    "log frame p95 ms": 20,
    "log heap MB": 60,
}
"""The first two: what the gateway may take, asked over a socket."""
VISITS = 5
OPENINGS = 15
CALLS = 20
IDLE_S = 30
FLOOD_S, LINES_A_SECOND = 20, 10_000 // 60
SEE_USABLE = """
    window.usable = new Promise((done) => {
        const look = () => {
            const root = document.querySelector("clawdbot-chat")?.shadowRoot;
            if (root?.querySelector(".connection[data-open=true]") && root.querySelector("#composer"))
                done(performance.now());
            else requestAnimationFrame(look);
        };
        look();
    });
"""
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
            print(f"{name:20} first {taken[0]:7.1f}")
            seen[f"{name} ms"] = statistics.median(taken[1:])
    return seen


def visit(browser: Browser, gateway: GatewayProcess) -> Page:
    """A page that is logged in, in a browser that has fetched nothing yet."""
    context = browser.new_context(viewport={"width": 1100, "height": 760})
    origin = {"Origin": gateway.url.rstrip("/")}
    context.request.post(gateway.url + "auth/login", data={"token": gateway.token}, headers=origin)
    return context.new_page()


def resting(browser: Browser, gateway: GatewayProcess) -> Page:
    """The Control UI with everything fetched that comes by itself."""
    page = visit(browser, gateway)
    page.goto(gateway.url)
    page.locator("#composer").wait_for(timeout=60_000)
    page.locator(".control-nav a").first.wait_for(timeout=60_000)
    page.wait_for_load_state("networkidle")
    return page


def openings(browser: Browser, gateway: GatewayProcess) -> dict[str, float]:
    """The two addresses in turn, so that what else the machine does meets both."""
    taken: dict[str, list[float]] = {"": [], "chat": []}
    for number in range(OPENINGS):
        for path in sorted(taken, reverse=number % 2 == 0):
            page = visit(browser, gateway)
            page.add_init_script(SEE_USABLE)
            page.goto(gateway.url + path)
            taken[path].append(page.evaluate("window.usable"))
            page.context.close()
    whole, alone = statistics.median(taken[""]), statistics.median(taken["chat"])
    print(f"usable after         / {whole:.0f} ms, /chat {alone:.0f} ms")
    return {"open / over /chat %": 100 * (whole / alone - 1)}


def tabs(browser: Browser, gateway: GatewayProcess) -> dict[str, float]:
    """Medians of the tabs, each in a page that has shown none before."""
    taken: dict[str, list[float]] = {tab: [] for tab in CONTENT}
    for tab, selector in CONTENT.items():
        for _ in range(VISITS):
            page = resting(browser, gateway)
            taken[tab].append(page.evaluate(OPEN, [tab, selector]))
            page.context.close()
    return {f"{tab} ms": statistics.median(times) for tab, times in taken.items()}


def idle(browser: Browser, gateway: GatewayProcess) -> dict[str, float]:
    """The gateway's part of a core while a page is looked at."""
    process, seen = psutil.Process(gateway.pid), {}
    for tab in ("overview", "logs"):
        page = resting(browser, gateway)
        page.evaluate(OPEN, [tab, CONTENT[tab]])
        page.wait_for_timeout(15_000)  # the overview's checks are over
        before = sum(process.cpu_times()[:2])
        page.wait_for_timeout(IDLE_S * 1000)
        seen[f"idle {tab} %"] = 100 * (sum(process.cpu_times()[:2]) - before) / IDLE_S
        page.context.close()
    return seen


def pour(path: Path, done: threading.Event) -> None:
    """Write lines into the log as the gateway does, until it is done."""
    number, due = 0, time.monotonic()
    while not done.is_set():
        with path.open("a") as log:
            for _ in range(LINES_A_SECOND // 10):
                number += 1
                meta = {"name": "benchmark", "logLevelName": "INFO"}
                line = {"0": "{}", "1": f"run r{number} of agent:main:a: line {number} " + "of the flood " * 8}
                log.write(json.dumps({**line, "_meta": meta, "time": "2026-01-01T00:00:00.000Z"}) + "\n")
        due += 0.1
        done.wait(max(0.0, due - time.monotonic()))


def flood(browser: Browser, gateway: GatewayProcess) -> dict[str, float]:
    """Frames and memory of the tab that follows a log in spate."""
    page = resting(browser, gateway)
    page.evaluate(OPEN, ["logs", CONTENT["logs"]])
    done = threading.Event()
    pouring = threading.Thread(target=pour, args=(gateway.home / "logs" / "gateway.log", done))
    pouring.start()
    try:
        page.wait_for_timeout(5_000)
        page.evaluate(WATCH)
        page.wait_for_timeout(FLOOD_S * 1000)
        frames = page.evaluate("seen.frames")
    finally:
        done.set()
        pouring.join()
    cdp = page.context.new_cdp_session(page)
    cdp.send("HeapProfiler.collectGarbage")
    heap = cdp.send("Runtime.getHeapUsage")["usedSize"] / 1e6
    page.context.close()
    return {"log frame p95 ms": p95(frames), "log heap MB": heap}


MEASURED = {"open": openings, "tabs": tabs, "idle": idle, "flood": flood}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=1000)
    parser.add_argument("--only", choices=MEASURED, help="this alone")
    asked = parser.parse_args()
    seen: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "state"
        state.mkdir(mode=0o700)
        seed(state, sessions=asked.sessions, now=int(time.time() * 1000))
        gateway = GatewayProcess(state)
        gateway.start()
        try:
            if asked.only is None:
                seen |= asyncio.run(ask(gateway))
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=require("chromium"), args=["--no-sandbox"])
                for name, measure in MEASURED.items():
                    if asked.only in (None, name):
                        seen |= measure(browser, gateway)
                browser.close()
        finally:
            gateway.stop()
    print(f"load {os.getloadavg()[0]:.1f}")
    for name, value in seen.items():
        print(f"{name:20} budget {BUDGET[name]:4}  seen {value:7.1f}")
    return int(any(value > BUDGET[name] for name, value in seen.items()))


if __name__ == "__main__":
    sys.exit(main())
