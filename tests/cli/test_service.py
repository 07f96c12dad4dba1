"""The gateway as a service: what the unit holds, and which commands the service manager hears."""

from __future__ import annotations

import json
import plistlib
import shutil
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path
from unittest import mock
from xml.etree import ElementTree as ET

import pytest

from clawdbot_ext.cli.service import logs, units
from clawdbot_ext.cli.service.units import Service
from clawdbot_ext.config import load
from tests.cli.conftest import run_cli
from tests.support.server import clean_environment

CANARY = "sk-canary-key"


@pytest.fixture
def here(tmp_path: Path) -> dict[str, str]:
    """An account with a service manager that writes down what it is told."""
    programs = tmp_path / "bin"
    programs.mkdir()
    manager = programs / "systemctl"
    manager.write_text(f'#!/bin/sh\necho "$@" >> "{tmp_path}/heard"\n')
    manager.chmod(0o755)
    return clean_environment(
        tmp_path,
        PATH=f"{programs}:/usr/bin:/bin",
        ANTHROPIC_API_KEY=CANARY,
        CLAWDBOT_GATEWAY_TOKEN=CANARY,
        XDG_CONFIG_HOME=str(tmp_path / "config"),
    )


def test_installing_enables_and_starts_a_unit_without_secrets_and_uninstalling_removes_it(
    here: dict[str, str], tmp_path: Path
) -> None:
    assert run_cli(here, "gateway", "start").returncode == 1
    done = run_cli(here, "gateway", "install")
    assert done.returncode == 0, done.stderr
    (unit,) = (tmp_path / "config/systemd/user").glob("clawdbot-jupyter-*.service")
    text = unit.read_text()
    assert CANARY not in text
    assert f'Environment="CLAWDBOT_STATE_DIR={tmp_path}"' in text
    assert run_cli(here, "gateway", "start").returncode == 0
    assert run_cli(here, "gateway", "restart").returncode == 0, "none runs: it is started"
    assert run_cli(here, "gateway", "uninstall").returncode == 0
    assert not unit.exists()
    name = unit.name
    assert (tmp_path / "heard").read_text().splitlines() == [
        "--user daemon-reload",
        f"--user enable {name}",
        *[f"--user start {name}"] * 3,
        f"--user disable --now {name}",
        "--user daemon-reload",
    ]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd checks its units itself, where it is")
def test_systemd_finds_the_unit_right(here: dict[str, str], tmp_path: Path) -> None:
    unit = tmp_path / "clawdbot-jupyter.service"
    unit.write_text(run_cli({**here, "LANG": 'C."%d" $x\\'}, "gateway", "install", "--print").stdout)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, "clawdbot-jupyter" in done.stderr) == (0, False), done.stderr


def test_the_launch_agent_is_a_property_list_without_secrets(here: dict[str, str]) -> None:
    with mock.patch.dict("os.environ", here, clear=True):
        agent = plistlib.loads(Service.of(load()).plist().encode())
    assert agent["ProgramArguments"][1:] == ["-m", "clawdbot_ext.app", "--no-browser"]
    assert agent["KeepAlive"] == {"SuccessfulExit": False}
    assert CANARY not in repr(agent)


@pytest.mark.parametrize(("code", "state"), [(0, "running"), (3, "stopped"), (1, "unknown")])
def test_the_status_of_the_gateway_tells_that_of_its_service(
    here: dict[str, str], tmp_path: Path, code: int, state: str
) -> None:
    assert "service" not in json.loads(run_cli(here, "gateway", "status", "--json").stdout)
    assert run_cli(here, "gateway", "install", "--no-start").returncode == 0
    manager = tmp_path / "bin" / "systemctl"
    manager.write_text(f'#!/bin/sh\n[ "$2" = is-active ] && exit {code}\nexit 9\n')
    assert json.loads(run_cli(here, "gateway", "status", "--json").stdout)["service"] == state
    assert "installed" in run_cli(here, "gateway", "status").stdout


