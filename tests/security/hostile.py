"""A gateway that wants to do harm: its texts steer a terminal, its answers are of a wrong shape or never end."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

from clawdbot_ext.protocol.errors import InvalidRequest
from tests.client.fake_gateway import HELLO, FakeGateway

ESCAPES = (
    "\x1b[2J\x1b[31m\x1b]0;pwned\x07\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\\x1b]52;c;cHduZWQ=\x07"
    "\x1bPq#0\x1b\\\x9b2J\x9d0;pwned\x9c\x07\x08\x00\x7f\u202e\u2066\u200f\u2028\r\nclawdbot: forged\nforged \ud800"
)
LONG = "x" * 200_000
FORBIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
STYLING = re.compile(
    r"\x1b\[[0-9;]*m|\x1b\[\?(?:25|2004|2026|1|7|12)[hl]|\x1b\[[0-9;]*[ABCDHJKn]|\x1b\[[0-9] q|\x1b[=>]|\x08"
)
"""Our own colours, and how prompt_toolkit and rich move the cursor."""
MESSAGE = {
    "id": ESCAPES,
    "role": "assistant",
    "model": ESCAPES,
    "timestamp": 1,
    "content": [
        {"type": "text", "text": f"before {ESCAPES} after"},
        {"type": ESCAPES, "mediaId": ESCAPES, "name": ESCAPES, "width": 1, "height": 1, "size": 1},
    ],
    "stopReason": "error",
    "errorMessage": ESCAPES,
    "error": {"hint": ESCAPES},
    "usage": {"totalTokens": 1, "cost": {"total": 1}},
}
SESSION = {
    "key": f"agent:main:{ESCAPES}",
    "displayName": ESCAPES,
    "derivedTitle": ESCAPES,
    "messageCount": 1,
    "model": ESCAPES,
    "updatedAt": 1,
    "running": True,
}
EDIT = {"op": ESCAPES, "cell": ESCAPES, "index": 1, "type": ESCAPES, "before": ESCAPES, "after": f"{ESCAPES}\nnew"}
QUESTION = {
    "id": ESCAPES,
    "createdAtMs": 1,
    "request": {
        "title": ESCAPES,
        "command": ESCAPES,
        "sessionKey": ESCAPES,
        "path": ESCAPES,
        "arguments": {ESCAPES: ESCAPES},
        "preview": {"type": "edit", "path": ESCAPES, "cells": [EDIT]},
    },
}
GRANT = {"id": ESCAPES, "tool": ESCAPES, "scope": ESCAPES, "path": ESCAPES, "cell": ESCAPES, "createdAtMs": 1}
CHANGE = {
    "id": f"a{ESCAPES}",
    "sessionKey": ESCAPES,
    "path": ESCAPES,
    "createdAtMs": 1,
    "by": ESCAPES,
    "state": "applied",
    "cells": [EDIT],
}
DEVICE = {"displayName": ESCAPES, "role": ESCAPES, "remoteIp": ESCAPES}
ANSWERS: dict[str, Any] = {
    "sessions.list": {"sessions": [SESSION]},
    "sessions.search": {
        "hits": [{"sessionKey": ESCAPES, "label": ESCAPES, "timestamp": 1, "snippet": ESCAPES, "highlights": [[0, 3]]}]
    },
    "sessions.export": {"content": ESCAPES},
    "sessions.transcripts": {"transcripts": [{"sessionId": ESCAPES, "messageCount": 1, "archivedAt": 1}]},
    "chat.history": {"sessionId": "s", "messages": [MESSAGE], "queued": [{"text": ESCAPES, "createdAt": 1}]},
    "models.list": {"models": [{"spec": ESCAPES, "name": ESCAPES, "contextWindow": 1}]},
    "status": {
        "gateway": {"version": ESCAPES, "uptimeMs": 1, "clients": ESCAPES, "runs": {"running": ESCAPES, "queued": 1}},
        "model": {"name": ESCAPES, "provider": ESCAPES},
        "setup": {"needsKey": True},
        "sessions": {"count": 1, "recent": [SESSION]},
    },
    "config.get": {"config": {"models": {"providers": {ESCAPES: {"api": "a"}}}}, "sources": {}},
    "health": {"ok": True, "runs": {"running": 1, "queued": 1}},
    "device.pair.list": {
        "pending": [{**DEVICE, "requestId": ESCAPES, "ts": 1}],
        "paired": [{**DEVICE, "deviceId": ESCAPES, "roles": [ESCAPES], "approvedAtMs": 1}],
    },
    "commands.list": {"commands": [{"name": "x", "description": ESCAPES}]},
    "exec.approval.list": {"approvals": [QUESTION]},
    "hands.grants.list": {"grants": [GRANT]},
    "hands.changes.list": {"changes": [CHANGE]},
    "sessions.resolve": {"key": SESSION["key"]},
}
WRONG: tuple[Any, ...] = (None, [], {}, [7], "text", -1, 10**400, float("inf"), LONG)


class Hostile(FakeGateway):
    """Runs on a thread of its own; ``flood`` is sent after every answer to ``flood_after``."""

    flood: dict[str, Any] | None = None
    flood_after = ""
    raw = ""
    """Sent in place of the first answer."""

    async def serve(self, socket: Any) -> None:
        await socket.send(json.dumps({"type": "event", "event": "connect.challenge", "payload": {"nonce": "n"}}))
        async for text in socket:
            frame = json.loads(text)
            if self.raw and frame["method"] != "connect":
                await socket.send(self.raw)
                continue
            try:
                answer = {"ok": True, "payload": self.answer(socket, frame)}
            except InvalidRequest as exc:
                answer = {"ok": False, "error": exc.to_wire()}
            await socket.send(json.dumps({"type": "res", "id": frame["id"], **answer}))
            run_id = frame["params"].get("idempotencyKey")
            written = 0
            while self.flood is not None and frame["method"] == self.flood_after:
                payload = {**self.flood["payload"], "runId": run_id}
                if payload.get("offset") == 0:
                    payload["offset"], written = written, written + len(payload["text"])
                await socket.send(json.dumps({**self.flood, "payload": payload}))

    def reset(self) -> None:
        self.hello, self.flood, self.raw = deepcopy(HELLO), None, ""
        self.answers = {name: lambda _, answer=answer: answer for name, answer in ANSWERS.items()}


@contextmanager
def running() -> Iterator[Hostile]:
    loop, gateway = asyncio.new_event_loop(), Hostile()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def do(work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, loop).result(10)

    try:
        do(gateway.start())
        yield gateway
        gateway.flood = None
        do(gateway.stop())
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def mutated(value: Any) -> Iterator[Any]:
    """Copies of an answer with one part of it of a wrong type, or missing."""
    yield from WRONG
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for at, part in parts:
        for other in mutated(part):
            copy = value.copy()
            copy[at] = other
            yield copy
        if isinstance(value, dict):
            yield {name: kept for name, kept in value.items() if name != at}
