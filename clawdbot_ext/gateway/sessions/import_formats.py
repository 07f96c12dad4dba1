"""Conversations as they stand in files: our JSON export, and Clawdbot's JSONL transcripts. Pure functions.

A line or message that cannot be read is noted and left out. What replies cost is not taken over: it was counted where
they were written.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from ...protocol.clock import now_ms
from ...protocol.errors import InvalidRequest
from ...protocol.outside_json import parse
from ...protocol.schema import SessionsImportParams
from .export_formats import JSON_FORMAT

ROLES = ("user", "assistant", "toolResult")
BLOCKS: Mapping[str, Mapping[str, type]] = {
    "text": {"text": str},
    "thinking": {"thinking": str},
    "toolCall": {"id": str, "name": str, "arguments": dict},
}
"""Blocks that are kept, and what each must have; others become a text that says what was there."""
FILES = frozenset({"image", "audio", "video", "document", "file", "notebook"})
"""Blocks of our export that stand for files; what is kept of them:"""
FILE_FACTS = {"name": str, "mimeType": str, "size": int, "width": int, "height": int, "durationMs": int, "pages": int}
FIELDS: Mapping[str, type] = {
    **dict.fromkeys(
        (
            "api",
            "provider",
            "model",
            "stopReason",
            "errorMessage",
            "toolCallId",
            "toolName",
            "command",
            "label",
            "notice",
        ),
        str,
    ),
    "isError": bool,
    "demo": bool,
    "denied": bool,
    "stopped": bool,
    "durationMs": int,
}
MAX_MS = 253_370_764_800_000
"""The year 9999: later times are beyond the calendars of Python and of browsers."""


class ImportedMessage(NamedTuple):
    """A message of a file."""

    id: str
    """Its id there, or a digest."""
    message: dict[str, Any]
    """In wire form, with that id as ``importedId``. Files still have the ``mediaId`` that they had there."""
    parent: str | None = None
    """The id there of what it was said to, empty for nothing; ``None``: whatever came before."""
    shown: bool = True


class Found(NamedTuple):
    """A conversation of a file."""

    session_id: str
    title: str
    messages: list[ImportedMessage]
    skipped: list[dict[str, Any]]
    media: Mapping[str, Any] = {}
    """By media id: ``{mimeType, content}``, as the file has it."""


def read(params: SessionsImportParams) -> Found:
    """Raises ``InvalidRequest`` (``UNKNOWN_FORMAT``)."""
    content = params.content.removeprefix("\ufeff")
    if params.format == "clawdbot-jsonl":
        return _jsonl(content, params.name or "")
    try:
        document = parse(content)
    except ValueError:
        document = None
    if isinstance(document, dict) and document.get("format") == JSON_FORMAT:
        return _ours(document)
    if params.format == "clawdbot-jupyter":
        raise InvalidRequest("this is no JSON export of Clawdbot for Jupyter", reason="UNKNOWN_FORMAT")
    found = _jsonl(content, params.name or "")
    if not found.messages:
        raise InvalidRequest("neither a JSON export nor a JSONL transcript", reason="UNKNOWN_FORMAT")
    return found


def _ours(document: Mapping[str, Any]) -> Found:
    """The path that was shown is ``messages``, each after its parent unless it names another; ``branches`` name all."""
    media = document.get("media")
    found = Found(
        str(document.get("sessionId") or _digest(document.get("messages"))),
        str(document.get("title") or ""),
        [],
        [],
        media if isinstance(media, dict) else {},
    )
    rows: list[tuple[Any, str | None, bool]] = []
    tree = bool(document.get("branches"))
    before = ""
    for row in _list(document.get("messages")):
        named = isinstance(row, dict) and "parentId" in row
        rows.append((row, str(row["parentId"] or "") if named else before if tree else None, True))
        before = _id(row)
    rows += [
        (row, str(row.get("parentId") or "") if isinstance(row, dict) else "", False)
        for row in _list(document.get("branches"))
    ]
    if all(isinstance(row, dict) and isinstance(row.get("seq"), int) for row, _, _ in rows):
        rows.sort(key=lambda each: each[0]["seq"])  # alternatives come in the order in which they were written
    for number, (row, parent, shown) in enumerate(rows, 1):
        _add_message(found, number, row, _id(row), parent, shown)
    return found


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _id(row: Any) -> str:
    return str((row.get("id") if isinstance(row, dict) else None) or _digest(row))


def _jsonl(content: str, name: str) -> Found:
    """Clawdbot's transcript: a header ``{type: "session", id}``, then ``{type: "message", id, timestamp, message}``."""
    session_id, rows = "", []
    skipped: list[dict[str, Any]] = []
    for number, line in _lines(content):
        try:
            row = parse(line)
        except ValueError:
            skipped.append({"line": number, "reason": "not JSON"})
            continue
        if isinstance(row, dict) and row.get("type") == "session":
            session_id = str(row.get("id") or "")
        else:
            rows.append((number, row))
    found = Found(session_id or name or _digest(content), "", [], skipped)
    for number, row in rows:
        if isinstance(row, dict) and isinstance(row.get("message"), dict):
            message = {"timestamp": row.get("timestamp"), **row["message"]}
            _add_message(found, number, message, _id(row))
        elif isinstance(row, dict) and "role" in row:
            _add_message(found, number, row, _id(row))
        elif not (isinstance(row, dict) and isinstance(row.get("type"), str)):  # other entries are notes of Clawdbot's
            found.skipped.append({"line": number, "reason": "no message"})
    return found


