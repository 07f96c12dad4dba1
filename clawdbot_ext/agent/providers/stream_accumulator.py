"""A reply put together from the Messages API's stream events. No I/O and no SDK: events are plain dicts.

Lenient where servers differ: events and blocks of unknown types are passed over, fields may be missing.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

import msgspec

from ...protocol import outside_json
from ...protocol.outside_json import keepable, whole_characters
from .base import Completed, TextDelta, ThinkingDelta, Usage

_USAGE = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
MAX_TOKENS = 10**12
"""No count of tokens is larger: what a server sends beyond it is no count, and no database could add it up."""
_json = msgspec.json.Decoder(dict[str, Any])


def decode(data: str | bytes) -> dict[str, Any]:
    """The JSON object of one event; also one that is not strictly JSON. Raises ``ValueError`` if it is none."""
    try:
        return _json.decode(data)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        found = outside_json.read(data)
    if not isinstance(found, dict):
        raise ValueError("no JSON object")
    return found


class _Block:
    """A block of a reply while it is being written."""

    def __init__(self, given: Mapping[str, Any], index: int | None):
        self.given = dict(given)
        kind = given.get("type")
        self.kind = kind if isinstance(kind, str) else ""
        self.index = index
        self.parts: list[str] = []
        """Its text or thinking so far, or the JSON of a call's arguments."""
        self._half = ""

    def add_text(self, text: str) -> str:
        """Add text; returns what can be shown. A character that is cut in two waits for its other half."""
        text, self._half = self._half + text, ""
        if "\ud800" <= text[-1] <= "\udbff":
            text, self._half = text[:-1], text[-1]
        text = whole_characters(text)
        self.parts.append(text)
        return text

    def text(self) -> str:
        """Everything that was added."""
        return whole_characters("".join(self.parts) + self._half)


