"""Wire forms of stored things: session entries, message texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ..agent.model_catalog import Model, UnknownModel
from ..agent.providers.base import Usage
from ..i18n import catalogue
from ..protocol.citations import joined
from ..protocol.clock import now_ms
from ..protocol.errors import GatewayError
from ..protocol.keys import is_temporary
from ..store.api import Message, Session
from ..store.plain_words import without_marks

t = catalogue("gateway")


def text_of(message: Mapping[str, Any]) -> str:
    """The text blocks of a wire message, joined."""
    return joined(message.get("content", ()))


def decode(message: Message) -> dict[str, Any]:
    """The wire message as Python values."""
    value: dict[str, Any] = msgspec.json.decode(message.body)
    return value


def assistant_message(text: str, **fields: Any) -> dict[str, Any]:
    """An assistant's wire message that no model wrote."""
    return {"role": "assistant", "content": [{"type": "text", "text": text}], "timestamp": now_ms(), **fields}


def wire_usage(usage: Usage, cost: Mapping[str, float]) -> dict[str, Any]:
    """Tokens and cost in wire form."""
    return {
        "input": usage.input,
        "output": usage.output,
        "cacheRead": usage.cache_read,
        "cacheWrite": usage.cache_write,
        "totalTokens": usage.input + usage.output + usage.cache_read + usage.cache_write,
        "cost": cost,
    }


CLAWDBOT_FIELDS: Mapping[str, Any] = {
    "chatType": "direct",
    "abortedLastRun": False,
    "origin": {"provider": "webchat", "surface": "webchat", "chatType": "direct"},
    "deliveryContext": {"channel": "webchat"},
    "lastChannel": "webchat",
}
"""The fields that Clawdbot's clients read in a row of ``sessions.list`` and that are the same for every session."""


HANDS_SETTINGS = frozenset({"handsMode", "handsNotebook", "handsUntilMs"})
"""Settings that an entry shows as ``hands``, as they are in force."""


def session_entry(
    session: Session,
    *,
    model: Model,
    running: bool,
    queued: int,
    hands: Mapping[str, Any],
    titles: bool = True,
    last_message: bool = True,
) -> dict[str, Any]:
    """One session for clients; settings appear under the names that ``sessions.patch`` takes."""
    entry: dict[str, Any] = {
        "key": session.key,
        "kind": "direct",
        "sessionId": session.session_id,
        "epoch": session.epoch,
        "updatedAt": session.updated_at,
        "createdAt": session.created_at,
        "systemSent": session.message_count > 0,
        "modelProvider": model.provider,
        "model": model.id,
        "modelName": model.name,
        "contextTokens": model.context_window,
        "inputTokens": session.input_tokens,
        "outputTokens": session.output_tokens,
        "totalTokens": session.input_tokens + session.output_tokens,
        "messageCount": session.message_count,
        "cost": session.total_cost,
        "running": running,
        "queued": queued,
        "hands": hands,
    }
    if is_temporary(session.key):
        entry["temporary"] = True
    for name, value in session.settings.items():
        if name == "title" or name in HANDS_SETTINGS:
            continue
        if name == "model":
            entry["modelOverride"] = value
        elif value is not None:
            entry[name] = value
    if label := session.settings.get("label"):
        entry["displayName"] = label
    if titles and (title := given_title(session) or without_marks(session.title)):
        entry["derivedTitle"] = title
    if last_message and session.preview:
        entry["lastMessagePreview"] = session.preview
    return entry


def given_title(session: Session) -> str:
    """The title that the model gave (``titles``), as long as the conversation begins as it did then."""
    given = session.settings.get("title")
    return str(given["text"]) if isinstance(given, Mapping) and given.get("first") == session.title else ""


def preview_items(messages: Sequence[Message], max_chars: int) -> list[dict[str, str]]:
    """The items of ``sessions.preview``: role and shortened text."""
    items = []
    for stored in messages:
        text = " ".join(text_of(decode(stored)).split())
        if text:
            role = "tool" if stored.role == "toolResult" else stored.role
            items.append({"role": role, "text": text if len(text) <= max_chars else text[: max_chars - 1] + "…"})
    return items


def explain(locale: str | None, error: GatewayError) -> str:
    """An error for people, in their language where the catalogue has it; the wire's own message is English."""
    if isinstance(error, UnknownModel):
        near = ", ".join(f"`{spec}`" for spec in error.facts["suggestions"])
        key = f"error.{error.reason}.near" if near else f"error.{error.reason}"
        return t(locale, key, spec=error.facts["spec"], near=near)
    return error.message
