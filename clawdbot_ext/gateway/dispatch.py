"""Dispatch of requests to their handlers; exceptions become wire errors."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, lru_cache
from types import CoroutineType
from typing import Any

import msgspec

from ..protocol import frames
from ..protocol.errors import (
    GatewayError,
    InvalidRequest,
    MissingScope,
    OperatorOnly,
    TooLarge,
    Unavailable,
    UnknownMethod,
)
from ..protocol.schema import METHODS, Method, Params
from ..store import failpoints
from ..store.api import StoreDamaged
from . import error_texts
from .access.policy import require_method
from .connections.connection import Connection
from .registry import HANDLERS, TwoResponses
from .services import Services

log = logging.getLogger(__name__)


def dispatch(
    services: Services, caller: Connection, request: frames.Request, send: Callable[[bytes], None]
) -> Coroutine[Any, Any, None] | None:
    """Answer one request: look up, check role and scope, read the parameters, call. ``send`` takes response frames.

    A handler that waits for nothing is answered at once; for any other the rest of the work is returned.
    """
    with told(caller, request, send):
        row = METHODS.get(request.method)
        if row is None or request.method not in HANDLERS:
            raise UnknownMethod(f"unknown method: {request.method}")
        authorize(row, caller)
        require_method(services.config(), request.method)
        if request.method in services.host.closed:
            raise OperatorOnly(f"{request.method} is for the operator of this server", method=request.method)
        if len(memoryview(request.params)) > frames.LARGE_BYTES:
            return _finish(_call_large(services, caller, request, row), caller, request, send)
        answer = HANDLERS[request.method](services, caller, read_params(request.method, row.params, request.params))
        if isinstance(answer, CoroutineType):
            return _finish(answer, caller, request, send)
        send(frames.response(request.id, answer))
    return None


async def _call_large(services: Services, caller: Connection, request: frames.Request, row: Method) -> Any:
    params = await asyncio.to_thread(read_params, request.method, row.params, request.params)
    answer = HANDLERS[request.method](services, caller, params)
    return await answer if isinstance(answer, CoroutineType) else answer


async def _finish(
    answering: Coroutine[Any, Any, Any], caller: Connection, request: frames.Request, send: Callable[[bytes], None]
) -> None:
    with told(caller, request, send):
        answer = await answering
        if isinstance(answer, TwoResponses):
            send(frames.response(request.id, answer.ack))
            answer = await answer.result
        failpoints.hit("response.send")
        send(frames.response(request.id, answer))
        failpoints.hit("response.sent")


@contextmanager
def told(caller: Connection, request: frames.Request, send: Callable[[bytes], None]) -> Iterator[None]:
    """Answer with the error that the block raises."""
    try:
        yield
    except GatewayError as exc:
        send(frames.failure(request.id, error_texts.to_wire(exc, caller.locale)))
    except StoreDamaged as exc:
        log.error("method %s: %s", request.method, exc)
        damaged = Unavailable("the database is damaged: clawdbot doctor", reason="STORAGE_DAMAGED")
        send(frames.failure(request.id, error_texts.to_wire(damaged, caller.locale)))
    except Exception:  # the one broad except: a bug must reach the log, not the client, and must not kill the socket
        log.exception("method %s failed", request.method)
        internal = Unavailable("internal error", reason="INTERNAL")
        send(frames.failure(request.id, error_texts.to_wire(internal, caller.locale)))


def authorize(row: Method, caller: Connection) -> None:
    """Check role and scope. Raises ``MissingScope``, or ``InvalidRequest`` for the wrong role."""
    if row.role != caller.role:
        raise InvalidRequest(f"unauthorized role: {caller.role}", reason="WRONG_ROLE", role=row.role)
    if row.scope and row.scope not in caller.scopes:
        raise MissingScope(f"missing scope: {row.scope}", scope=row.scope)


@lru_cache(64)
def callable_by(scopes: frozenset[str], off: frozenset[str]) -> Sequence[str]:
    """The methods that these scopes let a client call, but for those that are ``off``. Those of nodes are among them:
    Clawdbot tells them to everybody."""
    return sorted(name for name in HANDLERS.keys() - off if not METHODS[name].scope or METHODS[name].scope in scopes)


def read_params(name: str, shape: type[Params], raw: msgspec.Raw) -> Params:
    """Decode and check the parameters of one method. Raises ``InvalidRequest``."""
    data = bytes(raw)
    if b"\\u0000" in data and b"\\u0000" in data.replace(rb"\\", b"--"):
        # PostgreSQL's text has no NUL and SQLite's ``length`` stops at it: no text with one is taken at all
        raise InvalidRequest("text must not contain the character U+0000")
    if len(data) > frames.LARGE_BYTES and not _takes_long_texts(shape) and _values(data) > frames.MAX_VALUES:
        raise TooLarge(f"more than {frames.MAX_VALUES} values in {name} params", maxValues=frames.MAX_VALUES)
    try:
        params: Params = _decoder(shape).decode(b"{}" if data == b"null" else data)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as exc:
        raise InvalidRequest(f"invalid {name} params: {exc}") from None
    return params


def _values(data: bytes) -> int:
    """At least as many values as there are in JSON ``data``."""
    return data.count(b",") + data.count(b"[") + data.count(b"{")


@cache
def _takes_long_texts(shape: type[Params]) -> bool:
    """Whether a field is a text in which a person may well write a hundred thousand commas."""
    fields = msgspec.inspect.type_info(shape).fields  # type: ignore[attr-defined]  # of a Struct there are
    return any(
        isinstance(part, msgspec.inspect.StrType) and (part.max_length or 0) > frames.MAX_VALUES
        for field in fields
        for part in (field.type.types if isinstance(field.type, msgspec.inspect.UnionType) else (field.type,))
    )


@cache
def _decoder(shape: type[Params]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(shape)
