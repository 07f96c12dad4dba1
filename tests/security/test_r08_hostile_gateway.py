"""The command line against a gateway that wants to do harm: texts that steer a terminal, answers of a wrong shape, and
answers that never end."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from copy import deepcopy
from pathlib import Path
from typing import Any

import psutil
import pytest

from clawdbot_ext.client.endpoint import Endpoint
from clawdbot_ext.client.errors import ClientError
from clawdbot_ext.client.reply import ReplyFailed
from clawdbot_ext.client.sync import SyncClient, connect
from clawdbot_ext.protocol.errors import GatewayError, InvalidRequest
from tests.cli.conftest import Done, run_cli, run_process
from tests.cli.terminal import Terminal
from tests.client.fake_gateway import HELLO, TOKEN, FakeGateway
from tests.support.server import clean_environment

ESCAPES = (
    "\x1b[2J\x1b[31m\x1b]0;pwned\x07\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\\x1b]52;c;cHduZWQ=\x07"
    "\x1bPq#0\x1b\\\x9b2J\x9d0;pwned\x9c\x07\x08\x00\x7f\u202e\u2066\u200f\u2028\r\nclawdbot: forged\nforged \ud800"
)
LONG = "x" * 200_000
FORBIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
STYLING = re.compile(
    r"\x1b\[[0-9;]*m|\x1b\[\?(?:25|2004|2026|1|7|12)[hl]|\x1b\[[0-9;]*[ABCDHJKn]|\x1b\[[0-9] q|\x1b[=>]|\x08"
)
"""Our own colours, and how prompt_toolkit and rich move the cursor."""
MESSAGE = {
    "id": ESCAPES,
    "role": "assistant",
    "model": ESCAPES,
    "timestamp": 1,
    "content": [
        {"type": "text", "text": f"before {ESCAPES} after"},
        {"type": ESCAPES, "mediaId": ESCAPES, "name": ESCAPES, "width": 1, "height": 1, "size": 1},
    ],
    "stopReason": "error",
    "errorMessage": ESCAPES,
    "error": {"hint": ESCAPES},
    "usage": {"totalTokens": 1, "cost": {"total": 1}},
}
SESSION = {
    "key": f"agent:main:{ESCAPES}",
    "displayName": ESCAPES,
    "derivedTitle": ESCAPES,
    "messageCount": 1,
    "model": ESCAPES,
    "updatedAt": 1,
    "running": True,
}
EDIT = {"op": ESCAPES, "cell": ESCAPES, "index": 1, "type": ESCAPES, "before": ESCAPES, "after": f"{ESCAPES}\nnew"}
QUESTION = {
    "id": ESCAPES,
    "createdAtMs": 1,
    "request": {
        "title": ESCAPES,
        "command": ESCAPES,
        "sessionKey": ESCAPES,
        "path": ESCAPES,
        "arguments": {ESCAPES: ESCAPES},
        "preview": {"type": "edit", "path": ESCAPES, "cells": [EDIT]},
    },
}
GRANT = {"id": ESCAPES, "tool": ESCAPES, "scope": ESCAPES, "path": ESCAPES, "cell": ESCAPES, "createdAtMs": 1}
CHANGE = {
    "id": f"a{ESCAPES}",
    "sessionKey": ESCAPES,
    "path": ESCAPES,
    "createdAtMs": 1,
    "by": ESCAPES,
    "state": "applied",
    "cells": [EDIT],
}
DEVICE = {"displayName": ESCAPES, "role": ESCAPES, "remoteIp": ESCAPES}
ANSWERS: dict[str, Any] = {
    "sessions.list": {"sessions": [SESSION]},
    "sessions.search": {
        "hits": [{"sessionKey": ESCAPES, "label": ESCAPES, "timestamp": 1, "snippet": ESCAPES, "highlights": [[0, 3]]}]
    },
    "sessions.export": {"content": ESCAPES},
    "sessions.transcripts": {"transcripts": [{"sessionId": ESCAPES, "messageCount": 1, "archivedAt": 1}]},
    "chat.history": {"sessionId": "s", "messages": [MESSAGE], "queued": [{"text": ESCAPES, "createdAt": 1}]},
    "models.list": {"models": [{"spec": ESCAPES, "name": ESCAPES, "contextWindow": 1}]},
    "status": {
        "gateway": {"version": ESCAPES, "uptimeMs": 1, "clients": ESCAPES, "runs": {"running": ESCAPES, "queued": 1}},
        "model": {"name": ESCAPES, "provider": ESCAPES},
        "setup": {"needsKey": True},
        "sessions": {"count": 1, "recent": [SESSION]},
    },
    "config.get": {"config": {"models": {"providers": {ESCAPES: {"api": "a"}}}}, "sources": {}},
    "health": {"ok": True, "runs": {"running": 1, "queued": 1}},
    "device.pair.list": {
        "pending": [{**DEVICE, "requestId": ESCAPES, "ts": 1}],
        "paired": [{**DEVICE, "deviceId": ESCAPES, "roles": [ESCAPES], "approvedAtMs": 1}],
    },
    "commands.list": {"commands": [{"name": "x", "description": ESCAPES}]},
    "exec.approval.list": {"approvals": [QUESTION]},
    "hands.grants.list": {"grants": [GRANT]},
    "hands.changes.list": {"changes": [CHANGE]},
    "sessions.resolve": {"key": SESSION["key"]},
}
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
WRONG: tuple[Any, ...] = (None, [], {}, [7], "text", -1, 10**400, float("inf"), LONG)


class Hostile(FakeGateway):
    """Runs on a thread of its own; ``flood`` is sent after every answer to ``flood_after``."""

    flood: dict[str, Any] | None = None
    flood_after = ""
    raw = ""
    """Sent in place of the first answer."""

    async def serve(self, socket: Any) -> None:
        await socket.send(json.dumps({"type": "event", "event": "connect.challenge", "payload": {"nonce": "n"}}))
        async for text in socket:
            frame = json.loads(text)
            if self.raw and frame["method"] != "connect":
                await socket.send(self.raw)
                continue
            try:
                answer = {"ok": True, "payload": self.answer(socket, frame)}
            except InvalidRequest as exc:
                answer = {"ok": False, "error": exc.to_wire()}
            await socket.send(json.dumps({"type": "res", "id": frame["id"], **answer}))
            run_id = frame["params"].get("idempotencyKey")
            written = 0
            while self.flood is not None and frame["method"] == self.flood_after:
                payload = {**self.flood["payload"], "runId": run_id}
                if payload.get("offset") == 0:
                    payload["offset"], written = written, written + len(payload["text"])
                await socket.send(json.dumps({**self.flood, "payload": payload}))

    def reset(self) -> None:
        self.hello, self.flood, self.raw = deepcopy(HELLO), None, ""
        self.answers = {name: lambda _, answer=answer: answer for name, answer in ANSWERS.items()}


@contextmanager
def running() -> Iterator[Hostile]:
    loop, gateway = asyncio.new_event_loop(), Hostile()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def do(work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, loop).result(10)

    try:
        do(gateway.start())
        yield gateway
        gateway.flood = None
        do(gateway.stop())
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@pytest.fixture(scope="module")
def server() -> Iterator[Hostile]:
    with running() as gateway:
        yield gateway


@pytest.fixture
def gateway(server: Hostile) -> Hostile:
    server.reset()
    return server


Run = Callable[..., Done]


@pytest.fixture
def cli(gateway: Hostile, tmp_path: Path) -> Run:
    environment = clean_environment(tmp_path)

    def run(*arguments: str) -> Done:
        done = run_cli(environment, *arguments, "--url", gateway.url, "--token", TOKEN)
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


def test_r8_errors_of_a_gateway_are_shown_as_text(gateway: Hostile, cli: Run) -> None:
    def refuse(params: dict[str, Any]) -> None:
        raise InvalidRequest(ESCAPES, reason=ESCAPES, text=ESCAPES, hint=ESCAPES)

    gateway.answers = dict.fromkeys(ANSWERS, refuse)
    for command in COMMANDS:
        done = cli(*command)
        assert done.returncode == 1
        assert not re.search("^(clawdbot: )?forged", done.stderr.removeprefix("clawdbot: "), re.MULTILINE), command


def mutated(value: Any) -> Iterator[Any]:
    """Copies of an answer with one part of it of a wrong type, or missing."""
    yield from WRONG
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for at, part in parts:
        for other in mutated(part):
            copy = value.copy()
            copy[at] = other
            yield copy
        if isinstance(value, dict):
            yield {name: kept for name, kept in value.items() if name != at}


@pytest.mark.slow
def test_r8_a_reply_is_shown_as_text(gateway: Hostile, tmp_path: Path) -> None:
    gateway.answers["chat.send"] = lambda _: {"status": "started"}
    gateway.flood_after = "chat.send"
    for event in (
        flood("chat", state="error", message=MESSAGE, errorMessage=ESCAPES, error={"hint": ESCAPES}),
        flood("chat", state=[], message=[7], errorMessage={}, error=7),
        flood("chat", state="delta", offset="x", text=[]),
        flood("chat", state="delta", offset=10**400, text=[]),
    ):
        gateway.flood = event
        where = ("--url", gateway.url, "--token", TOKEN)
        done = run_process(clean_environment(tmp_path), "agent", "-m", "hi", "--timeout", "1", *where)
        assert not FORBIDDEN.search(done.stdout + done.stderr) and "Traceback" not in done.stderr
        assert done.returncode in (0, 1, 5) and "pwned" not in done.stdout + done.stderr  # 5: not over in time
        assert not re.search("^(clawdbot: )?forged", done.stderr, re.MULTILINE)
    gateway.flood = None


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_r8_a_malformed_answer_is_an_error_without_traceback(
    gateway: Hostile, cli: Run, command: tuple[str, ...]
) -> None:
    method = COMMANDS[command]
    for answer in mutated(ANSWERS[method]):
        gateway.answers[method] = lambda _, answer=answer: answer
        done = cli(*command)
        assert done.returncode in (0, 1), (answer, done)
        assert done.returncode == 0 or "clawdbot: " in done.stderr or command == ("health",), (answer, done)
    gateway.answers[method] = lambda _: {}
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
def test_r8_frames_that_are_none_end_the_command(gateway: Hostile, cli: Run, raw: str) -> None:
    gateway.raw = raw
    done = cli("sessions", "list")
    assert done.returncode in (1, 3) and done.stderr.startswith("clawdbot: ")


@pytest.mark.parametrize(
    "details", [{"reason": []}, {"reason": {}}, {"exc": 1, "url": []}, [], 7, {"text": [], "hint": 1}]
)
def test_r8_details_of_an_error_may_be_anything(gateway: Hostile, cli: Run, details: Any) -> None:
    error = {"code": {}, "message": [ESCAPES], "details": details, "retryAfterMs": 10**30}
    gateway.raw = json.dumps({"type": "res", "id": "2", "ok": False, "error": error})
    assert cli("sessions", "list").returncode == 1


@pytest.mark.parametrize(
    "hello",
    [[], 7, None, {"policy": []}, {"policy": {"tickIntervalMs": "x"}}, {"policy": {"tickIntervalMs": -1e300}}, {}],
    ids=range(7),
)
def test_r8_a_greeting_may_be_anything(gateway: Hostile, cli: Run, hello: Any) -> None:
    gateway.hello = hello
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
    gateway: Hostile, tmp_path: Path, command: str, after: str, event: dict[str, Any]
) -> None:
    gateway.answers["chat.send"] = lambda _: {"status": "started"}
    gateway.answers["chat.history"] = lambda _: {"messages": []}
    gateway.flood, gateway.flood_after = event, after
    terminal = Terminal([*command.split(), "--url", gateway.url, "--token", TOKEN], clean_environment(tmp_path))
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
        gateway.flood = None
        terminal.close()


@pytest.mark.slow
def test_r8_a_chat_with_a_hostile_gateway_shows_text(gateway: Hostile, tmp_path: Path) -> None:
    gateway.answers["sessions.list"] = lambda _: {"sessions": [{**SESSION, "key": "agent:main:main"}]}
    terminal = Terminal(["chat", "--url", gateway.url, "--token", TOKEN], clean_environment(tmp_path))
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
                for socket in gateway.sockets[-1:]:
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


ODD: tuple[Any, ...] = (None, [], {}, 7, ESCAPES, {"sessionKey": [ESCAPES], "key": {}}, {ESCAPES: ESCAPES})
INVOCATIONS: tuple[Any, ...] = (
    *ODD,
    {"id": ESCAPES, "command": ESCAPES, "paramsJSON": ESCAPES},
    {"id": [], "command": "system.which", "paramsJSON": '{"bins": 7}'},
    {"id": "1", "command": "system.which", "paramsJSON": 7},
    {"id": "1", "command": "system.which", "paramsJSON": "[" * 100_000},
    {"id": "1", "command": "system.run", "paramsJSON": '{"command": ["sh", "-c", "id"]}'},
    {"id": "1", "command": "system.run", "paramsJSON": '{"command": ["echo", "\\u0000"], "timeoutMs": 1e999}'},
    {"id": "1", "command": "system.run", "paramsJSON": '{"command": ["yes"], "timeoutMs": 300}'},
)


def sent_by(gateway: Hostile, event: str, payload: Any) -> None:
    frame = {"type": "event", "event": event, "payload": payload}
    for socket in gateway.sockets[-1:]:
        asyncio.run_coroutine_threadsafe(socket.send(json.dumps(frame)), socket.loop).result(30)


def cut_by(gateway: Hostile) -> None:
    """Close the newest connection, with a reason that steers a terminal."""
    socket = gateway.sockets[-1]
    asyncio.run_coroutine_threadsafe(socket.close(4000, "\x1b]0;pwned\x07\nforged"), socket.loop).result(30)


def text_only(done: str) -> None:
    assert not FORBIDDEN.search(done) and "Traceback" not in done and "never retrieved" not in done, done
    assert not re.search("^(clawdbot: )?forged", done, re.MULTILINE), done


@contextmanager
def connected(gateway: Hostile, folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A command that runs until it is stopped, once it has connected."""
    before = len(gateway.sockets)
    command = [sys.executable, "-m", "clawdbot_ext", *arguments, "--url", gateway.url, "--token", TOKEN]
    process = subprocess.Popen(
        command, env=clean_environment(folder), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        eventually(lambda: len(gateway.sockets) > before)
        yield process
    finally:
        process.kill()
        process.wait(60)


def eventually(condition: Callable[[], object], seconds: float = 60.0) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.01)


