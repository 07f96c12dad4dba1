"""Clients that send too slowly, too much at once, or from too many connections: no other waits, and nothing fills up.

Attacker and owner come from the same address, as behind a tunnel.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import socket
import struct
import sys
import time

import psutil
import pytest

from clawdbot_ext.server.handlers.static_files import STATIC
from tests.support.http import UPGRADE, ask
from tests.support.jupyter import JupyterProcess
from tests.support.pace import promptly
from tests.support.wire import run, wired

CUT_S = 20.0
"""More than the grace of a body, and less than a user would want to wait."""
FLOOD = 400


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A Jupyter server with the gateway's own port besides."""
    process = JupyterProcess(tmp_path_factory.mktemp("lab"))
    process.start()
    ask(process.port, path=f"{process.mount}chat", headers=list(process.headers.items()))
    yield process
    process.stop()


def begin(port, path, headers, body=b"x", length=60_000):
    """A request whose body has begun."""
    connection = socket.create_connection(("127.0.0.1", port), 3 * CUT_S)
    lines = [
        f"POST {path} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        *([] if length is None else [f"Content-Length: {length}"]),
        *(f"{name}: {value}" for name, value in headers),
    ]
    try:
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)
    except OSError:
        connection.close()
        raise
    return connection


def answer_of(connection):
    """Everything that comes before the other side closes; raises ``TimeoutError`` if it does not."""
    got = b""
    with contextlib.suppress(ConnectionResetError):
        while more := connection.recv(65536):
            got += more
    return got


async def drip(connection, size, pieces, pause_s):
    """Send ``pieces`` of ``size`` bytes, slowly; ``False`` when the other side had enough."""
    try:
        for _ in range(pieces):
            connection.sendall(b"y" * size)
            await asyncio.sleep(pause_s)
    except OSError:
        return False
    return True


@pytest.mark.slow
def test_s8_a_body_that_trickles_is_cut_off_and_one_that_is_slow_arrives(standalone, lab):
    """On the own port, on a Lab's second one, and for uploads on the mount, where the port is Jupyter's. With them: 16
    uploads that trickle just fast enough to stay do not keep a seventeenth out."""
    own = ("Origin", standalone.origin)
    beside = ("Origin", f"http://127.0.0.1:{lab.clawdbot_port}")
    owner = list(standalone.program.items())
    lab_user = list(lab.headers.items())

    async def main():
        stuck = [
            begin(standalone.port, "/auth/login", [own]),
            begin(standalone.port, "/nowhere", [own]),
            begin(standalone.port, "/media?name=a.txt", owner, length=1_000_000),
            begin(standalone.port, "/api/contents/a.txt", owner, length=1_000_000),
            begin(standalone.port, "/auth/login", [*owner, ("Transfer-Encoding", "chunked")], b"1\r\n", None),
            begin(lab.clawdbot_port, "/auth/login", [beside]),
            begin(lab.port, f"{lab.mount}media?name=a.txt", lab_user, length=1_000_000),
        ]
        started = time.monotonic()
        ends = asyncio.gather(*(asyncio.to_thread(answer_of, connection) for connection in stuck))
        slow = begin(standalone.port, "/media?name=slow.txt", [*owner, ("Connection", "close")], length=1 + 14 * 1500)
        trickles = [begin(standalone.port, "/media?name=t.txt", owner, b"x" * 6_000, 1_000_000) for _ in range(15)]
        dripping = [asyncio.ensure_future(drip(each, 700, 14, 1.0)) for each in trickles]
        assert await drip(slow, 1500, 14, 0.9)  # honest, over a bad line
        assert b" 201 " in (await asyncio.to_thread(answer_of, slow))
        answers = await ends
        assert time.monotonic() - started < promptly(CUT_S)
        assert all(b" 408 " in answer for answer in answers), answers
        late = [begin(standalone.port, "/media?name=b.txt", owner, length=1_000_000) for _ in range(2)]
        whole = await asyncio.to_thread(ask, standalone.port, "POST", "/media?name=c.txt", owner, b"new text")
        assert whole.status in (200, 201)
        await asyncio.gather(*dripping)
        for connection in [*stuck, *trickles, *late, slow]:
            connection.close()

    run(main(), 60)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="prlimit is Linux's")
