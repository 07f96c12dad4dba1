"""``file.list``, ``file.read``, ``file.write``: files of the Jupyter server by its contents manager's rules."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ...text_decoding import decode, is_text
from ..contents import call, readable
from . import rooms, storage
from .errors import HandsError
from .host import JupyterHost

READ_BYTES, MOST_READ_BYTES = 200_000, 4_000_000
"""Of one ``file.read``: unless asked otherwise, and at most."""
MAX_FILE_BYTES = 50 * 1024 * 1024
"""A larger file is not read: the contents manager gives only whole ones."""
MAX_WRITE_BYTES = 5 * 1024 * 1024
MAX_ENTRIES = 1_000
SNIFFED = 65_536
"""Bytes that show whether a file is text."""
TYPES = ("file", "directory", "notebook")


async def list_directory(host: JupyterHost, params: Mapping[str, Any]) -> dict[str, Any]:
    """``file.list {path}``: the visible entries of a directory, directories first. Links that lead out are left out."""
    await host.require("read", "contents")
    path = await host.path(params.get("path") or "")
    if not await call(host.contents.dir_exists, path):
        raise HandsError("NOT_FOUND", f"no such directory: {path or '/'}")
    entries = []
    for child in await children(host, path):
        size, modified = child.get("size"), child.get("last_modified")
        entry = {"name": readable(child["name"]), "path": readable(child["path"].strip("/")), "type": child["type"]}
        if isinstance(size, int):
            entry["size"] = size
        if isinstance(modified, datetime):
            entry["modifiedMs"] = int(modified.timestamp() * 1000)
        entry["writable"] = bool(child.get("writable"))
        entries.append(entry)
    entries.sort(key=lambda entry: (entry["type"] != "directory", entry["name"].casefold()))
    return {"path": path, "entries": entries[:MAX_ENTRIES], "truncated": len(entries) > MAX_ENTRIES}


async def children(host: JupyterHost, path: str) -> list[Mapping[str, Any]]:
    """The models of the entries of a directory that may be looked at.

    Raises:
        HandsError: ``NOT_FOUND``, ``NOT_READABLE``.
    """
    found = (await storage.get_directory(host, path))["content"]
    allowed = await host.inside_root([child["path"].strip("/") for child in found])
    return [child for child in found if child["path"].strip("/") in allowed and child["type"] in TYPES]


async def read(host: JupyterHost, params: Mapping[str, Any]) -> dict[str, Any]:
    """``file.read {path, from?, bytes?}``: a part of a file as text, or as base64 where it is none.

    Of a text in another encoding than UTF-8 ``encoding`` names it, and ``from``, ``bytes`` and ``size`` count UTF-8.
    """
    await host.require("read", "contents")
    path = await host.path(params.get("path"))
    start = _whole_number(params, "from", 0, MAX_FILE_BYTES)
    length = _whole_number(params, "bytes", READ_BYTES, MOST_READ_BYTES)
    data, hash_ = await content_of(host, path)
    size = len(data)
    data, encoding, as_text = await asyncio.to_thread(_as_utf8, data)
    part, encoded = _part(data, start, length, as_text=as_text)
    size, named = (len(data), {"encoding": encoding}) if encoding else (size, {})
    return {"path": path, **encoded, **named, "from": start, "bytes": len(part), "size": size, "hash": hash_}


async def content_of(host: JupyterHost, path: str) -> tuple[bytes, str]:
    """The bytes of a file and its hash; of a text that people edit together, as they have it now.

    Raises:
        HandsError: ``NOT_FOUND``, ``NOT_A_FILE``, ``TOO_LARGE``, ``NOT_READABLE``.
    """
    text = await rooms.text_of(host, path)
    if text is not None:
        data = text.encode("utf-8", "surrogatepass")
        return data, hashlib.sha256(data).hexdigest()
    size = await storage.size_of(host, path)
    if size > MAX_FILE_BYTES:
        raise HandsError("TOO_LARGE", f"{path} has {size} bytes; files of at most {MAX_FILE_BYTES} are read", size=size)
    model = await storage.get(host, path, type="file", format="base64")
    try:
        data = base64.b64decode(model["content"])
    except (binascii.Error, ValueError) as exc:
        raise HandsError("NOT_READABLE", f"{path} was not given as base64") from exc
    return data, model["hash"]


def _as_utf8(data: bytes) -> tuple[bytes, str, bool]:
    """A text in another encoding, or with bad bytes, as UTF-8, and what it was; empty for what is UTF-8 or no text.
    The last value says whether it is UTF-8 now."""
    if _is_utf8(data):
        return data, "", True
    if not is_text(data[:SNIFFED]):
        return data, "", False
    decoded = decode(data)
    return decoded.text.removeprefix("\ufeff").replace("\0", "\ufffd").encode(), decoded.encoding, True


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return b"\0" not in data[:8192]


def _part(data: bytes, start: int, length: int, *, as_text: bool) -> tuple[bytes, dict[str, str]]:
    """Some bytes and how they are sent: as text without characters that the cut would have divided, else base64."""
    part = data[start : start + length]
    if as_text:
        part = data[start + _continued(data, start) : start + length + _continued(data, start + length)]
        return part, {"text": part.decode()}
    return part, {"base64": base64.b64encode(part).decode()}


def _continued(data: bytes, at: int) -> int:
    """Number of bytes from ``at`` that belong to a character that began before."""
    count = 0
    while at + count < len(data) and data[at + count] & 0xC0 == 0x80:
        count += 1
    return count


async def write(host: JupyterHost, params: Mapping[str, Any]) -> dict[str, Any]:
    """``file.write {path, text, hash|null}``: replace a file that has this hash, or create one (``null``)."""
    await host.require("write", "contents")
    path = await host.path(params.get("path"))
    text, expected = params.get("text"), params.get("hash")
    if not path or not isinstance(text, str) or not (expected is None or isinstance(expected, str)):
        raise HandsError("INVALID_REQUEST", "file.write takes path, text, and hash or null")
    if path.endswith(".ipynb"):
        raise HandsError("NOT_A_FILE", "a notebook is edited cell by cell, not as a file")
    try:
        size = len(text.encode())
    except UnicodeEncodeError as exc:
        raise HandsError("INVALID_REQUEST", "the text has half a character in it (a lone surrogate)") from exc
    if size > MAX_WRITE_BYTES:
        raise HandsError("TOO_LARGE", f"at most {MAX_WRITE_BYTES} bytes are written", size=size)
    async with host.lock(path):
        if await rooms.text_of(host, path) is not None:
            return await _write_together(host, path, text, expected)
        if not await storage.exists(host, path):
            if expected is not None:
                raise HandsError("CONFLICT", f"{path} does not exist any more", hash=None)
            parent = path.rpartition("/")[0]
            if parent and not await call(host.contents.dir_exists, parent):
                raise HandsError("NOT_FOUND", f"no such directory: {parent}")
        else:
            await _check(host, path, expected)
        hash_ = await storage.save(host, path, {"type": "file", "format": "text", "content": text})
        return {"path": path, "hash": hash_}


async def delete(host: JupyterHost, params: Mapping[str, Any]) -> dict[str, Any]:
    """``file.delete {path, hash}``: a file that has this hash still."""
    await host.require("write", "contents")
    path = await host.path(params.get("path"))
    expected = params.get("hash")
    if not path or not isinstance(expected, str):
        raise HandsError("INVALID_REQUEST", "file.delete takes path and hash")
    if path.endswith(".ipynb"):
        raise HandsError("NOT_A_FILE", "a notebook is deleted by notebook.delete")
    async with host.lock(path):
        if await rooms.text_of(host, path) is not None:
            raise HandsError("MAYBE_OPEN", f"{path} is open in a page; it is not deleted under it", path=path)
        await _check(host, path, expected)
        await storage.delete(host, path)
    return {"path": path}


async def _check(host: JupyterHost, path: str, expected: str | None) -> None:
    """Raises ``EXISTS``, ``NOT_A_FILE``, ``CONFLICT``, ``READ_ONLY``."""
    await storage.size_of(host, path)
    if expected is None:
        raise HandsError("EXISTS", f"{path} exists already")
    model = await storage.get(host, path, content=False, type="file")
    if not model.get("writable", True):
        raise HandsError("READ_ONLY", f"{path} is read-only")
    if model["hash"] != expected:
        raise HandsError("CONFLICT", f"{path} was changed since it was read", hash=model["hash"])


async def _write_together(host: JupyterHost, path: str, text: str, expected: str | None) -> dict[str, Any]:
    """Change a text that people edit together now: its file is written by the room, never under it."""
    if expected is None:
        raise HandsError("EXISTS", f"{path} exists already")
    _, hash_ = await content_of(host, path)
    if hash_ != expected:
        raise HandsError("CONFLICT", f"{path} was changed since it was read", hash=hash_)
    if not await rooms.replace_text(host, path, expected, text):
        raise HandsError("CONFLICT", f"{path} was closed or changed meanwhile", hash=None)
    return {"path": path, "hash": hashlib.sha256(text.encode()).hexdigest()}


def _whole_number(params: Mapping[str, Any], name: str, default: int, most: int) -> int:
    value = params.get(name)
    if value is None:
        return default
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise HandsError("INVALID_REQUEST", f"{name} must be a whole number")
    return min(value, most)
