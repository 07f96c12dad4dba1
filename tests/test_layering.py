"""The folder is the architecture: imports point down, there is no circle, and each outside library has its place.

Every import counts, at the top of a file, inside a function or for type checkers. There is no list of exceptions.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import clawdbot_ext
from tests.support.imports import (
    Graph,
    Unplaced,
    circles,
    imported_names,
    levels,
    python_files,
    python_graph,
    typescript_graph,
    wrong_arrows,
)

PACKAGE = Path(clawdbot_ext.__path__[0])
CLIENT = PACKAGE.parent / "static" / "src"

TOP = levels(
    "package, __main__, app, describe > cli > server, notebook > gateway, client > agent > cluster > runtime > store "
    "> config > protocol > i18n, private_files, escapes, text_decoding, _version"
)
INSIDE = {
    "gateway": levels(
        "gateway > forwarding > methods > commands > dispatch, sessions > registry > services > runs > "
        "hands > connections, media > access, wire_forms, error_texts, sweeper, backups"
    ),
    "server": levels(
        "launch > process > extension > leadership > serverapp, side_listener > users > hands_node, handlers, "
        "identity_provider > context, banner > bootstrap, contents, tailscale_serve, audit_log, metrics, diagnosis > "
        "net, options, secret_handover, process_tuning, log_files, hub_service"
    ),
}
BROWSER = levels(
    "entry > elements/control > elements/chat > elements/transcript, elements/composer, elements/settings > "
    "elements/hands > elements/sessions, elements/content, elements/media > elements/base > state > "
    "client, input > markdown, elements/styles, i18n, protocol"
)

ONLY_IN = {
    "anthropic": {"agent"},
    "httpx2": {"agent"},
    "sqlite3": {"store"},
    "boto3": {"store"},
    "botocore": {"store"},
    "jupyter_server": {"server", "package"},
    "tornado": {"server", "client", "notebook"},
    "IPython": {"notebook"},
    "click": {"cli"},
    "rich": {"cli"},
    "prompt_toolkit": {"cli"},
    "prometheus_client": {"server"},
    "psycopg": {"store", "cluster"},
}
"""Outside library → the units that may import it."""


def top_unit(module: str) -> str:
    return module.split(".", maxsplit=1)[0] or "package"


def unit_inside(package: str, module: str) -> str | None:
    """The unit of a module in its package: a file or a sub-package. None for the package itself and for others."""
    first, _, rest = module.partition(".")
    return rest.split(".")[0] if first == package and rest else None


def browser_unit(module: str) -> str:
    folder, *rest = module.split("/")
    return f"{folder}/{rest[0]}" if folder == "elements" else folder


def test_packages_import_only_what_is_below_them() -> None:
    assert wrong_arrows(python_graph(PACKAGE), top_unit, TOP) == []


@pytest.mark.parametrize("package", INSIDE)
def test_inside_a_package_imports_point_down(package: str) -> None:
    assert wrong_arrows(python_graph(PACKAGE), lambda module: unit_inside(package, module), INSIDE[package]) == []


def test_no_python_modules_import_each_other_in_a_circle() -> None:
    assert circles(python_graph(PACKAGE)) == []


def test_imports_of_the_browser_client_point_down() -> None:
    assert wrong_arrows(typescript_graph(CLIENT), browser_unit, BROWSER) == []


def test_no_modules_of_the_browser_client_import_each_other_in_a_circle() -> None:
    assert circles(typescript_graph(CLIENT)) == []


def test_few_modules_lie_flat_in_the_package() -> None:
    assert len([path for path in PACKAGE.glob("*.py") if path.stem != "__init__"]) <= 8


@pytest.mark.parametrize("library", ONLY_IN)
def test_a_library_is_used_at_its_place_only(library: str) -> None:
    users = {
        top_unit(module)
        for module, path in python_files(PACKAGE).items()
        for name in imported_names(path, PACKAGE)
        if name.split(".")[0] == library
    }
    assert users <= ONLY_IN[library]


# -- the checks themselves: each finds what is planted ----------------------------------------------------------------
def planted(tmp_path: Path, files: dict[str, str]) -> Graph:
    for name, text in {"clawdbot_ext/__init__.py": "", **files}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return python_graph(tmp_path / "clawdbot_ext")


@pytest.mark.parametrize(
    "statement",
    [
        "from .cli import main",
        "from . import cli",
        "import clawdbot_ext.cli.main",
        "def late():\n    from .cli import main",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .cli.main import run",
    ],
)
def test_an_import_that_points_up_is_found_wherever_it_stands(tmp_path: Path, statement: str) -> None:
    graph = planted(
        tmp_path,
        {
            "clawdbot_ext/i18n.py": statement,
            "clawdbot_ext/cli/__init__.py": "",
            "clawdbot_ext/cli/main.py": "def run(): ...",
        },
    )
    assert len(wrong_arrows(graph, top_unit, TOP)) == 1


def test_an_import_between_two_units_of_one_level_is_found(tmp_path: Path) -> None:
    graph = planted(
        tmp_path,
        {"clawdbot_ext/gateway/__init__.py": "from ..client import a", "clawdbot_ext/client/__init__.py": "a = 1"},
    )
    assert wrong_arrows(graph, top_unit, TOP) == ["gateway imports client"]


def test_an_import_that_points_up_inside_a_package_is_found(tmp_path: Path) -> None:
    graph = planted(
        tmp_path,
        {
            "clawdbot_ext/gateway/__init__.py": "",
            "clawdbot_ext/gateway/gateway.py": "x = 1",
            "clawdbot_ext/gateway/runs/manager.py": "from ..gateway import x",
        },
    )
    found = wrong_arrows(graph, lambda module: unit_inside("gateway", module), INSIDE["gateway"])
    assert found == ["gateway.runs.manager imports gateway.gateway"]


def test_a_module_without_a_place_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(Unplaced, match="helpers"):
        wrong_arrows(planted(tmp_path, {"clawdbot_ext/helpers.py": ""}), top_unit, TOP)


@pytest.mark.parametrize(
    "back",
    [
        "from . import a",
        "def late():\n    from .a import x",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .a import x",
    ],
)
def test_a_circle_is_found_whatever_kind_of_import_closes_it(tmp_path: Path, back: str) -> None:
    graph = planted(
        tmp_path,
        {
            "clawdbot_ext/a.py": "from . import b\nx = 1",
            "clawdbot_ext/b.py": "from . import c",
            "clawdbot_ext/c.py": back,
        },
    )
    assert circles(graph) == [["a", "b", "c"]]


@pytest.mark.parametrize(
    "statement",
    [
        'import { x } from "./a.js";',
        'import type { X } from "./a";',
        'export { x } from "./a.js";',
        'const x = () => import("./a.js");',
    ],
)
def test_imports_of_typescript_are_found_in_all_their_forms(tmp_path: Path, statement: str) -> None:
    for name, text in {
        "state/a.ts": 'import { y } from "./b.js";',
        "state/b.ts": statement,
        "state/c.ts": 'import { z } from "../entry/page.js";',
        "entry/page.ts": "",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    graph = typescript_graph(tmp_path)
    assert circles(graph) == [["state/a", "state/b"]]
    assert wrong_arrows(graph, browser_unit, BROWSER) == ["state/c imports entry/page"]


@pytest.mark.slow
def test_the_command_line_starts_without_the_server_and_the_sdk() -> None:
    """A client command has 0.3 s from start to end; either of the two would use that up alone."""
    program = "import sys, clawdbot_ext.cli; print(*({'jupyter_server', 'anthropic', 'jupyterlab'} & {*sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert loaded.stdout.strip() == ""
