"""Export formats of a conversation: Markdown, JSON, HTML and notebook. Pure functions of a ``Conversation``."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from types import MappingProxyType
from typing import Any, NamedTuple

from ...agent.context.attachments import attachments
from ...i18n import nice_size
from ...protocol.citations import cited, in_lines, in_markdown
from ...protocol.schema import ExportFormat

JSON_FORMAT, JSON_VERSION = "clawdbot-jupyter/conversation", 1
"""The format name and version of the JSON export. The version rises with an incompatible change."""


class Embedded(NamedTuple):
    """A file that goes into the export itself."""

    mime_type: str
    data: str
    """In base64."""


class Conversation(NamedTuple):
    title: str
    key: str
    session_id: str
    exported_at: int
    messages: Sequence[Mapping[str, Any]]
    """As on the wire, oldest first."""
    locale: str
    you: str
    """The user's name in headings."""
    offset: str
    """Of the times shown, e.g. ``+0900``."""
    sources: str = "Sources"
    """The heading of what a reply cites."""
    branches: Sequence[Mapping[str, Any]] = ()
    """The messages that are not shown, oldest first, with ``parentId``: what each was said to, ``None`` for nothing."""
    files: Mapping[str, Embedded] = MappingProxyType({})
    """By media id; attachments that are not here are only named."""


def markdown(made: Conversation) -> str:
    return _written(MARKDOWN, made)


def _markdown_message(made: Conversation, message: Mapping[str, Any]) -> str:
    files = [
        f"![{_label(block)}](data:{kept.mime_type};base64,{kept.data})" if kept else f"📎 {_label(block)}"
        for block, kept in _files(made, message)
    ]
    body = "\n\n".join([*files, *filter(None, [in_markdown(message, made.sources)])])
    return f"\n\n## {_head(made, message)}\n\n{body}" if body else ""


def as_json(made: Conversation) -> str:
    """Everything, in a form that can be read back."""
    document: dict[str, Any] = {
        "format": JSON_FORMAT,
        "version": JSON_VERSION,
        "title": made.title,
        "key": made.key,
        "sessionId": made.session_id,
        "exportedAt": made.exported_at,
        "messages": list(made.messages),
    }
    if made.branches:  # the path shown is in ``messages``, each after its parent
        document["branches"] = list(made.branches)
    if made.files:
        document["media"] = {
            id_: {"mimeType": file.mime_type, "content": file.data} for id_, file in made.files.items()
        }
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


_STYLE = """:root{color-scheme:light dark}
body{max-width:48rem;margin:2rem auto;padding:0 1rem;font:1rem/1.6 system-ui,sans-serif;word-break:keep-all;
overflow-wrap:anywhere}
article{margin:1.5rem 0;padding:.75rem 1rem;border:1px solid #8884;border-radius:.75rem}
article.user{background:#8881}
h1{font-size:1.4rem}h2{margin:0 0 .5rem;font-size:.85rem;font-weight:600;opacity:.75}
p{margin:.5rem 0;white-space:pre-wrap}
img{display:block;max-width:100%;max-height:30rem;margin:.5rem 0}
pre{overflow-x:auto;padding:.75rem;border-radius:.5rem;background:#8882;font:.9rem/1.5 ui-monospace,monospace}"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def html(made: Conversation) -> str:
    """A page that needs nothing else and can do nothing: no script, no link, no image but those inside it."""
    return _written(HTML, made)


def _html_message(made: Conversation, message: Mapping[str, Any]) -> str:
    blocks = "".join(
        f'<img src="data:{escape(kept.mime_type)};base64,{kept.data}" alt="{escape(_label(block))}">'
        if kept
        else f"<p>📎 {escape(_label(block))}</p>"
        for block, kept in _files(made, message)
    )
    text, sources = cited(message)
    blocks += "".join(
        f"<p>{escape(block.text)}</p>" if block.language is None else f"<pre><code>{escape(block.text)}</code></pre>"
        for block in blocks_of(text)
    )
    if sources:
        blocks += f"<h3>{escape(made.sources)}</h3><p>{escape(chr(10).join(in_lines(sources)))}</p>"
    kind = "user" if message.get("role") == "user" else "reply"
    return f'\n<article class="{kind}"><h2>{escape(_head(made, message))}</h2>{blocks}</article>' if blocks else ""


def _html_begin(made: Conversation) -> str:
    title = escape(_one_line(made.title))
    return (
        f'<!doctype html>\n<html lang="{escape(made.locale)}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{title}</title>\n'
        f"<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>"
    )


_PYTHON = frozenset({"", "python", "py", "python3", "ipython", "ipython3", "sage"})


def notebook(made: Conversation) -> str:
    """Prose as Markdown cells, fenced code as code cells. Code of another language stays readable, but does not run:
    it becomes a Markdown cell with its fence."""
    # A second of importing, and only needed here.
    import nbformat

    text = _written(NOTEBOOK, made)
    nbformat.validate(json.loads(text))
    return text


def _notebook_begin(made: Conversation) -> str:
    title = {"cell_type": "markdown", "id": "title", "metadata": {}, "source": f"# {_one_line(made.title)}"}
    return f'{{\n "cells": [\n  {json.dumps(title, ensure_ascii=False)}'


def _notebook_end(made: Conversation) -> str:
    metadata = {
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
        "language_info": {"name": "python"},
        "title": _one_line(made.title),
    }
    return (
        f'\n ],\n "metadata": {json.dumps(metadata, ensure_ascii=False)},\n "nbformat": 4,\n "nbformat_minor": 5\n}}\n'
    )


def _notebook_message(made: Conversation, message: Mapping[str, Any]) -> str:
    name = f"m{message.get('seq') or made.messages.index(message)}"
    cells: list[dict[str, Any]] = []
    head = f"**{_head(made, message)}**"
    if files := list(_files(made, message)):
        cells.append(_with_files(head, files, f"{name}-0"))
        head = ""
    for block in blocks_of(in_markdown(message, made.sources)):
        code = block.language is not None and block.language in _PYTHON and message.get("role") != "user"
        if code:
            if head:
                cells.append(_cell("markdown", head, f"{name}-{len(cells)}"))
            cells.append(_cell("code", block.text, f"{name}-{len(cells)}", execution_count=None, outputs=[]))
        else:
            text = block.text if block.language is None else block.source
            cells.append(_cell("markdown", "\n\n".join(p for p in (head, text) if p), f"{name}-{len(cells)}"))
        head = ""
    return "".join(f",\n  {json.dumps(cell, ensure_ascii=False)}" for cell in cells)


def _cell(kind: str, source: str, id_: str, **more: Any) -> dict[str, Any]:
    """A cell; nbformat's own functions validate each one they make, a tenth of a second for a long text."""
    return {"cell_type": kind, "id": id_, "metadata": {}, "source": source, **more}


