"""Run by ``test_media_routes`` in a namespace of its own: a gateway on a file system of a few MB (argument: where)."""

from __future__ import annotations

import base64
import os
import sys
from pathlib import Path

import pytest

from tests.server.handlers.test_media import ask, kept
from tests.support.server import GatewayProcess
from tests.support.wire import WireError, run, wired

SIZE = 12_000_000


async def send(gateway: GatewayProcess) -> None:
    """The same over the socket: the send is refused by its code, and works once there is room."""
    content = base64.b64encode(wav(SIZE)).decode()
    async with wired(gateway.ws_url, gateway.token) as wire:
        with pytest.raises(WireError) as refused:
            await wire.send("hear", attachments=[{"content": content, "fileName": "a.wav"}])
        assert (refused.value.code, refused.value.details["reason"]) == ("UNAVAILABLE", "STORAGE_FULL")
        assert refused.value.details["attachment"] == 0 and refused.value.details["hint"]
        small = {"content": base64.b64encode(b"small").decode(), "fileName": "a.txt"}
        assert (await wire.ask("[[text=fine]]", attachments=[small]))["state"] == "final"


def wav(size: int) -> bytes:
    head = (
        b"RIFF"
        + (size - 8).to_bytes(4, "little")
        + b"WAVEfmt "
        + bytes.fromhex("10000000010001004011000080220000020010")
        + b"\x00data"
        + (size - 44).to_bytes(4, "little")
    )
    return head + bytes(size - len(head))


if __name__ == "__main__":
    running = GatewayProcess(Path(sys.argv[1]) / "state")
    running.start()
    try:
        refusal = ask(running, "POST", "media?name=a.wav", wav(SIZE))
        assert refusal.status == 507, (refusal.status, refusal.body)
        assert refusal.json["error"]["details"]["reason"] == "STORAGE_FULL" and refusal.json["error"]["hint"]
        assert kept(running) == []
        run(send(running))
        assert [path.stat().st_size for path in kept(running)] == [5]
        os.write(1, b"done\n")
    finally:
        running.stop()
