"""Every regular expression of the package works in linear time: found in the source, pumped, measured.

Texts from outside get to most of them, and many do so on the event loop. The front end's are in
``static/test/patterns.test.ts``.
"""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from clawdbot_ext.agent.media.readers import notebook_text
from clawdbot_ext.agent.providers import demo
from clawdbot_ext.cli.ssh import process
from clawdbot_ext.gateway import error_texts
from clawdbot_ext.gateway.sessions import export_formats
from clawdbot_ext.store import search_terms
from tests.support.pumping import superlinear, texts
from tests.support.server import ROOT

PACKAGE = ROOT / "clawdbot_ext"
CALLS: dict[str, tuple[str, int]] = {
    "compile": ("finditer", 1),
    "match": ("match", 2),
    "search": ("search", 2),
    "fullmatch": ("fullmatch", 2),
    "findall": ("finditer", 2),
    "finditer": ("finditer", 2),
    "sub": ("finditer", 4),
    "subn": ("finditer", 4),
    "split": ("finditer", 3),
}
"""Functions of ``re`` → what they do with a text, and which of their arguments has the flags."""
WORK: dict[str, Callable[[Any, Any], object]] = {
    "match": lambda pattern, text: pattern.match(text),
    "search": lambda pattern, text: pattern.search(text),
    "fullmatch": lambda pattern, text: pattern.fullmatch(text),
    "finditer": lambda pattern, text: [None for _ in pattern.finditer(text)],
}


class Case(NamedTuple):
    where: str
    pattern: re.Pattern[Any]
    uses: frozenset[str]


def closing(fence: str) -> list[re.Pattern[str]]:
    """The pattern for the end of a block, which is made of its beginning."""
    made: list[re.Pattern[str]] = []
    real = re.compile
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(export_formats.re, "compile", lambda text: made.append(real(text)) or made[-1])
        list(export_formats.blocks_of(f"{fence}\ncode\n{fence}"))
    return made


MADE = {
    "clawdbot_ext.agent.providers.demo": (lambda: [pattern for _, pattern in demo._KEYWORDS], {"search"}),
    "clawdbot_ext.agent.media.readers.notebook_text": (lambda: list(notebook_text._UNREAD_END.values()), {"search"}),
    "clawdbot_ext.cli.ssh.process": (lambda: [re.compile(sign) for _, _, sign in process._SIGNS], {"search"}),
    "clawdbot_ext.notebook.expansion": (lambda: [re.compile(r"^[ \t>]*`{3,}[ \t]*$", re.MULTILINE)], {"search"}),
    "clawdbot_ext.gateway.sessions.export_formats": (lambda: closing("```"), {"fullmatch"}),
    "clawdbot_ext.gateway.error_texts": (list, set()),  # measured below, behind its bound
    "clawdbot_ext.store.search_terms": (
        lambda: [re.compile("가나|가")],
        {"finditer"},
    ),  # words that were looked for, escaped
}
"""Modules that make one pattern of what they only know later: the ones that they make, and how they use them."""


def module_of(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def calls() -> Iterator[tuple[str, str, str, ast.Call]]:
    """``(module, name that it gets, function, call)`` of every call of ``re`` in the package."""
    for file in sorted(PACKAGE.rglob("*.py")):
        source = file.read_text(encoding="utf-8")
        if "re." not in source:
            continue
        module = module_of(file)
        tree = ast.parse(source)
        names = {
            id(node.value): node.targets[0].id
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        }
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in CALLS
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id == "re"
            ):
                yield module, names.get(id(node), ""), node.func.attr, node


def compiled(module: str, function: str, node: ast.Call) -> re.Pattern[Any]:
    """The pattern of a call. Raises ``NameError`` if it is not known before the call."""
    space = vars(importlib.import_module(module))

    def value(of: ast.expr) -> Any:
        return eval(compile(ast.Expression(of), module, "eval"), space)

    at = CALLS[function][1]
    flags = [key.value for key in node.keywords if key.arg == "flags"] + node.args[at : at + 1]
    return re.compile(value(node.args[0]), value(flags[0]) if flags else 0)


def cases() -> tuple[list[Case], list[str]]:
    """All patterns, and the modules that make theirs later."""
    sources = {module_of(file): file.read_text(encoding="utf-8") for file in PACKAGE.rglob("*.py")}
    found, later = [], []
    for module, name, function, node in calls():
        try:
            pattern = compiled(module, function, node)
        except NameError:
            later.append(module)
            continue
        space = sources[module] if name.startswith("_") else "\n".join(sources.values())
        used = re.findall(rf"\b{name}\.(\w+)\(", space) if name else []
        uses = frozenset(CALLS[each][0] for each in used if each in CALLS) or frozenset({CALLS[function][0]})
        found.append(Case(f"{module}:{node.lineno}", pattern, uses))
    for module, (make, uses) in MADE.items():
        found += [Case(module, pattern, frozenset(uses)) for pattern in make()]
    return found, later


def problems(case: Case) -> Iterator[str]:
    binary = isinstance(case.pattern.pattern, bytes)
    for use in sorted(case.uses):
        for shape in texts(case.pattern):

            def work(text: str, use: str = use) -> object:
                return WORK[use](case.pattern, text.encode("latin-1", "replace") if binary else text)

            if figures := superlinear(work, shape):
                yield f"{case.where} {case.pattern.pattern!r}.{use}: {figures}"
                break


def test_patterns_that_are_made_later_are_in_the_table():
    _, later = cases()
    assert sorted(later) == sorted(MADE)


@pytest.mark.slow
def test_s22_every_pattern_takes_linear_time():
    found, _ = cases()
    assert len(found) > 70
    assert [problem for case in found for problem in problems(case)] == []


@pytest.mark.parametrize(
    "pattern", [r"([?&][^=&\s]*(?:token|code)[^=&\s]*=)[^&\s]+", r"(?m)^\s*%", r"\[\[.*?\]\]", r"\s*\S+\s*$"]
)
def test_a_pattern_that_is_not_linear_is_found(pattern):
    """The test above can fail."""
    assert list(problems(Case("here", re.compile(pattern), frozenset({"search"}))))


def test_s22_a_message_that_is_too_long_to_be_ours_is_not_looked_up():
    longest = max(text.count("{") for text in error_texts.texts(error_texts.AREA, "en"))
    assert longest < 5 and error_texts.sentence("x" * (error_texts.LONGEST + 1), "ko") is None
    message = ("frame of " * error_texts.LONGEST)[: error_texts.LONGEST]
    assert superlinear(lambda text: error_texts.sentence(message, "ko"), ("", "x", "")) is None


def test_words_that_were_looked_for_are_no_pattern():
    assert list(search_terms._spans("a가*나", [search_terms.Word("가*", True, True)])) == []
