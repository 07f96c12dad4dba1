"""``sessions.import``: conversations from a file. Our own JSON export, and Clawdbot's JSONL transcripts.

An import is one transaction a message and can be repeated: the session's key is made of the file's own session id, and
messages that are there already are not taken again. A line that cannot be read is counted and left out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from ..protocol.clock import now_ms
from ..protocol.errors import InvalidRequest
from ..protocol.schema import SessionsImportParams, SessionsImportResult
from .export_formats import JSON_FORMAT
from .methods import method

if TYPE_CHECKING:
    from .client import Client
    from .core import Gateway

MAX_SKIPPED = 100
"""How many of the lines that were left out are named; the rest is only counted."""
ROLES = frozenset({"user", "assistant", "toolResult"})
BLOCKS = frozenset({"text", "thinking", "toolCall"})
"""Blocks that are kept as they are; others become a text that says what was there."""
FIELDS = ("api", "provider", "model", "stopReason", "errorMessage", "toolCallId", "toolName", "isError", "durationMs",
          "demo", "command", "label", "notice")


class Found(NamedTuple):
    """A conversation of a file."""

    session_id: str
    title: str
    messages: list[dict[str, Any]]
    skipped: list[dict[str, Any]]


@method("sessions.import")
async def sessions_import(gw: Gateway, client: Client, params: SessionsImportParams) -> SessionsImportResult:
    """Raises ``InvalidRequest`` (``UNKNOWN_FORMAT``, ``NOTHING_TO_IMPORT``)."""
    found = _read(params)
    if not found.messages:
        raise InvalidRequest("there is no message in this file", reason="NOTHING_TO_IMPORT",
                             skipped=found.skipped[:MAX_SKIPPED])
    key = f"agent:main:imported:{hashlib.sha256(found.session_id.encode()).hexdigest()[:16]}"
    present = await gw.store.get_session(key)
    had: set[str] = set()
    if present is not None:
        had = await _imported(gw, key)
    added, session = 0, present
    for message in found.messages:
        if message["importedId"] not in had:
            had.add(message["importedId"])
            session = (await gw.store.append(session_key=key, message=message, now=message["timestamp"],
                                             create=True)).session
            added += 1
    if session is not None and present is None and found.title:
        session = await gw.store.patch_session(
            key, {"title": {"text": found.title[:120], "first": session.title}, "autoTitle": False}, now=now_ms())
    if session is not None and added:
        gw.tell_session(session, "updated" if present else "created")
    return SessionsImportResult(ok=True, keys=[key], messages=added, skipped=found.skipped[:MAX_SKIPPED])


async def _imported(gw: Gateway, key: str) -> set[str]:
    """The ids that the messages of a session had where they came from."""
    ids: set[str] = set()
    before: int | None = None
    while True:
        page = await gw.store.history(session_key=key, limit=1000, before_seq=before, whole=True)
        for message in page.messages:
            ids.add(str(json.loads(bytes(message.body)).get("importedId", "")))
        if not page.has_more:
            return ids
        before = page.messages[0].seq


def _read(params: SessionsImportParams) -> Found:
    if params.format == "clawdbot-jsonl":
        return _jsonl(params.content, params.name or "")
    try:
        document = json.loads(params.content)
    except ValueError:
        document = None
    if isinstance(document, dict) and document.get("format") == JSON_FORMAT:
        return _ours(document)
    if params.format == "clawdbot-jupyter":
        raise InvalidRequest("this is no JSON export of Clawdbot for Jupyter", reason="UNKNOWN_FORMAT")
    found = _jsonl(params.content, params.name or "")
    if not found.messages:
        raise InvalidRequest("neither a JSON export nor a JSONL transcript", reason="UNKNOWN_FORMAT")
    return found


def _ours(document: Mapping[str, Any]) -> Found:
    rows = document.get("messages")
    found = Found(str(document.get("sessionId") or _digest(rows)), str(document.get("title") or ""), [], [])
    for number, row in enumerate(rows if isinstance(rows, list) else [], 1):
        _take(found, number, row, str(row.get("id") or _digest(row)) if isinstance(row, dict) else "")
    return found


def _jsonl(content: str, name: str) -> Found:
    """Clawdbot's transcript: a header ``{type: "session", id}``, then ``{type: "message", id, timestamp, message}``."""
    session_id, rows = "", []
    skipped: list[dict[str, Any]] = []
    for number, line in _lines(content):
        try:
            row = json.loads(line)
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
            _take(found, number, message, str(row.get("id") or _digest(row)))
        elif isinstance(row, dict) and "role" in row:
            _take(found, number, row, str(row.get("id") or _digest(row)))
        elif not (isinstance(row, dict) and isinstance(row.get("type"), str)):  # other entries are notes of Clawdbot's
            found.skipped.append({"line": number, "reason": "no message"})
    return found


def _lines(content: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(content.split("\n"), 1):
        if line.strip():
            yield number, line


def _take(found: Found, number: int, row: Any, id_: str) -> None:
    """Add one message, or say why not."""
    if not isinstance(row, Mapping) or row.get("role") not in ROLES:
        found.skipped.append({"line": number, "reason": "unknown role"})
        return
    content = row.get("content")
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    if not isinstance(blocks, list):
        found.skipped.append({"line": number, "reason": "no content"})
        return
    kept = [_block(block) for block in blocks if isinstance(block, Mapping)]
    message = {"role": row["role"], "content": kept, "timestamp": _ms(row.get("timestamp")), "importedId": id_}
    found.messages.append(message | {name: row[name] for name in FIELDS if row.get(name) is not None})


def _block(block: Mapping[str, Any]) -> dict[str, Any]:
    if block.get("type") in BLOCKS and (block["type"] != "text" or isinstance(block.get("text"), str)):
        return {name: value for name, value in block.items() if name not in ("textSignature", "thinkingSignature")}
    return {"type": "text", "text": f"[{block.get('type') or 'unknown'}: {block.get('name') or 'not imported'}]"}


def _ms(value: Any) -> int:
    """Milliseconds since the epoch, of a number or an ISO time; now for anything else."""
    if isinstance(value, int | float) and 0 <= value < 2**53:
        return int(value)
    if isinstance(value, str):
        try:
            return int(datetime.fromisoformat(value.replace("Z", "+00:00")).timestamp() * 1000)
        except ValueError:
            pass
    return now_ms()


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, ensure_ascii=False, default=str).encode("utf-8", "replace")).hexdigest()
