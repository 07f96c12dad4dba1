"""Adapter of Jupyter's contents manager for the gateway: one function lists a directory, one reads a file.

The contents manager refuses paths outside its root, and hidden files unless the server allows them (``allow_hidden``);
this module does not work around that. A synchronous manager (that of an
older Lab) runs in a thread, so that a slow disk delays no reply.
"""

from __future__ import annotations

import asyncio
import base64
import inspect
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from msgspec import UNSET
from tornado.web import HTTPError

from ..gateway.media.attachments import ReadFile
from ..gateway.methods.files import Listing, inside
from ..protocol.errors import NotFound, TooLarge, Unavailable
from ..protocol.schema import FileEntry
from ..text_decoding import decode

_TYPES: Mapping[str, Literal["file", "directory", "notebook"]] = {
    "file": "file",
    "directory": "directory",
    "notebook": "notebook",
}


def listing(manager: Any) -> Listing:
    """Return the function for ``manager``, a synchronous or asynchronous ``ContentsManager``."""

    async def entries(path: str) -> Sequence[FileEntry]:
        if not await call(manager.dir_exists, path):
            raise NotFound(f"no directory {path or '/'}")
        if path and not manager.allow_hidden and await call(manager.is_hidden, path):
            raise NotFound(f"no directory {path}")
        try:
            model = await call(manager.get, path, content=True, type="directory")
        except HTTPError as exc:
            raise NotFound(f"no directory {path}") from exc
        except OSError as exc:
            raise Unavailable(f"{path or '/'} cannot be read: {exc.strerror}", reason="UNREADABLE") from exc
        return [_entry(child) for child in model["content"] if child.get("type") in _TYPES]

    return entries


def reading(manager: Any) -> ReadFile:
    """Return the function for ``manager``, a synchronous or asynchronous ``ContentsManager``."""

    async def read(path: str, most: int) -> bytes:
        path = await _on_disk(manager, inside(path))
        if not await call(manager.file_exists, path) or (
            not manager.allow_hidden and await call(manager.is_hidden, path)
        ):
            raise NotFound(f"no file {path}", reason="MEDIA_NOT_FOUND")
        try:
            size = (await call(manager.get, path, content=False, type="file")).get("size") or 0
            if size > most:
                raise TooLarge(f"{path} has {size} bytes; at most {most}", reason="MEDIA_TOO_LARGE", maxBytes=most)
            model = await call(manager.get, path, content=True, type="file", format="base64")
        except HTTPError as exc:
            raise NotFound(f"no file {path}", reason="MEDIA_NOT_FOUND") from exc
        except OSError as exc:
            raise Unavailable(f"{path} cannot be read: {exc.strerror}", reason="UNREADABLE") from exc
        return await asyncio.to_thread(base64.b64decode, model["content"])

    return read


def readable(name: str) -> str:
    """A name that can be shown and sent: one that is no UTF-8 on the disk is decoded as a text would be."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return decode(name.encode("utf-8", "surrogateescape")).text.replace("\0", "")
    return name


async def _on_disk(manager: Any, path: str) -> str:
    """The path as the disk has it, of one that is written in another way: normalised, or a readable stand-in.

    macOS and people's keyboards compose Hangul differently. The path itself, if there is nothing like it.
    """
    real = ""
    for part in path.split("/"):
        here = f"{real}/{part}".strip("/")
        if not await call(manager.file_exists, here) and not await call(manager.dir_exists, here):
            try:
                siblings = (await call(manager.get, real, content=True, type="directory"))["content"]
            except (HTTPError, OSError):
                return path
            wanted = _same(part)
            found = next((each["name"] for each in siblings if _same(readable(each["name"])) == wanted), None)
            if found is None:
                return path
            here = f"{real}/{found}".strip("/")
        real = here
    return real


def _same(name: str) -> str:
    return unicodedata.normalize("NFC", name)


async def call(function: Any, *args: Any, **kwargs: Any) -> Any:
    """Call a method of a synchronous contents manager in a thread, of an asynchronous one on the loop."""
    if inspect.iscoroutinefunction(function):
        return await function(*args, **kwargs)
    value = await asyncio.to_thread(function, *args, **kwargs)
    return await value if inspect.isawaitable(value) else value


def _entry(model: Mapping[str, Any]) -> FileEntry:
    modified, size = model.get("last_modified"), model.get("size")
    return FileEntry(
        path=readable(model["path"].strip("/")),
        name=readable(model["name"]),
        type=_TYPES[model["type"]],
        size=size if isinstance(size, int) else UNSET,
        modified=int(modified.timestamp() * 1000) if isinstance(modified, datetime) else UNSET,
    )
