"""A TCP proxy on loopback before any server, which loses what a test tells it to lose."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable

from typing_extensions import Self

CHUNK = 65_536
Judge = Callable[[bytes, bytes], bool]
"""Is given what a client sends, and what it sent before on that connection; whether to lose the answer to it."""


class TcpProxy:
    """Passes bytes on to a port of loopback, a thread for each direction of a connection.

    ``loses``: asked for all that clients send. If it says so, the bytes go on to the server, and both ends are closed
    when its answer comes, with no byte of that passed; with ``keeps`` they are closed at once, and nothing goes on.
    """

    def __init__(self, port: int):
        self._target = port
        self.loses: Judge = lambda sent, before: False
        self.keeps = False
        self.lost = 0
        """Connections that were ended so."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, name="tcp proxy", daemon=True).start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        """End every connection."""
        for each in list(self._open):
            _end(each)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self._target))
        except OSError:
            client.close()
            return
        pair = {client, server}
        self._open |= pair
        muted = threading.Event()
        threading.Thread(target=self._answers, args=(server, client, muted), daemon=True).start()
        before = b""
        with contextlib.suppress(OSError):
            while sent := client.recv(CHUNK):
                if self.loses(sent, before):
                    self.lost += 1
                    muted.set()
                    if self.keeps:
                        break
                before += sent
                server.sendall(sent)
        for each in pair:
            _end(each)
        self._open -= pair

    def _answers(self, server: socket.socket, client: socket.socket, muted: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(CHUNK):
                if muted.is_set():
                    break
                client.sendall(data)
        _end(client)


def _end(each: socket.socket) -> None:
    with contextlib.suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()
