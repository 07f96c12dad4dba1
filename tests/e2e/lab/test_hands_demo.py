"""The first five minutes without a key: the demo edits and runs a cell of the notebook in front, asking for each."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from clawdbot_ext.client.sync import SyncClient

from .page import cells, panel, wait_until
from .server import Lab

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Iterator[Lab]:
    made = Lab(tmp_path_factory.mktemp("demo") / "it")
    made.start()
    yield made
    made.stop()


def waiting(client: SyncClient, page: Page) -> dict[str, Any]:
    """The question that waits for a decision."""
    found: list[dict[str, Any]] = []

    def seen() -> bool:
        found[:] = client.request("exec.approval.list")["approvals"]
        return bool(found)

    wait_until(page, seen)
    return found[0]


def test_the_demo_adds_a_cell_runs_it_and_the_addition_can_be_undone(hands, client) -> None:
    page, _ = hands("demo.ipynb", "1 + 1")
    panel(page)
    key = "agent:main:main"
    client.request(
        "chat.send", {"sessionKey": key, "message": "Add a cell and run it.", "idempotencyKey": str(uuid.uuid4())}
    )
    edit = waiting(client, page)
    [shown] = edit["request"]["preview"]["cells"]
    assert edit["request"]["tool"] == "notebook_edit" and shown["op"] == "insert"
    assert cells(page) == ["1 + 1"]  # nothing before the yes
    expect(page.locator(".clawdbot-StatusItem button")).to_have_text("Clawdbot: waiting for your decision")
    changed = shown["after"].replace("Mon", "Monday")
    client.request("exec.approval.resolve", {"id": edit["id"], "decision": "allow-once", "edited": {"0": changed}})
    wait_until(page, lambda: len(cells(page)) == 2)
    assert "Monday" in cells(page)[1]
    run = waiting(client, page)
    assert run["request"]["tool"] == "cell_run"
    client.request("exec.approval.resolve", {"id": run["id"], "decision": "allow-once"})
    wait_until(page, lambda: "24 °C" in page.locator(".jp-Notebook .jp-OutputArea").last.inner_text())
    wait_until(page, lambda: not client.request("sessions.list")["sessions"][0].get("running"))
    said = client.request("chat.history", {"sessionKey": key})["messages"]
    assert [m["toolName"] for m in said if m["role"] == "toolResult"] == ["notebook_list", "notebook_edit", "cell_run"]
    assert not any(m.get("isError") for m in said if m["role"] == "toolResult")
    [change] = client.request("hands.changes.list", {"sessionKey": key})["changes"]
    undone = client.request("hands.changes.undo", {"id": change["id"]})
    assert undone["problems"] == []
    wait_until(page, lambda: cells(page) == ["1 + 1"])
