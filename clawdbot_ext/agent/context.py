"""What of a conversation is sent to the model: stored wire messages in, Messages API messages out.

The Messages API wants a user message first and last, no empty text, and fewer tokens than the model's window. What is
left out when a conversation outgrows the window is its oldest part, a quarter of the window at a time: were it one
message at a time, every turn would begin differently and the provider's prompt cache would never hit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any

from ..i18n import catalogue
from .tokens import estimate

MESSAGE_TOKENS = 8
"""What the API adds to each message for its role."""
MARGIN = 0.03
"""Part of the window left free, since the count is an estimate."""
STEP = 0.25
"""Part of the window by which the beginning is cut."""
TIME_GAP_S = 1800
"""A user message gets a note of its time when it is the first, or this much later than the one before."""
_RATIO_MIN, _RATIO_MAX = 0.6, 2.5

_UNFINISHED = frozenset({"aborted", "interrupted", "error"})
"""Stop reasons of replies that the model is told were not finished, by a note in the client's language."""
_t = catalogue("agent")


@dataclass(frozen=True)
class Fitted:
    """What to send."""

    messages: list[dict[str, Any]]
    dropped: int
    """How many messages of the beginning were left out for lack of room."""
    tokens: int
    """The estimate for ``messages`` and the system prompt, corrected by what the last reply really used."""


@dataclass
class _Piece:
    """One stored message as it will be sent."""

    role: str
    text: str
    tokens: int
    prompt_tokens: int = 0
    """Of an assistant's reply: how many tokens the provider counted in the request it answers."""


def build(
    stored: Sequence[Mapping[str, Any]],
    *,
    system: str = "",
    window: int,
    max_output: int,
    zone: tzinfo | None = None,
    locale: str = "en",
) -> Fitted:
    """The conversation as the model gets it, its newest part if it is too long.

    Args:
        stored: wire messages, oldest first, the message to be answered last.
        system: the system prompt, whose tokens count too.
        window, max_output: the model's limits in tokens; ``max_output`` is what the reply may use.
        zone: of the time notes; the machine's own where absent.
        locale: the language of the notes on unfinished replies.
    """
    pieces = list(_pieces(stored, zone, locale))
    _question_last(pieces)
    fixed = estimate(system) + MESSAGE_TOKENS
    ratio = _ratio(pieces, fixed)
    room = max(0, window - min(max_output, window // 2) - int(window * MARGIN))
    start = _start(pieces, int(room / ratio) - fixed, int(window * STEP / ratio))
    kept = pieces[start:]
    while kept and kept[0].role != "user":
        kept.pop(0)
    dropped = len(pieces) - len(kept)
    return Fitted(_merged(kept), dropped, int((fixed + sum(p.tokens for p in kept)) * ratio))


def _pieces(stored: Sequence[Mapping[str, Any]], zone: tzinfo | None, locale: str) -> Iterator[_Piece]:
    last_ms = 0
    for message in stored:
        role = message.get("role")
        if message.get("command") or role not in ("user", "assistant"):
            continue
        text = _text(message)
        if role == "assistant":
            stop = str(message.get("stopReason"))
            if text and stop in _UNFINISHED:
                text += "\n\n" + _t(locale, f"context.{stop}")
            if text:
                yield _Piece("assistant", text, _tokens(text), _prompt_tokens(message))
        elif text:
            sent_ms = int(message.get("timestamp") or 0)
            if sent_ms and sent_ms - last_ms >= TIME_GAP_S * 1000:
                at = datetime.fromtimestamp(sent_ms / 1000, zone).astimezone(zone)
                yield _Piece("user", f"<time>{at:%Y-%m-%d %H:%M %z}</time>", 20)
            last_ms = sent_ms or last_ms
            yield _Piece("user", text, _tokens(text))


def _text(message: Mapping[str, Any]) -> str:
    """The text of a wire message, without thinking, tool calls and white space at its ends."""
    content = message.get("content")
    if isinstance(content, str):
        return content.strip()
    blocks = content if isinstance(content, (list, tuple)) else ()
    texts = [str(b.get("text") or "") for b in blocks if isinstance(b, Mapping) and b.get("type") == "text"]
    return "\n\n".join(t.strip() for t in texts if t.strip())


def _tokens(text: str) -> int:
    return estimate(text) + MESSAGE_TOKENS


def _prompt_tokens(message: Mapping[str, Any]) -> int:
    usage = message.get("usage")
    if not isinstance(usage, Mapping):
        return 0
    return sum(int(usage.get(part) or 0) for part in ("input", "cacheRead", "cacheWrite"))


def _question_last(pieces: list[_Piece]) -> None:
    """Move what was injected after the newest user message in front of it: the API takes no reply as the last word."""
    last = next((i for i in range(len(pieces) - 1, -1, -1) if pieces[i].role == "user"), None)
    if last is not None and last < len(pieces) - 1:
        pieces.append(pieces.pop(last))


def _ratio(pieces: Sequence[_Piece], fixed: int) -> float:
    """Real tokens per estimated one, from the newest reply whose whole prompt is at hand.

    A reply that was given to a shortened conversation says nothing: more is at hand than was sent. It shows in a ratio
    that is too small to be true.
    """
    estimated, ratio = fixed, 1.0
    for piece in pieces:
        if piece.prompt_tokens:
            found = piece.prompt_tokens / estimated
            if found < _RATIO_MIN:
                break
            ratio = min(found, _RATIO_MAX)
        estimated += piece.tokens
    return ratio


def _start(pieces: Sequence[_Piece], room: int, step: int) -> int:
    """The index of the first piece to send; the newest user message is sent however large it is."""
    total = sum(piece.tokens for piece in pieces)
    if total <= room:
        return 0
    cut = step
    while step and total - cut > room:
        cut += step
    passed, index = 0, 0
    last = max((i for i, piece in enumerate(pieces) if piece.role == "user"), default=0)
    while index < last and passed < cut:
        passed += pieces[index].tokens
        index += 1
    return index


def _merged(pieces: Sequence[_Piece]) -> list[dict[str, Any]]:
    """One message for each run of pieces of one role, a text block for each piece."""
    messages: list[dict[str, Any]] = []
    for piece in pieces:
        if not messages or messages[-1]["role"] != piece.role:
            messages.append({"role": piece.role, "content": []})
        messages[-1]["content"].append({"type": "text", "text": piece.text})
    return messages
