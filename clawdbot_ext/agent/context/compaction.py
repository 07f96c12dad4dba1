"""Compaction: a conversation goes on from a summary of its older part.

A compaction is a stored message with a ``compaction`` object: ``summary``, and ``after``, the sequence number up to
which the summary stands for what was said. The messages stay where they are; only what the model is sent changes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..model_catalog import Model
from ..providers.base import Provider, ProviderError, Reply, TurnRequest, Usage
from ..turn import run_turn
from .builder import build
from .token_estimate import estimate

SUMMARY_TOKENS = 4096
"""The longest summary."""
AT_PART = 0.85
"""Share of the window at which a conversation is compacted automatically."""
KEPT_PART = 0.2
"""Share of the window for the newest messages, which such a compaction leaves as they are."""

_SYSTEM = (
    "You write the summary from which a conversation between a user and an assistant will be continued, after the "
    "conversation itself is out of sight. Keep what the rest depends on: what the user wants and why, facts, names, "
    "numbers, file names, code and commands that still matter, decisions and their reasons, what was tried and failed, "
    "open questions and promises. Leave out courtesies and what was superseded. Write in the user's language, in short "
    "paragraphs or lists, and nothing but the summary."
)
_ASK = "Summarise this conversation."
_FOCUS = "Above all keep: {instructions}"


@dataclass(frozen=True)
class Split:
    """The part of a conversation to summarise: ``old``, up to the message number ``after``."""

    old: Sequence[Mapping[str, Any]]
    after: int


def effective(stored: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The conversation as it goes on since the newest compaction: its summary as the first message, then what is newer.

    ``stored`` are wire messages with ``seq``, oldest first. Token counts of replies that were given the older part say
    nothing about the rest, so they are taken out.
    """
    newest = next((m for m in reversed(stored) if isinstance(m.get("compaction"), Mapping)), None)
    if newest is None:
        return list(stored)
    facts = newest["compaction"]
    first = {
        "role": "user",
        "seq": facts["after"],
        "timestamp": newest.get("timestamp", 0),
        "content": [{"type": "text", "text": f"<summary>\n{facts['summary']}\n</summary>"}],
    }
    rest = [
        {name: value for name, value in m.items() if name != "usage"} if m["seq"] < newest["seq"] else m
        for m in stored
        if m["seq"] > facts["after"] and m is not newest
    ]
    return [first, *rest]


def split(messages: Sequence[Mapping[str, Any]], keep_tokens: int) -> Split | None:
    """Select the messages to summarise: all but the newest that fit ``keep_tokens`` (0: all). ``None``: there are none.

    What is kept begins with a user message; with ``keep_tokens`` the newest one always stays.
    """
    cut = len(messages)
    if keep_tokens:
        tokens = 0
        for index in range(len(messages) - 1, -1, -1):
            tokens += estimate(json.dumps(messages[index].get("content", ""), ensure_ascii=False))
            if tokens > keep_tokens and cut < len(messages):
                break
            if messages[index].get("role") == "user":
                cut = index
    old = messages[:cut]
    if not any(m.get("role") == "assistant" and not m.get("command") for m in old):
        return None
    return Split(old, int(old[-1]["seq"]))


@dataclass(frozen=True)
class Summary:
    text: str
    usage: Usage


async def summarise(
    provider: Provider, model: Model, old: Sequence[Mapping[str, Any]], *, instructions: str = "", locale: str = "en"
) -> Summary | None:
    """Have the model summarise messages; of a conversation beyond its window, the newest part. ``None`` if there is
    nothing that it could be told of (the demo's answers are not).

    Raises:
        ProviderError: it failed, or wrote nothing.
    """
    max_tokens = min(SUMMARY_TOKENS, model.max_output)
    fitted = build(
        [*old, {"role": "user", "content": _ASK}],
        system=_SYSTEM,
        window=model.context_window,
        max_output=max_tokens,
        locale=locale,
    )
    text = "\n\n".join(
        f"<{m['role']}>\n" + "\n\n".join(map(_said, m["content"])) + f"\n</{m['role']}>" for m in fitted.messages
    )
    if not any(m["role"] == "assistant" for m in fitted.messages):
        return None
    focus = [_FOCUS.format(instructions=instructions)] if instructions else []
    request = TurnRequest(
        model=model.id,
        system=_SYSTEM,
        max_tokens=max_tokens,
        locale=locale,
        messages=[{"role": "user", "content": [{"type": "text", "text": "\n\n".join([text, *focus])}]}],
    )
    reply = Reply()
    outcome = await run_turn(provider, request, reply, lambda event: None)
    if outcome.state != "done" or not reply.text.strip():
        facts = outcome.error or {}
        raise ProviderError(str(facts.get("kind", "protocol")), outcome.message or "the summary is empty")
    return Summary(reply.text.strip(), reply.usage)


def _said(block: Mapping[str, Any]) -> str:
    """A block as text: a tool's call and its result as the data that they are."""
    return str(block["text"]) if block.get("type") == "text" else json.dumps(block, ensure_ascii=False)
