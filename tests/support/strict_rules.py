"""The rules of the Messages API that a request can break, its token count and its prompt cache. Pure; no I/O.

Sources: the SDK's own types, and platform.claude.com/docs (*Messages*, *Extended thinking*, *Tool use*, *Prompt
caching*, *Images and vision*), read 2026-11. Where the documentation leaves something open the stricter reading counts.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import json
import re
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pydantic
from anthropic.types import ContentBlockParam
from anthropic.types import message_create_params as params
from PIL import Image, UnidentifiedImageError

MAX_BYTES = 32 * 2**20
MAX_IMAGE_BYTES = 5 * 2**20
"""Of base64, the least of all platforms."""
MAX_IMAGES, MAX_EDGE = 100, 8000
MANY_IMAGES, MANY_EDGE = 20, 2000
LOOK_BACK = 20
"""Blocks before a breakpoint among which an earlier cache entry is found."""
IMAGE_TOKENS, DOCUMENT_TOKENS = 1600, 3000
TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_TOKEN = re.compile(r"[⺀-\U0010ffff]| ?[A-Za-z]{1,5}|\d{1,2}|[^\sA-Za-z0-9]{1,2}|\s+")
"""About one token each: half a word, two digits, two marks, one character of Chinese, Japanese or Korean."""

_CHECK: pydantic.TypeAdapter[Any] = pydantic.TypeAdapter(params.MessageCreateParamsStreaming)
_FIELDS = (
    set(params.MessageCreateParamsStreaming.__annotations__)
    | set(params.MessageCreateParamsBase.__annotations__)
    | {"temperature", "top_p", "top_k"}
)
_BLOCK_FIELDS: Mapping[str, set[str]] = {
    typing.get_args(typing.get_type_hints(block)["type"])[0]: set(block.__annotations__)
    for block in typing.get_args(ContentBlockParam)
}


@dataclass(frozen=True)
class StrictModel:
    """The features that a model takes."""

    thinking: frozenset[str]
    """Accepted values of ``thinking.type``."""
    window: int = 1_000_000
    max_output: int = 128_000
    prefill: bool = False
    temperature: bool = False
    vision: bool = True


MODELS: Mapping[str, StrictModel] = {
    "claude-sonnet-5-5": StrictModel(frozenset({"adaptive", "between_tools"})),
    "claude-opus-5-5": StrictModel(frozenset({"adaptive"})),
    "claude-haiku-5-5": StrictModel(frozenset({"adaptive", "disabled"})),
    "claude-haiku-4-5": StrictModel(
        frozenset({"enabled", "disabled"}), 200_000, 64_000, prefill=True, temperature=True
    ),
    "claude-tiny": StrictModel(frozenset({"adaptive", "disabled"}), 20_000, 4_000),
    "claude-blind": StrictModel(frozenset({"adaptive", "disabled"}), 100_000, 8_000, vision=False),
}


class Refused(Exception):
    """A request that the API answers with an error: its status, its type and its message."""

    def __init__(self, message: str, *, status: int = 400, kind: str = "invalid_request_error") -> None:
        super().__init__(message)
        self.message, self.status, self.kind = message, status, kind


Block = Mapping[str, Any]


def content_of(message: Mapping[str, Any]) -> list[Block]:
    """The content of a message as blocks."""
    content = message.get("content")
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content or ())


def check(body: Mapping[str, Any], size: int) -> int:
    """The tokens of a request's prompt. Raises ``Refused`` for whatever the API would not take."""
    if size > MAX_BYTES:
        raise Refused("Request exceeds the maximum size", status=413, kind="request_too_large")
    model = MODELS.get(str(body.get("model")))
    if model is None:
        raise Refused(f"model: {body.get('model')}", status=404, kind="not_found_error")
    _check_types(body)
    _check_parameters(body, model)
    messages = body["messages"]
    _check_order(messages, model)
    for number, message in enumerate(messages):
        _check_content(number, message, messages[number - 1] if number else {})
        _check_signatures(number, body)
    _check_images(messages, model)
    _check_thinking_first(body)
    tokens = sum(part.tokens for part in parts_of(body))
    if tokens > model.window:
        raise Refused(f"prompt is too long: {tokens} tokens > {model.window} maximum")
    return tokens


def _check_types(body: Mapping[str, Any]) -> None:
    try:
        _CHECK.validate_python({**body, "stream": True})
    except pydantic.ValidationError as exc:
        found = "; ".join(f"{'.'.join(map(str, e['loc']))[-90:]}: {e['msg']}" for e in exc.errors()[:3])
        raise Refused(f"types: {found}") from exc
    if more := sorted(set(body) - _FIELDS):
        raise Refused(f"{more[0]}: Extra inputs are not permitted")
    for number, message in enumerate(body["messages"]):
        for place, block in enumerate(content_of(message)):
            if more := sorted(set(block) - _BLOCK_FIELDS.get(str(block.get("type")), set())):
                raise Refused(f"messages.{number}.content.{place}.{more[0]}: Extra inputs are not permitted")


