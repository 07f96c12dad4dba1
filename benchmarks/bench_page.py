"""Delays of the page in a long conversation: ``python -m benchmarks.bench_page [--messages 10000] [--reply-kb 40]``.

A real gateway and a real Chromium. Prints budget and seen: first contentful paint (median of ``VISITS`` first visits;
that is the name, so when the message field is there is told, too), opening a session of many messages (median), frames
and long tasks while a long reply streams into it, and the Event Timing of keystrokes meanwhile. The machine's other
load is in the numbers: beside them stand its load average and what a page of one word, and one of one field, took.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from tests.e2e.web.chat import FILL
from tests.support.server import GatewayProcess
from tests.support.tools import require

BUDGET = {"fcp ms": 350, "open ms": 300, "frame p95 ms": 20, "long task ms": 100, "key p95 ms": 24}
NOTE = "Note {n} with **bold**, `code` and a [link](https://example.org).\n\n- one\n- two\n\n```py\nprint({n})\n```\n"
VISITS = 7
FIRST_PAINT = """() => new Promise((done) => new PerformanceObserver((list) => list.getEntries()
    .filter((entry) => entry.name === "first-contentful-paint").forEach((entry) => done(entry.startTime))
).observe({type: "paint", buffered: true}))"""
SEE_FIELD = """
    const look = () => document.querySelector("clawdbot-chat")?.shadowRoot?.querySelector("#composer")
        ? window.fieldAt = performance.now() : requestAnimationFrame(look);
    look();
"""
"""When the message field was there: the frame after."""
WATCH = """() => {
    const seen = window.seen = {frames: [], tasks: [], keys: []};
    let last = performance.now();
    const frame = (now) => { seen.frames.push(now - last); last = now; requestAnimationFrame(frame); };
    requestAnimationFrame(frame);
    new PerformanceObserver((list) => seen.tasks.push(...list.getEntries().map((e) => e.duration)))
        .observe({type: "longtask"});
    const keysBefore = performance.eventCounts.get("keydown");
    seen.fast = () => performance.eventCounts.get("keydown") - keysBefore - seen.keys.length;
    new PerformanceObserver((list) => seen.keys.push(...list.getEntries()
        .filter((e) => e.name === "keydown").map((e) => e.duration))).observe({type: "event", durationThreshold: 16});
}"""
KEYS = "() => [...seen.keys, ...Array(Math.max(0, seen.fast())).fill(8)]"
"""Milliseconds of every keystroke; those below 16 are only counted."""


def p95(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.95)] if values else 0.0


def visit(browser: Browser, gateway: GatewayProcess) -> Page:
    """A page that is logged in and opens for the first time."""
    page = browser.new_page(viewport={"width": 1100, "height": 760})
    page.context.request.post(
        gateway.url + "auth/login", data={"token": gateway.token}, headers={"Origin": gateway.url.rstrip("/")}
    )
    return page


def first_visits(browser: Browser, gateway: GatewayProcess) -> dict[str, float]:
    word, name, field = [], [], []
    for _ in range(VISITS):
        page = visit(browser, gateway)
        page.add_init_script(SEE_FIELD)
        page.goto(gateway.url + "healthz")
        word.append(page.evaluate(FIRST_PAINT))
        page.goto(gateway.url + "chat")
        page.locator(".connection[data-open=true]").wait_for()
        name.append(page.evaluate(FIRST_PAINT))
        field.append(page.evaluate("window.fieldAt"))
        page.context.close()
    return {
        "fcp ms": statistics.median(name),
        "field ms": statistics.median(field),
        "one word ms": statistics.median(word),
    }


def bare_keys(browser: Browser) -> float:
    """The 95th percentile of keystrokes in a page that has a field and nothing else."""
    page = browser.new_page()
    page.set_content("<textarea></textarea>")
    page.evaluate(WATCH)
    page.locator("textarea").focus()
    page.keyboard.type("typing where nothing else is " * 4, delay=40)
    keys: list[float] = page.evaluate(KEYS)
    page.close()
    return p95(keys)


def opening(page: Page) -> float:
    """Milliseconds from the choice of the long session to its first messages, from another one."""
    return float(
        page.evaluate("""() => new Promise((done) => {
        const chat = document.querySelector("clawdbot-chat"), start = performance.now();
        chat.sessionKey = "long";
        const look = () => chat.shadowRoot.querySelector(".row .block")
            ? done(performance.now() - start) : requestAnimationFrame(look);
        requestAnimationFrame(look);
    })""")
    )


def thread_clock(page: Page) -> Callable[[], float]:
    """Seconds of the processor that the page's main thread has had since: what else the machine does is not in it."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def read() -> float:
        metrics = {metric["name"]: metric["value"] for metric in session.send("Performance.getMetrics")["metrics"]}
        return float(metrics["TaskDuration"])

    return read


def measure(page: Page, gateway: GatewayProcess, messages: int, reply_kb: int) -> dict[str, float]:
    page.goto(gateway.url + "chat?session=long")
    page.locator(".connection[data-open=true]").wait_for()
    page.locator("#composer").fill("[[text=start]]")
    page.locator("#composer").press("Enter")
    page.locator("article.assistant:not([aria-busy]) .reply").wait_for()
    page.evaluate(FILL, [gateway.ws_url, "long", [NOTE.format(n=n) for n in range(messages)]])
    opened = []
    for _ in range(VISITS):
        page.goto(gateway.url + "chat?session=other")
        page.locator(".connection[data-open=true]").wait_for()
        opened.append(opening(page))
    page.evaluate(WATCH)
    composer = page.locator("#composer")
    composer.fill(f"[[tokens={reply_kb * 200}]] [[delay_ms=0]] long")
    composer.press("Enter")
    page.locator("article[aria-busy]").wait_for()
    began, clock = time.monotonic(), thread_clock(page)
    ends = time.monotonic() + 60
    while page.locator("article[aria-busy]").count() and time.monotonic() < ends:
        page.keyboard.type("typing while it streams ", delay=40)
    busy = 100 * clock() / (time.monotonic() - began)
    keys = page.evaluate(KEYS)
    seen: dict[str, Any] = page.evaluate("({frames: seen.frames, tasks: seen.tasks})")
    return {
        "open ms": statistics.median(opened),
        "frame p95 ms": p95(seen["frames"]),
        "long task ms": max(seen["tasks"], default=0.0),
        "key p95 ms": p95(keys),
        "frame median ms": statistics.median(seen["frames"]),
        "main thread %": busy,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=2_000)
    parser.add_argument("--reply-kb", type=int, default=40)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as state, sync_playwright() as playwright:
        gateway = GatewayProcess(Path(state))
        gateway.start()
        browser = playwright.chromium.launch(executable_path=require("chromium"), args=["--no-sandbox"])
        try:
            seen = first_visits(browser, gateway)
            seen["bare key p95 ms"] = bare_keys(browser)
            seen |= measure(visit(browser, gateway), gateway, options.messages, options.reply_kb)
        finally:
            browser.close()
            gateway.stop()
    print(f"{options.messages:,} messages, {options.reply_kb} KB reply, load {os.getloadavg()[0]:.1f}")
    for name, value in seen.items():
        budget = BUDGET.get(name)
        print(f"{name:16} {'' if budget is None else budget:>6} | {value:8.1f}")


if __name__ == "__main__":
    main()
