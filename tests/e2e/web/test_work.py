"""Work in a notebook from the page, with the gateway's own tools: a strict model that obeys, a node with a notebook."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import expect

from clawdbot_ext.protocol.revision import revision
from tests.support.notebook_node import NotebookNode, notebook
from tests.support.server import GatewayProcess
from tests.support.strict_api import StrictAPI, call, wants

PATH = "analysis.ipynb"
PATIENCE_S = 30


class Desk:
    """A gateway with its model, and a node that lives in a thread of its own."""

    def __init__(self, gateway: GatewayProcess) -> None:
        self.gateway = gateway
        self.node = NotebookNode([notebook(PATH, "x = 1", "print(x)", "y = 2")])

    @contextmanager
    def at_work(self) -> Iterator[Desk]:
        """With the node connected."""
        loop, ended, ready = None, asyncio.Event(), threading.Event()

        async def work() -> None:
            nonlocal loop
            loop = asyncio.get_running_loop()
            async with self.node.connected(self.gateway.ws_url, self.gateway.token, server=True):
                ready.set()
                await ended.wait()

        thread = threading.Thread(target=lambda: asyncio.run(work()), daemon=True)
        thread.start()
        try:
            assert ready.wait(PATIENCE_S), "the node did not connect"
            yield self
        finally:
            if loop is not None:
                loop.call_soon_threadsafe(ended.set)
            thread.join(PATIENCE_S)

    @property
    def sources(self) -> list[str]:
        return self.node.notebooks[PATH].sources()


@pytest.fixture
def desk(make_gateway) -> Iterator[Desk]:
    with StrictAPI() as api:
        env = {"ANTHROPIC_API_KEY": "sk-test", "ANTHROPIC_BASE_URL": api.url}
        gateway = make_gateway(env=env, config={"agents": {"defaults": {"autoTitle": False}}})
        with Desk(gateway).at_work() as desk:
            yield desk


def replace(cell: str, old: str, new: str) -> dict[str, str]:
    return {"op": "replace", "cell": cell, "rev": revision(old), "source": new}


def test_an_edit_is_seen_changed_refused_in_part_done_and_undone(visit, desk):
    chat = visit(desk.gateway).ready()
    ops = [replace("c0", "x = 1", "x = 5"), replace("c2", "y = 2", "y = 3")]
    chat.send(wants(call("notebook_edit", path=PATH, ops=ops)))
    card = chat.page.locator("section.approval")
    expect(card.locator(".line.ins ins")).to_have_text(["5", "3"])
    expect(card.locator(".countdown")).to_have_count(0)
    card.get_by_role("checkbox").nth(1).uncheck()
    card.get_by_role("button", name="Edit the text of Cell 1").click()
    card.locator(".editor").fill("x = 7  # mine")
    card.locator(".editor").press("Escape")
    card.get_by_label("Why not the others?").fill("y stays")
    assert desk.sources == ["x = 1", "print(x)", "y = 2"], "nothing is done before the yes"
    card.get_by_role("button", name="Apply 1 of 2").click()
    expect(card).to_have_count(0)
    chat.answered()
    assert desk.sources == ["x = 7  # mine", "print(x)", "y = 2"]
    chat.page.locator(".tool > summary").click()
    expect(chat.page.locator(".tool-body")).to_contain_text("The person refused operation 2")
    expect(chat.page.locator(".tool-body")).to_contain_text("The person says: y stays")

    strip = chat.page.locator(".change")
    expect(strip).to_contain_text("1 cell changed · analysis.ipynb")
    other = visit(desk.gateway).ready()
    expect(other.page.locator(".change")).to_contain_text("1 cell changed")
    strip.get_by_role("button", name="Undo").click()
    expect(strip).to_contain_text("Undone")
    expect(other.page.locator(".change")).to_contain_text("Undone")
    assert desk.sources == ["x = 1", "print(x)", "y = 2"]


def test_an_undo_asks_where_the_person_has_changed_the_cell_since(visit, desk):
    chat = visit(desk.gateway).ready()
    chat.page.locator(".mode").click()
    chat.page.get_by_role("radio", name="Edits Edits").check()
    expect(chat.page.locator(".mode")).to_have_text("Edits")
    chat.send(wants(call("notebook_edit", path=PATH, ops=[replace("c0", "x = 1", "x = 5")])))
    strip = chat.page.locator(".change")
    expect(strip).to_be_visible()
    chat.answered()
    desk.node.notebooks[PATH].type("c0", "x = 5\nmine = True")
    strip.get_by_role("button", name="Undo").click()
    conflict = strip.get_by_role("region", name="You have changed this since")
    expect(conflict.locator(".line.ins code").first).to_have_text("mine = True")
    assert desk.sources[0] == "x = 5\nmine = True", "what the person wrote is left alone"
    conflict.get_by_role("button", name="Undo anyway").click()
    expect(strip).to_contain_text("Undone")
    assert desk.sources[0] == "x = 1"


def test_a_run_is_allowed_for_the_notebook_shows_its_results_and_is_revoked(visit, desk):
    chat = visit(desk.gateway).ready()
    chat.send(wants(call("cell_run", path=PATH, cells=["c0"], wait_s=5)))
    card = chat.page.locator("section.approval")
    expect(card).to_contain_text("Run 1 cell in analysis.ipynb?")
    card.get_by_label("Allow", exact=False).first.select_option("notebook")
    card.get_by_role("button", name="Allow").click()
    chat.answered()
    chat.page.locator(".tool > summary").click()
    expect(chat.page.locator(".results [data-status=ok]")).to_contain_text("ran · [1]")
    chat.send(wants(call("cell_run", path=PATH, cells=["c1"], wait_s=5)))
    expect(chat.page.locator(".tool")).to_have_count(2)
    chat.answered()  # without a question
    assert len(desk.node.ran) == 2
    chat.page.get_by_role("button", name="Settings").click()
    chat.page.locator(".grants").get_by_role("button", name="Revoke").click()
    expect(chat.page.locator(".grants li")).to_have_count(0)
    chat.page.keyboard.press("Escape")
    chat.send(wants(call("cell_run", path=PATH, cells=["c2"], wait_s=5)))
    expect(card).to_be_visible()
    card.get_by_role("button", name="Deny").click()
    chat.answered()
    assert len(desk.node.ran) == 2
    chat.send(wants(call("cell_run", path=PATH, cells=["c2"], wait_s=5)))
    expect(card).to_be_visible()
    chat.page.get_by_role("button", name="Stop", exact=True).click()
    expect(card).to_have_count(0)
    expect(chat.page.locator(".turn.assistant[aria-busy=true]")).to_have_count(0)
    assert len(desk.node.ran) == 2
