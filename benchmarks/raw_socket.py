"""A WebSocket client that costs next to nothing, so that a measurement shows the server and not its client.

No masking key but zero, no decoding but what the caller asks for: ``receive`` gets each text frame as bytes.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

SCOPES = ("operator.admin", "operator.approvals", "operator.pairing")
_UPGRADE = (
    "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n{headers}\r\n"
)
_RESPONSE = b'{"type":"res"'
WAIT_S = 60.0


class Refused(Exception):
    """A response with ``ok: false``, or a socket that was closed."""


class RawSocket(asyncio.Protocol):
    """One connection. Each of ``taps`` is called with every event frame's bytes and the time of its arrival."""

    def __init__(self, url: str, token: str, caps: Sequence[str] = (), headers: str = ""):
        """``token``: empty for one that a proxy has signed in by ``headers`` (lines that end in CRLF)."""
        self._url, self._token, self._caps, self._headers = url, token, caps, headers
        self._buffer = bytearray()
        self._upgraded = False
        self._ids = itertools.count(1)
        self._pending: dict[bytes, Callable[[bytes], None]] = {}
        self._transport: asyncio.Transport | None = None
        self._challenged = asyncio.get_running_loop().create_future()
        self.taps: list[Callable[[bytes, float], None]] = []
        self._together: bytearray | None = None
        """The answers to one piece of data, which leave in one piece."""
        self.bytes_in = 0
        self.hello_bytes = 0

    async def open(self) -> RawSocket:
        """Connect, upgrade, log in: from TCP to ``hello-ok``."""
        at = urlsplit(self._url)
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: self, at.hostname, at.port)
        self._write(_UPGRADE.format(path=at.path or "/", host=at.netloc, headers=self._headers).encode())
        await asyncio.wait_for(self._challenged, WAIT_S)
        client = {"id": "gateway-client", "version": "bench", "platform": "linux", "mode": "backend"}
        connect = {"minProtocol": 3, "maxProtocol": 3, "client": client, "role": "operator", "scopes": list(SCOPES)}
        auth = {"auth": {"token": self._token}} if self._token else {}
        hello = await self.raw_call("connect", {**connect, "caps": list(self._caps), **auth})
        self.hello_bytes = len(hello)
        return self

    def close(self) -> None:
        """Cut the connection."""
        if self._transport is not None:
            self._transport.abort()

    # -- requests -----------------------------------------------------------------------------------------------------
    async def call(self, method: str, params: dict[str, Any] | None = None) -> Any:
        """The payload of the answer. Raises ``Refused``."""
        return json.loads(await self.raw_call(method, params))["payload"]

    async def raw_call(self, method: str, params: dict[str, Any] | None = None) -> bytes:
        """The frame of the answer. Raises ``Refused``."""
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.ask(method, params, answer.set_result)
        frame = await asyncio.wait_for(answer, WAIT_S)
        if b'"ok":true' not in frame[:400]:
            raise Refused(f"{method}: {frame[:300]!r}")
        return frame

    def ask(self, method: str, params: dict[str, Any] | None, answered: Callable[[bytes], None]) -> None:
        """Send a request; ``answered`` is called with the frame of the answer."""
        number = str(next(self._ids))
        self._pending[number.encode()] = answered
        self.send(json.dumps({"type": "req", "id": number, "method": method, "params": params or {}}).encode())

    def send(self, payload: bytes) -> None:
        """Send one text frame."""
        size = len(payload)
        head = b"\x81" + (
            bytes([128 | size])
            if size < 126
            else b"\xfe" + size.to_bytes(2, "big")
            if size < 65536
            else b"\xff" + size.to_bytes(8, "big")
        )
        if self._together is None:
            self._write(head + b"\0\0\0\0" + payload)
        else:
            self._together += head + b"\0\0\0\0" + payload

    async def flood(self, method: str, params: dict[str, Any], *, in_flight: int, seconds: float) -> tuple[int, float]:
        """Keep so many requests under way for that long; how many were answered, and in how many seconds."""
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        started, answered, under_way = time.perf_counter(), 0, 0

        request = b'","method":"%b","params":%b}' % (method.encode(), json.dumps(params).encode())

        def next_one() -> None:
            nonlocal under_way
            under_way += 1
            number = b"%d" % next(self._ids)
            self._pending[number] = done
            self.send(b'{"type":"req","id":"' + number + request)

        def done(frame: bytes) -> None:
            nonlocal answered, under_way
            under_way -= 1
            answered += 1
            if b'"ok":true' not in frame[:400] and not ended.done():
                ended.set_exception(Refused(f"{method}: {frame[:300]!r}"))
            elif time.perf_counter() - started < seconds:
                next_one()
            elif not under_way and not ended.done():
                ended.set_result(None)

        for _ in range(in_flight):
            next_one()
        await asyncio.wait_for(ended, seconds + WAIT_S)
        return answered, time.perf_counter() - started

    def _write(self, data: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            raise Refused("the connection is closed")
        self._transport.write(data)

    # -- asyncio.Protocol ----------------------------------------------------------------------------------------------
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._challenged.done():
            self._challenged.set_exception(Refused("closed before the challenge"))
        for answered in self._pending.values():
            answered(b'{"type":"res","ok":false,"error":"closed"}')
        self._pending.clear()

    def data_received(self, data: bytes) -> None:
        at = time.perf_counter()
        self.bytes_in += len(data)
        buffer = self._buffer
        buffer += data
        if not self._upgraded:
            end = buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            if b" 101 " not in buffer[:32]:
                self._challenged.set_exception(Refused(bytes(buffer[:200])))
                return
            self._upgraded = True
            del buffer[: end + 4]
        taken, self._together = 0, bytearray()
        while len(buffer) - taken >= 2:
            size, head = buffer[taken + 1] & 127, 2
            if size >= 126:
                head = 4 if size == 126 else 10
                if len(buffer) - taken < head:
                    break
                size = int.from_bytes(buffer[taken + 2 : taken + head], "big")
            if len(buffer) - taken < head + size:
                break
            opcode = buffer[taken] & 15
            frame = bytes(buffer[taken + head : taken + head + size])
            taken += head + size
            if opcode == 9:
                self._write(b"\x8a" + bytes([128 | len(frame)]) + b"\0\0\0\0" + frame)
            elif opcode == 1:
                self._text(frame, at)
        del buffer[:taken]
        if self._together:
            self._write(bytes(self._together))
        self._together = None

    def _text(self, frame: bytes, at: float) -> None:
        if frame.startswith(_RESPONSE):
            number = frame[frame.index(b'"id":"') + 6 :]
            answered = self._pending.pop(number[: number.index(b'"')], None)
            if answered is not None:
                answered(frame)
        elif not self._challenged.done():
            self._challenged.set_result(None)
        else:
            for tap in self.taps:
                tap(frame, at)
