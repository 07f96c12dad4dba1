"""The server's side of one connection, without I/O: handshake states, bad-frame limits, sequence numbers.

    state        on connect (good)   on connect (bad)   on another frame   on a bad frame
    CHALLENGED → CONNECTED           CLOSED (1008/1002) CLOSED (1008)      CLOSED (1008)
    CONNECTED  → error               error              Request            error; CLOSED after 5 in a row

``gateway.client`` feeds it text and sends the bytes it makes; whether credentials are right is not decided here.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

import msgspec

from .errors import GatewayError, InvalidRequest, Unauthorized
from .frames import MAX_BEFORE_CONNECT, BadFrame, CloseCode, Request, event, failure, parse
from .schema import PROTOCOL_VERSION, ChallengeEvent, ConnectParams

MAX_BAD_FRAMES = 5
"""Bad frames in a row after which the peer is not worth listening to."""

_connect_decoder = msgspec.json.Decoder(ConnectParams)


class State(Enum):
    CHALLENGED = "challenged"
    CONNECTED = "connected"
    CLOSED = "closed"


class Handshake(msgspec.Struct, frozen=True):
    """A well-formed ``connect``; answer with ``welcome`` or ``refuse``."""

    request_id: str
    params: ConnectParams


class Reject(msgspec.Struct, frozen=True):
    """Send ``frame``; then, if ``close`` is set, close with that code and ``reason``."""

    frame: bytes
    close: int | None = None
    reason: str = ""


class ServerConnection:
    """One connection's protocol state. Call ``challenge`` first, then ``receive`` for every text frame."""

    def __init__(self, max_payload: int):
        self.state = State.CHALLENGED
        self.nonce = ""
        self._max_payload = max_payload
        self._bad = 0
        self._seq = 0

    def challenge(self, nonce: str, ts: int) -> bytes:
        """The frame that opens the conversation. Send it at once: a late one costs Clawdbot's clients 750 ms."""
        self.nonce = nonce
        return event("connect.challenge", msgspec.json.encode(ChallengeEvent(nonce=nonce, ts=ts)), None)

    def receive(self, text: str | bytes) -> Handshake | Request | Reject:
        """Take one text frame and say what it was."""
        if self.state is State.CHALLENGED:
            return self._receive_connect(text)
        try:
            request = parse(text, self._max_payload)
        except BadFrame as bad:
            self._bad += 1
            frame = failure(bad.request_id, bad.error.to_wire())
            if self._bad >= MAX_BAD_FRAMES:
                return self._close(frame, CloseCode.POLICY, "too many invalid frames")
            return Reject(frame)
        self._bad = 0
        if request.method == "connect":
            return Reject(failure(request.id, InvalidRequest("already connected").to_wire()))
        return request

    def _receive_connect(self, text: str | bytes) -> Handshake | Reject:
        try:
            request = parse(text, min(self._max_payload, MAX_BEFORE_CONNECT))
        except BadFrame as bad:
            return self._close(failure(bad.request_id, bad.error.to_wire()), CloseCode.POLICY, bad.error.message)
        if request.method != "connect":
            return self.refuse(
                request.id, Unauthorized("invalid handshake: first request must be connect", reason="NOT_CONNECTED")
            )
        try:
            params = _connect_decoder.decode(request.params)
        except (msgspec.MsgspecError, RecursionError) as exc:
            return self.refuse(request.id, InvalidRequest(f"invalid connect params: {exc}"))
        if not params.min_protocol <= PROTOCOL_VERSION <= params.max_protocol:
            error = InvalidRequest("protocol mismatch", reason="PROTOCOL_MISMATCH", expectedProtocol=PROTOCOL_VERSION)
            return self._close(failure(request.id, error.to_wire()), CloseCode.PROTOCOL, error.message)
        return Handshake(request.id, params)

    def refuse(self, request_id: str, error: GatewayError) -> Reject:
        """End the handshake with ``error``."""
        return self._close(failure(request_id, error.to_wire()), CloseCode.POLICY, error.message)

    def welcome(self) -> None:
        """The credentials were right: requests are taken from now on."""
        self.state = State.CONNECTED

    def event(self, name: str, payload: bytes, state_version: Mapping[str, int] | None = None) -> bytes:
        """The next event frame of this connection; ``seq`` rises by one each time, as clients check."""
        self._seq += 1
        return event(name, payload, self._seq, state_version)

    def _close(self, frame: bytes, code: int, reason: str) -> Reject:
        self.state = State.CLOSED
        return Reject(frame, code, reason)
