"""Questions for permission in ``clawdbot chat``, in a pseudo-terminal against a real gateway."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from clawdbot_ext import client
from clawdbot_ext.client.approvals import Decision
from clawdbot_ext.client.endpoint import Endpoint
from clawdbot_ext.client.sync import SyncClient
from tests.cli.terminal import Terminal
from tests.support.server import GatewayProcess

pytestmark = pytest.mark.slow
CTRL_C, CTRL_D = "\x03", "\x04"
ASKS = "[[tool=demo_calculate]][[expression=2+3]]"
"""Has the demo call a tool that needs permission."""
QUESTION, PROMPT = 'demo_calculate {"expression": "2+3"}', "Answer ›"

Open = Callable[..., Terminal]


@pytest.fixture
def chat(gateway: GatewayProcess) -> Iterator[Open]:
    """Opens ``clawdbot chat`` in a session and waits for its prompt."""
    opened: list[Terminal] = []

    def start(session: str, *, wait: bool = True, kind: str = "xterm-256color", **environment: str) -> Terminal:
        terminal = Terminal(["chat", "--session", session], {**gateway.environment, **environment}, kind=kind)
        opened.append(terminal)
        if wait:
            terminal.expect("Clawdbot · ")
            terminal.ready()
        return terminal

    yield start
    for terminal in opened:
        terminal.close()


@pytest.fixture
def other(gateway: GatewayProcess) -> Iterator[SyncClient]:
    """Another window."""
    with client.connect(Endpoint(gateway.ws_url, gateway.url, gateway.token)) as connected:
        yield connected


def results(other: SyncClient, session: str) -> list[dict]:
    """The results of the tools of a session."""
    messages = other.request("chat.history", {"sessionKey": session})["messages"]
    return [message for message in messages if message["role"] == "toolResult"]


def test_a_question_is_shown_at_once_and_yes_runs_the_tool(chat: Open, other: SyncClient) -> None:
    terminal = chat("permit")
    terminal.send(f"{ASKS}\r")
    terminal.expect(QUESTION)
    terminal.expect(PROMPT)
    terminal.send("y\r")
    terminal.expect("Allowed this once.")
    terminal.expect("The tool answered: 5")
    terminal.ready()
    assert [result["isError"] for result in results(other, "permit")] == [False]


def test_no_refuses_and_anything_unclear_is_asked_again(chat: Open, other: SyncClient) -> None:
    terminal = chat("refuse")
    terminal.send(f"{ASKS}\r")
    terminal.expect(PROMPT)
    terminal.send("yes please do\r")
    terminal.expect("`yes please do` is no answer to this question.")
    terminal.expect(PROMPT, times=2)
    terminal.send("n not that one\r")
    terminal.expect("Refused.")
    terminal.ready()
    assert [result.get("denied") for result in results(other, "refuse")] == [True]


def test_ctrl_c_stops_the_run_and_takes_the_question_back(chat: Open, other: SyncClient) -> None:
    terminal = chat("take-back")
    terminal.send(f"{ASKS}\r")
    terminal.expect(PROMPT)
    assert len(other.approvals.list("take-back")) == 1
    terminal.send(CTRL_C)
    terminal.expect("Stopped.")
    terminal.ready()
    assert other.approvals.list("take-back") == []


def test_a_question_that_another_window_answers_goes_away_and_says_so(chat: Open, other: SyncClient) -> None:
    terminal = chat("elsewhere")
    terminal.send(f"{ASKS}\r")
    terminal.expect(PROMPT)
    other.approvals.resolve(other.approvals.list("elsewhere")[0].id, Decision.allow())
    terminal.expect("Allowed in another window")
    terminal.expect("The tool answered: 5")
    terminal.ready()


def test_a_question_of_a_run_from_elsewhere_is_asked_and_a_line_being_written_stays(
    chat: Open, other: SyncClient
) -> None:
    terminal = chat("their-run")
    terminal.send("half a sen")
    terminal.ready("half a sen")
    asked = other.submit(ASKS, session_key="their-run")
    terminal.expect("You can answer after this line.")
    terminal.ready("half a sen")
    terminal.send("\r")
    terminal.expect(QUESTION)
    terminal.expect(PROMPT)
    terminal.send("y\r")
    assert "5" in asked.result(15).text
    terminal.ready("half a sen")


def test_the_question_of_another_session_is_named_and_covers_nothing(chat: Open, other: SyncClient) -> None:
    terminal = chat("mine")
    other.submit(ASKS, session_key="theirs")
    terminal.expect("Session theirs waits for your permission")
    terminal.send("hello\r")
    terminal.expect("error 401")  # the last words of the demo's greeting
    terminal.ready()
    assert PROMPT not in terminal.screen.text
    other.approvals.resolve(other.approvals.list("theirs")[0].id, Decision.deny())


def test_a_question_that_waits_is_asked_when_the_chat_opens(chat: Open, other: SyncClient) -> None:
    asked = other.submit(ASKS, session_key="waits")
    terminal = chat("waits", wait=False)
    terminal.expect(PROMPT)
    terminal.send(CTRL_D)
    terminal.expect("Left open.")
    other.approvals.resolve(other.approvals.list("waits")[0].id, Decision.allow())
    assert "5" in asked.result(15).text


def test_in_a_dumb_terminal_the_question_is_asked_too(chat: Open) -> None:
    terminal = chat("dumb", kind="dumb")
    terminal.send(f"{ASKS}\r")
    terminal.expect(PROMPT)
    terminal.send("y\r")
    terminal.expect("The tool answered: 5")
    assert "\x1b[3" not in terminal.raw, "no colours"


def test_in_korean_and_with_the_korean_keyboard_on(chat: Open) -> None:
    terminal = chat("hangul-permit", LC_ALL="ko_KR.UTF-8")
    terminal.send(f"{ASKS}\r")
    terminal.expect("y 이번만 허용")
    terminal.send("ㅛ\r")
    terminal.expect("이번만 허용했어요.")
    terminal.ready()
