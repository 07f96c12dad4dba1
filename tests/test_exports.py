"""The public names are chosen on purpose, and every module says what it is."""

from __future__ import annotations

import ast
import importlib
import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import clawdbot_ext
from tests.support.server import GatewayProcess

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("clawdbot_ext", "scripts", "tests/support")
MODULES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))

PUBLIC = {
    "clawdbot_ext": {"ChatWidget", "ReplyFailed", "__version__", "connect", "connect_async"},
    "clawdbot_ext.config": {
        "REDACTED",
        "SETTINGS",
        "Config",
        "ConfigError",
        "ProviderConfig",
        "Setting",
        "Source",
        "config_path",
        "find",
        "handed_on",
        "json_schema",
        "load",
        "merge",
        "parse",
        "program_environment",
        "redact",
        "secret_variables",
        "set_value",
        "snapshot",
        "state_dir",
        "ui_hints",
        "unset_value",
        "variables",
        "write_raw",
    },
    "clawdbot_ext.client": {
        "CAPS",
        "LOST",
        "Approval",
        "Approvals",
        "Change",
        "Changes",
        "Chunk",
        "ClientError",
        "Closed",
        "ConnectionLost",
        "Decision",
        "End",
        "Endpoint",
        "Event",
        "GatewayClient",
        "Grant",
        "Notice",
        "ReplyEnd",
        "ReplyFailed",
        "TimedOut",
        "UndoResult",
        "Unreachable",
        "Untrusted",
        "connect",
    },
}
"""Module → its ``__all__``. A name that leaves this table is a breaking change and belongs in CHANGELOG.md."""


@pytest.mark.parametrize("module", PUBLIC)
def test_public_names_are_the_drawn_ones_and_exist(module: str) -> None:
    imported = importlib.import_module(module)
    assert set(imported.__all__) == PUBLIC[module]
    assert [name for name in PUBLIC[module] if not hasattr(imported, name)] == []


ENTRY_POINTS = (
    ("clawdbot_ext", "_jupyter_labextension_paths"),
    ("clawdbot_ext", "_jupyter_server_extension_points"),
    ("clawdbot_ext", "load_ipython_extension"),
    ("clawdbot_ext", "unload_ipython_extension"),
    ("clawdbot_ext.app", "main"),
    ("clawdbot_ext.describe", "describe"),
)
"""Module and name of what Jupyter, installed scripts, kernels and files on users' machines call by their paths."""

UNIT_OF_1_0 = """[Unit]
Description=Clawdbot for Jupyter, the chat gateway
StartLimitIntervalSec=300
StartLimitBurst=10

[Service]
ExecStart="/usr/bin/python3" -m clawdbot_ext.app --no-browser
Restart=on-failure
RestartSec=2
RestartPreventExitStatus=2 78 98
KillMode=mixed
TimeoutStopSec=30
UMask=0077

[Install]
WantedBy=default.target
"""
"""A systemd unit as ``clawdbot gateway install`` wrote it before the modules moved into packages."""


@pytest.mark.parametrize(("module", "name"), ENTRY_POINTS, ids=lambda value: value)
def test_what_others_call_by_its_path_is_there(module: str, name: str) -> None:
    assert callable(getattr(importlib.import_module(module), name))


def test_the_installed_script_finds_the_command_line() -> None:
    """Also once its modules are imported: none of them may take the name of the function."""
    program = "import clawdbot_ext.cli.program; from clawdbot_ext.cli import main; raise SystemExit(not callable(main))"
    assert subprocess.run([sys.executable, "-c", program], timeout=60, check=False).returncode == 0


def test_the_older_name_of_a_reply_s_end_is_the_same_class() -> None:
    client = importlib.import_module("clawdbot_ext.client")
    assert client.End is client.ReplyEnd


@pytest.mark.slow
def test_classes_that_configuration_files_name_keep_their_names_and_traits() -> None:
    extension = importlib.import_module("clawdbot_ext.server.extension")
    assert extension.ClawdbotApp.__name__ == "ClawdbotApp"
    assert "gateway_config" in extension.ClawdbotApp.class_trait_names(config=True)
    assert importlib.import_module("clawdbot_ext.server.serverapp").ClawdbotServer.__name__ == "ClawdbotServer"


def test_jupyter_server_enables_the_extension_by_its_package() -> None:
    (enabled,) = (ROOT / "jupyter-config" / "jupyter_server_config.d").glob("*.json")
    assert json.loads(enabled.read_text())["ServerApp"]["jpserver_extensions"] == {"clawdbot_ext": True}


@pytest.mark.slow
def test_a_service_unit_of_the_previous_version_starts_the_gateway(tmp_path: Path) -> None:
    (command,) = (line for line in UNIT_OF_1_0.splitlines() if line.startswith("ExecStart="))
    gateway = GatewayProcess(tmp_path)
    gateway.program, gateway.browser = tuple(shlex.split(command.removeprefix("ExecStart="))[1:]), True
    assert gateway.program == ("-m", "clawdbot_ext.app", "--no-browser")
    try:
        gateway.start()  # raises unless it answers
    finally:
        gateway.stop()


def test_jupyter_server_finds_the_extension() -> None:
    points = clawdbot_ext._jupyter_server_extension_points()
    assert [point["module"] for point in points] == ["clawdbot_ext"]
    assert points[0]["app"].name == "clawdbot"


@pytest.mark.slow
def test_importing_the_package_loads_nothing_else() -> None:
    """Every Jupyter server and every call of the command line imports it."""
    program = "import sys; before = {*sys.modules}; import clawdbot_ext; print(*({*sys.modules} - before))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    ours = {name for name in loaded.stdout.split() if name.startswith("clawdbot_ext")}
    assert ours == {"clawdbot_ext", "clawdbot_ext._version"}
    assert not {"jupyter_server", "tornado", "traitlets", "anthropic", "msgspec"} & set(loaded.stdout.split())


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_module_says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), "no module docstring"
