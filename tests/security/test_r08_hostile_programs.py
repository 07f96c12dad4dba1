"""Programs that go on against a gateway that wants to do harm: events, nodes and the Python API."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from clawdbot_ext.client.endpoint import Endpoint
from clawdbot_ext.client.errors import ClientError
from clawdbot_ext.client.reply import ReplyFailed
from clawdbot_ext.client.sync import SyncClient, connect
from clawdbot_ext.protocol.errors import GatewayError, InvalidRequest
from tests.client.fake_gateway import TOKEN
from tests.security.hostile import ANSWERS, EDIT, ESCAPES, FORBIDDEN, MESSAGE, Hostile, mutated
from tests.support.server import clean_environment

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


def sent_by(hostile: Hostile, event: str, payload: Any) -> None:
    frame = {"type": "event", "event": event, "payload": payload}
    for socket in hostile.sockets[-1:]:
        asyncio.run_coroutine_threadsafe(socket.send(json.dumps(frame)), socket.loop).result(30)


def cut_by(hostile: Hostile) -> None:
    """Close the newest connection, with a reason that steers a terminal."""
    socket = hostile.sockets[-1]
    asyncio.run_coroutine_threadsafe(socket.close(4000, "\x1b]0;pwned\x07\nforged"), socket.loop).result(30)


def text_only(done: str) -> None:
    assert not FORBIDDEN.search(done) and "Traceback" not in done and "never retrieved" not in done, done
    assert not re.search("^(clawdbot: )?forged", done, re.MULTILINE), done


@contextmanager
def connected(hostile: Hostile, folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A command that runs until it is stopped, once it has connected."""
    before = len(hostile.sockets)
    command = [sys.executable, "-m", "clawdbot_ext", *arguments, "--url", hostile.url, "--token", TOKEN]
    process = subprocess.Popen(
        command, env=clean_environment(folder), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        eventually(lambda: len(hostile.sockets) > before)
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
def test_r8_events_are_written_as_json_and_their_end_as_text(hostile: Hostile, tmp_path: Path) -> None:
    hostile.answers["sessions.resolve"] = lambda _: {"key": "agent:main:main"}
    with connected(hostile, tmp_path, "events", "--session", "main") as process:
        assert process.stderr is not None
        heard = process.stderr.readline()  # it listens
        for payload in ODD:
            sent_by(hostile, ESCAPES.replace("\ud800", ""), payload)
        sent_by(hostile, "chat", {"sessionKey": "agent:main:main", "text": ESCAPES})
        cut_by(hostile)
        out, rest = process.communicate(timeout=60)
    assert process.returncode == 3
    [line] = out.splitlines()
    assert json.loads(line)["payload"]["text"] == ESCAPES and line.isprintable()
    text_only(heard + rest)


@pytest.mark.slow
def test_r8_a_node_does_what_it_allows_whatever_is_asked_of_it(hostile: Hostile, tmp_path: Path) -> None:
    hostile.answers["node.invoke.result"] = lambda _: {}
    with connected(hostile, tmp_path, "node", "--name", "n", "--allow", "echo", "--allow", "yes") as process:
        for payload in INVOCATIONS:
            sent_by(hostile, "node.invoke.request", payload)
        sent_by(hostile, "node.invoke.request", {"id": "last", "command": "system.info"})

        def answers(id_: str) -> list[dict[str, Any]]:
            return [each["params"] for each in list(hostile.requests) if each["params"].get("id") == id_]

        eventually(lambda: answers("last") and len(answers("1")) == 5)
        assert answers("last")[0]["ok"] is True
        done = [each for each in answers("1") if each["ok"]]
        assert [json.loads(each["payloadJSON"])["timedOut"] for each in done] == [True]

        def refuse(params: dict[str, Any]) -> None:
            refused.append(params)
            raise InvalidRequest(ESCAPES, reason=ESCAPES)

        refused: list[Any] = []
        hostile.answers["connect"] = refuse
        cut_by(hostile)
        eventually(lambda: len(refused) >= 2)
        process.terminate()
        text_only("".join(process.communicate(timeout=60)))


@pytest.mark.slow
def test_r8_the_python_api_raises_its_own_errors_and_nothing_else(hostile: Hostile) -> None:
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
    hostile.answers["chat.history"] = lambda _: {"messages": [MESSAGE]}
    with connect(Endpoint(hostile.url, hostile.url.replace("ws", "http", 1), token=TOKEN)) as client:
        for method, call in calls.items():
            for answer in mutated(answers.get(method, {"status": ESCAPES, "runId": ESCAPES})):
                hostile.answers[method] = lambda _, answer=answer: answer
                with suppress(ClientError, GatewayError, ReplyFailed):
                    call(client)
