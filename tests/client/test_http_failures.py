"""Failures of the request that opens a connection: a foreign program, a port without TLS, a proxy before nothing."""

from __future__ import annotations

import asyncio

import pytest

from clawdbot_ext.client.endpoint import Endpoint
from clawdbot_ext.client.errors import Foreign, NoTls, Unreachable
from clawdbot_ext.client.gateway_client import GatewayClient
from tests.support.aio import run


@pytest.mark.parametrize(
    ("answer", "scheme", "kind", "why"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", "ws", Foreign, "HTTP 404"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi", "ws", Foreign, "(?i)websocket"),
        (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", "ws", Unreachable, "HTTP 502"),
        (b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", "wss", NoTls, "SSL"),
    ],
)
def test_a_server_that_is_no_gateway_is_named_as_such(answer: bytes, scheme: str, kind: type, why: str) -> None:
    async def main() -> None:
        async def other(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(100)
            writer.write(answer)
            writer.close()

        server = await asyncio.start_server(other, "127.0.0.1", 0)
        url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        async with server:
            with pytest.raises(Unreachable, match=why) as caught:
                await GatewayClient(Endpoint(url, url)).connect()
            assert type(caught.value) is kind

    run(main())