@pytest.mark.slow
def test_r8_events_are_written_as_json_and_their_end_as_text(gateway: Hostile, tmp_path: Path) -> None:
    gateway.answers["sessions.resolve"] = lambda _: {"key": "agent:main:main"}
    with connected(gateway, tmp_path, "events", "--session", "main") as process:
        assert process.stderr is not None
        heard = process.stderr.readline()  # it listens
        for payload in ODD:
            sent_by(gateway, ESCAPES.replace("\ud800", ""), payload)
        sent_by(gateway, "chat", {"sessionKey": "agent:main:main", "text": ESCAPES})
        cut_by(gateway)
        out, rest = process.communicate(timeout=60)
    assert process.returncode == 3
    [line] = out.splitlines()
    assert json.loads(line)["payload"]["text"] == ESCAPES and line.isprintable()
    text_only(heard + rest)


@pytest.mark.slow
def test_r8_a_node_does_what_it_allows_whatever_is_asked_of_it(gateway: Hostile, tmp_path: Path) -> None:
    gateway.answers["node.invoke.result"] = lambda _: {}
    with connected(gateway, tmp_path, "node", "--name", "n", "--allow", "echo", "--allow", "yes") as process:
        for payload in INVOCATIONS:
            sent_by(gateway, "node.invoke.request", payload)
        sent_by(gateway, "node.invoke.request", {"id": "last", "command": "system.info"})

        def answers(id_: str) -> list[dict[str, Any]]:
            return [each["params"] for each in list(gateway.requests) if each["params"].get("id") == id_]

        eventually(lambda: answers("last") and len(answers("1")) == 5)
        assert answers("last")[0]["ok"] is True
        done = [each for each in answers("1") if each["ok"]]
        assert [json.loads(each["payloadJSON"])["timedOut"] for each in done] == [True]

        def refuse(params: dict[str, Any]) -> None:
            refused.append(params)
            raise InvalidRequest(ESCAPES, reason=ESCAPES)

        refused: list[Any] = []
        gateway.answers["connect"] = refuse
        cut_by(gateway)
        eventually(lambda: len(refused) >= 2)
        process.terminate()
        text_only("".join(process.communicate(timeout=60)))


