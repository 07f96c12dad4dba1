"""Deltas of a running reply: held back from a congested client, and joined once it has drained."""

from __future__ import annotations

import json
import time
from collections.abc import Coroutine
from types import SimpleNamespace
from typing import Any

from clawdbot_ext.gateway.connections.broadcast import Broadcast
from clawdbot_ext.gateway.connections.connection import Connection
from clawdbot_ext.gateway.connections.reply_stream import ReplyStream
from clawdbot_ext.protocol.schema import OPERATOR_SCOPES
from tests.support.wire import run

MAX_BUFFERED = 8000
SETTINGS = {
    "gateway.maxBufferedBytes": MAX_BUFFERED,
    "gateway.requestsPerMinute": 600,
    "gateway.maxPayloadBytes": 1_000_000,
    "gateway.handshakeTimeoutMs": 10_000,
}


class Transport:
    """A socket whose unread bytes the test sets."""

    client_key, direct, identity = "127.0.0.1", True, None

    def __init__(self) -> None:
        self.unread = 0
        self.sent: list[dict[str, Any]] = []

    def send(self, frame: bytes) -> None:
        self.sent.append(json.loads(frame))

    def buffered(self) -> int:
        return self.unread

    def on_authenticated(self) -> None:
        pass

    def close(self, code: int, reason: str) -> None:
        raise AssertionError(f"closed with {code} {reason}")

    def deltas(self) -> list[tuple[int, str]]:
        return [(f["payload"]["offset"], f["payload"]["text"]) for f in self.sent if f.get("event") == "chat"]


def with_stream(body: Any) -> None:
    async def main() -> None:
        broadcast = Broadcast()

        def join() -> Transport:
            transport = Transport()
            host: Any = SimpleNamespace(access=SimpleNamespace(config=lambda: SETTINGS), left=lambda connection: None)
            connection = Connection(host, transport)
            connection.scopes, connection.deltas = frozenset(OPERATOR_SCOPES), "append"
            broadcast.connections.add(connection)
            connections.append(connection)
            return transport

        connections: list[Connection] = []
        stream = ReplyStream(broadcast, "run", "agent:main:main", time.monotonic)
        try:
            work: Coroutine[Any, Any, None] = body(stream, join)
            await work
        finally:
            for connection in connections:
                connection.on_disconnect()

    run(main())


def test_a_congested_client_gets_no_deltas_and_one_joined_delta_after_it_has_drained() -> None:
    async def body(stream: ReplyStream, join: Any) -> None:
        reader, slow = join(), join()
        slow.unread = MAX_BUFFERED // 8 + 1  # far below the bound at which it is closed
        text = ""
        for word in ("one ", "two ", "three "):
            text += word
            stream.feed(text, "")
            stream._flush_append()
        assert reader.deltas() == [(0, "one "), (4, "two "), (8, "three ")]
        assert slow.deltas() == []
        slow.unread = 0
        stream.finish()
        assert slow.deltas() == [(0, "one two three ")]

    with_stream(body)


def test_a_client_with_a_little_unread_is_not_congested() -> None:
    async def body(stream: ReplyStream, join: Any) -> None:
        client = join()
        client.unread = MAX_BUFFERED // 8
        stream.feed("one ", "")
        assert client.deltas() == [(0, "one ")]
        stream.finish()

    with_stream(body)
