"""The assistant's work in a notebook, seen and steered from ``clawdbot chat``: a real gateway, a model that obeys, a
scripted notebook node."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import pytest

from clawdbot_ext import client
from clawdbot_ext.client.endpoint import Endpoint
from clawdbot_ext.client.sync import SyncClient
from clawdbot_ext.protocol.revision import revision
from tests.cli.conftest import eventually, run_cli
from tests.cli.terminal import Terminal
from tests.support.notebook_node import NotebookNode, notebook
from tests.support.server import GatewayProcess
from tests.support.strict_api import StrictAPI, call, wants

pytestmark = pytest.mark.slow
PATH = "분석/a.ipynb"
PROMPT = "Answer ›"


@pytest.fixture(scope="module")
def strict() -> Iterator[StrictAPI]:
    with StrictAPI() as api:
        yield api


@pytest.fixture(scope="module")
def obeying(strict: StrictAPI, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    env = {"ANTHROPIC_API_KEY": "sk-test", "ANTHROPIC_BASE_URL": strict.url}
    gateway = GatewayProcess(tmp_path_factory.mktemp("obeying") / "state", env=env)
    gateway.start()
    yield gateway
    gateway.stop()


@pytest.fixture
def served(obeying: GatewayProcess) -> Iterator[tuple[NotebookNode, asyncio.AbstractEventLoop]]:
    """A page with a notebook, and its loop."""
    node = NotebookNode([notebook(PATH, "x = 1", "print(x)", "y = 2")])
    ready: Future[None] = Future()
    over: Future[asyncio.Event] = Future()

    async def serve() -> None:
        done = asyncio.Event()
        over.set_result(done)
        async with node.connected(obeying.ws_url, obeying.token, instance="page"):
            ready.set_result(None)
            await done.wait()

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    ready.result(15)
    yield node, loop
    loop.call_soon_threadsafe(over.result(1).set)
    thread.join(15)
    loop.close()


@pytest.fixture
def node(served: tuple[NotebookNode, asyncio.AbstractEventLoop]) -> NotebookNode:
    return served[0]


@pytest.fixture
def release(served: tuple[NotebookNode, asyncio.AbstractEventLoop]) -> Callable[[], Any]:
    """Lets a cell that runs come to its end."""
    node, loop = served
    return lambda: loop.call_soon_threadsafe(node.released.set)


@pytest.fixture
def terminal(obeying: GatewayProcess, node: NotebookNode, request: pytest.FixtureRequest) -> Iterator[Terminal]:
    """``clawdbot chat`` in a session of the test's own."""
    environment = {**obeying.environment, "VISUAL": "sed -i s/10/20/", "EDITOR": "false"}
    opened = Terminal(["chat", "--session", request.node.name[5:25]], environment, lines=60)
    opened.expect("Clawdbot · ")
    opened.ready()
    yield opened
    opened.close()


def edit(*ops: dict[str, Any]) -> str:
    return wants(call("notebook_edit", path=PATH, ops=list(ops)))


def replace(cell: str, old: str, new: str) -> dict[str, Any]:
    return {"op": "replace", "cell": cell, "rev": revision(old), "source": new}


def wish(terminal: Terminal, text: str) -> None:
    terminal.send(f"\x1b[200~{text}\x1b[201~\r")


def test_an_edit_is_seen_changed_partly_allowed_and_undone(terminal: Terminal, node: NotebookNode) -> None:
    wish(terminal, edit(replace("c0", "x = 1", "x = 10"), replace("c2", "y = 2", "y = 3")))
    terminal.expect(PROMPT)
    for shown in ("[1] cell 1 (code) changes", "- x = 1", "+ x = 10", "[2] cell 3 (code) changes", "1,3 only these"):
        assert shown in terminal.screen.text, terminal.screen.text
    assert node.notebooks[PATH].sources() == ["x = 1", "print(x)", "y = 2"]
    terminal.send("e 1\r")
    terminal.expect("+ x = 20")
    terminal.send("1\r")
    terminal.expect("1 cell changed in 분석/a.ipynb · /undo")
    terminal.ready()
    assert node.notebooks[PATH].sources() == ["x = 20", "print(x)", "y = 2"]
    terminal.send("/undo\r")
    terminal.expect("Undone: 1 cell changed")
    assert node.notebooks[PATH].sources() == ["x = 1", "print(x)", "y = 2"]


