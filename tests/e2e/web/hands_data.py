"""Questions, changes and a conversation with tools, in the form of the wire."""

from __future__ import annotations

import time
from typing import Any

KEY = "agent:main:main"
PATH = "work/analysis.ipynb"
METHODS = (
    "hands.grants.list",
    "hands.grants.revoke",
    "hands.changes.list",
    "hands.changes.undo",
    "hands.changes.keep",
)
BEFORE = "df = load('sensors.csv')\nprint(df.head())"
AFTER = "df = load('sensors.csv', index='time')\nprint(df.head())\ndf.plot()"


def question(preview: dict[str, Any] | None = None, *, id_: str = "q1", **facts: Any) -> dict[str, Any]:
    request: dict[str, Any] = {
        "kind": "tool",
        "tool": "notebook_edit",
        "title": "Edit analysis.ipynb",
        "command": "notebook_edit {}",
        "arguments": {},
        "sessionKey": KEY,
        "runId": "run-1",
        "toolCallId": "call-1",
        "path": PATH,
        "choices": ["once", "cell", "notebook", "always"],
        **({"preview": preview} if preview else {}),
        **facts,
    }
    return {"id": id_, "request": request, "createdAtMs": int(time.time() * 1000), "expiresAtMs": 0}


def edit() -> dict[str, Any]:
    return {
        "type": "edit",
        "path": PATH,
        "cells": [
            {
                "op": "replace",
                "cell": "a",
                "index": 1,
                "type": "code",
                "before": BEFORE,
                "after": AFTER,
                "staleAfter": ["d", "e"],
            },
            {"op": "insert", "cell": "b", "index": 2, "type": "markdown", "after": "## By time"},
            {"op": "delete", "cell": "c", "index": 4, "type": "code", "before": "x = 1"},
            {
                "op": "move",
                "cell": "f",
                "index": 5,
                "type": "code",
                "before": {"source": "import numpy", "index": 5},
                "after": {"source": "import numpy", "index": 0},
            },
        ],
    }


def change(state: str = "applied") -> dict[str, Any]:
    return {
        "id": "change-1",
        "sessionKey": KEY,
        "runId": "run-1",
        "toolCallId": "call-1",
        "path": PATH,
        "createdAtMs": int(time.time() * 1000) - 60_000,
        "by": "me",
        "state": state,
        "cells": [
            {
                "op": "replace",
                "cell": "a",
                "index": 1,
                "type": "code",
                "before": {"source": BEFORE, "type": "code", "index": 1},
                "after": {"source": AFTER, "type": "code", "index": 1},
            }
        ],
    }


def said(role: str, seq: int, content: Any, **more: Any) -> dict[str, Any]:
    return {"id": f"m{seq}", "seq": seq, "role": role, "runId": "run-1", "timestamp": seq, "content": content, **more}


def call(seq: int, id_: str, name: str, **arguments: Any) -> dict[str, Any]:
    block = {"type": "toolCall", "id": id_, "name": name, "arguments": arguments}
    usage = {"input": 100, "output": 10, "cost": {"total": 0.01}}
    return said("assistant", seq, [block], stopReason="toolUse", model="claude-sonnet-5-5", usage=usage)


def result(seq: int, id_: str, text: str, **more: Any) -> dict[str, Any]:
    return said("toolResult", seq, [{"type": "text", "text": text}], toolCallId=id_, **more)


STEPS = [{"text": "Read the notebook", "state": "done"}, {"text": "Plot by time", "state": "running"}]
DONE = [{**step, "state": "done"} for step in STEPS]
WORK = [
    said("user", 1, "Plot it by time"),
    call(2, "plan-1", "plan", steps=STEPS),
    result(3, "plan-1", "noted", details={"steps": DONE}),
    call(4, "call-1", "notebook_edit", path=PATH),
    result(5, "call-1", "1 cell changed", details={"changeId": "change-1", "path": PATH, "cells": 1}),
    said(
        "assistant",
        6,
        "Done.",
        model="claude-sonnet-5-5",
        usage={"input": 100, "output": 10, "cost": {"total": 0.01}},
        stopReason="stop",
    ),
]
