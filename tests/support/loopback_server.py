"""A Tornado application on loopback in a thread of its own: the ground of the scripted APIs."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application
from typing_extensions import Self

START_S = 5
MOST_BYTES = 200 * 2**20
"""Of one request."""


class LoopbackServer:
    """A context manager that serves ``routes()`` on a free port."""

    def __init__(self) -> None:
        self.port = 0
        self._ready = threading.Event()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._done: asyncio.Event | None = None

    def routes(self) -> list[Any]:
        """The rules of the application."""
        raise NotImplementedError

    @property
    def url(self) -> str:
        """The base URL, without a path."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        name = type(self).__name__
        self._thread = threading.Thread(target=lambda: asyncio.run(self.serve(0)), name=name, daemon=True)
        self._thread.start()
        if not self._ready.wait(START_S):
            raise RuntimeError(f"{name} did not start")
        return self

    def __exit__(self, *exc_info: object) -> None:
        assert self._loop is not None and self._done is not None and self._thread is not None
        self._loop.call_soon_threadsafe(self._done.set)
        self._thread.join(START_S)

    async def serve(self, port: int, announce: Callable[[str], None] = lambda url: None) -> None:
        """Listen (``port`` 0: any) until ``__exit__``; ``announce`` is told the base URL."""
        self._loop, self._done = asyncio.get_running_loop(), asyncio.Event()
        server = HTTPServer(Application(self.routes(), log_function=lambda _: None), max_buffer_size=MOST_BYTES)
        sockets = bind_sockets(port, "127.0.0.1", family=socket.AF_INET)
        server.add_sockets(sockets)
        self.port = sockets[0].getsockname()[1]
        self._ready.set()
        announce(self.url)
        await self._done.wait()
        server.stop()
        await server.close_all_connections()