@pytest.mark.parametrize("port_of", ["own", "beside"])
def test_s8_a_flood_of_strangers_from_the_owners_own_address_keeps_the_owner_out_of_nothing(make_gateway, lab, port_of):
    process = make_gateway() if port_of == "own" else lab
    port = process.port if port_of == "own" else lab.clawdbot_port
    token = [("Authorization", f"Bearer {process.token}")]
    hard = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)[1]
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (FLOOD // 2, hard))

    async def main():
        async with wired(f"ws://127.0.0.1:{port}/ws", process.token) as before:
            flood = []
            for number in range(FLOOD):
                with contextlib.suppress(OSError):
                    if number % 3 == 0:
                        flood.append(begin(port, "/auth/login", [("Origin", f"http://127.0.0.1:{port}")]))
                    elif number % 3 == 1:
                        flood.append(socket.create_connection(("127.0.0.1", port), 5))
                    else:
                        flood.append(anonymous_socket(port))
                if number % 50 == 49:  # the flood is still on
                    assert ask(port, path="/media/aaaaaaaaaaaa", headers=token).status == 404
                    async with wired(f"ws://127.0.0.1:{port}/ws", process.token) as another:
                        assert (await another.call("health"))["ok"]
            assert (await before.ask("[[text=still here]]"))["state"] == "final"
            for connection in flood:
                connection.close()

    try:
        run(main())
    finally:
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (hard, hard))


def anonymous_socket(port):
    """A WebSocket whose client has not said who it is."""
    connection = socket.create_connection(("127.0.0.1", port), 5)
    lines = ["GET /ws HTTP/1.1", f"Host: 127.0.0.1:{port}", *(f"{name}: {value}" for name, value in UPGRADE)]
    connection.sendall("\r\n".join([*lines, "", ""]).encode())
    got = b""
    while b"connect.challenge" not in got:
        more = connection.recv(4096)
        if not more:
            connection.close()
            raise ConnectionError("closed before the challenge")
        got += more
    return connection


@pytest.mark.slow
def test_s8_unfinished_frames_and_bodies_of_strangers_have_little_memory_together(gateway):
    """250 KB announced and never finished, on hundreds of sockets: refused; 60 KB, in one frame or in many: bounded."""
    memory = psutil.Process(gateway.pid).memory_info
    huge = anonymous_socket(gateway.port)
    huge.sendall(b"\x81" + bytes([0x80 | 127]) + struct.pack("!Q", 250_000) + os.urandom(4) + b"x" * 200_000)
    assert b"\x03\xf1" in answer_of(huge)  # 1009
    huge.close()
    ask(gateway.port, path="/healthz")
    before = memory().rss
    held = []
    for number in range(1200):
        if number % 3 == 0:
            with contextlib.suppress(OSError):
                held.append(
                    begin(gateway.port, "/auth/login", [("Origin", f"http://127.0.0.1:{gateway.port}")], b"x" * 59_000)
                )
            continue
        held.append(anonymous_socket(gateway.port))
        with contextlib.suppress(OSError):
            if number % 3 == 1:
                held[-1].sendall(b"\x81" + bytes([0x80 | 126]) + struct.pack("!H", 60_000) + b"mask" + b"x" * 59_000)
            else:
                for part in range(14):
                    held[-1].sendall(
                        bytes([0x01 if part == 0 else 0x00, 0x80 | 126])
                        + struct.pack("!H", 4_000)
                        + b"mask"
                        + b"x" * 4_000
                    )
    assert ask(gateway.port, path="/healthz").status == 200
    assert memory().rss - before < 40_000_000  # 70 MB were sent
    for connection in held:
        connection.close()


