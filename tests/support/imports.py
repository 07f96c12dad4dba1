"""The import graph of the package and of the browser client, read from the sources, and what can be wrong with it.

Every import counts: at the top of a file, inside a function, and for type checkers.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

Graph = Mapping[str, frozenset[str]]
"""Module → the modules of the same tree that it imports."""


class Unplaced(Exception):
    """A module is in none of the levels."""


class Levels(NamedTuple):
    """An order of units, highest first. A unit imports units of lower levels only, and itself."""

    rows: Sequence[frozenset[str]]

    def of(self, unit: str) -> int:
        """The level of ``unit``, counted from the top. Raises ``Unplaced``."""
        for index, row in enumerate(self.rows):
            if unit in row:
                return index
        raise Unplaced(unit)


def levels(text: str) -> Levels:
    """Read ``a > b, c > d``: ``a`` may import all others, ``b`` and ``c`` import ``d`` and not each other."""
    return Levels([frozenset(name.strip() for name in row.split(",")) for row in text.split(">")])


def wrong_arrows(graph: Graph, unit_of: Callable[[str], str | None], order: Levels) -> list[str]:
    """Imports that do not point down. ``unit_of`` gives a module's unit, or None for one outside this order.

    Raises ``Unplaced`` for a unit that the order lacks.
    """
    wrong = []
    for module in sorted(graph):
        unit = unit_of(module)
        if unit is None:
            continue
        level = order.of(unit)
        for imported in sorted(graph[module]):
            other = unit_of(imported)
            if other is not None and other != unit and order.of(other) <= level:
                wrong.append(f"{module} imports {imported}")
    return wrong


def circles(graph: Graph) -> list[list[str]]:
    """Groups of modules that reach each other by imports (strongly connected components of two or more)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []
    for start in sorted(graph):
        if start in index:
            continue
        work: list[tuple[str, Iterator[str]]] = [(start, iter(sorted(graph[start])))]
        index[start] = low[start] = len(index)
        stack.append(start)
        while work:
            module, rest = work[-1]
            for imported in rest:
                if imported not in graph:
                    continue
                if imported not in index:
                    index[imported] = low[imported] = len(index)
                    stack.append(imported)
                    work.append((imported, iter(sorted(graph[imported]))))
                    break
                if imported in stack:
                    low[module] = min(low[module], index[imported])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[module])
                if low[module] == index[module]:
                    group = stack[stack.index(module) :]
                    del stack[stack.index(module) :]
                    if len(group) > 1:
                        found.append(sorted(group))
    return found


# -- Python ----------------------------------------------------------------------------------------------------------
def python_files(package: Path) -> dict[str, Path]:
    """Dotted name below the package (``""`` for the package itself) → file."""
    return {
        ".".join(path.relative_to(package).with_suffix("").parts).removesuffix("__init__").rstrip("."): path
        for path in package.rglob("*.py")
    }


def imported_names(path: Path, package: Path) -> Iterator[str]:
    """The absolute dotted name of everything that a file imports, wherever the statement stands."""
    parents = [package.name, *path.relative_to(package).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = parents[: len(parents) - node.level + 1] if node.level else []
            source = [*base, *(node.module.split(".") if node.module else [])]
            yield from (".".join([*source, alias.name]) for alias in node.names)


def python_graph(package: Path) -> Graph:
    """The imports between the modules of a package, by dotted names below it."""
    files = python_files(package)
    return {
        name: frozenset(_known(imported_names(path, package), package.name, files) - {name})
        for name, path in files.items()
    }


def _known(names: Iterable[str], package: str, files: Mapping[str, Path]) -> set[str]:
    found = set()
    for name in names:
        if name != package and not name.startswith(f"{package}."):
            continue
        inside = name[len(package) + 1 :]
        found.add(inside if inside in files else inside.rpartition(".")[0])
    return found & files.keys()


# -- TypeScript ------------------------------------------------------------------------------------------------------
_SPECIFIER = re.compile(r"""(?:\bfrom|\bimport)\s*\(?\s*["'](\.{1,2}/[^"'?]+)""")


def typescript_graph(source: Path) -> Graph:
    """The imports below ``source``, in all forms: ``import``, ``import type``, ``export … from``, ``import()``."""
    files = {path.relative_to(source).with_suffix("").as_posix() for path in source.rglob("*.ts")}
    graph = {}
    for name in files:
        path = source / f"{name}.ts"
        found = set()
        for specifier in _SPECIFIER.findall(path.read_text(encoding="utf-8")):
            target = (path.parent / specifier).resolve()
            if target.is_relative_to(source.resolve()):
                inside = target.relative_to(source.resolve()).as_posix().removesuffix(".js").removesuffix(".ts")
                found |= {inside, f"{inside}/index"} & files
        graph[name] = frozenset(found - {name})
    return graph
