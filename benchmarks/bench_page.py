"""How the page feels in a long conversation: ``python -m benchmarks.bench_page [--messages 10000] [--reply-kb 40]``.

A real gateway and a real Chromium. Prints budget and seen: first contentful paint, opening a session of many messages,
frames and long tasks while a long reply streams into it, and the Event Timing of keystrokes meanwhile. The machine's
other load is in the numbers: read them with its load average.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from tests.support.server import GatewayProcess
from tests.support.tools import require
from tests.web.chat import FILL

BUDGET = {"fcp ms": 350, "open ms": 300, "frame p95 ms": 20, "long task ms": 100, "key p95 ms": 24}
NOTE = "Note {n} with **bold**, `code` and a [link](https://example.org).\n\n- one\n- two\n\n```py\nprint({n})\n```\n"
WATCH = """() => {
    const seen = window.seen = {frames: [], tasks: [], keys: []};
    let last = performance.now();
    const frame = (now) => { seen.frames.push(now - last); last = now; requestAnimationFrame(frame); };
    requestAnimationFrame(frame);
    new PerformanceObserver((list) => seen.tasks.push(...list.getEntries().map((e) => e.duration)))
        .observe({type: "longtask"});
    new PerformanceObserver((list) => seen.keys.push(...list.getEntries()
        .filter((e) => e.name === "keydown").map((e) => e.duration))).observe({type: "event", durationThreshold: 16});
}"""


def p95(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.95)] if values else 0.0


def measure(page: Page, gateway: GatewayProcess, messages: int, reply_kb: int) -> dict[str, float]:
    page.context.request.post(gateway.url + "auth/login", data={"token": gateway.token},
                              headers={"Origin": gateway.url.rstrip("/")})
    page.goto(gateway.url + "chat?session=long")
    page.locator(".connection[data-open=true]").wait_for()
    paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0")
    page.locator("#composer").fill("[[text=start]]")
    page.locator("#composer").press("Enter")
    page.locator("article.assistant:not([aria-busy]) .reply").wait_for()
    page.evaluate(FILL, [gateway.ws_url, "long", [NOTE.format(n=n) for n in range(messages)]])
    page.goto(gateway.url + "chat?session=other")
    page.locator(".connection[data-open=true]").wait_for()
    opened = page.evaluate("""() => new Promise((done) => {
        const chat = document.querySelector("clawdbot-chat"), start = performance.now();
        chat.sessionKey = "long";
        const look = () => chat.shadowRoot.querySelector(".row .block")
            ? done(performance.now() - start) : requestAnimationFrame(look);
        requestAnimationFrame(look);
    })""")
    page.evaluate(WATCH)
    composer = page.locator("#composer")
    composer.fill(f"[[tokens={reply_kb * 200}]] [[delay_ms=0]] long")
    composer.press("Enter")
    page.locator("article[aria-busy]").wait_for()
    ends = time.monotonic() + 60
    while page.locator("article[aria-busy]").count() and time.monotonic() < ends:
        page.keyboard.type("typing while it streams ", delay=40)
    seen: dict[str, Any] = page.evaluate("window.seen")
    return {"fcp ms": paint, "open ms": opened, "frame p95 ms": p95(seen["frames"]),
            "long task ms": max(seen["tasks"], default=0.0), "key p95 ms": p95(seen["keys"]),
            "frame median ms": statistics.median(seen["frames"])}


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
            page = browser.new_page(viewport={"width": 1100, "height": 760})
            seen = measure(page, gateway, options.messages, options.reply_kb)
        finally:
            browser.close()
            gateway.stop()
    print(f"{options.messages:,} messages, {options.reply_kb} KB reply, load {os.getloadavg()[0]:.1f}")
    for name, value in seen.items():
        budget = BUDGET.get(name)
        print(f"{name:16} {'' if budget is None else budget:>6} | {value:8.1f}")


if __name__ == "__main__":
    main()