class Assembly:
    """The reply of one stream: its blocks as the provider wants them back, its usage, its stop reason.

    Servers differ in how they number blocks. One that starts under a number a second time is another block, a delta
    without a number is of the newest block, and a delta of another kind than its block has a block of its own: whatever
    was shown is in the whole reply, too.
    """

    def __init__(self) -> None:
        self.stop_reason: str | None = None
        """Set once the provider said why it stopped; until then the reply is not whole."""
        self.explanation = ""
        """Why the model declined."""
        self._blocks: list[_Block] = []
        self._at: dict[tuple[int | str | None, str], _Block] = {}
        """The newest block of each number and kind."""
        self._newest: dict[int | str | None, _Block] = {}
        """The block that was started last under a number."""
        self._usage: dict[str, int] = {}

    def add(self, event: Mapping[str, Any]) -> TextDelta | ThinkingDelta | None:
        """Add one event; returns what is to be shown of it."""
        kind = event.get("type")
        if kind == "content_block_delta":
            return self._delta(_number(event.get("index")), _mapping(event.get("delta")))
        if kind == "content_block_start":
            return self._start(_number(event.get("index")), _mapping(event.get("content_block")))
        if kind == "message_delta":
            delta = _mapping(event.get("delta"))
            self._stop(delta)
            self._count(_mapping(event.get("usage")))
        elif kind == "message_start":
            self._count(_mapping(_mapping(event.get("message")).get("usage")))
        return None

    def completed(self) -> Completed:
        """The whole reply. Call it when ``stop_reason`` is set and the stream has ended."""
        blocks = self._blocks
        if all(block.index is not None for block in blocks):
            blocks = sorted(blocks, key=lambda block: block.index or 0)
        content: list[dict[str, Any]] = []
        used: set[str] = set()
        for block in blocks:
            if block.kind == "tool_use":
                content.append(_tool_use(block.given, block.text(), used))
                continue
            if not block.kind:  # no block at all
                continue
            made = keepable(block.given)
            if block.kind in ("text", "thinking"):
                made[block.kind] = block.text()
            elif block.kind == "server_tool_use" and block.parts:
                made["input"] = _arguments(block.text()) or {}
            content.append(made)
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
        self._stop(message)
        self.stop_reason = self.stop_reason or ("end_turn" if shown else None)
        return shown

    @property
    def calling(self) -> bool:
        """A call of a tool, ours or the provider's, is being written."""
        return any(block.kind.endswith("tool_use") for block in self._blocks)

    def usage(self) -> Usage:
        """The tokens counted so far; before the end, those of the prompt."""
        return Usage(*(self._usage.get(name, 0) for name in _USAGE))

    def _stop(self, said: Mapping[str, Any]) -> None:
        """Take up why the model stopped, where the server says so."""
        if isinstance(reason := said.get("stop_reason"), str) and reason:
            self.stop_reason = whole_characters(reason)
        if explanation := _mapping(said.get("stop_details")).get("explanation"):
            self.explanation = whole_characters(str(explanation))

    def _start(self, number: int | str | None, given: Mapping[str, Any]) -> TextDelta | ThinkingDelta | None:
        block = self._new(number, given)
        self._newest[number] = self._newest[None] = block
        return self._text(block, given.get(block.kind)) if block.kind in ("text", "thinking") else None

    def _new(self, number: int | str | None, given: Mapping[str, Any]) -> _Block:
        block = _Block(given, number if isinstance(number, int) else None)
        self._blocks.append(block)
        self._at[number, block.kind] = self._at[None, block.kind] = block
        return block

    def _delta(self, number: int | str | None, delta: Mapping[str, Any]) -> TextDelta | ThinkingDelta | None:
        kind = delta.get("type")
        if kind in ("text_delta", "thinking_delta"):
            kind = kind.removesuffix("_delta")
            text = delta.get(kind)
            return self._text(self._at.get((number, kind)) or self._new(number, {"type": kind}), text) if text else None
        if kind == "signature_delta" and (thought := self._at.get((number, "thinking"))) is not None:
            thought.given["signature"] = delta.get("signature")
        newest = self._newest.get(number)
        if kind == "citations_delta" and isinstance(delta.get("citation"), Mapping):
            cited = self._at.get((number, "text")) or newest
            if cited is not None:
                cited.given["citations"] = [*_list(cited.given.get("citations")), delta["citation"]]
        if kind == "input_json_delta" and newest is not None and isinstance(delta.get("partial_json"), str):
            call = newest if newest.kind.endswith("tool_use") else self._at.get((number, "tool_use"), newest)
            call.parts.append(delta["partial_json"])
        return None

    def _text(self, block: _Block, text: Any) -> TextDelta | ThinkingDelta | None:
        if not text or not isinstance(text, str) or not (shown := block.add_text(text)):
            return None
        return TextDelta(shown) if block.kind == "text" else ThinkingDelta(shown)

    def _count(self, usage: Mapping[str, Any]) -> None:
        """Keep the newest figures: those of ``message_delta`` are cumulative, and some servers give all there."""
        for name in _USAGE:
            value = usage.get(name)
            if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_TOKENS:
                continue
            if value or name not in self._usage:
                self._usage[name] = value


def _number(index: Any) -> int | str | None:
    """The number of a block as a key: some servers write it as a text or a float, some leave it out."""
    if isinstance(index, str) and index.isdecimal() and len(index) < 10:
        return int(index)
    if isinstance(index, float) and index.is_integer():
        return int(index)
    return index if isinstance(index, (int, str)) else None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _tool_use(block: Mapping[str, Any], arguments: str, used: set[str]) -> dict[str, Any]:
    """A finished call. Some servers give the arguments at the start of the block, some leave out an id or repeat it;
    ``used`` are the ids so far."""
    id_ = block.get("id")
    if not isinstance(id_, str) or not id_ or id_ in used or whole_characters(id_) != id_:
        id_ = f"toolu_{uuid.uuid4().hex}"
    used.add(id_)
    use: dict[str, Any] = {
        "type": "tool_use",
        "id": id_,
        "name": whole_characters(str(block.get("name") or "")),
        "input": dict(keepable(_mapping(block.get("input")))),
    }
    if arguments.strip():
        decoded = _arguments(arguments)
        use |= {"input": decoded} if decoded is not None else {"input": {}, "invalid": arguments}
    return use


def _arguments(text: str) -> dict[str, Any] | None:
    """The JSON object that a call's arguments are; ``None`` if they are none."""
    try:
        found = outside_json.parse(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
