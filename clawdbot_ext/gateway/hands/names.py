"""Names that code defines and uses, and the parts of it that no mode runs without a question.

Of Python only, and without running anything: lines of IPython (``!``, ``%``) are set aside first. It is an aid for
people and models, not a boundary: what code really does is not known before it runs.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

MAX_CODE = 200_000
"""Characters; of longer code no names are told."""
_BUILTIN = frozenset(dir(builtins))
_CELL_MAGIC = re.compile(r"\s*%%(\w+)")
_LINE_MAGIC = re.compile(r"^\s*(?:[A-Za-z_][\w, ]*=\s*)?(!|%(?!%)[A-Za-z])")
_SHELL = re.compile(
    r"""^[ \t]*(?:[\w.,\[\]'"][\w.,\ \[\]'"]*=\s*)?!            # !command, x = !command
      | ^[ \t]*(?:[\w.,][\w.,\ ]*=\s*)?%\s*(?:pip|conda|mamba|micromamba|uv|sx|system|env|set_env|run|load_ext|sc|
          rm|mv|cp|mkdir|rmdir|cd|writefile|store|macro|logstart|edit|save)\b
      | ^[ \t]*%%\s*(?:bash|sh|script|cmd|powershell|system|sx|!|writefile|file|perl|ruby|javascript|js|html|ruby|svg)
      | ^[ \t]*%%\s*!
      | \bget_ipython\b | \bos\s*\.\s*(?:system|popen|exec\w*|spawn\w*|remove|unlink|rmdir|removedirs|rename)\b
      | \bsubprocess\b | \bpty\b | \bpexpect\b | \bshutil\s*\.\s*(?:rmtree|move)\b | \.\s*(?:unlink|rmdir)\s*\(
      | \b(?:socket|requests|httpx2?|aiohttp|urllib3?|ftplib|smtplib|paramiko|telnetlib|websockets?)\b
      | \b(?:__import__|importlib|ctypes|cffi)\b | \beval\s*\( | \bexec\s*\(
      | \burl(?:open|retrieve)\b | https?:// | \bs3:// | \bgs:// | \bftp://
    """,
    re.VERBOSE | re.MULTILINE,
)


class Names(NamedTuple):
    """Names of one cell."""

    defines: tuple[str, ...]
    uses: tuple[str, ...]
    """Used before they are defined in the cell itself."""


def names_of(source: str) -> Names:
    """The global names that a cell of Python defines and uses; none for code that is not Python."""
    if len(source) > MAX_CODE or _CELL_MAGIC.match(source):
        return Names((), ())
    plain = "\n".join("pass" if _LINE_MAGIC.match(line) else line for line in source.split("\n"))
    try:
        tree = ast.parse(plain)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return Names((), ())
    found = _Finder()
    try:
        found.visit(tree)
    except RecursionError:
        return Names((), ())
    return Names(tuple(sorted(found.defines)), tuple(sorted(found.uses - _BUILTIN)))


class _Finder(ast.NodeVisitor):
    """Collects the names at the level of the module; bodies of functions only use."""

    def __init__(self) -> None:
        self.defines: set[str] = set()
        self.uses: set[str] = set()
        self._local: list[set[str]] = []

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            if node.id not in self.defines and not any(node.id in names for names in self._local):
                self.uses.add(node.id)
        elif self._local:
            self._local[-1].add(node.id)
        else:
            self.defines.add(node.id)

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        for target in node.targets:
            self.visit(target)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name) and not self._local and node.target.id not in self.defines:
            self.uses.add(node.target.id)
        self.visit(node.value)
        self.visit(node.target)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)
            self.visit(node.target)

    def visit_Import(self, node: ast.Import) -> None:
        self._bind(*((name.asname or name.name.split(".")[0]) for name in node.names))

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        self._bind(*((name.asname or name.name) for name in node.names))

    def visit_For(self, node: ast.For) -> None:
        self.visit(node.iter)
        self.visit(node.target)
        for each in [*node.body, *node.orelse]:
            self.visit(each)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._function(node)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        for each in [*node.decorator_list, *node.args.defaults, *(d for d in node.args.kw_defaults if d)]:
            self.visit(each)
        self._bind(node.name)
        self._scope(_arguments(node.args), node.body)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._function(node)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._scope(_arguments(node.args), [node.body])

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for each in [*node.decorator_list, *node.bases, *(keyword.value for keyword in node.keywords)]:
            self.visit(each)
        self._bind(node.name)
        self._scope(set(), node.body)

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> None:
        parts = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        self._local.append(set())
        for generator in node.generators:
            self.visit(generator.iter)
            self.visit(generator.target)
            for condition in generator.ifs:
                self.visit(condition)
        for part in parts:
            self.visit(part)
        self._local.pop()

    def visit_ListComp(self, node: ast.ListComp) -> None:
        self._comprehension(node)

    def visit_SetComp(self, node: ast.SetComp) -> None:
        self._comprehension(node)

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> None:
        self._comprehension(node)

    def visit_DictComp(self, node: ast.DictComp) -> None:
        self._comprehension(node)

    def _scope(self, names: set[str], body: Sequence[ast.AST]) -> None:
        self._local.append(names)
        for each in body:
            self.visit(each)
        self._local.pop()

    def _bind(self, *names: str) -> None:
        (self._local[-1] if self._local else self.defines).update(names)


def _arguments(arguments: ast.arguments) -> set[str]:
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    return {each.arg for each in every if each is not None}


def stale_after(cells: Sequence[Mapping[str, Any]], changed: str, source: str) -> list[str]:
    """The ids of the cells after a changed one that use what it defines, directly or by others, and have run."""
    ids = [str(cell.get("id")) for cell in cells]
    if changed not in ids:
        return []
    old = next(cell for cell in cells if cell.get("id") == changed)
    moved = set(names_of(source).defines) | set(names_of(str(old.get("source") or "")).defines)
    stale: list[str] = []
    for cell in cells[ids.index(changed) + 1 :]:
        if cell.get("type") != "code":
            continue
        names = names_of(str(cell.get("source") or ""))
        if moved & set(names.uses):
            moved |= set(names.defines)
            if cell.get("state") not in ("never", None):
                stale.append(str(cell["id"]))
        elif cell.get("state") in ("ran", "edited", "stale"):
            moved -= set(names.defines)
    return stale


def needs_question(code: str) -> bool:
    """Whether code leaves the notebook as far as can be seen: shell, packages, deletion, network, code made of text."""
    return _SHELL.search(code) is not None
