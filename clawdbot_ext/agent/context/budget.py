"""The budget of a conversation full of tool results: older results are shortened before anything else is given up.

The decision is made going forward through the pieces, as if each request had been made in turn: when the estimate
passes ``SHORTEN_AT`` of the room, the oldest results are shortened until it is below ``SHORTEN_TO``. What is decided at
a piece depends only on those before it, so the next request decides the same and begins as this one did.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from .pieces import Piece
from .token_estimate import ASCII_TOKENS, estimate

SHORTEN_AT, SHORTEN_TO = 0.7, 0.45
"""Parts of the room."""
RESULT_PART = 0.35
"""Part of the room that the results of one step may take together."""
KEPT_CHARS = 400
"""Of a result that is shortened because it is old, its beginning; half as much of its end."""
RATIO_MIN, RATIO_MAX = 0.5, 3.0
"""Bounds of the ratio of real token counts to the estimate."""


def fit_results(pieces: list[Piece], fixed: int, room: int) -> float:
    """Put shorter pieces in the place of those with tool results, as far as is needed.

    Args:
        fixed: estimated tokens beside the pieces: tools and system prompt.
        room: real tokens for everything that is sent.

    Returns:
        Real tokens for each estimated one, from the newest reply that was given the whole conversation up to it. From
        the point on where the conversation no longer fitted, replies were given only a part of it, and their counts say
        nothing about all of it.
    """
    total, ratio, whole = fixed, 1.0, True
    oldest = 0
    """Pieces before this one have been shortened."""
    for number, piece in enumerate(pieces):
        whole = whole and total * ratio <= room
        if whole and piece.prompt_tokens:
            ratio = min(max(piece.prompt_tokens / max(1, total), RATIO_MIN), RATIO_MAX)
        if piece.results:
            pieces[number] = _cut(piece, int(room * RESULT_PART / ratio))
        total += pieces[number].tokens
        if total * ratio <= room * SHORTEN_AT:
            continue
        while oldest < number and total * ratio > room * SHORTEN_TO:
            before = pieces[oldest]
            pieces[oldest] = _shorten(before)
            total -= before.tokens - pieces[oldest].tokens
            oldest += 1
    return ratio


def _cut(piece: Piece, most: int) -> Piece:
    """The results of one step, cut to ``most`` tokens together, the longest ones first."""
    if piece.tokens <= most:
        return piece
    share = max(KEPT_CHARS, int(most / len(piece.blocks) / ASCII_TOKENS))
    piece = _each(piece, lambda part: _middle_out(part, share))
    if piece.tokens > most:  # not prose: a token takes fewer characters
        less = max(KEPT_CHARS, share // 3)
        piece = _each(piece, lambda part: _middle_out(part, less))
    return piece


def _each(piece: Piece, changed: Callable[[dict[str, Any]], dict[str, Any]]) -> Piece:
    """The piece with each part of its results ``changed``."""
    blocks = [{**block, "content": [changed(part) for part in block["content"]]} for block in piece.blocks]
    return replace(piece, blocks=blocks)


def _middle_out(part: dict[str, Any], chars: int) -> dict[str, Any]:
    """A part of a result, of whose text no more than ``chars`` are left: its beginning and its end."""
    text = part.get("text", "")
    if part["type"] != "text" or len(text) <= chars:
        return part
    head = chars * 2 // 3
    tail = chars - head
    note = f"[… {len(text) - head - tail:,} characters left out: the context is nearly full; ask for a smaller part …]"
    return {"type": "text", "text": f"{text[:head]}\n{note}\n{text[len(text) - tail :]}"}


def _shorten(piece: Piece) -> Piece:
    """The results of an old step, shortened; any other piece as it is."""
    return _each(piece, _old) if piece.results else piece


def _old(part: dict[str, Any]) -> dict[str, Any]:
    if part["type"] == "image":
        return {"type": "text", "text": "[An image was here; make the call again to see it.]"}
    text = part.get("text", "")
    if estimate(text) <= estimate("x" * KEPT_CHARS * 2):
        return part
    tail = KEPT_CHARS // 2
    note = f"[… {len(text) - KEPT_CHARS - tail:,} characters of this older result left out; make the call again …]"
    return {"type": "text", "text": f"{text[:KEPT_CHARS]}\n{note}\n{text[len(text) - tail :]}"}
