"""The two forms of a message's content, and the way from one to the other: the only writer of what was said before.

A reply is stored as wire blocks (``wire_blocks``), and each request to the model is made of what is stored
(``model_blocks``), within a run as from turn to turn. So what was sent once is sent again byte for byte: the provider's
prompt cache holds, and thinking blocks, which are bound to everything before them, stay valid.

Wire blocks: ``text`` (with ``citations``), ``thinking`` (with ``thinkingSignature``; ``redacted`` where the text is
kept from us), ``toolCall``, and ``serverBlock``, whose ``block`` is a call of one of the provider's own tools, or its
result, as the provider wrote it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from ..providers.base import ToolSpec
from ..tools import ToolImage, image_block
from .attachments import MAPPING

Block = Mapping[str, Any]
NO_IMAGES = "[An image was left out: this model takes none.]"
DIGEST_CHARS = 32
_encode = msgspec.json.Encoder().encode


def wire_blocks(content: Iterable[Block]) -> list[dict[str, Any]]:
    """The provider's blocks of a whole reply, as they are stored and shown. Blocks of unknown types are left out."""
    wire: list[dict[str, Any]] = []
    for block in content:
        kind = str(block.get("type"))
        if kind == "text":
            if block.get("text"):
                wire.append({"type": "text", "text": block["text"]})
                if block.get("citations"):
                    wire[-1]["citations"] = list(block["citations"])
        elif kind == "thinking":
            signature = str(block.get("signature") or "")
            thought = str(block.get("thinking") or "")
            wire.append({"type": "thinking", "thinking": thought, "thinkingSignature": signature})
        elif kind == "redacted_thinking":
            data = str(block.get("data") or "")
            wire.append({"type": "thinking", "thinking": "", "thinkingSignature": data, "redacted": True})
        elif kind == "tool_use":
            call = {"type": "toolCall", "id": block["id"], "name": block["name"], "arguments": block["input"]}
            wire.append({**call, "invalidArguments": block["invalid"]} if "invalid" in block else call)
        elif is_server_block(kind):
            wire.append({"type": "serverBlock", "block": dict(block)})
    return wire


def is_server_block(kind: str) -> bool:
    """Report whether a block is a call of the provider's own tool, or the result of one."""
    return kind == "server_tool_use" or (kind.endswith("_tool_result") and kind != "tool_result")


def model_blocks(content: Any, *, same_provider: bool = True, answered: Container[str] = ()) -> list[dict[str, Any]]:
    """Stored content as the Messages API takes it back; thinking included, as far as it is signed.

    Args:
        same_provider: the model is asked at the provider that wrote it; no other understands what is its own.
        answered: ids of calls of the provider's tools that are sent: those with a result, or about to get one.
    """
    sent: list[dict[str, Any]] = []
    for block in blocks_of(content):
        kind = block.get("type")
        if kind == "text" and str(block.get("text") or "").strip():
            sent.append({"type": "text", "text": str(block["text"])})
            if same_provider and block.get("citations"):
                sent[-1]["citations"] = block["citations"]
        elif kind == "thinking" and block.get("thinkingSignature"):
            sent.append(_thinking(block))
        elif kind == "toolCall":
            arguments = block.get("arguments")
            use = {"type": "tool_use", "id": block.get("id"), "name": block.get("name")}
            sent.append({**use, "input": arguments if isinstance(arguments, Mapping) else {}})
        elif kind == "serverBlock" and same_provider:
            own = block.get("block")
            if isinstance(own, Mapping) and (own.get("type") != "server_tool_use" or own.get("id") in answered):
                sent.append(dict(own))
    return sent


def server_ids(content: Any, field: str) -> Iterator[str]:
    """The values of a field (``id`` of calls, ``tool_use_id`` of results) in the provider's own blocks of a content."""
    for block in blocks_of(content):
        if block.get("type") != "serverBlock":
            continue
        own = block.get("block")
        if isinstance(own, Mapping) and isinstance(own.get(field), str):
            yield own[field]


def blocks_of(content: Any) -> list[Block]:
    """A stored content, which may be plain text, as blocks."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [block for block in content if isinstance(block, MAPPING)] if isinstance(content, (list, tuple)) else []


def _thinking(block: Block) -> dict[str, Any]:
    if block.get("redacted"):
        return {"type": "redacted_thinking", "data": block["thinkingSignature"]}
    return {"type": "thinking", "thinking": block.get("thinking", ""), "signature": block["thinkingSignature"]}


def is_thinking(block: Block) -> bool:
    """Report whether a block of the Messages API is thinking, readable or not."""
    return block.get("type") in ("thinking", "redacted_thinking")


def result_content(result: Mapping[str, Any], *, vision: bool = True) -> list[dict[str, Any]]:
    """The content of a stored tool result as the Messages API takes it."""
    blocks = blocks_of(result.get("content"))
    text = "".join(str(b.get("text") or "") for b in blocks)
    images = [
        image_block(ToolImage(str(b["mimeType"]), str(b["data"])))
        for b in blocks
        if b.get("type") == "image" and "data" in b and "mimeType" in b
    ]
    if images and not vision:
        images = [{"type": "text", "text": NO_IMAGES}]
    return [{"type": "text", "text": text if text.strip() else "(no output)"}, *images]


class PromptDigest:
    """A digest of everything that stands before a reply: model, tools, system prompt and messages, as they are sent."""

    def __init__(self, model: str, system: str, tools: Sequence[ToolSpec]) -> None:
        self._digest = hashlib.sha256()
        told = [[tool.name, tool.description, tool.parameters, tool.server] for tool in tools]
        self.add([model, system, told])

    def add(self, part: Any) -> None:
        """Append a message."""
        self._digest.update(_encode(part))

    def copy(self) -> PromptDigest:
        """A digest that goes on from here by itself."""
        other = PromptDigest.__new__(PromptDigest)
        other._digest = self._digest.copy()
        return other

    def value(self) -> str:
        """The digest of what was added so far."""
        return self._digest.hexdigest()[:DIGEST_CHARS]