def _lines(content: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(content.split("\n"), 1):
        if line.strip():
            yield number, line


def _add_message(found: Found, number: int, row: Any, id_: str, parent: str | None = None, shown: bool = True) -> None:
    """Add one message, or say why not."""
    if not isinstance(row, Mapping) or row.get("role") not in ROLES:
        found.skipped.append({"line": number, "reason": "unknown role"})
        return
    content = row.get("content")
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    if not isinstance(blocks, list):
        found.skipped.append({"line": number, "reason": "no content"})
        return
    kept = [_block(block, row["role"]) for block in blocks if isinstance(block, Mapping)]
    message = {"role": row["role"], "content": kept, "timestamp": _ms(row.get("timestamp")), "importedId": id_}
    if row["role"] == "toolResult":
        message |= {"toolCallId": "", "toolName": ""}
    more = _typed(row, FIELDS)
    found.messages.append(ImportedMessage(id_, message | more, parent, shown))


def _block(block: Mapping[str, Any], role: str) -> dict[str, Any]:
    """Only what is known of a block stays in it: whatever has a ``mediaId``, say, gets hold of that file."""
    type_ = str(block.get("type") or "unknown")
    if type_ in BLOCKS:
        found = _typed(block, BLOCKS[type_])
        if len(found) == len(BLOCKS[type_]):
            return {"type": type_, **found, **(_typed(block, {"title": str}) if type_ == "toolCall" else {})}
    if type_ in FILES and isinstance(block.get("mediaId"), str) and role == "user":
        return {"type": type_, "mediaId": block["mediaId"], "name": "file", **_typed(block, FILE_FACTS)}
    return {"type": "text", "text": f"[{type_}: {block.get('name') or 'not imported'}]"}


def _typed(given: Mapping[str, Any], kinds: Mapping[str, type]) -> dict[str, Any]:
    """The items of ``given`` that have the expected type."""
    return {name: given[name] for name, kind in kinds.items() if type(given.get(name)) is kind}


def _ms(value: Any) -> int:
    """Milliseconds since the epoch, of a number or an ISO time; now for anything else."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.replace("Z", "+00:00")).timestamp() * 1000
        except (ValueError, OverflowError):
            value = None
    return int(value) if isinstance(value, int | float) and 0 <= value < MAX_MS else now_ms()


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, ensure_ascii=False, default=str).encode("utf-8", "replace")).hexdigest()
