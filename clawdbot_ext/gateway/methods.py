"""The method table's other half: one function a method, and ``dispatch``, where exceptions become wire errors."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgspec

from ..protocol import frames
from ..protocol.errors import GatewayError, InvalidRequest, MissingScope, Unavailable, UnknownMethod
from ..protocol.schema import METHODS, Method, Params
from . import refusals
from .policy import require_method

if TYPE_CHECKING:
    from .client import Client
    from .core import Gateway

log = logging.getLogger(__name__)

Handler = Callable[["Gateway", "Client", Any], Awaitable[Any]]
F = TypeVar("F", bound=Handler)
HANDLERS: dict[str, Handler] = {}


class Twice(NamedTuple):
    """Two responses under one request id: ``first`` at once, and what ``then`` comes to (the method ``agent``)."""

    first: Any
    then: Awaitable[Any]


def method(name: str) -> Callable[[F], F]:
    """Register the function that serves ``name``, which must have a row in ``protocol.schema.METHODS``."""

    def register(function: F) -> F:
        if name not in METHODS or name in HANDLERS:
            raise RuntimeError(f"{name} has no row in METHODS, or two handlers")
        HANDLERS[name] = function
        return function

    return register


async def dispatch(gateway: Gateway, client: Client, request: frames.Request, send: Callable[[bytes], None]) -> None:
    """Answer one request: look up, check role and scope, read the parameters, call. ``send`` takes response frames."""
    try:
        row = METHODS.get(request.method)
        if row is None or request.method not in HANDLERS:
            raise UnknownMethod(f"unknown method: {request.method}")
        authorize(row, client)
        require_method(gateway.live(), request.method)
        params = read_params(request.method, row.params, request.params)
        answer = await HANDLERS[request.method](gateway, client, params)
        if isinstance(answer, Twice):
            send(frames.response(request.id, answer.first))
            answer = await answer.then
        send(frames.response(request.id, answer))
    except GatewayError as exc:
        send(frames.failure(request.id, refusals.to_wire(exc, client.locale)))
    except Exception:  # the one broad except: a bug must reach the log, not the client, and must not kill the socket
        log.exception("method %s failed", request.method)
        internal = Unavailable("internal error", reason="INTERNAL")
        send(frames.failure(request.id, refusals.to_wire(internal, client.locale)))


def authorize(row: Method, client: Client) -> None:
    """May ``client`` call this method? Raises ``MissingScope``, or ``InvalidRequest`` for the wrong role."""
    if row.role != client.role:
        raise InvalidRequest(f"unauthorized role: {client.role}", reason="WRONG_ROLE", role=row.role)
    if row.scope and row.scope not in client.scopes:
        raise MissingScope(f"missing scope: {row.scope}", scope=row.scope)


def callable_by(client: Client) -> frozenset[str]:
    """The methods that the client's scopes let it call; those of nodes, as Clawdbot tells them to everybody, too."""
    return frozenset(name for name in HANDLERS if not METHODS[name].scope or METHODS[name].scope in client.scopes)


def read_params(name: str, shape: type[Params], raw: msgspec.Raw) -> Params:
    """Decode and check the parameters of one method. Raises ``InvalidRequest``."""
    data = bytes(raw)
    try:
        if b"\\u0000" in data:
            _refuse_nul(msgspec.json.decode(data))
        params: Params = _decoder(shape).decode(b"{}" if data == b"null" else data)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as exc:
        raise InvalidRequest(f"invalid {name} params: {exc}") from None
    return params


@cache
def _decoder(shape: type[Params]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(shape)


def _refuse_nul(value: Any) -> None:
    """PostgreSQL's text has no NUL and SQLite's ``length`` stops at it: no text with one is taken at all."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            if "\0" in item:
                raise InvalidRequest("text must not contain the character U+0000")
        elif isinstance(item, dict):
            stack += item.keys()
            stack += item.values()
        elif isinstance(item, list):
            stack += item