def _check_parameters(body: Mapping[str, Any], model: StrictModel) -> None:
    if not 1 <= body["max_tokens"] <= model.max_output:
        raise Refused(f"max_tokens: {body['max_tokens']} > {model.max_output}")
    thinking = body.get("thinking")
    if thinking and thinking["type"] not in model.thinking:
        raise Refused(f"thinking.type: {thinking['type']} is not supported by this model")
    if thinking and thinking["type"] == "enabled" and not 1024 <= thinking["budget_tokens"] < body["max_tokens"]:
        raise Refused("thinking.budget_tokens: must be at least 1024 and less than max_tokens")
    if "temperature" in body and not model.temperature:
        raise Refused("temperature: not supported by this model")
    names = [tool["name"] for tool in body.get("tools") or ()]
    for number, name in enumerate(names):
        if not TOOL_NAME.fullmatch(name):
            raise Refused(
                f"tools.{number}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$' ({name})"
            )
    if len(set(names)) < len(names):
        raise Refused("tools: Tool names must be unique.")
    if body.get("system") == "":
        raise Refused("system: text content blocks must be non-empty")


def _check_order(messages: Sequence[Mapping[str, Any]], model: StrictModel) -> None:
    if not messages:
        raise Refused("messages: at least one message is required")
    if messages[0]["role"] != "user":
        raise Refused('messages: first message must use the "user" role')
    last = messages[-1]
    if last["role"] != "assistant":
        return
    if not any(block["type"] == "server_tool_use" for block in content_of(last)) and not model.prefill:
        raise Refused("This model does not support assistant message prefill.")
    if any(block["type"] == "tool_use" for block in content_of(last)):
        raise Refused("messages: a final `assistant` message must not end with `tool_use`")
    if (said := content_of(last)[-1]).get("text", "x")[-1:].isspace():
        raise Refused(f"messages: final assistant content cannot end with trailing whitespace ({said})")


def _check_content(number: int, message: Mapping[str, Any], before: Mapping[str, Any]) -> None:
    blocks = content_of(message)
    if not blocks:
        raise Refused(f"messages.{number}: all messages must have non-empty content")
    uses = {b["id"] for b in content_of(before) if b["type"] == "tool_use"} if before else set()
    results = [b["tool_use_id"] for b in blocks if b["type"] == "tool_result"]
    if missing := uses - set(results):
        raise Refused(f"messages.{number}: `tool_use` ids were found without `tool_result` blocks after: {missing}")
    if more := set(results) - uses:
        raise Refused(f"messages.{number}: unexpected `tool_use_id` found in `tool_result` blocks: {more}")
    if len(results) > len(set(results)):
        raise Refused(f"messages.{number}: each `tool_use` must have a single result")
    kinds = [b["type"] == "tool_result" for b in blocks]
    if kinds != sorted(kinds, reverse=True):
        raise Refused(f"messages.{number}: `tool_result` blocks must come first")
    if message["role"] == "user" and any(b["type"] in ("tool_use", "thinking") for b in blocks):
        raise Refused(f"messages.{number}: blocks of the assistant in a user message")
    for place, block in enumerate(blocks):
        if block["type"] == "text" and not block["text"].strip():
            raise Refused(f"messages.{number}.content.{place}: text content blocks must contain non-whitespace text")
        if block["type"] == "tool_use" and not TOOL_NAME.fullmatch(block["name"]):
            raise Refused(f"messages.{number}.content.{place}.tool_use.name: {block['name']}")


def _check_signatures(number: int, body: Mapping[str, Any]) -> None:
    for place, block in enumerate(content_of(body["messages"][number])):
        if block["type"] == "thinking" and block["signature"] != sign(body, number, block["thinking"]):
            raise Refused(
                f"messages.{number}.content.{place}: Invalid `signature` in `thinking` block. "
                "The block is bound to a different conversation."
            )


def _check_images(messages: Sequence[Mapping[str, Any]], model: StrictModel) -> None:
    edges = []
    for image in _images(messages):
        if not model.vision:
            raise Refused("image input is not supported", status=500, kind="api_error")
        if image["source"]["type"] != "base64":
            continue
        data = image["source"]["data"]
        if len(data) > MAX_IMAGE_BYTES:
            raise Refused("image.source.base64: image exceeds 5 MB maximum")
        try:
            with Image.open(io.BytesIO(base64.b64decode(data, validate=True))) as opened:
                edges.append(max(opened.size))
        except (binascii.Error, UnidentifiedImageError) as exc:
            raise Refused("image.source.base64.data: Could not process image") from exc
    if len(edges) > MAX_IMAGES:
        raise Refused("too many images")
    if edges and max(edges) > (MANY_EDGE if len(edges) > MANY_IMAGES else MAX_EDGE):
        raise Refused("image dimensions exceed the max allowed size")


def _images(messages: Sequence[Mapping[str, Any]]) -> Iterator[Block]:
    for message in messages:
        for block in content_of(message):
            inner = content_of(block) if block["type"] == "tool_result" else [block]
            yield from (each for each in inner if each["type"] == "image")


