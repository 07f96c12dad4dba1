"""One piece of work from the wish to the undo, in a terminal: a notebook that no page has open, and its kernel."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clawdbot_ext import client
from clawdbot_ext.client.endpoint import Endpoint
from clawdbot_ext.protocol.revision import revision
from tests.cli.conftest import run_cli
from tests.cli.terminal import Terminal
from tests.support.hands import cells_of, code, write_notebook
from tests.support.server import GatewayProcess
from tests.support.strict_api import Call, StrictAPI, call, wants

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
PATH, PROMPT = "clean.ipynb", "Answer ›"
DIRTY, FAILING = "data = [3, None, 4]", "print('total', sum(dta))"
CLEANED, MINE, FIXED = "data = [3, 4]", "data = [3, 0, 4]", "print('total', sum(data)); open('gate').read()"
PLOT, REASON = "print('#' * sum(data))", "no plot in this notebook"


@pytest.fixture
def api() -> Iterator[StrictAPI]:
    with StrictAPI() as api:
        yield api


@pytest.fixture
def gateway(tmp_path: Path, api: StrictAPI) -> Iterator[GatewayProcess]:
    """A gateway with kernels, a model that obeys, and a person whose editor puts a 0 where the gap was."""
    env = {"ANTHROPIC_API_KEY": "sk-test", "ANTHROPIC_BASE_URL": api.url, "VISUAL": "sed -i s/3,/3,\\ 0,/"}
    started = GatewayProcess(tmp_path / "state", env=env, config={"agents": {"defaults": {"autoTitle": False}}})
    started.start()
    yield started
    started.stop()


@pytest.fixture
def terminal(gateway: GatewayProcess) -> Iterator[Terminal]:
    opened = Terminal(["chat"], gateway.environment, lines=60)
    opened.expect("Clawdbot · ")
    opened.ready()
    yield opened
    opened.close()


def edited(*ops: dict[str, Any]) -> Call:
    return call("notebook_edit", path=PATH, ops=list(ops))


def replaced(cell: str, old: str, new: str) -> dict[str, Any]:
    return {"op": "replace", "cell": cell, "rev": revision(old), "source": new}


WISH = "clean this data frame, plot it and fix the failing cell " + wants(
    edited(replaced("c0", DIRTY, CLEANED)),
    edited({"op": "insert", "after": "end", "type": "code", "source": PLOT}),
    edited(replaced("c1", FAILING, FIXED)),
    call("cell_run", path=PATH, cells=["c0", "c1"], wait_s=120),
)


def test_a_person_sees_edits_refuses_and_undoes_from_the_terminal(
    terminal: Terminal, gateway: GatewayProcess, api: StrictAPI
) -> None:
    notebook = write_notebook(gateway.state / PATH, [code(DIRTY), code(FAILING)])
    os.mkfifo(gateway.state / "gate")  # what a run prints is shown while it goes on, so it waits to be seen

    def sources() -> list[str]:
        return [cell["source"] for cell in cells_of(notebook)]

    terminal.send(f"\x1b[200~{WISH}\x1b[201~\r")
    terminal.expect(f"- {DIRTY}")
    terminal.expect(f"+ {CLEANED}")
    terminal.expect(PROMPT)
    assert sources() == [DIRTY, FAILING]
    terminal.send("e\r")
    terminal.expect(f"+ {MINE}")
    terminal.expect(PROMPT, times=2)
    assert sources() == [DIRTY, FAILING]
    terminal.send("y\r")

    terminal.expect(f"+ {PLOT}")
    terminal.expect(PROMPT, times=3)
    assert sources() == [MINE, FAILING]
    terminal.send(f"n {REASON}\r")
    terminal.expect("Refused.")

    terminal.expect(f"+ {FIXED}")
    terminal.expect(PROMPT, times=4)
    assert sources() == [MINE, FAILING]
    terminal.send("y\r")

    terminal.expect("run cell 2")
    terminal.expect(PROMPT, times=5)
    assert sources() == [MINE, FIXED]
    assert all(not cell["outputs"] for cell in cells_of(notebook))
    terminal.send("y\r")
    terminal.expect("total 7", timeout_s=120)
    (gateway.state / "gate").write_text("go on")
    terminal.expect(" tokens", timeout_s=120)
    terminal.ready(timeout_s=120)
    assert cells_of(notebook)[1]["outputs"][0]["text"] == ["total 7\n"]
    assert REASON in str(api.bodies) and MINE in str(api.bodies) and api.refusals == []

    gateway.stop()
    terminal.expect("Connection lost, reconnecting")
    gateway.start()
    terminal.expect("Connected again.", timeout_s=120)
    listed = run_cli(gateway.environment, "changes", "list").stdout.splitlines()[1:]
    assert len(listed) == 2 and all("can be undone" in line for line in listed), listed
    first = next(
        id_
        for id_ in (line.split()[0] for line in listed)
        if MINE in run_cli(gateway.environment, "changes", "show", id_).stdout
    )
    assert run_cli(gateway.environment, "changes", "undo", first).returncode == 0
    assert sources() == [DIRTY, FIXED]
    terminal.expect(f"Undone: 1 cell changed in {PATH}")
    terminal.ready()
    terminal.send("/keep\r")
    terminal.expect(f"Kept: 1 cell changed in {PATH}")

    with client.connect(Endpoint(gateway.ws_url, gateway.url, gateway.token)) as window:
        said = window.request("chat.history", {"sessionKey": "main"})["messages"]
    done = [(each["toolName"], bool(each.get("denied"))) for each in said if each["role"] == "toolResult"]
    edits = [("notebook_edit", False), ("notebook_edit", True), ("notebook_edit", False)]
    assert done == [*edits, ("cell_run", False)]
