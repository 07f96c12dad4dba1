"""``file_write`` and ``file_patch``: files below Jupyter's root, by the server's rules; their text before is kept."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from ...agent.tools import Tool, ToolContext, ToolFailed, ToolOutput
from ...protocol.schema import FileChange
from ..connections.nodes import NodeFailed, NodeGone
from .editing import FINDS, patched
from .nodecalls import GONE, ask, model_text
from .proposals import WITHOUT_CELL, Proposal, Verdict
from .targets import Target
from .toolbox import FILE, Toolbox, proposing, schema, text

MAX_BYTES = 2_000_000
"""Larger files are not changed: their text before could not be kept."""


def file_tools(box: Toolbox) -> Sequence[Tool]:
    """The tools that write files."""

    async def file_write(arguments: Mapping[str, Any], context: ToolContext) -> Proposal:
        target = await _target(box, arguments, context)
        present = await _present(target)
        if present is not None and arguments.get("hash") != present["hash"]:
            raise ToolFailed(
                f"Nothing was written: {target.path} exists and is not as you read it (hash {present['hash']}). "
                "Read it with file_read first and give its hash."
            )
        return _proposal(box, target, present, str(arguments["text"]), context)

    async def file_patch(arguments: Mapping[str, Any], context: ToolContext) -> Proposal:
        target = await _target(box, arguments, context)
        present = await _present(target)
        if present is None:
            raise ToolFailed(f"There is no file {target.path}.")
        if present["hash"] != arguments["hash"]:
            raise ToolFailed(
                f"Nothing was written: {target.path} changed since you read it (hash {present['hash']}). Read it again."
            )
        return _proposal(box, target, present, patched(present["text"], arguments["edits"], target.path), context)

    hash_ = text("hash of the file as file_read gave it; a file that has changed since is not touched.")
    return (
        proposing(
            "file_write",
            "edit",
            "Write a text file below Jupyter's root. To replace one that exists, give the hash you read. Not for "
            "notebooks: use notebook_edit and notebook_create.",
            schema({"path": FILE, "text": text("The whole text.", maxLength=MAX_BYTES), "hash": hash_}, "path", "text"),
            file_write,
        ),
        proposing(
            "file_patch",
            "edit",
            "Replace parts of a text file below Jupyter's root.",
            schema({"path": FILE, "hash": hash_, "edits": FINDS}, "path", "hash", "edits"),
            file_patch,
        ),
    )


async def _target(box: Toolbox, arguments: Mapping[str, Any], context: ToolContext) -> Target:
    target = await box.targets.of_server(arguments["path"], context)
    if target.path.endswith(".ipynb"):
        raise ToolFailed("A notebook is not written as a file: use notebook_edit or notebook_create.")
    return target


async def _present(target: Target) -> dict[str, Any] | None:
    """Text and hash of the file as it is; ``None``: there is none. Raises ``ToolFailed`` for what is no text."""
    try:
        found = await target("file.read", bytes=MAX_BYTES)
    except NodeFailed as exc:
        if exc.code in ("NOT_FOUND", "NO_SUCH_FILE"):
            return None
        raise ToolFailed(model_text(exc)) from exc
    except NodeGone as exc:
        raise ToolFailed(GONE) from exc
    if not isinstance(found.get("text"), str) or int(found.get("size") or 0) > MAX_BYTES:
        raise ToolFailed(f"{target.path} is no text of at most {MAX_BYTES:,} bytes; it is not changed.")
    if encoding := found.get("encoding"):
        raise ToolFailed(
            f"{target.path} is in {str(encoding)[:20]}, and writing it would make it UTF-8: it is not changed. "
            "Change it by code that keeps the encoding."
        )
    return {"text": found["text"], "hash": found["hash"]}


def _proposal(
    box: Toolbox, target: Target, present: Mapping[str, Any] | None, after: str, context: ToolContext
) -> Proposal:
    before = None if present is None else str(present["text"])
    hash_ = None if present is None else str(present["hash"])

    async def perform(verdict: Verdict) -> ToolOutput:
        written = verdict.edited.get(0, after)
        left = FileChange(before=before, after=written, hash=hashlib.sha256(written.encode()).hexdigest())
        async with box.changes.begun(context, verdict, target, file=left):
            result = await ask(target, "file.write", text=written, hash=hash_)
            left.hash = str(result["hash"])
            change = await box.changes.applied(context, verdict, target, file=left)
        lines = [f"Wrote {target.path}, hash {result['hash']}."]
        if written != after:
            lines.append(f"The person changed the text first; it is now:\n{written:.20000}")
        return ToolOutput("\n".join(lines), details={"changeId": change.id, "path": target.path, "cells": 0})

    return Proposal(
        path=target.path,
        preview={"type": "file", "path": target.path, "before": before, "after": after},
        bound={"hash": hash_},
        perform=perform,
        choices=WITHOUT_CELL,
    )
