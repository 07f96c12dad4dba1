"""A reply put together from the Messages API's stream events. No I/O and no SDK: events are plain dicts.

Lenient where servers differ: events and blocks of unknown types are passed over, fields may be missing.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

import msgspec

from .base import Completed, TextDelta, ThinkingDelta, Usage

_USAGE = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
_json = msgspec.json.Decoder(dict[str, Any])


def decode(data: str | bytes) -> dict[str, Any]:
    """The JSON object of one event. Raises ``msgspec.DecodeError`` if it is none, or not strictly JSON."""
    return _json.decode(data)


class Assembly:
    """The reply of one stream: its blocks as the provider wants them back, its usage, its stop reason."""

    def __init__(self) -> None:
        self.stop_reason: str | None = None
        """Set once the provider said why it stopped; until then the reply is not whole."""
        self.explanation = ""
        """Why the model declined."""
        self._blocks: dict[int, dict[str, Any]] = {}
        self._parts: dict[int, list[str]] = {}
        self._usage: dict[str, int] = {}

    def add(self, event: Mapping[str, Any]) -> TextDelta | ThinkingDelta | None:
        """Add one event; returns what is to be shown of it."""
        kind = event.get("type")
        if kind == "content_block_delta":
            return self._delta(event.get("index", 0), _mapping(event.get("delta")))
        if kind == "content_block_start":
            return self._start(event.get("index", 0), _mapping(event.get("content_block")))
        if kind == "message_delta":
            delta = _mapping(event.get("delta"))
            self.stop_reason = delta.get("stop_reason") or self.stop_reason
            self.explanation = str(_mapping(delta.get("stop_details")).get("explanation") or "") or self.explanation
            self._count(_mapping(event.get("usage")))
        elif kind == "message_start":
            self._count(_mapping(_mapping(event.get("message")).get("usage")))
        return None

    def completed(self) -> Completed:
        """The whole reply. Call it when ``stop_reason`` is set and the stream has ended."""
        content = []
        for index, block in sorted(self._blocks.items()):
            if block.get("type") in ("text", "thinking"):
                block[block["type"]] = "".join(self._parts[index])
            elif block.get("type") == "tool_use":
                content.append(_tool_use(block, "".join(self._parts[index])))
                continue
            elif block.get("type") == "server_tool_use" and self._parts[index]:
                block["input"] = _arguments("".join(self._parts[index])) or {}
            content.append(block)
        return Completed(self.stop_reason or "", content, self.usage(), self.explanation)

    def whole(self, message: Mapping[str, Any]) -> list[TextDelta | ThinkingDelta]:
        """Take a whole message instead of a stream's events; returns what is to be shown of it."""
        self._count(_mapping(message.get("usage")))
        content = message.get("content")
        shown = [
            delta
            for index, block in enumerate(content if isinstance(content, list) else [])
            if (delta := self._start(index, _mapping(block))) is not None
        ]
        self.stop_reason = str(message.get("stop_reason") or ("end_turn" if shown else "")) or None
        self.explanation = str(_mapping(message.get("stop_details")).get("explanation") or "")
        return shown

    @property
    def calling(self) -> bool:
        """A call of a tool, ours or the provider's, is being written."""
        return any(str(block.get("type")).endswith("tool_use") for block in self._blocks.values())

    def usage(self) -> Usage:
        """The tokens counted so far; before the end, those of the prompt."""
        return Usage(*(self._usage.get(name, 0) for name in _USAGE))

    def _start(self, index: int, block: Mapping[str, Any]) -> TextDelta | ThinkingDelta | None:
        self._blocks[index] = dict(block)
        self._parts[index] = []
        if block.get("type") == "text":
            return self._text(index, block.get("text"))
        return self._thinking(index, block.get("thinking")) if block.get("type") == "thinking" else None

    def _delta(self, index: int, delta: Mapping[str, Any]) -> TextDelta | ThinkingDelta | None:
        kind = delta.get("type")
        if kind == "text_delta":
            return self._text(index, delta.get("text"))
        if kind == "thinking_delta":
            return self._thinking(index, delta.get("thinking"))
        if kind == "signature_delta" and index in self._blocks:
            self._blocks[index]["signature"] = delta.get("signature")
        if kind == "citations_delta" and index in self._blocks and isinstance(delta.get("citation"), Mapping):
            known = self._blocks[index].get("citations")
            self._blocks[index]["citations"] = [*(known if isinstance(known, list) else ()), delta["citation"]]
        if kind == "input_json_delta" and index in self._blocks and isinstance(delta.get("partial_json"), str):
            self._parts[index].append(delta["partial_json"])
        return None

    def _text(self, index: int, text: Any) -> TextDelta | None:
        return TextDelta(text) if self._add(index, "text", text) else None

    def _thinking(self, index: int, text: Any) -> ThinkingDelta | None:
        return ThinkingDelta(text) if self._add(index, "thinking", text) else None

    def _add(self, index: int, kind: str, text: Any) -> bool:
        """Report whether there is text to add. Some servers send deltas without having started the block."""
        if not text or not isinstance(text, str):
            return False
        if index not in self._blocks:
            self._start(index, {"type": kind})
        self._parts[index].append(text)
        return True

    def _count(self, usage: Mapping[str, Any]) -> None:
        """Keep the newest figures: those of ``message_delta`` are cumulative, and some servers give all there."""
        for name in _USAGE:
            value = usage.get(name)
            if isinstance(value, int) and (value or name not in self._usage):
                self._usage[name] = value


def _tool_use(block: Mapping[str, Any], arguments: str) -> dict[str, Any]:
    """A finished call. Some servers give the arguments at the start of the block, some leave out an id."""
    use: dict[str, Any] = {
        "type": "tool_use",
        "id": block.get("id") or f"toolu_{uuid.uuid4().hex}",
        "name": str(block.get("name") or ""),
        "input": dict(_mapping(block.get("input"))),
    }
    if arguments.strip():
        decoded = _arguments(arguments)
        use |= {"input": decoded} if decoded is not None else {"input": {}, "invalid": arguments}
    return use


def _arguments(text: str) -> dict[str, Any] | None:
    """The JSON object that a call's arguments are; ``None`` if they are none."""
    try:
        return _json.decode(text)
    except msgspec.MsgspecError:
        return None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
