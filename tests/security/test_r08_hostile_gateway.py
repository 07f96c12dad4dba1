"""The command line against a gateway that wants to do harm: texts that steer a terminal, answers of a wrong shape, and
answers that never end."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from clawdbot_ext.protocol.errors import InvalidRequest
from tests.cli.conftest import Done, run_cli, run_process
from tests.cli.terminal import Terminal
from tests.client.fake_gateway import TOKEN
from tests.security.hostile import (
    ANSWERS,
    ESCAPES,
    FORBIDDEN,
    LONG,
    MESSAGE,
    SESSION,
    STYLING,
    Hostile,
    mutated,
)
from tests.support.server import clean_environment

COMMANDS: dict[tuple[str, ...], str] = {
    ("sessions", "list"): "sessions.list",
    ("sessions", "list", "--json"): "sessions.list",
    ("sessions", "search", "x"): "sessions.search",
    ("sessions", "show"): "chat.history",
    ("sessions", "show", "--json"): "chat.history",
    ("sessions", "show", "--archived"): "sessions.transcripts",
    ("models", "list"): "models.list",
    ("models", "status"): "status",
    ("status",): "status",
    ("health",): "health",
    ("gateway", "status"): "health",
    ("devices", "list"): "device.pair.list",
    ("call", "status"): "status",
    ("approvals", "list"): "exec.approval.list",
    ("approvals", "list", "--json"): "hands.grants.list",
    ("changes", "list"): "hands.changes.list",
    ("changes", "show", "a"): "hands.changes.list",
    ("sessions", "mode"): "sessions.resolve",
}
"""Command → the method whose answer it prints."""


Run = Callable[..., Done]


@pytest.fixture
def cli(hostile: Hostile, tmp_path: Path) -> Run:
    environment = clean_environment(tmp_path)

    def run(*arguments: str) -> Done:
        done = run_cli(environment, *arguments, "--url", hostile.url, "--token", TOKEN)
        for text in (done.stdout, done.stderr):
            found = FORBIDDEN.search(STYLING.sub("", text)) if "--json" not in arguments else None
            assert found is None, (arguments, text[max(0, found.start() - 60) : found.end() + 60])
            assert "Traceback" not in text
        return done

    return run


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_r8_texts_of_a_gateway_neither_steer_the_terminal_nor_write_lines(cli: Run, command: tuple[str, ...]) -> None:
    done = cli(*command)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout and "\u202e" not in done.stdout
    assert "pwned" not in done.stdout or "--json" in command or command[0] == "call"
    if command[:2] not in (("sessions", "show"), ("sessions", "search")):  # their texts may have several lines
        assert not re.search("^(clawdbot: )?forged", done.stdout, re.MULTILINE)


def test_r8_errors_of_a_gateway_are_shown_as_text(hostile: Hostile, cli: Run) -> None:
    def refuse(params: dict[str, Any]) -> None:
        raise InvalidRequest(ESCAPES, reason=ESCAPES, text=ESCAPES, hint=ESCAPES)

    hostile.answers = dict.fromkeys(ANSWERS, refuse)
    for command in COMMANDS:
        done = cli(*command)
        assert done.returncode == 1
        assert not re.search("^(clawdbot: )?forged", done.stderr.removeprefix("clawdbot: "), re.MULTILINE), command


@pytest.mark.slow
def test_r8_a_reply_is_shown_as_text(hostile: Hostile, tmp_path: Path) -> None:
    hostile.answers["chat.send"] = lambda _: {"status": "started"}
    hostile.flood_after = "chat.send"
    for event in (
        flood("chat", state="error", message=MESSAGE, errorMessage=ESCAPES, error={"hint": ESCAPES}),
        flood("chat", state=[], message=[7], errorMessage={}, error=7),
        flood("chat", state="delta", offset="x", text=[]),
        flood("chat", state="delta", offset=10**400, text=[]),
    ):
        hostile.flood = event
        where = ("--url", hostile.url, "--token", TOKEN)
        done = run_process(clean_environment(tmp_path), "agent", "-m", "hi", "--timeout", "1", *where)
        assert not FORBIDDEN.search(done.stdout + done.stderr) and "Traceback" not in done.stderr
        assert done.returncode in (0, 1, 5) and "pwned" not in done.stdout + done.stderr  # 5: not over in time
        assert not re.search("^(clawdbot: )?forged", done.stderr, re.MULTILINE)
    hostile.flood = None


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_r8_a_malformed_answer_is_an_error_without_traceback(
    hostile: Hostile, cli: Run, command: tuple[str, ...]
) -> None:
    method = COMMANDS[command]
    for answer in mutated(ANSWERS[method]):
        hostile.answers[method] = lambda _, answer=answer: answer
        done = cli(*command)
        assert done.returncode in (0, 1), (answer, done)
        assert done.returncode == 0 or "clawdbot: " in done.stderr or command == ("health",), (answer, done)
    hostile.answers[method] = lambda _: {}
    if method not in ("health", "status") and command[-1] != "--json":
        assert "not of this protocol" in cli(*command).stderr


@pytest.mark.parametrize(
    "raw",
    [
        "[" * 200_000,
        '{"a":' * 200_000,
        "[]",
        "7",
        "{",
        "\x00",
        '{"type":"res","id":"2","ok":false,"error":{"code":[]}}',
    ],
    ids=range(7),
)
def test_r8_frames_that_are_none_end_the_command(hostile: Hostile, cli: Run, raw: str) -> None:
    hostile.raw = raw
    done = cli("sessions", "list")
    assert done.returncode in (1, 3) and done.stderr.startswith("clawdbot: ")


@pytest.mark.parametrize(
    "details", [{"reason": []}, {"reason": {}}, {"exc": 1, "url": []}, [], 7, {"text": [], "hint": 1}]
)
def test_r8_details_of_an_error_may_be_anything(hostile: Hostile, cli: Run, details: Any) -> None:
    error = {"code": {}, "message": [ESCAPES], "details": details, "retryAfterMs": 10**30}
    hostile.raw = json.dumps({"type": "res", "id": "2", "ok": False, "error": error})
    assert cli("sessions", "list").returncode == 1


@pytest.mark.parametrize(
    "hello",
    [[], 7, None, {"policy": []}, {"policy": {"tickIntervalMs": "x"}}, {"policy": {"tickIntervalMs": -1e300}}, {}],
    ids=range(7),
)
def test_r8_a_greeting_may_be_anything(hostile: Hostile, cli: Run, hello: Any) -> None:
    hostile.hello = hello
    assert cli("health").returncode in (0, 1, 3)


def flood(event: str, **payload: Any) -> dict[str, Any]:
    return {"type": "event", "event": event, "payload": payload}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "after", "event"),
    [
        ("agent -m hi", "chat.send", flood("chat", state="delta", message={"content": "x" * 100_000})),
        ("agent -m hi", "chat.send", flood("chat", state="delta", offset=0, text="x\n" * 250_000)),
        ("agent -m hi", "chat.send", flood("agent", stream="tool", data={"phase": "update", "output": LONG})),
        ("health", "health", flood("tick", text=LONG)),
        (
            "chat",
            "chat.history",
            flood("session.message", sessionKey="agent:main:main", message={"content": "x" * 999}),
        ),
    ],
    ids=["replacing", "growing", "tools", "ticks", "chat"],
)
def test_r8_endless_events_take_bounded_memory(
    hostile: Hostile, tmp_path: Path, command: str, after: str, event: dict[str, Any]
) -> None:
    hostile.answers["chat.send"] = lambda _: {"status": "started"}
    hostile.answers["chat.history"] = lambda _: {"messages": []}
    hostile.flood, hostile.flood_after = event, after
    terminal = Terminal([*command.split(), "--url", hostile.url, "--token", TOKEN], clean_environment(tmp_path))
    try:
        most, process = 0, psutil.Process(terminal.process.pid)
        for _ in range(16):
            try:
                terminal.process.wait(0.25)
                break
            except subprocess.TimeoutExpired:
                most = max(most, process.memory_info().rss)
        assert most < 300 * 1024 * 1024
    finally:
        hostile.flood = None
        terminal.close()


@pytest.mark.slow
def test_r8_a_chat_with_a_hostile_gateway_shows_text(hostile: Hostile, tmp_path: Path) -> None:
    hostile.answers["sessions.list"] = lambda _: {"sessions": [{**SESSION, "key": "agent:main:main"}]}
    terminal = Terminal(["chat", "--url", hostile.url, "--token", TOKEN], clean_environment(tmp_path))
    try:
        terminal.expect("before")
        terminal.ready()
        for event in ("session.message", "chat", "agent", "session.changed", "shutdown"):
            for payload in (
                {"message": MESSAGE, "state": "final", "errorMessage": ESCAPES},
                {"message": [7], "state": [], "data": 7, "reason": [], "runId": []},
                {"message": {"content": 7, "id": [], "error": 7, "usage": []}, "state": "error", "reason": ESCAPES},
            ):
                frame = flood(event, sessionKey="agent:main:main", **payload)
                for socket in hostile.sockets[-1:]:
                    asyncio.run_coroutine_threadsafe(socket.send(json.dumps(frame)), socket.loop).result(5)
        terminal.send("x\r")
        terminal.expect("does not support that")
        terminal.ready()
        terminal.send("\x04")
        terminal.expect("Bye.")
        assert terminal.wait() == 0
        assert "Traceback" not in terminal.raw and "exception" not in terminal.raw
        left = FORBIDDEN.search(STYLING.sub("", terminal.raw).replace("\r", ""))
        assert left is None, repr(terminal.raw[max(0, left.start() - 80) : left.end() + 80])
    finally:
        terminal.close()
