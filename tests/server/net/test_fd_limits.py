"""Too many connections, and connections that are not welcome any more."""

from __future__ import annotations

import resource
import socket
import sys
from pathlib import Path

import pytest

from tests.support.http import UPGRADE, ask, login
from tests.support.wire import Wire, connect, run, wired


@pytest.mark.skipif(sys.platform != "linux", reason="prlimit is Linux's")
def test_when_descriptors_run_out_newcomers_are_refused_and_the_rest_goes_on(gateway):
    used = len(list(Path(f"/proc/{gateway.pid}/fd").iterdir()))
    hard = resource.prlimit(gateway.pid, resource.RLIMIT_NOFILE)[1]

    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            resource.prlimit(gateway.pid, resource.RLIMIT_NOFILE, (used + 24, hard))
            # Anonymous connections give way; those who have logged in do not, so it is they who fill it up.
            program = [("Authorization", f"Bearer {gateway.token}")]
            known, answers = [], set()
            while 503 not in answers:  # the first that gets in hears why not
                try:
                    answer = ask(gateway.port, "GET", "/healthz")
                except (ConnectionError, IndexError, ValueError):  # closed unheard
                    known.pop().close()
                    continue
                answers.add(answer.status)
                if answer.status == 503:
                    assert answer.json()["reason"] == "TOO_MANY_CONNECTIONS" and answer.headers["Retry-After"]
                else:
                    known.append(upgraded(gateway.port, program))
            assert (await wire.ask("[[text=still here]]"))["state"] == "final"
            for connection in known:
                connection.close()
            await wire.call("health")
            status = 0
            while status != 200:
                try:
                    status = ask(gateway.port, "GET", "/healthz").status
                except (ConnectionError, IndexError, ValueError):
                    status = 0

    run(main())


def upgraded(port, headers):
    """A WebSocket that stays open."""
    connection = socket.create_connection(("127.0.0.1", port), 10)
    lines = ["GET /ws HTTP/1.1", f"Host: 127.0.0.1:{port}", *(f"{n}: {v}" for n, v in [*UPGRADE, *headers])]
    connection.sendall("\r\n".join([*lines, "", ""]).encode())
    connection.recv(4096)
    return connection


def test_logging_out_closes_the_sockets_of_that_login_and_of_no_other(standing_gateway):
    port = standing_gateway.port
    origin = f"http://127.0.0.1:{port}"

    async def main():
        cookies = [login(port, token=standing_gateway.token).cookie for _ in range(2)]
        assert cookies[0] != cookies[1]
        wires = []
        for cookie in cookies:
            wires.append(
                Wire(
                    await connect(
                        standing_gateway.ws_url, origin=origin, compression=None, additional_headers={"Cookie": cookie}
                    )
                )
            )
            await wires[-1].handshake()
        assert ask(port, "POST", "/auth/logout", [("Origin", origin), ("Cookie", cookies[0])]).status == 204
        assert await wires[0].closed() == 1008
        assert await wires[1].call("health")
        await wires[1].socket.close()

    run(main())
