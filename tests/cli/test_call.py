"""``call``, ``events``, ``devices``, ``node``: the gateway's methods and devices from a shell."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest


def test_any_method_can_be_called(gateway, cli):
    done = cli("call", "sessions.resolve", "--params", '{"key": "main"}')
    assert done.returncode == 1 and "main" in done.stderr, "there is no session yet"
    asked = cli("call", "agent", "--params", '{"message": "hi [[text=yo]]", "idempotencyKey": "call-1"}')
    answer = json.loads(asked.stdout)
    assert answer["status"] == "ok" and answer["result"]["payloads"][0]["text"] == "yo"
    assert json.loads(cli("call", "chat.history", "--params", "-", stdin='{"sessionKey": "main"}').stdout)["messages"]


@pytest.mark.parametrize("given", ["{", "[]", "1"])
def test_parameters_that_are_no_object_are_refused_before_anything_is_sent(cli, given):
    assert cli("call", "health", "--params", given).returncode == 2


def test_an_unknown_method_is_said(cli):
    done = cli("call", "no.such")
    assert done.returncode == 1 and "no.such" in done.stderr


@pytest.mark.slow
def test_a_node_is_let_in_asked_revoked_and_comes_back(gateway, cli):
    node = subprocess.Popen(
        [sys.executable, "-m", "clawdbot_ext", "node", "--name", "bench", "--allow", "echo"],
        env=dict(gateway.environment),
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert "bench" in node.stderr.readline()
        # the gateway's own Jupyter server is a node, too
        (found,) = [n for n in json.loads(cli("call", "node.list").stdout)["nodes"] if n["displayName"] == "bench"]
        assert found["connected"] and found["displayName"] == "bench"

        def ask(key, *words):
            return cli(
                "call",
                "node.invoke",
                "--params",
                json.dumps(
                    {
                        "nodeId": found["nodeId"],
                        "command": "system.run",
                        "params": {"command": words},
                        "idempotencyKey": key,
                    }
                ),
            )

        assert json.loads(ask("1", "echo", "hello").stdout)["payload"]["stdout"] == "hello\n"
        assert ask("2", "touch", "x").returncode == 1, "only what the node was started with"
        assert "bench" in cli("devices", "list").stdout
        assert cli("devices", "revoke", found["nodeId"], "--role", "node").returncode == 0
        waiting = node.stderr.readline()  # the shared secret is no way around what was taken back
        assert "clawdbot devices approve" in waiting
        assert cli("devices", "approve", waiting.split()[-1]).returncode == 0
        assert "bench" in node.stderr.readline(), "a person has let it in again"
    finally:
        node.terminate()
        node.wait(10)
        node.stderr.close()
