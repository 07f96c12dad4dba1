"""``file.search``: the lines of files that contain a text, within bounds on time, files and size.

Of a notebook only the sources of its cells are looked at, and each find names the cell.
"""

from __future__ import annotations

import asyncio
import fnmatch
import json
from collections import deque
from collections.abc import Iterator, Mapping
from time import monotonic
from typing import Any

from ...agent.context.found_lines import around, folded
from ...text_decoding import decode, is_text
from ..contents import composed, readable
from . import files
from .errors import HandsError
from .host import JupyterHost

SECONDS = 5.0
MAX_FILES, MAX_DIRECTORIES = 5_000, 1_000
MAX_SEARCHED_BYTES = 2 * 1024 * 1024
"""Of one file; of a notebook ten times as much, most of which are outputs."""
MAX_MATCHES, MAX_MATCHES_A_FILE = 200, 20
MAX_LINE = 300
"""Characters of a line that are shown, around the hit."""
MAX_NAMED = 20
"""Files that are named of those that were not looked through to their end."""


async def search(host: JupyterHost, params: Mapping[str, Any]) -> dict[str, Any]:
    """``file.search {text, glob?, path?}``: matches in any case of the letters.

    ``truncated`` says if there is more; ``partly`` names files that are too large or have more matches than are given,
    and ``partlyCount`` counts them.
    """
    await host.require("read", "contents")
    text, glob = params.get("text"), params.get("glob") or "*"
    if not isinstance(text, str) or not text.strip() or len(text) > 1000 or not isinstance(glob, str):
        raise HandsError("INVALID_REQUEST", "file.search takes a text of 1 to 1000 characters")
    top = await host.path(params.get("path") or "")
    ends, wanted, glob = monotonic() + SECONDS, folded(text), composed(glob)
    matches: list[dict[str, Any]] = []
    waiting, directories, searched = deque([top]), 0, 0
    left_out: list[str] = []
    whole = True
    while waiting and whole:
        here = waiting.popleft()
        directories += 1
        try:
            children = await files.children(host, here)
        except HandsError:
            if here == top:
                raise
            continue  # it went away meanwhile, or may not be read
        for child in sorted(children, key=lambda child: str(child["name"]).casefold()):
            path, typed = child["path"].strip("/"), composed(child["path"].strip("/"))
            if child["type"] == "directory":
                waiting.append(path)
            elif fnmatch.fnmatch(typed, glob) or fnmatch.fnmatch(typed.rpartition("/")[2], glob):
                searched += 1
                found, all_of_it = await _search_file(host, path, child, wanted)
                matches += found
                left_out += [] if all_of_it else [readable(path)]
            if len(matches) >= MAX_MATCHES or searched >= MAX_FILES or monotonic() > ends:
                whole = False
                break
        whole = whole and directories < MAX_DIRECTORIES
    partly = {"partly": left_out[:MAX_NAMED], "partlyCount": len(left_out)} if left_out else {}
    return {"matches": matches[:MAX_MATCHES], "searched": searched, "truncated": not whole, **partly}


async def _search_file(
    host: JupyterHost, path: str, child: Mapping[str, Any], wanted: str
) -> tuple[list[dict[str, Any]], bool]:
    """The matches of a file, and whether all of it was looked through."""
    notebook = child["type"] == "notebook"
    size = child.get("size")
    if isinstance(size, int) and size > MAX_SEARCHED_BYTES * (10 if notebook else 1):
        return [], False
    try:
        local = await host.local(path)
        if local is not None and local.is_file():
            data = await asyncio.to_thread(local.read_bytes)
        else:
            data, _ = await files.content_of(host, path)
    except (HandsError, OSError):
        return [], True  # it went away meanwhile, or may not be read
    return await asyncio.to_thread(_matches, path, data, wanted, notebook)


def _matches(path: str, data: bytes, wanted: str, notebook: bool) -> tuple[list[dict[str, Any]], bool]:
    found: list[dict[str, Any]] = []
    for facts, line in _cell_lines(data) if notebook else _lines(data):
        if (shown := around(line.strip(), wanted, MAX_LINE)) is not None:
            if len(found) >= MAX_MATCHES_A_FILE:
                return found, False
            found.append({"path": readable(path), **facts, "text": shown})
    return found, True


def _lines(data: bytes) -> Iterator[tuple[dict[str, Any], str]]:
    if not is_text(data[:65_536]):
        return
    for number, line in enumerate(decode(data).text.splitlines(), 1):
        yield {"line": number}, line


def _cell_lines(data: bytes) -> Iterator[tuple[dict[str, Any], str]]:
    try:
        cells = json.loads(data)["cells"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return
    for index, cell in enumerate(cells if isinstance(cells, list) else ()):
        source = cell.get("source") if isinstance(cell, dict) else None
        text = "".join(map(str, source)) if isinstance(source, list) else str(source or "")
        for number, line in enumerate(text.splitlines(), 1):
            named = {"cell": cell["id"]} if isinstance(cell.get("id"), str) else {}
            yield {**named, "index": index, "line": number}, line
