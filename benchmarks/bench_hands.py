"""The assistant's hands in a page of JupyterLab: ``python -m benchmarks.bench_hands [--runs 20]``.

A real Lab, kernel and Chromium; each call goes from a client over the gateway to the page and back. ``read``: 300 cells
with an output each. ``apply``: an edit of a cell in view, until the frame in which it is seen. ``run``: a
cell that sleeps, less the time it sleeps. ``variables``: while a cell runs. ``card``: from the model's call of
``notebook_edit`` to its question at a client (the page read, the proposal stored), without its drawing. ``load``: what
the page's thread spends in the extension's scripts, and in what they call, until Lab is idle. The machine's other load
is in the numbers.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect, sync_playwright

from clawdbot_ext.client.events import Event
from clawdbot_ext.client.sync import SyncClient
from tests.e2e.lab.hands import Hands, gateway_client
from tests.e2e.lab.page import wait_until
from tests.e2e.lab.server import TOKEN, Lab
from tests.support.tools import require

BUDGET_MS = {"read": 60, "apply": 100, "run": 60, "variables": 60, "card": 100, "load": 10}
CELLS = 300
SLEEP_S = 0.1
LOADS = 5
SAMPLE_US = 100
SCRIPTS = "/lab/extensions/jupyter-clawdbot/"
PATH = "bench.ipynb"
SEEN = """(text) => new Promise((done) => { const look = () => requestAnimationFrame(() =>
    document.querySelector(".jp-Notebook .cm-line").textContent === text ? done() : look()); look(); })"""


def write(lab: Lab) -> None:
    output = {"output_type": "stream", "name": "stdout", "text": ["a line of output\n"] * 20}
    rest = [(f"value_{n} = {n}\n" * 10, [output]) for n in range(CELLS - 3)]
    lab.write(
        PATH, "first = 0", f"import time\ntime.sleep({SLEEP_S})", "for n in range(6000):\n    time.sleep(0.1)", *rest
    )


def timed(call: Callable[[], Any]) -> float:
    began = time.perf_counter()
    call()
    return (time.perf_counter() - began) * 1000


def card(client: SyncClient) -> float:
    """Milliseconds from a call of the demo's model to its question."""
    at: dict[str, float] = {}
    shown = threading.Event()

    def heard(event: Event) -> None:
        data = event.payload.get("data") or {}
        if event.name == "agent" and data.get("phase") == "start" and data.get("name") == "notebook_edit":
            at.setdefault("call", time.perf_counter())
        elif event.name == "exec.approval.requested":
            at["question"] = time.perf_counter()
            shown.set()

    leave = client.subscribe(heard)
    key = f"bench-{uuid.uuid4().hex[:8]}"
    wish = {"sessionKey": key, "message": "Add a cell and run it.", "idempotencyKey": str(uuid.uuid4())}
    try:
        client.request("chat.send", wish)
        if not shown.wait(60):
            raise TimeoutError("the demo asked nothing")
    finally:
        client.request("chat.abort", {"sessionKey": key})
        leave()
    return (at["question"] - at["call"]) * 1000


def measure(page: Page, ask: Hands, runs: int) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {name: [] for name in BUDGET_MS if name != "load"}
    revs = {"cell1": ask.rev(PATH, "cell1")}
    for number in range(runs + 1):
        read = timed(lambda: ask("notebook.read", path=PATH, outputs="brief"))
        source, rev = f"first = {number}", ask.rev(PATH, "cell0")
        edit = {"op": "replace", "cell": "cell0", "rev": rev, "source": source}

        def apply(edit: dict[str, Any] = edit, source: str = source) -> None:
            ask("notebook.apply", path=PATH, ops=[edit], meta={})
            page.evaluate(SEEN, source)

        applied = timed(apply)
        ran = timed(lambda: ask("notebook.run", path=PATH, cells=["cell1"], revs=revs, save=False))
        asked = card(ask.client)
        if number:  # the first round warms up
            found["card"].append(asked)
            found["read"].append(read)
            found["apply"].append(applied)
            found["run"].append(ran - SLEEP_S * 1000)
    ask.run(PATH, "cell2", save=False)
    wait_until(page, lambda: ask.read(PATH, cells=["cell2"])[0]["state"] == "running")
    for number in range(runs + 1):
        looked = timed(lambda: ask("kernel.variables", path=PATH))
        if number:
            found["variables"].append(looked)
    ask("notebook.interrupt", path=PATH)
    return found


def load(browser: Browser, lab: Lab) -> float:
    """Milliseconds of the page's thread that an empty Lab's start has in our scripts on the stack."""
    page = browser.new_page(viewport={"width": 1400, "height": 860}, locale="en-US")
    session = page.context.new_cdp_session(page)
    session.send("Profiler.enable")
    session.send("Profiler.setSamplingInterval", {"interval": SAMPLE_US})
    session.send("Profiler.start")
    page.goto(f"{lab.url}lab?token={TOKEN}&reset")
    expect(page.locator('li[data-id="clawdbot-chat"]')).to_be_visible(timeout=60_000)
    page.wait_for_load_state("networkidle")
    profile = session.send("Profiler.stop")["profile"]
    page.close()
    ours: set[int] = set()
    for node in profile["nodes"]:  # parents come before their children
        if node["id"] in ours or SCRIPTS in node["callFrame"]["url"]:
            ours.update((node["id"], *node.get("children", ())))
    if not ours:
        raise RuntimeError(f"no script of {SCRIPTS} ran")
    spent = zip(profile["samples"], profile["timeDeltas"], strict=True)
    return float(sum(delta for node, delta in spent if node in ours)) / 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=20)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        lab = Lab(Path(folder, "it"))
        lab.start()
        try:
            browser = playwright.chromium.launch(executable_path=require("chromium"), args=["--no-sandbox"])
            loads = [load(browser, lab) for _ in range(LOADS)]
            write(lab)
            page = browser.new_page(viewport={"width": 1400, "height": 860}, locale="en-US")
            page.goto(f"{lab.url}lab/tree/{PATH}?token={TOKEN}&reset")
            expect(page.get_by_role("button", name="| Idle")).to_be_attached(timeout=60_000)
            with gateway_client(lab) as client:
                found = measure(page, Hands(client, page), runs)
            found["load"] = loads
            browser.close()
        finally:
            lab.stop()
    print(f"load average {os.getloadavg()[0]:.1f}, {runs} runs, medians")
    for name, values in found.items():
        print(
            f"{name:10} {statistics.median(values):6.0f} ms  ({min(values):.0f}–{max(values):.0f})"
            f"  budget {BUDGET_MS[name]}"
        )


if __name__ == "__main__":
    main()
