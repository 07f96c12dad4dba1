"""The protocol's shapes as JSON Schema, with the documentation that stands beside the fields in ``protocol.schema``.

msgspec gives the types; a field's docstring (the string below it) is only in the source, so that is read too.
"""

from __future__ import annotations

import ast
import inspect
import json
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from clawdbot_ext.protocol import schema
from clawdbot_ext.protocol.schema import EVENTS, METHODS, ConnectParams, Event, Method

Schema = dict[str, Any]
REF = "#/$defs/"


def is_struct(shape: Any) -> bool:
    """Whether a row's shape is one of the module's structs (else it is an open object)."""
    return isinstance(shape, type) and issubclass(shape, msgspec.Struct)


def definitions() -> Mapping[str, Schema]:
    """The JSON Schema of every struct that a method, an event or ``connect`` uses, by class name."""
    roots = [ConnectParams, *(row.params for row in METHODS.values())]
    roots += [row.result for row in METHODS.values() if is_struct(row.result)]
    roots += [row.payload for row in EVENTS.values() if is_struct(row.payload)]
    _, found = msgspec.json.schema_components(list(dict.fromkeys(roots)), ref_template=REF + "{name}")
    notes = _field_notes()
    for name, definition in found.items():
        definition.pop("title", None)
        definition["description"] = inspect.getdoc(getattr(schema, name)) if name in _documented() else ""
        if not definition["description"]:
            del definition["description"]
        names = {field.name: field.encode_name for field in msgspec.structs.fields(getattr(schema, name))}
        for field, note in notes.get(name, {}).items():
            definition["properties"][names[field]]["description"] = note
    return dict(sorted(found.items()))


def document() -> str:
    """The text of ``docs/reference/protocol.schema.json``."""
    tree = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Clawdbot gateway protocol {schema.PROTOCOL_VERSION}, as this gateway speaks it",
        "connect": {"params": _reference(ConnectParams)},
        "methods": {name: _method(row) for name, row in METHODS.items()},
        "events": {name: _event(row) for name, row in EVENTS.items()},
        "$defs": definitions(),
    }
    return json.dumps(tree, indent=2, ensure_ascii=False) + "\n"


def _method(row: Method) -> Schema:
    return {
        "description": row.help,
        "scope": row.scope,
        "ours": row.ours,
        "params": _reference(row.params),
        "result": _reference(row.result),
    }


def _event(row: Event) -> Schema:
    cap = {"cap": row.cap} if row.cap else {}
    return {"description": row.help, **cap, "ours": row.ours, "payload": _reference(row.payload)}


def _reference(shape: Any) -> Schema:
    return {"$ref": REF + shape.__name__} if is_struct(shape) else {"type": "object"}


def _classes() -> Iterator[ast.ClassDef]:
    for module in schema.MODULES:
        tree = ast.parse(inspect.getsource(module))
        yield from (node for node in tree.body if isinstance(node, ast.ClassDef))


def _documented() -> frozenset[str]:
    """Classes with a docstring of their own: ``inspect.getdoc`` would hand down that of the base."""
    return frozenset(node.name for node in _classes() if ast.get_docstring(node))


def _field_notes() -> dict[str, dict[str, str]]:
    """Class name → field name → the string that stands below the field."""
    notes: dict[str, dict[str, str]] = {}
    for node in _classes():
        for field, below in zip(node.body, node.body[1:], strict=False):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(below, ast.Expr)
                and isinstance(below.value, ast.Constant)
            ):
                notes.setdefault(node.name, {})[field.target.id] = " ".join(str(below.value.value).split())
    return notes
