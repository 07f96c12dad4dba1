"""Cells that the assistant runs: in the person's own kernel and in their sight, taking nothing out of their hands."""

from __future__ import annotations

import time
from concurrent.futures import Future
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from clawdbot_ext.protocol.errors import GatewayError

from .hands import Hands, Refused, watch_progress
from .page import run, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.timeout(180)]

TICKS = "import time\nfor n in range(4):\n    print('tick', n, flush=True)\n    time.sleep(0.3)"
TICKED = ["tick", "0", "tick", "1", "tick", "2", "tick", "3"]
NODE_SOCKET = """{ const Real = WebSocket; let node, run;
    globalThis.WebSocket = class extends Real { constructor(...given) { super(...given);
        if (!String(given[0]).endsWith("?role=node")) return;
        node = this;
        this.addEventListener("message", ({ data }) => { const { payload } = JSON.parse(data);
            if (payload?.command === "notebook.run") run = payload.id; }); } };
    globalThis.cancelLastRun = () => node.onmessage(new MessageEvent("message", { data: JSON.stringify(
        { type: "event", event: "node.invoke.cancel", payload: { id: run } }) })); }"""
"""The gateway's word that a call is taken back, as the page hears it."""
FOCUS = """() => ({ text: document.activeElement.closest(".jp-Cell")?.querySelector(".cm-content").textContent ?? "",
    editing: document.querySelector(".jp-Notebook").matches(".jp-mod-editMode"),
    top: document.querySelector(".jp-WindowedPanel-outer").scrollTop })"""


def result(page: Page, call: Future[dict[str, Any]]) -> dict[str, Any]:
    wait_until(page, call.done)
    return call.result()


def states(ask: Hands, path: str) -> list[str]:
    return [cell["state"] for cell in ask.read(path, outputs="none")]


def test_outputs_come_while_it_runs_and_the_person_types_on(hands, lab):
    page, ask = hands("run.ipynb", TICKS, "1 + 1", "mine = ''", *(f"v{n} = {n}" for n in range(30)))
    told = watch_progress(page)
    page.locator(".jp-Notebook .cm-content").nth(2).click()
    page.keyboard.press("Control+End")
    page.keyboard.press("ArrowLeft")
    before = page.evaluate(FOCUS)
    call = ask.run("run.ipynb", "cell0", "cell1", "cell20")
    for letter in "written meanwhile":
        page.keyboard.type(letter)
        page.wait_for_timeout(60)
    done = result(page, call)
    after = page.evaluate(FOCUS)
    assert after == {**before, "text": "mine = 'written meanwhile'"} and after["editing"]
    first, second, far = done["results"]
    assert [first["status"], second["status"], far["status"]] == ["ok", "ok", "ok"]
    assert first["outputs"][0]["text"].split() == TICKED
    assert second["outputs"][0]["text"] == "2" and second["executionCount"] == 2 and first["ms"] >= 1200
    of_first = [each for each in told if each["cell"] == "cell0"]
    assert (of_first[0]["phase"], of_first[-1]["phase"]) == ("start", "done")
    pieces = [each["text"] for each in of_first if each["phase"] == "output"]
    assert "".join(pieces).split() == TICKED and len(pieces) >= 3
    expect(page.locator(".jp-OutputArea-output", has_text="tick 3")).to_be_visible()
    assert states(ask, "run.ipynb")[:4] == ["ran", "ran", "never", "never"]


def test_it_stops_at_the_first_error_and_says_what_it_was(hands):
    page, ask = hands("fails.ipynb", "a = 1", "1 / 0", "b = 2")
    done = result(page, ask.run("fails.ipynb", "cell0", "cell1", "cell2"))
    assert [each["status"] for each in done["results"]] == ["ok", "error", "aborted"]
    (error,) = done["results"][1]["outputs"]
    assert error["kind"] == "error" and "ZeroDivisionError: division by zero" in error["text"]
    assert "\x1b" not in error["text"]
    assert states(ask, "fails.ipynb") == ["ran", "ran", "never"]


def test_a_changed_cell_and_another_kernel_are_not_run(hands):
    page, ask = hands("bound.ipynb", "a = 1", "b = 2")
    (listed,) = ask("notebook.list")["notebooks"]
    kernel = {name: listed["kernel"][name] for name in ("id", "restarts")}
    with pytest.raises(Refused) as refused:
        result(
            page, ask.run("bound.ipynb", "cell0", "cell1", revs={"cell0": ask.rev("bound.ipynb", "cell0"), "cell1": ""})
        )
    assert refused.value.code == "CONFLICT" and refused.value.facts["conflicts"][0]["source"] == "b = 2"
    assert result(page, ask.run("bound.ipynb", "cell0", kernel=kernel))["results"][0]["status"] == "ok"
    restarted = result(page, ask.begin("kernel.restart", path="bound.ipynb"))["kernel"]
    assert (restarted["id"], restarted["restarts"]) == (kernel["id"], 1)
    assert states(ask, "bound.ipynb") == ["stale", "never"]
    with pytest.raises(Refused) as refused:
        result(page, ask.run("bound.ipynb", "cell0", kernel=kernel))
    assert refused.value.code == "KERNEL_CHANGED" and refused.value.facts["kernel"]["restarts"] == 1
    page.evaluate("""() => document.querySelectorAll(".jp-Notebook .jp-InputPrompt")[0].click()""")
    run(page, 0)
    wait_until(page, lambda: states(ask, "bound.ipynb") == ["ran", "never"])


