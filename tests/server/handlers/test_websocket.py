"""Frames that a well-behaved client never sends, and clients that do not read."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import time

import psutil
import pytest
from websockets.exceptions import ConnectionClosed

from tests.support.http import UPGRADE
from tests.support.pace import promptly
from tests.support.wire import WireError, opened, run, wired

TEXT, BINARY, CONTINUATION, PING, PONG = 0x1, 0x2, 0x0, 0x9, 0xA


class Raw:
    """A WebSocket at the level of bytes."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 5)
        head = [f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{port}", *(f"{name}: {value}" for name, value in UPGRADE)]
        self.socket.sendall("\r\n".join(head).encode() + b"\r\n\r\n")
        self.buffer = b""
        while b"\r\n\r\n" not in self.buffer:
            self.buffer += self.socket.recv(4096)
        self.buffer = self.buffer.partition(b"\r\n\r\n")[2]

    def send(self, *frame, **fields):
        self.socket.sendall(self.frame(*frame, **fields))

    @staticmethod
    def frame(opcode, data, *, final=True, masked=True, length=None):
        length = len(data) if length is None else length
        mask_bit = 0x80 if masked else 0
        if length < 126:
            size = bytes([mask_bit | length])
        elif length < 65536:
            size = bytes([mask_bit | 126]) + struct.pack("!H", length)
        else:
            size = bytes([mask_bit | 127]) + struct.pack("!Q", length)
        mask = os.urandom(4) if masked else b""
        body = bytes(b ^ mask[i % 4] for i, b in enumerate(data)) if masked else data
        return bytes([(0x80 if final else 0) | opcode]) + size + mask + body

    def receive(self):
        """The next frame: (opcode, payload)."""
        while True:
            if len(self.buffer) >= 2:
                length, start = self.buffer[1] & 0x7F, 2
                if length == 126 and len(self.buffer) >= 4:
                    length, start = struct.unpack("!H", self.buffer[2:4])[0], 4
                elif length == 127 and len(self.buffer) >= 10:
                    length, start = struct.unpack("!Q", self.buffer[2:10])[0], 10
                if len(self.buffer) >= start + length and (start > 2 or length < 126):
                    frame = self.buffer[0] & 0x0F, self.buffer[start : start + length]
                    self.buffer = self.buffer[start + length :]
                    return frame
            more = self.socket.recv(65536)
            if not more:
                raise ConnectionError("closed without a close frame")
            self.buffer += more

    def close_code(self):
        while True:
            opcode, payload = self.receive()
            if opcode == 0x8:
                return struct.unpack("!H", payload[:2])[0]


@pytest.fixture
def raw(standing_gateway):
    connection = Raw(standing_gateway.port)
    assert b"connect.challenge" in connection.receive()[1]
    yield connection
    connection.socket.close()


def test_invalid_utf8_is_closed_with_1007(raw):
    raw.send(TEXT, b'{"type":"req"\xff}')
    assert raw.close_code() == 1007


def test_invalid_utf8_across_fragments_is_closed_with_1007_and_a_split_character_is_fine(raw):
    word = "한".encode()
    raw.send(TEXT, word[:1], final=False)
    raw.send(CONTINUATION, word[1:] + b"\xff")
    assert raw.close_code() == 1007


def test_a_binary_frame_is_closed_with_1003(raw):
    raw.send(BINARY, b"\x00\x01")
    assert raw.close_code() == 1003


def test_a_frame_before_connect_closes_with_a_policy_code(raw):
    raw.send(TEXT, json.dumps({"type": "req", "id": "1", "method": "health"}).encode())
    assert raw.close_code() == 1008


def test_a_large_frame_before_connect_is_refused_in_words(raw):
    raw.send(TEXT, b'{"type":"req","id":"1","method":"connect","params":{"pad":"' + b"x" * 100_000 + b'"}}')
    _, frame = raw.receive()
    assert json.loads(frame)["error"]["details"]["reason"] == "TOO_LARGE"
    assert raw.close_code() == 1009  # it is not even read: 64 KB is the transport's limit before connect


@pytest.mark.parametrize("length", [1_000_000, 2**62])
def test_a_frame_that_claims_to_be_huge_is_refused_at_once(raw, length):
    raw.send(TEXT, b"", length=length)
    assert raw.close_code() == 1009


def test_a_ping_is_answered(raw):
    raw.send(PING, b"are you there")
    assert raw.receive() == (0xA, b"are you there")


def test_an_oversized_frame_is_an_error_with_a_code_and_one_beyond_the_transport_a_close_code(standing_gateway):
    async def main():
        async with wired(standing_gateway.ws_url, standing_gateway.token) as wire:
            with pytest.raises(WireError) as refused:
                await wire.call("health", {"pad": "x" * 21_000_000})
            assert refused.value.details["reason"] == "TOO_LARGE"
            assert (await wire.call("health"))["ok"] is True
            with contextlib.suppress(ConnectionError, ConnectionClosed):
                await wire.socket.send("x" * 34_000_000)
            assert await wire.closed() == 1009

    run(main())


def test_large_frames_arrive_whole_in_both_directions(standing_gateway):
    async def main():
        text = "가나다" * 40_000
        async with wired(standing_gateway.ws_url, standing_gateway.token) as wire:
            entry = await wire.call("sessions.new", {})
            await wire.call("chat.inject", {"sessionKey": entry["key"], "message": text})
            history = await wire.call("chat.history", {"sessionKey": entry["key"]})
            assert history["messages"][0]["content"][0]["text"] == text

    run(main())


@pytest.mark.slow
def test_a_client_that_does_not_read_is_cut_off_and_costs_no_memory(gateway):
    async def main():
        text = "x" * 900_000
        async with wired(gateway.ws_url, gateway.token) as wire:
            await wire.ask("[[tokens=1]]")
            before = psutil.Process(gateway.pid).memory_info().rss
            async with opened(gateway.ws_url, max_queue=1) as sleeper:
                await sleeper.handshake(token=gateway.token, caps=["session.events"])
                sleeper._reader.cancel()
                sleeper.socket.transport.pause_reading()
                began = time.monotonic()
                for _ in range(30):
                    await wire.call("chat.inject", {"sessionKey": "main", "message": text})
                assert time.monotonic() - began < promptly(20)
                grown = psutil.Process(gateway.pid).memory_info().rss - before
                assert grown < 40_000_000, grown
                ends = time.monotonic() + promptly(10)
                while (await wire.call("status"))["gateway"]["clients"] > 1:
                    assert time.monotonic() < ends
                sleeper.socket.transport.abort()

    run(main())


def _request(number, method="agents.list", **params):
    return json.dumps({"type": "req", "id": f"{number:03}", "method": method, "params": params}).encode()


@pytest.mark.parametrize("piece", [10**6, 1])
def test_frames_are_answered_in_order_however_they_arrive(raw, standing_gateway, piece):
    """In one piece of data, and in pieces that end within a frame's head; short, long, fragmented, with pings."""
    client = {"id": "test", "version": "1", "platform": "linux", "mode": "backend"}
    login = {"minProtocol": 3, "maxProtocol": 3, "client": client, "auth": {"token": standing_gateway.token}}
    raw.send(TEXT, _request(0, "connect", role="operator", scopes=["operator.admin"], **login))
    together = b""
    for number in range(1, 31):
        text = _request(number) if number % 10 else _request(number, note="x" * 300)
        if number % 7:
            together += raw.frame(TEXT, text)
        else:
            together += raw.frame(TEXT, text[:20], final=False) + raw.frame(PING, b"p")
            together += raw.frame(CONTINUATION, text[20:])
    for start in range(0, len(together), piece):
        raw.socket.sendall(together[start : start + piece])
    answered, pongs = [], 0
    while not answered or answered[-1] != "030":
        opcode, payload = raw.receive()
        frame = json.loads(payload) if opcode == TEXT else {"type": ""}
        pongs += opcode == PONG
        if frame["type"] == "res":
            assert frame["ok"], frame
            answered.append(frame["id"])
    assert answered == [f"{number:03}" for number in range(31)] and pongs == 4


def test_what_was_sent_before_a_close_arrives_before_it(raw):
    """A refusal and the close frame are of one turn of the loop."""
    raw.send(TEXT, _request(1, "connect"))
    opcode, payload = raw.receive()
    assert opcode == TEXT and json.loads(payload)["ok"] is False
    assert raw.close_code() == 1008