def test_in_wsl_without_systemd_a_scheduled_task_of_windows_starts_it(here: dict[str, str], tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    for name, text in (
        ("whoami.exe", r"printf '%s\n' 'BOX\ann'"),
        ("wslpath", r"printf '%s\n' 'C:\task.xml'"),
        ("schtasks.exe", f"""printf '%s ' "$@" >> '{tmp_path}/heard'; echo >> '{tmp_path}/heard'"""),
    ):
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)
    inside = {**here, "WSL_DISTRO_NAME": "Ubuntu 24 & more"}
    with mock.patch.object(units, "SYSTEMD", tmp_path / "nothing"):
        assert run_cli(inside, "gateway", "install").returncode == 0
        file = tmp_path / "jupyter" / "windows-task.xml"
        task = ET.fromstring(file.read_bytes())
        assert run_cli(inside, "gateway", "uninstall").returncode == 0 and not file.exists()
    found = {element.tag.rpartition("}")[2]: element.text or "" for element in task.iter()}
    assert (found["Command"], found["UserId"], found["RunLevel"]) == ("wsl.exe", r"BOX\ann", "LeastPrivilege")
    assert found["Arguments"].startswith('--distribution "Ubuntu 24 & more" --exec /usr/bin/env ')
    assert found["Arguments"].endswith(f"{sys.executable} -m clawdbot_ext.app --no-browser")
    assert CANARY not in repr(found)
    (name,) = {
        line.split(" /TN ")[1].strip().removesuffix(r" /XML C:\task.xml")
        for line in (tmp_path / "heard").read_text().splitlines()
    }
    assert name.startswith("Clawdbot for Jupyter-")


def test_without_a_service_manager_the_way_out_is_named(here: dict[str, str], tmp_path: Path) -> None:
    done = run_cli({**here, "PATH": str(tmp_path / "nothing")}, "gateway", "install")
    assert (done.returncode, "clawdbot gateway run --no-browser" in done.stderr) == (1, True)


@pytest.mark.parametrize("broken", ["daemon-reload", "enable", "start"])
def test_an_installation_that_fails_leaves_nothing_and_says_so(
    here: dict[str, str], tmp_path: Path, broken: str
) -> None:
    manager = tmp_path / "bin" / "systemctl"
    manager.write_text(f'#!/bin/sh\n[ "$2" = {broken} ] && {{ echo "no bus" >&2; exit 1; }}\nexit 0\n')
    done = run_cli(here, "gateway", "install")
    assert done.returncode == 1 and "no bus" in done.stderr and done.stdout == ""
    assert not list((tmp_path / "config").rglob("*.service"))


def test_the_end_of_the_log_is_shown(here: dict[str, str], tmp_path: Path) -> None:
    assert "no log yet" in run_cli(here, "gateway", "logs").stderr
    log = tmp_path / "jupyter" / "logs" / "gateway.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    record = {"0": '{"subsystem": "x"}', "1": "it\x1b[2J is\nfull", "time": "2026-01-02T03:04:05.678Z"}
    raw = json.dumps({**record, "_meta": {"logLevelName": "WARN"}}, ensure_ascii=False)
    log.write_text(f"first\nsecond \x1b[2J\n{raw}\n")
    shown = run_cli({**here, "TZ": "UTC"}, "gateway", "logs", "-n", "2").stdout
    assert shown.splitlines()[0] == "second " and shown.splitlines()[1:] == [
        f"{datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc).astimezone():%Y-%m-%d %H:%M:%S}  WARN   it is",
        "    full",
    ]
    assert json.loads(run_cli(here, "gateway", "logs", "-n", "1", "--json").stdout)["time"] == record["time"]


def test_a_log_that_is_put_away_is_read_to_its_end_closed_and_followed_by_the_new_one(tmp_path, capsys):
    path = tmp_path / "gateway.log"
    path.write_text("one\n")
    log = path.open(encoding="utf-8")
    assert logs._added(log, path, as_json=True) is log
    with path.open("a") as more:
        more.write("two\n")
    path.rename(tmp_path / "gateway.log.1")
    assert logs._added(log, path, as_json=True) is log, "between the two"
    path.write_text("three\n")
    following = logs._added(log, path, as_json=True)
    with following:
        assert log.closed and following is not log
        logs._added(following, path, as_json=True)
    assert capsys.readouterr().out.split() == ["one", "two", "three"]
