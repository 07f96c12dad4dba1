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
        path = await on_disk(manager, path)
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
        path = await on_disk(manager, inside(path))
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


async def on_disk(manager: Any, path: str) -> str:
    """The path as the disk has it, of one that is written in another way: normalised, or a readable stand-in.

    macOS and people's keyboards compose Hangul differently. A part that nothing is like stays as it is, in the folder
    that was found for it. ASCII is written in one way only, so nothing is looked up for it.
    """
    real: list[str] = []
    for part in path.split("/") if not path.isascii() else ():
        here = "/".join([*real, part])
        there = part.isascii() or await call(manager.file_exists, here) or await call(manager.dir_exists, here)
        real.append(part if there else await _named_like(manager, "/".join(real), part))
    return "/".join(real) or path


async def _named_like(manager: Any, folder: str, name: str) -> str:
    try:
        siblings = (await call(manager.get, folder, content=True, type="directory"))["content"]
    except (HTTPError, OSError):
        return name
    wanted = composed(name)
    return next((each["name"] for each in siblings if composed(readable(each["name"])) == wanted), name)


def composed(name: str) -> str:
    """A name in the one form in which it is compared."""
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
