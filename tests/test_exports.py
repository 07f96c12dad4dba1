"""What other programs may import is drawn on purpose, and every module says what it is."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import clawdbot_ext

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("clawdbot_ext", "scripts", "tests/support")
MODULES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))

PUBLIC = {
    "clawdbot_ext": {"ChatWidget", "ReplyFailed", "__version__", "connect", "connect_async"},
    "clawdbot_ext.client": {
        "CAPS",
        "LOST",
        "Chunk",
        "ClientError",
        "Closed",
        "ConnectionLost",
        "End",
        "Endpoint",
        "Event",
        "GatewayClient",
        "Notice",
        "ReplyEnd",
        "ReplyFailed",
        "TimedOut",
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


def test_jupyter_server_finds_the_extension() -> None:
    points = clawdbot_ext._jupyter_server_extension_points()
    assert [point["module"] for point in points] == ["clawdbot_ext"]
    assert points[0]["app"].name == "clawdbot"


@pytest.mark.slow
def test_importing_the_package_loads_nothing_else() -> None:
    """Every Jupyter server and every call of the command line imports it."""
    program = "import sys; before = {*sys.modules}; import clawdbot_ext; print(*({*sys.modules} - before))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=True)
    ours = {name for name in loaded.stdout.split() if name.startswith("clawdbot_ext")}
    assert ours == {"clawdbot_ext", "clawdbot_ext._version"}
    assert not {"jupyter_server", "tornado", "traitlets", "anthropic", "msgspec"} & set(loaded.stdout.split())


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_module_says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), "no module docstring"
