"""Fields that the store reads in a wire message: its text, its usage. Everything else in a message is opaque to it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from ..protocol.citations import joined
from .plain_words import without_marks

TITLE_CHARS = 120
PREVIEW_CHARS = 200
MAX_TOKENS = 10**12
HEADING_CHARS = 2000
"""Of a message, what is looked at for its title and preview."""

_encoder = msgspec.json.Encoder()
decode = msgspec.json.Decoder().decode


def encode(value: Any) -> str:
    """JSON text. Raises ``UnicodeEncodeError`` for a lone surrogate."""
    return _encoder.encode(value).decode()


class Usage(NamedTuple):
    """Tokens and US dollars of one reply."""

    read: int
    """Input, cache reads and cache writes together: what the model had before it."""
    written: int
    cost: float


def usage_of(message: Mapping[str, Any]) -> Usage | None:
    """``None`` for a message that cost nothing (a user's, an injected one, a reply cut before its usage came)."""
    usage = message.get("usage")
    if not usage:
        return None
    read = sum(tokens(usage.get(name)) for name in ("input", "cacheRead", "cacheWrite"))
    written, cost = tokens(usage.get("output")), dollars((usage.get("cost") or {}).get("total"))
    if not read and not written and not cost:
        return None  # a reply that failed before anything was counted says nothing about the conversation
    return Usage(read, written, cost)


def tokens(value: Any) -> int:
    """A count of tokens that SQLite can hold and add up, whatever the message says."""
    return min(max(int(value), 0), MAX_TOKENS) if isinstance(value, (int, float)) and math.isfinite(value) else 0


def dollars(value: Any) -> float:
    """A cost; 0 for what is no number."""
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else 0.0


def text_of(message: Mapping[str, Any]) -> str:
    """The text blocks of a message, thinking left out."""
    content = message.get("content") or ()
    if isinstance(content, str):
        return content
    return joined(content)


def heading_of(message: Mapping[str, Any]) -> str:
    """The beginning of a message for a list: its text without marks, or the names of its files where it has none."""
    text = text_of(message).strip()[:HEADING_CHARS]
    return without_marks(text).strip() or text or ", ".join(names_of(message))


def names_of(message: Mapping[str, Any]) -> list[str]:
    """The names of a message's files."""
    content = message.get("content") or ()
    return [str(block.get("name")) for block in content if isinstance(block, Mapping) and block.get("mediaId")]


def findable_of(message: Mapping[str, Any]) -> str:
    """Searchable text of a message: its text, and the names of its files."""
    return "\n".join(filter(None, (text_of(message), *names_of(message))))


def calls_of(message: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The tool calls of a message."""
    content = message.get("content") or ()
    return [] if isinstance(content, str) else [block for block in content if block.get("type") == "toolCall"]


def lost_result(call: Mapping[str, Any], text: str, now: int) -> dict[str, Any]:
    """Placeholder for the result of a call that a crash cut off."""
    return {
        "role": "toolResult",
        "toolCallId": call["id"],
        "toolName": call["name"],
        "isError": True,
        "interrupted": True,
        "content": [{"type": "text", "text": text}],
        "timestamp": now,
    }


def plain(text: str) -> str:
    """Text as both engines store it outside of JSON: PostgreSQL takes no NUL."""
    return text.replace("\0", "\ufffd") if "\0" in text else text


def one_line(text: str, limit: int) -> str:
    """The beginning of ``text`` on one line, at most ``limit`` characters, ``…`` at the end if there was more."""
    line = plain(" ".join(text.lstrip()[: limit * 8].split()))
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"
