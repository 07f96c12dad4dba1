"""A gateway of a few lines for tests of the client: real sockets and frames, and a script instead of an agent.

What a test sends through ``push`` reaches every client; what clients ask is in ``requests`` and answered by the
functions in ``answers`` (an exception class with ``to_wire`` becomes an error).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve

from clawdbot_ext.protocol.errors import GatewayError, Unauthorized, UnknownMethod

TOKEN = "right"
HELLO = {
    "type": "hello-ok",
    "protocol": 3,
    "server": {"version": "0", "host": "test", "connId": "c"},
    "policy": {"maxPayload": 1 << 20, "maxBufferedBytes": 1 << 20, "tickIntervalMs": 30_000},
}


class FakeGateway:
    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.connects: list[dict[str, Any]] = []
        self.sockets: list[ServerConnection] = []
        self.hello = dict(HELLO)
        self.answers: dict[str, Callable[[dict[str, Any]], Any]] = {}
        self.port = 0
        self._seqs: dict[ServerConnection, int] = {}
        self._server: Server | None = None

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/"

    async def serve(self, socket: ServerConnection) -> None:
        challenge = {"type": "event", "event": "connect.challenge", "payload": {"nonce": "n", "ts": 1}}
        await socket.send(json.dumps(challenge))
        async for text in socket:
            frame = json.loads(text)
            try:
                payload = self.answer(socket, frame)
            except GatewayError as exc:
                error = {"type": "res", "id": frame["id"], "ok": False, "error": exc.to_wire()}
                await socket.send(json.dumps(error))
                if frame["method"] == "connect":
                    await socket.close(1008, "refused")
                continue
            await socket.send(json.dumps({"type": "res", "id": frame["id"], "ok": True, "payload": payload}))

    def answer(self, socket: ServerConnection, frame: dict[str, Any]) -> Any:
        method, params = frame["method"], frame["params"]
        if method == "connect":
            self.connects.append(params)
            if "connect" in self.answers:
                self.answers["connect"](params)
            if params["auth"].get("token") != TOKEN:
                raise Unauthorized("unauthorized")
            self.sockets.append(socket)
            self._seqs[socket] = 0
            return self.hello
        self.requests.append(frame)
        if method not in self.answers:
            raise UnknownMethod(f"unknown method: {method}")
        return self.answers[method](params)

    async def push(self, event: str, payload: dict[str, Any], skip: int = 0) -> None:
        """Send an event to everybody; ``skip`` leaves that many sequence numbers out."""
        for socket in self.sockets:
            self._seqs[socket] += 1 + skip
            frame = {"type": "event", "event": event, "payload": payload, "seq": self._seqs[socket]}
            await socket.send(json.dumps(frame))

    async def cut(self, code: int = 1012) -> None:
        """Close every connection."""
        sockets, self.sockets = self.sockets, []
        for socket in sockets:
            await socket.close(code, "cut")

    async def start(self) -> None:
        self._server = await serve(self.serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()


@asynccontextmanager
async def fake_gateway() -> AsyncIterator[FakeGateway]:
    gateway = FakeGateway()
    await gateway.start()
    try:
        yield gateway
    finally:
        await gateway.stop()


async def until(condition: Callable[[], bool], timeout_s: float = 5.0) -> None:
    """Wait for something that happens on another task of this loop."""

    async def look() -> None:
        while not condition():  # noqa: ASYNC110  the condition is about another object's state
            await asyncio.sleep(0.002)

    await asyncio.wait_for(look(), timeout_s)
