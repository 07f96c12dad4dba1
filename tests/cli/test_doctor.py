"""``clawdbot doctor`` beside a gateway, and alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.cli.conftest import TIMEOUT_S, Run
from tests.support.server import GatewayProcess


def test_doctor_is_content_with_a_good_installation(cli: Run) -> None:
    done = cli("doctor", "--json")
    report = json.loads(done.stdout)
    assert [f for f in report["findings"] if f["level"] == "problem"] == []
    assert done.returncode == 0
    assert {f["check"] for f in report["findings"]} >= {"config", "security", "key", "gateway"}


def test_doctor_takes_the_gateways_word_about_the_key(cli: Run) -> None:
    """The command's own environment is not the one that the gateway was started with."""
    found = json.loads(cli("doctor", "--json", ANTHROPIC_API_KEY="sk-only-here").stdout)["findings"]
    key = next(each for each in found if each["check"] == "key")
    assert (key["level"], "not in the running gateway" in key["text"]) == ("hint", True)
    assert "config set models.providers.anthropic.apiKey" in key["fix"]


def test_doctor_does_not_say_of_a_gateway_that_runs_that_it_will_not_start(make_gateway, tmp_path: Path) -> None:
    """Its password came by the environment, which this command does not have."""
    gateway = make_gateway(
        config={"gateway": {"auth": {"mode": "password"}}}, env={"CLAWDBOT_GATEWAY_PASSWORD": "a-long-password-1"}
    )
    env = {name: value for name, value in gateway.environment.items() if name != "CLAWDBOT_GATEWAY_PASSWORD"}

    def config_finding() -> tuple[str, bool]:
        command = [sys.executable, "-m", "clawdbot_ext", "doctor", "--json"]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=TIMEOUT_S)
        found = next(each for each in json.loads(done.stdout)["findings"] if each["check"] == "config")
        return found["level"], "command line or environment" in found["text"]

    assert config_finding() == ("hint", True)
    gateway.kill()
    assert config_finding() == ("problem", False)


def test_doctor_has_nothing_against_being_called_by_its_path(gateway: GatewayProcess, tmp_path: Path) -> None:
    program = tmp_path / "clawdbot"
    program.write_text(f"#!{sys.executable}\nimport sys\nfrom clawdbot_ext.cli import main\nsys.exit(main())\n")
    program.chmod(0o755)
    done = subprocess.run(
        [program, "doctor", "--json"],
        env={**gateway.environment, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    first = json.loads(done.stdout)["findings"][0]
    assert (first["check"], first["level"]) == ("path", "ok")
    assert str(program) in first["text"]


def test_doctor_finds_what_is_wrong(alone: Run, tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for folder, text in ((theirs, "#!/usr/bin/env node\n"), (ours, "#!/usr/bin/python\nimport clawdbot_ext.cli")):
        folder.mkdir()
        (folder / "clawdbot").write_text(text)
        (folder / "clawdbot").chmod(0o755)
    assert alone("config", "set", "gateway.bind", "lan").returncode == 0
    path = tmp_path / "jupyter" / "config.json"
    path.chmod(0o644)
    done = alone("doctor", PATH=f"{theirs}:{ours}:/usr/bin:/bin")
    assert done.returncode == 1
    assert f"chmod 600 {path}" in done.stdout
    assert f"clawdbot is {theirs / 'clawdbot'} (Clawdbot)" in done.stdout
    assert f"{ours / 'clawdbot'} (Clawdbot for Jupyter) is shadowed by" in done.stdout
    assert "gateway.bind is lan" in done.stdout
    path.write_text("{gateway: {prot: 1}}")
    done = alone("doctor")
    assert (done.returncode, "gateway.port" in done.stdout) == (1, True)


def test_doctor_names_who_holds_the_port(gateway: GatewayProcess, alone: Run) -> None:
    done = alone("doctor", CLAWDBOT_GATEWAY_PORT=str(gateway.port))
    assert done.returncode == 1
    assert f"Port {gateway.port} is used by another gateway of Clawdbot for Jupyter" in done.stdout
