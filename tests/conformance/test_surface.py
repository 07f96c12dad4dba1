"""Calls of Clawdbot's clients get the answers that they read. Source: the table *Methods each client calls* of
``shared/protocol/README.md``; optional parts from the recordings named there."""

from __future__ import annotations

import pytest

from clawdbot_ext.protocol.schema import METHODS
from tests.support.wire import WireError, run

ANY, STR, INT, LIST, OBJ, BOOL = object, str, int, list, dict, bool

MINIMAL = {
    "agent.identity.get": ({"sessionKey": "agent:main:main"}, {"agentId": STR, "name": STR, "avatar": STR}),
    "agents.list": ({}, {"defaultId": STR, "mainKey": STR, "scope": STR, "agents": LIST}),
    "chat.history": ({"sessionKey": "main", "limit": 200}, {"sessionKey": STR, "messages": LIST, "thinkingLevel": STR}),
    "sessions.list": (
        {"includeGlobal": True, "includeUnknown": False, "limit": 120},
        {"ts": INT, "path": STR, "count": INT, "defaults": OBJ, "sessions": LIST},
    ),
    "node.list": ({}, {"ts": INT, "nodes": LIST}),
    "device.pair.list": ({}, {"pending": LIST, "paired": LIST}),
    "channels.status": (
        {"probe": False, "timeoutMs": 8000},
        {
            "ts": INT,
            "channelOrder": LIST,
            "channelLabels": OBJ,
            "channels": OBJ,
            "channelAccounts": OBJ,
            "channelDefaultAccountId": OBJ,
        },
    ),
    "status": ({}, {"heartbeat": OBJ, "channelSummary": LIST, "queuedSystemEvents": LIST, "sessions": OBJ}),
    "health": (
        {},
        {
            "ok": BOOL,
            "ts": INT,
            "durationMs": INT,
            "channels": OBJ,
            "channelOrder": LIST,
            "channelLabels": OBJ,
            "agents": LIST,
            "sessions": OBJ,
        },
    ),
    "models.list": ({}, {"models": LIST}),
    "cron.status": ({}, {"enabled": BOOL, "jobs": INT}),
    "cron.list": ({"includeDisabled": True}, {"jobs": LIST}),
    "config.get": (
        {},
        {"path": STR, "exists": BOOL, "raw": STR, "config": OBJ, "valid": BOOL, "issues": LIST, "hash": STR},
    ),
    "config.schema": ({}, {"schema": OBJ, "uiHints": OBJ}),
    "skills.status": ({}, {"skills": LIST}),
    "exec.approvals.get": ({}, {"path": STR, "exists": BOOL, "hash": STR, "file": OBJ}),
    "logs.tail": ({"limit": 500, "maxBytes": 250000}, {"file": STR, "cursor": INT, "size": INT, "lines": LIST}),
    "usage.status": ({}, {"updatedAt": INT, "providers": LIST}),
    "usage.cost": ({}, {"updatedAt": INT, "days": INT, "daily": LIST, "totals": OBJ}),
    "sessions.usage": ({}, {"sessions": LIST, "totals": OBJ}),
    "tts.status": ({}, {"enabled": BOOL}),
    "voicewake.get": ({}, {"triggers": LIST}),
    "update.run": ({}, {"ok": BOOL, "result": OBJ}),
    "set-heartbeats": ({"enabled": True}, {"ok": BOOL, "enabled": BOOL}),
    "wake": ({"mode": "now", "text": "hello"}, {"ok": BOOL}),
    "node.pair.list": ({}, {"pending": LIST, "paired": LIST}),
    "sessions.preview": ({"keys": ["main"], "limit": 3}, {"ts": INT, "previews": LIST}),
}


@pytest.mark.parametrize("method", MINIMAL)
def test_an_answer_has_what_clients_read(endpoint, method):
    params, shape = MINIMAL[method]

    async def main():
        async with endpoint.connected() as wire:
            payload = await wire.call(method, params)
            assert {name: type(payload.get(name)) for name in shape} == shape

    run(main())


def test_answers_that_are_no_objects(endpoint):
    async def main():
        async with endpoint.connected() as wire:
            assert await wire.call("last-heartbeat") is None
            (first, *_) = await wire.call("system-presence")
            assert {"host", "version", "platform", "mode", "reason", "text", "ts"} <= first.keys()

    run(main())


@pytest.mark.parametrize("method", [name for name in METHODS if METHODS[name].role == "operator"])
def test_parameters_of_the_wrong_type_are_refused_and_the_socket_kept(endpoint, method):
    """Recording ``chat-roundtrip-abort.jsonl``: ``INVALID_REQUEST: invalid … params``."""

    async def main():
        async with endpoint.connected() as wire:
            for params in ([1], 5, "x"):
                with pytest.raises(WireError) as refused:
                    await wire.call(method, params)
                assert refused.value.code == "INVALID_REQUEST" and "params" in str(refused.value)

    run(main())


def test_every_method_of_the_table_is_served(endpoint):
    async def main():
        async with endpoint.connected() as wire:
            assert set(wire.hello["features"]["methods"]) == set(METHODS)

    run(main())
