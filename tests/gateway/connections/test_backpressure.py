"""Clients on a slow line, and clients that have stopped reading."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psutil
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.support.server import GatewayProcess
from tests.support.wire import run, wired

CONNECT = {
    "minProtocol": 3,
    "maxProtocol": 3,
    "caps": ["session.events"],
    "client": {"id": "t", "version": "1", "platform": "x", "mode": "cli"},
}
ASK = {"type": "req", "id": "h", "method": "chat.history", "params": {"sessionKey": "big"}}


@asynccontextmanager
async def narrow(gateway: GatewayProcess) -> AsyncIterator[ClientConnection]:
    """A connected client whose line takes little at a time; it reads only when told to."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32_768)
    raw.connect(("127.0.0.1", gateway.port))
    raw.setblocking(False)
    async with connect(gateway.ws_url, compression=None, max_size=None, proxy=None, sock=raw) as client:
        await client.recv()
        login = {"type": "req", "id": "c", "method": "connect", "params": CONNECT | {"auth": {"token": gateway.token}}}
        await client.send(json.dumps(login))
        while json.loads(await client.recv())["type"] != "res":
            pass
        yield client


async def fill(wire: Any) -> None:
    """A session whose history is 6 MB long."""
    await wire.ask("[[text=x]]", key="big")
    for _ in range(10):
        await wire.call("chat.inject", {"sessionKey": "big", "message": "y" * 600_000})


def test_a_long_history_on_a_slow_line_arrives_while_other_things_happen(make_gateway):
    gateway = make_gateway(config={"gateway": {"maxBufferedBytes": 262_144}})

    async def main():
        async with wired(gateway.ws_url, gateway.token, caps=["session.events"]) as wire:
            await fill(wire)
            async with narrow(gateway) as client:
                client.transport.pause_reading()
                await client.send(json.dumps(ASK))
                for _ in range(3):
                    await wire.ask("[[text=news]]", key="other")
                client.transport.resume_reading()
                frames = []
                while len([f for f in frames if f.get("event") == "chat" and f["payload"]["state"] == "final"]) < 3:
                    frames.append(json.loads(await client.recv()))
                assert [len(f["payload"]["messages"]) for f in frames if f["type"] == "res"] == [12]

    run(main())


def test_a_client_that_asks_and_never_reads_is_closed_before_it_fills_the_memory(gateway):
    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            await fill(wire)
            process = psutil.Process(gateway.pid)
            before = process.memory_info().rss
            async with narrow(gateway) as client:
                client.transport.pause_reading()
                for _ in range(50):
                    await client.send(json.dumps(ASK))
                for _ in range(20):  # each answer comes behind some of the other client's
                    await wire.call("chat.history", {"sessionKey": "big"})
                    if "does not read, closing" in gateway.output:
                        break  # the close frame waits a few seconds for a client that reads again
                assert process.memory_info().rss - before < 200 * 1024 * 1024
                client.transport.resume_reading()
                with pytest.raises(ConnectionClosed) as closed:
                    while True:
                        await client.recv()
                assert closed.value.rcvd is not None and closed.value.rcvd.code == 1013

    run(main())
