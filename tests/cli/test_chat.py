"""``clawdbot chat`` in a pseudo-terminal against a real gateway."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from clawdbot_ext import client
from clawdbot_ext.client.endpoint import Endpoint
from tests.cli.conftest import Run, run_cli
from tests.cli.terminal import Terminal
from tests.support.server import GatewayProcess

if TYPE_CHECKING:
    from clawdbot_ext.client.sync import SyncClient

pytestmark = pytest.mark.slow
ESC, CTRL_C, CTRL_D, ALT_ENTER, UP = "\x1b", "\x03", "\x04", "\x1b\r", "\x1b[A"

Open = Callable[..., Terminal]


@pytest.fixture
def chat(gateway: GatewayProcess) -> Iterator[Open]:
    """Opens ``clawdbot chat`` in a session and waits for its prompt."""
    opened: list[Terminal] = []

    def start(session: str, *, wait: bool = True, **environment: str) -> Terminal:
        terminal = Terminal(["chat", "--session", session], {**gateway.environment, **environment})
        opened.append(terminal)
        if wait:
            terminal.expect("Clawdbot · ")
            terminal.ready()
        return terminal

    yield start
    for terminal in opened:
        terminal.close()


def connected(gateway: GatewayProcess) -> SyncClient:
    """Another client of the same gateway."""
    return client.connect(Endpoint(gateway.ws_url, gateway.url, gateway.token))


def test_a_question_is_answered_and_the_conversation_goes_on(chat: Open) -> None:
    terminal = chat("talk")
    terminal.send("hello\r")
    terminal.expect("error 401")  # the last words of the demo's greeting
    terminal.ready()
    terminal.send("code\r")
    terminal.expect("most_common_words")
    terminal.ready()
    assert terminal.screen.text.count("I am the demo") == 1, "nothing is left of the drawing"
    terminal.send(CTRL_D)
    terminal.expect("Bye.")
    assert terminal.wait() == 0


def test_a_reply_longer_than_the_screen_is_all_there_once(chat: Open) -> None:
    terminal = chat("long")
    terminal.send("long\r")
    terminal.expect("\n12\n", timeout_s=90)  # the demo's twelve sections
    terminal.ready()
    lines = terminal.screen.text.partition("› long")[2].splitlines()
    assert len(terminal.screen.above) > 0
    assert [line for line in lines if line.isdigit()] == [str(number) for number in range(1, 13)]
    assert not [line for line in lines if line.startswith("Esc stops")]


def test_korean_goes_both_ways(chat: Open) -> None:
    terminal = chat("hangul", LC_ALL="ko_KR.UTF-8")
    terminal.send("안녕하세요")
    terminal.ready("안녕하세요")
    terminal.send("\r")
    terminal.expect("안녕하세요! 저는 Clawdbot for Jupyter")
    terminal.ready()
    terminal.send("/quit\r")
    terminal.expect("안녕히 가세요.")
    assert terminal.wait() == 0


@pytest.mark.parametrize("key", [ESC, CTRL_C], ids=["Esc", "Ctrl+C"])
def test_a_reply_is_stopped_by_a_key_and_its_text_is_kept(chat: Open, cli: Run, key: str) -> None:
    session = f"stop-{ord(key)}"
    terminal = chat(session)
    terminal.send("slow\r")
    terminal.expect("One word")
    terminal.send(key)
    terminal.expect("Stopped.")
    terminal.ready()
    shown = cli("sessions", "show", session).stdout
    assert "One word" in shown
    assert "[Stopped.]" in shown


def test_what_is_typed_while_a_reply_is_written_is_the_next_line(chat: Open) -> None:
    terminal = chat("ahead")
    terminal.send("slow\r")
    terminal.expect("One word")
    terminal.send("/status")
    terminal.send(ESC)
    terminal.expect("Stopped.")
    terminal.ready("/status")
    terminal.send("\r")
    terminal.expect("Session: agent:main:ahead")


def test_commands_complete_and_new_switches_the_session(chat: Open) -> None:
    terminal = chat("commands")
    terminal.send("/sta")
    terminal.expect("/status ")
    terminal.send("\t")
    terminal.ready("/status")
    terminal.send("\r")
    terminal.expect("Thinking: off")
    terminal.ready()
    terminal.send("/new\r")
    terminal.expect("Session: agent:main:webchat:")
    terminal.ready()


def test_a_message_of_several_lines_is_one_message(chat: Open, cli: Run) -> None:
    terminal = chat("lines")
    terminal.send(f"first{ALT_ENTER}second")
    terminal.expect("  second")
    terminal.send("\r")
    terminal.expect("demo")
    terminal.ready()
    terminal.send("\x1b[200~pasted one\npasted two\x1b[201~")
    terminal.expect("  pasted two")
    terminal.send("\r")
    terminal.expect("scripted", times=2)
    terminal.ready()
    shown = cli("sessions", "show", "lines").stdout
    assert "\nfirst\nsecond\n" in shown
    assert "\npasted one\npasted two\n" in shown


def test_the_history_is_shown_at_the_start_and_typed_lines_are_kept_private(
    chat: Open, cli: Run, gateway: GatewayProcess
) -> None:
    cli("agent", "-m", "an earlier question", "--session", "tail")
    terminal = chat("tail")
    terminal.expect("› an earlier question")
    terminal.expect("demo")
    terminal.send("/help\r")
    terminal.expect("/models")
    terminal.ready()
    terminal.send(UP)
    terminal.ready("/help")
    history = gateway.home / "chat-history"
    assert stat.S_IMODE(history.stat().st_mode) == 0o600
    assert "/help" in history.read_text()


def test_what_other_clients_write_appears_above_the_line_that_is_edited(chat: Open, cli: Run) -> None:
    terminal = chat("shared")
    terminal.send("half a sen")
    terminal.ready("half a sen")
    cli("agent", "-m", "from elsewhere", "--session", "shared")
    terminal.expect("› (elsewhere) from elsewhere")
    terminal.expect("demo")
    terminal.ready("half a sen")


def test_a_reply_that_is_being_written_is_taken_up(chat: Open, gateway: GatewayProcess) -> None:
    with connected(gateway) as other:
        items = other.ask("slow", session_key="running", run_id="running-1")
        next(items)
        terminal = chat("running", wait=False)
        terminal.expect("One word")
        terminal.send(ESC)
        terminal.expect("Stopped.")
        terminal.ready()


def test_a_failed_reply_says_why_and_what_to_do(chat: Open) -> None:
    terminal = chat("failing")
    terminal.send("error 401\r")
    terminal.expect("The reply failed.")
    terminal.ready()


def test_a_gateway_that_restarts_is_found_again(tmp_path_factory: pytest.TempPathFactory) -> None:
    gateway = GatewayProcess(tmp_path_factory.mktemp("restarts"))
    gateway.start()
    terminal = Terminal(["chat"], gateway.environment)
    try:
        terminal.ready()
        terminal.send("still here")
        terminal.ready("still here")
        gateway.kill()
        terminal.expect("Connection lost, reconnecting")
        terminal.expect("The gateway isn't responding. Start `jupyter clawdbot` or JupyterLab", timeout_s=90)
        gateway.start()
        terminal.expect("Connected again.", timeout_s=90)
        terminal.ready("still here")
        terminal.send("\r")
        terminal.expect("demo")
        terminal.ready()
        assert "still here" in run_cli(gateway.environment, "sessions", "show").stdout
    finally:
        terminal.close()
        gateway.stop()


def test_nothing_that_anybody_writes_steers_the_terminal(chat: Open, cli: Run, gateway: GatewayProcess) -> None:
    hostile = "\x1b]0;pwned-title\x07\x1b[2Jcleared\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\\x9b31m red \u202egnp.exe"
    with connected(gateway) as other:
        other.request("sessions.new", {"key": "hostile", "label": "\x1b]0;pwned-label\x07name\x1b[2J"})
        other.request("chat.inject", {"sessionKey": "hostile", "message": f"before {hostile}"})
        terminal = chat("hostile")
        terminal.expect("before clearedlink red gnp.exe")
        other.request("chat.inject", {"sessionKey": "hostile", "message": f"live {hostile}"})
        terminal.expect("live clearedlink red gnp.exe")
        list(other.ask(f"question {hostile}", session_key="hostile"))
        terminal.expect("› (elsewhere) question clearedlink red gnp.exe")
    for forbidden in ("pwned", "\x1b]0;", "\x1b]8;", "\x9b", "\u202e"):
        assert forbidden not in terminal.raw
    for arguments in (
        ["sessions", "list"],
        ["sessions", "show", "hostile"],
        ["status"],
        ["sessions", "list", "--json"],
        ["sessions", "show", "hostile", "--json"],
    ):
        printed = cli(*arguments).stdout
        assert not set(printed) & set("\x1b\x07\x9b\u202e"), arguments


def test_without_a_terminal_the_way_out_is_named(cli: Run) -> None:
    done = cli("chat")
    assert done.returncode == 2
    assert "clawdbot agent -m" in done.stderr


def test_without_a_gateway_it_exits_with_3(own: dict[str, str]) -> None:
    terminal = Terminal(["chat"], own)
    try:
        terminal.expect("No gateway is running")
        assert terminal.wait() == 3
    finally:
        terminal.close()


def test_ctrl_c_empties_the_line_and_twice_leaves(chat: Open) -> None:
    terminal = chat("leave")
    terminal.send("draft")
    terminal.ready("draft")
    terminal.send(CTRL_C)
    terminal.expect("Ctrl+C again")
    terminal.ready()
    terminal.send(CTRL_C)
    terminal.expect("Bye.")
    assert terminal.wait() == 0
