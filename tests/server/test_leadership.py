"""One gateway a state directory, whichever of the user's servers has it: the others relay, and one takes over."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time

import psutil
import pytest
from tornado.iostream import IOStream
from tornado.netutil import bind_sockets
from tornado.tcpserver import TCPServer
from websockets.exceptions import InvalidStatus

from clawdbot_ext.server.handlers.proxy import pipe_both_ways
from tests.support import aio
from tests.support.http import UPGRADE, ask, upgrade
from tests.support.jupyter import TOKEN, JupyterProcess
from tests.support.server import GatewayProcess, free_port
from tests.support.wire import opened, run, text_of

pytestmark = pytest.mark.slow  # each starts processes
CAPS = ("chat.append", "session.events")
BACK_S = 60.0
"""Seconds to wait for the next gateway. The real duration is measured by benchmarks/bench_lab_start.py."""


STRICT = """
from jupyter_server.auth.authorizer import Authorizer

class Strict(Authorizer):
    def is_authorized(self, handler, user, action, resource):
        return "X-Deny" not in handler.request.headers
"""
"""Jupyter's users may do everything, unless their request says otherwise."""


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    """A gateway of its own that was there first, then two Jupyter servers of the same state directory."""
    port, state = free_port(), tmp_path_factory.mktemp("one") / "state"
    standalone = GatewayProcess(state)
    standalone.port = port
    standalone.start()
    labs = [JupyterProcess(state, clawdbot_port=port) for _ in range(2)]
    (labs[0].folder / "strict.py").write_text(STRICT)
    labs[0].traits["ServerApp"] = {"authorizer_class": "strict.Strict"}
    for lab in labs:
        lab.spawn()
    for lab in labs:
        lab.await_answer()
    yield standalone, *labs
    for server in (standalone, *labs):
        server.kill()


@contextlib.asynccontextmanager
async def connected(lab):
    """A client of a mount, with Jupyter's login. Tries as long as a takeover may take, as our own clients do."""
    ends = time.monotonic() + BACK_S
    while True:
        with contextlib.suppress(InvalidStatus, ConnectionError):
            async with opened(lab.ws_url, additional_headers=lab.headers) as wire:
                await wire.handshake(caps=CAPS)
                yield wire
                return
        assert time.monotonic() < ends, lab.output
        await asyncio.sleep(0.02)


async def history(wire):
    return [text_of(message) for message in (await wire.call("chat.history", {"sessionKey": "main"}))["messages"]]


def test_what_a_relay_passes_on_and_what_it_keeps(servers):
    standalone, one, _ = servers
    login = list(one.headers.items())
    page = ask(one.port, path=f"{one.mount}chat", headers=login)
    own = ask(standalone.port, path="/chat")
    assert (page.status, page.body) == (200, own.body)
    assert page.headers["Content-Security-Policy"] == own.headers["Content-Security-Policy"]
    name = page.body.partition(b"./assets/")[2].partition(b'"')[0].decode()
    path = f"{one.mount}assets/{name}"
    part = ask(one.port, path=path, headers=[*login, ("Range", "bytes=2-9")])
    assert part.status == 206 and len(part.body) == 8
    again = ask(one.port, path=path, headers=[*login, ("If-None-Match", part.headers["Etag"])])
    assert (again.status, again.body) == (304, b"")
    assert ask(one.port, "HEAD", path, login).status == 200

    # files go through it into the gateway, and out of it
    data = b"a,b\n" + b"1,2\n" * 100_000
    made = ask(one.port, "POST", f"{one.mount}media?name=big.csv", login, data)
    id_ = made.json()["mediaId"]
    assert (made.status, made.json()["size"]) == (201, len(data))
    piece = ask(one.port, path=f"{one.mount}media/{id_}", headers=[*login, ("Range", "bytes=0-3")])
    assert (piece.status, piece.body) == (206, b"a,b\n")
    assert ask(one.port, path=f"{one.mount}media/{id_}").status == 403, "no login"

    # who asks is this server's own matter
    session = ask(one.port, path=f"{one.mount}auth/session", headers=login).json()
    assert session["authenticated"] and session["mount"] == "jupyter"
    stranger = ask(one.port, path=f"{one.mount}chat")
    assert stranger.status == 302 and "/login" in stranger.headers["Location"]
    assert ask(one.port, path=path).status == 200, "built files are the same for everybody"
    for headers, status in (
        ([], 403),
        ([*login, ("Origin", "http://evil.example")], 403),
        ([("Authorization", "Bearer wrong")], 401),
    ):
        assert ask(one.port, path=f"{one.mount}ws", headers=[("Upgrade", "websocket"), *headers]).status == status
    # nothing else of the gateway's server can be reached through it
    for path in ("api/kernels", "auth/login", "../api/contents", "login"):
        assert ask(one.port, path=one.mount + path, headers=login).status == 404, path
    # its credential is in a file that only this account reads, and in no answer
    secret = (one.home / "secrets" / "client").read_text().strip()
    assert (one.home / "secrets" / "client").stat().st_mode & 0o777 == 0o600
    assert secret.encode() not in page.body and secret not in one.output and TOKEN not in standalone.output


