"""The folder is the architecture: imports point down, and each outside library is used at one place.

Function-level imports and imports for type checkers count too: they are dependencies like any other.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import clawdbot_ext

PACKAGE = Path(clawdbot_ext.__path__[0])
MODULES = sorted(PACKAGE.rglob("*.py"))

LAYERS = (
    ("_version", "describe", "escapes", "filesystem", "i18n", "lease", "private", "protocol"),
    ("config",),
    ("store", "agent", "discovery"),
    ("endpoint", "lock"),
    ("gateway", "client"),
    ("edge",),
    ("cli",),
)
"""Bottom first. A unit imports from the layers below its own; units of one layer know nothing of each other."""

ONLY_IN = {
    "anthropic": {"agent"},
    "httpx2": {"agent"},
    "sqlite3": {"store"},
    "jupyter_server": {"edge"},
    "tornado": {"edge", "client"},
    "click": {"cli"},
    "rich": {"cli"},
    "prompt_toolkit": {"cli"},
}


def unit_of(name: str) -> str:
    """The unit of a top-level name of the package.

    A folder is one, ``config_file`` belongs to ``config``, and what is not in ``LAYERS`` is edge: it may know Tornado,
    Jupyter Server and everything below, and only the command line may know it.
    """
    if name == "__main__":
        return "cli"
    family = name if name in PLACED else name.partition("_")[0]
    return family if family in PLACED else "edge"


PLACED = {unit for layer in LAYERS for unit in layer}


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """``(line, absolute dotted name)`` of every import statement, wherever in the file it stands."""
    package = ["clawdbot_ext", *path.relative_to(PACKAGE).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            source = [*base, *(node.module.split(".") if node.module else [])]
            for alias in node.names:
                yield node.lineno, ".".join([*source, alias.name])


def own_unit(path: Path) -> str:
    return unit_of(path.relative_to(PACKAGE).parts[0].removesuffix(".py"))


def layer_of(unit: str) -> int:
    return next(index for index, units in enumerate(LAYERS) if unit in units)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_imports_point_down(path: Path) -> None:
    own = own_unit(path)
    wrong = []
    for line, name in imports(path):
        top, *rest = name.split(".")
        if top == "clawdbot_ext" and rest:
            other = unit_of(rest[0])
            if other != own and layer_of(other) >= layer_of(own):
                wrong.append(f"line {line}: {own} imports {other} ({name})")
    assert wrong == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    """At the top of the file, that is: inside functions and for type checkers a circle does no harm."""
    graph = {module: {other for other in imported if other != module} for module, imported in top_level_graph().items()}
    while leaves := [module for module, imported in graph.items() if not imported & graph.keys()]:
        for module in leaves:
            del graph[module]
    assert graph == {}


def top_level_graph() -> dict[str, set[str]]:
    """Module → modules of ours that it imports when it is loaded."""
    names = {".".join(("clawdbot_ext", *path.relative_to(PACKAGE).with_suffix("").parts)): path for path in MODULES}
    graph = {}
    for module, path in names.items():
        first = {node.lineno for node in ast.parse(path.read_text(encoding="utf-8")).body}
        found = {name for line, name in imports(path) if line in first}
        graph[module] = {known for name in found for known in (name, name.rpartition(".")[0]) if known in names}
    return graph


@pytest.mark.parametrize("library", ONLY_IN)
def test_a_library_is_used_at_its_place_only(library: str) -> None:
    users = {own_unit(path) for path in MODULES for _, name in imports(path) if name.split(".")[0] == library}
    assert users <= ONLY_IN[library]


@pytest.mark.slow
def test_the_command_line_starts_without_the_server_and_the_sdk() -> None:
    """A client command has 0.3 s from start to end; either of the two would use that up alone."""
    program = "import sys, clawdbot_ext.cli; print(*({'jupyter_server', 'anthropic', 'jupyterlab'} & {*sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=True)
    assert loaded.stdout.strip() == ""
