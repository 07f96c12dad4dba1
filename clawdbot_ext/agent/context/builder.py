"""Builder of the model's context: stored wire messages in, Messages API messages out.

The Messages API wants a user message first and last, no empty text, and fewer tokens than the model's window. When a
conversation outgrows the window, older tool results are shortened first (``budget``); then its oldest part is left out,
and a good deal at once: were it one message at a time, every turn would begin differently and the provider's prompt
cache would never hit.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from itertools import accumulate
from typing import Any, NamedTuple

from ..providers.base import ToolSpec
from .attachments import AttachmentContent
from .budget import fit_results
from .history import PromptDigest, is_thinking
from .pieces import MESSAGE_TOKENS, Piece, PieceMemo, pieces_of, starts_with
from .token_estimate import estimate

MARGIN = 0.03
"""Part of the window left free, since the count is an estimate."""
SLACK = 0.3
"""Share of the room that may stay unused so that the beginning stays the same for many turns."""

BEGIN = "[The conversation begins with the following note.]"
_BEGIN = Piece("user", [{"type": "text", "text": BEGIN}])


@dataclass(frozen=True)
class Fitted:
    """The messages to send."""

    messages: list[dict[str, Any]]
    dropped: int
    """Number of messages left out at the beginning for lack of room."""
    tokens: int
    """The estimate for ``messages`` and the system prompt, corrected by what earlier replies really used."""
    digest: str = ""
    """The digest of the whole prompt, to which the thinking in the reply will be bound."""


class _Begun(NamedTuple):
    """The messages that the first pieces of a conversation became."""

    pieces: Sequence[Piece]
    messages: Sequence[dict[str, Any]]
    fixed: str
    """The digest of what stands before the messages."""
    digest: PromptDigest


class PromptMemo:
    """Parts of the request that was made last for a conversation, for the next one, which mostly begins with them.

    With one or without, the same request is made; it only takes less time."""

    def __init__(self) -> None:
        self.pieces = PieceMemo()
        self._begun: _Begun | None = None  # replaced as a whole, as there

    def keep(self, pieces: Sequence[Piece], messages: Sequence[dict[str, Any]], fixed: str, all_: PromptDigest) -> None:
        """Keep what ``pieces`` became: ``messages``, the last of which is complete, and the digest of it ``all_``.

        Nothing with files, which are made anew for each request and may be megabytes."""
        self._begun = None
        if not any(piece.files for piece in pieces):
            self._begun = _Begun(pieces, list(messages), fixed, all_.copy())

    def begun(self, pieces: Sequence[Piece], fixed: PromptDigest) -> tuple[int, list[dict[str, Any]], PromptDigest]:
        """The number of the pieces that are done, the messages that they became, and the digest with them."""
        begun = self._begun
        if begun is None or begun.fixed != fixed.value() or not starts_with(pieces, begun.pieces):
            return 0, [], fixed.copy()
        known = len(begun.pieces)
        if known < len(pieces) and pieces[known].role == begun.messages[-1]["role"]:  # they would be one message
            return 0, [], fixed.copy()
        return known, list(begun.messages), begun.digest.copy()


def build(
    stored: Sequence[Mapping[str, Any]],
    *,
    system: str = "",
    window: int,
    max_output: int,
    model: str = "",
    provider: str = "",
    tools: Sequence[ToolSpec] = (),
    zone: tzinfo | None = None,
    shown: Mapping[str, AttachmentContent] | None = None,
    vision: bool = True,
    tighter: float = 1.0,
    answering: bool = True,
    memo: PromptMemo | None = None,
) -> Fitted:
    """The conversation as the model gets it, its newest part if it is too long.

    Args:
        stored: wire messages, oldest first, the message to be answered last.
        system, tools: the rest of the prompt, whose tokens count too.
        window, max_output: the model's limits in tokens; ``max_output`` is what the reply may use.
        model, provider: the one that is asked; thinking is sent only to the model that thought it.
        zone: of the time notes; the machine's own where absent.
        shown: attachments by media id, as the model gets them; others are named and no more.
        vision: the model takes images in tool results.
        tighter: part of the room that is used, when the estimate was too low and the provider refused the request.
        answering: it ends with what a person said or a tool gave back. What was injected behind that is left for the
            next turn, so that this request and the next ones begin alike.
        memo: of this conversation.
    """
    memo = memo or PromptMemo()
    pieces = pieces_of(stored, zone=zone, shown=shown, provider=provider, vision=vision, memo=memo.pieces)
    while answering and pieces and pieces[-1].role == "assistant" and not pieces[-1].paused:
        if not any(piece.asks for piece in pieces):
            break
        pieces.pop()
    fixed = estimate(system) + MESSAGE_TOKENS + sum(map(_tool_tokens, tools))
    room = max(1, int((window - min(max_output, window // 2) - int(window * MARGIN)) * tighter))
    ratio = fit_results(pieces, fixed, room)
    start = _start(pieces, int(room / ratio) - fixed)
    kept = pieces[start:]
    if kept and kept[0].role != "user":  # injected before the first message of a user
        kept.insert(0, _BEGIN)
    messages, digest = _merged(kept, PromptDigest(model, system, tools), memo)
    tokens = int((fixed + sum(piece.tokens for piece in kept)) * ratio)
    return Fitted(messages, start, tokens, digest)


def _tool_tokens(tool: ToolSpec) -> int:
    return estimate(f"{tool.name}{tool.description}{json.dumps(tool.parameters)}") + MESSAGE_TOKENS


def _start(pieces: Sequence[Piece], room: int) -> int:
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
    return min(stable, key=lambda i: zlib.crc32(_checked(pieces[i])))


def _checked(piece: Piece) -> bytes:
    return "".join(str(block.get("text", "")) for block in piece.blocks[-1:]).encode("utf-8", "surrogatepass")


def _merged(pieces: Sequence[Piece], fixed: PromptDigest, memo: PromptMemo) -> tuple[list[dict[str, Any]], str]:
    """One message for each run of pieces of one role: the files of each, which read better in front, then its texts.

    A reply keeps its thinking where everything before it is what it was bound to, and then is a message of its own.
    ``fixed`` is the digest of what stands before the messages; returns them, and the digest of all.
    """
    begin, messages, digest = memo.begun(pieces, fixed)
    counted = len(messages)
    keep_at = next(
        (n for n in range(len(pieces) - 1, begin, -1) if pieces[n].asks and pieces[n].role != pieces[n - 1].role), -1
    )
    for number in range(begin, len(pieces)):
        piece = pieces[number]
        blocks = [*(block for file in piece.files for block in file.blocks), *piece.blocks]
        alone = False
        if piece.thinks or number == keep_at:
            for message in messages[counted:]:
                digest.add(message)
            counted = len(messages)
        if number == keep_at:
            memo.keep(pieces[:number], messages, fixed.value(), digest)
        if piece.thinks:
            alone = bool(piece.prompt_digest) and digest.value() == piece.prompt_digest
            if not alone:
                blocks = [block for block in blocks if not is_thinking(block)]
        if alone or not messages or messages[-1]["role"] != piece.role:
            messages.append({"role": piece.role, "content": []})
        messages[-1]["content"] += blocks
    for message in messages[counted:]:
        digest.add(message)
    return messages, digest.value()
