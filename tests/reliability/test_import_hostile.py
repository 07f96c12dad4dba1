"""Hostile files: an import takes or refuses them, and what it took is a conversation like any other."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

from clawdbot_ext.agent.context.builder import build
from clawdbot_ext.gateway.sessions.import_formats import MAX_MS, read
from clawdbot_ext.protocol.errors import InvalidRequest
from clawdbot_ext.protocol.outside_json import parse
from clawdbot_ext.protocol.schema import SessionsImportParams
from clawdbot_ext.store.message_fields import encode
from tests.support.wire import run, wired

EXPORT: dict[str, Any] = {
    "format": "clawdbot-jupyter/conversation",
    "version": 1,
    "title": "T",
    "sessionId": "s",
    "messages": [
        {
            "id": "a",
            "seq": 1,
            "role": "user",
            "timestamp": 1_768_896_001_000,
            "content": [
                {"type": "image", "mediaId": "aaaaaaaaaaaa", "name": "x.png", "mimeType": "image/png", "size": 4},
                {"type": "text", "text": "hello"},
            ],
        },
        {
            "id": "b",
            "seq": 2,
            "role": "assistant",
            "timestamp": 1_768_896_002_000,
            "model": "m",
            "provider": "p",
            "stopReason": "toolUse",
            "content": [
                {"type": "thinking", "thinking": "hm"},
                {"type": "toolCall", "id": "t", "name": "exec", "arguments": {"command": "ls"}, "title": "List"},
            ],
        },
        {
            "id": "c",
            "seq": 3,
            "role": "toolResult",
            "toolCallId": "t",
            "toolName": "exec",
            "isError": False,
            "durationMs": 3,
            "content": [{"type": "text", "text": "a.csv"}],
        },
        {
            "id": "d",
            "seq": 4,
            "role": "assistant",
            "timestamp": 1_768_896_003_000,
            "content": "done",
            "demo": False,
            "label": "l",
            "command": "status",
            "notice": "n",
            "errorMessage": "e",
        },
    ],
    "branches": [{"id": "e", "seq": 5, "parentId": "a", "role": "assistant", "content": "other"}],
    "media": {"aaaaaaaaaaaa": {"mimeType": "image/png", "content": "AAAA"}},
}
ODD = [
    None,
    True,
    False,
    -1,
    0,
    2**53 - 1,
    10**30,
    1e300,
    -0.5,
    "",
    "x",
    "\ud800",
    "a\nb",
    [],
    [1],
    [[]],
    {},
    {"a": {}},
    {"type": "text"},
    {"type": "text", "text": 5},
    "toolResult",
    "a",
    9_007_199_254_740_000,
]
TEXTS = {
    "provider",
    "model",
    "stopReason",
    "errorMessage",
    "toolCallId",
    "toolName",
    "label",
    "command",
    "notice",
    "api",
    "importedId",
}
BLOCKS = {
    "text": {"text": str},
    "thinking": {"thinking": str},
    "image": {"mediaId": str, "name": str},
    "toolCall": {"id": str, "name": str, "arguments": dict},
}


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every container in ``value`` with every key into it."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, item in list(inside) for place in [(value, key), *places(item)]]


def mutant(seed: int) -> dict[str, Any]:
    dice, document = random.Random(seed), copy.deepcopy(EXPORT)
    for _ in range(dice.randint(1, 3)):
        where, key = dice.choice(places(document))
        if isinstance(where, dict) and dice.random() < 0.2:
            del where[key]
        else:
            where[key] = copy.deepcopy(dice.choice(ODD))
    if isinstance(document.get("sessionId"), str):
        document["sessionId"] += str(seed)
    return document


def check(message: dict[str, Any]) -> None:
    assert message["role"] in ("user", "assistant", "toolResult")
    assert type(message["timestamp"]) is int and 0 <= message["timestamp"] <= MAX_MS
    assert all(isinstance(message[name], str) for name in TEXTS & message.keys()), message
    assert all(isinstance(message[name], bool) for name in {"demo", "isError"} & message.keys()), message
    assert isinstance(message.get("durationMs", 0), int)
    for block in message["content"]:
        for name, kind in BLOCKS[block["type"]].items():
            assert isinstance(block[name], kind), block
        assert block["type"] == "image" or "mediaId" not in block


def taken(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The messages of it; none where it is refused."""
    try:
        return [message for _, message, *_ in read(SessionsImportParams(content=json.dumps(document))).messages]
    except InvalidRequest:
        return []


def test_whatever_is_read_of_a_file_has_the_shape_of_messages():
    read_of = [messages for seed in range(600) if (messages := taken(mutant(seed)))]
    for messages in read_of:
        for message in messages:
            check(json.loads(encode(message)))
        build(messages, window=100_000, max_output=1000)
    assert len(read_of) > 300


def test_whatever_is_imported_can_be_read_exported_and_answered(standing_gateway):
    async def main():
        async with wired(standing_gateway.ws_url, standing_gateway.token) as wire:
            for document in filter(taken, map(mutant, range(12))):
                made = await wire.call("sessions.import", {"content": json.dumps(document)})
                (key,) = made["keys"]
                for message in (await wire.call("chat.history", {"sessionKey": key}))["messages"]:
                    check(message)
                for form in ("json", "markdown", "html"):
                    await wire.call("sessions.export", {"key": key, "format": form})
            assert (await wire.ask("[[text=fine]]", key=key))["state"] == "final"

    run(main())


def test_what_cannot_be_stored_is_replaced_or_refused(standing_gateway):
    half, nul = r'"\ud800 \\u0000 \u0000 \\\u0000 \ud83d\ude00"', "half a pair, an escaped escape, NULs, a smile"
    assert parse(half) == "\ufffd \\u0000 \ufffd \\\ufffd \U0001f600", nul
    assert parse("[1e999, -99999999999999999999, NaN]") == [None, -1e20, None]
    hostile = '{"role": "user", "content": "x", "id": ' + "[" * 50_000 + "]" * 50_000 + "}"
    row = '{"role": "user", "content": "kept \\u0000"}'

    async def main():
        async with wired(standing_gateway.ws_url, standing_gateway.token) as wire:
            made = await wire.call("sessions.import", {"content": f"{hostile}\n{row}"})
            assert (made["messages"], [s["line"] for s in made["skipped"]]) == (1, [1])

    run(main())


def test_a_file_is_no_way_to_somebody_elses_attachment(standing_gateway):
    """A message that names a file makes it readable to all who see messages: an import must not name any by itself."""
    given = {"role": "user", "content": [{"type": "text", "text": "x", "mediaId": "A" * 24}]}

    async def main():
        async with wired(standing_gateway.ws_url, standing_gateway.token) as wire:
            made = await wire.call("sessions.import", {"content": json.dumps(given)})
            (message,) = (await wire.call("chat.history", {"sessionKey": made["keys"][0]}))["messages"]
            assert message["content"] == [{"type": "text", "text": "x"}]

    run(main())
