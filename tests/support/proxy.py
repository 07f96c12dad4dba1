"""A TCP proxy on loopback before a gateway that cuts WebSockets at given bytes, as a bad network does."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections import deque
from collections.abc import Iterable
from typing import Any

from typing_extensions import Self

from .server import GatewayProcess

START_S = 40.0
CHUNK = 65_536
RST = struct.pack("ii", 1, 0)


class CuttingProxy:
    """Runs in a thread of its own. Whatever is no WebSocket passes.

    ``cut_after([300, 2000])`` lets 300 more bytes through, of both directions together, and ends the connection in the
    middle of whatever they are part of; then 2,000 more, of any connection. Every second end is a reset.
    """

    def __init__(self, gateway: GatewayProcess):
        self.token = gateway.token
        self.port = 0
        self.cuts = 0
        """The number of connections."""
        self.spent = threading.Event()
        """None is left."""
        self._gateway = gateway
        self._left: deque[int] = deque()
        self._connections: set[asyncio.Task[None]] = set()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="proxy", daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws"

    def cut_after(self, bytes_each: Iterable[int]) -> None:
        self._loop.call_soon_threadsafe(self._left.extend, bytes_each)

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._ready.wait(START_S):
            raise RuntimeError("the proxy did not start")
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._loop.call_soon_threadsafe(self._done.set)
        self._thread.join(START_S)

    async def _serve(self) -> None:
        self._loop, self._done = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._done.wait()
        server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        writers, resets = [writer], False
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            there, back = await asyncio.open_connection("127.0.0.1", self._gateway.port)
            writers.append(back)
            back.write(head)
            counts = b"upgrade: websocket" in head.lower()
            pumps = [
                asyncio.ensure_future(self._pump(reader, back, counts)),
                asyncio.ensure_future(self._pump(there, writer, counts)),
            ]
            try:
                ended, _ = await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
                resets = any(pump.result() for pump in ended) and self.cuts % 2 == 0
            finally:
                for pump in pumps:
                    pump.cancel()
                await asyncio.gather(*pumps, return_exceptions=True)
        except (OSError, asyncio.IncompleteReadError):
            pass  # either side went away
        finally:
            self._connections.discard(task)
            for each in writers:
                if resets:
                    taken: Any = each.get_extra_info("socket")
                    taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST)
                each.close()

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, counts: bool) -> bool:
        """Pass on until either side ends (``False``), or the connection is to be cut (``True``)."""
        while data := await source.read(CHUNK):
            passes, cut = self._passes(len(data)) if counts else (len(data), False)
            target.write(data[:passes])
            await target.drain()
            if cut:
                self.cuts += 1
                if not self._left:
                    self.spent.set()
                return True
        return False

    def _passes(self, size: int) -> tuple[int, bool]:
        """The number of bytes that go through, and whether the connection ends there."""
        if not self._left:
            return size, False
        if size < self._left[0]:
            self._left[0] -= size
            return size, False
        return self._left.popleft(), True
