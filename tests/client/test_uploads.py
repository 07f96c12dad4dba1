"""Files as a client sends them: what has no size before it is read, and names that are no UTF-8."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import os
import re
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from clawdbot_ext.cli import exit_codes
from clawdbot_ext.client import uploads
from clawdbot_ext.client.endpoint import Endpoint
from clawdbot_ext.client.errors import ClientError, NotUnderstood, TimedOut, Unreachable
from clawdbot_ext.protocol.errors import GatewayError


def test_a_pipe_and_a_file_without_a_size_are_read(tmp_path: Path) -> None:
    end, begin = os.pipe()
    os.write(begin, b"Filesystem Size")
    os.close(begin)
    try:
        if os.path.exists(f"/dev/fd/{end}"):
            found = uploads.file_of(f"/dev/fd/{end}")
            assert (found.name, found.size, found.read(0, 99)) == ("input", 15, b"Filesystem Size")
    finally:
        os.close(end)
    fifo = tmp_path / "pipe.txt"
    os.mkfifo(fifo)
    writer = threading.Thread(target=fifo.write_bytes, args=(b"from a program",))
    writer.start()
    assert uploads.file_of(fifo).data == b"from a program"
    writer.join(30)


@pytest.mark.skipif(not Path("/proc/version").exists(), reason="Linux has /proc")
def test_a_file_of_proc_is_read_though_it_says_that_it_is_empty() -> None:
    found = uploads.file_of("/proc/version")
    assert found.size == len(found.data) > 0 and found.name == "version"


def test_an_empty_file_stays_empty(tmp_path: Path) -> None:
    (tmp_path / "a.txt").touch()
    assert uploads.file_of(tmp_path / "a.txt").size == 0


@pytest.mark.skipif(os.uname().sysname == "Darwin", reason="macOS refuses names that are no UTF-8")
def test_a_name_that_is_no_utf8_gets_a_readable_one(tmp_path: Path) -> None:
    path = os.path.join(os.fsencode(tmp_path), "보고서.csv".encode("cp949"))
    with open(path, "wb") as file:
        file.write(b"a,b")
    found = uploads.file_of(os.fsdecode(path))
    assert (found.name, found.read(0, 9)) == ("보고서.csv", b"a,b")


@contextmanager
def answering(answer: bytes) -> Iterator[Any]:
    """A client whose gateway answers each request with those bytes and hangs up; an empty answer: at once."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"GET"):
            await reader.read(1000)
        with contextlib.suppress(OSError):
            writer.write(answer)
            await writer.drain()
        writer.close() if answer else writer.transport.abort()

    @asynccontextmanager
    async def client() -> AsyncIterator[Any]:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        endpoint = Endpoint(f"ws://127.0.0.1:{port}/", f"http://127.0.0.1:{port}/", "t")
        try:
            yield SimpleNamespace(endpoint=endpoint, locale="ko", bearer={"Authorization": "Bearer t"})
        finally:
            server.close()

    yield client


def failing(answer: bytes, work: Callable[[Any], Awaitable[Any]]) -> BaseException:
    """The failure of what is asked of a gateway that answers so."""

    async def main() -> BaseException:
        with answering(answer) as made:
            async with made() as client:
                try:
                    await asyncio.wait_for(work(client), 60)
                except (ClientError, GatewayError) as error:
                    return error
        raise AssertionError("nothing failed")

    return asyncio.run(main())


def test_an_upload_that_is_cut_off_in_the_middle_says_that_the_gateway_is_away() -> None:
    file = uploads.UploadFile("메모.txt", 900_000, data=bytes(900_000))
    error = failing(b"", lambda client: uploads.upload(client, file))
    assert isinstance(error, Unreachable)
    code, line = exit_codes.explain(error)
    assert code == exit_codes.UNREACHABLE and line.startswith("The gateway isn't responding: http://127.0.0.1:")
    assert "media?" not in line


def http(body: bytes, status: str = "200 OK", *headers: str, length: int | None = None) -> bytes:
    fields = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers]
    return "\r\n".join(fields).encode() + b"\r\n\r\n" + body


BOMB = gzip.compress(bytes(150_000_000), 1)
ESCAPED = b'{"error": {"code": [], "message": "\\u001b]0;pwned\\u0007\\nclawdbot: forged", "details": [7]}}'


@pytest.mark.slow
@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (http(b"[7]"), NotUnderstood),
        (http(b'{"mediaId": {"a": 7}}'), NotUnderstood),
        (http(b"[" * 200_000), NotUnderstood),
        (http(BOMB, "200 OK", "Content-Encoding: gzip"), NotUnderstood),
        (http(b"{}", length=3_000_000_000), Unreachable),
        (http(b'{"error": 7}', "500 Nothing"), GatewayError),
        (http(b"{}", "500 \x1b[2J"), Unreachable),
        (http(ESCAPED, "400 Bad Request"), GatewayError),
        (http(b"", "302 Found", "Location: http://127.0.0.1:1/stolen"), GatewayError),
        (b"\x1b]0;pwned\x07" * 1000, Unreachable),
    ],
    ids=["list", "id", "deep", "bomb", "huge", "no error", "status", "escapes", "elsewhere", "no http"],
)
def test_what_a_hostile_gateway_says_to_an_upload_is_one_line_of_text(answer: bytes, kind: type) -> None:
    before = psutil.Process().memory_info().rss
    error = failing(answer, lambda client: uploads.upload(client, uploads.UploadFile("a", 1, data=b"a")))
    assert isinstance(error, kind), error
    _, line = exit_codes.explain(error)
    assert line.isprintable() or ("\n" in line and not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]|^clawdbot:", line))
    assert psutil.Process().memory_info().rss - before < 80_000_000


def test_an_export_may_be_larger_than_what_fits_into_memory_and_one_that_is_cut_off_is_said_to_be() -> None:
    pieces: list[bytes] = []
    answer = http(b"the beginning", length=3_000_000_000)
    error = failing(answer, lambda client: uploads.export(client, pieces.append))
    assert isinstance(error, Unreachable) and b"".join(pieces) == b"the beginning"


@pytest.mark.parametrize("reads", [True, False])
def test_an_upload_that_is_not_read_on_or_not_answered_comes_to_an_end(monkeypatch, reads: bool) -> None:
    monkeypatch.setattr(uploads, "ANSWER_S", 0.5)
    file = uploads.UploadFile(
        "메모.txt", 900_000 if reads else 64_000_000, data=bytes(900_000 if reads else 64_000_000)
    )

    async def main() -> None:
        ends = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await (reader.readexactly(900_000) if reads else reader.read(1))
            await ends.wait()
            writer.transport.abort()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        endpoint = Endpoint(f"ws://127.0.0.1:{port}/", f"http://127.0.0.1:{port}/", "t")
        client: Any = SimpleNamespace(endpoint=endpoint, locale="en", bearer={})
        monkeypatch.setattr(uploads, "ASK_FIRST", 1 << 40)
        with pytest.raises(TimedOut) as caught:
            await asyncio.wait_for(uploads.upload(client, file), 60)
        code, line = exit_codes.explain(caught.value)
        assert code and "120" not in line and "media" in line
        ends.set()
        server.close()

    asyncio.run(main())
