"""Answers that never end, unpack to more than there is memory, or come byte by byte."""

from __future__ import annotations

import contextlib
import gzip
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tornado.iostream import StreamClosedError
from tornado.web import RequestHandler

from clawdbot_ext.agent.providers import bounded_body
from clawdbot_ext.agent.providers.anthropic import AnthropicProvider
from clawdbot_ext.agent.providers.base import ProviderError
from tests.support.aio import run
from tests.support.loopback_server import LoopbackServer
from tests.support.turns import request

SSE, JSON = "text/event-stream", "application/json"
REPLY = (
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
    b'"delta":{"type":"text_delta","text":"hi \xea\xb0\x80"}}\n\n'
    b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"}}\n\n'
    b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
)


class Hostile(LoopbackServer):
    """Answers every request with ``pieces``, and notes whether the client heard them all."""

    def __init__(self, pieces: Callable[[], Iterator[bytes]], kind: str = SSE, status: int = 200, encoding: str = ""):
        super().__init__()
        self.pieces, self.kind, self.status, self.encoding = pieces, kind, status, encoding
        self.asked_for = ""

    def routes(self) -> list[Any]:
        return [(r".*", _Answer, {"server": self})]


class _Answer(RequestHandler):
    def initialize(self, server: Hostile) -> None:
        self.server = server

    async def post(self) -> None:
        server = self.server
        server.asked_for = self.request.headers.get("Accept-Encoding", "")
        self.set_status(server.status)
        self.set_header("Content-Type", server.kind)
        if server.encoding:
            self.set_header("Content-Encoding", server.encoding)
        with contextlib.suppress(StreamClosedError):
            for piece in server.pieces():
                self.write(piece)
                await self.flush()
            await self.finish()

    get = post


async def _ask(server: Hostile) -> list[Any]:
    """All events of one request."""
    provider = AnthropicProvider("local", "", server.url)
    try:
        return [event async for event in provider.stream(request("hello"))]
    finally:
        await provider.aclose()


def _refused(server: Hostile) -> ProviderError:
    with server, pytest.raises(ProviderError) as refused:
        run(_ask(server))
    return refused.value


def _endless(piece: bytes) -> Callable[[], Iterator[bytes]]:
    return lambda: (piece for _ in range(100_000))


@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize("encoding", ["", "gzip"])
def test_a_reply_is_read_whole_in_pieces_of_any_size(size: int, encoding: str) -> None:
    data = gzip.compress(REPLY) if encoding else REPLY
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    with Hostile(lambda: iter(pieces), encoding=encoding) as server:
        events = run(_ask(server))
    assert events[-1].content == [{"type": "text", "text": "hi 가"}] and events[-1].stop_reason == "end_turn"
    assert server.asked_for == "identity"


@pytest.mark.parametrize("newline", [b"\r\n", b"\r"])
def test_an_event_may_end_in_any_newline(newline: bytes) -> None:
    with Hostile(lambda: iter([REPLY.replace(b"\n", newline)])) as server:
        assert run(_ask(server))[-1].stop_reason == "end_turn"


def test_a_line_without_end_ends_the_reply(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_body, "EVENT_BYTES", 300_000)
    refused = _refused(Hostile(_endless(b"data: " + b"x" * 50_000)))
    assert refused.kind == "protocol" and "without end" in refused.detail


def test_events_without_end_end_the_reply(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_body, "STREAM_BYTES", 300_000)
    refused = _refused(Hostile(_endless(b'data: {"type": "ping"}\n\n' * 1_000)))
    assert refused.kind == "protocol" and "without end" in refused.detail


def test_an_archive_that_unpacks_to_gigabytes_ends_the_reply() -> None:
    bomb = gzip.compress(b"\0" * 32 * 2**20)
    assert len(bomb) < 40_000
    refused = _refused(Hostile(lambda: iter([bomb]), encoding="gzip"))
    assert refused.kind == "protocol"


@pytest.mark.parametrize("encoding", ["br", "gzip, gzip"])
def test_an_encoding_that_was_not_asked_for_is_refused(encoding: str) -> None:
    refused = _refused(Hostile(lambda: iter([b"x"]), encoding=encoding))
    assert refused.kind == "protocol" and "encoding" in refused.detail


def test_of_an_error_page_without_end_the_status_counts() -> None:
    refused = _refused(Hostile(_endless(b"<p>sorry</p>" * 1_000), kind="text/html", status=503))
    assert refused.kind == "server" and refused.status == 503


@pytest.mark.parametrize("size", [1, 10_000])
def test_a_packed_error_is_read_in_pieces_of_any_size(size: int) -> None:
    data = gzip.compress(b'{"type":"error","error":{"type":"overloaded_error","message":"so busy"}}')
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    refused = _refused(Hostile(lambda: iter(pieces), kind=JSON, status=400, encoding="gzip"))
    assert refused.kind == "overloaded" and "so busy" in refused.detail


def test_a_whole_message_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_body, "BODY_BYTES", 300_000)
    refused = _refused(Hostile(_endless(b" " * 50_000), kind=JSON))
    assert refused.kind == "protocol" and "too long" in refused.detail


def test_a_list_of_models_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_body, "BODY_BYTES", 300_000)

    async def main() -> None:
        provider = AnthropicProvider("local", "", server.url)
        try:
            await provider.list_models()
        finally:
            await provider.aclose()

    with Hostile(_endless(b" " * 50_000), kind=JSON) as server, pytest.raises(ProviderError) as refused:
        run(main())
    assert refused.value.kind == "protocol" and "too long" in refused.value.detail
