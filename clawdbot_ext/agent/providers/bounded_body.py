"""Bodies of a provider's answers, bounded in size and time, decoded in slices, and an event stream cut into events.

A server may send a line without an end, an archive that unpacks to gigabytes, or an error page that never ends. What
the SDK reads passes through here first (``response_hook``): its own reading, which copies what it has with every piece
that comes, is given whole events only. Imported by ``anthropic`` only.
"""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import AsyncIterator

import httpx2

from .base import ProviderError
from .paced_reading import PacedReads

EVENT_BYTES = 8 * 1024 * 1024
"""One event; the longest of the API has a page that was fetched in it."""
STREAM_BYTES = 128 * 1024 * 1024
"""All events of one reply."""
BODY_BYTES, BODY_S = 16 * 1024 * 1024, 120.0
"""A whole message, or a list of models: its size, and the time from the first byte to the last."""
ERROR_BYTES, ERROR_S = 64 * 1024, 5.0
"""An error's body, of which the rest is left out."""
SLICE_BYTES = 64 * 1024
"""Bytes unpacked at a time, before others have their turn."""
_ENDS = (b"\n\n", b"\r\r", b"\r\n\r\n")
_WINDOW = {"gzip": 31, "x-gzip": 31, "deflate": 15}


async def response_hook(response: httpx2.Response) -> None:
    """Bound the body of an answer before anything reads it. Raises ``ProviderError`` for an unknown encoding."""
    body = response.stream
    assert isinstance(body, httpx2.AsyncByteStream)
    encoding = response.headers.pop("content-encoding", "").strip().lower()
    if encoding not in ("", "identity"):  # not asked for
        if encoding not in _WINDOW:
            raise ProviderError("protocol", "the server sent an encoding that was not asked for")
        response.headers.pop("content-length", None)
        body = _Unpacked(body, _WINDOW[encoding])
    if response.status_code >= 400:
        response.stream = _Cut(body)
    elif response.headers.get("content-type", "").split(";")[0].strip().lower() == "text/event-stream":
        response.stream = _Events(body, response.extensions.get("network_stream"))
    else:
        response.stream = _Whole(body)


class _Body(httpx2.AsyncByteStream):
    """A body around another."""

    def __init__(self, inner: httpx2.AsyncByteStream):
        self._inner = inner

    async def aclose(self) -> None:
        await self._inner.aclose()


class _Unpacked(_Body):
    """A packed body, unpacked in slices."""

    def __init__(self, inner: httpx2.AsyncByteStream, window: int):
        super().__init__(inner)
        self._window = window

    async def __aiter__(self) -> AsyncIterator[bytes]:
        unpacking = zlib.decompressobj(self._window)
        async for piece in self._inner:
            packed, full = piece, True
            while packed or full:
                try:
                    unpacked = unpacking.decompress(packed, SLICE_BYTES)
                except zlib.error:
                    raise ProviderError("protocol", "the server sent a broken archive", passing=True) from None
                packed, full = unpacking.unconsumed_tail, len(unpacked) == SLICE_BYTES
                if unpacked:  # of a piece with a header alone there is nothing, which would be an end
                    yield unpacked
                await asyncio.sleep(0)


class _Cut(_Body):
    """An error's body: what comes beyond its bounds is left out."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left, ends = ERROR_BYTES, time.monotonic() + ERROR_S
        pieces = aiter(self._inner)
        while left > 0:
            try:
                piece = await asyncio.wait_for(anext(pieces, b""), max(0.0, ends - time.monotonic()))
            except asyncio.TimeoutError:
                return
            if not piece:
                return
            yield piece[:left]
            left -= len(piece)


class _Whole(_Body):
    """A body that is read as a whole."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size, ends = 0, time.monotonic() + BODY_S
        async for piece in self._inner:
            size += len(piece)
            if size > BODY_BYTES or time.monotonic() > ends:
                raise ProviderError("protocol", "the server's answer is too long")
            yield piece


class _Events(_Body):
    """An event stream, in pieces that end where an event does. One that is fast is read at a bounded pace."""

    def __init__(self, inner: httpx2.AsyncByteStream, network: object):
        super().__init__(inner)
        # Without attributes of its own its pace cannot be set; nothing depends on it but the cost.
        self._paced = PacedReads(network) if hasattr(network, "__dict__") else None

    async def aclose(self) -> None:
        if self._paced is not None:
            self._paced.end()
        await super().aclose()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size, waiting = 0, bytearray()
        async for piece in self._inner:
            looked_at = max(0, len(waiting) - 3)
            waiting += piece
            size += len(piece)
            if end := _end_of_last_event(waiting, looked_at):
                yield bytes(waiting[:end])
                del waiting[:end]
            if len(waiting) > EVENT_BYTES or size > STREAM_BYTES:
                raise ProviderError("protocol", "the server sent an event, or a reply, without end")
        if waiting:
            yield bytes(waiting)


def _end_of_last_event(waiting: bytearray, start: int) -> int:
    """The place behind the last blank line from ``start`` on; 0 if there is none."""
    return max(found + len(mark) if (found := waiting.rfind(mark, start)) >= 0 else 0 for mark in _ENDS)
