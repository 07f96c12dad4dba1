"""Pieces of a conversation: one for each stored message as it is sent to the model, before it is made to fit.

Everything here depends on what is stored alone, not on the client that asks now, so that a piece reads the same in
every request. Notes for the model are in English for that reason.
"""

from __future__ import annotations

import json
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo
from functools import cached_property
from operator import is_
from typing import Any, NamedTuple

from .attachments import AttachmentContent, named
from .history import blocks_of, is_thinking, model_blocks, result_content, server_ids
from .token_estimate import estimate

DEMO = "demo"
"""The name of the provider that is a script."""

MESSAGE_TOKENS = 8
"""Tokens that the API adds to each message for its role, and to each tool result for its frame."""
IMAGE_TOKENS = 1600
"""Tokens of an image in a tool's result: the most that the API counts for one."""
SIGNATURE_CHARS_PER_TOKEN = 5
"""A signature holds the thinking itself, encrypted, whatever is shown of it."""
TIME_GAP_MS = 30 * 60 * 1000
"""A user message gets a note of its time when it is the first, or this much later than the one before."""
LANGUAGES = {"en": "English", "ko": "Korean"}

ABORTED = "[The user stopped this reply here.]"
_UNFINISHED = {
    "aborted": ABORTED,
    "interrupted": "[This reply was cut off here by a lost connection.]",
    "error": "[This reply ended here because of an error.]",
}
"""Stop reasons of replies that the model is told were not finished, and how."""
REFUSED = "[A message was left out here with the reply to it: the model had declined to answer it.]"
UNKNOWN = "Cut off: it is not known whether this was carried out. Check before you try it again."
"""The result of a call that has none."""


@dataclass(slots=True)
class Piece:
    """One stored message as it will be sent. Never changed once it is made, since later requests may be made of it."""

    role: str
    blocks: list[dict[str, Any]]
    """As the Messages API takes them."""
    prompt_tokens: int = 0
    """Of a reply: how many tokens the provider counted in the request that it answers."""
    files: Sequence[AttachmentContent] = ()
    media: Sequence[Mapping[str, Any]] = ()
    """The stored blocks that ``files`` are for."""
    results: bool = False
    """Tool results: they belong to the reply before them, and no context can begin with them."""
    prompt_digest: str = ""
    """Of a reply: the digest of the prompt that its thinking is bound to."""
    paused: bool = False
    """A reply that the provider wants back to go on with it."""
    run_id: str = ""
    tokens: int = field(init=False)

    def __post_init__(self) -> None:
        self.tokens = MESSAGE_TOKENS
        for block in self.blocks:
            self.tokens += block_tokens(block)
        for file in self.files:
            self.tokens += file.tokens

    @property
    def asks(self) -> bool:
        """Something that a person said."""
        return self.role == "user" and not self.results

    @property
    def thinks(self) -> bool:
        return any(map(is_thinking, self.blocks))


def block_tokens(block: Mapping[str, Any]) -> int:
    """The estimate for one block; what is neither text nor image counts as the text that it is written as."""
    kind = block["type"]
    if kind == "text":
        return estimate(block["text"])
    if kind == "image":
        return IMAGE_TOKENS
    if kind == "tool_result":
        return sum(map(block_tokens, block["content"])) + MESSAGE_TOKENS
    if is_thinking(block):
        hidden = len(block.get("signature") or block.get("data") or "") // SIGNATURE_CHARS_PER_TOKEN
        return max(estimate(block.get("thinking") or ""), hidden)
    return estimate(json.dumps(block, ensure_ascii=False))


def pieces_of(
    stored: Sequence[Mapping[str, Any]],
    *,
    zone: tzinfo | None = None,
    shown: Mapping[str, AttachmentContent] | None = None,
    provider: str = "",
    vision: bool = True,
    memo: PieceMemo | None = None,
) -> list[Piece]:
    """The messages that belong to the conversation: no command's answer, nothing empty, no other role.

    What the demo was asked and said is not part of it: a model must not take its script for its own words. Nor is a
    turn that a model refused: the models' safety rules look at the whole conversation, which would be refused again.

    Args:
        shown: attachments by media id, as the model gets them; others are named and no more.
        provider: the one that is asked now; empty: whichever wrote the replies.
        vision: the model takes images in tool results.
        memo: of an earlier call for the same conversation; what it has of this one is not made again.
    """
    maker = _Maker(zone, shown or {}, provider, vision, _Answered(stored))
    results = {str(m.get("toolCallId")): m for m in stored if m.get("role") == "toolResult"}
    begin, keep_at = 0, -1
    if memo is not None:
        begin = memo.restore(maker, stored)
        keep_at = next((n for n in range(len(stored) - 1, begin, -1) if stored[n].get("role") == "user"), -1)
    for number in range(begin, len(stored)):
        message = stored[number]
        if memo is not None and number == keep_at:
            memo.keep(maker, stored[:number], stored[number:])
        if message.get("role") == "assistant":
            maker.reply(message, results)
        elif message.get("role") == "user":
            maker.question(message)
    return maker.pieces


