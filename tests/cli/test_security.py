"""``clawdbot security audit``: every hole that is known has a name and a way to close it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from clawdbot_ext.client.endpoint import locate
from clawdbot_ext.client.sync import connect
from clawdbot_ext.config import load
from clawdbot_ext.gateway.access.passwords import matches
from tests.cli.conftest import Run
from tests.support.server import GatewayProcess

CARELESS: dict[str, Any] = {
    "gateway": {
        "bind": "lan",
        "auth": {"token": "changeme"},
        "loginAttemptsPerMinute": 5000,
        "trustedProxies": ["0.0.0.0/0", "10.0.0.5"],
        "tailscale": {"mode": "funnel"},
        "allowedOrigins": ["https://*.example", "http://dev.example:3000"],
        "allowedHosts": ["*.example"],
        "remote": {"url": "ws://box.example:18789", "token": "a-token-for-it"},
    },
    "models": {"providers": {"anthropic": {"apiKey": "sk-canary-key"}, "gpu": {"baseUrl": "http://gpu.example:11434"}}},
}
HOLES = {
    "files.modes",
    "files.stateWritable",
    "bind.plain",
    "auth.weakToken",
    "auth.attempts",
    "proxies.everybody",
    "hosts.pattern",
    "origins.pattern",
    "origins.plain",
    "tailscale.funnelPassword",
    "tailscale.bind",
    "remote.plain",
    "provider.plain",
    "secrets.keyInFile",
}
FOR_PEOPLE = {"origins.plain", "remote.plain", "provider.plain"}
"""Findings that only a person who knows the other machines can repair."""


class Installation:
    """A state directory with a configuration, and the audit of it."""

    def __init__(self, run: Run, state: Path):
        self.run, self.state, self.home = run, state, state / "jupyter"
        self.file = self.home / "config.json"

    def write(self, config: dict[str, Any]) -> None:
        self.home.mkdir(mode=0o700, exist_ok=True)
        self.file.write_text(json.dumps(config))
        self.file.chmod(0o600)

    def audit(self, *arguments: str, **environment: str) -> dict[str, Any]:
        done = self.run("security", "audit", "--json", *arguments, **environment)
        found: dict[str, Any] = json.loads(done.stdout)
        assert done.returncode == (0 if found["ok"] else 1), done.stderr
        assert "canary" not in done.stdout + done.stderr
        return found

    def holes(self, *arguments: str, **environment: str) -> set[str]:
        return {each["checkId"] for each in self.audit(*arguments, **environment)["findings"]} - {"account.root"}

    def config(self) -> Any:
        return json.loads(self.file.read_text())


@pytest.fixture
def here(alone: Run, tmp_path: Path) -> Installation:
    return Installation(alone, tmp_path)


def test_every_hole_of_a_careless_installation_is_named_and_what_is_safe_is_repaired(here: Installation) -> None:
    here.write(CARELESS)
    here.file.chmod(0o644)
    here.home.chmod(0o755)
    here.state.chmod(0o777)
    assert here.holes() == HOLES
    text = here.run("security", "audit").stdout
    assert all(
        words in text
        for words in (
            f"chmod 600 {here.file}",
            f"chmod 700 {here.home}",
            "gateway.tls.enabled",
            "clawdbot password set",
            "--fix",
        )
    )
    fixed = here.audit("--fix")
    assert {each["checkId"] for each in fixed["fixed"]} >= HOLES - FOR_PEOPLE - {"secrets.keyInFile", "tailscale.bind"}
    bad = {each["checkId"] for each in fixed["findings"] if each["severity"] != "info"}
    assert bad == FOR_PEOPLE
    modes = [path.stat().st_mode & 0o077 for path in (here.home, here.file)]
    assert modes == [0, 0] and here.state.stat().st_mode & 0o022 == 0
    gateway = here.config()["gateway"]
    assert gateway["trustedProxies"] == ["10.0.0.5"] and gateway["allowedOrigins"] == ["http://dev.example:3000"]
    assert (gateway["tailscale"]["mode"], gateway["bind"]) == ("off", "loopback")
    assert "token" not in gateway.get("auth", {})


def test_a_second_run_after_the_repair_is_clean(here: Installation) -> None:
    here.write(
        {
            "gateway": {
                "bind": "lan",
                "auth": {"password": "a long and plain password"},
                "trustedProxies": ["::/0"],
                "allowedOrigins": ["*", "https://box.example"],
            }
        }
    )
    here.home.chmod(0o750)
    assert here.holes() == {"config.invalid", "files.modes"}, "with a wrong configuration the rest is not known yet"
    assert here.audit("--fix")["ok"]
    again = here.audit("--fix")
    assert (again["ok"], again["fixed"]) == (True, [])
    gateway = here.config()["gateway"]
    assert gateway["allowedOrigins"] == ["https://box.example"] and gateway["tls"] == {"enabled": True}
    assert "trustedProxies" not in gateway
    assert matches("a long and plain password", gateway["auth"]["password"])


def test_an_ordinary_installation_is_clean(here: Installation) -> None:
    assert here.holes() == set()
    assert "No critical items" in here.run("security", "audit").stdout


@pytest.mark.parametrize(
    ("settings", "hole"),
    [
        ({"auth": {"mode": "password"}}, "auth.noPassword"),
        ({"auth": {"password": "short"}}, "auth.weakPassword"),
        ({"auth": {"token": "aaaaaaaaaaaaaaaaaaaaaaaa"}}, "auth.weakToken"),
        ({"bind": "custom", "customBindHost": "0.0.0.0"}, "bind.plain"),
        ({"bind": "custom", "customBindHost": "127.0.0.1"}, None),
        ({"bind": "lan", "tls": {"enabled": True}}, "bind.exposed"),
        ({"bind": "tailnet"}, "bind.tailnet"),
        ({"tailscale": {"mode": "serve"}}, None),
        ({"tailscale": {"mode": "funnel"}, "auth": {"password": "a long and plain password"}}, "tailscale.funnel"),
        ({"allowedHosts": ["box.example"]}, "proxies.unknown"),
        ({"allowedHosts": ["box.example"], "trustedProxies": ["127.0.0.1"]}, None),
        ({"tls": {"enabled": True, "certPath": "/nothing.pem"}}, "tls.missing"),
        ({"remote": {"url": "ws://127.0.0.1:18789"}}, None),
    ],
)
def test_a_hole_is_named(here: Installation, settings: dict[str, Any], hole: str | None) -> None:
    here.write({"gateway": settings})
    assert here.holes() - {"auth.plainPassword"} == ({hole} if hole else set())


def test_a_tls_key_that_others_can_read_is_named_and_made_private(here: Installation, tmp_path: Path) -> None:
    key = tmp_path / "my-key.pem"
    key.write_text("a key")
    key.chmod(0o644)
    here.write({"gateway": {"tls": {"enabled": True, "certPath": str(key)}}})
    assert here.holes() == {"tls.keyReadable"}
    assert here.holes("--fix") == set() and key.stat().st_mode & 0o777 == 0o600


def test_what_another_source_says_is_named_and_left_to_people(here: Installation) -> None:
    found = here.audit("--fix", CLAWDBOT_GATEWAY_TOKEN="changeme")
    assert [(each["checkId"], each["fixable"]) for each in found["findings"] if each["checkId"] != "account.root"] == [
        ("auth.weakToken", False)
    ]
    assert not here.file.exists()


def test_what_the_assistant_may_always_do_is_named(gateway: GatewayProcess, cli: Run) -> None:
    here = Installation(cli, gateway.state)
    assert "tools.always" not in here.holes()
    with connect(locate(load(gateway.environment))) as client:
        client.request(
            "exec.approvals.set", {"file": {"version": 1, "agents": {"main": {"allowlist": [{"pattern": "run_code"}]}}}}
        )
    named = next(each for each in here.audit()["findings"] if each["checkId"] == "tools.always")
    assert "run_code" in named["title"]


def test_doctor_says_so_too(here: Installation) -> None:
    here.write(CARELESS)
    here.file.chmod(0o604)
    done = here.run("doctor", "--json")
    found = {each["check"]: each["level"] for each in json.loads(done.stdout)["findings"]}
    assert done.returncode == 1
    assert {found[check] for check in ("files.modes", "bind.plain", "auth.weakToken")} == {"problem"}
    assert found["origins.plain"] == "hint"
