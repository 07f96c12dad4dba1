"""Several clients do whatever comes to mind to one conversation at the same time, connections die under them, and each
that follows it by the rule of docs/protocol.md ends with exactly what the gateway has.

``CLAWDBOT_FOLLOW_STEPS`` makes it longer, ``CLAWDBOT_FOLLOW_SEED`` another one.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import uuid
from typing import Any

import pytest

from tests.support.wire import Wire, WireError, run, wired

STEPS = int(os.environ.get("CLAWDBOT_FOLLOW_STEPS", "25"))
FOLLOWERS = 4
SLOW = "[[tokens=50]] [[delay_ms=4]] [[first_ms=1]]"
CAPS = ("chat.append", "session.events")
REFUSED = {"BUSY", "NOT_FOUND", "WRONG_ROLE", "NOTHING_TO_ANSWER", "NOT_CUT", "NOT_QUEUED", "QUEUE_FULL", None}
"""Refusals that a late client may get: others were faster. ``NOT_FOUND`` has no reason."""
ACTS = ["send"] * 6 + [
    "slow",
    "slow",
    "abort",
    "edit",
    "edit",
    "regenerate",
    "regenerate",
    "continue",
    "branch",
    "branch",
    "delete",
    "delete",
    "undelete",
    "clear",
    "undo",
    "reset",
    "queue",
    "leave",
    "leave",
]


class Follower:
    """A conversation as one client has it. Frames change it in the order in which they come."""

    def __init__(self, key: str):
        self.key = key
        self.epoch = 0
        self.messages: list[dict[str, Any]] = []
        self.stale = True
        self.known_to: int | None = None
        """News were lost after this number, whatever came since."""

    def follow(self, wire: Wire) -> None:
        self.stale = True  # there may have been anything
        self.known_to = self._newest() if self.known_to is None else self.known_to
        wire.taps.append(self._event)

    def _newest(self) -> int:
        return self.messages[-1]["seq"] if self.messages else 0

    async def read(self, wire: Wire) -> None:
        """Ask for what is new; what comes behind the answer is news again."""
        while self.stale:
            self.stale = False
            known = {"epoch": self.epoch, "sinceSeq": self._newest() if self.known_to is None else self.known_to}
            page = await self._asked(wire, {"sessionKey": self.key, "limit": 1000, **known})
            assert not page["hasMore"]

    async def _asked(self, wire: Wire, params: dict[str, Any]) -> dict[str, Any]:
        def answered(frame: dict[str, Any]) -> None:
            page = frame.get("payload")
            if isinstance(page, dict) and "thinkingLevel" in page and "messages" in page and "recovered" in page:
                self.known_to = None
                known = {m["seq"]: m for m in self.messages} if page["recovered"] else {}  # events may be ahead of it
                known |= {m["seq"]: m for m in page["messages"]}
                self.messages, self.epoch = [known[seq] for seq in sorted(known)], page["epoch"]

        wire.on_response = answered
        page: dict[str, Any] = await wire.call("chat.history", params)
        return page

    def _event(self, frame: dict[str, Any]) -> None:
        payload = frame["payload"]
        if payload.get("sessionKey", payload.get("key")) != self.key:
            return
        if frame["event"] == "session.changed":
            self.stale |= payload["entry"]["epoch"] != self.epoch
        elif frame["event"] == "session.message":
            self._append(payload["message"], payload["epoch"])
        elif frame["event"] == "chat" and payload["state"] != "delta" and "seq" in payload.get("message", {}):
            self._append(payload["message"], self.epoch)

    def _append(self, message: dict[str, Any], epoch: int) -> None:
        if epoch != self.epoch:
            self.stale = True
        elif not self.messages or message["seq"] > self.messages[-1]["seq"]:
            self.messages.append(message)


class Person:
    """Change the conversation as it looks from here, which may be late."""

    def __init__(self, key: str, dice: random.Random):
        self.view, self.dice, self.key = Follower(key), dice, key
        self.seen: list[str] = []
        self.removed: list[str] = []
        self.runs: list[str] = []
        self.odd: list[str] = []

    async def live(self, url: str, token: str) -> None:
        left = STEPS
        while left > 0:
            async with wired(url, token, caps=CAPS) as wire:
                self.view.follow(wire)
                while left > 0:
                    left -= 1
                    if self.view.stale and self.dice.random() < 0.7:
                        await self.view.read(wire)
                    act = self.dice.choice(ACTS)
                    if act == "leave":
                        wire.socket.transport.abort()
                        break
                    try:
                        await self.do(wire, act)
                    except WireError as refused:
                        if refused.details.get("reason") not in REFUSED:
                            self.odd.append(f"{act}: {refused.error}")
                    await asyncio.sleep(self.dice.random() * 0.02)

    async def do(self, wire: Wire, act: str) -> None:
        dice, key, run_id = self.dice, self.key, uuid.uuid4().hex
        self.seen += [m["id"] for m in self.view.messages if m["id"] not in self.seen]
        any_id = dice.choice(self.seen) if self.seen else "nothing"
        text = "[[tokens=3]] [[first_ms=1]]"
        target = {"sessionKey": key, "messageId": any_id}
        if act in ("send", "slow"):
            self.runs.append(run_id)
            await wire.send(text if act == "send" else SLOW, key=key, run_id=run_id)
        elif act == "abort":
            await wire.call("chat.abort", {"sessionKey": key})
        elif act in ("edit", "regenerate", "continue"):
            more = {"message": text} if act == "edit" else {}
            await wire.call(f"chat.{act}", {**target, "idempotencyKey": run_id, **more})
        elif act == "branch":
            await wire.call("chat.branch", target)
        elif act == "delete":
            self.removed.append(any_id)
            await wire.call("chat.delete", target)
        elif act == "undelete" and self.removed:
            await wire.call("chat.undelete", {**target, "messageId": self.removed.pop()})
        elif act in ("clear", "undo", "reset") and dice.random() < 0.4:
            await wire.call(f"sessions.{act}", {"key": key})
        elif act == "queue" and self.runs:
            await wire.call("chat.queue.edit", {"sessionKey": key, "runId": self.runs[-1], "message": text})

    async def settle(self, url: str, token: str) -> None:
        async with wired(url, token, caps=CAPS) as wire:
            self.view.follow(wire)
            await self.view.read(wire)


async def at_rest(wire: Wire, key: str) -> None:
    """Stop what still runs or waits, until there is nothing."""
    while (await wire.call("chat.abort", {"sessionKey": key}))["runIds"]:
        pass


@pytest.mark.slow
def test_who_follows_a_conversation_has_what_the_gateway_has_whatever_others_do_to_it(standing_gateway):
    seed = os.environ.get("CLAWDBOT_FOLLOW_SEED", "1")
    url, token = standing_gateway.ws_url, standing_gateway.token
    key = f"agent:main:follow{uuid.uuid4().hex[:8]}"
    people = [Person(key, random.Random(f"{seed}-{number}")) for number in range(FOLLOWERS)]
    watcher = Follower(key)

    async def main() -> None:
        async with contextlib.AsyncExitStack() as stack:
            watching = await stack.enter_async_context(wired(url, token, caps=CAPS))
            watcher.follow(watching)
            await watching.ask("[[text=first]]", key=key)
            await watcher.read(watching)
            await asyncio.gather(*(person.live(url, token) for person in people))
            await at_rest(watching, key)
            await watching.call("health")  # news come in order: none is behind this answer
            await watcher.read(watching)
            for person in people:
                await person.settle(url, token)
            truth = await watching.call("chat.history", {"sessionKey": key, "limit": 1000})
        assert [odd for person in people for odd in person.odd] == []
        for follower in (watcher, *(person.view for person in people)):
            assert follower.epoch == truth["epoch"]
            assert [m["id"] for m in follower.messages] == [m["id"] for m in truth["messages"]]
            assert follower.messages == truth["messages"]

    run(main(), 60)
