"""Notebooks of nbformat 1 to 3 in the shape of nbformat 4, as far as this package reads it.

nbformat's own upgrade refuses a notebook for one field that has another type than it expects; this one takes what is
there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_MIME = {
    "text": "text/plain",
    "html": "text/html",
    "svg": "image/svg+xml",
    "png": "image/png",
    "jpeg": "image/jpeg",
    "latex": "text/latex",
    "json": "application/json",
    "javascript": "application/javascript",
}
_OUTPUTS = {"pyout": "execute_result", "pyerr": "error", "display_data": "display_data", "stream": "stream"}


def upgraded(notebook: Mapping[str, Any]) -> dict[str, Any]:
    """The notebook with ``cells``, however few there are in its sheets."""
    sheets = notebook.get("worksheets")
    lists = [sheet.get("cells") for sheet in _mappings(sheets)] if isinstance(sheets, list) else [notebook.get("cells")]
    return {**notebook, "cells": [_cell(cell) for each in lists for cell in _mappings(each)]}


def _mappings(value: Any) -> Iterator[Mapping[str, Any]]:
    return (each for each in value if isinstance(each, Mapping)) if isinstance(value, list) else iter(())


def _cell(cell: Mapping[str, Any]) -> dict[str, Any]:
    kind = cell.get("cell_type")
    source = cell.get("input", cell.get("source", cell.get("code", cell.get("text", ""))))
    if kind == "heading":
        text = "".join(map(str, source)) if isinstance(source, list) else str(source)
        level = cell.get("level")
        return {"cell_type": "markdown", "source": "#" * (level if isinstance(level, int) else 1) + " " + text}
    if kind != "code":
        return {"cell_type": "markdown" if kind in ("markdown", "html", "text") else "raw", "source": source}
    outputs = [_output(output) for output in _mappings(cell.get("outputs"))]
    return {"cell_type": "code", "source": source, "execution_count": cell.get("prompt_number"), "outputs": outputs}


def _output(output: Mapping[str, Any]) -> dict[str, Any]:
    kind = _OUTPUTS.get(str(output.get("output_type")), "display_data")
    if kind == "stream":
        return {"output_type": kind, "name": output.get("stream") or "stdout", "text": output.get("text")}
    if kind == "error":
        return {**output, "output_type": kind}
    data = {mime: output[name] for name, mime in _MIME.items() if name in output}
    return {"output_type": kind, "data": data}