def test_the_state_of_a_cell_follows_what_happens_above_it(hands):
    page, ask = hands("states.ipynb", "a = 1", "b = a + 1", "c = b + 1")
    result(page, ask.run("states.ipynb", "cell0", "cell1", "cell2"))
    assert states(ask, "states.ipynb") == ["ran", "ran", "ran"]
    result(page, ask.run("states.ipynb", "cell1"))
    assert states(ask, "states.ipynb") == ["ran", "ran", "stale"]
    ask.apply("states.ipynb", {"op": "replace", "cell": "cell0", "source": "a = 5"})
    assert states(ask, "states.ipynb") == ["edited", "stale", "stale"]
    page.keyboard.press("Control+s")
    page.wait_for_timeout(300)
    page.reload()
    expect(page.locator(".jp-Notebook .jp-Cell").first).to_be_visible()
    ask = Hands(ask.client, page)
    wait_until(page, lambda: states(ask, "states.ipynb") == ["edited", "stale", "stale"])
    result(page, ask.run("states.ipynb", "cell0", "cell1", "cell2"))
    assert states(ask, "states.ipynb") == ["ran", "ran", "ran"]


def test_input_is_answered_from_elsewhere_or_in_lab_and_takes_no_focus(hands):
    page, ask = hands("input.ipynb", "name = input('Who? ')\nprint('hello', name)", "mine = 1")
    told = watch_progress(page)
    page.locator(".jp-Notebook .cm-content").nth(1).click()
    call = ask.run("input.ipynb", "cell0")
    wait_until(page, lambda: any(each["phase"] == "input" for each in told))
    (asked,) = [each for each in told if each["phase"] == "input"]
    assert asked["prompt"].strip() == "Who?" and asked["password"] is False and asked["cell"] == "cell0"
    page.keyboard.press("Control+End")
    page.keyboard.type("0")
    ask("kernel.input", path="input.ipynb", requestId=asked["requestId"], value="ann")
    done = result(page, call)
    assert done["results"][0]["status"] == "ok" and done["results"][0]["outputs"][-1]["text"] == "hello ann\n"
    page.wait_for_timeout(700)  # Lab takes its field away after half a second
    page.keyboard.type("0")
    assert ask.read("input.ipynb")[1]["source"] == "mine = 100"
    with pytest.raises(Refused) as refused:
        ask("kernel.input", path="input.ipynb", requestId=asked["requestId"], value="bob")
    assert refused.value.code == "NOT_ASKED"

    call = ask.run("input.ipynb", "cell0")
    page.locator(".jp-Stdin-input").fill("bob")
    page.locator(".jp-Stdin-input").press("Enter")
    assert result(page, call)["results"][0]["outputs"][-1]["text"] == "hello bob\n"
    assert [each["phase"] for each in told if each["phase"] in ("input", "answered")] == ["input", "answered"] * 2


def test_a_cancelled_run_is_interrupted_and_the_next_cells_are_not_run(hands):
    page, ask = hands("cancel.ipynb", "while True: pass", "b = 2")
    page.add_init_script(NODE_SOCKET)
    page.reload()
    expect(page.locator(".jp-Notebook .jp-Cell").first).to_be_visible()
    ask = Hands(ask.client, page)
    call = ask.run("cancel.ipynb", "cell0", "cell1")
    wait_until(page, lambda: states(ask, "cancel.ipynb")[0] == "running")
    began = time.monotonic()
    page.evaluate("() => cancelLastRun()")
    done = result(page, call)
    assert time.monotonic() - began < 5
    assert [each["status"] for each in done["results"]] == ["error", "aborted"]
    assert "KeyboardInterrupt" in done["results"][0]["outputs"][-1]["text"]


def test_an_interrupt_and_the_death_of_the_kernel_end_a_run(hands):
    page, ask = hands("ends.ipynb", "import time\nprint('on')\ntime.sleep(60)", "import os\nos._exit(1)", "c = 3")
    call = ask.run("ends.ipynb", "cell0")
    expect(page.locator(".jp-OutputArea-output", has_text="on")).to_be_visible()
    ask("notebook.interrupt", path="ends.ipynb")
    assert result(page, call)["results"][0]["status"] == "error"
    done = result(page, ask.run("ends.ipynb", "cell1", "cell2"))
    assert [each["status"] for each in done["results"]] == ["error", "aborted"]
    assert done["results"][0]["problem"]["code"] == "KERNEL_DIED"


def test_the_document_is_saved_before_it_runs_and_a_closed_page_is_told_at_once(hands, lab, browser):
    page, ask = hands("closing.ipynb", "import time\ntime.sleep(30)")
    ask.apply("closing.ipynb", {"op": "insert", "after": "end", "cell": {"id": "last", "source": "kept = True"}})
    call = ask.run("closing.ipynb", "cell0")
    wait_until(page, lambda: states(ask, "closing.ipynb")[0] == "running")
    assert "kept = True" in (lab.work / "closing.ipynb").read_text()
    page.close(run_before_unload=False)
    with pytest.raises(GatewayError) as failed:
        call.result(timeout=10)
    assert failed.value.reason == "NOT_CONNECTED"
