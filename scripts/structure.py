"""Print the figures of the source's structure, for any checkout: ``python -m scripts.structure [CHECKOUT …]``.

Each checkout is a column of a Markdown table; without one, it is this one. A checkout of an older commit is made with
``git worktree add --detach /tmp/before COMMIT``. Arrows up need today's packages; for another layout they are "–".
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from tests import test_layering as layering
from tests.support.imports import Graph, Levels, Unplaced, circles, python_graph, typescript_graph, wrong_arrows

ROOT = Path(__file__).resolve().parent.parent
RIDDLE = re.compile(r"(What|Who|Where|Whose|Which|How|Is|Are|May|Does|Has|Can)\b")
"""The first word of a docstring that asks instead of naming."""
VAGUE = re.compile(r"\b(somebody|nobody|whoever|anybody)\b", re.IGNORECASE)
LONG = 500


def arrows_up(graph: Graph, unit_of: Callable[[str], str | None], order: Levels) -> str:
    """Imports against the order of ``tests/test_layering.py``, or "–" where the checkout has another layout."""
    if all(unit_of(module) is None for module in graph):
        return "–"
    try:
        return str(len(wrong_arrows(graph, unit_of, order)))
    except Unplaced:
        return "–"


def circle_figures(graph: Graph) -> str:
    """Circles, and in brackets the modules in them and the imports that lie on them."""
    groups = [set(group) for group in circles(graph)]
    inside = sum(len(graph[module] & group) for group in groups for module in group)
    return f"{len(groups)} ({sum(map(len, groups))} modules, {inside} imports)" if groups else "0"


def docstrings(path: Path) -> Iterator[str]:
    """The docstrings of a file: of the module, its classes and its functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield ast.get_docstring(node) or ""


def figures(root: Path) -> dict[str, str]:
    """The figures of one checkout, by what they count."""
    package, client = root / "clawdbot_ext", root / "static" / "src"
    python, browser = python_graph(package), typescript_graph(client)
    python_files = sorted(package.rglob("*.py"))
    sources = [*python_files, *client.rglob("*.ts")]
    texts = {path: path.read_text(encoding="utf-8") for path in sources}
    documents = [text for path in python_files for text in docstrings(path) if text]
    questions = sum(bool(RIDDLE.match(text)) for text in documents)
    inside = {
        f"arrows up inside `{name}/`": arrows_up(python, partial(layering.unit_inside, name), order)
        for name, order in layering.INSIDE.items()
    }
    return {
        "modules flat in `clawdbot_ext/`": str(len([path for path in package.glob("*.py") if path.stem != "__init__"])),
        "files flat in `gateway/`": str(len(list((package / "gateway").glob("*.py"))) - 1),
        "arrows up between packages": arrows_up(python, layering.top_unit, layering.TOP),
        **inside,
        "circles in Python": circle_figures(python),
        "arrows up in `static/src/`": arrows_up(browser, layering.browser_unit, layering.BROWSER),
        "circles in TypeScript": circle_figures(browser),
        "docstrings that begin with a question": f"{questions} of {len(documents)}",
        "“somebody”, “nobody”, “whoever”, “anybody”": str(sum(len(VAGUE.findall(text)) for text in texts.values())),
        f"files of more than {LONG} lines": str(sum(text.count("\n") > LONG for text in texts.values())),
    }


def main() -> None:
    """Print the table."""
    columns = {name: figures(Path(name)) for name in sys.argv[1:] or [str(ROOT)]}
    print(f"| | {' | '.join(columns)} |")
    print(f"| --- |{' --: |' * len(columns)}")
    for label in next(iter(columns.values())):
        print(f"| {label} | {' | '.join(column[label] for column in columns.values())} |")


if __name__ == "__main__":
    main()
