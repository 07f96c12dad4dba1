"""Text frames on their way out: those of one turn of the event loop leave together, straight to the operating system.

Tornado's ``IOStream.write`` makes a future for each piece and its ``write_message`` a task, which is half of what a
broadcast to 500 clients costs. What the operating system does not take at once goes on through Tornado's stream.
"""

from __future__ import annotations

import asyncio
import struct

from tornado.iostream import IOStream, StreamClosedError

TOGETHER_BYTES = 64 * 1024
"""The most that waits for the end of the turn."""
_TEXT_FIN = 0x81
_short, _medium, _long = (struct.Struct(form).pack for form in ("!BB", "!BBH", "!BBQ"))


class Turn:
    """The sockets that have something to send at the end of this turn of the event loop."""

    def __init__(self) -> None:
        self._due: list[OutgoingFrames] = []

    def add(self, socket: OutgoingFrames) -> None:
        """Have ``socket`` flushed."""
        if not self._due:
            asyncio.get_running_loop().call_soon(self._end)
        self._due.append(socket)

    def _end(self) -> None:
        due, self._due = self._due, []
        for socket in due:
            socket.flush()


class OutgoingFrames:
    """The frames of one WebSocket. No method blocks or raises."""

    def __init__(self, stream: IOStream, turn: Turn):
        self._stream, self._turn = stream, turn
        self._direct = type(stream) is IOStream  # TLS has to be asked in its own way
        self._together: list[bytes] = []
        self._waiting = self._unflushed = 0
        self._ended = False

    def buffered(self) -> int:
        """Bytes that the operating system has not taken yet."""
        return self._waiting + self._unflushed

    def send(self, frame: bytes) -> None:
        """Send one text frame after all those before."""
        size = len(frame)
        if 126 <= size < 65536:
            header = _medium(_TEXT_FIN, 126, size)
        elif size < 126:
            header = _short(_TEXT_FIN, size)
        else:
            header = _long(_TEXT_FIN, 127, size)
        if not self._together:
            if self._ended:
                return
            self._turn.add(self)
        self._together += (header, frame)
        self._waiting += size
        if self._waiting > TOGETHER_BYTES:
            self.flush()

    def end(self) -> None:
        """Send what has come together, and nothing that comes later: a close frame is the last one."""
        self.flush()
        self._ended = True

    def flush(self) -> None:
        """Send what has come together. To be called before anything else is written to the stream."""
        if not self._together:
            return
        data = b"".join(self._together)
        self._together.clear()
        self._waiting = 0
        stream = self._stream
        if self._direct and not stream.writing() and not stream.closed():
            try:
                sent = stream.socket.send(data)
            except OSError:  # no room, or a broken connection: the stream finds out and acts
                sent = 0
            if sent == len(data):
                return
            data = data[sent:]
        try:
            written = stream.write(data)
        except StreamClosedError:
            return
        if not written.done():
            self._unflushed += len(data)
            written.add_done_callback(lambda _: self._flushed(len(data)))

    def _flushed(self, size: int) -> None:
        self._unflushed -= size
