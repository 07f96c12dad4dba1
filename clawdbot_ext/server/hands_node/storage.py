"""Reading and saving through Jupyter's contents manager, with the hash of what was read.

A hash is the contents manager's own where it has one, else it is computed from the content.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jupyter_server.utils import ensure_async
from tornado.web import HTTPError

from .errors import HandsError
from .host import JupyterHost

log = logging.getLogger(__name__)

_JUPYTERS_OWN = "jupyter_server.services.contents."
MAX_NOTEBOOK_BYTES = 50 * 1024 * 1024
"""A larger notebook is not read here: it would take the server's memory several times over."""


async def get(host: JupyterHost, path: str, *, content: bool = True, **options: Any) -> dict[str, Any]:
    """The model of a file or notebook, with ``hash``.

    Raises:
        HandsError: ``NOT_FOUND``, ``NOT_READABLE``.
    """
    manager = host.contents
    try:
        try:
            model = await _ask(manager.get, path, content=content, require_hash=True, **options)
        except TypeError:  # a manager older than jupyter_server 2.11's interface
            model = await _ask(manager.get, path, content=content, **options)
        if not model.get("hash"):
            whole = model if content else await _ask(manager.get, path, content=True, **options)
            model = {**model, "hash": _hash(whole["content"])}
    except HTTPError as exc:
        raise _of_http(exc, path) from exc
    except OSError as exc:
        raise HandsError("NOT_READABLE", f"{path} cannot be read: {exc.strerror}") from exc
    return dict(model)


async def get_directory(host: JupyterHost, path: str) -> dict[str, Any]:
    """The model of a directory with its entries. Raises as ``get``."""
    try:
        return dict(await _ask(host.contents.get, path, content=True, type="directory"))
    except HTTPError as exc:
        raise _of_http(exc, path) from exc
    except OSError as exc:
        raise HandsError("NOT_READABLE", f"{path or '/'} cannot be read: {exc.strerror}") from exc


async def size_of(host: JupyterHost, path: str) -> int:
    """The size of a file in bytes, without reading it; 0 where the manager does not say. Raises as ``get``."""
    try:
        model = await _ask(host.contents.get, path, content=False)
    except HTTPError as exc:
        raise _of_http(exc, path) from exc
    except OSError as exc:
        raise HandsError("NOT_READABLE", f"{path} cannot be read: {exc.strerror}") from exc
    if model.get("type") == "directory":
        raise HandsError("NOT_A_FILE", f"{path} is a directory")
    return model.get("size") or 0


async def get_notebook(host: JupyterHost, path: str) -> dict[str, Any]:
    """The model of a notebook with its content. Raises as ``get``; ``NOT_A_NOTEBOOK``; ``TOO_LARGE``."""
    if not path.endswith(".ipynb"):
        raise HandsError("NOT_A_NOTEBOOK", f"{path} is not a notebook")
    size = await size_of(host, path)
    if size > MAX_NOTEBOOK_BYTES:
        raise HandsError(
            "TOO_LARGE", f"{path} has {size} bytes; notebooks of at most {MAX_NOTEBOOK_BYTES} are read", size=size
        )
    model = await get(host, path, type="notebook")
    if not isinstance(model["content"].get("cells"), list):
        raise HandsError("NOT_A_NOTEBOOK", f"{path} is not a notebook")
    return model


async def look_at_notebook(host: JupyterHost, path: str) -> dict[str, Any]:
    """The model of a notebook that is only looked at. Of Jupyter's own manager, a file in the present format is read
    without validating it and looking up whether it is trusted, which takes most of the time. Raises as
    ``get_notebook``."""
    local = await host.local(path)
    if local is not None and path.endswith(".ipynb") and type(host.contents).__module__.startswith(_JUPYTERS_OWN):
        try:
            if (model := await asyncio.to_thread(_look, local, host.contents.hash_algorithm)) is not None:
                return model
        except (OSError, ValueError, RecursionError):
            log.debug("%s is read by the contents manager, which says what is wrong", path)
    return await get_notebook(host, path)


def _look(file: Path, algorithm: str) -> dict[str, Any] | None:
    if not file.is_file() or file.stat().st_size > MAX_NOTEBOOK_BYTES:
        return None
    data = file.read_bytes()
    content = json.loads(data)
    cells = content.get("cells") if isinstance(content, dict) else None
    if (
        not isinstance(cells, list)
        or content.get("nbformat") != 4
        or not isinstance(content.get("nbformat_minor"), int)
    ):
        return None
    if not all(isinstance(cell, dict) and cell.get("cell_type") in ("code", "markdown", "raw") for cell in cells):
        return None
    ids = {cell.get("id") for cell in cells}
    if content["nbformat_minor"] >= 5 and (len(ids) != len(cells) or not all(isinstance(id_, str) for id_ in ids)):
        return None  # the manager gives ids where they are missing or doubled
    hash_ = hashlib.new(algorithm, data).hexdigest()
    return {"type": "notebook", "content": content, "hash": hash_, "writable": os.access(file, os.W_OK)}


async def save(host: JupyterHost, path: str, model: Mapping[str, Any]) -> str:
    """Save a model; the new hash.

    Raises:
        HandsError: ``READ_ONLY``, ``NOT_FOUND`` (the directory), ``FAILED``.
    """
    try:
        await _ask(host.contents.save, {**model, "path": path}, path)
    except HTTPError as exc:
        raise _of_http(exc, path, writing=True) from exc
    except PermissionError as exc:
        raise HandsError("READ_ONLY", f"{path} cannot be written: {exc.strerror}") from exc
    except OSError as exc:
        raise HandsError("FAILED", f"{path} cannot be written: {exc.strerror}") from exc
    return str((await get(host, path, content=False, type=model["type"]))["hash"])


async def delete(host: JupyterHost, path: str) -> None:
    """Delete a file; Jupyter's own managers move it to the trash where there is one. Raises as ``save``."""
    try:
        await _ask(host.contents.delete, path)
    except HTTPError as exc:
        raise _of_http(exc, path, writing=True) from exc
    except OSError as exc:
        raise HandsError("FAILED", f"{path} cannot be deleted: {exc.strerror}") from exc


async def _ask(function: Any, *args: Any, **options: Any) -> Any:
    """Call a method of the contents manager as Jupyter's own handlers do: a synchronous one on the loop, since the
    signatures of notebooks are in a database that belongs to the loop's thread."""
    return await ensure_async(function(*args, **options))


async def exists(host: JupyterHost, path: str) -> bool:
    """Whether there is a file or directory. Raises ``BAD_PATH``: the disk takes no such name."""
    try:
        return bool(await _ask(host.contents.file_exists, path)) or bool(await _ask(host.contents.dir_exists, path))
    except OSError as exc:
        raise HandsError("BAD_PATH", f"{path}: {exc.strerror}") from exc


def _hash(content: Any) -> str:
    text = content if isinstance(content, str) else json.dumps(content, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _of_http(exc: HTTPError, path: str, *, writing: bool = False) -> HandsError:
    said = exc.log_message or exc.reason or "refused"
    if exc.status_code == 404:
        return HandsError("NOT_FOUND", f"no such file: {path}")
    if exc.status_code == 403:
        return HandsError("READ_ONLY" if writing else "NOT_READABLE", f"{path}: permission denied")
    return HandsError("FAILED" if writing else "NOT_READABLE", f"{path}: {said}"[:500])
