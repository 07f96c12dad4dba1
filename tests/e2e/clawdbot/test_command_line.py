"""``clawdbot`` of the npm package, unmodified, against our gateway."""

from __future__ import annotations

import json

import pytest


@pytest.mark.parametrize(
    ("command", "shows"),
    [
        ("gateway status", "RPC probe: ok"),
        ("gateway health", "OK"),
        ("gateway probe", "Connect: ok"),
        ("gateway call health", '"ok": true'),
        ("status", "Sessions"),
        ("health", "Agents: main"),
        ("system presence", '"mode": "gateway"'),
        ("nodes status", "Connected: 1"),  # the gateway's own, for notebooks that no page has open
        ("gateway usage-cost", "Usage cost"),
        ("sessions", "Sessions listed"),
        ("models list", "Model"),
        ("approvals get", "Approvals"),
        ("cron list", "No cron jobs"),
        ("channels status", "Gateway reachable"),
    ],
)
def test_a_command_succeeds(claw, command, shows):
    done = claw.run(*command.split())
    assert done.returncode == 0, done.stdout + done.stderr
    assert shows in done.stdout + done.stderr


def test_agent_answers_and_its_message_is_in_the_history(claw):
    done = claw.run("agent", "--agent", "main", "--message", "hello [[text=an answer of ours]]")
    assert done.returncode == 0 and "an answer of ours" in done.stdout
    history = claw.run("gateway", "call", "chat.history", "--params", '{"sessionKey": "main"}', "--json")
    messages = json.loads(history.stdout[history.stdout.index("{") :])["messages"]
    assert [m["role"] for m in messages[-2:]] == ["user", "assistant"]


@pytest.mark.parametrize(
    "command",
    [
        "--session-id main",
        "--session-id of-no-transcript",
        "--agent main --thinking max",
        "--to +15550100 --timeout 99999",
    ],
)
def test_agent_is_answered_by_this_gateway_and_not_by_its_own(claw, command):
    done = claw.run("agent", *command.split(), "--message", "hello [[text=an answer of ours]]")
    assert done.returncode == 0 and "an answer of ours" in done.stdout
    assert "falling back" not in done.stdout + done.stderr


def test_the_second_call_comes_with_the_device_token_that_the_first_was_given(claw):
    claw.run("health")
    kept = json.loads((claw.home / ".clawdbot" / "identity" / "device-auth.json").read_text())
    assert kept["tokens"]["operator"]["token"] not in (claw.gateway.token, "")
    listed = claw.run("devices", "list", "--json")
    assert listed.returncode == 0 and kept["deviceId"] in listed.stdout


def test_logs_shows_our_lines(claw):
    done = claw.run("logs", "--limit", "50", "--plain")
    assert done.returncode == 0 and "connected from 127.0.0.1" in done.stdout