@pytest.mark.slow
def test_r8_the_python_api_raises_its_own_errors_and_nothing_else(gateway: Hostile) -> None:
    calls: dict[str, Callable[[SyncClient], Any]] = {
        "exec.approval.list": lambda client: client.approvals.list(),
        "hands.grants.list": lambda client: client.approvals.grants(),
        "hands.grants.revoke": lambda client: client.approvals.revoke("a"),
        "sessions.patch": lambda client: client.approvals.set_mode("ask"),
        "hands.changes.list": lambda client: client.changes.list(),
        "hands.changes.undo": lambda client: client.changes.undo("a"),
        "hands.changes.keep": lambda client: client.changes.keep("a"),
        "chat.send": lambda client: client.send("x"),
    }
    answers = {
        **ANSWERS,
        "hands.changes.undo": {"state": ESCAPES, "problems": [{**EDIT, "now": ESCAPES}]},
        "sessions.patch": {"entry": {"hands": {"mode": ESCAPES}}},
    }
    gateway.answers["chat.history"] = lambda _: {"messages": [MESSAGE]}
    with connect(Endpoint(gateway.url, gateway.url.replace("ws", "http", 1), token=TOKEN)) as client:
        for method, call in calls.items():
            for answer in mutated(answers.get(method, {"status": ESCAPES, "runId": ESCAPES})):
                gateway.answers[method] = lambda _, answer=answer: answer
                with suppress(ClientError, GatewayError, ReplyFailed):
                    call(client)