def _with_files(head: str, files: Sequence[tuple[Mapping[str, Any], Embedded | None]], name: str) -> Any:
    """A Markdown cell that names files, with those images inside it that are small."""
    lines, inside = [head], {}
    for place, (block, kept) in enumerate(files):
        file = f"file{place}"
        lines.append(f"![{_label(block)}](attachment:{file})" if kept else f"📎 {_label(block)}")
        if kept:
            inside[file] = {kept.mime_type: kept.data}
    return _cell("markdown", "\n\n".join(lines), name, **({"attachments": inside} if inside else {}))


class Pieces(NamedTuple):
    """A format that is written piece by piece, so that a conversation of any size is never in memory as a whole."""

    begin: Callable[[Conversation], str]
    message: Callable[[Conversation, Mapping[str, Any]], str]
    end: Callable[[Conversation], str]


MARKDOWN = Pieces(lambda made: f"# {_one_line(made.title)}", _markdown_message, lambda made: "\n")
HTML = Pieces(_html_begin, _html_message, lambda made: "\n</body>\n</html>\n")
NOTEBOOK = Pieces(_notebook_begin, _notebook_message, _notebook_end)
PIECES: Mapping[ExportFormat, Pieces] = {"markdown": MARKDOWN, "html": HTML, "ipynb": NOTEBOOK}
"""All formats but JSON, which has lists of its own for branches and files."""


def _written(pieces: Pieces, made: Conversation) -> str:
    messages = (pieces.message(made, message) for message in made.messages)
    return "".join([pieces.begin(made), *messages, pieces.end(made)])


Writer = Callable[[Conversation], str]
FORMATS: Mapping[ExportFormat, tuple[str, str, Writer]] = {
    "markdown": ("text/markdown", "md", markdown),
    "json": ("application/json", "json", as_json),
    "html": ("text/html", "html", html),
    "ipynb": ("application/x-ipynb+json", "ipynb", notebook),
}
"""Format → media type, extension, writer."""


def _files(made: Conversation, message: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], Embedded | None]]:
    """The attachments of a message; with what is inside the export of those that are images."""
    for block in attachments(message):
        yield block, made.files.get(block["mediaId"]) if block.get("type") == "image" else None


def _label(block: Mapping[str, Any]) -> str:
    """``plot.png (image/png, 12 KB)``, with nothing that means something in Markdown."""
    size = int(block.get("size") or 0)
    return re.sub(r"[\[\]<>`\\]", "_", _one_line(f"{block.get('name')} ({block.get('mimeType')}, {nice_size(size)})"))


# -- what they have in common -------------------------------------------------------------------------------------
class Block(NamedTuple):
    """Prose (``language`` is ``None``), or the inside of a code fence. ``source`` has the fence."""

    text: str
    language: str | None
    source: str


_FENCE = re.compile(r"^( {0,3})(`{3,}|~{3,})[ \t]*(.*)$")


def blocks_of(text: str) -> Iterator[Block]:
    """Prose and top-level code blocks, in order. A fence that is not closed ends with the text, as in CommonMark."""
    prose: list[str] = []
    lines = iter(text.split("\n"))
    for line in lines:
        opening = _FENCE.match(line)
        if not opening or (opening[2][0] == "`" and "`" in opening[3]):
            prose.append(line)
            continue
        if block := _prose(prose):
            yield block
        prose = []
        yield _code(opening, line, lines)
    if block := _prose(prose):
        yield block


def _prose(lines: Sequence[str]) -> Block | None:
    text = "\n".join(lines).strip("\n")
    return Block(text, None, text) if text.strip() else None


def _code(opening: re.Match[str], first: str, lines: Iterator[str]) -> Block:
    """The rest of a fence that was opened; takes its lines, and the closing one, from ``lines``."""
    indent, mark = len(opening[1]), opening[2]
    closing = re.compile(rf" {{0,3}}{re.escape(mark[0])}{{{len(mark)},}}[ \t]*")
    inside: list[str] = []
    source = [first]
    for line in lines:
        source.append(line)
        if closing.fullmatch(line):
            break
        inside.append(line[min(indent, len(line) - len(line.lstrip(" "))) :])
    words = opening[3].split()
    return Block("\n".join(inside), words[0].strip("{}.").lower() if words else "", "\n".join(source))


def _head(made: Conversation, message: Mapping[str, Any]) -> str:
    """The heading of a message: role and time, in the gateway's time zone."""
    who = made.you if message.get("role") == "user" else str(message.get("model") or message.get("role"))
    at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime((message.get("timestamp") or 0) / 1000))
    return _one_line(f"{who} · {at} {made.offset}")


def _one_line(text: str) -> str:
    return " ".join(text.split())
