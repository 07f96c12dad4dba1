"""``clawdbot agent``, ``approvals``, ``changes`` and ``sessions mode`` where something needs a permission."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from clawdbot_ext import client
from clawdbot_ext.cli.approvals import _by_options
from clawdbot_ext.client.approvals import Approval, Decision
from clawdbot_ext.client.endpoint import Endpoint
from clawdbot_ext.client.sync import SyncClient
from tests.cli.conftest import Run, run_cli
from tests.cli.terminal import Terminal
from tests.support.aio import run, until
from tests.support.server import GatewayProcess

pytestmark = pytest.mark.slow
ASKS = "[[tool=demo_calculate]][[expression=2+3]]"
REFUSED = 6


@pytest.fixture
def other(gateway: GatewayProcess) -> Iterator[SyncClient]:
    """Another window."""
    with client.connect(Endpoint(gateway.ws_url, gateway.url, gateway.token)) as connected:
        yield connected


def waiting(other: SyncClient, session: str) -> Approval:
    """The open question of a session, once it is there."""
    run(_until_asked(other, session), 15)
    return other.approvals.list(session)[0]


async def _until_asked(other: SyncClient, session: str) -> None:
    await until(lambda: bool(other.approvals.list(session)), 15)


def test_without_a_terminal_the_agent_refuses_at_once_and_says_how_to_allow(cli: Run, other: SyncClient) -> None:
    done = cli("agent", "-m", ASKS, "--session", "refused")
    assert done.returncode == REFUSED
    assert "--allow demo_calculate" in done.stderr and "--mode" in done.stderr and "--wait" in done.stderr
    assert "The tool answered" not in done.stdout
    assert other.approvals.list("refused") == []
    report = json.loads(cli("agent", "-m", ASKS, "--session", "refused", "--json").stdout)
    assert report["status"] == "refused" and report["error"]["code"] == "PERMISSION_NEEDED"
    assert report["refused"][0]["tool"] == "demo_calculate"
    assert "허용이 필요했지만" in cli("agent", "-m", ASKS, "--session", "refused", LC_ALL="ko_KR.UTF-8").stderr


@pytest.mark.parametrize(
    ("rule", "code"), [("demo_*", 0), ("other_tool", REFUSED), ("demo_calculate:*.ipynb", REFUSED)]
)
def test_a_rule_of_the_command_line_allows_what_it_names(cli: Run, rule: str, code: int) -> None:
    done = cli("agent", "-m", ASKS, "--session", "ruled", "--allow", rule)
    assert done.returncode == code
    assert ("The tool answered: **5**" in done.stdout) is (code == 0)


def test_the_agent_asks_on_the_terminal(gateway: GatewayProcess) -> None:
    terminal = Terminal(["agent", "-m", ASKS, "--session", "on-tty"], gateway.environment)
    try:
        terminal.expect('demo_calculate {"expression": "2+3"}')
        terminal.expect("Answer ›")
        terminal.send("y\r")
        terminal.expect("The tool answered")
        assert terminal.wait() == 0
    finally:
        terminal.close()


def test_ctrl_c_at_the_question_stops_the_run(gateway: GatewayProcess, other: SyncClient) -> None:
    terminal = Terminal(["agent", "-m", ASKS, "--session", "ctrl-c"], gateway.environment)
    try:
        terminal.expect("Answer ›")
        terminal.send("\x03")
        assert terminal.wait() == 5
        assert other.approvals.list("ctrl-c") == []
    finally:
        terminal.close()


def test_another_window_answers_for_an_agent_that_waits_and_by_the_command(
    gateway: GatewayProcess, cli: Run, other: SyncClient
) -> None:
    asked = other.submit(ASKS, session_key="commanded")
    question = waiting(other, "commanded")
    listed = cli("approvals", "list", "--session", "commanded")
    assert question.id[:8] in listed.stdout and "commanded" in listed.stdout
    assert json.loads(cli("approvals", "list", "--json").stdout)["approvals"][0]["id"] == question.id
    done = cli("approvals", "answer", question.id[:6], "--yes")
    assert (done.returncode, done.stdout.strip()) == (0, "Allowed this once.")
    assert "5" in asked.result(15).text

    refused = other.submit(ASKS, session_key="commanded")
    waiting(other, "commanded")
    assert cli("approvals", "answer", "--no", "--reason", "no sums").returncode == 0
    refused.result(15)
    assert cli("approvals", "answer", "zzz", "--yes").returncode == 1


def test_an_answer_without_a_terminal_needs_an_option(cli: Run, other: SyncClient) -> None:
    asked = other.submit(ASKS, session_key="optionless")
    waiting(other, "optionless")
    done = cli("approvals", "answer")
    assert done.returncode == 2 and "--yes" in done.stderr
    assert cli("approvals", "answer", "--yes", "--no").returncode == 2
    assert cli("approvals", "answer", "--scope", "notebook").returncode == 2, "this question has no such scope"
    assert cli("approvals", "answer", "--no").returncode == 0
    asked.result(15)


def test_the_options_of_an_answer_are_a_decision() -> None:
    cells = [{"op": "delete", "cell": name, "index": n} for n, name in enumerate("abc")]
    request: dict[str, Any] = {"preview": {"type": "edit", "path": "p", "cells": cells}, "choices": ["once", "always"]}
    approval = Approval.from_wire({"id": "1", "request": request})
    assert _by_options(approval, None, "", False, "", "", ()) is None
    assert _by_options(approval, None, "", False, "", "1,3", ()) == Decision.allow(accepted=[0, 2])
    assert _by_options(approval, "always", "a/*", False, "", "", ()) == Decision.allow("always", pattern="a/*")
    asked = Approval.from_wire({"id": "1", "request": {"kind": "question", "questions": [{"id": "q"}, {"id": "r"}]}})
    assert _by_options(asked, None, "", False, "", "", ("q=a=b", "r=c")) == Decision.answer({"q": "a=b", "r": "c"})
    value = Approval.from_wire({"id": "1", "request": {"kind": "input"}})
    assert _by_options(value, None, "", False, "", "", ("x=1",)) == Decision.answer("x=1")


def test_the_mode_of_a_session_is_shown_and_set_and_the_agents_is_taken_back(cli: Run, other: SyncClient) -> None:
    other.request("sessions.new", {"key": "moded"})
    assert cli("sessions", "mode", "moded").stdout.strip() == "Mode: Ask"
    done = cli("sessions", "mode", "moded", "notebook", "--notebook", "a.ipynb", "--minutes", "5")
    assert "This notebook" in done.stdout and "min left" in done.stdout
    assert cli("sessions", "mode", "moded", "unattended").returncode == 1, "the administrator has to allow it"
    assert json.loads(cli("sessions", "mode", "moded", "read", "--json").stdout)["hands"]["mode"] == "read"
    assert cli("agent", "-m", "hello", "--session", "moded", "--mode", "edits").returncode == 0
    assert json.loads(cli("sessions", "mode", "moded", "--json").stdout)["hands"]["mode"] == "read"
    assert "Read" in cli("sessions", "list", "--search", "moded").stdout


def test_no_change_and_no_permission_is_said(gateway: GatewayProcess) -> None:
    done = run_cli(gateway.environment, "changes", "list", "--session", "nothing-here")
    assert done.returncode == 0 and "changed nothing" in done.stderr
    for command in ("show", "undo", "keep"):
        assert run_cli(gateway.environment, "changes", command, "zzz").returncode == 1
    assert run_cli(gateway.environment, "approvals", "revoke", "zzz").returncode == 1
