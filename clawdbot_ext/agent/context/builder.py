"""Builder of the model's context: stored wire messages in, Messages API messages out.

The Messages API wants a user message first and last, no empty text, and fewer tokens than the model's window. When a
conversation outgrows the window its oldest part is left out, and a good deal at once: were it one message at a time,
every turn would begin differently and the provider's prompt cache would never hit.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from itertools import accumulate
from typing import Any

from ...i18n import catalogue
from ..tools import ToolImage, result_block
from .attachments import AttachmentContent, attachments, named
from .token_estimate import estimate

MESSAGE_TOKENS = 8
"""Tokens that the API adds to each message for its role."""
IMAGE_TOKENS = 1600
"""Tokens of an image in a tool's result: the most that the API counts for one."""
MARGIN = 0.03
"""Part of the window left free, since the count is an estimate."""
SLACK = 0.3
"""Share of the room that may stay unused so that the beginning stays the same for many turns."""
TIME_GAP_MS = 30 * 60 * 1000
"""A user message gets a note of its time when it is the first, or this much later than the one before."""
RATIO_MIN, RATIO_MAX = 0.5, 3.0
"""Bounds of the ratio of real token counts to the estimate."""

_UNFINISHED = frozenset({"aborted", "interrupted", "error"})
"""Stop reasons of replies that the model is told were not finished, by a note in the client's language."""
_t = catalogue("agent")


@dataclass(frozen=True)
class Fitted:
    """The messages to send."""

    messages: list[dict[str, Any]]
    dropped: int
    """Number of messages left out at the beginning for lack of room."""
    tokens: int
    """The estimate for ``messages`` and the system prompt, corrected by what earlier replies really used."""


@dataclass
class _Piece:
    """One stored message as it will be sent."""

    role: str
    blocks: list[dict[str, Any]]
    """As the Messages API takes them."""
    prompt_tokens: int = 0
    """Of a reply: how many tokens the provider counted in the request that it answers."""
    files: Sequence[AttachmentContent] = ()
    results: bool = False
    """Tool results: they belong to the reply before them, and no context can begin with them."""
    tokens: int = field(init=False)

    def __post_init__(self) -> None:
        self.tokens = sum(map(_block_tokens, self.blocks)) + sum(file.tokens for file in self.files) + MESSAGE_TOKENS

    @property
    def asks(self) -> bool:
        """Something that a person said."""
        return self.role == "user" and not self.results