def test_an_undo_that_would_lose_the_persons_work_is_refused_and_forced(terminal: Terminal, node: NotebookNode) -> None:
    wish(terminal, edit(replace("c0", "x = 1", "x = 10")))
    terminal.expect(PROMPT)
    terminal.send("y\r")
    terminal.expect("/undo takes it back")
    terminal.ready()
    node.notebooks[PATH].type("c0", "x = 11")
    terminal.send("/undo\r")
    terminal.expect("was changed since")
    terminal.expect("+ x = 11")
    terminal.ready()
    assert node.notebooks[PATH].sources()[0] == "x = 11"
    terminal.send("/undo force\r")
    terminal.expect("Undone: 1 cell changed")
    assert node.notebooks[PATH].sources()[0] == "x = 1"


def test_a_run_is_allowed_watched_and_asks_for_its_input(terminal: Terminal, node: NotebookNode) -> None:
    node.notebooks[PATH].type("c1", "input")
    wish(terminal, wants(call("cell_run", path=PATH, cells=["c1"])))
    terminal.expect(PROMPT)
    terminal.expect("run cell 2")
    terminal.send("y\r")
    terminal.expect("? ", times=2)
    terminal.send("secret words\r")
    terminal.expect("Answered.")
    terminal.ready()
    assert "secret words" in str(node.__dict__)


def test_the_assistants_own_question_is_answered(terminal: Terminal) -> None:
    questions = [{"id": "column", "text": "Which column?", "choices": ["price", "weight"]}]
    wish(terminal, wants(call("ask_person", questions=questions)))
    terminal.expect("? Which column?")
    terminal.expect("  2  weight")
    terminal.send("2\r")
    terminal.expect("Answered.")
    terminal.ready()


def test_a_plan_is_shown_with_all_that_it_would_do_and_ticked_off(terminal: Terminal, node: NotebookNode) -> None:
    terminal.send("/mode plan\r")
    terminal.expect("Mode: Plan")
    terminal.ready()
    steps = [{"text": "Look at the data", "state": "done"}, {"text": "Change x", "state": "doing"}]
    change = {"path": PATH, "ops": [replace("c0", "x = 1", "x = 10")]}
    planned = call("plan", steps=steps, operations=[{"tool": "notebook_edit", "arguments": change}])
    wish(terminal, wants(planned, call("notebook_edit", **change)))
    terminal.expect(PROMPT)
    assert '"source": "x = 10"' in terminal.screen.text
    terminal.send("y\r")
    terminal.expect("✓ Look at the data")
    terminal.expect("▸ Change x")
    terminal.expect("1 cell changed in 분석/a.ipynb")
    terminal.ready()
    assert node.notebooks[PATH].sources()[0] == "x = 10"


def test_in_a_mode_that_allows_it_nothing_is_asked_and_the_change_is_told(
    terminal: Terminal, node: NotebookNode, obeying: GatewayProcess
) -> None:
    terminal.send("/mode edits\r")
    terminal.expect("Mode: Edits")
    terminal.ready()
    wish(terminal, edit(replace("c0", "x = 1", "x = 10")))
    terminal.expect("1 cell changed in 분석/a.ipynb")
    terminal.ready()
    assert PROMPT not in terminal.screen.text
    assert node.notebooks[PATH].sources()[0] == "x = 10"
    listed = run_cli(obeying.environment, "changes", "list", "--path", PATH)
    assert "can be undone" in listed.stdout
    change = listed.stdout.splitlines()[1].split()[0]
    assert "+ x = 10" in run_cli(obeying.environment, "changes", "show", change).stdout
    assert run_cli(obeying.environment, "changes", "undo", change).returncode == 0
    assert node.notebooks[PATH].sources()[0] == "x = 1"


def test_a_yes_for_the_notebook_is_listed_and_revoked(
    terminal: Terminal, node: NotebookNode, obeying: GatewayProcess
) -> None:
    wish(terminal, edit(replace("c0", "x = 1", "x = 10")))
    terminal.expect(PROMPT)
    terminal.send("a notebook\r")
    terminal.expect("Allowed for this notebook in this session.")
    terminal.ready()
    wish(terminal, edit(replace("c0", "x = 10", "x = 11")))
    terminal.expect("1 cell changed", times=2)
    terminal.ready()
    listed = run_cli(obeying.environment, "approvals", "list").stdout
    row = next(line for line in listed.splitlines() if "notebook_edit" in line)
    assert run_cli(obeying.environment, "approvals", "revoke", row.split()[0]).returncode == 0
    assert "notebook_edit" not in run_cli(obeying.environment, "approvals", "list").stdout


