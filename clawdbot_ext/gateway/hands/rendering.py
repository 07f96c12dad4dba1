"""Notebooks, cells and outputs as text for a model, within a budget that the model is told of.

Nothing here is trusted: it is the content of a notebook, and goes to the model as data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from .names import names_of


def cut(text: str, limit: int) -> str:
    """At most ``limit`` characters: the beginning and the end, with the number of those left out."""
    if len(text) <= limit:
        return text
    head, tail = limit * 2 // 3, limit // 3
    return f"{text[:head]}\n[… {len(text) - head - tail} characters left out …]\n{text[-tail:] if tail else ''}"


def outputs_text(outputs: Sequence[Mapping[str, Any]], limit: int) -> str:
    """Outputs as text; images are named, not shown."""
    parts = []
    for output in outputs:
        kind = str(output.get("kind", "display"))
        name = f' name="{escape(str(output["name"]))}"' if output.get("name") and kind == "stream" else ""
        mimes = [str(mime) for mime in output.get("mimes") or ()]
        image = ' image="true"' if output.get("image") or any(mime.startswith("image/") for mime in mimes) else ""
        text = str(output.get("text") or "")
        left = output.get("truncatedChars")
        more = f"\n[… {left} more characters: cell_output has them …]" if left else ""
        body = f"\n{text}{more}\n" if text or more else ""
        if not body and not image:
            body = f"\n[{', '.join(mimes) or 'empty'}]\n"
        parts.append(f'<output kind="{kind}"{name}{image}>{body}</output>')
    return cut("\n".join(parts), limit)


def kernel_text(kernel: Any) -> str:
    """A kernel in a few words."""
    if not isinstance(kernel, Mapping):
        return "no kernel"
    named = kernel.get("displayName") or kernel.get("name") or "kernel"
    return f"kernel {named} ({kernel.get('status', 'unknown')})"


def cell_text(cell: Mapping[str, Any], *, names: bool, output_chars: int) -> str:
    """One cell with its attributes, source and outputs."""
    source = str(cell.get("source") or "")
    facts: dict[str, Any] = {
        "id": cell.get("id"),
        "rev": cell.get("rev"),
        "index": cell.get("index"),
        "type": cell.get("type"),
    }
    if cell.get("type") == "code":
        facts["state"] = cell.get("state")
        if cell.get("executionCount") is not None:
            facts["count"] = cell["executionCount"]
        if names:
            found = names_of(source)
            facts["defines"], facts["uses"] = " ".join(found.defines), " ".join(found.uses)
    if cell.get("editable") is False:
        facts["editable"] = "false"
    head = " ".join(f'{name}="{escape(str(value))}"' for name, value in facts.items() if value not in (None, ""))
    outputs = cell.get("outputs")
    shown = "\n" + outputs_text(outputs, output_chars) if outputs else ""
    return f"<cell {head}>\n{source}{shown}\n</cell>"


def cell_line(cell: Mapping[str, Any]) -> str:
    """One cell in a line, for those that have no room."""
    lines = str(cell.get("source") or "").strip().splitlines()
    return f"{cell.get('index')} {cell.get('id')} {cell.get('type')}: {(lines[0] if lines else '(empty)')[:80]}"


def notebook_text(found: Mapping[str, Any], limit: int) -> str:
    """A notebook's cells within ``limit`` characters; those without room in a line each, then only counted."""
    cells = [cell for cell in found.get("cells") or () if isinstance(cell, Mapping)]
    kernel = found.get("kernel")
    python = is_python(found)
    parts = [
        f"{found.get('path')}: {len(cells)} cells shown, {kernel_text(kernel)}"
        + (", read-only" if found.get("readOnly") else "")
        + (f", active cell {found['active']}" if found.get("active") else "")
    ]
    room = limit - len(parts[0])
    rest: list[str] = []
    for cell in cells:
        text = "" if rest else cell_text(cell, names=python, output_chars=max(500, limit // 4))
        if not rest and len(text) <= room:
            parts.append(text)
            room -= len(text) + 1
        else:
            rest.append(cell_line(cell))
    if rest:
        if len(parts) == 1:  # the first cell alone is too long
            parts.append(cut(cell_text(cells[0], names=python, output_chars=500), room))
            rest, room = rest[1:], 0
        listed = "\n".join(rest[:100])
        parts.append(
            f"[The other {len(rest)} cells have no room in {limit} characters; read them by cells or by from and to:]\n"
            f"{cut(listed, max(2000, room))}"
        )
    return "\n".join(parts)


def is_python(found: Mapping[str, Any]) -> bool:
    """Whether a notebook's code is Python, by the notebook and by its kernel, as far as they say."""
    kernel = found.get("kernel")
    of_kernel = (kernel.get("language") or None) if isinstance(kernel, Mapping) else None
    told = [language for language in (found.get("language"), of_kernel) if language is not None]
    if not told and isinstance(kernel, Mapping) and kernel.get("name"):
        told = [kernel["name"]]
    return all("python" in str(language).lower() for language in told)
