"""The assistant's work in a notebook, decided in the windows that have no page: ``clawdbot agent``, magics, Python."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from clawdbot_ext import client
from clawdbot_ext.client.approvals import Approval, Decision, EditPreview
from clawdbot_ext.client.endpoint import Endpoint
from clawdbot_ext.client.reply import Notice, ReplyEnd
from clawdbot_ext.client.sync import SyncClient
from clawdbot_ext.protocol.citations import cited
from clawdbot_ext.protocol.revision import revision
from tests.cli.conftest import run_cli
from tests.cli.terminal import Terminal
from tests.notebook.kernel import Kernel
from tests.support.hands import cells_of, code, write_notebook
from tests.support.obeying import HandsGateway
from tests.support.server import GatewayProcess
from tests.support.strict_api import Call, StrictAPI, call, wants

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
PROMPT, REASON, WAIT_S = "Answer ›", "no plot in this notebook", 60
NAME = "print('hello', input('Who? '))"
CITES = "[[bad=search]][[text=It is so.]] look it up"
STEPS = [{"text": "Look at the data", "state": "done"}, {"text": "Say hello", "state": "doing"}]


@pytest.fixture(scope="module")
def obeying(tmp_path_factory: pytest.TempPathFactory, strict_api: StrictAPI) -> Iterator[HandsGateway]:
    """A gateway with kernels, and an owner who allows the unattended mode."""
    env = {"ANTHROPIC_API_KEY": "sk-test", "ANTHROPIC_BASE_URL": strict_api.url, "VISUAL": "sed -i s/10/11/"}
    config = {"policy": {"maxHandsMode": "unattended"}, "agents": {"defaults": {"autoTitle": False}}}
    gateway = GatewayProcess(tmp_path_factory.mktemp("windows") / "state", env=env, config=config)
    gateway.start()
    yield HandsGateway(gateway, strict_api)
    gateway.stop()


@pytest.fixture(scope="module")
def window(obeying: HandsGateway) -> Iterator[SyncClient]:
    gateway = obeying.gateway
    with client.connect(Endpoint(gateway.ws_url, gateway.url, gateway.token)) as connected:
        yield connected


class Work:
    """A notebook, and all that a model can ask a person about it."""

    def __init__(self, path: Path) -> None:
        self.path = write_notebook(path, [code("a = 1"), code("b = 2"), code("c = 3"), code(NAME)])

    def replaced(self, cell: str, old: str, new: str) -> dict[str, Any]:
        return {"op": "replace", "cell": cell, "rev": revision(old), "source": new}

    def edited(self, *ops: Mapping[str, Any]) -> Call:
        return call("notebook_edit", path=self.path.name, ops=list(ops))

    @property
    def wish(self) -> str:
        questions = [{"id": "column", "text": "Which column?", "choices": ["price", "weight"]}]
        return wants(
            call("plan", steps=STEPS),
            self.edited(self.replaced("c0", "a = 1", "a = 10"), self.replaced("c1", "b = 2", "b = 20")),
            self.edited({"op": "insert", "after": "end", "type": "code", "source": "plot(a)"}),
            self.edited(self.replaced("c2", "c = 3", "c = 30")),
            self.edited(self.replaced("c2", "c = 30", "c = 31")),
            call("ask_person", questions=questions),
            call("cell_run", path=self.path.name, cells=["c2", "c3"], wait_s=120),
        )

    @property
    def sources(self) -> list[str]:
        return [cell["source"] for cell in cells_of(self.path)]

    def type(self, old: str, new: str) -> None:
        """The person changes the file."""
        self.path.write_text(self.path.read_text().replace(old, new))


@pytest.fixture
def work(obeying: HandsGateway, request: pytest.FixtureRequest) -> Work:
    return Work(obeying.gateway.state / f"{request.node.name[5:20]}.ipynb")


def test_the_agent_asks_shows_and_takes_every_answer_on_a_terminal(work: Work, obeying: HandsGateway) -> None:
    environment = obeying.gateway.environment
    terminal = Terminal(["agent", "--session", "agent", "-m", work.wish], environment, lines=80)
    try:
        for shown in ("[1] cell 1 (code) changes", "- a = 1", "+ a = 10", "1,3 only these", PROMPT):
            terminal.expect(shown)
        assert work.sources == ["a = 1", "b = 2", "c = 3", NAME]
        terminal.send("e 1\r")
        terminal.expect("+ a = 11")
        terminal.expect(PROMPT, times=2)
        terminal.send("1\r")
        terminal.expect("+ plot(a)")
        terminal.expect(PROMPT, times=3)
        assert work.sources == ["a = 11", "b = 2", "c = 3", NAME]
        terminal.send(f"n {REASON}\r")
        terminal.expect("+ c = 30")
        terminal.expect(PROMPT, times=4)
        terminal.send("a notebook\r")
        terminal.expect("  2  weight")
        terminal.expect(PROMPT, times=5)
        assert work.sources == ["a = 11", "b = 2", "c = 31", NAME]
        terminal.send("2\r")
        terminal.expect("run cell 3")
        terminal.expect(PROMPT, times=6)
        terminal.send("y\r")
        terminal.expect("Who?", times=3)
        terminal.send("world\r")
        assert terminal.wait(120) == 0
    finally:
        terminal.close()
    told = str(obeying.api.bodies)
    assert all(said in told for said in (REASON, "a = 11", "weight", "hello world")) and obeying.api.refusals == []
    assert "[1] About x · https://example.org/x" in run_cli(environment, "agent", "-m", CITES).stderr

    work.type("c = 31", "c = 99")
    rows = run_cli(environment, "changes", "list", "--session", "agent").stdout.splitlines()[1:]
    newest, older, oldest = (row.split()[0] for row in rows)
    left = run_cli(environment, "changes", "undo", newest)
    assert left.returncode == 1 and "was changed since" in left.stderr and work.sources[2] == "c = 99"
    assert run_cli(environment, "changes", "undo", newest, "--force").returncode == 0
    assert run_cli(environment, "changes", "keep", older).returncode == 0
    assert "+ a = 11" in run_cli(environment, "changes", "show", oldest).stdout
    assert work.sources == ["a = 11", "b = 2", "c = 30", NAME]


@pytest.fixture(scope="module")
def kernel(obeying: HandsGateway, window: SyncClient) -> Iterator[Kernel]:
    for session in ("magics", "red"):
        window.request("sessions.new", {"key": session})
    kernel = Kernel({**obeying.gateway.environment, "IPYTHONDIR": str(obeying.gateway.state / "ipython")})
    assert kernel.run("%reload_ext clawdbot_ext\n%clawdbot use magics").errors == []
    yield kernel
    kernel.stop()


def test_a_cell_asks_shows_and_takes_every_answer(work: Work, obeying: HandsGateway, kernel: Kernel) -> None:
    asked = kernel.start(f"%%clawdbot\n{work.wish}")
    for answer in ("1", f"n {REASON}", "a notebook", "2", "y"):
        kernel.prompt()
        kernel.answer(answer)
    assert kernel.prompt()["prompt"].strip() == "Who?"
    assert work.sources == ["a = 10", "b = 2", "c = 31", NAME]
    kernel.answer("world")
    ran = kernel.collect(asked)
    assert ran.errors == []
    for shown in ("-a = 1\n+a = 10", "+plot(a)", "Refused.", "Which column?", "3. weight", "Allowed for this notebook"):
        assert shown.replace("3.", "2.") in ran.markdown, ran.markdown
    assert ran.markdown.count("1 cell changed") == 3
    assert "hello world" in str(obeying.api.bodies) and obeying.api.refusals == []

    work.type("c = 31", "c = 99")
    assert "force" in " ".join(kernel.run("%clawdbot undo").errors) and work.sources[2] == "c = 99"
    assert kernel.run("%clawdbot undo force").errors == [] and work.sources[2] == "c = 30"
    assert "About x" in kernel.run(f"%%clawdbot\n{CITES}").markdown


def test_python_decides_watches_and_takes_back(work: Work, obeying: HandsGateway, window: SyncClient) -> None:
    seen: list[Approval] = []
    answers = [
        Decision.allow(accepted=[0], edited={0: "a = 11"}),
        Decision.deny(REASON),
        Decision.allow("notebook"),
        Decision.answer({"column": "weight"}),
        Decision.allow(),
        Decision.answer("world"),
    ]

    def decide(approval: Approval) -> Decision:
        seen.append(approval)
        return answers[len(seen) - 1]

    items = list(window.ask(work.wish, session_key="python", on_approval=decide))
    assert [each.kind for each in seen] == ["tool", "tool", "tool", "question", "tool", "input"]
    preview = seen[0].preview
    assert isinstance(preview, EditPreview) and (preview.cells[0].before, preview.cells[0].after) == ("a = 1", "a = 10")
    assert work.sources == ["a = 11", "b = 2", "c = 31", NAME]
    tools = [item.facts for item in items if isinstance(item, Notice) and item.kind == "tool"]
    assert [step["state"] for facts in tools for step in (facts.get("details") or {}).get("steps", ())] == [
        "done",
        "doing",
    ]
    assert any(facts.get("progress") for facts in tools), "what the cell is at"
    end = items[-1]
    assert isinstance(end, ReplyEnd) and end.message is not None and end.message["usage"]["totalTokens"] > 0
    assert REASON in str(obeying.api.bodies) and obeying.api.refusals == []
    [source] = cited(window.send(CITES, session_key="python").message or {})[1]
    assert source.url == "https://example.org/x"

    work.type("c = 31", "c = 99")
    newest, older, _ = window.changes.list(session_key="agent:main:python")
    [problem] = window.changes.undo(newest.id).problems
    assert (problem.now, problem.after) == ("c = 99", "c = 31") and work.sources[2] == "c = 99"
    assert window.changes.undo(newest.id, force=True).state == "undone" and work.sources[2] == "c = 30"
    window.changes.keep(older.id)
    assert [each.state for each in window.changes.list(session_key="agent:main:python")] == [
        "undone",
        "kept",
        "applied",
    ]
    [grant] = [each for each in window.approvals.grants() if each.path == work.path.name]
    window.approvals.revoke(grant.id)


class Waiting:
    """A run that waits for a permission in ``session``; ``queued`` is set once a message waits behind it."""

    def __init__(self, window: SyncClient, work: Work, session: str) -> None:
        self._window, self._session = window, session
        came, self.queued = threading.Event(), threading.Event()
        window.request("chat.history", {"sessionKey": session})  # its events come from now on
        heard = {"exec.approval.requested": came, "session.queue": self.queued}
        window.subscribe(lambda event: heard[event.name].set() if event.name in heard else None)
        self.reply = window.submit(wants(work.edited(work.replaced("c0", "a = 1", "a = 10"))), session_key=session)
        assert came.wait(WAIT_S)

    def allow(self) -> None:
        [question] = self._window.approvals.list(self._session)
        self._window.approvals.resolve(question.id, Decision.allow())


def test_python_names_the_session_of_a_question_and_a_stop_takes_it_back(work: Work, window: SyncClient) -> None:
    waiting = Waiting(window, work, "stopped")
    [question] = [each for each in window.approvals.list() if each.session_key == "agent:main:stopped"]
    window.request("chat.abort", {"sessionKey": "stopped", "runId": question.run_id})
    assert waiting.reply.result(WAIT_S).state == "aborted"
    assert window.approvals.list("stopped") == [] and work.sources[0] == "a = 1"


def test_a_message_of_python_is_read_at_the_next_step(work: Work, window: SyncClient) -> None:
    waiting = Waiting(window, work, "python-now")
    now = window.submit("[[text=as you say]]", session_key="python-now", when="now")
    assert waiting.queued.wait(WAIT_S)
    waiting.allow()
    assert waiting.reply.result(WAIT_S).text == "as you say" == now.result(WAIT_S).text


def test_a_message_of_the_agent_is_read_at_the_next_step(work: Work, obeying: HandsGateway, window: SyncClient) -> None:
    waiting = Waiting(window, work, "agent-now")
    arguments = ["agent", "--now", "--wait", "-m", "[[text=as you say]]", "--session", "agent-now"]
    terminal = Terminal(arguments, obeying.gateway.environment)
    try:
        assert waiting.queued.wait(WAIT_S)
        waiting.allow()
        terminal.expect("as you say")
        assert terminal.wait() == 0
    finally:
        terminal.close()


def test_the_unattended_mode_is_set_and_told_everywhere_and_red_in_a_terminal(
    obeying: HandsGateway, window: SyncClient, kernel: Kernel
) -> None:
    environment = obeying.gateway.environment
    terminal = Terminal(["chat", "--session", "red"], environment)
    try:
        terminal.ready()
        terminal.send("/mode unattended\r")
        terminal.expect("Mode: UNATTENDED")
        terminal.expect("UNATTENDED (60 min left)", times=2)
        assert re.search(r"\x1b\[[0-9;]*31[0-9;]*m *UNATTENDED", terminal.raw), repr(terminal.raw[-2000:])
    finally:
        terminal.close()
    terminal = Terminal(["sessions", "mode", "red"], environment)
    try:
        assert terminal.wait() == 0
        terminal.expect("UNATTENDED (60 min left)")
        assert "\x1b[31mMode: UNATTENDED" in terminal.raw, repr(terminal.raw)
    finally:
        terminal.close()
    assert kernel.run("%clawdbot use red\n%clawdbot mode").markdown.count("`unattended`") == 1
    assert kernel.run("%clawdbot use magics").errors == []
    assert window.approvals.set_mode("unattended", session_key="red", minutes=5)["mode"] == "unattended"