def test_whom_jupyter_does_not_let_use_the_assistant_reaches_nothing_of_it_through_a_relay(servers):
    _, one, _ = servers
    login = list(one.headers.items())
    id_ = ask(one.port, "POST", f"{one.mount}media?name=secret.csv", login, b"a,b\n").json()["mediaId"]
    denied = [*login, ("X-Deny", "1")]
    for method, path in (
        ("GET", f"media/{id_}"),
        ("HEAD", f"media/{id_}"),
        ("POST", "media?name=more.csv"),
        ("GET", f"media/{id_}/thumbnail"),
        ("GET", f"media/{id_}.0"),
    ):
        body = b"a,b\n" if method == "POST" else b""
        assert ask(one.port, method, one.mount + path, denied, body).status == 403, (method, path)
    assert upgrade(one.port, f"{one.mount}ws", denied).status == 403
    assert ask(one.port, path=f"{one.mount}media/{id_}", headers=login).status == 200


OLD_UPGRADE = [(name, "99" if name == "Sec-WebSocket-Version" else value) for name, value in UPGRADE]


@pytest.mark.parametrize(("path", "headers", "status"), [("chat", [], b"200"), ("ws", OLD_UPGRADE, b"426")])
def test_nobody_talks_to_the_owners_server_behind_a_request_that_was_passed_on(servers, path, headers, status):
    """Neither behind an answer nor behind an upgrade that is refused: it would be as a program of this machine."""
    standalone, one, _ = servers
    lines = [
        f"GET {one.mount}{path} HTTP/1.1",
        f"Host: 127.0.0.1:{one.port}",
        *(f"{name}: {value}" for name, value in [*one.headers.items(), *headers]),
    ]
    second = f"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:{standalone.port}\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", one.port), 5) as connection:
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n" + second).encode())
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    assert received.startswith(b"HTTP/1.1 " + status) and received.count(b"HTTP/1.1 ") == 1


def test_a_kernel_finds_no_secret_of_ours_in_its_environment(servers, tmp_path):
    _, one, _ = servers
    with_keys = GatewayProcess(
        tmp_path / "keys",
        env={"ANTHROPIC_API_KEY": "sk-canary-key", "CLAWDBOT_GATEWAY_TOKEN": "canary-token-of-the-gateway"},
    )
    with_keys.start()
    try:
        for server, base, headers in (
            (one, one.base_url, one.headers),
            (with_keys, "/", {"Authorization": "Bearer canary-token-of-the-gateway"}),
        ):
            before = {child.pid for child in psutil.Process(server.pid).children(recursive=True)}
            made = ask(server.port, "POST", f"{base}api/kernels", [*headers.items()], b"{}")
            assert made.status == 201, made.body
            (kernel,) = [
                child for child in psutil.Process(server.pid).children(recursive=True) if child.pid not in before
            ]
            environment = kernel.environ()
            secrets = {path.read_text().strip() for path in (server.home / "secrets").iterdir()}
            secrets |= {"sk-canary-key", "canary-token-of-the-gateway"}
            assert not [name for name, value in environment.items() if any(secret in value for secret in secrets)]

        # it still knows them itself, after a restart in place too
        async def main():
            async with opened(with_keys.ws_url) as wire:
                hello = await wire.handshake(token="canary-token-of-the-gateway")
                assert hello["snapshot"]["setup"]["provider"] == "anthropic"
                await wire.call("gateway.stop", {"restart": True})
                await wire.closed()
            await aio.until(lambda: answer_of(with_keys.port) == 200, 15)
            async with opened(with_keys.ws_url) as wire:
                assert (await wire.handshake(token="canary-token-of-the-gateway"))["snapshot"]["setup"][
                    "provider"
                ] == "anthropic"

        run(main())
    finally:
        with_keys.kill()


