"""Replacement fields in a question: ``{spread:.1f}`` becomes the value, as in an f-string, and braces of code stay.

A field is one Python expression in braces, without a space behind ``{`` or before ``}``, with ``!r``, ``!s``, ``!a``,
``=`` and ``:format`` as in an f-string. All other braces stay: JSON, sets, dictionaries, and everything in literal
text (code spans and blocks, math, f-strings, ``${…}``, arguments of TeX commands, braces within other braces).

    {total}  {total:,.2f}  {name!r}  {len(rows)}  {frame.shape[0]=}    replaced
    {"a": 1}  {a, b}  { a }  {{a}}  `{a}`  $x_{i}$  f"{a}"  ${a}       left
    {word}                                                             left and reported, where no variable has the name
    {total:.1q}  {len(nothing)}  {1 / zero}                            ``FieldProblem``: nothing is sent
"""

from __future__ import annotations

import ast
import builtins
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

_OPENERS = re.compile(
    r"^[ \t>*+-]*(?P<fence>`{3,}|~{3,})|(?P<ticks>`+)|(?P<math>\$\$|\\\(|\\\[|\$(?=[^\s{$]))"
    r"|(?<!\w)(?:[fF][rR]?|[rR][fF])(?P<quote>\"\"\"|'''|\"|')",
    re.MULTILINE,
)
_MATH_ENDS = {"$$": "$$", "\\(": "\\)", "\\[": "\\]"}
_TEX_COMMAND = re.compile(r"\\[A-Za-z]{0,30}\*?$")
_LOOK_BACK = 32
"""Characters before a brace in which a TeX command is looked for."""
_NESTED = re.compile(r"\{([^{}]*)\}")
_CONVERSIONS: Mapping[str, Callable[[Any], str]] = {"r": repr, "s": str, "a": ascii}
_NO_VALUES = (ast.Tuple, ast.Starred, ast.Yield, ast.YieldFrom, ast.Await)


class FieldProblem(Exception):
    """A field has no value: ``field`` is its text with the braces, ``problem`` the exception in a line."""

    def __init__(self, field: str, problem: str):
        super().__init__(f"{field}: {problem}")
        self.field, self.problem = field, problem


class Expanded(NamedTuple):
    """A text with values in it; ``left`` are the fields that stayed because no variable has their name."""

    text: str
    left: tuple[str, ...] = ()


class Field(NamedTuple):
    """An expression between two braces."""

    expression: str
    conversion: str
    spec: str
    shows_itself: bool
    """``{x=}``"""


def expand(text: str, namespace: Mapping[str, Any], own: Callable[[str], bool] | None = None) -> Expanded:
    """Put values in the places of fields. ``own`` tells whether a name in ``namespace`` is the user's; else all are.

    Raises:
        FieldProblem: an expression fails, or its value does not take the format.
    """
    is_own = own or namespace.__contains__
    literal = list(_literal_zones(text))
    starts = [start for start, _ in literal]
    closing = _closing_braces(text)
    parts: list[str] = []
    left: list[str] = []
    at = done = 0
    left_end = -1
    while (at := text.find("{", at)) >= 0:
        zone = bisect_right(starts, at) - 1
        if zone >= 0 and at < literal[zone][1]:
            at = literal[zone][1]
            continue
        end = closing.get(at)
        if end is None:
            at += 1
            continue
        value = None
        if at != left_end and not _is_argument(text, at):
            value = _value(text[at + 1 : end], namespace, is_own, left)
        if value is None:
            left_end = end + 1
        else:
            parts += (text[done:at], value)
            done = end + 1
        at = end + 1
    return Expanded("".join([*parts, text[done:]]), tuple(dict.fromkeys(left)))


def _literal_zones(text: str) -> Iterator[tuple[int, int]]:
    """Positions of Markdown code, math and f-strings, in order."""
    at = line = paragraph = 0
    unclosed: dict[str, int] = {}  # opener → where looking for its end was given up: no later one finds it before
    while found := _OPENERS.search(text, at):
        at = found.end()
        line, paragraph = (_next(text, "\n", at, line), _next(text, "\n\n", at, paragraph))
        opener = found["ticks"] or found["quote"] or found["math"] or found["fence"]
        if at <= unclosed.get(opener, -1):
            continue
        stop = line if opener in ("'", '"') else len(text) if found["quote"] else paragraph
        end = _end_of_zone(text, found, stop)
        if end is None:
            unclosed[opener] = stop
        else:
            yield found.start(), end
            at = end


def _next(text: str, mark: str, start: int, known: int) -> int:
    """Next position of ``mark``; ``known`` is the one found for an earlier start."""
    if known > start:
        return known
    found = text.find(mark, start)
    return len(text) if found < 0 else found


