"""Frames: text ↔ request, response, event. No state (that is ``connection``), no knowledge of methods.

Top-level keys are exactly Clawdbot's, because its Node client drops frames that have others; what is ours lives inside
``payload``. The payload of an event is encoded once for all receivers and the ``seq`` of each is spliced in last.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from .errors import InvalidRequest, TooLarge

INVALID_ID = "invalid"
"""The response id for a frame whose own id cannot be read, as the real gateway answers."""

MAX_FRAME_BYTES = 32 * 1024 * 1024
"""The largest frame of the transport; beyond it the socket closes with 1009. A frame between ``policy.maxPayload`` and
this gets an error under its own id."""
MAX_BEFORE_CONNECT = 64 * 1024
"""Bytes a frame may have before the client is authenticated."""

LARGE_BYTES = 256 * 1024
"""A frame that takes milliseconds to read: it is read beside the event loop."""
MAX_VALUES = 100_000
"""Commas and opening brackets in a large frame of a method that takes no long text (files are one text each)."""


class CloseCode:
    """The WebSocket close codes in use. 1008 and 1002 mean: do not come back with the same credentials or protocol."""

    GOING_AWAY = 1001
    PROTOCOL = 1002
    UNSUPPORTED = 1003
    INVALID_UTF8 = 1007
    POLICY = 1008
    TOO_BIG = 1009
    RESTART = 1012
    SLOW = 1013


class Request(msgspec.Struct, frozen=True):
    """A request as it came: ``params`` is not looked at yet."""

    id: str
    method: str
    params: msgspec.Raw


class _Frame(msgspec.Struct):
    type: str
    id: Annotated[str, Meta(min_length=1, max_length=256)]
    method: Annotated[str, Meta(min_length=1, max_length=128)]
    params: msgspec.Raw = msgspec.Raw(b"{}")


class _Id(msgspec.Struct):
    id: Any = None


_frame_decoder = msgspec.json.Decoder(_Frame)
_id_decoder = msgspec.json.Decoder(_Id)
_encoder = msgspec.json.Encoder()
encode = _encoder.encode
"""JSON bytes of anything msgspec knows; strict (no NaN, no lone surrogates)."""


class BadFrame(Exception):
    """A frame that is no request: ``request_id`` (or ``INVALID_ID``) and the error to answer with."""

    def __init__(self, request_id: str, error: InvalidRequest):
        super().__init__(error.message)
        self.request_id, self.error = request_id, error


def parse(text: str | bytes, max_bytes: int) -> Request:
    """Read one text frame.

    Raises:
        BadFrame: not JSON, not a request, or more than ``max_bytes`` bytes.
    """
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    if len(data) > max_bytes:
        raise BadFrame(_id_of(data), TooLarge(f"frame of {len(data)} bytes; at most {max_bytes}", maxBytes=max_bytes))
    try:
        frame = _frame_decoder.decode(data)
    except msgspec.ValidationError as exc:
        raise BadFrame(_id_of(data), InvalidRequest(f"invalid request frame: {exc}")) from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as exc:
        raise BadFrame(INVALID_ID, InvalidRequest(f"invalid JSON: {exc}", reason="INVALID_JSON")) from None
    if frame.type != "req":
        raise BadFrame(frame.id, InvalidRequest(f"invalid request frame: type {frame.type[:32]!r} is not 'req'"))
    return Request(frame.id, frame.method, frame.params)


def _id_of(data: bytes) -> str:
    try:
        found = _id_decoder.decode(data).id
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return INVALID_ID
    return found if isinstance(found, str) and 0 < len(found) <= 256 else INVALID_ID


def response(request_id: str, payload: Any) -> bytes:
    """A successful response; ``payload`` is anything msgspec encodes, or ``Raw``."""
    return b'{"type":"res","id":%b,"ok":true,"payload":%b}' % (encode(request_id), encode(payload))


def failure(request_id: str, error: dict[str, Any]) -> bytes:
    """A failed response; ``error`` is ``GatewayError.to_wire()``."""
    return b'{"type":"res","id":%b,"ok":false,"error":%b}' % (encode(request_id), encode(error))


def event(name: str, payload: bytes, seq: int | None, state_version: Mapping[str, int] | None = None) -> bytes:
    """An event frame around an already encoded payload. ``seq`` is absent on ``connect.challenge`` alone."""
    if seq is None:
        return b"%b%b}" % (_event_head(name), payload)
    if state_version is not None:
        return b'%b%b,"seq":%d,"stateVersion":%b}' % (_event_head(name), payload, seq, encode(state_version))
    return b'%b%b,"seq":%d}' % (_event_head(name), payload, seq)


@cache
def _event_head(name: str) -> bytes:
    return b'{"type":"event","event":%b,"payload":' % encode(name)