@pytest.fixture
def window(obeying: GatewayProcess) -> Iterator[SyncClient]:
    """Another window."""
    with client.connect(Endpoint(obeying.ws_url, obeying.url, obeying.token)) as connected:
        yield connected


@pytest.fixture
def queued(window: SyncClient, request: pytest.FixtureRequest) -> threading.Event:
    """Set once a message waits in the session."""
    seen = threading.Event()
    window.request("chat.history", {"sessionKey": request.node.name[5:25]})  # its events come from now on
    window.subscribe(lambda event: seen.set() if event.name == "session.queue" else None)
    return seen


def running(terminal: Terminal, node: NotebookNode, answer: str = "done") -> None:
    """Have a cell run until it is released or interrupted."""
    node.notebooks[PATH].type("c1", "wait")
    wish(terminal, f"[[text={answer}]]{wants(call('cell_run', path=PATH, cells=['c1']))}")
    terminal.expect(PROMPT)
    terminal.send("y\r")
    terminal.expect("Allowed this once.")
    terminal.expect("/now TEXT")


def test_a_line_for_now_is_read_at_the_next_step_and_other_lines_wait_in_the_field(
    terminal: Terminal, node: NotebookNode, release: Callable[[], Any], queued: threading.Event
) -> None:
    running(terminal, node)
    terminal.send("and then this\r/now\r")
    terminal.expect("Write /now TEXT.")
    terminal.send("/now [[text=the median then]]\r")
    terminal.expect("› /now [[text=the median then]]")
    assert queued.wait(60)
    release()
    terminal.expect("The assistant has read: [[text=the median then]]")
    terminal.expect("the median then", times=3)
    terminal.ready("and then this")


def test_a_line_for_now_that_is_not_read_before_the_end_is_answered_then(terminal: Terminal, strict: StrictAPI) -> None:
    terminal.send("[[first_ms=3000]][[text=the first]] one\r")
    # A line of before the request would go with it.
    assert eventually(lambda: any("the first" in str(turn.body["messages"]) for turn in strict.turns))
    terminal.expect("… · Esc stops")
    terminal.send("/now [[text=the second]] two\r")
    terminal.expect("the first", times=2)
    terminal.expect("the second", times=2)
    terminal.ready()


def test_a_line_for_now_comes_back_to_the_field_when_the_reply_is_stopped(
    terminal: Terminal, node: NotebookNode
) -> None:
    running(terminal, node)
    terminal.send("/now use the median\r")
    terminal.expect("› /now use the median")
    terminal.send("\x03")
    terminal.ready("use the median")


def test_a_reply_of_another_window_is_steered_from_here(
    terminal: Terminal,
    node: NotebookNode,
    window: SyncClient,
    queued: threading.Event,
    release: Callable[[], Any],
    request: pytest.FixtureRequest,
) -> None:
    node.notebooks[PATH].type("c1", "wait")
    key = request.node.name[5:25]
    theirs = window.submit(wants(call("cell_run", path=PATH, cells=["c1"])), session_key=key)
    terminal.expect(PROMPT)
    terminal.send("y\r")
    terminal.expect("Allowed this once.")
    terminal.ready()
    terminal.send("/now [[text=as you say]]\r")
    assert queued.wait(60)
    release()
    terminal.expect("The running reply has read this")
    assert theirs.result(60).text == "as you say"
    terminal.expect("as you say", times=2)
    terminal.ready()


def test_what_is_cited_from_the_web_is_named_behind_the_answer(terminal: Terminal, obeying: GatewayProcess) -> None:
    wish(terminal, "[[bad=search]][[text=It is so.]] look it up")
    terminal.expect("Sources\n[1] About x · https://example.org/x")
    terminal.ready()
    session = "what_is_cited_from_the_web_is_named_behind_the_answer"[:20]
    shown = run_cli(obeying.environment, "sessions", "show", session).stdout
    assert "It is so. [1]" in shown and "[1] About x · https://example.org/x" in shown
