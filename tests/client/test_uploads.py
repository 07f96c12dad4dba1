"""Files as a client sends them: what has no size before it is read, and names that are no UTF-8."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from clawdbot_ext.cli import exit_codes
from clawdbot_ext.client import uploads
from clawdbot_ext.client.endpoint import Endpoint
from clawdbot_ext.client.errors import Unreachable


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


def test_an_upload_that_is_cut_off_in_the_middle_says_that_the_gateway_is_away() -> None:
    async def cut() -> Unreachable:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            await reader.read(1000)
            writer.transport.abort()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        endpoint = Endpoint(f"ws://127.0.0.1:{port}/", f"http://127.0.0.1:{port}/", "t")
        client = SimpleNamespace(endpoint=endpoint, locale="ko", bearer={"Authorization": "Bearer t"})
        file = uploads.UploadFile("메모.txt", 900_000, data=bytes(900_000))
        try:
            with pytest.raises(Unreachable) as raised:
                await asyncio.wait_for(uploads.upload(cast(Any, client), file), 60)
        finally:
            server.close()
        return raised.value

    code, line = exit_codes.explain(asyncio.run(cut()))
    assert code == exit_codes.UNREACHABLE and line.startswith("The gateway isn't responding: http://127.0.0.1:")
    assert "media?" not in line
