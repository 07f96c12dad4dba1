"""The demo's own tools: harmless, real, and there to show what tools and questions for permission look like."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from ...i18n import catalogue
from ..context.system_prompt import zone_name
from ..tools import Tool, ToolContext, ToolFailed
from .base import ToolSpec

MAX_EXPRESSION = 200
"""Characters."""
MAX_EXPONENT = 100

_t = catalogue("agent")
_BINARY: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_UNARY: Mapping[type[ast.unaryop], Callable[[Any], Any]] = {ast.USub: operator.neg, ast.UAdd: operator.pos}


def calculate(expression: str) -> str:
    """The value of an arithmetic expression of numbers. Raises ``ToolFailed``."""
    if len(expression) > MAX_EXPRESSION:
        raise ToolFailed(f"longer than {MAX_EXPRESSION} characters")
    try:
        return str(_value(ast.parse(expression.strip(), mode="eval").body))
    except (SyntaxError, ArithmeticError, ValueError, RecursionError) as exc:
        raise ToolFailed(f"{expression}: {exc}") from exc


def _value(node: ast.expr) -> int | float:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
        return node.value
    if isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
        left, right = _value(node.left), _value(node.right)
        if isinstance(node.op, ast.Pow) and (abs(right) > MAX_EXPONENT or abs(left) > 1e6):
            raise ToolFailed(f"exponents up to {MAX_EXPONENT} only")
        value: int | float = _BINARY[type(node.op)](left, right)
        return value
    if isinstance(node, ast.UnaryOp) and type(node.op) in _UNARY:
        negated: int | float = _UNARY[type(node.op)](_value(node.operand))
        return negated
    raise ToolFailed("numbers and + - * / // % ** ( ) only")


async def _calculate(arguments: Mapping[str, Any], context: ToolContext) -> str:
    return calculate(str(arguments.get("expression", "")))


async def _clock(arguments: Mapping[str, Any], context: ToolContext) -> str:
    now = datetime.now().astimezone()
    return f"{now:%Y-%m-%d %H:%M:%S} {zone_name(now)}"


DEMO_TOOLS: tuple[Tool, ...] = (
    Tool(
        ToolSpec("demo_clock", "The date and time of the gateway's machine.", {"type": "object", "properties": {}}),
        _clock,
        lambda arguments, locale: _t(locale, "tool.demo.clock"),
        kind="read",
    ),
    Tool(
        ToolSpec(
            "demo_calculate",
            "The value of an arithmetic expression.",
            {"type": "object", "properties": {"expression": {"type": "string"}}, "required": ["expression"]},
        ),
        _calculate,
        lambda arguments, locale: _t(
            locale, "tool.demo.calculate", expression=str(arguments.get("expression", ""))[:80]
        ),
        kind="execute",
    ),
)