class _Answered(Container[str]):
    """Ids of calls of the provider's own tools that may be sent: those with a result, and the one that waits for it.

    Looked for when the first such call is met: few conversations have any."""

    def __init__(self, stored: Sequence[Mapping[str, Any]]) -> None:
        self._stored = stored

    def __contains__(self, call_id: object) -> bool:
        return call_id in self._ids

    @cached_property
    def _ids(self) -> set[str]:
        stored = self._stored
        found = {id_ for message in stored for id_ in server_ids(message.get("content"), "tool_use_id")}
        if stored and stored[-1].get("role") == "assistant":
            found |= set(server_ids(stored[-1].get("content"), "id"))
        return found


class _Begun(NamedTuple):
    """The pieces of the first messages of a conversation."""

    stored: Sequence[Mapping[str, Any]]
    options: tuple[Any, ...]
    pieces: Sequence[Piece]
    """Without ``files``: whether and how an attachment is shown is decided for each request."""
    with_files: Sequence[int]
    calls: frozenset[str]
    state: tuple[int, str, bool]


class PieceMemo:
    """The pieces up to the newest question of a conversation, for the next request, which begins with them.

    They are used again if the same messages (the objects themselves) come first, and nothing that follows, then or now,
    is the result of a call among them."""

    _begun: _Begun | None = None  # replaced as a whole: a request that was given up may still be written in its thread

    def keep(self, maker: _Maker, stored: Sequence[Mapping[str, Any]], rest: Sequence[Mapping[str, Any]]) -> None:
        """Keep what has been made of ``stored``, unless it depends on the ``rest``."""
        if not maker.calls.isdisjoint(_answers(rest)):
            return
        with_files = [number for number, piece in enumerate(maker.pieces) if piece.media]
        pieces = list(maker.pieces)
        for number in with_files:
            pieces[number] = replace(pieces[number], files=())
        self._begun = _Begun(stored, maker.options, pieces, with_files, frozenset(maker.calls), maker.state)

    def restore(self, maker: _Maker, stored: Sequence[Mapping[str, Any]]) -> int:
        """Put what is kept into a new maker, if it is of use; returns the number of messages that it is made of."""
        begun = self._begun
        if begun is None or begun.options != maker.options or not starts_with(stored, begun.stored):
            return 0
        known = len(begun.stored)
        if not begun.calls.isdisjoint(_answers(stored[known:])):
            return 0
        maker.pieces, maker.calls, maker.state = list(begun.pieces), set(begun.calls), begun.state
        for number in begun.with_files:
            piece = begun.pieces[number]
            maker.pieces[number] = replace(piece, files=maker.files(piece.media))
        return known


def starts_with(values: Sequence[object], first: Sequence[object]) -> bool:
    """Report whether ``values`` begin with the very objects of ``first``."""
    return len(first) <= len(values) and all(map(is_, first, values))


def _answers(stored: Sequence[Mapping[str, Any]]) -> set[str]:
    """Ids of the calls that the messages have results of, or that are made in them of the provider's own tools."""
    results = {str(message.get("toolCallId")) for message in stored if message.get("role") == "toolResult"}
    contents = [message.get("content") for message in stored]
    return results.union(*(server_ids(each, field) for each in contents for field in ("id", "tool_use_id")))


