"""A widget's way to the gateway through the kernel, for pages that cannot reach it: frames in, frames out, unchanged.

The page opens connections by number. The kernel shows its own credential when it opens the socket and looks at no
frame, so the page never sees a secret. Frames wait while a cell runs: so kernels are, and the page says it.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import WebSocketClientConnection, WebSocketClosedError, WebSocketError, websocket_connect

from ..client import tls
from ..client.endpoint import NoGateway
from ..client.errors import ClientError
from ..client.limits import CONNECT_TIMEOUT_S, MAX_MESSAGE_BYTES
from ..config import ConfigError
from ..protocol.errors import GatewayError
from .kernel_client import KernelClient
from .widget_pinned import Pinned

UNREACHABLE = 1013
"""Close code for a page that should try again later."""
CLOSE_S = 10.0
"""Time for the closing handshakes of a widget that goes; Tornado gives each 5 s."""
Tell = Callable[[Mapping[str, Any]], None]


def bundle() -> bytes:
    """The whole chat as one JavaScript module, for a page that cannot get it from the server."""
    return (Path(__file__).parents[1] / "_static" / "single.js").read_bytes()


class Bridge:
    """The connections of one widget. ``received`` takes what the page sends."""

    def __init__(self, client: KernelClient, tell: Tell, pinned: Pinned | None = None):
        self._client, self._tell, self._pinned = client, tell, pinned
        self._sockets: dict[int, WebSocketClientConnection] = {}
        self._waiting: dict[int, list[str]] = {}
        """Frames that came for a connection before it was there."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def received(self, message: Mapping[str, Any]) -> None:
        """``{kind: open|frame|close, id, text?, code?}``; anything else is none of ours."""
        kind, number = message.get("kind"), message.get("id")
        if kind not in ("open", "frame", "close") or not isinstance(number, int):
            return
        loop = self._running()
        if kind == "open":
            loop.call_soon_threadsafe(self._open, loop, number)
        elif kind == "frame":
            loop.call_soon_threadsafe(self._frame, number, str(message.get("text", "")))
        else:
            loop.call_soon_threadsafe(self._end, number)

    def close(self) -> None:
        """End all connections and, once they are closed, the thread. Does not wait."""
        loop, self._loop = self._loop, None
        if loop is not None:
            asyncio.run_coroutine_threadsafe(self._finish(loop), loop)

    async def _finish(self, loop: asyncio.AbstractEventLoop) -> None:
        for number in [*self._waiting, *self._sockets]:
            self._end(number)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CLOSE_S)
        loop.stop()

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=_run, args=(self._loop,), name="clawdbot bridge", daemon=True)
            self._thread.start()
        return self._loop

    def _open(self, loop: asyncio.AbstractEventLoop, number: int) -> None:
        if number not in self._waiting and number not in self._sockets:  # else another page's
            self._waiting[number] = []
            task = loop.create_task(self._carry(number))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _carry(self, number: int) -> None:
        """Open a socket and hand on what comes, to its end."""
        try:
            client = await asyncio.to_thread(self._client.get)
            request = HTTPRequest(
                client.endpoint.ws_url,
                headers=dict(client.bearer),
                connect_timeout=CONNECT_TIMEOUT_S,
                request_timeout=CONNECT_TIMEOUT_S,
                **tls.options(client.endpoint),
            )
            socket = await websocket_connect(request, max_message_size=MAX_MESSAGE_BYTES)
        except (ClientError, ConfigError, GatewayError, NoGateway, HTTPClientError, WebSocketError, OSError) as exc:
            self._waiting.pop(number, None)
            self._tell({"kind": "closed", "id": number, "code": UNREACHABLE, "reason": str(exc)[:100]})
            return
        self._sockets[number] = socket
        begun = self._waiting.pop(number, None)
        if begun is None:  # the page has left meanwhile
            socket.close()
        else:
            self._tell({"kind": "opened", "id": number})
        for text in begun or ():
            self._frame(number, text)
        while (frame := await socket.read_message()) is not None:
            shown = self._pinned.to_page(frame) if self._pinned else frame
            if shown is not None:
                self._tell({"kind": "frame", "id": number, "text": shown})
        socket.close()  # Tornado wants it said on this side too
        self._sockets.pop(number, None)
        self._tell(
            {"kind": "closed", "id": number, "code": socket.close_code or 1006, "reason": socket.close_reason or ""}
        )

    def _frame(self, number: int, text: str) -> None:
        if number in self._waiting:
            self._waiting[number].append(text)
            return
        if self._pinned:
            allowed, answer = self._pinned.to_gateway(text)
            if answer is not None:
                self._tell({"kind": "frame", "id": number, "text": answer})
            if allowed is None:
                return
            text = allowed
        if number in self._sockets:
            with contextlib.suppress(WebSocketClosedError):  # `_carry` tells of the end
                self._sockets[number].write_message(text)

    def _end(self, number: int) -> None:
        self._waiting.pop(number, None)
        if number in self._sockets:
            self._sockets[number].close()


def _run(loop: asyncio.AbstractEventLoop) -> None:
    loop.run_forever()
    loop.close()
