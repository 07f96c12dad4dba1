"""HTTP as an attacker writes it: any header, any number of times, from any loopback address."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

from tornado.httputil import HTTPHeaders

Headers = Sequence[tuple[str, str]]
TIMEOUT_S = 40.0
UPGRADE: Headers = (
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
)
OTHER_CLIENT = "127.0.0.2"
"""A source address that is counted apart from the usual 127.0.0.1."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: HTTPHeaders
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def cookie(self) -> str:
        """``name=value`` of the cookie that was set."""
        return self.headers["Set-Cookie"].split(";")[0]


def ask(
    port: int,
    method: str = "GET",
    path: str = "/",
    headers: Headers = (),
    body: bytes = b"",
    *,
    source: str = "127.0.0.1",
    address: str = "127.0.0.1",
) -> Answer:
    """Send one request and read the whole answer. ``Host`` is the right one unless ``headers`` has one."""
    names = {name.lower() for name, _ in headers}
    lines = [f"{method} {path} HTTP/1.1"]
    if "host" not in names:
        lines.append(f"Host: {address}:{port}")
    if body and not names & {"content-length", "transfer-encoding"}:
        lines.append(f"Content-Length: {len(body)}")
    lines += [f"{name}: {value}" for name, value in headers]
    if "connection" not in names:
        lines.append("Connection: close")
    with socket.create_connection((address, port), TIMEOUT_S, source_address=(source, 0)) as connection:
        connection.sendall("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)
        return _read(connection, upgrade="upgrade" in names)


def addresses(page: Answer, path: str) -> list[str]:
    """The addresses that a page at ``path`` fetches first: those it names, and those that came along with it."""
    named = re.findall(r'(?:src|href)="([^"#]+)"', page.body.decode())
    early = re.findall("<([^>]+)>; rel=", ", ".join(page.headers.get_list("Link")))
    return [urljoin(path, each) for each in (*named, *early)]


def _read(connection: socket.socket, *, upgrade: bool) -> Answer:
    received = b""
    while more := connection.recv(65536):
        received += more
        head, separator, body = received.partition(b"\r\n\r\n")
        if separator and (upgrade or len(body) >= _length(head)):
            break
    head, _, body = received.partition(b"\r\n\r\n")
    first, _, rest = head.decode("latin-1").partition("\r\n")
    return Answer(int(first.split()[1]), HTTPHeaders.parse(rest), body)


def _length(head: bytes) -> float:
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            return int(line.split(b":")[1])
    return float("inf")


def upgrade(port: int, path: str = "/ws", headers: Headers = (), **more: Any) -> Answer:
    """Ask for a WebSocket; 101 if it is accepted."""
    return ask(port, "GET", path, [*UPGRADE, *headers], **more)


def login(port: int, headers: Headers = (), **credentials: str) -> Answer:
    """``POST auth/login`` as the page does it."""
    given = [*headers, ("Content-Type", "application/json")]
    if "origin" not in {name.lower() for name, _ in headers}:
        given.append(("Origin", f"http://127.0.0.1:{port}"))
    return ask(port, "POST", "/auth/login", given, json.dumps(credentials).encode())
