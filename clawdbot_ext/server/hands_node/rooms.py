"""Documents that people edit together (``jupyter-server-ydoc``, which may not be installed).

An open room is the document; its file is written by the room. Nothing here imports the package: the extension is asked
for its documents.
"""

from __future__ import annotations

import hashlib
from typing import Any

from .host import JupyterHost

ORIGIN = "clawdbot"
"""Origin of the transactions. The undo of a page's person takes back that person's own changes, not these."""


async def room_of(host: JupyterHost, path: str, content_type: str, file_format: str) -> Any:
    """The shared document of a path; ``None`` without collaboration or while the document is open in no page."""
    point = host.app.extension_manager.extension_points.get("jupyter_server_ydoc")
    if point is None or not hasattr(point.app, "get_document"):
        return None
    if "file_id_manager" not in host.app.web_app.settings:
        return None
    return await point.app.get_document(path=path, content_type=content_type, file_format=file_format, copy=False)


async def notebook_of(host: JupyterHost, path: str) -> Any:
    """The shared notebook of a path, if it is open in a room."""
    return await room_of(host, path, "notebook", "json")


async def text_of(host: JupyterHost, path: str) -> str | None:
    """The present text of a file that is open in a room."""
    document = await room_of(host, path, "file", "text")
    return None if document is None else str(document.source)


async def replace_text(host: JupyterHost, path: str, before_hash: str, text: str) -> bool:
    """Replace the text in its room, unless it is closed or has changed."""
    document = await room_of(host, path, "file", "text")
    if document is None or hashlib.sha256(str(document.source).encode()).hexdigest() != before_hash:
        return False
    with document.ydoc.transaction(origin=ORIGIN):
        document.source = text
    return True


def put_text(shared: Any, text: str) -> None:
    """Change a shared text to ``text``: only what differs in the middle, so that cursors outside of it stay.

    The offsets of a shared text count the bytes of UTF-8.
    """
    before, after = str(shared).encode(), text.encode()
    start, most = 0, min(len(before), len(after))
    while start < most and before[start] == after[start]:
        start += 1
    while start and _inside(before, after, start):
        start -= 1
    end = 0
    while end < most - start and before[-1 - end] == after[-1 - end]:
        end += 1
    while end and _inside(before, after, -end):
        end -= 1
    cut = len(before) - end
    if cut > start:
        del shared[start:cut]
    if middle := after[start : len(after) - end].decode():
        shared.insert(start, middle)
    if str(shared) != text:  # offsets of another kind, of another version: the whole text
        shared.clear()
        shared += text


def _inside(before: bytes, after: bytes, at: int) -> bool:
    """Whether a place is in the middle of a character of either text."""
    return any(-len(text) <= at < len(text) and text[at] & 0xC0 == 0x80 for text in (before, after))