def _check_thinking_first(body: Mapping[str, Any]) -> None:
    """With ``enabled`` thinking the assistant message of a tool loop that goes on begins with its thinking."""
    thinking, messages = body.get("thinking") or {}, body["messages"]
    if thinking.get("type") != "enabled" or not any(b["type"] == "tool_result" for b in content_of(messages[-1])):
        return
    first = content_of(messages[-2])[0]["type"]
    if first not in ("thinking", "redacted_thinking"):
        raise Refused(
            f"messages.{len(messages) - 2}.content.0.type: Expected `thinking` or `redacted_thinking`, but found "
            f"`{first}`. When `thinking` is enabled, a final `assistant` message must start with a thinking block."
        )


def sign(body: Mapping[str, Any], upto: int, thought: str) -> str:
    """The signature of a thinking block that stands in message ``upto``: bound to model and exact prefix."""
    before = [[m["role"], [_bare(b) for b in content_of(m)]] for m in body["messages"][:upto]]
    bound = [body["model"], body.get("system"), body.get("tools"), before, thought]
    digest = hashlib.sha256(json.dumps(bound, sort_keys=True).encode()).digest()
    return base64.b64encode(digest).decode()


def _bare(block: Block) -> dict[str, Any]:
    """A block without its cache mark, which is not part of the prompt."""
    return {name: value for name, value in block.items() if name != "cache_control"}


# -- tokens and cache -------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Part:
    """A block of a prompt: its place, its exact content, its tokens, and whether a breakpoint stands behind it."""

    place: str
    content: str
    tokens: int
    marked: bool


def tokens_of(text: str) -> int:
    return sum(1 for _ in _TOKEN.finditer(text))


def _block_tokens(block: Block) -> int:
    if block["type"] == "image":
        return IMAGE_TOKENS
    if block["type"] == "document":
        return DOCUMENT_TOKENS
    if block["type"] == "text":
        return tokens_of(block["text"])
    if block["type"] == "tool_result":
        return 8 + sum(map(_block_tokens, content_of(block)))
    return tokens_of(json.dumps(_bare(block), ensure_ascii=False))


def parts_of(body: Mapping[str, Any]) -> list[Part]:
    """The prompt in its order: tools, system, messages."""
    parts = [
        Part(f"tools.{n}", json.dumps(_bare(tool)), tokens_of(json.dumps(tool)), bool(tool.get("cache_control")))
        for n, tool in enumerate(body.get("tools") or ())
    ]
    system = body.get("system")
    for n, block in enumerate(content_of({"content": system}) if system else ()):
        parts.append(Part(f"system.{n}", json.dumps(_bare(block)), _block_tokens(block), "cache_control" in block))
    for n, message in enumerate(body["messages"]):
        for place, block in enumerate(content_of(message)):
            content = json.dumps([message["role"], _bare(block)], sort_keys=True)
            parts.append(Part(f"messages.{n}.{place}", content, _block_tokens(block), "cache_control" in block))
    if parts and body.get("cache_control"):
        last = parts.pop()
        parts.append(Part(last.place, last.content, last.tokens, True))
    return parts


@dataclass(frozen=True)
class CacheUse:
    """Tokens of a prompt: read from the cache, written to it, and neither."""

    read: int
    written: int
    fresh: int

    @property
    def total(self) -> int:
        return self.read + self.written + self.fresh


@dataclass
class PromptCache:
    """The prefixes that requests have left behind. Entries never expire: tests take less than five minutes."""

    _entries: set[str] = field(default_factory=set)

    def use(self, body: Mapping[str, Any]) -> CacheUse:
        """Serve one request: the longest prefix found from a breakpoint backwards is read, the rest up to the last
        breakpoint is written."""
        thinking = json.dumps([body["model"], body.get("thinking"), body.get("output_config")], sort_keys=True)
        digest, tokens = hashlib.sha256(thinking.encode()), 0
        at: list[tuple[str, int]] = []
        parts = parts_of(body)
        for part in parts:
            digest.update(part.content.encode())
            tokens += part.tokens
            at.append((digest.hexdigest(), tokens))
        marks = [n for n, part in enumerate(parts) if part.marked]
        if len(marks) > 4:
            raise Refused("A maximum of 4 blocks with cache_control may be provided.")
        found = [n for mark in marks for n in range(max(0, mark - LOOK_BACK), mark + 1) if at[n][0] in self._entries]
        read = at[max(found)][1] if found else 0
        self._entries |= {at[mark][0] for mark in marks}
        upto = at[marks[-1]][1] if marks else 0
        return CacheUse(read, max(0, upto - read), tokens - max(upto, read))


def divergence(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """The place where a prompt stops being the beginning of the next one, for people; empty where it does not."""
    a, b = parts_of(old), parts_of(new)
    for x, y in zip(a, b, strict=False):
        if (x.place.split(".")[0], x.content) != (y.place.split(".")[0], y.content):
            at = next((n for n, (c, d) in enumerate(zip(x.content, y.content, strict=False)) if c != d), 0)
            was, now = x.content[max(0, at - 60) : at + 80], y.content[max(0, at - 60) : at + 80]
            return f"{x.place}: {was!r} became {y.place}: {now!r}"
    return "" if len(b) >= len(a) else f"{a[len(b)].place} is gone"
