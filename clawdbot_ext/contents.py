"""Jupyter's contents manager as the gateway sees it: a function that lists a directory. An edge file.

The contents manager refuses paths outside its root, and hidden files unless the server allows them (``allow_hidden``);
reading them all the same is nobody's business here. It may be synchronous (the file manager of an older Lab), and then
works in a thread, so that a slow disk holds up no reply.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from msgspec import UNSET
from tornado.web import HTTPError

from .gateway.files import Listing
from .protocol.errors import NotFound, Unavailable
from .protocol.schema import FileEntry

_TYPES: Mapping[str, Literal["file", "directory", "notebook"]] = {
    "file": "file", "directory": "directory", "notebook": "notebook"}


def listing(manager: Any) -> Listing:
    """``manager`` is a ``ContentsManager``, asynchronous or not."""

    async def entries(path: str) -> Sequence[FileEntry]:
        if not await _call(manager.dir_exists, path):
            raise NotFound(f"no directory {path or '/'}")
        if path and not manager.allow_hidden and await _call(manager.is_hidden, path):
            raise NotFound(f"no directory {path}")
        try:
            model = await _call(manager.get, path, content=True, type="directory")
        except HTTPError as exc:
            raise NotFound(f"no directory {path}") from exc
        except OSError as exc:
            raise Unavailable(f"{path or '/'} cannot be read: {exc.strerror}", reason="UNREADABLE") from exc
        return [_entry(child) for child in model["content"] if child.get("type") in _TYPES]

    return entries


async def _call(function: Any, *args: Any, **kwargs: Any) -> Any:
    if inspect.iscoroutinefunction(function):
        return await function(*args, **kwargs)
    value = await asyncio.to_thread(function, *args, **kwargs)
    return await value if inspect.isawaitable(value) else value


def _entry(model: Mapping[str, Any]) -> FileEntry:
    modified, size = model.get("last_modified"), model.get("size")
    return FileEntry(
        path=model["path"].strip("/"), name=model["name"], type=_TYPES[model["type"]],
        size=size if isinstance(size, int) else UNSET,
        modified=int(modified.timestamp() * 1000) if isinstance(modified, datetime) else UNSET)