@pytest.mark.slow
def test_s8_what_strangers_left_unfinished_is_gone_with_their_connections(gateway):
    """60 KB of a frame on 1,200 sockets in a row: cut off for the others' sake, or closed by their own clients."""
    memory = psutil.Process(gateway.pid).memory_info
    anonymous_socket(gateway.port).close()
    before = memory().rss
    held = []
    for number in range(1200):
        held.append(anonymous_socket(gateway.port))
        with contextlib.suppress(OSError):
            held[-1].sendall(b"\x81" + bytes([0x80 | 126]) + struct.pack("!H", 60_000) + b"mask" + b"x" * 59_000)
        if number % 2:
            held.pop().close()
    assert ask(gateway.port, path="/healthz").status == 200
    assert memory().rss - before < 35_000_000  # 70 MB were sent, and at most 8 MB may wait
    for connection in held:
        connection.close()


@pytest.mark.slow
def test_s8_frames_under_way_after_the_login_are_bounded_together(gateway):
    """Ten frames of 30 MB that lack their last byte: four of them are taken, the others wait outside."""

    async def main():
        async with wired(gateway.ws_url, gateway.token) as wire:
            memory = psutil.Process(gateway.pid).memory_info
            before = memory().rss
            senders = []
            for _ in range(10):
                sender = socket.create_connection(("127.0.0.1", gateway.port), 10)
                lines = [
                    "GET /ws HTTP/1.1",
                    f"Host: 127.0.0.1:{gateway.port}",
                    f"Authorization: Bearer {gateway.token}",
                    *(f"{n}: {v}" for n, v in UPGRADE),
                ]
                sender.sendall("\r\n".join([*lines, "", ""]).encode())
                sender.recv(4096)
                connect = (
                    b'{"type":"req","id":"1","method":"connect","params":{"minProtocol":3,"maxProtocol":3,'
                    b'"client":{"id":"x","version":"1","platform":"x","mode":"ui"}}}'
                )
                sender.sendall(b"\x81" + bytes([0x80 | 126]) + struct.pack("!H", len(connect)) + b"\0\0\0\0" + connect)
                while b"hello-ok" not in await asyncio.to_thread(sender.recv, 65536):
                    pass
                senders.append(sender)

            def fill(sender):
                sender.settimeout(1)
                sender.sendall(b"\x81" + bytes([0x80 | 127]) + struct.pack("!Q", 30_000_000) + b"mask")
                with contextlib.suppress(OSError):
                    for _ in range(29):
                        sender.sendall(b"x" * 1_000_000)

            await asyncio.gather(*(asyncio.to_thread(fill, sender) for sender in senders))
            assert (await wire.call("health"))["ok"]
            assert memory().rss - before < 200_000_000
            for sender in senders:
                sender.close()

    run(main())


@pytest.mark.slow
def test_s8_a_tls_handshake_that_never_comes_is_not_waited_for(make_gateway):
    gateway = make_gateway(config={"gateway": {"tls": {"enabled": True}}})
    with socket.create_connection(("127.0.0.1", gateway.port), 10) as silent:
        assert answer_of(silent) == b""


@pytest.mark.slow
def test_s8_a_stranger_that_takes_nothing_of_an_answer_is_let_go(standalone):
    """The page's files are open to all, and some are larger than a socket's buffers."""
    largest = max((STATIC / "assets").iterdir(), key=lambda file: file.stat().st_size).name
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(5)
    connection.connect(("127.0.0.1", standalone.port))
    request = f"GET /assets/{largest} HTTP/1.1\r\nHost: 127.0.0.1:{standalone.port}\r\n\r\n".encode()
    connection.sendall(request * 5)
    assert connection.recv(1)
    mine = connection.getsockname()
    served = psutil.Process(standalone.process.pid)

    def still_open():
        return any(each.raddr == mine for each in served.net_connections("tcp"))

    assert still_open()
    ends = time.monotonic() + 100
    while still_open() and time.monotonic() < ends:
        time.sleep(0.5)
    assert not still_open()
    connection.close()