def answer_of(port):
    try:
        return ask(port, path="/healthz").status
    except OSError:
        return 0


def test_a_restart_of_the_owner_keeps_the_gateway_where_it_is(servers):
    standalone, one, _ = servers

    async def main():
        async with connected(one) as wire:
            await wire.call("gateway.stop", {"restart": True})
            assert await wire.closed() == 1012
        async with connected(one) as wire:
            await wire.call("health")

    run(main())
    assert psutil.Process(standalone.pid).is_running() and "now runs here" not in one.output
    assert json.loads((one.home / "gateway.json").read_text())["pid"] == standalone.pid


def test_a_relay_reads_no_faster_than_its_client(tmp_path):
    """Data for a slow client waits at the gateway, which handles slow clients."""

    class Keeps(TCPServer):
        streams: asyncio.Queue[IOStream]

        async def handle_stream(self, stream, address):
            await self.streams.put(stream)

    async def main():
        server = Keeps()
        server.streams = asyncio.Queue()
        server.add_sockets(bind_sockets(0, "127.0.0.1"))
        port = next(iter(server._sockets.values())).getsockname()[1]

        async def pair():
            _, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**16)
            return writer, await server.streams.get()

        client, client_here = await pair()  # reads nothing
        owner, owner_here = await pair()
        joined = asyncio.create_task(pipe_both_ways(client_here, owner_here, lambda data: None))
        sent = 0
        while sent < 200 * 2**20:
            owner.write(bytes(2**20))
            sent += 2**20
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(owner.drain(), 0.3)
                continue
            break
        assert sent < 100 * 2**20  # the two sockets' own buffers, nothing in the process
        client.close()
        await joined  # and the owner's side is closed with it
        owner.close()
        server.stop()

    aio.run(main(), 20)


def test_a_conversation_goes_on_at_every_mount_while_its_owners_end_one_after_the_other(servers):
    standalone, one, two = servers

    async def main():
        # it comes last here: of the servers that the tests of this module share, one is left
        async with connected(one) as here, connected(two) as there:
            assert here.hello["user"]["via"] == "jupyter"
            await here.ask("[[text=first]]")
            await there.wait("chat", lambda p: p["state"] == "final")
            run_id, _ = await there.send("[[tokens=100000]] [[delay_ms=20]]")
            await here.wait("chat", lambda p: p["runId"] == run_id and p.get("offset", 0) > 200)
            standalone.kill()
            assert {await here.closed(), await there.closed()} <= {1006, 1012}
        async with connected(one) as here, connected(two) as there:
            said = await history(here)
            assert said[1] == "first" and len(said) == 4 and said[3]  # what there was of the reply that was cut
            await here.ask("[[text=second]]")
            assert (await history(there))[-1] == "second"
            # the port of the gateway has moved, too
            assert ask(standalone.port, path="/chat").status == 200
            owner, other = (one, two) if "it now runs here" in one.output else (two, one)
            left = there if other is two else here
            owner.terminate()
            await left.wait("shutdown")
            assert await left.closed() == 1001  # byte for byte through the relay
        async with connected(other) as wire:
            assert (await history(wire))[-1] == "second"
            assert (await wire.ask("[[text=third]]"))["state"] == "final"

    run(main())