def _end_of_zone(text: str, found: re.Match[str], stop: int) -> int | None:
    """The end of what ``found`` opens, at most ``stop``; ``None`` where nothing closes it."""
    start = found.end()
    if fence := found["fence"]:
        closes = re.compile(rf"^[ \t>]*{re.escape(fence[0])}{{{len(fence)},}}[ \t]*$", re.MULTILINE)
        last = closes.search(text, start)
        return last.end() if last else len(text)
    if ticks := found["ticks"]:
        runs = re.compile("`+").finditer(text, start, stop)
        return next((run.end() for run in runs if run[0] == ticks), None)
    closer = found["quote"] or _MATH_ENDS.get(found["math"])
    if closer:
        end = text.find(closer, start, stop)
        return None if end < 0 else end + len(closer)
    end = start  # $…$ as Pandoc has it: no space inside, no digit behind
    while (end := text.find("$", end, stop)) >= 0:
        if not text[end - 1].isspace() and not text[end + 1 : end + 2].isdigit():
            return end + 1
        end += 1
    return None


def _closing_braces(text: str) -> dict[int, int]:
    """Position of ``{`` → position of its ``}``, for the outermost ones and those within."""
    pairs: dict[int, int] = {}
    opened: list[int] = []
    for found in re.finditer(r"[{}]", text):
        if found[0] == "{":
            opened.append(found.start())
        elif opened:
            pairs[opened.pop()] = found.start()
    return pairs


def _is_argument(text: str, at: int) -> bool:
    """Report whether the brace belongs to the text before it: ``${x}``, ``#{x}``, ``\\{``, ``\\frac{x}``."""
    return text[at - 1 : at] in ("$", "#") or bool(_TEX_COMMAND.search(text[max(0, at - _LOOK_BACK) : at]))


def _value(inside: str, namespace: Mapping[str, Any], is_own: Callable[[str], bool], left: list[str]) -> str | None:
    """The value of a field as text; ``None`` where it stays as it is. Raises ``FieldProblem``."""
    if not inside or inside[0].isspace() or inside[-1].isspace() or inside[0] == "{" or "\n" in inside:
        return None
    field = _split(inside)
    if field is None or field.spec[:1].isspace():
        return None
    try:
        tree = ast.parse(field.expression.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    names = _names(tree)
    if not names or (isinstance(tree, _NO_VALUES) and field.expression[0] != "("):
        return None
    asks = bool(field.conversion or field.spec or field.shows_itself)
    if isinstance(tree, ast.Name) and not asks:
        known = is_own(tree.id)
    else:
        known = asks or any(map(is_own, names)) or any(isinstance(node, ast.Call) for node in ast.walk(tree))
    if not known:
        left.append(f"{{{inside}}}")
        return None
    return _evaluate(field, inside, dict(namespace))


def _split(inside: str) -> Field | None:
    """The parts of a field, found as Python finds them in an f-string; ``None`` where it is none."""
    depth, quote, at = 0, "", 0
    while at < len(inside):
        char = inside[at]
        if quote:
            if char == "\\":
                at += 1
            elif char == quote:
                quote = ""
        elif char in "\"'":
            quote = char
        elif char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
        elif depth == 0 and (char == ":" or (char == "!" and inside[at + 1 : at + 2] != "=")):
            break
        at += 1
    expression, rest = inside[:at], inside[at:]
    conversion = ""
    if rest.startswith("!"):
        conversion, rest = rest[1:2], rest[2:]
        if conversion not in _CONVERSIONS or rest[:1] not in ("", ":"):
            return None
    shows_itself = expression.rstrip().endswith("=") and expression.rstrip()[-2:-1] not in ("=", "!", "<", ">")
    return Field(expression.rstrip()[:-1] if shows_itself else expression, conversion, rest[1:], shows_itself)


def _names(tree: ast.expr) -> set[str]:
    """Names that the expression takes from outside."""
    nodes = list(ast.walk(tree))
    loaded = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    bound = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return loaded - bound - {node.arg for node in nodes if isinstance(node, ast.arg)}


def _evaluate(field: Field, inside: str, namespace: dict[str, Any]) -> str:
    namespace.setdefault("__builtins__", builtins)

    def value(expression: str) -> Any:
        return eval(expression.strip(), namespace)  # noqa: S307 - the user's own expression in the user's own kernel

    try:
        spec = _NESTED.sub(lambda nested: format(value(nested[1])), field.spec)
        found = value(field.expression)
        conversion = field.conversion or ("r" if field.shows_itself and not spec else "")
        shown = _CONVERSIONS[conversion](found) if conversion else found
        text = format(shown, spec)
    except Exception as exc:
        raise FieldProblem(f"{{{inside}}}", f"{type(exc).__name__}: {exc}") from exc
    return f"{field.expression}={text}" if field.shows_itself else text