def build(
    stored: Sequence[Mapping[str, Any]],
    *,
    system: str = "",
    window: int,
    max_output: int,
    zone: tzinfo | None = None,
    locale: str = "en",
    shown: Mapping[str, AttachmentContent] | None = None,
) -> Fitted:
    """The conversation as the model gets it, its newest part if it is too long.

    Args:
        stored: wire messages, oldest first, the message to be answered last.
        system: the system prompt, whose tokens count too.
        window, max_output: the model's limits in tokens; ``max_output`` is what the reply may use.
        zone: of the time notes; the machine's own where absent.
        locale: the language of the notes on unfinished replies.
        shown: attachments by media id, as the model gets them; others are named and no more.
    """
    pieces = _pieces(stored, zone, locale, shown or {})
    _question_last(pieces)
    fixed = estimate(system) + MESSAGE_TOKENS
    room = max(1, window - min(max_output, window // 2) - int(window * MARGIN))
    ratio = _ratio(pieces, fixed, room)
    start = _start(pieces, int(room / ratio) - fixed)
    kept = pieces[start:]
    if kept and kept[0].role != "user":  # injected before the first message of a user
        kept.insert(0, _Piece("user", _texts(_t(locale, "context.begin"))))
    return Fitted(_merged(kept), start, int((fixed + sum(piece.tokens for piece in kept)) * ratio))


def _pieces(
    stored: Sequence[Mapping[str, Any]], zone: tzinfo | None, locale: str, shown: Mapping[str, AttachmentContent]
) -> list[_Piece]:
    """The messages that belong to the conversation: no command's answer, nothing empty, no other role.

    What the demo was asked and said is not part of it either: a model must not take its script for its own words.
    """
    pieces: list[_Piece] = []
    last_ms = 0
    results = {str(m.get("toolCallId")): m for m in stored if m.get("role") == "toolResult"}
    for message in stored:
        calls = _calls(message)
        text = "" if message.get("command") else _text(message)
        files = [shown.get(block["mediaId"]) or named(block) for block in attachments(message)]
        if message.get("demo"):
            while pieces and pieces[-1].role == "user":
                pieces.pop()
        elif (text or calls) and message.get("role") == "assistant":
            stop = str(message.get("stopReason"))
            note = "\n\n" + _t(locale, f"context.{stop}") if stop in _UNFINISHED else ""
            said = _texts(text + note) if text else []
            pieces.append(_Piece("assistant", [*said, *map(_use, calls)], _prompt_tokens(message)))
            if calls:
                pieces.append(_Piece("user", [_result(call, results, locale) for call in calls], results=True))
        elif (text or files) and message.get("role") == "user":
            sent_ms = int(message.get("timestamp") or 0)
            notes = [_time_note(sent_ms, zone)] if sent_ms - last_ms >= TIME_GAP_MS else []
            last_ms = sent_ms or last_ms
            pieces.append(_Piece("user", _texts(*notes, text) if text else _texts(*notes), files=files))
    return pieces


def _texts(*texts: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": text} for text in texts]


def _calls(message: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The tool calls of a wire message."""
    content = message.get("content")
    blocks = content if isinstance(content, (list, tuple)) else ()
    return [b for b in blocks if isinstance(b, Mapping) and b.get("type") == "toolCall"]


def _use(call: Mapping[str, Any]) -> dict[str, Any]:
    arguments = call.get("arguments")
    return {
        "type": "tool_use",
        "id": call.get("id"),
        "name": call.get("name"),
        "input": arguments if isinstance(arguments, Mapping) else {},
    }


def _result(call: Mapping[str, Any], results: Mapping[str, Mapping[str, Any]], locale: str) -> dict[str, Any]:
    """The result of a call; the API wants one for each, so a call without is reported as cut off."""
    found = results.get(str(call.get("id")))
    if found is None:
        return result_block(str(call.get("id")), _t(locale, "tool.unknown"), True)
    return result_block(str(call.get("id")), _text(found), bool(found.get("isError")), _images(found))


def _images(result: Mapping[str, Any]) -> list[ToolImage]:
    """The images of a stored tool result."""
    content = result.get("content")
    blocks = content if isinstance(content, (list, tuple)) else ()
    return [
        ToolImage(str(b["mimeType"]), str(b["data"]))
        for b in blocks
        if isinstance(b, Mapping) and b.get("type") == "image" and "data" in b and "mimeType" in b
    ]


def _block_tokens(block: Mapping[str, Any]) -> int:
    """The estimate for one block; what is neither text nor image counts as the text that it is written as."""
    if block["type"] == "text":
        return estimate(block["text"])
    if block["type"] == "image":
        return IMAGE_TOKENS
    if block["type"] == "tool_result":
        return sum(map(_block_tokens, block["content"])) + MESSAGE_TOKENS
    return estimate(json.dumps(block, ensure_ascii=False))


def _text(message: Mapping[str, Any]) -> str:
    """The text of a wire message, without thinking, tool calls and white space at its ends."""
    content = message.get("content")
    if isinstance(content, str):
        return content.strip()
    blocks = content if isinstance(content, (list, tuple)) else ()
    texts = [str(b.get("text") or "") for b in blocks if isinstance(b, Mapping) and b.get("type") == "text"]
    return "\n\n".join(t.strip() for t in texts if t.strip())


def _time_note(sent_ms: int, zone: tzinfo | None) -> str:
    at = datetime.fromtimestamp(sent_ms / 1000, zone).astimezone(zone)
    return f"<time>{at:%Y-%m-%d %H:%M %z}</time>"


def _prompt_tokens(message: Mapping[str, Any]) -> int:
    usage = message.get("usage")
    if not isinstance(usage, Mapping):
        return 0
    return sum(int(usage.get(part) or 0) for part in ("input", "cacheRead", "cacheWrite"))


def _question_last(pieces: list[_Piece]) -> None:
    """Move what was injected after the newest user message in front of it: a request must not end with a reply."""
    last = max((i for i, piece in enumerate(pieces) if piece.asks), default=-1)
    if 0 <= last < len(pieces) - 1 and not any(piece.results for piece in pieces[last:]):
        pieces.append(pieces.pop(last))


def _ratio(pieces: Sequence[_Piece], fixed: int, room: int) -> float:
    """Real tokens per estimated one, from the newest reply that was given the whole conversation up to it.

    From the point on where the conversation no longer fitted, replies were given only a part of it, and their counts
    say nothing about all of it.
    """
    estimated, ratio = fixed, 1.0
    for piece in pieces:
        if estimated * ratio > room:
            break
        if piece.prompt_tokens:
            ratio = min(max(piece.prompt_tokens / estimated, RATIO_MIN), RATIO_MAX)
        estimated += piece.tokens
    return ratio


def _start(pieces: Sequence[_Piece], room: int) -> int:
    """The index of the first piece to send: a user message; the newest one is sent however large it is.

    Of all the user messages from which on the rest takes between ``1 - SLACK`` and all of ``room``, it is the one with
    the smallest checksum: a choice that depends on the messages alone, so that the next turns make the same one until
    it no longer fits (the trick of content-defined chunking).
    """
    after = [*accumulate(piece.tokens for piece in reversed(pieces))][::-1]  # tokens from each piece to the end
    if not after or after[0] <= room:
        return 0
    fitting = [i for i, piece in enumerate(pieces) if piece.asks and after[i] <= room]
    if not fitting:
        return max((i for i, piece in enumerate(pieces) if piece.asks), default=len(pieces) - 1)
    stable = [i for i in fitting if after[i] >= room * (1 - SLACK)] or fitting[:1]
    return min(stable, key=lambda i: zlib.crc32(_digest(pieces[i])))


def _digest(piece: _Piece) -> bytes:
    return "".join(str(block.get("text", "")) for block in piece.blocks[-1:]).encode("utf-8", "surrogatepass")


def _merged(pieces: Sequence[_Piece]) -> list[dict[str, Any]]:
    """One message for each run of pieces of one role: the files of each, which read better in front, then its texts."""
    messages: list[dict[str, Any]] = []
    for piece in pieces:
        if not messages or messages[-1]["role"] != piece.role:
            messages.append({"role": piece.role, "content": []})
        messages[-1]["content"] += [block for file in piece.files for block in file.blocks]
        messages[-1]["content"] += piece.blocks
    return messages
