"""A small protocol client for tests, independent of ``clawdbot_ext.client``: what it sees is what is on the wire."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedError

T = TypeVar("T")
WAIT_S = 40.0
"""Longest wait for something that must happen."""

SCOPES = ["operator.admin", "operator.approvals", "operator.pairing"]


def run(main: Coroutine[Any, Any, T], timeout_s: float = 150.0) -> T:
    """Run an async test to its end, bounded."""

    async def bounded() -> T:
        return await asyncio.wait_for(main, timeout_s)

    return asyncio.run(bounded())


class WireError(Exception):
    """A response with ``ok: false``."""

    def __init__(self, error: dict[str, Any]):
        super().__init__(f"{error.get('code')}: {error.get('message')}")
        self.code: str = error["code"]
        self.details: dict[str, Any] = error.get("details", {})
        self.error = error


class Wire:
    """One connection. ``events`` holds every event frame in order; ``wait`` looks at those seen and those to come."""

    def __init__(self, socket: ClientConnection):
        self.socket = socket
        self.hello: dict[str, Any] = {}
        self.events: list[dict[str, Any]] = []
        self.bytes_in = 0
        self.taps: list[Callable[[dict[str, Any]], None]] = []
        """Called with every event frame as it arrives."""
        self.on_response: Callable[[dict[str, Any]], None] = lambda frame: None
        self._pending: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._ids = itertools.count(1)
        self._news = asyncio.Condition()
        self._reader: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Take frames from now on."""
        self._reader = asyncio.create_task(self._read())

    async def handshake(
        self,
        *,
        token: str | None = None,
        password: str | None = None,
        caps: Sequence[str] = (),
        scopes: Sequence[str] | None = tuple(SCOPES),
        locale: str | None = None,
        minimum: int = 3,
        maximum: int = 3,
    ) -> dict[str, Any]:
        """Challenge, connect, hello. Raises ``WireError`` when refused."""
        self.start()
        await self.wait("connect.challenge")
        auth = {k: v for k, v in (("token", token), ("password", password)) if v is not None}
        params: dict[str, Any] = {
            "minProtocol": minimum,
            "maxProtocol": maximum,
            "caps": list(caps),
            "role": "operator",
            "client": {"id": "test", "version": "1", "platform": "linux", "mode": "backend"},
        }
        if auth:
            params["auth"] = auth
        if scopes is not None:
            params["scopes"] = list(scopes)
        if locale:
            params["locale"] = locale
        self.hello = await self.call("connect", params)
        return self.hello

    async def _read(self) -> None:
        with contextlib.suppress(ConnectionClosedError):  # tests look at `socket.close_code`
            await self._read_frames()
        async with self._news:
            self._news.notify_all()

    async def _read_frames(self) -> None:
        async for raw in self.socket:
            self.bytes_in += len(raw)
            frame = json.loads(raw)
            if frame["type"] == "event":
                for tap in self.taps:
                    tap(frame)
            if frame["type"] == "res":
                self.on_response(frame)
                waiter = self._pending.pop(frame["id"], None)
                if waiter and not waiter.done():
                    waiter.set_result(frame)
            async with self._news:
                if frame["type"] == "event":
                    self.events.append(frame)
                self._news.notify_all()

    async def call(self, method: str, params: dict[str, Any] | None = None, *, timeout: float = WAIT_S) -> Any:
        """Send a request; its payload, or ``WireError``."""
        request_id = str(next(self._ids))
        waiter = self.expect(request_id)
        await self.socket.send(json.dumps({"type": "req", "id": request_id, "method": method, "params": params or {}}))
        frame = await asyncio.wait_for(waiter, timeout)
        if not frame["ok"]:
            raise WireError(frame["error"])
        return frame["payload"]

    def expect(self, request_id: str) -> asyncio.Future[dict[str, Any]]:
        """The response frame that will come under ``request_id``."""
        waiter: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._pending[request_id] = waiter
        return waiter

    async def send(
        self, text: str, *, key: str = "main", run_id: str | None = None, **fields: Any
    ) -> tuple[str, dict[str, Any]]:
        """``chat.send``: the run id and the answer."""
        run_id = run_id or uuid.uuid4().hex
        return run_id, await self.call(
            "chat.send", {"sessionKey": key, "message": text, "idempotencyKey": run_id, **fields}
        )

    async def ask(self, text: str, *, key: str = "main", run_id: str | None = None, **fields: Any) -> dict[str, Any]:
        """``chat.send`` and wait for the run's last event; its payload."""
        run_id, _ = await self.send(text, key=key, run_id=run_id, **fields)
        return await self.end(run_id)

    async def end(self, run_id: str, *, timeout: float = WAIT_S) -> dict[str, Any]:
        """The payload of the last ``chat`` event of a run."""
        frame = await self.wait("chat", lambda p: p["runId"] == run_id and p["state"] != "delta", timeout=timeout)
        payload: dict[str, Any] = frame["payload"]
        return payload

    async def wait(
        self,
        event: str,
        match: Callable[[dict[str, Any]], bool] = lambda payload: True,
        *,
        timeout: float = WAIT_S,
    ) -> dict[str, Any]:
        """The first event frame, seen already or to come, that matches."""

        async def look() -> dict[str, Any]:
            seen = 0
            async with self._news:
                while True:
                    for frame in self.events[seen:]:
                        if frame["event"] == event and match(frame["payload"]):
                            return frame
                    seen = len(self.events)
                    if self._reader is not None and self._reader.done():
                        raise ConnectionError(f"closed while waiting for {event}: {self.socket.close_code}")
                    await self._news.wait()

        return await asyncio.wait_for(look(), timeout)

    def deltas(self, run_id: str) -> list[dict[str, Any]]:
        """The ``chat`` deltas of a run so far."""
        return [
            f["payload"]
            for f in self.events
            if f["event"] == "chat" and f["payload"]["runId"] == run_id and f["payload"]["state"] == "delta"
        ]

    async def closed(self, timeout: float = WAIT_S) -> int | None:
        """Wait until the server has closed; the close code."""
        await asyncio.wait_for(self.socket.wait_closed(), timeout)
        return self.socket.close_code


@asynccontextmanager
async def opened(url: str, **upgrade: Any) -> AsyncIterator[Wire]:
    """A socket without a handshake."""
    async with connect(url, compression=None, max_size=None, proxy=None, **upgrade) as socket:
        wire = Wire(socket)
        try:
            yield wire
        finally:
            if wire._reader:
                wire._reader.cancel()


@asynccontextmanager
async def wired(url: str, token: str | None = None, **handshake: Any) -> AsyncIterator[Wire]:
    """A connected client."""
    async with opened(url) as wire:
        await wire.handshake(token=token, **handshake)
        yield wire


def text_of(message: dict[str, Any]) -> str:
    """The text blocks of a wire message."""
    return "".join(b["text"] for b in message["content"] if b["type"] == "text")