class _Maker:
    def __init__(
        self,
        zone: tzinfo | None,
        shown: Mapping[str, AttachmentContent],
        provider: str,
        vision: bool,
        answered: Container[str],
    ) -> None:
        self.pieces: list[Piece] = []
        self.calls: set[str] = set()
        """Ids of all calls, of the provider's own tools too: their pieces depend on results that may come later."""
        self._zone, self._shown, self._provider, self._vision = zone, shown, provider, vision
        self._answered = answered
        self._last_ms = 0
        self._language = ""
        self._refused = False

    @property
    def options(self) -> tuple[Any, ...]:
        """All that every piece depends on beside the messages."""
        return self._zone, self._provider, self._vision

    @property
    def state(self) -> tuple[int, str, bool]:
        """All that the next piece depends on beside the pieces before it."""
        return self._last_ms, self._language, self._refused

    @state.setter
    def state(self, state: tuple[int, str, bool]) -> None:
        self._last_ms, self._language, self._refused = state

    def reply(self, message: Mapping[str, Any], results: Mapping[str, Mapping[str, Any]]) -> None:
        if message.get("demo") and self._provider != DEMO:
            while self.pieces and self.pieces[-1].role == "user":
                self.pieces.pop()
            return
        stop = str(message.get("stopReason"))
        if stop == "refusal":
            self._take_back()
            return
        self.calls.update(server_ids(message.get("content"), "id"))
        same = self._provider in ("", message.get("provider"))
        command = bool(message.get("command"))
        blocks = [] if command else model_blocks(message.get("content"), same_provider=same, answered=self._answered)
        if stop in _UNFINISHED and not command:
            blocks = _noted(blocks, _UNFINISHED[stop], alone=bool(self.pieces) and self.pieces[-1].results)
        if not any(not is_thinking(block) for block in blocks):
            return
        calls = [block for block in blocks if block["type"] == "tool_use"]
        self.pieces.append(
            Piece(
                "assistant",
                blocks,
                _prompt_tokens(message),
                prompt_digest=str(message.get("promptDigest") or ""),
                paused=stop == "toolUse" and not calls,
                run_id=str(message.get("runId") or ""),
            )
        )
        if calls:
            self.calls.update(str(call["id"]) for call in calls)
            made = [self._result(str(call["id"]), results) for call in calls]
            self.pieces.append(Piece("user", made, results=True, run_id=str(message.get("runId") or "")))

    def question(self, message: Mapping[str, Any]) -> None:
        text, media = [], []
        for block in blocks_of(message.get("content")):
            if said := str(block.get("text") or "").strip():
                text.append(said)
            if isinstance(block.get("mediaId"), str):
                media.append(block)
        if not text and not media:
            return
        run_id = str(message.get("foldedInto") or message.get("runId") or "")
        before = self.pieces[-1] if self.pieces else None
        if before is not None and before.results and before.run_id != run_id:
            self.pieces.append(Piece("assistant", _texts(ABORTED)))
        parts = [*self._notes(message), "\n\n".join(text)]
        blocks, files = _texts(*filter(None, parts)), self.files(media)
        self.pieces.append(Piece("user", blocks, files=files, media=media, run_id=run_id))

    def files(self, media: Sequence[Mapping[str, Any]]) -> list[AttachmentContent]:
        """The attachments as they are shown in this request."""
        return [self._shown.get(block["mediaId"]) or named(block) for block in media]

    def _take_back(self) -> None:
        """Leave out a turn that was refused: the reply's steps, and what a person said before."""
        while self.pieces and not self.pieces[-1].asks:
            self.pieces.pop()
        if self.pieces:
            self.pieces.pop()
        self._refused = True

    def _notes(self, message: Mapping[str, Any]) -> list[str]:
        """Notes in front of what a person said: time, language of their interface, notices."""
        notes = []
        sent_ms = int(message.get("timestamp") or 0)
        if sent_ms - self._last_ms >= TIME_GAP_MS:
            notes.append(_time_note(sent_ms, self._zone))
        self._last_ms = sent_ms or self._last_ms
        given = message.get("notes")
        given = given if isinstance(given, Mapping) else {}
        language = LANGUAGES.get(str(given.get("language")), "")
        if language and language != self._language:
            notes.append(f"<interface-language>{language}</interface-language>")
            self._language = language
        if self._refused:
            notes.append(REFUSED)
            self._refused = False
        if notices := [str(notice) for notice in given.get("notices") or ()]:
            notes.append("<notices>\n" + "\n".join(notices) + "\n</notices>")
        if instructions := str(given.get("instructions") or "").strip():
            notes.append(f"<instructions>\n{instructions}\n</instructions>")
        return notes

    def _result(self, call_id: str, results: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """The result of a call; the API wants one for each, so a call without is reported as cut off."""
        found = results.get(call_id)
        if found is None:
            found = {"content": UNKNOWN, "isError": True}
        content = result_content(found, vision=self._vision)
        block = {"type": "tool_result", "tool_use_id": call_id, "content": content}
        return {**block, "is_error": True} if found.get("isError") else block


def _noted(blocks: list[dict[str, Any]], note: str, *, alone: bool) -> list[dict[str, Any]]:
    """An unfinished reply with a note behind its last text; of one without text the note ``alone``, or nothing."""
    said = [block for block in blocks if not is_thinking(block)]
    if said and said[-1]["type"] == "text":
        return [*said[:-1], {"type": "text", "text": f"{said[-1]['text'].rstrip()}\n\n{note}"}]
    return [*said, *_texts(note)] if said or alone else []


def _texts(*texts: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": text} for text in texts]


def _time_note(sent_ms: int, zone: tzinfo | None) -> str:
    at = datetime.fromtimestamp(sent_ms / 1000, zone).astimezone(zone)
    return f"<time>{at:%A %Y-%m-%d %H:%M %z}</time>"


def _prompt_tokens(message: Mapping[str, Any]) -> int:
    usage = message.get("usage")
    if not isinstance(usage, Mapping):
        return 0
    return sum(int(usage.get(part) or 0) for part in ("input", "cacheRead", "cacheWrite"))
