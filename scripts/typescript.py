"""The protocol's shapes as TypeScript: ``static/src/protocol/generated.ts``."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from clawdbot_ext.protocol import schema
from clawdbot_ext.protocol.schema import EVENTS, METHODS

from .shapes import REF, Schema, definitions, is_struct

HEAD = """\
// Written by `python -m scripts.generate` from clawdbot_ext/protocol/schema/: edit that. tests/test_docs.py compares.
"""


def module() -> str:
    """The whole file."""
    shapes = definitions()
    parts = [HEAD, *_constants(), *(_interface(name, shape) for name, shape in shapes.items())]
    parts.append(
        _table(
            "Methods",
            "Parameters and result of every method.",
            (
                (name, f"{{ params: {_name(row.params)}; result: {_name(row.result)} }}", row.help)
                for name, row in METHODS.items()
            ),
        )
    )
    parts.append(
        _table(
            "Events", "Payload of every event.", ((name, _name(row.payload), row.help) for name, row in EVENTS.items())
        )
    )
    return "\n".join(parts)


def _constants() -> Iterator[str]:
    yield f"export const PROTOCOL_VERSION = {schema.PROTOCOL_VERSION};\n"
    caps = [value for name, value in vars(schema).items() if name.startswith("CAP_")]
    yield f"/** Capabilities that the gateway knows. */\nexport const KNOWN_CAPS = {json.dumps(caps)} as const;\n"


def _interface(name: str, shape: Schema) -> str:
    lines = [*_comment(shape.get("description"), ""), f"export interface {name} {{"]
    required = shape.get("required", ())
    for field, kind in shape["properties"].items():
        lines += _comment(kind.get("description"), "  ")
        lines.append(f"  {field}{'' if field in required else '?'}: {_type(kind)};")
    if not shape["properties"]:
        return "\n".join([*lines[:-1], f"export type {name} = Record<string, never>;", ""])
    return "\n".join([*lines, "}", ""])


def _table(name: str, note: str, rows: Any) -> str:
    lines = [f"/** {note} */", f"export interface {name} {{"]
    for key, value, text in rows:
        lines += [*_comment(text, "  "), f"  {json.dumps(key)}: {value};"]
    return "\n".join([*lines, "}", ""])


def _comment(text: str | None, indent: str) -> list[str]:
    if not text:
        return []
    one_line = f"{indent}/** {' '.join(text.split())} */"
    if len(one_line) <= 120:
        return [one_line]
    wrapped = textwrap.wrap(" ".join(text.split()), 116 - len(indent))
    return [f"{indent}/**", *(f"{indent} * {line}" for line in wrapped), f"{indent} */"]


def _name(shape: Any) -> str:
    return str(shape.__name__) if is_struct(shape) else "Record<string, unknown>"


def _type(kind: Schema) -> str:
    if "$ref" in kind:
        return str(kind["$ref"]).removeprefix(REF)
    if "anyOf" in kind:
        return " | ".join(_type(option) for option in kind["anyOf"])
    if "enum" in kind:
        return " | ".join(json.dumps(value) for value in kind["enum"])
    if kind.get("type") == "array":
        item = _type(kind.get("items", {}))
        return f"({item})[]" if " " in item and not item.startswith("Record<") else f"{item}[]"
    return _SIMPLE.get(kind.get("type", ""), "unknown")


_SIMPLE: Mapping[str, str] = {
    "string": "string",
    "integer": "number",
    "number": "number",
    "boolean": "boolean",
    "null": "null",
    "object": "Record<string, unknown>",
}
